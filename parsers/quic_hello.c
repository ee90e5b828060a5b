/* SPDX-License-Identifier: BSD-3-Clause */
/* What an Initial holds: frames, and the hellos that their CRYPTO bytes make. */
#include "quic.h"

#include "base/hash.h"

enum { REASON_MAX = 256 };

static enum nr_verdict read_client(struct nr_parse *p, struct nr_quic *c,
				   const uint8_t *body, size_t n)
{
	uint64_t hash = nr_siphash((struct nr_siphash_key){ 0 }, body, n);

	/* The same behind a Retry (RFC 9000 section 17.2.5.3): one message. */
	if (c->facts.client_hellos && hash == c->hello_hash)
		return NR_MORE;
	c->hello_hash = hash;
	return nr_tls_facts_client(p, &c->facts, body, n);
}

static enum nr_verdict read_server(struct nr_parse *p, struct nr_quic *c,
				   const uint8_t *body, size_t n)
{
	/* RFC 8446 section 4.1.3: the random of a HelloRetryRequest. */
	static const uint8_t retry[32] = {
		0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
		0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
		0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c
	};

	c->final = n < 34 || memcmp(body + 2, retry, sizeof(retry)) != 0;
	return nr_tls_facts_server(p, &c->facts, body, n);
}

static enum nr_verdict read_message(struct nr_parse *p, struct nr_quic *c, unsigned side,
				    uint8_t type, const uint8_t *body, size_t n)
{
	enum nr_verdict v = NR_MORE;

	if (side == c->client && type == NR_QUIC_CLIENT_HELLO)
		v = read_client(p, c, body, n);
	else if (side != c->client && type == NR_QUIC_SERVER_HELLO)
		v = read_server(p, c, body, n);
	if (v == NR_MALFORMED)
		nr_parse_anomaly(p, NR_ANOM_TLS_MESSAGE, (int)side,
				 nr_arena_printf(p->arena,
						 "{\"message\":%u,\"length\":%zu}", type,
						 n));
	return v;
}

static void refuse(struct nr_parse *p, struct nr_quic *c, unsigned side, uint64_t offset,
		   uint64_t n)
{
	if (!c->refused)
		nr_parse_anomaly(p, NR_ANOM_QUIC_CRYPTO_REFUSED, (int)side,
				 nr_arena_printf(p->arena,
						 "{\"offset\":%llu,\"length\":%llu}",
						 (unsigned long long)offset,
						 (unsigned long long)n));
	c->refused = true;
}

/* Handshake messages that are whole now. */
static enum nr_verdict read_messages(struct nr_parse *p, struct nr_quic *c, unsigned side)
{
	int role = side == c->client ? NR_QUIC_CLIENT : NR_QUIC_SERVER;
	struct nr_quic_side *s = &c->side[role];
	uint32_t whole = nr_quic_stream_whole(&s->stream);
	enum nr_verdict v = NR_MORE;

	while (v == NR_MORE && whole - s->parsed >= 4) {
		const uint8_t *m = s->stream.p + s->parsed;
		uint32_t n = nr_be24(m + 1);

		if (n > NR_QUIC_STREAM_MAX - 4 - s->parsed) {
			refuse(p, c, side, s->parsed, n);
			return NR_OVERFLOW;
		}
		if (whole - s->parsed - 4 < n)
			break;
		s->parsed += 4 + n;
		v = read_message(p, c, side, m[0], m + 4, n);
	}
	return v;
}

static enum nr_verdict take_crypto(struct nr_parse *p, struct nr_quic *c, unsigned side,
				   const struct nr_quic_frame *f)
{
	struct nr_quic_side *s =
		&c->side[side == c->client ? NR_QUIC_CLIENT : NR_QUIC_SERVER];

	switch (nr_quic_stream_add(&s->stream, p->account, f->offset, f->data, f->len)) {
	case NR_QUIC_NO_MEM:
		c->refused = true;
		return NR_OVERFLOW;
	case NR_QUIC_REFUSED:
		refuse(p, c, side, f->offset, f->len);
		break;
	case NR_QUIC_CONFLICT:
		if (!c->conflict)
			nr_parse_anomaly(
				p, NR_ANOM_QUIC_CRYPTO_CONFLICT, (int)side,
				nr_arena_printf(p->arena,
						"{\"offset\":%llu,\"length\":%zu}",
						(unsigned long long)f->offset, f->len));
		c->conflict = true;
		break;
	case NR_QUIC_TAKEN:
		break;
	}
	return NR_MORE;
}

/* The one way to say an alert in QUIC (RFC 9001 section 4.8). */
static void note_alert(struct nr_quic *c, unsigned side)
{
	if (c->close_code < 0x100 || c->close_code > 0x1ff)
		return;
	c->facts.has_alert = true;
	c->facts.alert_is_client = side == c->client;
	c->facts.alert_level = 2; /* fatal */
	c->facts.alert = (uint8_t)c->close_code;
}

static void take_close(struct nr_parse *p, struct nr_quic *c, unsigned side,
		       const struct nr_quic_frame *f)
{
	size_t n = f->len < REASON_MAX ? f->len : REASON_MAX;

	if (c->has_close)
		return;
	c->has_close = true;
	c->close_code = f->code;
	note_alert(c, side);
	c->reason = n ? nr_account_alloc(p->account, n) : NULL;
	if (c->reason) {
		memcpy(c->reason, f->data, n);
		c->reason_len = (uint16_t)n;
	}
}

void nr_quic_read_close(struct nr_parse *p, struct nr_quic *c, unsigned side,
			const uint8_t *plain, size_t n)
{
	struct nr_cursor in = nr_cursor(plain, n);
	enum nr_quic_frame_kind kind;
	struct nr_quic_frame f;

	do {
		kind = nr_quic_frame(&in, c->v->is_google, &f);
		if (kind == NR_QUIC_F_CLOSE)
			take_close(p, c, side, &f);
	} while (kind == NR_QUIC_F_CRYPTO || kind == NR_QUIC_F_OTHER);
}

enum nr_verdict nr_quic_read(struct nr_parse *p, struct nr_quic *c, unsigned side,
			     const uint8_t *plain, size_t n)
{
	struct nr_cursor in = nr_cursor(plain, n);
	enum nr_verdict v = NR_MORE;

	while (v == NR_MORE) {
		struct nr_quic_frame f;
		enum nr_quic_frame_kind kind = nr_quic_frame(&in, c->v->is_google, &f);

		if (kind == NR_QUIC_F_CRYPTO) {
			v = take_crypto(p, c, side, &f);
		} else if (kind == NR_QUIC_F_CLOSE) {
			take_close(p, c, side, &f);
		} else if (kind != NR_QUIC_F_OTHER) {
			if (kind == NR_QUIC_F_BAD && !c->bad_frame) {
				c->bad_frame = true;
				nr_parse_anomaly(p, NR_ANOM_QUIC_FRAME, (int)side, NULL);
			}
			break;
		}
	}
	return v == NR_MORE ? read_messages(p, c, side) : v;
}
