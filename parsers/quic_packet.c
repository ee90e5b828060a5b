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

	return (v && v->is_v2 ? v2 : v1)[first >> 4 & 3];
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

	*out = (struct nr_quic_packet){ .type = NR_QUIC_SHORT,
					.is_fixed = first & 0x40,
					.len = n };
	if (c.bad || wire_n < n)
		return false;
	if (!(first & 0x80))
		return out->is_fixed;
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
	if (out->dcid_len > CID_MAX || out->scid_len > CID_MAX)
		return false;
	if (!out->v && !nr_quic_is_grease(out->number)) {
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

static void crypto(struct nr_cursor *c, struct nr_quic_frame *f)
{
	f->offset = nr_quic_varint(c);
	counted_bytes(c, f);
}

static enum nr_quic_frame_kind ietf_frame(struct nr_cursor *c, struct nr_quic_frame *f)
{
	switch (nr_quic_varint(c)) {
	case 0x01: /* PING */
		return NR_QUIC_F_OTHER;
	case 0x02:
		skip_ack(c, false);
		return NR_QUIC_F_OTHER;
	case 0x03:
		skip_ack(c, true);
		return NR_QUIC_F_OTHER;
	case 0x06:
		crypto(c, f);
		return NR_QUIC_F_CRYPTO;
	case 0x1c:
		f->code = nr_quic_varint(c);
		nr_quic_varint(c); /* type of the frame that caused it */
		counted_bytes(c, f);
		return NR_QUIC_F_CLOSE;
	default:
		return NR_QUIC_F_BAD;
	}
}

/*
 * Google's ACK: its type is 01nullmm, where n says that there is more than one block, ll
 * and mm how long packet numbers and blocks are.
 */
static void skip_google_ack(struct nr_cursor *c, uint8_t type)
{
	static const uint8_t width[] = { 1, 2, 4, 6 };
	unsigned largest = width[type >> 2 & 3], block = width[type & 3];
	unsigned blocks = 0, times;

	nr_get(c, largest + 2); /* and the delay */
	if (type & 0x20)
		blocks = nr_get_u8(c);
	nr_get(c, block + blocks * (1 + block));
	times = nr_get_u8(c);
	if (times)
		nr_get(c, 5 + (times - 1) * 3);
}

static enum nr_quic_frame_kind google_frame(struct nr_cursor *c, struct nr_quic_frame *f)
{
	uint8_t type = nr_get_u8(c);

	if (type == 0x07) /* PING */
		return NR_QUIC_F_OTHER;
	if (type == 0x08) {
		crypto(c, f);
		return NR_QUIC_F_CRYPTO;
	}
	if ((type & 0xc0) != 0x40)
		return NR_QUIC_F_BAD;
	skip_google_ack(c, type);
	return NR_QUIC_F_OTHER;
}

enum nr_quic_frame_kind nr_quic_frame(struct nr_cursor *c, bool is_google,
				      struct nr_quic_frame *f)
{
	enum nr_quic_frame_kind kind;

	while (c->p < c->end && !*c->p)
		c->p++; /* PADDING */
	if (c->p == c->end)
		return NR_QUIC_F_END;
	kind = is_google ? google_frame(c, f) : ietf_frame(c, f);
	return c->bad ? NR_QUIC_F_BAD : kind;
}
