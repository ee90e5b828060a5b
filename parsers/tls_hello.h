/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ClientHello and ServerHello (RFC 8446 §4.1, RFC 5246 §7.4.1, RFC 9147 §5.3), and the
 * fingerprints JA3, JA3S and JA4 made from them. Shared by TLS, DTLS and QUIC.
 *
 * Nothing is copied: the structs point into the message they were read from.
 */
#pragma once

#include "base/cursor.h"

enum nr_tls_transport { NR_TLS_ON_TCP, NR_TLS_ON_UDP, NR_TLS_ON_QUIC };

/* Extension types that are looked at (IANA: TLS ExtensionType Values). */
enum {
	NR_TLS_EXT_SERVER_NAME = 0,
	NR_TLS_EXT_GROUPS = 10,
	NR_TLS_EXT_POINT_FORMATS = 11,
	NR_TLS_EXT_SIGNATURES = 13,
	NR_TLS_EXT_ALPN = 16,
	NR_TLS_EXT_TICKET = 35,
	NR_TLS_EXT_PSK = 41,
	NR_TLS_EXT_EARLY_DATA = 42,
	NR_TLS_EXT_VERSIONS = 43,
	NR_TLS_EXT_KEY_SHARE = 51,
	NR_TLS_EXT_ECH = 0xfe0d,
	NR_TLS_EXT_ESNI = 0xffce,
};

struct nr_tls_bytes {
	const uint8_t *p;
	size_t n;
};

/*
 * What both hellos have. Lists of numbers are kept as they are on the wire: 16 bits each,
 * big-endian; a last odd byte is no number.
 */
struct nr_tls_hello {
	uint16_t version;               /* legacy_version, as on the wire */
	struct nr_tls_bytes random;     /* 32 bytes */
	struct nr_tls_bytes session_id; /* at most 32 bytes */
	struct nr_tls_bytes ciphers;    /* ServerHello: the one chosen */
	struct nr_tls_bytes extensions; /* the whole block, without its length */
	struct nr_tls_bytes alpn;       /* ProtocolNameList without its length */
	bool has_extensions;            /* a block is there, empty or not */
	bool has_alpn;
	bool is_bad; /* something inside does not fit; what could be read was read */
};

struct nr_tls_client_hello {
	struct nr_tls_hello h;
	/* Highest version offered: by supported_versions where it is there, GREASE left
	   out; else h.version. 0: the extension has none. */
	uint16_t max_version;
	uint16_t max_number; /* the same by number, as JA4 wants it: DTLS counts down */
	struct nr_tls_bytes server_name; /* first host_name; p NULL: none */
	struct nr_tls_bytes groups, point_formats, signatures, versions;
	bool has_server_name; /* the extension is there, whatever it holds */
	bool has_ech;         /* encrypted_client_hello or its draft ESNI; GREASE too */
	bool has_ticket, has_psk, has_early_data;
	bool ticket_is_empty; /* session_ticket without a ticket */
};

struct nr_tls_server_hello {
	struct nr_tls_hello h;
	uint16_t chosen; /* version: by supported_versions, else h.version */
	uint16_t cipher; /* 0 where h.is_bad cut it off */
	uint16_t group;  /* of key_share; 0: none */
	bool is_retry;   /* HelloRetryRequest */
	bool has_psk;    /* the pre-shared key was accepted */
	bool has_ticket; /* a session_ticket will come */
	bool has_ech;
};

/* RFC 8701: 0x0a0a, 0x1a1a, … 0xfafa. */
static inline bool nr_tls_is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && (v >> 8) == (v & 0xff);
}

/* Number i of a list; the caller sees to 2 * i + 1 < l.n. */
static inline uint16_t nr_tls_u16(struct nr_tls_bytes l, size_t i)
{
	return nr_be16(l.p + 2 * i);
}

static inline size_t nr_tls_u16s(struct nr_tls_bytes l)
{
	return l.n / 2;
}

/*
 * The n bytes of a message behind its handshake header. is_dtls: there is a cookie.
 * Returns false where not even version, random, session id and ciphers could be read; the
 * struct then holds nothing. What is broken behind them sets h.is_bad.
 */
bool nr_tls_client_hello_read(struct nr_tls_client_hello *out, const uint8_t *p, size_t n,
			      bool is_dtls);
bool nr_tls_server_hello_read(struct nr_tls_server_hello *out, const uint8_t *p,
			      size_t n);

/* The first name of an ALPN list; p NULL: none. To go on, call it with the rest. */
struct nr_tls_bytes nr_tls_alpn_next(struct nr_tls_bytes *list);

/* The chosen version among drafts and DTLS: true for TLS 1.3 and what became it. */
bool nr_tls_is_13(uint16_t version);

enum { NR_JA3_TEXT = 33, NR_JA4_TEXT = 37 }; /* with their NUL */

/*
 * MD5 of "version,ciphers,extensions,groups,point formats" in decimal, GREASE left out
 * (JA3), or of "version,cipher,extensions" (JA3S, GREASE kept, as its authors do). False,
 * and an empty string, where libcrypto has no MD5 (FIPS).
 */
bool nr_tls_ja3(char out[NR_JA3_TEXT], const struct nr_tls_client_hello *c);
bool nr_tls_ja3s(char out[NR_JA3_TEXT], const struct nr_tls_server_hello *s);
/* JA4, as FoxIO describes it (BSD-3-Clause part): t13d1516h2_8daaf6152771_e5627efa2ab1 */
bool nr_tls_ja4(char out[NR_JA4_TEXT], const struct nr_tls_client_hello *c,
		enum nr_tls_transport transport);
