/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What protects QUIC's Initial packets (RFC 9001 section 5, RFC 9369 section 3.3): keys
 * that anybody who saw the client's first packet can derive.
 *
 * Nothing of libcrypto outlives a call: a flow keeps plain key bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A version whose handshake is TLS 1.3 in the packets of RFC 9000 or a late draft. */
struct nr_quic_version {
	uint32_t number;
	const char *name; /* column quic.version */
	uint8_t salt[20];
	bool is_v2;     /* packet types and labels of RFC 9369 */
	bool is_google; /* frames as Google had them before */
};

/* NULL: not known, or its handshake is not TLS (Google's Q versions). */
const struct nr_quic_version *nr_quic_version(uint32_t number);
/* Numbers that no server knows, sent to provoke a Version Negotiation (RFC 9000 section
   15). What protects such a packet is what the client would have liked to use. */
static inline bool nr_quic_is_grease(uint32_t number)
{
	return (number & 0x0f0f0f0f) == 0x0a0a0a0a;
}

struct nr_quic_keys {
	uint8_t key[16], iv[12], hp[16];
};

enum { NR_QUIC_CLIENT, NR_QUIC_SERVER };

/*
 * The keys of Initial packets: out[NR_QUIC_CLIENT] opens what the client sends,
 * out[NR_QUIC_SERVER] the server's. cid is the destination connection id of the client's
 * first Initial, or of its first one after a Retry. False: libcrypto failed.
 */
bool nr_quic_derive(const struct nr_quic_version *v, const uint8_t *cid, size_t n,
		    struct nr_quic_keys out[2]);

/* A protected packet, in one piece. */
struct nr_quic_sealed {
	const uint8_t *p;  /* its first byte */
	size_t pn_offset;  /* of the packet number */
	size_t len;        /* of all, the tag of 16 bytes included */
	uint64_t expected; /* packet number: highest one opened plus 1 */
};

enum { NR_QUIC_TAG = 16, NR_QUIC_SAMPLE = 16 };

/*
 * Removes header protection and opens the packet. out has room for len bytes; *out_len
 * and *number are set if it opened. False: it is too short, or the keys are others.
 */
bool nr_quic_open(const struct nr_quic_keys *k, const struct nr_quic_sealed *s,
		  uint8_t *out, size_t *out_len, uint64_t *number);
