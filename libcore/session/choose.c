/* SPDX-License-Identifier: BSD-3-Clause */
/* Who parses a flow: the probes' answers, and the bytes kept until they agree. */
#include "session/internal.h"

#include <string.h>

static unsigned transport_of(uint8_t proto)
{
	return proto == 6 ? NR_ON_TCP : proto == 17 ? NR_ON_UDP : NR_ON_ICMP;
}

static bool has_port(const struct nr_parser *p, const struct nr_probe *in)
{
	for (const uint16_t *port = p->ports; port && *port; port++) {
		if (*port == in->port[0] || *port == in->port[1])
			return true;
	}
	return false;
}

/*
 * A signature wins, one on a port of its own before another; else, when nobody waits for
 * more, what is possible and has the port.
 */
enum nr_choosing nr_choose(struct nr_probe *in, const struct nr_parser **out)
{
	const struct nr_parser *sure = NULL, *maybe = NULL;
	unsigned transport = transport_of(in->proto);
	bool more = false;

	for (const struct nr_parser *const *p = nr_parsers; *p; p++) {
		if (!((*p)->transports & transport))
			continue;
		in->port_match = has_port(*p, in);
		switch ((*p)->probe(in)) {
		case NR_PROBE_YES:
			if (in->port_match) {
				*out = *p;
				return NR_CHOSEN;
			}
			if (!sure)
				sure = *p;
			break;
		case NR_PROBE_MAYBE:
			if (in->port_match && !maybe)
				maybe = *p;
			break;
		case NR_PROBE_MORE:
			more = !in->last;
			break;
		case NR_PROBE_NO:
			break;
		}
	}
	*out = sure ? sure : maybe;
	if (sure || (maybe && !more))
		return NR_CHOSEN;
	return more ? NR_UNDECIDED : NR_NOBODY;
}

static bool keep(struct nr_choice *c, struct nr_account *a, unsigned side,
		 const uint8_t *p, uint32_t n)
{
	uint32_t cap = c->cap[side] ? c->cap[side] : n;
	uint8_t *grown;

	while (cap - c->len[side] < n)
		cap *= 2;
	if (cap != c->cap[side]) {
		grown = nr_account_realloc(a, c->data[side], c->cap[side], cap);
		if (!grown)
			return false;
		c->data[side] = grown;
		c->cap[side] = cap;
	}
	memcpy(c->data[side] + c->len[side], p, n);
	c->len[side] += n;
	return true;
}

static bool room_for_chunk(struct nr_choice *c, struct nr_account *a)
{
	uint32_t cap = c->cap_chunks ? 2 * c->cap_chunks : 1;
	struct nr_chunk *grown;

	if (c->n_chunks == NR_CHOICE_CHUNKS)
		return false;
	if (c->n_chunks < c->cap_chunks)
		return true;
	grown = nr_account_realloc(a, c->chunk, c->cap_chunks * sizeof(*grown),
				   cap * sizeof(*grown));
	if (!grown)
		return false;
	c->chunk = grown;
	c->cap_chunks = cap;
	return true;
}

/* The same side says more. */
static bool goes_on(const struct nr_choice *c, const struct nr_chunk *chunk)
{
	const struct nr_chunk *last;

	if (!c->n_chunks || chunk->gap)
		return false;
	last = &c->chunk[c->n_chunks - 1];
	return last->side == chunk->side && !last->gap;
}

bool nr_choice_add(struct nr_choice *c, struct nr_account *a, struct nr_chunk chunk,
		   const uint8_t *p)
{
	if (goes_on(c, &chunk)) {
		struct nr_chunk *last = &c->chunk[c->n_chunks - 1];

		if (!keep(c, a, chunk.side, p, chunk.len))
			return false;
		last->len += chunk.len;
		last->at = chunk.at;
		return true;
	}
	if (!room_for_chunk(c, a))
		return false;
	chunk.from = c->len[chunk.side];
	if (chunk.len && !keep(c, a, chunk.side, p, chunk.len))
		return false;
	if (chunk.gap) {
		c->from[chunk.side] = c->len[chunk.side];
		c->after_gap[chunk.side] = true;
	}
	c->chunk[c->n_chunks++] = chunk;
	return true;
}

void nr_choice_free(struct nr_choice *c, struct nr_account *a)
{
	if (!c)
		return;
	nr_account_free(a, c->data[0], c->cap[0]);
	nr_account_free(a, c->data[1], c->cap[1]);
	nr_account_free(a, c->chunk, c->cap_chunks * sizeof(*c->chunk));
	nr_account_free(a, c, sizeof(*c));
}

#define SWAP(pair)                                                                       \
	do {                                                                             \
		__typeof__((pair)[0]) first = (pair)[0];                                 \
		(pair)[0] = (pair)[1];                                                   \
		(pair)[1] = first;                                                       \
	} while (0)

void nr_choice_swap(struct nr_choice *c)
{
	SWAP(c->data);
	SWAP(c->len);
	SWAP(c->cap);
	SWAP(c->from);
	SWAP(c->after_gap);
	for (uint32_t i = 0; i < c->n_chunks; i++)
		c->chunk[i].side ^= 1;
}

void nr_choice_probe(const struct nr_choice *c, unsigned side, struct nr_probe *out)
{
	out->side = side;
	for (unsigned i = 0; i < 2; i++) {
		out->data[i] = c->data[i] ? c->data[i] + c->from[i] : NULL;
		out->len[i] = c->len[i] - c->from[i];
		if (out->len[i] > NR_PROBE_BYTES)
			out->len[i] = NR_PROBE_BYTES;
		out->begins[i] &= !c->after_gap[i];
	}
	out->last = c->n_chunks == NR_CHOICE_CHUNKS || c->len[0] >= NR_PROBE_BYTES ||
		    c->len[1] >= NR_PROBE_BYTES;
}
