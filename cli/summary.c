/* SPDX-License-Identifier: BSD-3-Clause */
#include "summary.h"

#include "base/mem.h"
#include "record/anomaly.h"
#include "record/tables.h"
#include "talkers.h"
#include "text.h"

#include <string.h>

enum { MAX_PROTOS = 300, TOP = 5 }; /* protocols have 256 numbers */

struct proto {
	char name[24];
	uint64_t flows, packets, bytes;
};

struct summary {
	struct proto proto[MAX_PROTOS];
	size_t n_protos;
	uint64_t flows;
	uint64_t anomaly[NR_N_ANOMALIES];
	struct nr_talkers *talkers;
};

static uint64_t int_of(const struct nr_record *r, unsigned field)
{
	const struct nr_value *v = &r->v[field];

	return v->kind == NR_V_INT && v->i > 0 ? (uint64_t)v->i : 0;
}

static struct proto *proto_of(struct summary *s, const struct nr_value *v)
{
	struct proto *p = s->proto;

	for (; p < s->proto + s->n_protos; p++)
		if (!strncmp(p->name, v->p, v->len) && !p->name[v->len])
			return p;
	if (s->n_protos == MAX_PROTOS || v->len >= sizeof(p->name))
		return NULL;
	s->n_protos++;
	memcpy(p->name, v->p, v->len);
	return p;
}

static void add_flow(struct summary *s, const struct nr_record *r)
{
	const struct nr_value *src = &r->v[NR_FLOW_src_ip], *dst = &r->v[NR_FLOW_dst_ip];
	uint64_t sent = int_of(r, NR_FLOW_src_bytes), got = int_of(r, NR_FLOW_dst_bytes);
	/* one that goes on from the file before was counted there */
	uint64_t one = r->v[NR_FLOW_continues].kind == NR_V_NULL;
	struct proto *p = NULL;

	s->flows += one;
	if (r->v[NR_FLOW_proto].kind == NR_V_TEXT)
		p = proto_of(s, &r->v[NR_FLOW_proto]);
	if (p) {
		p->flows += one;
		p->packets += int_of(r, NR_FLOW_records);
		p->bytes += int_of(r, NR_FLOW_wire_bytes);
	}
	if (src->kind == NR_V_TEXT)
		nr_talkers_add(s->talkers, src->p, src->len, sent + got, sent, one);
	if (dst->kind == NR_V_TEXT)
		nr_talkers_add(s->talkers, dst->p, dst->len, sent + got, got, one);
}

static void add_anomaly(struct summary *s, const struct nr_record *r)
{
	const struct nr_value *v = &r->v[NR_ANOMALY_kind];

	for (size_t i = 0; v->kind == NR_V_TEXT && i < NR_N_ANOMALIES; i++)
		if (strlen(nr_anomaly_info[i].name) == v->len &&
		    !memcmp(nr_anomaly_info[i].name, v->p, v->len))
			s->anomaly[i]++;
}

static int summary_write(struct nr_sink *sink, struct nr_record *const *r, size_t n,
			 struct nr_err *err)
{
	struct summary *s = (struct summary *)sink->ctx;

	(void)err;
	for (size_t i = 0; i < n; i++) {
		if (r[i]->type == &nr_rt_flow)
			add_flow(s, r[i]);
		else if (r[i]->type == &nr_rt_anomaly)
			add_anomaly(s, r[i]);
	}
	return 0;
}

static int summary_finish(struct nr_sink *sink, struct nr_err *err)
{
	(void)sink;
	(void)err;
	return 0;
}

void nr_summary_free(struct nr_sink *sink)
{
	if (!sink)
		return;
	nr_talkers_free(((struct summary *)sink->ctx)->talkers);
	free(sink);
}

static const struct nr_sink_ops summary_ops = {
	.name = "summary",
	.ctx_size = sizeof(struct summary),
	.write = summary_write,
	.finish = summary_finish,
	.close = nr_summary_free,
};

struct nr_sink *nr_summary_new(void)
{
	struct nr_sink *sink = nr_xcalloc(1, sizeof(*sink) + sizeof(struct summary));

	sink->ops = &summary_ops;
	sink->target = "summary";
	sink->no_index = sink->no_ident = true;
	((struct summary *)sink->ctx)->talkers = nr_talkers_new();
	return sink;
}

static int more_flows(const void *a, const void *b)
{
	const struct proto *x = a, *y = b;

	if (x->flows != y->flows)
		return x->flows < y->flows ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void print_protos(struct summary *s, const struct nr_colours *c, FILE *f)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], d[NR_TEXT_MAX];

	if (!s->n_protos)
		return;
	qsort(s->proto, s->n_protos, sizeof(*s->proto), more_flows);
	fprintf(f, "\n%s%-24s%14s%16s%14s%s\n", c->bold, "protocol", "flows", "packets",
		"bytes", c->reset);
	for (struct proto *p = s->proto; p < s->proto + s->n_protos; p++)
		fprintf(f, "%-24s%14s%16s%14s\n", p->name, nr_text_count(a, p->flows),
			nr_text_count(b, p->packets), nr_text_bytes(d, p->bytes));
}

static void print_talkers(struct summary *s, const struct nr_colours *c, FILE *f)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], d[NR_TEXT_MAX];
	struct nr_talker top[TOP];
	size_t n = nr_talkers_top(s->talkers, top, TOP);

	if (!n)
		return;
	fprintf(f, "\n%s%-40s%8s%15s%15s%s\n", c->bold, "top talkers", "flows", "sent",
		"received", c->reset);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%-40s%8s%15s%15s\n", top[i].name,
			nr_text_count(a, top[i].flows), nr_text_bytes(b, top[i].sent),
			nr_text_bytes(d, top[i].bytes - top[i].error - top[i].sent));
}

static void print_anomalies(const struct summary *s, const struct nr_colours *c, FILE *f)
{
	const char *colour[] = { c->dim, c->yellow, c->red };
	bool any = false;
	char a[NR_TEXT_MAX];

	for (int sev = NR_SEV_ERROR; sev >= NR_SEV_INFO; sev--) {
		for (size_t i = 0; i < NR_N_ANOMALIES; i++) {
			if (!s->anomaly[i] || (int)nr_anomaly_info[i].severity != sev)
				continue;
			if (!any)
				fprintf(f, "\n%s%-24s%-12s%12s%s\n", c->bold, "anomaly",
					"severity", "count", c->reset);
			any = true;
			fprintf(f, "%-24s%s%-12s%s%12s\n", nr_anomaly_info[i].name,
				colour[sev], nr_severity_name(sev), c->reset,
				nr_text_count(a, s->anomaly[i]));
		}
	}
}

static const char *const bucket_text[NR_N_BUCKETS] = {
	[NR_BUCKET_FLOW] = "in flows",
	[NR_BUCKET_ARP] = "ARP",
	[NR_BUCKET_OTHER_L2] = "other link-layer protocols",
	[NR_BUCKET_UNSUPPORTED_LINKTYPE] = "link type not supported",
	[NR_BUCKET_MALFORMED] = "malformed",
	[NR_BUCKET_FRAGMENT_INCOMPLETE] = "fragments left incomplete",
	[NR_BUCKET_CHECKSUM_DROPPED] = "dropped: bad checksum",
	[NR_BUCKET_FILTERED] = "left out by -f",
	[NR_BUCKET_DUPLICATE] = "duplicates",
	[NR_BUCKET_OUT_OF_RANGE] = "outside --from, --to",
};

static void print_ledger(const struct nr_engine_stats *st, const struct nr_colours *c,
			 FILE *f)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX];

	if (!st->packets)
		return;
	fprintf(f, "\n%s%-38s%16s%14s%s\n", c->bold, "where every packet went", "packets",
		"bytes", c->reset);
	for (size_t i = 0; i < NR_N_BUCKETS; i++)
		if (st->bucket_packets[i])
			fprintf(f, "%-38s%16s%14s\n", bucket_text[i],
				nr_text_count(a, st->bucket_packets[i]),
				nr_text_bytes(b, st->bucket_bytes[i]));
}

uint64_t nr_summary_flows(const struct nr_sink *sink)
{
	return ((const struct summary *)sink->ctx)->flows;
}

void nr_summary_print(struct nr_sink *sink, const struct nr_engine_stats *st, FILE *f)
{
	struct summary *s = (struct summary *)sink->ctx;
	struct nr_colours c = nr_colours_for(f);

	print_protos(s, &c, f);
	print_talkers(s, &c, f);
	print_anomalies(s, &c, f);
	print_ledger(st, &c, f);
}
