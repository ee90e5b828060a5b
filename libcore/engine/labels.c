/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows that another announces: data connections of FTP. Rows get the other's flow_id,
 * announced flows their service. Part of the ordered merge.
 *
 * The last NR_MAX_EXPECTED announcements are kept, for 60 s of packet time each.
 */
#include "engine/internal.h"

#include "base/mem.h"

enum { NR_MAX_EXPECTED = 4096, N_BUCKETS = 1024 };

#define EXPECTED_FOR (INT64_C(60) * 1000000000)

struct expected {
	struct nr_expectation x;
	uint64_t token;   /* 0: free */
	uint64_t flow_id; /* that came; 0: none yet */
	int64_t until_ns;
	uint32_t next, next_token; /* in their buckets, slot + 1 */
};

struct nr_labels {
	struct expected slot[NR_MAX_EXPECTED];
	uint32_t bucket[N_BUCKETS];   /* slot + 1, by destination */
	uint32_t by_token[N_BUCKETS]; /* the same */
	uint64_t n;
};

struct nr_labels *nr_labels_new(void)
{
	return nr_xcalloc(1, sizeof(struct nr_labels));
}

void nr_labels_free(struct nr_labels *t)
{
	nr_free(t);
}

static uint32_t *bucket_of(struct nr_labels *t, const uint8_t *dst_ip, uint16_t dst_port)
{
	uint64_t a, b;

	memcpy(&a, dst_ip, 8);
	memcpy(&b, dst_ip + 8, 8);
	return &t->bucket[nr_mix(a ^ dst_port, b ^ 0x9e3779b97f4a7c15) % N_BUCKETS];
}

/* Tokens of one shard count up: they spread by themselves. */
static size_t token_bucket(uint64_t token)
{
	return (token ^ token >> 56) % N_BUCKETS;
}

static void unlink_slot(struct nr_labels *t, struct expected *s)
{
	uint32_t *at = bucket_of(t, s->x.dst_ip, s->x.dst_port);
	uint32_t me = (uint32_t)(s - t->slot) + 1;

	while (*at && *at != me)
		at = &t->slot[*at - 1].next;
	if (*at)
		*at = s->next;
	at = &t->by_token[token_bucket(s->token)];
	while (*at && *at != me)
		at = &t->slot[*at - 1].next_token;
	if (*at)
		*at = s->next_token;
}

void nr_labels_expect(struct nr_labels *t, const struct nr_join *j)
{
	struct expected *s = &t->slot[t->n++ % NR_MAX_EXPECTED];
	const struct nr_expectation *x = &j->expect.x;
	uint32_t *bucket, *by_token = &t->by_token[token_bucket(j->id)];
	int64_t now = j->expect.clock_ns;

	if (s->token)
		unlink_slot(t, s);
	bucket = bucket_of(t, x->dst_ip, x->dst_port);
	*s = (struct expected){ .x = *x,
				.token = j->id,
				.until_ns = now > INT64_MAX - EXPECTED_FOR
						    ? INT64_MAX
						    : now + EXPECTED_FOR,
				.next = *bucket,
				.next_token = *by_token };
	*bucket = *by_token = (uint32_t)(s - t->slot) + 1;
}

static bool is_source(const struct expected *s, const uint8_t *ip, uint16_t port)
{
	static const uint8_t anybody[16];

	return (!s->x.src_port || s->x.src_port == port) &&
	       (!memcmp(s->x.src_ip, anybody, 16) || !memcmp(s->x.src_ip, ip, 16));
}

const char *nr_labels_born(struct nr_labels *t, const struct nr_join *j)
{
	const struct nr_key *k = &j->born.key;
	bool hi = j->born.src_is_hi;
	const uint8_t *src = hi ? k->hi : k->lo;
	const uint8_t *dst = hi ? k->lo : k->hi;
	uint16_t src_port = hi ? k->hi_port : k->lo_port;
	uint16_t dst_port = hi ? k->lo_port : k->hi_port;

	if (!t->n)
		return NULL;
	for (uint32_t i = *bucket_of(t, dst, dst_port); i; i = t->slot[i - 1].next) {
		struct expected *s = &t->slot[i - 1];

		if (s->flow_id || s->x.dst_port != dst_port || s->x.proto != k->proto ||
		    s->x.ip_version != k->ip_version ||
		    memcmp(s->x.dst_ip, dst, 16) != 0 || !is_source(s, src, src_port) ||
		    j->born.clock_ns > s->until_ns)
			continue;
		s->flow_id = j->id;
		return s->x.service;
	}
	return NULL;
}

uint64_t nr_labels_came(const struct nr_labels *t, uint64_t token)
{
	uint32_t i = token ? t->by_token[token_bucket(token)] : 0;

	while (i && t->slot[i - 1].token != token)
		i = t->slot[i - 1].next_token;
	return i ? t->slot[i - 1].flow_id : 0;
}

void nr_labels_renumber(struct nr_labels *t,
			uint64_t (*new_id)(const void *arg, uint64_t id), const void *arg)
{
	for (size_t i = 0; t->n && i < NR_MAX_EXPECTED; i++) {
		if (t->slot[i].flow_id)
			t->slot[i].flow_id = new_id(arg, t->slot[i].flow_id);
	}
}

struct nr_key nr_quoted_key(const struct nr_key *at, const struct nr_tuple *q)
{
	struct nr_key k = *at;
	int order = memcmp(q->src_ip, q->dst_ip, 16);
	bool hi = order > 0 || (order == 0 && q->src_port > q->dst_port);

	memcpy(k.lo, hi ? q->dst_ip : q->src_ip, 16);
	memcpy(k.hi, hi ? q->src_ip : q->dst_ip, 16);
	k.lo_port = hi ? q->dst_port : q->src_port;
	k.hi_port = hi ? q->src_port : q->dst_port;
	k.proto = q->proto;
	k.ip_version = q->ip_version;
	k.one_way = 0;
	return k;
}
