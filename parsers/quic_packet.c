/* SPDX-License-Identifier: BSD-3-Clause */
#include "quic_packet.h"

enum { CID_MAX = 20 };

uint64_t nr_quic_varint(struct nr_cursor *c)
{
	uint8_t first = nr_get_u8(c);
	unsigned more = (1u << (first >> 6)) - 1;
	const uint8_t *p = nr_get(c, more);
	uint64_t v = first & 0x3f;

	for (unsigned i = 0; p && i < more; i++)
		v = v << 8 | p[i];
	return p ? v : 0;
}

static enum nr_quic_type long_type(const struct nr_quic_version *v, uint8_t first)
{
	/* RFC 9369 section 3.2: Retry, Initial, 0-RTT, Handshake. */
	static const enum nr_quic_type v1[] = { NR_QUIC_INITIAL, NR_QUIC_ZERO_RTT,
						NR_QUIC_HANDSHAKE, NR_QUIC_RETRY };
	static const enum nr_quic_type v2[] = { NR_QUIC_RETRY, NR_QUIC_INITIAL,
						NR_QUIC_ZERO_RTT, NR_QUIC_HANDSHAKE };

	return (v->is_v2 ? v2 : v1)[first >> 4 & 3];
}

static bool cids(struct nr_cursor *c, struct nr_quic_packet *k)
{
	k->dcid_len = nr_get_u8(c);
	k->dcid = nr_get(c, k->dcid_len);
	k->scid_len = nr_get_u8(c);
	k->scid = nr_get(c, k->scid_len);
	return !c->bad;
}

/* Token, length and what they say of the packet's end. */
static bool numbered(struct nr_cursor *c, const uint8_t *p, size_t wire_n,
		     struct nr_quic_packet *k)
{
	uint64_t len, token = 0;

	if (k->type == NR_QUIC_INITIAL) {
		token = nr_quic_varint(c);
		if (token > nr_left(c))
			return false;
		nr_get(c, token);
	}
	len = nr_quic_varint(c);
	if (c->bad)
		return false;
	k->token_len = token;
	k->pn_offset = (size_t)(c->p - p);
	if (len < 1 + NR_QUIC_TAG || len > wire_n - k->pn_offset)
		return false;
	k->cut = len > nr_left(c);
	k->len = k->pn_offset + (k->cut ? nr_left(c) : (size_t)len);
	return true;
}

bool nr_quic_packet(const uint8_t *p, size_t n, size_t wire_n, struct nr_quic_packet *out)
{
	struct nr_cursor c = nr_cursor(p, n);
	uint8_t first = nr_get_u8(&c);

	*out = (struct nr_quic_packet){ .type = NR_QUIC_SHORT, .len = n };
	if (c.bad || wire_n < n)
		return false;
	if (!(first & 0x80))
		return first & 0x40;
	out->number = nr_get_be32(&c);
	out->v = nr_quic_version(out->number);
	if (!cids(&c, out))
		return false;
	if (!out->number) {
		out->type = NR_QUIC_NEGOTIATION;
		out->list = c.p;
		out->list_len = nr_left(&c) / 4 * 4;
		out->cut = wire_n > n;
		return out->list_len > 0;
	}
	/* No version knows longer ids, though RFC 8999 allows them. */
	if (!(first & 0x40) || out->dcid_len > CID_MAX || out->scid_len > CID_MAX)
		return false;
	if (!out->v) {
		out->type = NR_QUIC_UNKNOWN;
		return true;
	}
	out->type = long_type(out->v, first);
	if (out->type == NR_QUIC_RETRY) {
		out->cut = wire_n > n;
		return nr_left(&c) > NR_QUIC_TAG || out->cut;
	}
	return numbered(&c, p, wire_n, out);
}

/* RFC 9000 section 19.3; the ranges are of no interest. */
static void skip_ack(struct nr_cursor *c, bool ecn)
{
	uint64_t ranges;

	nr_quic_varint(c);
	nr_quic_varint(c);
	ranges = nr_quic_varint(c);
	nr_quic_varint(c);
	for (uint64_t i = 0; i < ranges && !c->bad; i++) {
		nr_quic_varint(c);
		nr_quic_varint(c);
	}
	for (int i = 0; ecn && i < 3; i++)
		nr_quic_varint(c);
}

static void counted_bytes(struct nr_cursor *c, struct nr_quic_frame *f)
{
	uint64_t n = nr_quic_varint(c);

	f->len = n > nr_left(c) ? SIZE_MAX : (size_t)n;
	f->data = nr_get(c, f->len);
}

enum nr_quic_frame_kind nr_quic_frame(struct nr_cursor *c, struct nr_quic_frame *f)
{
	enum nr_quic_frame_kind kind = NR_QUIC_F_OTHER;

	while (c->p < c->end && !*c->p)
		c->p++; /* PADDING */
	if (c->p == c->end)
		return NR_QUIC_F_END;
	switch (nr_quic_varint(c)) {
	case 0x01: /* PING */
		break;
	case 0x02:
		skip_ack(c, false);
		break;
	case 0x03:
		skip_ack(c, true);
		break;
	case 0x06:
		kind = NR_QUIC_F_CRYPTO;
		f->offset = nr_quic_varint(c);
		counted_bytes(c, f);
		break;
	case 0x1c:
		kind = NR_QUIC_F_CLOSE;
		f->code = nr_quic_varint(c);
		nr_quic_varint(c); /* type of the frame that caused it */
		counted_bytes(c, f);
		break;
	default:
		return NR_QUIC_F_BAD;
	}
	return c->bad ? NR_QUIC_F_BAD : kind;
}
