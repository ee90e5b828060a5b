/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake as TLS and DTLS have it in common, above their records: messages, who is
 * client, when it is over. QUIC needs none of this: it has facts (tls.h) and nothing else
 * in the clear.
 */
#pragma once

#include "tls.h"

/* Handshake messages (RFC 8446 §4, RFC 5246 §7.4, RFC 6347 §4.3.2). */
enum {
	NR_TLS_HELLO_REQUEST = 0,
	NR_TLS_CLIENT_HELLO = 1,
	NR_TLS_SERVER_HELLO = 2,
	NR_TLS_HELLO_VERIFY = 3,
	NR_TLS_HELLO_RETRY = 6, /* before draft 22 of TLS 1.3 */
	NR_TLS_CERTIFICATE = 11,
	NR_TLS_SERVER_KEY = 12,
	NR_TLS_SERVER_DONE = 14,
	NR_TLS_CLIENT_KEY = 16,
};

/* Record types (RFC 8446 §5.1, RFC 6520). */
enum {
	NR_TLS_R_CCS = 20,
	NR_TLS_R_ALERT = 21,
	NR_TLS_R_HANDSHAKE = 22,
	NR_TLS_R_DATA = 23,
	NR_TLS_R_HEARTBEAT = 24,
};

enum {
	NR_TLS_RECORD_MAX = (1 << 14) + 2048, /* RFC 5246 §6.2.3 */
	/* What is gathered of a message; longer ones are skipped, and said. */
	NR_TLS_MESSAGE_MAX = 128 << 10,
};

struct nr_tls_handshake {
	struct nr_tls_facts facts;
	uint8_t client; /* 0: not known, else 1 + the client's side */
	/* By side: ChangeCipherSpec seen; an encrypted record that is no alert seen;
	   application data seen; nothing more can be read from it. */
	bool ccs[2], finished[2], data[2], lost[2];
	bool server_is_full; /* messages that an abbreviated handshake does not have */
	bool client_key;
	uint16_t key_group; /* named by ServerKeyExchange, if that is of ECDHE; 0: none */
	uint32_t n_encrypted, n_early; /* see nr_tls_count() */
	bool written;
};

enum nr_tls_want {
	NR_TLS_WANT_BODY,
	NR_TLS_WANT_NOTHING, /* a message that says nothing to us */
	NR_TLS_WANT_NO_SUCH, /* no message of TLS */
};

enum nr_tls_want nr_tls_message_want(uint8_t type);

/*
 * A whole message: the n bytes behind its header. NR_MORE, NR_MALFORMED (an anomaly was
 * made), NR_OVERFLOW.
 */
enum nr_verdict nr_tls_message(struct nr_parse *p, struct nr_tls_handshake *h,
			       unsigned side, uint8_t type, const uint8_t *body,
			       size_t n);
/* ChangeCipherSpec. */
void nr_tls_ccs(struct nr_tls_handshake *h, unsigned side);
/* An alert in the clear: its two bytes. */
void nr_tls_alert(struct nr_tls_handshake *h, unsigned side, const uint8_t *alert);
/* An encrypted record, by its outer type and its length. */
void nr_tls_encrypted(struct nr_tls_handshake *h, unsigned side, uint8_t type, size_t n);
/*
 * Counts an encrypted record, or a datagram with any. True where that many came without
 * an end of the handshake that none will come: one side is missing. What may be early
 * data, or in datagrams anybody's, does not tell before there are far more.
 */
bool nr_tls_count(struct nr_tls_handshake *h, unsigned side, uint8_t type);
/* Nothing more can be read from the side: bytes are missing. */
void nr_tls_lose(struct nr_tls_handshake *h, unsigned side);

/* Whether records of that type from that side are encrypted. */
static inline bool nr_tls_is_encrypted(const struct nr_tls_handshake *h, unsigned side,
				       uint8_t type)
{
	return type == NR_TLS_R_DATA || (h->ccs[side] && !nr_tls_is_13(h->facts.version));
}

/*
 * What remains to be said after each record: NR_DONE where no more can be learnt, NR_LOST
 * where both sides are lost, else NR_MORE. The row is not written by it.
 */
enum nr_verdict nr_tls_state(const struct nr_tls_handshake *h);

/* Writes the row, if there is anything to say and it is not written yet. */
void nr_tls_write(struct nr_parse *p, struct nr_tls_handshake *h);
/* The row, where it was not written, and the memory back. */
void nr_tls_end(struct nr_parse *p, struct nr_tls_handshake *h);

/* Adds a certificate to the list of who (0 server, 1 client), and writes its row. */
enum nr_verdict nr_tls_certificate(struct nr_parse *p, struct nr_tls_handshake *h,
				   unsigned who, const uint8_t *der, size_t n);
