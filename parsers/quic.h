/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is known of one QUIC connection; shared by the files of the parser.
 *
 * quic.c has the packets and the rows, quic_keys.c finds the keys that open an Initial,
 * quic_hello.c reads what is in it.
 */
#pragma once

#include "quic_packet.h"
#include "quic_stream.h"
#include "tls.h"

#include <string.h>

enum {
	NR_QUIC_CID_MAX = 20,
	NR_QUIC_DERIVED_MAX = 64, /* a flow: times that keys are made */
};

/* Types of handshake messages (RFC 8446 section 4). */
enum { NR_QUIC_CLIENT_HELLO = 1, NR_QUIC_SERVER_HELLO = 2 };

struct nr_quic_cid {
	bool seen;
	uint8_t n, b[NR_QUIC_CID_MAX];
};

struct nr_quic_side {
	struct nr_quic_stream stream;
	uint32_t parsed;      /* where the next message begins */
	uint64_t next_number; /* packet number that is expected */
};

struct nr_quic {
	struct nr_tls_facts facts;
	struct nr_quic_keys keys[2];
	const struct nr_quic_version *v; /* of keys; NULL: there are none */
	uint32_t number;                 /* of the version on the wire: v's, or grease */
	struct nr_quic_cid key_cid;      /* what they were made of */
	struct nr_quic_cid client_dcid, client_scid, server_scid;
	uint32_t first_version, version;
	struct nr_quic_side side[2]; /* NR_QUIC_CLIENT, NR_QUIC_SERVER */
	uint8_t client;              /* side of the flow */
	bool begun;                  /* there is something to make a row of */
	bool retry, negotiation, early_data, token;
	bool restart; /* a Retry or Version Negotiation waits for the client's answer */
	bool refused, bad_frame, conflict; /* said so */
	bool final;                        /* the ServerHello was read */
	uint64_t hello_hash;               /* of the ClientHello read last */
	bool has_close;
	uint64_t close_code;
	char *reason; /* of the account */
	uint16_t reason_len;
	uint32_t initials, unopened;
	/* of the flow */
	uint32_t all_initials, derived, shorts, strange;
	int64_t first_ns;
	/* the packet that last added something */
	int64_t source_id, ts_ns;
	uint64_t packet;
};

static inline void nr_quic_cid_set(struct nr_quic_cid *c, const uint8_t *p, uint8_t n)
{
	if (n > NR_QUIC_CID_MAX)
		n = NR_QUIC_CID_MAX;
	c->seen = true;
	c->n = n;
	memcpy(c->b, p, n);
}

static inline bool nr_quic_cid_is(const struct nr_quic_cid *c, const uint8_t *p,
				  uint8_t n)
{
	return c->seen && c->n == n && !memcmp(c->b, p, n);
}

/* Gives the streams' memory back; what they were read into stays. */
void nr_quic_drop_streams(struct nr_parse *p, struct nr_quic *c);

/*
 * Reads the frames of an Initial that `side` sent, and the hellos they complete. Says
 * anomalies. NR_MORE; NR_MALFORMED or NR_OVERFLOW where it cannot go on.
 */
enum nr_verdict nr_quic_read(struct nr_parse *p, struct nr_quic *c, unsigned side,
			     const uint8_t *plain, size_t n);

/* The same for an Initial behind the hellos: nothing but a CONNECTION_CLOSE counts. */
void nr_quic_read_close(struct nr_parse *p, struct nr_quic *c, unsigned side,
			const uint8_t *plain, size_t n);

/* How an Initial opened. */
enum nr_quic_opened {
	NR_QUIC_SHUT,
	NR_QUIC_AS_BEFORE, /* it goes on with what there is */
	NR_QUIC_RESTARTED, /* the client answers a Retry or a Version Negotiation */
	NR_QUIC_ANOTHER,   /* the client begins another connection */
};

/* A packet while its keys are looked for. */
struct nr_quic_opening {
	unsigned side;
	const uint8_t *p;
	const struct nr_quic_packet *k;
	uint8_t *plain; /* room for k->len bytes */
	size_t len;
	uint64_t number;
	/* What was tried last. */
	const struct nr_quic_version *v;
	struct nr_quic_keys keys[2];
};

/*
 * Opens an Initial with the connection's keys, or with others that it brings itself. Its
 * content goes to o->plain and o->len, its number to o->number. Changes c->derived, and
 * the keys where a server changes the version; the caller does the rest with
 * nr_quic_adopt().
 */
enum nr_quic_opened nr_quic_open_initial(struct nr_quic *c, struct nr_quic_opening *o);
/* The same with the keys that the connection has, and no others. */
bool nr_quic_open_as_before(const struct nr_quic *c, struct nr_quic_opening *o);
/* The connection's keys are those that opened o. */
void nr_quic_adopt(struct nr_quic *c, const struct nr_quic_opening *o);
