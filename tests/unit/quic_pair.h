/* SPDX-License-Identifier: BSD-3-Clause */
/* QUIC connections, sealed here as clients and servers seal them, and their rows. */
#pragma once

#include "quic_seal.h"
#include "quic_vectors.h"
#include "rig.h"

extern const struct nr_parser nr_parser_quic;

enum { V1 = 1, V2 = 0x6b3343cf, GREASE = 0x1a2a3a4a, PAD = 1162 };

/* A client and a server of one connection. */
struct pair {
	struct rig r;
	struct nr_quic_keys keys[2];
	struct speaker client, server;
	struct bytes hello, answer; /* handshake messages of the RFCs */
};

static inline void pair_keys(struct pair *t, uint32_t version, const struct bytes *cid)
{
	const struct nr_quic_version *v = nr_quic_version(version);

	assert_true(nr_quic_derive(v ? v : nr_quic_version(V1), cid->p, cid->n, t->keys));
	t->client.keys = &t->keys[0];
	t->server.keys = &t->keys[1];
	t->client.version = t->server.version = version;
}

static inline void pair_init(struct pair *t, uint32_t version)
{
	struct bytes frames = from_hex(RFC_CLIENT_FRAME);

	*t = (struct pair){ 0 };
	rig_init(&t->r, &nr_parser_quic, NR_UDP_PROTO, 40000, 443);
	t->client.dcid = from_hex(RFC_CID);
	t->client.scid = from_hex("c1");
	t->client.token = no_bytes();
	t->server.dcid = copy_bytes(&t->client.scid);
	t->server.scid = from_hex(RFC_SERVER_CID);
	t->server.token = no_bytes();
	pair_keys(t, version, &t->client.dcid);
	t->hello = no_bytes();
	add(&t->hello, frames.p + 4, frames.n - 4);
	frames = from_hex(RFC_SERVER_FRAMES);
	t->answer = no_bytes();
	add(&t->answer, frames.p + 9, frames.n - 9);
}

static inline void pair_free(struct pair *t)
{
	rig_free(&t->r);
}

static inline struct bytes crypto(const struct bytes *m, uint32_t from, size_t to)
{
	struct bytes b = no_bytes();

	add_crypto(&b, from, m->p + from, to - from);
	return b;
}

static inline enum nr_verdict say(struct pair *t, unsigned side, const struct bytes *b)
{
	return rig_datagram(&t->r, side, b->p, b->n);
}

static inline enum nr_verdict client_says(struct pair *t, const struct bytes *frames)
{
	struct bytes b = no_bytes();

	say_initial(&b, &t->client, frames, PAD);
	return say(t, 0, &b);
}

static inline enum nr_verdict server_says(struct pair *t, const struct bytes *frames)
{
	struct bytes b = no_bytes();

	say_initial(&b, &t->server, frames, 0);
	return say(t, 1, &b);
}

static inline void client_hello(struct pair *t)
{
	struct bytes f = crypto(&t->hello, 0, t->hello.n);

	assert_int_equal(client_says(t, &f), NR_MORE);
}

static inline void server_hello(struct pair *t)
{
	struct bytes f = crypto(&t->answer, 0, t->answer.n);

	assert_int_equal(server_says(t, &f), NR_MORE);
}

static inline enum nr_verdict short_packet(struct pair *t, unsigned side)
{
	struct bytes b = from_hex("4111223344556677889900112233445566778899");

	return say(t, side, &b);
}

/* Fingerprints computed by hand from the RFC's ClientHello and ServerHello. */
#define JA4  "\"ja4\":\"q13d0211an_62ed6f6ca7ad_4d634acda6c0\""
#define NAME "\"server_name\":\"example.com\",\"client_alpn\":[\"alpn\"],"
/* A row without server: nothing but a ClientHello, in n packets. */
#define ONLY_CLIENT(version, hellos, n, unopened, complete)                              \
	"quic {\"first_ns\":1001000000,\"version\":\"" version                           \
	"\",\"client_version\":\"" version "\"," NAME JA4                                \
	",\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\","                  \
	"\"client_hellos\":" #hellos ",\"server_hellos\":0,\"retry\":0,"                 \
	"\"version_negotiation\":0,\"early_data\":0,\"initials\":" #n                    \
	",\"unopened\":" #unopened ",\"complete\":" #complete "}"

/* The line of rows that begins so; the rows are of the rig and live until the next. */
static inline void row_is(struct pair *t, const char *begins, const char *want)
{
	const char *row;
	size_t n;

	if (!t->r.ended)
		rig_end(&t->r);
	row = strstr(rig_rows(&t->r), begins);
	assert_non_null(row);
	n = strcspn(row, "\n");
	if (n != strlen(want) || memcmp(row, want, n))
		fail_msg("%.*s\nis not\n%s", (int)n, row, want);
}

/* A piece of the one quic row. */
static inline void row_has(struct pair *t, const char *what)
{
	if (!t->r.ended)
		rig_end(&t->r);
	assert_has(rig_rows(&t->r), what);
}

static inline unsigned rows_of(struct pair *t, const char *table)
{
	unsigned n = 0;

	if (!t->r.ended)
		rig_end(&t->r);
	for (const char *row = rig_rows(&t->r); row; row = strchr(row, '\n')) {
		row += *row == '\n';
		n += !strncmp(row, table, strlen(table));
	}
	return n;
}

static inline struct bytes retry_packet(struct pair *t)
{
	struct bytes b = no_bytes();

	add_long_head(&b, &t->server, seal_is_v2(t->server.version) ? 0 : 3);
	add_hex(&b, "746f6b656e04a265ba2eff4d829058fb3f0f2496ba");
	return b;
}

static inline struct bytes negotiation(struct pair *t)
{
	struct speaker s = t->server;
	struct bytes b = no_bytes();

	s.version = 0;
	s.scid = copy_bytes(&t->client.dcid);
	add_long_head(&b, &s, 0);
	add_be32(&b, V1);
	add_be32(&b, V2);
	return b;
}

static inline void add_sized(struct bytes *b, const struct speaker *s, unsigned type,
			     size_t n)
{
	add_long_head(b, s, type);
	add_varint(b, (uint32_t)n);
	while (n--)
		add_u8(b, 0x55);
}
