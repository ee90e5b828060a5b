/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS over UDP and TCP (RFC 1035, 6891), and what has its messages: multicast DNS (RFC
 * 6762), LLMNR (RFC 4795), NetBIOS names (RFC 1002).
 *
 * One row for each query: when its response came, when none came for 10 s, or at the
 * flow's end. A response is of the oldest open query from the other side with its id and
 * question (or id, if it repeats no question); any other has a row of its own.
 */
#include "dns_open.h"
#include "dns_stream.h"
#include "dns_wire.h"
#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define FIELDS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, transport, TEXT, NR_NN, NULL, NULL, NULL, "udp or tcp") \
	X(T, trans_id, INT, NR_NN, NULL, NULL, NULL, "identifier of the message") \
	X(T, query_name, TEXT, 0, NULL, NULL, NULL, "name of the first question, \\ and \\DDD before what RFC 1035 escapes; NetBIOS names decoded, with the suffix as <1d>") \
	X(T, query_type, TEXT, 0, NULL, NULL, NULL, "its type: A, AAAA, …, TYPE65280 where it has no name") \
	X(T, query_class, TEXT, 0, NULL, NULL, NULL, "its class: IN, CH, HS, NONE, ANY, else CLASS and the number") \
	X(T, rcode, TEXT, 0, NULL, NULL, NULL, "code of the response, EDNS' upper bits included: NOERROR, NXDOMAIN, …, else RCODE and the number") \
	X(T, opcode, TEXT, NR_NN, NULL, NULL, NULL, "QUERY, NOTIFY, UPDATE, …, else OPCODE and the number") \
	X(T, aa, BOOL, 0, NULL, NULL, NULL, "response: authoritative answer") \
	X(T, tc, BOOL, 0, NULL, NULL, NULL, "response, else query: cut short") \
	X(T, rd, BOOL, 0, NULL, NULL, NULL, "query, else response: recursion desired") \
	X(T, ra, BOOL, 0, NULL, NULL, NULL, "response: recursion available") \
	X(T, ad, BOOL, 0, NULL, NULL, NULL, "response: data is authentic") \
	X(T, cd, BOOL, 0, NULL, NULL, NULL, "query, else response: checking disabled") \
	X(T, answers, JSON, 0, NULL, NULL, NULL, "list of the response's records: section (answer, authority, additional), name, type, class where it is not IN, ttl, data in presentation format (RFC 1035, 3597), flush for mDNS' cache flush") \
	X(T, edns, JSON, 0, NULL, NULL, NULL, "object of query and response, the EDNS of each: udp_size, version, do, options") \
	X(T, answered, BOOL, NR_NN, NULL, NULL, NULL, "1 if the query has its response in this row") \
	X(T, rtt_ns, INT, 0, NULL, "ns", NULL, "from query to response; negative where the capture has their times the other way round") \
	X(T, repeat_of, INT, 0, NULL, NULL, NULL, "query_packet of the first identical query, if that waited for its response") \
	X(T, response_only, BOOL, NR_NN, NULL, NULL, NULL, "1 for a response that no open query asked for, or one more to the same query") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if a message was cut short or could not be read to its end") \
	X(T, query_packet, INT, 0, NULL, NULL, NULL, "packet that completed the query; its time is ts_ns - rtt_ns, without a response ts_ns") \
	X(T, query_bytes, INT, 0, NULL, "bytes", NULL, "length of the query message") \
	X(T, response_bytes, INT, 0, NULL, "bytes", NULL, "length of the response message") \
	X(T, unicast_response, BOOL, 0, NULL, NULL, NULL, "mDNS: the query asks for a unicast response") \
	X(T, questions, JSON, 0, NULL, NULL, NULL, "list of the questions behind the first: name, type, class") \
	X(T, query_records, JSON, 0, NULL, NULL, NULL, "list of the records in the query, as answers has them: updates, known answers") \
	X(T, left_out, INT, 0, NULL, "records", NULL, "records and questions that are in no list, because it would be larger than 256 KiB")
/* clang-format on */

static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DECLARE(DNS, dns, FIELDS);
NR_TABLE_DEFINE(DNS, dns, NR_R_SESSION, indexes,
		"queries for names and their responses: DNS, mDNS, LLMNR, NetBIOS",
		FIELDS);

#define TIMEOUT_NS (10 * INT64_C(1000000000))

/* By flow. TCP has memory of its own, so that a flow of UDP stays small. */
struct dns {
	struct nr_dns_open open;
	struct nr_dns_stream *stream; /* of two sides, or NULL */
	bool armed;                   /* tick() was asked for */
	bool understood;              /* a message made sense */
	bool evicted;                 /* said once */
};

/* A message that is to become (half of) a row. */
struct half {
	struct nr_dns_read r;
	size_t wire_len;
	bool complete;
};

static enum nr_dns_service port_service(uint16_t port)
{
	switch (port) {
	case 5353:
		return NR_DNS_MDNS;
	case 5355:
		return NR_DNS_LLMNR;
	case 137:
		return NR_DNS_NBNS;
	default:
		return NR_DNS_DNS;
	}
}

static enum nr_dns_service service_of(const uint16_t port[2])
{
	enum nr_dns_service s = port_service(port[1]);

	return s == NR_DNS_DNS && port[1] != 53 ? port_service(port[0]) : s;
}

/* ---- rows ---- */

/* A name that is static, else the prefix and the number. */
static void set_code(struct nr_parse *p, struct nr_record *row, unsigned field,
		     const char *name, const char *prefix, unsigned number)
{
	nr_set_str(row, field,
		   name ? name : nr_arena_printf(p->arena, "%s%u", prefix, number));
}

static void set_json(struct nr_record *row, unsigned field, const struct nr_dns_out *o)
{
	if (o->len)
		nr_set_text(row, field, o->p, o->len);
}

static void set_question(struct nr_parse *p, struct nr_record *row,
			 const struct nr_dns_read *r, enum nr_dns_service service)
{
	struct nr_dns_out name = { .arena = p->arena };
	bool nbns = service == NR_DNS_NBNS;

	if (!r->has_question)
		return;
	nr_dns_out_name(&name, &r->name, nbns);
	set_json(row, NR_DNS_query_name, &name);
	set_code(p, row, NR_DNS_query_type, nr_dns_type_name(r->type, nbns), "TYPE",
		 r->type);
	set_code(p, row, NR_DNS_query_class, nr_dns_class_name(r->class), "CLASS",
		 r->class);
	set_json(row, NR_DNS_questions, &r->questions);
}

/* What of the header has which meaning where; first and response as in put_row(). */
static void set_flags(struct nr_record *row, const struct half *first,
		      const struct half *response, enum nr_dns_service service)
{
	unsigned asked = first->r.flags;
	unsigned flags = response ? response->r.flags : asked;

	nr_set_int(row, NR_DNS_tc, !!(flags & NR_DNS_TC));
	if (service == NR_DNS_LLMNR) /* RFC 4795 section 2.1.1: conflict, tentative */
		return;
	nr_set_int(row, NR_DNS_rd, !!(asked & NR_DNS_RD));
	if (response) {
		nr_set_int(row, NR_DNS_aa, !!(flags & NR_DNS_AA));
		nr_set_int(row, NR_DNS_ra, !!(flags & NR_DNS_RA));
	}
	if (service == NR_DNS_NBNS) /* RFC 1002 section 4.2.1.1: broadcast */
		return;
	if (response)
		nr_set_int(row, NR_DNS_ad, !!(flags & NR_DNS_AD));
	nr_set_int(row, NR_DNS_cd, !!(asked & NR_DNS_CD));
}

static void set_edns(struct nr_parse *p, struct nr_record *row, const struct half *first,
		     const struct half *response)
{
	struct nr_dns_out o = { .arena = p->arena };

	if (first != response && first->r.opt.len) {
		nr_dns_out_str(&o, "{\"query\":");
		nr_dns_out_raw(&o, first->r.opt.p, first->r.opt.len);
	}
	if (response && response->r.opt.len) {
		nr_dns_out_str(&o, o.len ? ",\"response\":" : "{\"response\":");
		nr_dns_out_raw(&o, response->r.opt.p, response->r.opt.len);
	}
	if (!o.len)
		return;
	nr_dns_out_str(&o, "}");
	set_json(row, NR_DNS_edns, &o);
}

static void set_response(struct nr_parse *p, struct nr_record *row,
			 const struct half *response)
{
	const struct nr_dns_read *r = &response->r;
	unsigned rcode = (r->flags & 15u) | (unsigned)r->opt_rcode << 4;

	set_code(p, row, NR_DNS_rcode, nr_dns_rcode_name(rcode), "RCODE", rcode);
	if (r->records.len)
		set_json(row, NR_DNS_answers, &r->records);
	else
		nr_set_str(row, NR_DNS_answers, "[]");
	nr_set_int(row, NR_DNS_response_bytes, (int64_t)response->wire_len);
}

/* A query (first) and its response, or NULL; or a response alone, which is both. */
static struct nr_record *put_row(struct nr_parse *p, const struct half *first,
				 const struct half *response)
{
	struct nr_record *row = nr_parse_record(p, &nr_rt_dns);
	enum nr_dns_service service = service_of(p->port);
	unsigned opcode = first->r.flags >> 11 & 15;
	bool alone = first == response, both = response && !alone;
	uint32_t left_out = first->r.left_out + (both ? response->r.left_out : 0);

	nr_set_str(row, NR_DNS_transport, p->proto == 6 ? "tcp" : "udp");
	nr_set_int(row, NR_DNS_trans_id, first->r.id);
	set_code(p, row, NR_DNS_opcode,
		 nr_dns_opcode_name(opcode, service == NR_DNS_NBNS), "OPCODE", opcode);
	set_question(p, row, &first->r, service);
	set_flags(row, first, response, service);
	set_edns(p, row, first, response);
	if (response)
		set_response(p, row, response);
	nr_set_int(row, NR_DNS_answered, both);
	nr_set_int(row, NR_DNS_response_only, alone);
	nr_set_int(row, NR_DNS_complete,
		   first->complete && (!response || response->complete));
	if (left_out)
		nr_set_int(row, NR_DNS_left_out, left_out);
	return row;
}

/* The row of a query whose message is msg, with its response or without one (NULL). */
static void put_query(struct nr_parse *p, const struct nr_dns_query *q,
		      const uint8_t *msg, const struct half *response)
{
	enum nr_dns_service service = service_of(p->port);
	struct half query = { .wire_len = q->wire_len, .complete = q->complete };
	struct nr_record *row;
	int64_t rtt_ns;

	nr_dns_read(&query.r, msg, q->len, service, p->arena);
	row = put_row(p, &query, response);
	if (!response) { /* the packet that completed the row is the query's */
		nr_set_int(row, NR_DNS_source_id, q->source_id);
		nr_set_int(row, NR_DNS_packet, (int64_t)q->packet);
		nr_set_int(row, NR_DNS_ts_ns, q->ts_ns);
	} else if (!__builtin_sub_overflow(p->ts_ns, q->ts_ns, &rtt_ns)) {
		nr_set_int(row, NR_DNS_rtt_ns, rtt_ns);
	}
	nr_set_int(row, NR_DNS_query_packet, (int64_t)q->packet);
	nr_set_int(row, NR_DNS_query_bytes, q->wire_len);
	if (q->repeat_of)
		nr_set_int(row, NR_DNS_repeat_of, (int64_t)q->repeat_of);
	if (service == NR_DNS_MDNS && query.r.has_question)
		nr_set_int(row, NR_DNS_unicast_response, query.r.unicast);
	set_json(row, NR_DNS_query_records, &query.r.records);
}

static void close_query(struct nr_parse *p, struct dns *d, struct nr_dns_query *q,
			const struct half *response)
{
	put_query(p, q, nr_dns_query_bytes(q), response);
	nr_dns_open_remove(&d->open, p->account, q);
}

/* ---- messages ---- */

static uint64_t question_hash(struct dns *d, const struct nr_dns_read *r)
{
	uint8_t what[NR_DNS_NAME_MAX + 4];
	size_t n = r->name.len;
	uint64_t hash;

	if (!r->has_question)
		return 0;
	for (size_t i = 0; i < n; i++) { /* no length byte is a letter: all are < 64 */
		uint8_t c = r->name.wire[i];

		what[i] = c >= 'A' && c <= 'Z' ? c | 0x20 : c;
	}
	memcpy(what + n, &r->type, 2);
	memcpy(what + n + 2, &r->class, 2);
	hash = nr_siphash(d->open.key, what, n + 4);
	return hash ? hash : 1;
}

static void arm(struct nr_parse *p, struct dns *d)
{
	const struct nr_dns_query *oldest;
	int64_t at;

	if (d->armed)
		return;
	oldest = nr_dns_open_oldest(&d->open);
	if (!oldest || __builtin_add_overflow(oldest->clock_ns, TIMEOUT_NS, &at))
		return;
	nr_parse_wake(p, at);
	d->armed = true;
}

static void say_evicted(struct nr_parse *p, struct dns *d)
{
	if (!d->evicted)
		nr_parse_anomaly(p, NR_ANOM_DNS_EVICTED, -1, NULL);
	d->evicted = true;
}

static void open_query(struct nr_parse *p, struct dns *d, unsigned side,
		       const struct half *h, const uint8_t *msg, size_t len)
{
	struct nr_dns_query q, *same;

	q.ts_ns = p->ts_ns;
	q.clock_ns = p->clock_ns;
	q.packet = p->packet;
	q.source_id = p->source_id;
	q.hash = question_hash(d, &h->r);
	q.wire_len = (uint32_t)h->wire_len;
	q.len = (uint16_t)len;
	q.id = h->r.id;
	q.side = (uint8_t)side;
	q.complete = h->complete;
	q.far = NULL;
	same = nr_dns_open_find(&d->open, side, q.id, q.hash);
	q.repeat_of = !same ? 0 : same->repeat_of ? same->repeat_of : same->packet;
	while (!nr_dns_open_add(&d->open, p->account, &q, msg)) {
		struct nr_dns_query *oldest = nr_dns_open_oldest(&d->open);

		say_evicted(p, d);
		if (!oldest) {
			put_query(p, &q, msg, NULL);
			return;
		}
		close_query(p, d, oldest, NULL);
	}
	arm(p, d);
}

/* Another question than that of an open query with the id: somebody guesses, or errs. */
static void say_mismatch(struct nr_parse *p, unsigned side, const struct nr_dns_query *q)
{
	nr_parse_anomaly(p, NR_ANOM_DNS_MISMATCH, (int)side,
			 nr_arena_printf(p->arena,
					 "{\"trans_id\":%u,\"query_packet\":%llu}", q->id,
					 (unsigned long long)q->packet));
}

/* The query that a response answers, or NULL. */
static struct nr_dns_query *asked(struct nr_parse *p, struct dns *d, unsigned side,
				  const struct nr_dns_read *r)
{
	struct nr_dns_query *q, *other;

	if (!r->has_question)
		return nr_dns_open_find_id(&d->open, !side, r->id);
	q = nr_dns_open_find(&d->open, !side, r->id, question_hash(d, r));
	if (!q) /* a query whose question could not be read */
		q = nr_dns_open_find(&d->open, !side, r->id, 0);
	other = q ? NULL : nr_dns_open_find_id(&d->open, !side, r->id);
	if (other)
		say_mismatch(p, side, other);
	return q;
}

static void take_response(struct nr_parse *p, struct dns *d, unsigned side,
			  const struct half *h)
{
	struct nr_dns_query *q = asked(p, d, side, &h->r);

	if (!q) {
		put_row(p, h, h);
		return;
	}
	close_query(p, d, q, h);
	if (!nr_dns_open_oldest(&d->open)) {
		nr_parse_wake(p, INT64_MAX);
		d->armed = false;
	}
}

static void say_bad(struct nr_parse *p, unsigned side, const struct nr_dns_read *r)
{
	const char *detail = nr_arena_printf(
		p->arena, "{\"message\":\"%s\",\"what\":\"%s\",\"offset\":%zu}",
		r->flags & NR_DNS_QR ? "response" : "query", nr_dns_bad_text(r->bad),
		r->bad_at);

	nr_parse_anomaly(p, NR_ANOM_DNS_MALFORMED, (int)side, detail);
}

static void say_trailing(struct nr_parse *p, unsigned side, size_t n)
{
	nr_parse_anomaly(p, NR_ANOM_DNS_TRAILING, (int)side,
			 nr_arena_printf(p->arena, "{\"bytes\":%zu}", n));
}

static void say_short(struct nr_parse *p, unsigned side, size_t len)
{
	nr_parse_anomaly(p, NR_ANOM_DNS_MALFORMED, (int)side,
			 nr_arena_printf(p->arena,
					 "{\"what\":\"too short for a header\","
					 "\"bytes\":%zu}",
					 len));
}

/* A stream of them is told once. */
static bool may_say_short(struct dns *d, unsigned side)
{
	bool said = d->stream && d->stream[side].said_short;

	if (d->stream)
		d->stream[side].said_short = true;
	return !said;
}

/* TCP: what was passed over until a message was found. */
static void say_no_dns(struct nr_parse *p, unsigned side, struct nr_dns_stream *s)
{
	if (s->no_dns)
		nr_parse_anomaly(p, NR_ANOM_DNS_MALFORMED, (int)side,
				 nr_arena_printf(p->arena,
						 "{\"what\":\"no messages\","
						 "\"bytes\":%u}",
						 s->no_dns));
	s->no_dns = 0;
}

static void understand(struct nr_parse *p, struct dns *d)
{
	static const char *const names[] = { "dns", "mdns", "llmnr", "nbns" };

	if (d->understood)
		return;
	d->understood = true;
	nr_parse_service(p, names[service_of(p->port)]);
}

/* len bytes are there of wire_len. Whether they could be read as a message. */
static bool take_message(struct nr_parse *p, struct dns *d, unsigned side,
			 const uint8_t *msg, size_t len, size_t wire_len)
{
	bool is_response, cut = len < wire_len, readable;
	struct half h = { .wire_len = wire_len };

	if (len < NR_DNS_HEADER) {
		if (!cut && may_say_short(d, side))
			say_short(p, side, len);
		return false;
	}
	if (len > UINT16_MAX)
		len = UINT16_MAX;
	if (!d->open.key.k1)
		d->open.key = (struct nr_siphash_key){ (uintptr_t)d, (uintptr_t)p };
	is_response = msg[2] & NR_DNS_QR >> 8;
	/* A query is written later, from its bytes: here it is only checked. */
	nr_dns_read(&h.r, msg, len, service_of(p->port), is_response ? p->arena : NULL);
	readable = h.r.bad == NR_DNS_GOOD || h.r.bad >= NR_DNS_FORWARD;
	h.complete = !cut && readable;
	if (h.r.bad != NR_DNS_GOOD && !(cut && h.r.bad == NR_DNS_SHORT))
		say_bad(p, side, &h.r);
	if (h.r.trailing && !cut)
		say_trailing(p, side, h.r.trailing);
	if (h.r.bad == NR_DNS_GOOD || h.r.has_question || h.r.n_records)
		understand(p, d);
	if (is_response)
		take_response(p, d, side, &h);
	else
		open_query(p, d, side, &h, msg, len);
	return readable && (h.r.has_question || h.r.n_records || !h.r.trailing);
}

/* ---- what the engine calls ---- */

static enum nr_verdict dns_datagram(struct nr_parse *p, void *ctx, unsigned side,
				    const uint8_t *data, size_t len, size_t wire_len)
{
	take_message(p, ctx, side, data, len, wire_len);
	return NR_MORE;
}

static enum nr_verdict dns_data(struct nr_parse *p, void *ctx, unsigned side,
				const uint8_t *data, size_t len)
{
	struct nr_cursor in = nr_cursor(data, len);
	struct nr_dns_stream *s;
	struct dns *d = ctx;
	struct nr_piece m;
	enum nr_gathered got;

	if (!d->stream)
		d->stream = nr_account_alloc(p->account, 2 * sizeof(*d->stream));
	if (!d->stream)
		return NR_OVERFLOW;
	s = &d->stream[side];
	while ((got = nr_dns_stream_next(s, p->account, &in, &m)) == NR_G_WHOLE) {
		say_no_dns(p, side, s);
		s->trusted = take_message(p, d, side, m.p, m.len, m.len);
	}
	return got == NR_G_NO_MEM ? NR_OVERFLOW : NR_MORE;
}

static enum nr_verdict dns_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct dns *d = ctx;
	struct nr_piece m;
	size_t wire_len;

	if (!d->stream)
		d->stream = nr_account_alloc(p->account, 2 * sizeof(*d->stream));
	if (!d->stream)
		return NR_OVERFLOW;
	if (nr_dns_stream_gap(&d->stream[side], n, &m, &wire_len))
		take_message(p, d, side, m.p, m.len, wire_len);
	return NR_MORE;
}

static enum nr_verdict dns_tick(struct nr_parse *p, void *ctx)
{
	struct dns *d = ctx;
	struct nr_dns_query *q;

	d->armed = false;
	while ((q = nr_dns_open_oldest(&d->open)) &&
	       q->clock_ns <= p->clock_ns - TIMEOUT_NS)
		close_query(p, d, q, NULL);
	if (!q)
		nr_dns_open_free(&d->open, p->account);
	arm(p, d);
	return NR_MORE;
}

static void dns_end(struct nr_parse *p, void *ctx)
{
	struct dns *d = ctx;
	struct nr_dns_query *q;
	struct nr_piece m;
	size_t wire_len;

	for (unsigned side = 0; d->stream && side < 2; side++) {
		say_no_dns(p, side, &d->stream[side]);
		if (nr_dns_stream_rest(&d->stream[side], &m, &wire_len))
			take_message(p, d, side, m.p, m.len, wire_len);
		nr_gather_free(&d->stream[side].g, p->account);
	}
	nr_account_free(p->account, d->stream, 2 * sizeof(*d->stream));
	while ((q = nr_dns_open_oldest(&d->open)))
		close_query(p, d, q, NULL);
	nr_dns_open_free(&d->open, p->account);
}

/* ---- probe ---- */

static bool is_class(unsigned class)
{
	return class == 1 || class == 3 || class == 255;
}

/* A whole message that hardly anything else can be: for ports that say nothing. */
static bool is_certain(const uint8_t *m, size_t len)
{
	struct nr_dns_read r;
	unsigned flags;

	if (len < NR_DNS_HEADER)
		return false;
	flags = nr_be16(m + 2);
	if (flags & NR_DNS_Z || flags >> 11 & 15 || nr_be16(m + 4) != 1)
		return false;
	nr_dns_read(&r, m, len, NR_DNS_DNS, NULL);
	if (r.bad != NR_DNS_GOOD || r.trailing || !is_class(r.class) ||
	    !nr_dns_type_name(r.type, false))
		return false;
	if (flags & NR_DNS_QR)
		return nr_dns_rcode_name(flags & 15);
	return !(flags & (NR_DNS_AA | NR_DNS_TC | NR_DNS_RA | 15)) && !r.n_records;
}

/* On a port that speaks for it; the message may be cut at len. */
static enum nr_probe_result probe_known_port(const uint8_t *m, size_t len,
					     enum nr_dns_service service)
{
	struct nr_dns_read r;
	size_t records;

	if (len < NR_DNS_HEADER)
		return NR_PROBE_NO;
	nr_dns_read_question(&r, m, len, service);
	if (r.has_question && (is_class(r.class) || r.class == 254))
		return NR_PROBE_YES;
	/* Nothing asked, or something odd: random bytes have no such counts. */
	records = (size_t)r.count[1] + r.count[2] + r.count[3];
	if (!nr_dns_opcode_name(r.flags >> 11 & 15, service == NR_DNS_NBNS) ||
	    (!r.count[0] && !records) || 5 * r.count[0] + 11 * records > UINT16_MAX)
		return NR_PROBE_NO;
	return NR_PROBE_MAYBE;
}

/* Is it a message that is there as a whole? Its first bytes look so. */
static enum nr_probe_result probe_framed(const uint8_t *d, size_t len)
{
	size_t whole = nr_be16(d);

	if (len - 2 < whole)
		return NR_PROBE_MORE;
	return is_certain(d + 2, whole) ? NR_PROBE_YES : NR_PROBE_NO;
}

/* A side whose beginning was missed begins in the middle of a message, most often. */
static enum nr_probe_result probe_middle(const struct nr_probe *in, const uint8_t *d,
					 size_t len)
{
	const uint8_t *at = nr_dns_find_framed(d, len);

	if (at)
		return in->port_match ? NR_PROBE_YES
				      : probe_framed(at, len - (size_t)(at - d));
	return in->port_match && !in->last && len < NR_PROBE_BYTES ? NR_PROBE_MORE
								   : NR_PROBE_NO;
}

static enum nr_probe_result probe_beginning(const struct nr_probe *in, const uint8_t *d,
					    size_t len)
{
	size_t whole;

	if (len < NR_DNS_WINDOW)
		return NR_PROBE_MORE;
	whole = nr_be16(d);
	if (whole < NR_DNS_HEADER)
		return NR_PROBE_NO;
	if (in->port_match)
		return probe_known_port(d + 2, len - 2 < whole ? len - 2 : whole,
					service_of(in->port));
	return nr_dns_looks_framed(d) ? probe_framed(d, len) : NR_PROBE_NO;
}

static enum nr_probe_result probe_stream(const struct nr_probe *in, const uint8_t *d,
					 size_t len)
{
	enum nr_probe_result r = probe_beginning(in, d, len);

	return r == NR_PROBE_NO && !in->begins[in->side] ? probe_middle(in, d, len) : r;
}

static enum nr_probe_result dns_probe(const struct nr_probe *in)
{
	const uint8_t *d = in->data[in->side];
	size_t len = in->len[in->side];

	if (in->proto == 6)
		return probe_stream(in, d, len);
	if (in->port_match)
		return probe_known_port(d, len, service_of(in->port));
	return is_certain(d, len) ? NR_PROBE_YES : NR_PROBE_NO;
}

static const struct nr_parser_cap caps[] = {
	{ "queries of a flow that wait for a response", NR_DNS_OPEN_MAX,
	  "the oldest becomes a row without one; anomaly dns_evicted" },
	{ "bytes of the longer ones among them", NR_DNS_OPEN_BYTES,
	  "the oldest become rows without one; anomaly dns_evicted" },
	{ "seconds that a query waits", 10, "a later response is a row of its own" },
	{ "bytes of a list of records", NR_DNS_JSON_MAX, "dns.left_out counts the rest" },
	{ NULL },
};

const struct nr_parser nr_parser_dns = {
	.name = "dns",
	.about = "DNS (RFC 1035), multicast DNS, LLMNR, NetBIOS names",
	.transports = NR_ON_UDP | NR_ON_TCP,
	.ports = (const uint16_t[]){ 53, 5353, 5355, 137, 0 },
	.services = (const char *const[]){ "dns", "mdns", "llmnr", "nbns", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_dns, NULL },
	.caps = caps,
	.ctx_size = sizeof(struct dns),
	.probe = dns_probe,
	.data = dns_data,
	.gap = dns_gap,
	.datagram = dns_datagram,
	.tick = dns_tick,
	.end = dns_end,
};
