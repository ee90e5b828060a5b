/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --scrub: payload becomes zeroes, addresses become those that are kept for examples
 * (RFC 5737, 3849; locally administered MAC addresses), as far as the failure allows.
 * Addresses change in the packets, and as words in the expectations, all at once: the
 * failure is the same one with other names.
 */
#include "casetest/addresses.h"
#include "casetest/reduce.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Bytes [from, to) of a packet become zero, if it then still fails the same way. */
static bool zero(struct nr_reduce *r, struct nr_case_packet *p, uint32_t from,
		 uint32_t to)
{
	uint8_t *old = nr_xmalloc(p->cap_len + 1);
	bool any = false, holds;

	memcpy(old, p->data, p->cap_len);
	for (uint32_t i = from; i < to; i++)
		any |= p->data[i] != 0;
	memset(p->data + from, 0, to - from);
	nr_packet_mend(p);
	holds = any && nr_reduce_holds(r);
	if (!holds)
		memcpy(p->data, old, p->cap_len);
	nr_free(old);
	return holds || !any;
}

enum { LEAST = 8, BUDGET = 400 }; /* bytes that are tried; replays for payload */

/* The halves of what cannot go as a whole. */
static void zero_parts(struct nr_reduce *r, struct nr_case_packet *p, uint32_t from,
		       uint32_t to, unsigned last)
{
	uint32_t mid = from + (to - from) / 2;

	if (from == to || r->replays > last || r->err.text[0] || zero(r, p, from, to) ||
	    to - from <= LEAST)
		return;
	zero_parts(r, p, from, mid, last);
	zero_parts(r, p, mid, to, last);
}

static void zero_payload(struct nr_reduce *r)
{
	unsigned last = r->replays + BUDGET;

	for (size_t i = 0; i < r->ps.n; i++) {
		struct nr_case_packet *p = &r->ps.p[i];

		if (p->kept && p->payload < p->cap_len)
			zero_parts(r, p, p->payload, p->cap_len, last);
	}
}

static void map_packet(struct nr_addresses *a, struct nr_case_packet *p)
{
	if (p->mac != UINT32_MAX) {
		nr_address_map(a, p->data + p->mac, 6);
		nr_address_map(a, p->data + p->mac + 6, 6);
	}
	for (unsigned i = 0; i < p->n_layers; i++) {
		const struct nr_layer *y = &p->layer[i];
		uint32_t n = y->version == 4 ? 4 : 16, at = y->l3 + (n == 4 ? 12 : 8);

		if (p->cap_len - y->l3 < (n == 4 ? 20U : 40U))
			continue;
		nr_address_map(a, p->data + at, n);
		nr_address_map(a, p->data + at + n, n);
	}
	nr_packet_mend(p);
}

static char *copy_all(const struct nr_packets *ps)
{
	size_t n = 0;
	char *out;

	for (size_t i = 0; i < ps->n; i++)
		n += ps->p[i].kept ? ps->p[i].cap_len : 0;
	out = nr_xmalloc(n + 1);
	n = 0;
	for (size_t i = 0; i < ps->n; i++) {
		if (!ps->p[i].kept)
			continue;
		memcpy(out + n, ps->p[i].data, ps->p[i].cap_len);
		n += ps->p[i].cap_len;
	}
	return out;
}

static void put_back(const struct nr_packets *ps, const char *old)
{
	for (size_t i = 0; i < ps->n; i++) {
		if (!ps->p[i].kept)
			continue;
		memcpy(ps->p[i].data, old, ps->p[i].cap_len);
		old += ps->p[i].cap_len;
	}
}

/* The same with other names: the words of the expectations, options and keys. */
static bool rename_case(struct nr_reduce *r, const struct nr_addresses *a,
			char **old_keys)
{
	struct nr_case *c = &r->c;
	struct nr_err err;
	bool ok = true;

	for (size_t i = 0; i < r->n_keys; i++) {
		old_keys[i] = r->key[i];
		r->key[i] =
			nr_addresses_rename(a, old_keys[i], strlen(old_keys[i]), NULL);
	}
	nr_reduce_sort(r);
	for (int i = 0; i < c->n_words; i++) {
		char *word =
			nr_addresses_rename(a, c->words[i], strlen(c->words[i]), NULL);

		c->words[i] = nr_arena_copy(&c->arena, word, strlen(word));
		nr_free(word);
	}
	if (c->sql.text) {
		size_t n;
		char *text = nr_addresses_rename(a, c->sql.text, c->sql.len, &n);

		ok &= !nr_expect_sql_parse(&c->sql, c->sql.path,
					   nr_arena_copy(&c->arena, text, n), n,
					   &c->arena, &err);
		nr_free(text);
	}
	if (c->jsonl.text) {
		size_t n;
		char *text = nr_addresses_rename(a, c->jsonl.text, c->jsonl.len, &n);

		ok &= !nr_expect_jsonl_parse(&c->jsonl, c->jsonl.path,
					     nr_arena_copy(&c->arena, text, n), n,
					     &c->arena, &err);
		nr_free(text);
	}
	return ok;
}

static void map_addresses(struct nr_reduce *r)
{
	struct nr_addresses a = { 0 };
	const struct nr_expect_sql sql = r->c.sql;
	const struct nr_expect_jsonl jsonl = r->c.jsonl;
	char **old_keys = nr_xcalloc(r->n_keys + 1, sizeof(*old_keys));
	char **words = nr_xcalloc((size_t)r->c.n_words + 1, sizeof(*words));
	char *old = copy_all(&r->ps);
	bool holds;

	for (int i = 0; i < r->c.n_words; i++)
		words[i] = r->c.words[i];
	for (size_t i = 0; i < r->ps.n; i++)
		if (r->ps.p[i].kept)
			map_packet(&a, &r->ps.p[i]);
	holds = rename_case(r, &a, old_keys) && nr_reduce_holds(r);
	if (!holds) {
		put_back(&r->ps, old);
		for (size_t i = 0; i < r->n_keys; i++)
			nr_free(r->key[i]);
		memcpy(r->key, old_keys, r->n_keys * sizeof(*old_keys));
		for (int i = 0; i < r->c.n_words; i++)
			r->c.words[i] = words[i];
		r->c.sql = sql;
		r->c.jsonl = jsonl;
	} else {
		r->renamed = r->c.n_words > 0;
		for (size_t i = 0; i < r->n_keys; i++)
			nr_free(old_keys[i]);
	}
	if (!r->o->quiet)
		fprintf(stderr,
			holds ? "addresses mapped: %zu\n"
			      : "addresses stay: with others it does not fail so\n",
			a.n);
	nr_addresses_fini(&a);
	nr_free(old_keys);
	nr_free(words);
	nr_free(old);
}

void nr_reduce_scrub(struct nr_reduce *r)
{
	zero_payload(r);
	if (!r->err.text[0])
		map_addresses(r);
}
