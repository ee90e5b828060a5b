/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What one flow says of another: data connections announced by FTP, packets quoted by
 * ICMP. Rows get the other's flow_id, announced flows their service.
 *
 * The last NR_MAX_EXPECTED announcements are kept, for 60 s of packet time each.
 */
#include "engine/internal.h"

#include "base/mem.h"

enum { NR_MAX_EXPECTED = 4096, N_BUCKETS = 1024 };

#define EXPECTED_FOR (INT64_C(60) * 1000000000)

struct expected {
	struct nr_expectation x;
	uint64_t serial;  /* from 1; 0: free */
	uint64_t flow_id; /* that came; 0: none yet */
	int64_t until_ns;
	uint32_t next; /* in its bucket, slot + 1 */
};

struct nr_labels {
	struct expected slot[NR_MAX_EXPECTED];
	uint32_t bucket[N_BUCKETS]; /* slot + 1 */
	uint64_t serial;
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

static void unlink_slot(struct nr_labels *t, struct expected *s)
{
	uint32_t *at = bucket_of(t, s->x.dst_ip, s->x.dst_port);
	uint32_t me = (uint32_t)(s - t->slot) + 1;

	while (*at && *at != me)
		at = &t->slot[*at - 1].next;
	if (*at)
		*at = s->next;
}

uint64_t nr_labels_expect(struct nr_labels *t, const struct nr_expectation *x,
			  int64_t clock_ns)
{
	struct expected *s = &t->slot[t->serial % NR_MAX_EXPECTED];
	uint32_t *bucket = bucket_of(t, x->dst_ip, x->dst_port);

	if (s->serial)
		unlink_slot(t, s);
	*s = (struct expected){ .x = *x,
				.serial = ++t->serial,
				.until_ns = clock_ns > INT64_MAX - EXPECTED_FOR
						    ? INT64_MAX
						    : clock_ns + EXPECTED_FOR,
				.next = *bucket };
	*bucket = (uint32_t)(s - t->slot) + 1;
	return s->serial;
}

static bool is_source(const struct expected *s, const uint8_t *ip, uint16_t port)
{
	static const uint8_t anybody[16];

	return (!s->x.src_port || s->x.src_port == port) &&
	       (!memcmp(s->x.src_ip, anybody, 16) || !memcmp(s->x.src_ip, ip, 16));
}

void nr_labels_flow(struct nr_labels *t, struct nr_flow *f)
{
	const struct nr_key key = nr_flow_key(f), *k = &key;
	const uint8_t *src = f->src_is_hi ? k->hi : k->lo;
	const uint8_t *dst = f->src_is_hi ? k->lo : k->hi;
	uint16_t src_port = f->src_is_hi ? k->hi_port : k->lo_port;
	uint16_t dst_port = f->src_is_hi ? k->lo_port : k->hi_port;

	if (!t->serial)
		return;
	for (uint32_t i = *bucket_of(t, dst, dst_port); i; i = t->slot[i - 1].next) {
		struct expected *s = &t->slot[i - 1];

		if (s->flow_id || s->x.dst_port != dst_port || s->x.proto != k->proto ||
		    s->x.ip_version != k->ip_version || memcmp(s->x.dst_ip, dst, 16) ||
		    !is_source(s, src, src_port) || nr_flow_clock_ns(f) > s->until_ns)
			continue;
		s->flow_id = f->flow_id;
		nr_flow_add_service(f, s->x.service);
		return;
	}
}

void nr_labels_link(struct nr_labels *t, struct nr_record *r, unsigned field,
		    uint64_t token)
{
	const struct expected *s = &t->slot[(token - 1) % NR_MAX_EXPECTED];

	if (token && s->serial == token && s->flow_id)
		nr_set_int(r, field, (int64_t)s->flow_id);
}

/* The key that a quoted packet has in the surroundings (VLAN, tunnel) of f. */
static struct nr_key quoted_key(const struct nr_flow *f, const struct nr_tuple *q)
{
	struct nr_key k = nr_flow_key(f);
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

void nr_labels_link_quoted(struct nr_engine *e, const struct nr_flow *f,
			   struct nr_record *r, unsigned field, const struct nr_tuple *q)
{
	struct nr_key k = quoted_key(f, q);
	const struct nr_flow *g =
		nr_flow_find(e->flows, &k, nr_key_hash(&k, e->key.secret));

	if (g)
		nr_set_int(r, field, (int64_t)g->flow_id);
}
