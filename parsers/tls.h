/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table tls, and what is gathered for a row of it: by TLS and DTLS (tls.c, dtls.c), and
 * by QUIC, whose handshake is TLS's.
 */
#pragma once

#include "record/define.h"
#include "session/parser.h"
#include "tls_hello.h"

/* clang-format off */
#define NR_FIELDS_TLS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, transport, TEXT, NR_NN, NULL, NULL, nr_values_tls_transport, "what carried the handshake; udp is DTLS") \
	X(T, first_ns, TIME, 0, NULL, "ns", NULL, "time of the first hello") \
	X(T, version, TEXT, 0, NULL, NULL, NULL, "version the server chose: TLSv1.3, TLSv1.2, TLSv1.1, TLSv1.0, SSLv3, SSLv2, DTLSv1.2, …; 0x and four digits for one without a name") \
	X(T, client_version, TEXT, 0, NULL, NULL, NULL, "highest version the first ClientHello offers; NULL where its list of them was not seen") \
	X(T, cipher, TEXT, 0, NULL, NULL, NULL, "cipher suite the server chose, as IANA names it, else 0x and four digits") \
	X(T, group_name, TEXT, 0, NULL, NULL, NULL, "group of the key exchange, as IANA names it, else 0x and four digits; NULL where none was negotiated or it was not seen") \
	X(T, server_name, TEXT, 0, NULL, NULL, NULL, "server name indication (SNI) of the first ClientHello") \
	X(T, alpn, TEXT, 0, NULL, NULL, NULL, "application protocol the server chose; NULL in TLS 1.3, which encrypts it") \
	X(T, client_alpn, JSON, 0, NULL, NULL, NULL, "list of the application protocols that the first ClientHello offers") \
	X(T, client_hellos, INT, NR_NN, NULL, NULL, NULL, "ClientHello messages; two after a HelloRetryRequest or HelloVerifyRequest") \
	X(T, server_hellos, INT, NR_NN, NULL, NULL, NULL, "ServerHello messages, HelloRetryRequest included") \
	X(T, ja3, TEXT, 0, NULL, NULL, NULL, "JA3 of the first ClientHello") \
	X(T, ja3s, TEXT, 0, NULL, NULL, NULL, "JA3S of the first ServerHello") \
	X(T, ja4, TEXT, 0, NULL, NULL, NULL, "JA4 of the first ClientHello") \
	X(T, established, BOOL, NR_NN, NULL, NULL, NULL, "1 if the handshake was seen to come to its end on both sides") \
	X(T, resumed, BOOL, 0, NULL, NULL, NULL, "1 if it took up an earlier session; NULL where no ServerHello was seen") \
	X(T, ech, BOOL, 0, NULL, NULL, NULL, "1 if the first ClientHello has an encrypted one inside (ECH, ESNI) or makes believe so; server_name is then the outer one") \
	X(T, early_data, BOOL, 0, NULL, NULL, NULL, "1 if the client announced data with its first flight (0-RTT)") \
	X(T, starttls, BOOL, 0, NULL, NULL, NULL, "1 if another protocol came before it in the same flow; NULL where there is no stream") \
	X(T, alert, TEXT, 0, NULL, NULL, NULL, "the last alert sent in the clear: its level, a blank, and its name") \
	X(T, alert_from, TEXT, 0, NULL, NULL, nr_values_tls_role, "who sent it") \
	X(T, client_cert, BOOL, 0, NULL, NULL, NULL, "1 if the client showed a certificate; NULL in TLS 1.3, which encrypts it") \
	X(T, certificates, JSON, 0, NULL, NULL, NULL, "list of the SHA-256 of the certificates the server showed, in their order; see table certificate") \
	X(T, client_certificates, JSON, 0, NULL, NULL, NULL, "the same of those the client showed") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if part of the handshake was missed: bytes lost, the flow's end within a message, or encrypted records on and on without a ServerHello")
/* clang-format on */

NR_TABLE_DECLARE(TLS, tls, NR_FIELDS_TLS);

enum {
	NR_TLS_NAME_MAX = 4096, /* bytes of a server name or chosen protocol kept */
	NR_TLS_CERTS_MAX = 16,  /* certificates kept of each side */
	NR_TLS_DIGEST = 32,
};

/* A text in memory of the account; p NULL: none. */
struct nr_tls_text {
	char *p;
	uint32_t n;
};

/* What is known of one connection. Zeroed at first, but for transport. */
struct nr_tls_facts {
	enum nr_tls_transport transport;
	uint32_t client_hellos, server_hellos;
	int64_t first_ns; /* time of the first of them */
	/* of the first ClientHello */
	uint16_t client_version; /* 0: not seen */
	bool version_cut;        /* it was cut before the list of its versions */
	struct nr_tls_text server_name, client_alpn;
	char ja3[NR_JA3_TEXT], ja4[NR_JA4_TEXT];
	bool ech, early_data;
	uint8_t client_id[32]; /* session id of the latest ClientHello */
	uint8_t client_id_len;
	bool client_ticket; /* it came with a ticket */
	bool client_early;  /* it announced early data */
	/* of the first ServerHello, and of the last */
	char ja3s[NR_JA3_TEXT];
	uint16_t version; /* 0: not seen */
	uint16_t cipher;
	bool has_cipher;
	const char *ssl2_cipher; /* static; instead of cipher */
	uint16_t group;          /* 0: none seen */
	struct nr_tls_text alpn;
	bool resumed;
	bool is_retry; /* the last one asks for another ClientHello */
	/* of the rest; set by whom it concerns */
	bool established, incomplete, starttls;
	bool has_alert, alert_is_client;
	uint8_t alert_level, alert;
	uint8_t n_certs[2];                 /* 0: the server's, 1: the client's */
	uint8_t (*certs[2])[NR_TLS_DIGEST]; /* of the account, NR_TLS_CERTS_MAX each */
};

/*
 * The body of a ClientHello (n bytes behind the handshake header of four bytes, or twelve
 * in DTLS). The first one gives its names and fingerprints. NR_MORE; NR_MALFORMED where
 * it cannot be read; NR_OVERFLOW where the account is full.
 */
enum nr_verdict nr_tls_facts_client(struct nr_parse *p, struct nr_tls_facts *f,
				    const uint8_t *body, size_t n);
/* The same for ServerHello and HelloRetryRequest. */
enum nr_verdict nr_tls_facts_server(struct nr_parse *p, struct nr_tls_facts *f,
				    const uint8_t *body, size_t n);
/*
 * The first n bytes of a ClientHello whose rest was never seen: what names they hold, no
 * fingerprints. Makes the row incomplete, and does not count as a hello.
 */
void nr_tls_facts_partial(struct nr_parse *p, struct nr_tls_facts *f, const uint8_t *body,
			  size_t n);
/* Whether there is anything to make a row of: a hello was read, or part of it. */
static inline bool nr_tls_facts_any(const struct nr_tls_facts *f)
{
	return f->client_hellos || f->server_hellos || f->client_version;
}

/* Writes the row, at p's packet and time. To be called once. */
void nr_tls_facts_row(struct nr_parse *p, const struct nr_tls_facts *f);
/* Gives the memory back; the facts are as at first. */
void nr_tls_facts_free(struct nr_parse *p, struct nr_tls_facts *f);

/*
 * Names of IANA's registries. Where there is none the number is formatted into room for
 * NR_TLS_NUMBER bytes, as 0x and four digits.
 */
enum { NR_TLS_NUMBER = 8 };

const char *nr_tls_version_name(char room[NR_TLS_NUMBER * 3], uint16_t version);
const char *nr_tls_cipher_name(char room[NR_TLS_NUMBER], uint16_t cipher);
const char *nr_tls_group_name(char room[NR_TLS_NUMBER], uint16_t group);
const char *nr_tls_alert_name(uint8_t alert); /* NULL: none */
