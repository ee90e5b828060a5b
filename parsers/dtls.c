/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DTLS 1.0, 1.2 and 1.3 (RFC 4347, 6347, 9147) over UDP.
 *
 * A datagram holds records, a record holds handshake fragments: each says which message
 * it is part of, where, and how long that is. Fragments may come in any order, twice and
 * overlapping; messages are put together a few at a time and read as they become whole.
 * Datagrams that hold no DTLS (STUN, RTP: RFC 7983) are passed over; a flow that begins
 * with STUN is watched for a while, since DTLS often follows.
 *
 * A client that has lost its state begins anew on the same ports (RFC 6347 §4.2.8): each
 * handshake has its row, and behind one the next is waited for.
 */
#include "base/hash.h"
#include "certificate.h"
#include "tls_handshake.h"

#include <string.h>

enum {
	MESSAGES = 4, /* of one side put together at once */
	/* of a message: 20 bytes can claim as much memory */
	MESSAGE_MAX = 32 << 10,
	RANGES = 32, /* pieces of one that do not touch */
	HEADER = 13,
	FRAGMENT_HEADER = 12,
	HEARTBEAT_REST = 1 + 2 + 16,
	HELLO_RANDOM = 2, /* where it is in a hello, and its bytes */
	RANDOM = 32,
	PENDING_STEP = 1024,
	EARLY_EPOCH = 1, /* RFC 9147 §6.1 */
	OTHERS_MAX = 64, /* datagrams of STUN that may come first */
	STUN_HEADER = 20,
};

struct range {
	uint32_t from, to;
};

/* A message that is not whole yet. */
struct pending {
	uint8_t *p; /* of the account, cap bytes; NULL: free */
	uint32_t len, cap;
	uint16_t seq;
	uint8_t type, n;
	struct range have[RANGES]; /* sorted, none touches another */
};

struct side {
	struct pending *pending; /* MESSAGES of them, of the account */
	uint64_t seen;           /* bit i: message first_seq + i was read */
	uint16_t first_seq;
	uint64_t hello; /* hash of its first ClientHello's random; 0: none yet */
	bool has_seq;
	bool said_excess;
};

struct dtls {
	struct nr_tls_handshake h;
	struct side side[2];
	uint32_t n_others; /* datagrams before the first of DTLS */
	bool was_dtls;
	bool is_over;       /* the row is written: nothing counts but another beginning */
	bool has_encrypted; /* the present datagram */
	uint8_t encrypted;  /* type of its last such record */
};

static struct dtls *dtls_of(void *ctx)
{
	return ctx;
}

static bool is_version(uint16_t v)
{
	return v >> 8 == 0xfe || v == 0x0100; /* OpenSSL's before the standard */
}

/* RFC 9147 §4: header of TLS 1.3's encrypted records, in a byte. */
static bool is_unified(uint8_t first)
{
	return (first & 0xe0) == 0x20;
}

/* 1 where message seq was read before; where not it is marked. Far jumps start anew. */
static bool was_read(struct side *s, uint16_t seq)
{
	uint16_t at = (uint16_t)(seq - s->first_seq);

	return s->has_seq && at < 64 && s->seen >> at & 1;
}

static void mark_read(struct side *s, uint16_t seq)
{
	uint16_t at = (uint16_t)(seq - s->first_seq);

	if (!s->has_seq || (at >= 64 && at < 0x8000)) {
		s->first_seq = seq;
		s->seen = 0;
		s->has_seq = true;
		at = 0;
	}
	if (at < 64)
		s->seen |= 1ull << at;
}

static void pending_free(struct nr_parse *p, struct pending *m)
{
	nr_account_free(p->account, m->p, m->cap);
	*m = (struct pending){ 0 };
}

static void excess(struct nr_parse *p, struct dtls *t, unsigned side, uint8_t type,
		   uint32_t n)
{
	if (!t->side[side].said_excess)
		nr_parse_anomaly(p, NR_ANOM_TLS_EXCESS, (int)side,
				 nr_arena_printf(p->arena,
						 "{\"message\":%u,\"length\":%u}", type,
						 n));
	t->side[side].said_excess = true;
	t->h.facts.incomplete = true;
}

/* Room for the bytes of a message up to `to`: a length costs nothing to claim. */
static bool pending_room(struct nr_parse *p, struct pending *m, uint32_t to)
{
	uint32_t cap = m->cap ? m->cap : PENDING_STEP;
	uint8_t *grown;

	if (to <= m->cap)
		return true;
	while (cap < to)
		cap *= 2;
	if (cap > m->len)
		cap = m->len;
	grown = nr_account_realloc(p->account, m->p, m->cap, cap);
	if (!grown)
		return false;
	m->p = grown;
	m->cap = cap;
	return true;
}

/* A message was read that had begun in fragments. */
static void pending_drop(struct nr_parse *p, struct side *s, uint16_t seq)
{
	for (unsigned i = 0; s->pending && i < MESSAGES; i++) {
		if (s->pending[i].p && s->pending[i].seq == seq)
			pending_free(p, &s->pending[i]);
	}
}

/* The message seq, being put together or from now on; NULL where the account is full. */
static struct pending *pending_of(struct nr_parse *p, struct dtls *t, unsigned side,
				  uint8_t type, uint32_t len, uint16_t seq)
{
	struct side *s = &t->side[side];
	struct pending *oldest, *m = NULL;

	if (!s->pending)
		s->pending = nr_account_alloc(p->account, MESSAGES * sizeof(*s->pending));
	if (!s->pending)
		return NULL;
	oldest = &s->pending[0];
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct pending *x = &s->pending[i];

		if (x->p && x->seq == seq && x->type == type && x->len == len)
			return x;
		if (!x->p && !m)
			m = x;
		if ((int16_t)(uint16_t)(x->seq - oldest->seq) < 0)
			oldest = x;
	}
	if (!m) {
		excess(p, t, side, oldest->type, oldest->len);
		pending_free(p, oldest);
		m = oldest;
	}
	*m = (struct pending){ .len = len, .seq = seq, .type = type };
	return m;
}

/* Adds from..to; false where there are too many pieces. */
static bool range_add(struct pending *m, uint32_t from, uint32_t to)
{
	unsigned at = 0, end;

	while (at < m->n && m->have[at].to < from)
		at++;
	end = at;
	while (end < m->n && m->have[end].from <= to) {
		if (m->have[end].from < from)
			from = m->have[end].from;
		if (m->have[end].to > to)
			to = m->have[end].to;
		end++;
	}
	if (end == at && m->n == RANGES)
		return false;
	memmove(&m->have[at + 1], &m->have[end], (m->n - end) * sizeof(*m->have));
	m->n = (uint8_t)(m->n - (end - at) + 1);
	m->have[at] = (struct range){ from, to };
	return true;
}

static bool is_whole(const struct pending *m)
{
	return m->n == 1 && !m->have[0].from && m->have[0].to == m->len;
}

static enum nr_verdict read_message(struct nr_parse *p, struct dtls *t, unsigned side,
				    uint8_t type, const uint8_t *body, size_t n)
{
	bool had_none = !nr_tls_facts_any(&t->h.facts);
	enum nr_verdict v = nr_tls_message(p, &t->h, side, type, body, n);

	if (had_none && nr_tls_facts_any(&t->h.facts))
		nr_parse_service(p, "dtls");
	/* One bad datagram of a protocol without connections breaks nothing. */
	return v == NR_OVERFLOW ? v : NR_MORE;
}

struct fragment {
	uint8_t type;
	uint32_t len; /* of the message */
	uint16_t seq;
	uint32_t from, n;
	const uint8_t *p;
};

static enum nr_verdict fragment(struct nr_parse *p, struct dtls *t, unsigned side,
				const struct fragment *f)
{
	struct side *s = &t->side[side];
	enum nr_verdict v;
	struct pending *m;

	if (was_read(s, f->seq))
		return NR_MORE;
	if (nr_tls_message_want(f->type) == NR_TLS_WANT_NOTHING) {
		if (f->from + f->n == f->len)
			mark_read(s, f->seq);
		return read_message(p, t, side, f->type, NULL, 0);
	}
	if (f->len > MESSAGE_MAX) {
		excess(p, t, side, f->type, f->len);
		return NR_MORE;
	}
	if (f->n == f->len) {
		mark_read(s, f->seq);
		pending_drop(p, s, f->seq);
		return read_message(p, t, side, f->type, f->p, f->n);
	}
	if (!f->n)
		return NR_MORE;
	m = pending_of(p, t, side, f->type, f->len, f->seq);
	if (!m || !pending_room(p, m, f->from + f->n))
		return NR_OVERFLOW;
	if (!range_add(m, f->from, f->from + f->n)) {
		excess(p, t, side, f->type, f->len);
		return NR_MORE;
	}
	memcpy(m->p + f->from, f->p, f->n);
	if (!is_whole(m))
		return NR_MORE;
	mark_read(s, f->seq);
	v = read_message(p, t, side, m->type, m->p, m->len);
	pending_drop(p, s, f->seq);
	return v;
}

/* What came of a ClientHello whose rest did not. */
static void half_hello(struct nr_parse *p, struct dtls *t, unsigned side,
		       const struct pending *m)
{
	struct nr_tls_facts *facts = &t->h.facts;

	if (m->type != NR_TLS_CLIENT_HELLO || m->have[0].from || facts->client_hellos ||
	    facts->client_version)
		return;
	nr_tls_facts_partial(p, facts, m->p, m->have[0].to);
	if (!facts->client_version)
		return;
	t->h.client = (uint8_t)(1 + side);
	nr_parse_service(p, "dtls");
}

/* The row, and nothing is kept of the handshake. */
static void finish(struct nr_parse *p, struct dtls *t)
{
	for (unsigned side = 0; side < 2; side++) {
		struct pending *m = t->side[side].pending;

		for (unsigned i = 0; m && i < MESSAGES; i++) {
			if (!m[i].p)
				continue;
			half_hello(p, t, side, &m[i]);
			t->h.facts.incomplete = true;
			pending_free(p, &m[i]);
		}
		nr_account_free(p->account, m, m ? MESSAGES * sizeof(*m) : 0);
		t->side[side].pending = NULL;
	}
	nr_tls_end(p, &t->h);
}

/*
 * A first ClientHello (its number is 0) that is not the one read before sent again begins
 * another connection. One that answers a HelloVerifyRequest has number 1.
 */
static void look_for_another(struct nr_parse *p, struct dtls *t, unsigned side,
			     const struct fragment *f)
{
	struct side *s = &t->side[side];
	uint64_t hello;

	if (f->type != NR_TLS_CLIENT_HELLO || f->seq || f->from ||
	    f->n < HELLO_RANDOM + RANDOM)
		return;
	hello = nr_siphash((struct nr_siphash_key){ 0 }, f->p + HELLO_RANDOM, RANDOM) | 1;
	if (s->hello && s->hello != hello) {
		finish(p, t);
		*t = (struct dtls){ .h.facts.transport = NR_TLS_ON_UDP,
				    .was_dtls = true };
	}
	s->hello = hello;
}

/* RFC 6347 §4.2.2: the fragments in a record. */
static enum nr_verdict fragments(struct nr_parse *p, struct dtls *t, unsigned side,
				 struct nr_cursor in)
{
	enum nr_verdict v = NR_MORE;
	const uint8_t *d;

	while (v == NR_MORE && (d = nr_take(&in, FRAGMENT_HEADER))) {
		struct fragment f = {
			.type = d[0],
			.len = nr_be24(d + 1),
			.seq = nr_be16(d + 4),
			.from = nr_be24(d + 6),
			.n = nr_be24(d + 9),
		};

		f.p = nr_take(&in, f.n);
		if (!f.p || f.from > f.len || f.len - f.from < f.n ||
		    nr_tls_message_want(f.type) == NR_TLS_WANT_NO_SUCH)
			return NR_MORE; /* encrypted, or garbage */
		look_for_another(p, t, side, &f);
		if (!t->is_over)
			v = fragment(p, t, side, &f);
	}
	return v;
}

static void heartbeat(struct nr_parse *p, unsigned side, const uint8_t *d, size_t n)
{
	if (n >= 3 && d[0] == 1 && nr_be16(d + 1) + (size_t)HEARTBEAT_REST > n)
		nr_parse_anomaly(p, NR_ANOM_TLS_HEARTBEAT, (int)side,
				 nr_arena_printf(p->arena,
						 "{\"payload\":%u,\"length\":%zu}",
						 nr_be16(d + 1), n));
}

static enum nr_verdict clear_record(struct nr_parse *p, struct dtls *t, unsigned side,
				    uint8_t type, const uint8_t *d, size_t n)
{
	if (t->is_over && type != NR_TLS_R_HANDSHAKE)
		return NR_MORE;
	switch (type) {
	case NR_TLS_R_HANDSHAKE:
		return fragments(p, t, side, nr_cursor(d, n));
	case NR_TLS_R_CCS:
		nr_tls_ccs(&t->h, side);
		break;
	case NR_TLS_R_ALERT:
		if (n == 2 && d[0] >= 1 && d[0] <= 2)
			nr_tls_alert(&t->h, side, d);
		break;
	case NR_TLS_R_HEARTBEAT:
		heartbeat(p, side, d, n);
		break;
	default:
		break;
	}
	return NR_MORE;
}

/* Before the ServerHello it tells nothing: anybody can send one, and receivers drop it.
 */
static void encrypted_record(struct dtls *t, unsigned side, uint8_t type, size_t n)
{
	const struct nr_tls_facts *f = &t->h.facts;

	t->has_encrypted = true;
	t->encrypted = type;
	if (!f->server_hellos)
		return;
	t->h.ccs[side] |= !nr_tls_is_13(f->version);
	nr_tls_encrypted(&t->h, side, type, n);
}

/* One record of the datagram; false where the rest of it is no DTLS. */
static bool record(struct nr_parse *p, struct dtls *t, unsigned side,
		   struct nr_cursor *in, enum nr_verdict *v)
{
	const uint8_t *d = nr_peek(in, 1), *body;
	uint16_t n;

	if (d && is_unified(*d) && nr_tls_is_13(t->h.facts.version)) {
		if ((*d & 3) != EARLY_EPOCH)
			encrypted_record(t, side, NR_TLS_R_DATA, nr_left(in));
		return false; /* where the next begins need not be said */
	}
	d = nr_take(in, HEADER);
	if (!d || d[0] < NR_TLS_R_CCS || d[0] > 25 || !is_version(nr_be16(d + 1)))
		return false;
	n = nr_be16(d + 11);
	body = nr_take(in, n);
	if (!body || n > NR_TLS_RECORD_MAX)
		return false;
	t->was_dtls = true;
	if (nr_be16(d + 3) || d[0] == NR_TLS_R_DATA || d[0] == 25) {
		/* an epoch that is not 0; RFC 9146: a connection id */
		encrypted_record(t, side, d[0], n);
	} else {
		*v = clear_record(p, t, side, d[0], body, n);
	}
	return true;
}

/* No end of the handshake will come any more. */
static bool is_at_end(struct dtls *t, unsigned side)
{
	return t->has_encrypted && nr_tls_count(&t->h, side, t->encrypted);
}

static enum nr_verdict dtls_datagram(struct nr_parse *p, void *ctx, unsigned side,
				     const uint8_t *data, size_t len, size_t wire_len)
{
	struct dtls *t = dtls_of(ctx);
	struct nr_cursor in = nr_cursor(data, len);
	enum nr_verdict v = NR_MORE;

	t->h.facts.transport = NR_TLS_ON_UDP;
	t->has_encrypted = false;
	while (nr_left(&in) && v == NR_MORE && record(p, t, side, &in, &v))
		;
	if (len < wire_len && nr_left(&in) && !t->h.ccs[side])
		t->h.facts.incomplete = true;
	if (!t->was_dtls)
		return ++t->n_others > OTHERS_MAX ? NR_NOT_MINE : NR_MORE;
	if (v == NR_MORE && !t->is_over)
		v = is_at_end(t, side) ? NR_DONE : nr_tls_state(&t->h);
	if (v != NR_DONE)
		return v;
	finish(p, t);
	t->is_over = true;
	return NR_MORE;
}

static void dtls_end(struct nr_parse *p, void *ctx)
{
	finish(p, dtls_of(ctx));
}

/* RFC 8489 §5: where peers look for a way to each other, DTLS follows (RFC 5763). */
static bool is_stun(const uint8_t *d, size_t n)
{
	return n >= STUN_HEADER && d[0] < 4 && nr_be32(d + 4) == 0x2112a442 &&
	       nr_be16(d + 2) + (size_t)STUN_HEADER == n;
}

/* A record of epoch 0 with the beginning of a hello in it. */
static enum nr_probe_result dtls_probe(const struct nr_probe *in)
{
	const uint8_t *d = in->data[in->side];
	uint32_t len, from, n;

	if (is_stun(d, in->len[in->side]))
		return NR_PROBE_YES;
	if (in->len[in->side] < HEADER + FRAGMENT_HEADER || d[0] != NR_TLS_R_HANDSHAKE ||
	    !is_version(nr_be16(d + 1)) || nr_be16(d + 3))
		return NR_PROBE_NO;
	len = nr_be24(d + HEADER + 1);
	from = nr_be24(d + HEADER + 6);
	n = nr_be24(d + HEADER + 9);
	if (d[HEADER] < NR_TLS_CLIENT_HELLO || d[HEADER] > NR_TLS_HELLO_VERIFY ||
	    from > len || len - from < n || n + FRAGMENT_HEADER > nr_be16(d + 11))
		return NR_PROBE_NO;
	return NR_PROBE_YES;
}

static const uint16_t ports[] = { 443, 4433, 5684, 853, 0 };

static const struct nr_parser_cap caps[] = {
	{ "bytes of a hello, certificates or key exchange message", MESSAGE_MAX,
	  "the message is skipped; anomaly tls_excess, complete is 0" },
	{ "messages of one side in fragments at once", MESSAGES,
	  "the oldest is dropped; anomaly tls_excess, complete is 0" },
	{ "pieces of one message that do not touch", RANGES,
	  "the fragment is dropped; anomaly tls_excess, complete is 0" },
	{ "datagrams of STUN before the first of DTLS", OTHERS_MAX,
	  "given up: parser_close is not_mine" },
	{ 0 },
};

const struct nr_parser nr_parser_dtls = {
	.name = "dtls",
	.about = "DTLS 1.0, 1.2, 1.3 (RFC 4347, 6347, 9147)",
	.transports = NR_ON_UDP,
	.ports = ports,
	.services = (const char *const[]){ "dtls", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_tls, &nr_rt_certificate,
							   NULL },
	.caps = caps,
	.ctx_size = sizeof(struct dtls),
	.probe = dtls_probe,
	.datagram = dtls_datagram,
	.end = dtls_end,
};
