/* SPDX-License-Identifier: BSD-3-Clause */
#include "dns_wire.h"

const char *nr_dns_bad_text(enum nr_dns_bad bad)
{
	static const char *const text[] = {
		[NR_DNS_GOOD] = "nothing",
		[NR_DNS_SHORT] = "ends before what it announces",
		[NR_DNS_LOOP] = "compression pointers of a name do not end",
		[NR_DNS_POINTER] = "a compression pointer leads out of the message",
		[NR_DNS_LONG] = "a name is longer than 255 bytes",
		[NR_DNS_LABEL] = "a label of unknown kind",
		[NR_DNS_FORWARD] = "a compression pointer does not point backwards",
		[NR_DNS_RDATA] = "data of a record does not fit its type",
		[NR_DNS_OPTIONS] = "EDNS options overrun the record",
	};

	return text[bad];
}

enum nr_dns_bad nr_dns_name_get(const uint8_t *msg, size_t len, size_t *at,
				struct nr_dns_name *out)
{
	size_t pos = *at, used = 0;
	unsigned hops = 0;

	out->forward = false;
	for (;;) {
		uint8_t c;

		if (pos >= len)
			return NR_DNS_SHORT;
		c = msg[pos];
		if (c >= 0xc0) {
			size_t to;

			if (len - pos < 2)
				return NR_DNS_SHORT;
			to = nr_be16(msg + pos) & 0x3fff;
			if (!hops)
				*at = pos + 2;
			if (to < NR_DNS_HEADER || to >= len)
				return NR_DNS_POINTER;
			if (++hops > NR_DNS_HOPS)
				return NR_DNS_LOOP;
			out->forward = out->forward || to >= pos;
			pos = to;
			continue;
		}
		if (c >= 0x40)
			return NR_DNS_LABEL;
		if (used + 1u + c > NR_DNS_NAME_MAX)
			return NR_DNS_LONG;
		if (len - pos < 1u + c)
			return NR_DNS_SHORT;
		memcpy(out->wire + used, msg + pos, 1u + c);
		used += 1u + c;
		pos += 1u + c;
		if (!c)
			break;
	}
	out->len = (uint8_t)used;
	if (!hops)
		*at = pos;
	return NR_DNS_GOOD;
}

static bool is_bad(struct nr_dns_read *r, enum nr_dns_bad bad, size_t at)
{
	if (bad != NR_DNS_GOOD && r->bad == NR_DNS_GOOD) {
		r->bad = bad;
		r->bad_at = at;
	}
	return bad != NR_DNS_GOOD;
}

static bool question(struct nr_dns_read *r, const uint8_t *msg, size_t len, size_t *at,
		     struct nr_dns_rr *q)
{
	size_t begin = *at;

	if (is_bad(r, nr_dns_name_get(msg, len, at, &q->name), begin))
		return false;
	if (q->name.forward)
		is_bad(r, NR_DNS_FORWARD, begin);
	if (len - *at < 4)
		return !is_bad(r, NR_DNS_SHORT, *at);
	q->type = nr_be16(msg + *at);
	q->class = nr_be16(msg + *at + 2);
	*at += 4;
	return true;
}

static void first_question(struct nr_dns_read *r, const struct nr_dns_rr *q,
			   enum nr_dns_service service)
{
	r->has_question = true;
	r->name.len = q->name.len;
	memcpy(r->name.wire, q->name.wire, q->name.len);
	r->type = q->type;
	r->class = q->class;
	if (service == NR_DNS_MDNS) {
		r->unicast = q->class >> 15;
		r->class = q->class & 0x7fff;
	}
}

static void header(struct nr_dns_read *r, const uint8_t *msg)
{
	r->id = nr_be16(msg);
	r->flags = nr_be16(msg + 2);
	for (int i = 0; i < 4; i++)
		r->count[i] = nr_be16(msg + 4 + 2 * i);
}

void nr_dns_read_question(struct nr_dns_read *r, const uint8_t *msg, size_t len,
			  enum nr_dns_service service)
{
	struct nr_dns_rr q;
	size_t at = NR_DNS_HEADER;

	r->bad = NR_DNS_GOOD;
	r->has_question = false;
	header(r, msg);
	if (r->count[0] && question(r, msg, len, &at, &q))
		first_question(r, &q, service);
}

static void class_of(struct nr_dns_out *o, unsigned class)
{
	if (class == 1)
		return;
	nr_dns_out_str(o, "\",\"class\":\"");
	nr_dns_out_class(o, class);
}

/* What grew a list over its cap is taken back. */
static void keep_or_drop(struct nr_dns_read *r, struct nr_dns_out *o, size_t before)
{
	if (o->len <= NR_DNS_JSON_MAX)
		return;
	o->len = before;
	r->left_out++;
}

static void put_question(struct nr_dns_read *r, const struct nr_dns_rr *q,
			 enum nr_dns_service service)
{
	struct nr_dns_out *o = &r->questions;
	size_t before = o->len;

	if (!o->arena)
		return;
	if (r->left_out) {
		r->left_out++;
		return;
	}
	nr_dns_out_str(o, o->len ? ",{\"name\":\"" : "[{\"name\":\"");
	nr_dns_out_name(o, &q->name, service == NR_DNS_NBNS);
	nr_dns_out_str(o, "\",\"type\":\"");
	nr_dns_out_type(o, q->type, service == NR_DNS_NBNS);
	class_of(o, service == NR_DNS_MDNS ? q->class & 0x7fff : q->class);
	nr_dns_out_str(o, "\"}");
	keep_or_drop(r, o, before);
}

static bool read_questions(struct nr_dns_read *r, const uint8_t *msg, size_t len,
			   size_t *at, enum nr_dns_service service)
{
	struct nr_dns_rr q;
	unsigned n;

	for (n = 0; n < r->count[0] && question(r, msg, len, at, &q); n++) {
		if (!n)
			first_question(r, &q, service);
		else
			put_question(r, &q, service);
	}
	if (r->questions.len)
		nr_dns_out_str(&r->questions, "]");
	return n == r->count[0];
}

static bool record_head(struct nr_dns_read *r, const uint8_t *msg, size_t len, size_t *at,
			struct nr_dns_rr *rr)
{
	size_t begin = *at;
	const uint8_t *h;

	if (is_bad(r, nr_dns_name_get(msg, len, at, &rr->name), begin))
		return false;
	if (rr->name.forward)
		is_bad(r, NR_DNS_FORWARD, begin);
	if (len - *at < 10)
		return !is_bad(r, NR_DNS_SHORT, *at);
	h = msg + *at;
	rr->type = nr_be16(h);
	rr->class = nr_be16(h + 2);
	rr->ttl = nr_be32(h + 4);
	rr->len = nr_be16(h + 8);
	rr->at = *at + 10;
	if (len - rr->at < rr->len)
		return !is_bad(r, NR_DNS_SHORT, rr->at);
	*at = rr->at + rr->len;
	return true;
}

static void put_record(struct nr_dns_read *r, const uint8_t *msg, size_t len,
		       unsigned section, const struct nr_dns_rr *rr,
		       enum nr_dns_service service)
{
	static const char *const opens[4] = { NULL, "{\"section\":\"answer\",\"name\":\"",
					      "{\"section\":\"authority\",\"name\":\"",
					      "{\"section\":\"additional\",\"name\":\"" };
	struct nr_dns_out *o = &r->records;
	size_t before = o->len;
	bool nbns = service == NR_DNS_NBNS, flush = false;
	unsigned class = rr->class;

	r->n_records++;
	if (o->arena && r->left_out) {
		r->left_out++;
		return;
	}
	if (service == NR_DNS_MDNS) {
		flush = class >> 15;
		class &= 0x7fff;
	}
	nr_dns_out_str(o, o->len ? "," : "[");
	nr_dns_out_str(o, opens[section]);
	nr_dns_out_name(o, &rr->name, nbns);
	nr_dns_out_str(o, "\",\"type\":\"");
	nr_dns_out_type(o, rr->type, nbns);
	class_of(o, class);
	nr_dns_out_str(o, "\",\"ttl\":");
	nr_dns_out_uint(o, rr->ttl);
	if (flush)
		nr_dns_out_str(o, ",\"flush\":true");
	if (rr->len) {
		nr_dns_out_str(o, ",\"data\":\"");
		if (!nr_dns_out_rdata(o, msg, len, rr, nbns))
			is_bad(r, NR_DNS_RDATA, rr->at);
		nr_dns_out_str(o, "\"");
	}
	nr_dns_out_str(o, "}");
	keep_or_drop(r, o, before);
}

enum { TYPE_OPT = 41, OPCODE_DSO = 6 };

static bool read_records(struct nr_dns_read *r, const uint8_t *msg, size_t len,
			 size_t *at, unsigned section, enum nr_dns_service service)
{
	struct nr_dns_rr rr;

	for (unsigned n = 0; n < r->count[section]; n++) {
		if (!record_head(r, msg, len, at, &rr))
			return false;
		if (rr.type != TYPE_OPT || section != 3) {
			put_record(r, msg, len, section, &rr, service);
			continue;
		}
		if (r->has_opt) /* RFC 6891 section 6.1.1: at most one */
			continue;
		r->has_opt = true;
		r->opt_rcode = (uint8_t)(rr.ttl >> 24);
		if (!nr_dns_out_opt(&r->opt, msg, &rr))
			is_bad(r, NR_DNS_OPTIONS, rr.at);
	}
	return true;
}

void nr_dns_read(struct nr_dns_read *r, const uint8_t *msg, size_t len,
		 enum nr_dns_service service, struct nr_arena *arena)
{
	size_t at = NR_DNS_HEADER;
	bool whole;

	*r = (struct nr_dns_read){
		.name.len = 0,
		.questions = { .arena = arena, .json = true },
		.records = { .arena = arena, .json = true },
		.opt = { .arena = arena, .json = true },
	};
	header(r, msg);
	whole = read_questions(r, msg, len, &at, service);
	for (unsigned s = 1; whole && s < 4; s++)
		whole = read_records(r, msg, len, &at, s, service);
	if (r->records.len)
		nr_dns_out_str(&r->records, "]");
	if (whole && (r->flags >> 11 & 15) != OPCODE_DSO)
		r->trailing = len - at;
}
