/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/ledger.h"

#include "base/mem.h"
#include "record/anomaly.h"

#include <stdio.h>

struct nr_ledger *nr_ledger_new(size_t n_sources)
{
	struct nr_ledger *l = nr_xcalloc(1, sizeof(*l));

	l->n_sources = n_sources;
	l->flow = nr_xcalloc(n_sources, sizeof(l->flow[0]));
	for (size_t i = 0; i < n_sources; i++)
		l->flow[i].source = (uint32_t)i;
	l->cap = 64;
	l->other = nr_xcalloc(l->cap, sizeof(l->other[0]));
	return l;
}

void nr_ledger_grow(struct nr_ledger *l, size_t n_sources)
{
	l->flow = nr_xrealloc(l->flow, n_sources * sizeof(l->flow[0]));
	for (size_t i = l->n_sources; i < n_sources; i++)
		l->flow[i] = (struct nr_ledger_line){ .source = (uint32_t)i };
	l->n_sources = n_sources;
}

void nr_ledger_free(struct nr_ledger *l)
{
	if (!l)
		return;
	nr_free(l->flow);
	nr_free(l->other);
	nr_free(l->sorted);
	nr_free(l);
}

static struct nr_ledger_line *slot(struct nr_ledger_line *t, size_t cap, uint32_t source,
				   unsigned bucket, uint32_t detail)
{
	uint64_t h = ((uint64_t)source << 32 | detail) * 0x9e3779b97f4a7c15u + bucket;

	for (size_t i = (h ^ h >> 29) & (cap - 1);; i = (i + 1) & (cap - 1)) {
		if (!t[i].packets || (t[i].source == source && t[i].bucket == bucket &&
				      t[i].detail == detail))
			return &t[i];
	}
}

static void grow(struct nr_ledger *l)
{
	size_t cap = l->cap * 2;
	struct nr_ledger_line *t = nr_xcalloc(cap, sizeof(*t));

	for (size_t i = 0; i < l->cap; i++) {
		const struct nr_ledger_line *o = &l->other[i];

		if (o->packets)
			*slot(t, cap, o->source, o->bucket, o->detail) = *o;
	}
	nr_free(l->other);
	l->other = t;
	l->cap = cap;
}

void nr_ledger_add(struct nr_ledger *l, uint32_t source, enum nr_bucket b,
		   uint32_t detail, uint32_t wire_len)
{
	struct nr_ledger_line *x;

	if (b == NR_BUCKET_FLOW) {
		x = &l->flow[source];
	} else {
		x = slot(l->other, l->cap, source, b, detail);
		if (!x->packets) {
			if (l->n_other * 2 >= l->cap) {
				grow(l);
				x = slot(l->other, l->cap, source, b, detail);
			}
			l->n_other++;
			x->source = source;
			x->bucket = (uint8_t)b;
			x->detail = detail;
		}
	}
	x->packets++;
	x->wire_bytes += wire_len;
}

static int line_cmp(const void *a, const void *b)
{
	const struct nr_ledger_line *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->bucket != y->bucket)
		return x->bucket < y->bucket ? -1 : 1;
	return x->detail < y->detail ? -1 : x->detail > y->detail;
}

const struct nr_ledger_line *nr_ledger_lines(struct nr_ledger *l, size_t *n)
{
	size_t m = 0;

	nr_free(l->sorted);
	l->sorted = nr_xcalloc(l->n_sources + l->n_other, sizeof(l->sorted[0]));
	for (size_t i = 0; i < l->n_sources; i++) {
		if (l->flow[i].packets)
			l->sorted[m++] = l->flow[i];
	}
	for (size_t i = 0; i < l->cap; i++) {
		if (l->other[i].packets)
			l->sorted[m++] = l->other[i];
	}
	qsort(l->sorted, m, sizeof(l->sorted[0]), line_cmp);
	*n = m;
	return l->sorted;
}

const char *nr_bucket_name(enum nr_bucket b)
{
	static const char *const names[NR_N_BUCKETS] = {
		[NR_BUCKET_FLOW] = "flow",
		[NR_BUCKET_ARP] = "arp",
		[NR_BUCKET_OTHER_L2] = "other_l2",
		[NR_BUCKET_UNSUPPORTED_LINKTYPE] = "unsupported_linktype",
		[NR_BUCKET_MALFORMED] = "malformed",
		[NR_BUCKET_FRAGMENT_INCOMPLETE] = "fragment_incomplete",
		[NR_BUCKET_CHECKSUM_DROPPED] = "checksum_dropped",
		[NR_BUCKET_FILTERED] = "filtered",
		[NR_BUCKET_DUPLICATE] = "duplicate",
		[NR_BUCKET_OUT_OF_RANGE] = "out_of_range",
	};

	return names[b];
}

const char *nr_ledger_detail(const struct nr_ledger_line *l, char buf[64])
{
	const char *name;

	switch ((enum nr_bucket)l->bucket) {
	case NR_BUCKET_OTHER_L2:
		return nr_l2_detail_name(buf, l->detail);
	case NR_BUCKET_UNSUPPORTED_LINKTYPE:
		name = nr_link_type_name(l->detail);
		if (name)
			snprintf(buf, 64, "%s", name);
		else
			snprintf(buf, 64, "%u", l->detail);
		return buf;
	case NR_BUCKET_MALFORMED:
		return l->detail < NR_N_ANOMALIES ? nr_anomaly_info[l->detail].name
						  : NULL;
	case NR_BUCKET_FLOW:
	case NR_BUCKET_ARP:
	case NR_BUCKET_FRAGMENT_INCOMPLETE:
	case NR_BUCKET_CHECKSUM_DROPPED:
	case NR_BUCKET_FILTERED:
	case NR_BUCKET_DUPLICATE:
	case NR_BUCKET_OUT_OF_RANGE:
	case NR_BUCKET_HELD:
	case NR_N_BUCKETS:
		break;
	}
	return NULL;
}
