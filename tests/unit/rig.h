/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A parser without an engine: scripts of bytes in, rows out as text.
 *
 *	struct rig r = rig_new(&nr_parser_http, NR_TCP_PROTO, 40000, 80);
 *	rig_say(&r, 0, "GET / HTTP/1.1\r\n\r\n");
 *	rig_end(&r);
 *	assert_string_equal(rig_rows(&r), "http {\"method\":\"GET\",…}\n");
 *	rig_free(&r);
 *
 * rig_invariant() runs a script whole, cut at each place, and byte by byte, and expects
 * the same rows each time. Rows leave out flow_id, source_id, packet and ts_ns.
 */
#pragma once

#include "base/text.h"
#include "base/mem.h"
#include "session/parser.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

enum { NR_TCP_PROTO = 6, NR_UDP_PROTO = 17 };

struct rig {
	const struct nr_parser *parser;
	void *ctx;
	struct nr_parse p;
	struct nr_parse_options options;
	struct nr_account account;
	struct nr_arena arena;
	struct nr_records records;
	struct nr_buf anomalies, text;
	const char *service; /* as last told, or NULL */
	const char *next;    /* name of the parser handed over to */
	uint8_t addr[2][16];
	uint64_t offset[2];
	int64_t wake_ns;
	uint64_t n_expected;
	struct nr_expectation expected; /* the last one */
	struct nr_tuple quoted;
	enum nr_verdict verdict; /* the last one; no call is made after a closing one */
	bool ended;
};

static inline struct nr_record *rig_record(struct nr_parse *p,
					   const struct nr_record_type *t)
{
	struct rig *r = p->host_arg;
	struct nr_record *row = nr_records_add(&r->records, t, (struct nr_order){ 0 });

	assert_false(r->ended);
	nr_set_int(row, 0, (int64_t)p->flow_id);
	nr_set_int(row, 1, p->source_id);
	nr_set_int(row, 2, (int64_t)p->packet);
	nr_set_int(row, 3, p->ts_ns);
	return row;
}

static inline void rig_anomaly(struct nr_parse *p, enum nr_anomaly_kind kind, int side,
			       const char *detail)
{
	struct rig *r = p->host_arg;

	nr_buf_printf(&r->anomalies, "%s %d %s\n", nr_anomaly_info[kind].name, side,
		      detail ? detail : "-");
}

static inline void rig_service(struct nr_parse *p, const char *name)
{
	((struct rig *)p->host_arg)->service = name;
}

static inline void rig_wake(struct nr_parse *p, int64_t at_ns)
{
	((struct rig *)p->host_arg)->wake_ns = at_ns;
}

static inline uint64_t rig_expect(struct nr_parse *p, const struct nr_expectation *x)
{
	struct rig *r = p->host_arg;

	r->expected = *x;
	return ++r->n_expected;
}

/* Expected flows come, and have id 1000 + token. */
static inline void rig_link_expected(struct nr_parse *p, struct nr_record *row,
				     unsigned field, uint64_t token)
{
	nr_set_int(row, field, 1000 + (int64_t)token);
}

static inline void rig_link_quoted(struct nr_parse *p, struct nr_record *row,
				   unsigned field, const struct nr_tuple *t)
{
	((struct rig *)p->host_arg)->quoted = *t;
	nr_set_int(row, field, 2000);
}

static const struct nr_parse_host rig_host = {
	.record = rig_record,
	.anomaly = rig_anomaly,
	.service = rig_service,
	.wake = rig_wake,
	.expect = rig_expect,
	.link_expected = rig_link_expected,
	.link_quoted = rig_link_quoted,
};

/* Side 0 is 10.0.0.1, side 1 10.0.0.2. */
static inline void rig_init(struct rig *r, const struct nr_parser *parser, uint8_t proto,
			    uint16_t src_port, uint16_t dst_port)
{
	*r = (struct rig){ .parser = parser };
	r->account.max = 64 << 20;
	r->records.arena = &r->arena;
	r->wake_ns = INT64_MAX;
	memcpy(r->addr[0], (uint8_t[]){ 10, 0, 0, 1 }, 4);
	memcpy(r->addr[1], (uint8_t[]){ 10, 0, 0, 2 }, 4);
	r->ctx = nr_account_alloc(&r->account, parser->ctx_size ? parser->ctx_size : 1);
	r->p = (struct nr_parse){
		.flow_id = 16,
		.proto = proto,
		.ip_version = 4,
		.addr = { r->addr[0], r->addr[1] },
		.port = { src_port, dst_port },
		.source_id = 1,
		.packet = 1,
		.ts_ns = 1000000000,
		.clock_ns = 1000000000,
		.options = &r->options,
		.account = &r->account,
		.arena = &r->arena,
		.host = &rig_host,
		.host_arg = r,
	};
}

static inline bool rig_is_open(const struct rig *r)
{
	return r->verdict == NR_MORE;
}

static inline void rig_next_packet(struct rig *r, unsigned side)
{
	r->p.packet++;
	r->p.ts_ns += 1000000; /* 1 ms */
	r->p.clock_ns = r->p.ts_ns;
	r->p.offset = r->offset[side];
}

/* Bytes come in memory of their exact size, so that reading beyond is seen. */
static inline enum nr_verdict rig_data(struct rig *r, unsigned side, const void *data,
				       size_t n)
{
	uint8_t *exact;

	if (!rig_is_open(r) || !n)
		return r->verdict;
	exact = nr_xmalloc(n);
	memcpy(exact, data, n);
	rig_next_packet(r, side);
	r->verdict = r->parser->data(&r->p, r->ctx, side, exact, n);
	r->offset[side] += n;
	if (r->verdict == NR_HAND_OVER)
		r->next = r->p.next;
	nr_free(exact);
	return r->verdict;
}

static inline enum nr_verdict rig_say(struct rig *r, unsigned side, const char *text)
{
	return rig_data(r, side, text, strlen(text));
}

static inline enum nr_verdict rig_datagram(struct rig *r, unsigned side, const void *data,
					   size_t n)
{
	uint8_t *exact = nr_xmalloc(n ? n : 1);

	if (n)
		memcpy(exact, data, n);
	rig_next_packet(r, side);
	if (rig_is_open(r))
		r->verdict = r->parser->datagram(&r->p, r->ctx, side, exact, n, n);
	nr_free(exact);
	return r->verdict;
}

static inline enum nr_verdict rig_gap(struct rig *r, unsigned side, uint64_t n)
{
	if (!rig_is_open(r))
		return r->verdict;
	rig_next_packet(r, side);
	r->verdict = r->parser->gap ? r->parser->gap(&r->p, r->ctx, side, n) : NR_LOST;
	r->offset[side] += n;
	return r->verdict;
}

static inline enum nr_verdict rig_fin(struct rig *r, unsigned side)
{
	if (rig_is_open(r) && r->parser->fin) {
		rig_next_packet(r, side);
		r->verdict = r->parser->fin(&r->p, r->ctx, side);
	}
	return r->verdict;
}

static inline enum nr_verdict rig_rst(struct rig *r, unsigned side)
{
	if (rig_is_open(r) && r->parser->rst) {
		rig_next_packet(r, side);
		r->verdict = r->parser->rst(&r->p, r->ctx, side);
	}
	return r->verdict;
}

/* Moves the clock; calls tick() where it was asked for. */
static inline void rig_wait(struct rig *r, int64_t ns)
{
	r->p.clock_ns += ns;
	if (rig_is_open(r) && r->parser->tick && r->p.clock_ns >= r->wake_ns) {
		r->wake_ns = INT64_MAX;
		r->verdict = r->parser->tick(&r->p, r->ctx);
	}
}

/* The flow ends; all memory must have been given back. */
static inline void rig_end(struct rig *r)
{
	if (r->ctx && r->parser->end)
		r->parser->end(&r->p, r->ctx);
	nr_account_free(&r->account, r->ctx,
			r->parser->ctx_size ? r->parser->ctx_size : 1);
	r->ctx = NULL;
	r->ended = true;
	assert_int_equal(r->account.used, 0);
}

static inline void rig_put_value(struct nr_buf *b, const struct nr_field *f,
				 const struct nr_value *v)
{
	if (v->kind == NR_V_INT) {
		nr_buf_int(b, v->i);
	} else if (f->type == NR_F_JSON) {
		assert_true(nr_json_valid(v->p, v->len));
		nr_buf_add(b, v->p, v->len);
	} else {
		nr_buf_json(b, v->p, v->len);
	}
}

/* One line a row: table, then its columns that are not NULL as a JSON object. */
static inline const char *rig_rows(struct rig *r)
{
	nr_buf_clear(&r->text);
	nr_buf_str(&r->text, "");
	for (size_t i = 0; i < r->records.n; i++) {
		const struct nr_record *row = r->records.r[i];
		const char *sep = "";

		nr_buf_printf(&r->text, "%s {", row->type->name);
		for (unsigned k = 0; k < row->type->n_fields; k++) {
			const struct nr_field *f = &row->type->fields[k];

			if (!strcmp(f->name, "flow_id") ||
			    !strcmp(f->name, "source_id") || !strcmp(f->name, "packet") ||
			    !strcmp(f->name, "ts_ns") || row->v[k].kind == NR_V_NULL)
				continue;
			nr_buf_printf(&r->text, "%s\"%s\":", sep, f->name);
			rig_put_value(&r->text, f, &row->v[k]);
			sep = ",";
		}
		nr_buf_str(&r->text, "}\n");
	}
	return r->text.p;
}

/* What the probe says of the first bytes of both sides, on the parser's first port or on
   another. */
static inline enum nr_probe_result rig_probe(const struct nr_parser *parser,
					     const char *a, const char *b, bool port)
{
	struct nr_probe in = {
		.data = { (const uint8_t *)a, (const uint8_t *)b },
		.len = { strlen(a), strlen(b) },
		.proto = NR_TCP_PROTO,
		.port = { 40000, (uint16_t)(parser->ports[0] + (port ? 0 : 8000)) },
		.port_match = port,
		.begins = { true, true },
	};

	return parser->probe(&in);
}

/* "kind side detail" lines. */
static inline const char *rig_anomalies(struct rig *r)
{
	nr_buf_str(&r->anomalies, "");
	return r->anomalies.p;
}

static inline void rig_free(struct rig *r)
{
	if (!r->ended)
		rig_end(r);
	nr_buf_fini(&r->anomalies);
	nr_buf_fini(&r->text);
	nr_arena_fini(&r->arena);
}

/* A TCP conversation: side, bytes; the list ends with n 0 and text NULL. n 0: strlen. */
struct rig_line {
	unsigned side;
	const char *text;
	size_t n;
};

static inline size_t rig_line_len(const struct rig_line *l)
{
	return l->n ? l->n : strlen(l->text);
}

static inline char *rig_run(const struct nr_parser *parser, uint16_t port,
			    const struct rig_line *script, size_t cut, bool drip)
{
	struct rig r;
	char *rows;
	size_t at = 0;

	rig_init(&r, parser, NR_TCP_PROTO, 40000, port);
	for (const struct rig_line *l = script; l->text; l++) {
		size_t n = rig_line_len(l);

		if (drip) {
			for (size_t i = 0; i < n; i++)
				rig_data(&r, l->side, l->text + i, 1);
		} else if (cut > at && cut < at + n) {
			rig_data(&r, l->side, l->text, cut - at);
			rig_data(&r, l->side, l->text + (cut - at), n - (cut - at));
		} else {
			rig_data(&r, l->side, l->text, n);
		}
		at += n;
	}
	rig_fin(&r, 0);
	rig_fin(&r, 1);
	rig_end(&r);
	rig_rows(&r);
	nr_buf_str(&r.text, rig_anomalies(&r));
	rows = nr_xstrdup(r.text.p);
	rig_free(&r);
	return rows;
}

static inline void assert_has(const char *text, const char *part)
{
	if (!text || !strstr(text, part))
		fail_msg("no %s in:\n%s", part, text ? text : "-");
}

static inline void assert_has_not(const char *text, const char *part)
{
	if (!text || strstr(text, part))
		fail_msg("%s in:\n%s", part, text ? text : "-");
}

/* How often text has what. */
static inline unsigned rig_count(const char *text, const char *what)
{
	unsigned n = 0;

	for (; (text = strstr(text, what)); text += strlen(what))
		n++;
	return n;
}

/* Columns of time (…_ns) differ between cuts: the values go. */
static inline void rig_strip_times(char *rows)
{
	char *to = rows;

	for (const char *t = rows; *t;) {
		if (!strncmp(t, "_ns\":", 5)) {
			memcpy(to, t, 5);
			to += 5;
			t += 5;
			while (*t == '-' || (*t >= '0' && *t <= '9'))
				t++;
			continue;
		}
		*to++ = *t++;
	}
	*to = '\0';
}

/* Whole, cut at each place, byte by byte: the same rows and anomalies. */
static inline void rig_invariant(const struct nr_parser *parser, uint16_t port,
				 const struct rig_line *script)
{
	char *whole = rig_run(parser, port, script, 0, false), *other;
	size_t n = 0;

	rig_strip_times(whole);
	for (const struct rig_line *l = script; l->text; l++)
		n += rig_line_len(l);
	other = rig_run(parser, port, script, 0, true);
	rig_strip_times(other);
	assert_string_equal(other, whole);
	nr_free(other);
	for (size_t cut = 1; cut < n; cut++) {
		other = rig_run(parser, port, script, cut, false);
		rig_strip_times(other);
		assert_string_equal(other, whole);
		nr_free(other);
	}
	nr_free(whole);
}
