/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Session parsers without an engine: what they are told in any order, any bytes.
 *
 * Input: parser and, so many times their number, which of its ports (1), options (1: bit
 * 0 datagrams, 1 --store-secrets, 2 IPv6, 3 a port of its own, 4 no more bytes will come,
 * 5 somebody asks for the secrets, 6 little memory, 7 the beginning was missed), then
 * operations, each: what (1: bit 0 the side, bits 1 to 3 the kind), length (2), bytes.
 * Kinds: 0 to 4 bytes or a datagram, 5 a gap, 6 FIN (or RST where the length is odd), 7
 * time passes. With -DNR_FUZZ_PARSER="dns" that is the parser.
 *
 * Each input runs twice, the second time with all bytes cut in two: a parser must not
 * depend on that, where it has memory enough, and must give back all memory. While
 * libFuzzer explores, seven of eight inputs run once, one way or the other.
 */
#include "../sum.h"
#include "twice.h"

#include "base/cursor.h"
#include "base/mem.h"
#include "base/text.h"
#include "session/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct rig {
	struct nr_parse p;
	struct nr_parse_options options;
	struct nr_account account;
	struct nr_arena arena;
	struct nr_records records;
	const struct nr_parser *parser;
	void *ctx;
	int64_t wake_ns;
	uint64_t offset[2];
	enum nr_verdict verdict;
	uint64_t n_anomalies, n_expected;
};

static struct nr_record *record(struct nr_parse *p, const struct nr_record_type *t)
{
	struct rig *r = p->host_arg;

	return nr_records_add(&r->records, t, (struct nr_order){ 0 });
}

static void anomaly(struct nr_parse *p, enum nr_anomaly_kind kind, int side,
		    const char *detail)
{
	struct rig *r = p->host_arg;

	if ((unsigned)kind >= NR_N_ANOMALIES ||
	    (detail && !nr_json_valid(detail, strlen(detail)))) {
		fprintf(stderr, "anomaly %d: %s\n", (int)kind, detail);
		abort();
	}
	r->n_anomalies++;
}

static void service(struct nr_parse *p, const char *name)
{
	const struct rig *r = p->host_arg;

	for (const char *const *s = r->parser->services; *s; s++) {
		if (!strcmp(*s, name))
			return;
	}
	fprintf(stderr, "%s is no service of %s\n", name, r->parser->name);
	abort();
}

static void wake(struct nr_parse *p, int64_t at_ns)
{
	((struct rig *)p->host_arg)->wake_ns = at_ns;
}

static uint64_t expect(struct nr_parse *p, const struct nr_expectation *x)
{
	service(p, x->service);
	return ++((struct rig *)p->host_arg)->n_expected;
}

static void link_expected(struct nr_parse *p, struct nr_record *row, unsigned field,
			  uint64_t token)
{
	nr_set_int(row, field, (int64_t)token);
}

static void link_quoted(struct nr_parse *p, struct nr_record *row, unsigned field,
			const struct nr_tuple *t)
{
	nr_set_int(row, field, t->src_port);
}

/* A secret is told as it stood on the wire, which is memory that can be read. */
static void secret_seen(void *arg, uint64_t flow_id, const uint8_t *p, size_t n)
{
	*(uint64_t *)arg = sum_bytes(flow_id, p, n);
}

static const struct nr_parse_host host = {
	.record = record,
	.anomaly = anomaly,
	.service = service,
	.wake = wake,
	.expect = expect,
	.link_expected = link_expected,
	.link_quoted = link_quoted,
};

static unsigned n_parsers(void)
{
	unsigned n = 0;

	while (nr_parsers[n])
		n++;
	return n;
}

static const struct nr_parser *pick(uint8_t which)
{
#ifdef NR_FUZZ_PARSER
	(void)which;
	return nr_parser_find(NR_FUZZ_PARSER);
#else
	return nr_parsers[which % n_parsers()];
#endif
}

static uint16_t port_of(const struct nr_parser *p, uint8_t which)
{
	unsigned n = 0;

	while (p->ports && p->ports[n])
		n++;
	return n ? p->ports[which / n_parsers() % n] : 0;
}

static void step(struct rig *r, unsigned side, int64_t ns)
{
	r->p.packet++;
	r->p.ts_ns += ns;
	r->p.clock_ns = r->p.ts_ns;
	r->p.offset = r->offset[side];
	if (r->verdict == NR_MORE && r->p.clock_ns >= r->wake_ns && r->parser->tick) {
		r->wake_ns = INT64_MAX;
		r->verdict = r->parser->tick(&r->p, r->ctx);
	}
}

/* What is handed over: the end of the present bytes, or these behind what was before. */
static bool is_rest(const struct rig *r, unsigned side, const uint8_t *p, size_t n)
{
	const uint8_t *rest = r->p.rest;
	size_t len = r->p.rest_len;

	if (len <= n)
		return !len || !memcmp(rest, p + (n - len), len);
	return len - n <= r->offset[side] && (!n || !memcmp(rest + (len - n), p, n));
}

/* Bytes in memory of their exact size, so that reading beyond is seen. */
static void bytes(struct rig *r, unsigned side, bool datagram, const uint8_t *p, size_t n)
{
	uint8_t *exact;

	if (r->verdict != NR_MORE)
		return;
	exact = nr_xmalloc(n ? n : 1);
	if (n)
		memcpy(exact, p, n);
	r->p.offset = r->offset[side];
	if (datagram && r->parser->datagram)
		r->verdict =
			r->parser->datagram(&r->p, r->ctx, side, exact, n, n + n % 3);
	else if (!datagram && r->parser->data && n)
		r->verdict = r->parser->data(&r->p, r->ctx, side, exact, n);
	if (r->verdict == NR_HAND_OVER && !is_rest(r, side, exact, n)) {
		fprintf(stderr, "%s hands over what it was not given\n", r->parser->name);
		abort();
	}
	r->offset[side] += n;
	nr_free(exact);
}

static void operate(struct rig *r, uint8_t what, bool datagram, const uint8_t *p,
		    size_t n, bool cut)
{
	unsigned side = what & 1, kind = what >> 1 & 7;
	size_t half = cut && !datagram ? n / 2 : 0;

	step(r, side, kind == 7 ? (int64_t)n * 10000000 : 1000);
	if (r->verdict != NR_MORE || (datagram && (kind == 5 || kind == 6)))
		return; /* no gaps and no ends where there is no stream */
	switch (kind) {
	case 5:
		r->verdict = r->parser->gap ? r->parser->gap(&r->p, r->ctx, side, n + 1)
					    : NR_LOST;
		r->offset[side] += n + 1;
		break;
	case 6:
		if (n & 1 && r->parser->rst)
			r->verdict = r->parser->rst(&r->p, r->ctx, side);
		else if (!(n & 1) && r->parser->fin)
			r->verdict = r->parser->fin(&r->p, r->ctx, side);
		break;
	case 7:
		break;
	default:
		if (half)
			bytes(r, side, datagram, p, half);
		bytes(r, side, datagram, p + half, n - half);
	}
}

/* All rows; the rules of fields are checked on the way. */
static uint64_t hash_rows(const struct rig *r)
{
	uint64_t h = r->n_anomalies;

	for (size_t i = 0; i < r->records.n; i++) {
		const struct nr_record *row = r->records.r[i];

		h = sum_record(h, row);
		for (unsigned f = 0; f < row->type->n_fields; f++) {
			const struct nr_field *d = &row->type->fields[f];
			const struct nr_value *v = &row->v[f];

			if ((d->type == NR_F_JSON && v->kind == NR_V_TEXT &&
			     !nr_json_valid(v->p, v->len)) ||
			    (f > 3 && d->flags & NR_F_NOT_NULL && v->kind == NR_V_NULL) ||
			    (d->type == NR_F_BOOL && v->kind == NR_V_INT &&
			     (v->i & ~INT64_C(1)))) {
				fprintf(stderr, "%s.%s is impossible: %.*s\n",
					row->type->name, d->name,
					v->kind == NR_V_TEXT ? (int)v->len : 0,
					v->kind == NR_V_TEXT ? (const char *)v->p : "");
				abort();
			}
		}
	}
	return h;
}

static uint64_t run(const uint8_t *data, size_t n, bool cut)
{
	static const uint8_t addr[2][16] = { { 10, 0, 0, 1 }, { 10, 0, 0, 2 } };
	const struct nr_parser *parser = pick(data[0]);
	bool datagram =
		parser->transports & NR_ON_TCP ? (data[1] & 1) && parser->datagram : true;
	size_t ctx_size = parser->ctx_size ? parser->ctx_size : 1;
	struct rig r = { .parser = parser,
			 .account.max = ctx_size + (data[1] & 64 ? 6000 : 4 << 20),
			 .wake_ns = INT64_MAX };
	uint64_t h, told;

	r.options.store_secrets = data[1] & 2;
	r.options.secret_seen = data[1] & 32 ? secret_seen : NULL;
	r.options.secret_arg = &told;
	r.records.arena = &r.arena;
	r.ctx = nr_account_alloc(&r.account, ctx_size);
	r.p = (struct nr_parse){
		.flow_id = 16,
		.proto = parser->transports & NR_ON_ICMP ? (data[1] & 4 ? 58 : 1)
			 : datagram                      ? 17
							 : 6,
		.ip_version = 4,
		.addr = { addr[0], addr[1] },
		.port = { 40000, port_of(parser, data[0]) },
		.source_id = 1,
		.ts_ns = INT64_C(1000000000),
		.options = &r.options,
		.account = &r.account,
		.arena = &r.arena,
		.host = &host,
		.host_arg = &r,
	};
	for (size_t at = 2; n - at >= 3 && at < n;) {
		size_t len = nr_be16(data + at + 1), left = n - at - 3;
		const uint8_t *p = data + at + 3;
		unsigned kind = data[at] >> 1 & 7;
		size_t take = kind > 4 ? 0 : len < left ? len : left;

		operate(&r, data[at], datagram, p, kind > 4 ? len : take, cut);
		at += 3 + take;
	}
	if (parser->end)
		parser->end(&r.p, r.ctx);
	nr_account_free(&r.account, r.ctx, ctx_size);
	if (r.account.used) {
		fprintf(stderr, "%s keeps %zu bytes\n", parser->name, r.account.used);
		abort();
	}
	h = hash_rows(&r);
	nr_arena_fini(&r.arena);
	return h;
}

/* The probe alone, with the bytes of the first operation on both sides. */
static void probe(const uint8_t *data, size_t n)
{
	const struct nr_parser *p = pick(data[0]);
	size_t len = n - 5;
	uint8_t *exact = nr_xmalloc(len);
	struct nr_probe in = { .proto = p->transports & NR_ON_TCP ? 6 : 17,
			       .port = { 40000, port_of(p, data[0]) },
			       .port_match = data[1] & 8,
			       .begins = { !(data[1] & 128), !(data[1] & 128) },
			       .last = data[1] & 16 };

	memcpy(exact, data + 5, len);
	in.data[0] = in.data[1] = exact;
	in.len[0] = len > NR_PROBE_BYTES ? NR_PROBE_BYTES : len;
	p->probe(&in);
	in.len[1] = in.len[0];
	in.len[0] /= 2;
	in.side = 1;
	p->probe(&in);
	nr_free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 6)
		return 0;
	probe(data, n);
	if (!is_run_twice(data, n)) {
		run(data, n, n & 1);
		return 0;
	}
	/* what is cut in two has to be kept for a while, which is more than little memory
	 */
	if (run(data, n, false) != run(data, n, true) && !(data[1] & 64)) {
		fprintf(stderr, "the rows depend on how the bytes are cut\n");
		abort();
	}
	return 0;
}
