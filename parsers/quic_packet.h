/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QUIC's packets and the frames of an Initial (RFC 8999, RFC 9000 sections 17 and 19).
 */
#pragma once

#include "base/cursor.h"
#include "quic_crypto.h"

enum nr_quic_type {
	NR_QUIC_INITIAL,
	NR_QUIC_ZERO_RTT,
	NR_QUIC_HANDSHAKE,
	NR_QUIC_RETRY,
	NR_QUIC_NEGOTIATION, /* version negotiation; list and list_len are set */
	NR_QUIC_UNKNOWN,     /* long header of a version not known, grease excepted */
	NR_QUIC_SHORT,
};

/* Pointers go into the datagram. */
struct nr_quic_packet {
	enum nr_quic_type type;
	uint32_t number;                 /* the version's */
	const struct nr_quic_version *v; /* NULL: not known */
	const uint8_t *dcid, *scid;
	uint8_t dcid_len, scid_len;
	size_t token_len; /* Initial */
	size_t pn_offset; /* Initial, 0-RTT, Handshake */
	size_t len;       /* bytes of the datagram that are this packet */
	const uint8_t
		*list; /* version negotiation: the server's versions, 4 bytes each */
	size_t list_len;
	bool is_fixed; /* the fixed bit is set; peers may agree to clear it (RFC 9287) */
	bool cut;      /* it was longer on the wire than what was captured */
};

/*
 * The packet at the beginning of n bytes, of which wire_n were on the wire. False: no
 * packet of QUIC, a short header without the fixed bit included: it may as well be
 * padding behind other packets. A packet of unknown version, a Retry, a version
 * negotiation and one with a short header reach to the end of the datagram.
 */
bool nr_quic_packet(const uint8_t *p, size_t n, size_t wire_n,
		    struct nr_quic_packet *out);

/* RFC 9000 section 16; sticky as the other getters. */
uint64_t nr_quic_varint(struct nr_cursor *c);

enum nr_quic_frame_kind {
	NR_QUIC_F_END,
	NR_QUIC_F_OTHER, /* PADDING, PING, ACK */
	NR_QUIC_F_CRYPTO,
	NR_QUIC_F_CLOSE,
	NR_QUIC_F_BAD, /* cut short, or not allowed in an Initial */
};

struct nr_quic_frame {
	uint64_t offset;     /* CRYPTO */
	uint64_t code;       /* CLOSE: error code */
	const uint8_t *data; /* CRYPTO: its bytes; CLOSE: the reason */
	size_t len;
};

/* The next frame of an Initial's content; is_google as in struct nr_quic_version. */
enum nr_quic_frame_kind nr_quic_frame(struct nr_cursor *c, bool is_google,
				      struct nr_quic_frame *f);
