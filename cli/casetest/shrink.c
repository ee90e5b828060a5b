/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delta debugging (Zeller and Hildebrandt 2002), the part that takes away: stretches of
 * a list, large ones first, for as long as one can go.
 */
#include "casetest/shrink.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Units that go together: unit[i] is that of packet i; alive lists those still there. */
struct units {
	size_t *unit, *alive, n;
};

/* Takes units [from, to) of the list away; gives them back where that is one too many. */
static bool try_without(struct nr_reduce *r, struct units *u, size_t from, size_t to)
{
	bool *gone = nr_xcalloc(u->n + r->ps.n, sizeof(*gone)), holds;
	bool *mine = nr_xcalloc(r->ps.n, sizeof(*mine));

	for (size_t k = from; k < to; k++)
		gone[u->alive[k]] = true;
	for (size_t i = 0; i < r->ps.n; i++) {
		if (!r->ps.p[i].kept || !gone[u->unit[i]])
			continue;
		mine[i] = true;
		r->ps.p[i].kept = false;
	}
	holds = nr_reduce_holds(r);
	for (size_t i = 0; !holds && i < r->ps.n; i++)
		if (mine[i])
			r->ps.p[i].kept = true;
	nr_free(gone);
	nr_free(mine);
	if (holds) {
		memmove(u->alive + from, u->alive + to, (u->n - to) * sizeof(*u->alive));
		u->n -= to - from;
	}
	return holds;
}

/* One pass with stretches of `size`; true where something went. */
static bool pass(struct nr_reduce *r, struct units *u, size_t size)
{
	size_t at = 0;
	bool any = false;

	while (at < u->n && !r->err.text[0]) {
		size_t to = u->n - at < size ? u->n : at + size;

		if (u->n > to - at && try_without(r, u, at, to))
			any = true;
		else
			at = to;
	}
	return any;
}

static void shrink(struct nr_reduce *r, struct units *u, size_t least)
{
	size_t size = u->n / 2;

	while (size >= least && !r->err.text[0]) {
		bool any = pass(r, u, size);

		if (size > 1)
			size = size / 2 < u->n / 2 ? size / 2 : u->n / 2;
		else if (!any)
			break; /* nothing single can go any more */
	}
}

void nr_shrink_packets(struct nr_reduce *r, size_t parts)
{
	struct units u = { nr_xcalloc(r->ps.n, sizeof(size_t)),
			   nr_xcalloc(r->ps.n, sizeof(size_t)), 0 };
	size_t least;

	for (size_t i = 0; i < r->ps.n; i++) {
		u.unit[i] = i;
		if (r->ps.p[i].kept)
			u.alive[u.n++] = i;
	}
	least = u.n / parts;
	shrink(r, &u, least ? least : 1);
	nr_free(u.unit);
	nr_free(u.alive);
}

struct flow {
	uint64_t flow;
	size_t packet;
};

static int by_flow(const void *a, const void *b)
{
	const struct flow *x = a, *y = b;

	if (x->flow != y->flow)
		return x->flow < y->flow ? -1 : 1;
	return x->packet < y->packet ? -1 : x->packet > y->packet;
}

static int by_number(const void *a, const void *b)
{
	const size_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A unit is called after its flow's first packet, so that near ones are near. */
void nr_shrink_flows(struct nr_reduce *r)
{
	struct units u = { nr_xcalloc(r->ps.n, sizeof(size_t)),
			   nr_xcalloc(r->ps.n, sizeof(size_t)), 0 };
	struct flow *f = nr_xcalloc(r->ps.n, sizeof(*f));

	for (size_t i = 0; i < r->ps.n; i++)
		f[i] = (struct flow){ r->ps.p[i].flow, i };
	qsort(f, r->ps.n, sizeof(*f), by_flow);
	for (size_t k = 0, first = 0; k < r->ps.n; k++) {
		if (!k || f[k].flow != f[k - 1].flow || !f[k].flow)
			first = f[k].packet;
		u.unit[f[k].packet] = first;
	}
	for (size_t i = 0; i < r->ps.n; i++)
		if (r->ps.p[i].kept)
			u.alive[u.n++] = u.unit[i];
	qsort(u.alive, u.n, sizeof(*u.alive), by_number);
	for (size_t i = 0, n = u.n; i < n; i++) {
		if (!i)
			u.n = 0;
		if (!i || u.alive[i] != u.alive[u.n - 1])
			u.alive[u.n++] = u.alive[i];
	}
	shrink(r, &u, 1);
	nr_free(f);
	nr_free(u.unit);
	nr_free(u.alive);
}

/* All kept packets, or one, cut to at most len bytes; old gets what they were. */
static void cut(struct nr_reduce *r, size_t from, size_t to, uint32_t len, uint32_t *old)
{
	for (size_t i = from; i < to; i++) {
		old[i] = r->ps.p[i].cap_len;
		if (r->ps.p[i].kept && r->ps.p[i].cap_len > len)
			r->ps.p[i].cap_len = len;
	}
}

/* The shortest cut of packets [from, to) that holds, by bisection. */
static void cut_shortest(struct nr_reduce *r, size_t from, size_t to, uint32_t *old)
{
	uint32_t lo = 0, hi = 0; /* hi holds */

	for (size_t i = from; i < to; i++)
		if (r->ps.p[i].kept && r->ps.p[i].cap_len > hi)
			hi = r->ps.p[i].cap_len;
	while (lo < hi && !r->err.text[0]) {
		uint32_t mid = lo + (hi - lo) / 2;

		cut(r, from, to, mid, old);
		if (nr_reduce_holds(r)) {
			hi = mid;
			continue;
		}
		for (size_t i = from; i < to; i++)
			r->ps.p[i].cap_len = old[i];
		lo = mid + 1;
	}
}

enum { ONE_BY_ONE = 64 }; /* packets at most that are cut each by itself */

void nr_shrink_bytes(struct nr_reduce *r)
{
	uint32_t *old = nr_xcalloc(r->ps.n, sizeof(*old));

	cut_shortest(r, 0, r->ps.n, old);
	if (nr_packets_kept(&r->ps) <= ONE_BY_ONE)
		for (size_t i = 0; i < r->ps.n; i++)
			if (r->ps.p[i].kept)
				cut_shortest(r, i, i + 1, old);
	nr_free(old);
}
