/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446) and SSL 3.0 (RFC 6101) over TCP; SSL 2.0 in
 * tls_ssl2.c. Records are followed to the end of the handshake; then there is nothing
 * more to read, and the parser is done.
 *
 * A side's stream is records; the bodies of its handshake records make a stream of
 * messages, which may be cut anywhere. A gap within a record's body leaves the records in
 * step, and costs at most a message; a gap over a record's end loses the side.
 */
#include "certificate.h"
#include "session/gather.h"
#include "tls_handshake.h"
#include "tls_ssl2.h"

#include <string.h>

struct side {
	struct nr_gather body; /* of the present message */
	uint8_t head[5];       /* of the present record */
	uint8_t head_len;      /* 5: within its body */
	uint8_t message[4];    /* header of the present message */
	uint8_t message_len;   /* 4: within its body */
	uint8_t first[16];     /* of the body of an alert or heartbeat */
	uint8_t first_len;
	uint8_t alert_level; /* of an alert whose other byte is to come, or 0 */
	bool is_encrypted;   /* the present record is */
	bool is_begun, is_ssl2;
	bool is_unsure; /* since a gap: where records and messages begin must show */
	bool is_deaf;   /* to the rest of the record, for that reason */
	uint32_t left;  /* bytes of the record's body still to come */
	uint32_t skip;  /* bytes of the message that are not wanted */
};

struct tls {
	struct nr_tls_handshake h;
	struct side side[2];
	struct nr_ssl2 ssl2[2];
	bool is_over; /* the handshake, of FTP: see behind() */
};

enum {
	FTP_PORT = 21,
	HEARTBEAT_REQUEST = 1,
	HEARTBEAT_REST = 1 + 2 + 16, /* RFC 6520 §4: type, length, padding */
};

static size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

static struct tls *tls_of(void *ctx)
{
	return ctx;
}

/* Before the first hello it was another protocol; behind it is broken TLS. */
static enum nr_verdict refuse(struct nr_parse *p, const struct tls *t, unsigned side)
{
	const struct side *s = &t->side[side];

	if (!nr_tls_facts_any(&t->h.facts))
		return NR_NOT_MINE;
	nr_parse_anomaly(
		p, NR_ANOM_TLS_RECORD, (int)side,
		nr_arena_printf(p->arena, "{\"type\":%u,\"version\":%u,\"length\":%u}",
				s->head[0], nr_be16(s->head + 1), nr_be16(s->head + 3)));
	return NR_MALFORMED;
}

static bool is_version(const uint8_t *p)
{
	return p[0] == 3 || nr_be16(p) == 0x0101; /* TLCP of GB/T 38636 */
}

/* RFC 8446 §5.1; nothing longer than RFC 5246 §6.2.3 allows. */
static bool is_record(const uint8_t *head)
{
	return head[0] >= NR_TLS_R_CCS && head[0] <= NR_TLS_R_HEARTBEAT &&
	       is_version(head + 1) && nr_be16(head + 3) <= NR_TLS_RECORD_MAX;
}

/* The header of a message is there: what becomes of its body? */
static enum nr_verdict message_begin(struct nr_parse *p, struct tls *t, unsigned side)
{
	struct side *s = &t->side[side];
	uint32_t n = nr_be24(s->message + 1);

	s->skip = 0;
	switch (nr_tls_message_want(s->message[0])) {
	case NR_TLS_WANT_NO_SUCH:
		if (!s->is_unsure)
			return refuse(p, t, side);
		s->is_deaf = true;
		return NR_MORE;
	case NR_TLS_WANT_NOTHING:
		s->skip = n;
		return nr_tls_message(p, &t->h, side, s->message[0], NULL, 0);
	case NR_TLS_WANT_BODY:
		if (n <= NR_TLS_MESSAGE_MAX)
			return NR_MORE;
		break;
	}
	if (s->is_unsure) {
		s->is_deaf = true;
		return NR_MORE;
	}
	nr_parse_anomaly(p, NR_ANOM_TLS_EXCESS, (int)side,
			 nr_arena_printf(p->arena, "{\"message\":%u,\"length\":%u}",
					 s->message[0], n));
	t->h.facts.incomplete = true;
	s->skip = n;
	return NR_MORE;
}

static enum nr_verdict message_whole(struct nr_parse *p, struct tls *t, unsigned side,
				     const struct nr_piece *body)
{
	struct side *s = &t->side[side];
	bool had_none = !nr_tls_facts_any(&t->h.facts);
	enum nr_verdict v;

	v = nr_tls_message(p, &t->h, side, s->message[0], body->p, body->len);
	if (v == NR_MALFORMED && had_none)
		return NR_NOT_MINE;
	if (had_none && nr_tls_facts_any(&t->h.facts))
		nr_parse_service(p, "tls");
	return v;
}

/* Takes what is there of the message's header; true where it is whole. */
static bool message_head(struct side *s, struct nr_cursor *in)
{
	while (s->message_len < 4 && nr_left(in))
		s->message[s->message_len++] = nr_get_u8(in);
	return s->message_len == 4;
}

/* The rest of the message that is of no interest; true where it is over. */
static bool message_skip(struct side *s, struct nr_cursor *in)
{
	uint32_t n = (uint32_t)at_most(s->skip, nr_left(in));

	nr_get(in, n);
	s->skip -= n;
	return !s->skip;
}

/* One message, or what is there of it; *is_over where it is done with. */
static enum nr_verdict message_next(struct nr_parse *p, struct tls *t, unsigned side,
				    struct nr_cursor *in, bool *is_over)
{
	struct side *s = &t->side[side];
	enum nr_verdict v = NR_MORE;
	struct nr_piece body;

	*is_over = false;
	if (s->message_len < 4) {
		if (!message_head(s, in))
			return NR_MORE;
		v = message_begin(p, t, side);
		if (v != NR_MORE || s->is_deaf)
			return v;
	}
	if (s->skip || nr_tls_message_want(s->message[0]) != NR_TLS_WANT_BODY) {
		*is_over = message_skip(s, in);
		return NR_MORE;
	}
	switch (nr_gather_bytes(&s->body, p->account, in, nr_be24(s->message + 1),
				&body)) {
	case NR_G_MORE:
		return NR_MORE;
	case NR_G_NO_MEM:
		return NR_OVERFLOW;
	case NR_G_WHOLE:
		*is_over = true;
		return message_whole(p, t, side, &body);
	}
	return v;
}

/* Bytes of handshake records, all of them. */
static enum nr_verdict handshake(struct nr_parse *p, struct tls *t, unsigned side,
				 struct nr_cursor in)
{
	struct side *s = &t->side[side];
	enum nr_verdict v = NR_MORE;

	while (nr_left(&in) && v == NR_MORE && !s->is_deaf) {
		bool is_over;

		v = message_next(p, t, side, &in, &is_over);
		if (is_over)
			s->message_len = 0;
	}
	return v;
}

/* Heartbleed: a request for more bytes than it brought (CVE-2014-0160). */
static void heartbeat(struct nr_parse *p, struct tls *t, unsigned side)
{
	const struct side *s = &t->side[side];
	unsigned len = nr_be16(s->head + 3), payload = nr_be16(s->first + 1);

	if (s->first_len >= 3 && s->first[0] == HEARTBEAT_REQUEST &&
	    payload + HEARTBEAT_REST > len)
		nr_parse_anomaly(p, NR_ANOM_TLS_HEARTBEAT, (int)side,
				 nr_arena_printf(p->arena,
						 "{\"payload\":%u,\"length\":%u}",
						 payload, len));
}

/*
 * Alerts may share a record, or lie in two (RFC 5246 §6.2.1). What is none is encrypted:
 * its ChangeCipherSpec was missed. Such a record is longer than s->first.
 */
static void alert(struct tls *t, unsigned side)
{
	struct side *s = &t->side[side];
	uint8_t level = s->alert_level, last[2] = { 0 };

	s->alert_level = 0;
	if (s->first_len != nr_be16(s->head + 3))
		return;
	for (unsigned i = 0; i < s->first_len; i++) {
		if (level) {
			last[0] = level;
			last[1] = s->first[i];
			level = 0;
		} else {
			level = s->first[i];
			if (level < 1 || level > 2)
				return;
		}
	}
	s->alert_level = level;
	if (last[0])
		nr_tls_alert(&t->h, side, last);
}

static enum nr_verdict record_end(struct nr_parse *p, struct tls *t, unsigned side)
{
	struct side *s = &t->side[side];
	uint8_t type = s->head[0];
	bool is_enough = false;

	if (s->is_encrypted) {
		nr_tls_encrypted(&t->h, side, type, nr_be16(s->head + 3));
		is_enough = nr_tls_count(&t->h, side, type);
	} else if (type == NR_TLS_R_CCS) {
		nr_tls_ccs(&t->h, side);
	} else if (type == NR_TLS_R_ALERT) {
		alert(t, side);
	} else if (type == NR_TLS_R_HEARTBEAT) {
		heartbeat(p, t, side);
	}
	s->head_len = s->first_len = 0;
	if (s->is_deaf)
		s->message_len = 0;
	s->is_deaf = false;
	return is_enough ? NR_DONE : nr_tls_state(&t->h);
}

static enum nr_verdict record_body(struct nr_parse *p, struct tls *t, unsigned side,
				   struct nr_cursor in)
{
	struct side *s = &t->side[side];

	if (s->is_encrypted)
		return NR_MORE;
	if (s->head[0] == NR_TLS_R_HANDSHAKE)
		return handshake(p, t, side, in);
	while (nr_left(&in) && s->first_len < sizeof(s->first))
		s->first[s->first_len++] = nr_get_u8(&in);
	return NR_MORE;
}

/* Takes what is there of the record's header; true where it is whole. */
static bool record_head(struct tls *t, unsigned side, struct nr_cursor *in)
{
	struct side *s = &t->side[side];

	while (s->head_len < sizeof(s->head) && nr_left(in)) {
		s->head[s->head_len++] = nr_get_u8(in);
		if (s->head_len < sizeof(s->head))
			continue;
		s->left = nr_be16(s->head + 3);
		s->is_encrypted = nr_tls_is_encrypted(&t->h, side, s->head[0]);
	}
	return s->head_len == sizeof(s->head);
}

static enum nr_verdict records(struct nr_parse *p, struct tls *t, unsigned side,
			       struct nr_cursor *in)
{
	struct side *s = &t->side[side];
	enum nr_verdict v = NR_MORE;

	while (nr_left(in) && v == NR_MORE) {
		size_t n;

		if (!record_head(t, side, in))
			return NR_MORE;
		if (!is_record(s->head)) {
			if (!s->is_unsure)
				return refuse(p, t, side);
			nr_tls_lose(&t->h, side);
			return nr_tls_state(&t->h);
		}
		n = at_most(s->left, nr_left(in));
		s->left -= (uint32_t)n;
		v = record_body(p, t, side, nr_sub(in, n));
		if (v == NR_MORE && !s->left)
			v = record_end(p, t, side);
	}
	return v;
}

/* SSL 2.0's records have a bit set where those of TLS have their type. */
static void begin(const struct nr_parse *p, struct tls *t, unsigned side, uint8_t first)
{
	struct side *s = &t->side[side];

	t->h.facts.starttls |= p->offset > 0;
	s->is_begun = true;
	s->is_ssl2 = first & 0x80;
}

/* FTP's control connection may go back to clear text (CCC: RFC 4217, 12). */
static bool may_be_clear_again(const struct nr_parse *p, const struct tls *t)
{
	return t->h.facts.starttls && !t->side[0].is_ssl2 && !t->side[1].is_ssl2 &&
	       (p->port[0] == FTP_PORT || p->port[1] == FTP_PORT);
}

/*
 * Behind the handshake: records are passed over, to see where they end. What stands in
 * the place of one and begins with a letter or digit is FTP's; anything else ends it.
 */
static enum nr_verdict behind(struct nr_parse *p, struct side *s, struct nr_cursor *in)
{
	while (nr_left(in)) {
		uint8_t first = *in->p;
		size_t n;

		if (!s->head_len && (first < NR_TLS_R_CCS || first > NR_TLS_R_HEARTBEAT))
			return (first >= '0' && first <= '9') || ((first | 32) >= 'a' &&
								  (first | 32) <= 'z')
				       ? nr_parse_hand_over(p, "ftp", in->p, nr_left(in))
				       : NR_DONE;
		while (s->head_len < sizeof(s->head) && nr_left(in)) {
			s->head[s->head_len++] = nr_get_u8(in);
			s->left = nr_be16(s->head + 3);
		}
		if (s->head_len < sizeof(s->head))
			return NR_MORE;
		if (!is_record(s->head))
			return NR_DONE;
		n = at_most(s->left, nr_left(in));
		nr_get(in, n);
		s->left -= (uint32_t)n;
		if (!s->left)
			s->head_len = 0;
	}
	return NR_MORE;
}

/* The row stands where the handshake ends, or the flow. */
static enum nr_verdict say(struct nr_parse *p, struct tls *t, unsigned side,
			   struct nr_cursor *in, enum nr_verdict v)
{
	struct side *s = &t->side[side];

	if (v != NR_DONE)
		return v;
	nr_tls_write(p, &t->h);
	if (!may_be_clear_again(p, t))
		return NR_DONE;
	t->is_over = true;
	if (s->head_len == sizeof(s->head) && !s->left)
		s->head_len = 0;
	return in ? behind(p, s, in) : NR_MORE;
}

static enum nr_verdict tls_data(struct nr_parse *p, void *ctx, unsigned side,
				const uint8_t *data, size_t len)
{
	struct tls *t = tls_of(ctx);
	struct side *s = &t->side[side];
	struct nr_cursor in = nr_cursor(data, len);
	enum nr_verdict v = NR_MORE;
	bool is_tls;

	if (t->h.lost[side] || !len)
		return NR_MORE;
	if (t->is_over)
		return behind(p, s, &in);
	if (!s->is_begun)
		begin(p, t, side, data[0]);
	if (s->is_ssl2) {
		v = nr_ssl2_data(p, &t->h, &t->ssl2[side], side, &in, &is_tls);
		if (nr_tls_facts_any(&t->h.facts))
			nr_parse_service(p, "tls");
		if (v == NR_MALFORMED)
			v = refuse(p, t, side);
		if (v != NR_MORE || !is_tls)
			return say(p, t, side, &in, v);
		s->is_ssl2 = false;
	}
	return say(p, t, side, &in, records(p, t, side, &in));
}

/* What was gathered of a ClientHello that will not come to its end. */
static void half_hello(struct nr_parse *p, struct tls *t, unsigned side)
{
	struct side *s = &t->side[side];
	struct nr_tls_facts *f = &t->h.facts;
	size_t n = nr_gathered_len(&s->body);

	if (!n || s->message[0] != NR_TLS_CLIENT_HELLO || s->skip || s->is_unsure ||
	    f->client_hellos || f->client_version)
		return;
	nr_tls_facts_partial(p, f, s->body.p, n);
	if (!f->client_version)
		return;
	t->h.client = (uint8_t)(1 + side);
	nr_parse_service(p, "tls");
}

/* n bytes within the body of a handshake record are missing. */
static void message_gap(struct nr_parse *p, struct tls *t, unsigned side, uint64_t n)
{
	struct side *s = &t->side[side];
	uint32_t left = 0;

	t->h.facts.incomplete = true;
	if (s->message_len == 4)
		left = s->skip ? s->skip
			       : nr_be24(s->message + 1) -
					 (uint32_t)nr_gathered_len(&s->body);
	half_hello(p, t, side);
	nr_gather_clear(&s->body);
	if (n < left) { /* the message is lost, but where the next begins is known */
		s->skip = left - (uint32_t)n;
		return;
	}
	s->skip = 0;
	s->message_len = 0;
	s->is_unsure = s->is_deaf = n > left || !left;
}

static enum nr_verdict tls_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct tls *t = tls_of(ctx);
	struct side *s = &t->side[side];

	if (t->h.lost[side])
		return NR_MORE;
	if (s->is_ssl2) {
		nr_tls_lose(&t->h, side);
		return say(p, t, side, NULL, nr_tls_state(&t->h));
	}
	if (t->is_over && n > s->left)
		return NR_DONE;
	if (s->head_len == sizeof(s->head) && n <= s->left) {
		s->left -= (uint32_t)n;
		if (!s->is_encrypted && s->head[0] == NR_TLS_R_HANDSHAKE)
			message_gap(p, t, side, n);
		s->first_len = s->alert_level = 0;
		if (t->is_over)
			s->head_len = s->left ? s->head_len : 0;
		else if (!s->left)
			return say(p, t, side, NULL, record_end(p, t, side));
		return NR_MORE;
	}
	/* Perhaps a record begins right behind it. */
	if (!t->h.ccs[side] && !t->h.finished[side])
		t->h.facts.incomplete = true;
	half_hello(p, t, side);
	nr_gather_clear(&s->body);
	s->is_begun = s->is_unsure = true;
	s->is_deaf = false;
	s->head_len = s->first_len = s->message_len = s->alert_level = 0;
	s->left = s->skip = 0;
	return NR_MORE;
}

static bool is_within_message(const struct tls *t, unsigned side)
{
	const struct side *s = &t->side[side];

	if (t->h.lost[side] || t->h.written)
		return false;
	return s->message_len || (s->head_len == sizeof(s->head) && !s->is_encrypted) ||
	       (s->head_len && !t->h.ccs[side] && !t->h.finished[side]) ||
	       nr_ssl2_is_within(&t->ssl2[side]);
}

static void tls_end(struct nr_parse *p, void *ctx)
{
	struct tls *t = tls_of(ctx);

	for (unsigned side = 0; side < 2; side++) {
		if (is_within_message(t, side))
			t->h.facts.incomplete = true;
		half_hello(p, t, side);
		nr_gather_free(&t->side[side].body, p->account);
		nr_ssl2_free(&t->ssl2[side], p->account);
	}
	nr_tls_end(p, &t->h);
}

/* A hello may be cut into records of a few bytes each. */
static bool is_tiny(const uint8_t *d, size_t n)
{
	return n > 4 && is_record(d) && nr_be16(d + 3) < 6;
}

/* A handshake record whose first message is a hello. */
static enum nr_probe_result probe_record(const uint8_t *d, size_t n)
{
	if ((n > 0 && d[0] != NR_TLS_R_HANDSHAKE) || (n > 2 && !is_version(d + 1)) ||
	    (n > 1 && d[1] != 3 && d[1] != 1))
		return NR_PROBE_NO;
	if (n > 4 && (!nr_be16(d + 3) || nr_be16(d + 3) > NR_TLS_RECORD_MAX))
		return NR_PROBE_NO;
	if (n > 5 && d[5] != NR_TLS_CLIENT_HELLO && d[5] != NR_TLS_SERVER_HELLO)
		return NR_PROBE_NO;
	if (n < 11 || is_tiny(d, n))
		return NR_PROBE_MORE;
	if (d[6] > 1) /* no hello is as long */
		return NR_PROBE_NO;
	return is_version(d + 9) || d[9] == 0x7f || d[9] == 0x7e || d[9] == 0xfb
		       ? NR_PROBE_YES
		       : NR_PROBE_NO;
}

/* The bodies of tiny records put together begin like a hello in one of them. */
static enum nr_probe_result probe_tiny(const uint8_t *d, size_t n)
{
	/* behind the header that one record of them would have */
	uint8_t joined[5 + 6] = { NR_TLS_R_HANDSHAKE, 3, 1, 1, 0 };
	struct nr_cursor c = nr_cursor(d, n);
	size_t have = 5;

	while (have < sizeof(joined)) {
		const uint8_t *head = nr_take(&c, 5);
		size_t len;

		if (!head)
			return NR_PROBE_MORE;
		if (head[0] != NR_TLS_R_HANDSHAKE || !is_record(head) ||
		    !nr_be16(head + 3))
			return NR_PROBE_NO;
		len = at_most(nr_be16(head + 3), sizeof(joined) - have);
		if (nr_left(&c) < len)
			return NR_PROBE_MORE;
		memcpy(joined + have, nr_take(&c, len), len);
		have += len;
	}
	return probe_record(joined, sizeof(joined));
}

static enum nr_probe_result probe_side(const uint8_t *d, size_t n)
{
	enum nr_probe_result r = probe_record(d, n);
	int client, server;

	if (r == NR_PROBE_MORE && is_tiny(d, n))
		return probe_tiny(d, n);
	if (r != NR_PROBE_NO || !n || !(d[0] & 0x80))
		return r;
	client = nr_ssl2_is_client_hello(d, n);
	server = nr_ssl2_is_server_hello(d, n);
	if (client > 0 || server > 0)
		return NR_PROBE_YES;
	return client < 0 || server < 0 ? NR_PROBE_MORE : NR_PROBE_NO;
}

static enum nr_probe_result tls_probe(const struct nr_probe *in)
{
	enum nr_probe_result best = NR_PROBE_NO;

	for (unsigned side = 0; side < 2; side++) {
		enum nr_probe_result r;

		if (!in->len[side])
			continue;
		r = probe_side(in->data[side], in->len[side]);
		if (r > best)
			best = r;
		/* who began with something else does not speak TLS from the start */
		if (r == NR_PROBE_NO && in->begins[side])
			return NR_PROBE_NO;
	}
	return best;
}

static const uint16_t ports[] = { 443, 465, 563,  636,  853,  989,  990,  992,  993,
				  994, 995, 5061, 5223, 5671, 6697, 8443, 8883, 0 };

static const struct nr_parser_cap caps[] = {
	{ "bytes of a hello, certificates or key exchange message", NR_TLS_MESSAGE_MAX,
	  "the message is skipped; anomaly tls_excess, complete is 0" },
	{ "certificates kept of a chain", NR_TLS_CERTS_MAX,
	  "the rest is not listed; anomaly tls_excess, complete is 0" },
	{ "bytes kept of a server name, and of a list of protocols", NR_TLS_NAME_MAX,
	  "the rest is not in the row" },
	{ 0 },
};

const struct nr_parser nr_parser_tls = {
	.name = "tls",
	.about = "TLS 1.0 to 1.3, SSL 2.0 and 3.0 (RFC 8446, 5246)",
	.transports = NR_ON_TCP,
	.ports = ports,
	.services = (const char *const[]){ "tls", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_tls, &nr_rt_certificate,
							   NULL },
	.caps = caps,
	.ctx_size = sizeof(struct tls),
	.probe = tls_probe,
	.data = tls_data,
	.gap = tls_gap,
	.end = tls_end,
};
