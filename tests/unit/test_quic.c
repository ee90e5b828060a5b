/* SPDX-License-Identifier: BSD-3-Clause */
/* QUIC connections, sealed here as clients and servers seal them. */
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

static void pair_keys(struct pair *t, uint32_t version, const struct bytes *cid)
{
	const struct nr_quic_version *v = nr_quic_version(version);

	assert_true(nr_quic_derive(v ? v : nr_quic_version(V1), cid->p, cid->n, t->keys));
	t->client.keys = &t->keys[0];
	t->server.keys = &t->keys[1];
	t->client.version = t->server.version = version;
}

static void pair_init(struct pair *t, uint32_t version)
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

static void pair_free(struct pair *t)
{
	rig_free(&t->r);
}

static struct bytes crypto(const struct bytes *m, uint32_t from, size_t to)
{
	struct bytes b = no_bytes();

	add_crypto(&b, from, m->p + from, to - from);
	return b;
}

static enum nr_verdict say(struct pair *t, unsigned side, const struct bytes *b)
{
	return rig_datagram(&t->r, side, b->p, b->n);
}

static enum nr_verdict client_says(struct pair *t, const struct bytes *frames)
{
	struct bytes b = no_bytes();

	say_initial(&b, &t->client, frames, PAD);
	return say(t, 0, &b);
}

static enum nr_verdict server_says(struct pair *t, const struct bytes *frames)
{
	struct bytes b = no_bytes();

	say_initial(&b, &t->server, frames, 0);
	return say(t, 1, &b);
}

static void client_hello(struct pair *t)
{
	struct bytes f = crypto(&t->hello, 0, t->hello.n);

	assert_int_equal(client_says(t, &f), NR_MORE);
}

static void server_hello(struct pair *t)
{
	struct bytes f = crypto(&t->answer, 0, t->answer.n);

	assert_int_equal(server_says(t, &f), NR_MORE);
}

static enum nr_verdict short_packet(struct pair *t, unsigned side)
{
	struct bytes b = from_hex("4111223344556677889900112233445566778899");

	return say(t, side, &b);
}

/* Fingerprints computed by hand from the RFC's ClientHello and ServerHello. */
#define JA4  "\"ja4\":\"q13d0211an_62ed6f6ca7ad_4d634acda6c0\""
#define NAME "\"server_name\":\"example.com\",\"client_alpn\":[\"alpn\"],"
#define IDS                                                                              \
	"\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\","                   \
	"\"server_scid\":\"f067a5502a4262b5\","
/* A row without server: nothing but a ClientHello, in n packets. */
#define ONLY_CLIENT(version, hellos, n, unopened, complete)                              \
	"quic {\"first_ns\":1001000000,\"version\":\"" version                           \
	"\",\"client_version\":\"" version "\"," NAME JA4                                \
	",\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\","                  \
	"\"client_hellos\":" #hellos ",\"server_hellos\":0,\"retry\":0,"                 \
	"\"version_negotiation\":0,\"early_data\":0,\"initials\":" #n                    \
	",\"unopened\":" #unopened ",\"complete\":" #complete "}"

/* The line of rows that begins so; the rows are of the rig and live until the next. */
static void row_is(struct pair *t, const char *begins, const char *want)
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
static void row_has(struct pair *t, const char *what)
{
	if (!t->r.ended)
		rig_end(&t->r);
	if (!strstr(rig_rows(&t->r), what))
		fail_msg("no %s in %s", what, rig_rows(&t->r));
}

static unsigned rows_of(struct pair *t, const char *table)
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

static void test_quic_handshake_gives_a_row_and_one_of_tls(void **state)
{
	static const struct {
		uint32_t number;
		const char *name;
	} t[] = { { V1, "1" },
		  { V2, "2" },
		  { 0xff00001d, "draft-29" },
		  { 0xff00001b, "draft-27" },
		  { 0xfaceb002, "mvfst-2" } };

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct pair c;
		char want[1024];

		pair_init(&c, t[i].number);
		client_hello(&c);
		assert_string_equal(c.r.service, "quic");
		server_hello(&c);
		assert_int_equal(short_packet(&c, 1), NR_MORE);
		assert_int_equal(short_packet(&c, 0), NR_DONE);
		snprintf(want, sizeof(want),
			 "quic "
			 "{\"first_ns\":1001000000,\"version\":\"%s\",\"client_version\":"
			 "\"%s\"," NAME JA4 "," IDS
			 "\"client_hellos\":1,\"server_hellos\":1,\"retry\":0,"
			 "\"version_negotiation\":0,\"early_data\":0,\"initials\":2,"
			 "\"unopened\":0,\"complete\":1}",
			 t[i].name, t[i].name);
		row_is(&c, "quic {", want);
		row_is(&c, "tls {",
		       "tls "
		       "{\"transport\":\"quic\",\"first_ns\":1001000000,\"version\":"
		       "\"TLSv1.3\","
		       "\"client_version\":\"TLSv1.3\","
		       "\"cipher\":\"TLS_AES_128_GCM_SHA256\",\"group_name\":"
		       "\"x25519\"," NAME "\"client_hellos\":1,\"server_hellos\":1,"
		       "\"ja3\":\"41bc9ae914d6cb3bd0bd0a5453ab7d7f\","
		       "\"ja3s\":\"eb1d94daa7e0344597e756a1fb6e7054\"," JA4
		       ",\"established\":1,\"resumed\":0,\"ech\":0,\"early_data\":0,"
		       "\"complete\":1}");
		assert_string_equal(rig_anomalies(&c.r), "");
		pair_free(&c);
	}
}

/* The RFCs' own packets, byte for byte, from the server. */
static void test_quic_packets_of_the_rfcs(void **state)
{
	for (int v2 = 0; v2 < 2; v2++) {
		struct bytes s = from_hex(v2 ? RFC_V2_SERVER : RFC_V1_SERVER);
		struct pair t;

		pair_init(&t, v2 ? V2 : V1);
		client_hello(&t);
		assert_int_equal(say(&t, 1, &s), NR_MORE);
		row_has(&t, "\"server_hellos\":1");
		row_has(&t, "\"server_scid\":\"f067a5502a4262b5\"");
		pair_free(&t);
	}
}

static void test_quic_rows_stand_at_the_packet_that_completed_them(void **state)
{
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	server_hello(&t); /* packet 3 of the rig */
	short_packet(&t, 1);
	short_packet(&t, 0);
	rig_end(&t.r);
	for (size_t i = 0; i < t.r.records.n; i++) {
		assert_int_equal(t.r.records.r[i]->v[2].i, 3);
		assert_int_equal(t.r.records.r[i]->v[3].i, 1002000000);
	}
	pair_free(&t);
}

static void test_quic_without_a_server(void **state)
{
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 1, 0, 1));
	row_has(&t, "\"established\":0");
	pair_free(&t);
}

/* The responder can be the client: who it is, the keys tell. */
static void test_quic_client_on_the_other_side(void **state)
{
	struct bytes b = no_bytes(), f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&t.answer, 0, t.answer.n);
	assert_int_equal(server_says(&t, &f), NR_MORE); /* side 1, first, cannot open */
	f = crypto(&t.hello, 0, t.hello.n);
	t.server.number = 0;
	say_initial(&b, &t.client, &f, PAD);
	assert_int_equal(say(&t, 1, &b), NR_MORE);
	row_has(&t, "\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\"");
	row_has(&t, "\"initials\":2,\"unopened\":1");
	pair_free(&t);
}

/* In n packets, or n frames of one packet, forwards and backwards. */
static void test_quic_hello_in_pieces(void **state)
{
	for (unsigned n = 2; n < 30; n += 3) {
		for (int way = 0; way < 4; way++) {
			struct bytes all = no_bytes();
			struct pair t;

			pair_init(&t, V1);
			for (unsigned i = 0; i < n; i++) {
				unsigned k = way & 1 ? n - 1 - i : i;
				size_t from = t.hello.n * k / n;
				size_t to = t.hello.n * (k + 1) / n;
				struct bytes f = crypto(&t.hello, (uint32_t)from, to);

				if (way & 2) {
					add(&all, f.p, f.n);
					add_u8(&all, 1); /* PING between */
				} else {
					client_says(&t, &f);
				}
			}
			if (way & 2)
				client_says(&t, &all);
			rig_end(&t.r);
			row_has(&t, NAME JA4);
			row_has(&t, "\"client_hellos\":1");
			row_has(&t, "\"complete\":1");
			assert_string_equal(rig_anomalies(&t.r), "");
			pair_free(&t);
		}
	}
}

/* What the first piece says is kept. */
static void test_quic_piece_missing(void **state)
{
	struct bytes f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&t.hello, 0, 100);
	client_says(&t, &f);
	f = crypto(&t.hello, 150, t.hello.n);
	client_says(&t, &f);
	row_is(&t, "quic {",
	       "quic "
	       "{\"first_ns\":1001000000,\"version\":\"1\",\"client_version\":\"1\"," NAME
	       "\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\","
	       "\"client_hellos\":0,\"server_hellos\":0,\"retry\":0,"
	       "\"version_negotiation\":0,\"early_data\":0,\"initials\":2,"
	       "\"unopened\":0,\"complete\":0}");
	assert_int_equal(rows_of(&t, "tls"), 1);
	row_has(&t, "\"early_data\":0,\"complete\":0}\n");
	pair_free(&t);
}

static void test_quic_repeated_packets_count_once(void **state)
{
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	client_hello(&t);
	client_hello(&t);
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 3, 0, 1));
	pair_free(&t);
}

static void test_quic_repeated_with_other_bytes_is_told(void **state)
{
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	t.hello.p[70] ^= 1;
	client_hello(&t);
	client_hello(&t);
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 3, 0, 1));
	assert_string_equal(rig_anomalies(&t.r),
			    "quic_crypto_conflict 0 {\"offset\":0,\"length\":241}\n");
	pair_free(&t);
}

static struct bytes retry_packet(struct pair *t)
{
	struct bytes b = no_bytes();

	add_long_head(&b, &t->server, seal_is_v2(t->server.version) ? 0 : 3);
	add_hex(&b, "746f6b656e04a265ba2eff4d829058fb3f0f2496ba");
	return b;
}

/* The keys are made of the Retry's id; the hello is the same, or another. */
static void test_quic_retry(void **state)
{
	static const uint32_t versions[] = { V1, V2 };

	for (int i = 0; i < 4; i++) {
		struct bytes b;
		struct pair t;

		pair_init(&t, versions[i / 2]);
		client_hello(&t);
		b = retry_packet(&t);
		assert_int_equal(say(&t, 1, &b), NR_MORE);
		if (i % 2)
			t.hello.p[10] ^= 1; /* random */
		t.client.dcid = copy_bytes(&t.server.scid);
		t.client.token = from_hex("746f6b656e");
		pair_keys(&t, versions[i / 2], &t.client.dcid);
		t.server.scid = from_hex("5e5e");
		client_hello(&t);
		server_hello(&t);
		assert_int_equal(short_packet(&t, 0), NR_DONE);
		assert_int_equal(rows_of(&t, "quic"), 1);
		assert_int_equal(rows_of(&t, "tls"), 1);
		row_has(&t, "\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\","
			    "\"server_scid\":\"5e5e\"");
		row_has(&t, i % 2 ? "\"client_hellos\":2" : "\"client_hellos\":1");
		row_has(&t, "\"server_hellos\":1,\"retry\":1");
		row_has(&t, "\"complete\":1");
		pair_free(&t);
	}
}

/* The same with the Retry lost: the token tells. */
static void test_quic_retry_not_seen(void **state)
{
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	t.client.dcid = copy_bytes(&t.server.scid);
	t.client.token = from_hex("746f6b656e");
	pair_keys(&t, V1, &t.client.dcid);
	client_hello(&t);
	server_hello(&t);
	assert_int_equal(rows_of(&t, "quic"), 1);
	row_has(&t, "\"client_hellos\":1,\"server_hellos\":1,\"retry\":0");
	pair_free(&t);
}

static void test_quic_retry_for_another_is_none(void **state)
{
	struct bytes b;
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	t.server.dcid.p[0] ^= 1;
	b = retry_packet(&t);
	say(&t, 1, &b);
	row_has(&t, "\"retry\":0");
	pair_free(&t);
}

static struct bytes negotiation(struct pair *t)
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

static void test_quic_version_negotiation(void **state)
{
	static const struct {
		uint32_t first;
		const char *row;
	} t[] = {
		{ V2, "\"version\":\"1\",\"client_version\":\"2\"" },
		{ GREASE, "\"version\":\"1\",\"client_version\":\"0x1a2a3a4a\"" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		struct bytes b;
		struct pair c;

		pair_init(&c, t[i].first);
		client_hello(&c);
		b = negotiation(&c);
		assert_int_equal(say(&c, 1, &b), NR_MORE);
		pair_keys(&c, V1, &c.client.dcid);
		c.hello.p[10] ^= 1; /* random */
		client_hello(&c);
		server_hello(&c);
		assert_int_equal(rows_of(&c, "quic"), 1);
		row_has(&c, t[i].row);
		row_has(&c, "\"client_hellos\":2,\"server_hellos\":1,\"retry\":0,"
			    "\"version_negotiation\":1");
		row_has(&c, "\"complete\":1");
		pair_free(&c);
	}
}

/* RFC 9368: the server answers in another version, keys of the same id. */
static void test_quic_compatible_version(void **state)
{
	struct bytes first;
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	first = copy_bytes(&t.client.dcid);
	pair_keys(&t, V2, &first);
	t.server.version = V2;
	server_hello(&t);
	assert_int_equal(rows_of(&t, "quic"), 1);
	row_has(&t, "\"version\":\"2\",\"client_version\":\"1\"");
	row_has(&t, "\"client_hellos\":1,\"server_hellos\":1");
	pair_free(&t);
}

/* The stream goes on behind a HelloRetryRequest. */
static void test_quic_hello_retry_request(void **state)
{
	struct bytes f, retry, again;
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	retry = copy_bytes(&t.answer);
	memcpy(retry.p + 6,
	       from_hex("cf21ad74e59a6111be1d8c021e65b891"
			"c2a211167abb8c5e079e09e2c8a8339c")
		       .p,
	       32);
	f = crypto(&retry, 0, retry.n);
	server_says(&t, &f);
	assert_int_equal(short_packet(&t, 0), NR_MORE); /* not the end of it */
	again = copy_bytes(&t.hello);
	add(&again, t.hello.p, t.hello.n);
	again.p[t.hello.n + 200] ^= 1;
	f = crypto(&again, (uint32_t)t.hello.n, again.n);
	client_says(&t, &f);
	add(&retry, t.answer.p, t.answer.n);
	f = crypto(&retry, (uint32_t)t.answer.n, retry.n);
	server_says(&t, &f);
	assert_int_equal(short_packet(&t, 0), NR_DONE);
	row_has(&t, "\"client_hellos\":2,\"server_hellos\":2");
	row_has(&t, "\"complete\":1");
	pair_free(&t);
}

/* An attempt that nobody answers, then one with another id: two rows. */
static void test_quic_two_connections_on_one_flow(void **state)
{
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	t.client.dcid = from_hex("0102030405060708");
	pair_keys(&t, V1, &t.client.dcid);
	client_hello(&t);
	server_hello(&t);
	assert_int_equal(rows_of(&t, "quic"), 2);
	assert_int_equal(rows_of(&t, "tls"), 2);
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 1, 0, 1));
	row_has(&t, "\"client_dcid\":\"0102030405060708\"");
	pair_free(&t);
}

/* The client's later Initials have the server's id; the keys stay. */
static void test_quic_ids_change_keys_stay(void **state)
{
	struct bytes f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&t.hello, 0, 100);
	client_says(&t, &f);
	t.client.dcid = copy_bytes(&t.server.scid);
	f = crypto(&t.hello, 100, t.hello.n);
	client_says(&t, &f);
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 2, 0, 1));
	pair_free(&t);
}

static void add_sized(struct bytes *b, const struct speaker *s, unsigned type, size_t n)
{
	add_long_head(b, s, type);
	add_varint(b, (uint32_t)n);
	while (n--)
		add_u8(b, 0x55);
}

/* 0-RTT before and behind the Initial of one datagram; padding behind all. */
static void test_quic_coalesced_packets(void **state)
{
	struct bytes b = no_bytes(), f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&t.hello, 0, t.hello.n);
	add_sized(&b, &t.client, 1, 50);
	say_initial(&b, &t.client, &f, 300);
	add_sized(&b, &t.client, 1, 500);
	add_hex(&b, "000000000000");
	assert_int_equal(say(&t, 0, &b), NR_MORE);
	b = no_bytes();
	f = crypto(&t.answer, 0, t.answer.n);
	say_initial(&b, &t.server, &f, 0);
	add_sized(&b, &t.server, 2, 700);
	assert_int_equal(say(&t, 1, &b), NR_MORE);
	b = no_bytes();
	add_sized(&b, &t.client, 2, 60);
	add_hex(&b, "4111223344556677889900112233445566778899");
	assert_int_equal(say(&t, 0, &b), NR_DONE);
	row_has(&t, "\"client_hellos\":1,\"server_hellos\":1,\"retry\":0,"
		    "\"version_negotiation\":0,\"early_data\":1,\"initials\":2");
	row_has(&t, "\"established\":1");
	pair_free(&t);
}

static void test_quic_close_is_an_alert(void **state)
{
	struct bytes f = from_hex("1c"
				  "4128"
				  "06"
				  "06"
				  "6e6f20776179");
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	server_says(&t, &f);
	row_has(&t, "\"close_code\":296,\"close_reason\":\"no way\"");
	row_has(&t, "\"alert\":\"fatal handshake_failure\",\"alert_from\":\"server\"");
	pair_free(&t);
}

/* Cut by the snap length: known by its header, said to be incomplete. */
static void test_quic_cut_datagram(void **state)
{
	struct bytes b = no_bytes(), f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&t.hello, 0, t.hello.n);
	say_initial(&b, &t.client, &f, PAD);
	rig_next_packet(&t.r, 0);
	t.r.verdict = t.r.parser->datagram(&t.r.p, t.r.ctx, 0, b.p, 200, b.n);
	assert_int_equal(t.r.verdict, NR_MORE);
	assert_string_equal(t.r.service, "quic");
	row_has(&t, "\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\"");
	row_has(&t, "\"initials\":1,\"unopened\":1,\"complete\":0");
	pair_free(&t);
}

/* The server's hello never comes (one-sided capture): it is not waited for. */
static void test_quic_one_sided(void **state)
{
	enum nr_verdict v = NR_MORE;
	struct pair t;
	int n = 0;

	pair_init(&t, V1);
	client_hello(&t);
	while (v == NR_MORE && n++ < 1000)
		v = short_packet(&t, 0);
	assert_int_equal(v, NR_DONE);
	assert_true(n < 100);
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 1, 0, 1));
	pair_free(&t);
}

static void test_quic_initials_without_end(void **state)
{
	struct bytes ping = from_hex("01");
	enum nr_verdict v = NR_MORE;
	struct pair t;
	int n = 0;

	pair_init(&t, V1);
	while (v == NR_MORE && n++ < 1000)
		v = client_says(&t, &ping);
	assert_int_equal(v, NR_OVERFLOW);
	assert_int_equal(n, 257);
	row_has(&t, "\"initials\":256,\"unopened\":0,\"complete\":0");
	pair_free(&t);
}

static void test_quic_too_many_keys(void **state)
{
	struct bytes b = no_bytes(), ping = from_hex("01");
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	say_initial(&b, &t.client, &ping, PAD);
	for (int i = 0; i < 100; i++) {
		b.p[6] = (uint8_t)i; /* of the id */
		assert_int_equal(say(&t, 0, &b), NR_MORE);
	}
	row_is(&t, "quic {", ONLY_CLIENT("1", 1, 101, 100, 1));
	pair_free(&t);
}

static void test_quic_crypto_far_ahead_is_refused(void **state)
{
	struct bytes f = no_bytes();
	struct pair t;

	pair_init(&t, V1);
	add_crypto(&f, 1 << 20, "x", 1);
	client_says(&t, &f);
	client_says(&t, &f);
	client_hello(&t);
	row_has(&t, "\"client_hellos\":1");
	row_has(&t, "\"complete\":0");
	assert_string_equal(rig_anomalies(&t.r),
			    "quic_crypto_refused 0 {\"offset\":1048576,\"length\":1}\n");
	pair_free(&t);
}

static void test_quic_frame_not_allowed_is_told(void **state)
{
	struct bytes f = from_hex("0800");
	struct pair t;

	pair_init(&t, V1);
	client_says(&t, &f);
	client_says(&t, &f);
	client_hello(&t);
	row_has(&t, "\"client_hellos\":1");
	assert_string_equal(rig_anomalies(&t.r), "quic_frame 0 -\n");
	pair_free(&t);
}

/* A message longer than can be kept closes the parser. */
static void test_quic_message_too_long(void **state)
{
	struct bytes m = from_hex("01ffffff"), f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&m, 0, m.n);
	assert_int_equal(client_says(&t, &f), NR_OVERFLOW);
	row_has(&t, "\"complete\":0");
	pair_free(&t);
}

/* RFC 9287: the fixed bit is whatever the peers like. */
static void test_quic_without_the_fixed_bit(void **state)
{
	struct bytes b = from_hex("0111223344556677889900112233445566778899");
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	server_hello(&t);
	assert_int_equal(say(&t, 0, &b), NR_DONE);
	row_has(&t, "\"established\":1");
	pair_free(&t);
}

static void test_quic_hello_that_cannot_be_read(void **state)
{
	struct bytes m = from_hex("01000004"
				  "03030000"),
		     f;
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&m, 0, m.n);
	assert_int_equal(client_says(&t, &f), NR_MALFORMED);
	row_has(&t, "\"client_hellos\":0");
	row_has(&t, "\"complete\":0");
	assert_string_equal(rig_anomalies(&t.r),
			    "tls_message 0 {\"message\":1,\"length\":4}\n");
	pair_free(&t);
}

static void test_quic_account_full(void **state)
{
	struct pair t;

	for (size_t room = 0; room < 5000; room += 97) {
		struct bytes f;

		pair_init(&t, V1);
		t.r.account.max = t.r.account.used + room;
		f = crypto(&t.hello, 0, t.hello.n);
		client_says(&t, &f);
		rig_end(&t.r);
		pair_free(&t);
	}
}

static enum nr_probe_result probe(const void *p, size_t n, uint16_t port)
{
	struct nr_probe in = {
		.data = { p },
		.len = { n },
		.proto = NR_UDP_PROTO,
		.port = { 40000, port },
		.port_match = port == 443,
		.begins = { true, true },
		.last = true,
	};

	return nr_parser_quic.probe(&in);
}

static void test_quic_probe(void **state)
{
	struct bytes b = no_bytes(), f, q = from_hex("c3513035305000");
	struct pair t;

	pair_init(&t, V1);
	f = crypto(&t.hello, 0, t.hello.n);
	say_initial(&b, &t.client, &f, PAD);
	assert_int_equal(probe(b.p, b.n, 8001), NR_PROBE_YES);
	assert_int_equal(probe(b.p, 200, 443), NR_PROBE_MAYBE); /* cut */
	assert_int_equal(probe(b.p, 10, 443), NR_PROBE_NO);
	b.p[0] ^= 0x40;
	assert_int_equal(probe(b.p, b.n, 443), NR_PROBE_NO);
	b.p[0] ^= 0x40;
	b.p[4] = 9; /* a version not known */
	assert_int_equal(probe(b.p, b.n, 443), NR_PROBE_NO);
	b = negotiation(&t);
	assert_int_equal(probe(b.p, b.n, 8001), NR_PROBE_YES);
	memset(b.p + b.n - 8, 7, 8);
	assert_int_equal(probe(b.p, b.n, 443), NR_PROBE_NO);
	b = from_hex("4111223344556677889900112233445566778899");
	assert_int_equal(probe(b.p, b.n, 443), NR_PROBE_NO);
	/* Google's Q050: its handshake is not TLS */
	while (q.n < 1200)
		add_u8(&q, 1);
	assert_int_equal(probe(q.p, q.n, 443), NR_PROBE_NO);
	pair_free(&t);
}

static void test_quic_what_is_none_is_given_up(void **state)
{
	struct bytes b = from_hex("00112233");
	enum nr_verdict v = NR_MORE;
	struct pair t;
	int n = 0;

	pair_init(&t, V1);
	while (v == NR_MORE && n++ < 100)
		v = say(&t, n & 1, &b);
	assert_int_equal(v, NR_NOT_MINE);
	assert_int_equal(rows_of(&t, "quic"), 0);
	pair_free(&t);
}

/* Any damage to any packet of a handshake ends in rows, not in a crash. */
static void test_quic_damaged_packets(void **state)
{
	unsigned seed = 7;

	for (int round = 0; round < 3000; round++) {
		struct bytes b[3];
		struct pair t;
		struct bytes f;

		nr_arena_reset(&seal_arena);
		pair_init(&t, round % 3 ? V1 : V2);
		for (int i = 0; i < 3; i++)
			b[i] = no_bytes();
		f = crypto(&t.hello, 0, t.hello.n);
		say_initial(&b[0], &t.client, &f, 400);
		f = crypto(&t.answer, 0, t.answer.n);
		say_initial(&b[1], &t.server, &f, 0);
		add_sized(&b[1], &t.server, 2, 100);
		b[2] = retry_packet(&t);
		for (int i = 0; i < 6; i++) {
			unsigned which, at;

			seed = seed * 1103515245 + 12345;
			which = (seed >> 16) % 3;
			at = (seed >> 8) % 40;
			if (at < b[which].n && round % 2)
				b[which].p[at] ^= (uint8_t)(seed >> 24);
			if (round % 7 == 0 && at < b[which].n)
				b[which].n = at;
			say(&t, which > 0, &b[which]);
		}
		pair_free(&t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quic_handshake_gives_a_row_and_one_of_tls),
		cmocka_unit_test(test_quic_packets_of_the_rfcs),
		cmocka_unit_test(test_quic_rows_stand_at_the_packet_that_completed_them),
		cmocka_unit_test(test_quic_without_a_server),
		cmocka_unit_test(test_quic_client_on_the_other_side),
		cmocka_unit_test(test_quic_hello_in_pieces),
		cmocka_unit_test(test_quic_piece_missing),
		cmocka_unit_test(test_quic_repeated_packets_count_once),
		cmocka_unit_test(test_quic_repeated_with_other_bytes_is_told),
		cmocka_unit_test(test_quic_retry),
		cmocka_unit_test(test_quic_retry_not_seen),
		cmocka_unit_test(test_quic_retry_for_another_is_none),
		cmocka_unit_test(test_quic_version_negotiation),
		cmocka_unit_test(test_quic_compatible_version),
		cmocka_unit_test(test_quic_hello_retry_request),
		cmocka_unit_test(test_quic_two_connections_on_one_flow),
		cmocka_unit_test(test_quic_ids_change_keys_stay),
		cmocka_unit_test(test_quic_coalesced_packets),
		cmocka_unit_test(test_quic_close_is_an_alert),
		cmocka_unit_test(test_quic_cut_datagram),
		cmocka_unit_test(test_quic_one_sided),
		cmocka_unit_test(test_quic_initials_without_end),
		cmocka_unit_test(test_quic_too_many_keys),
		cmocka_unit_test(test_quic_crypto_far_ahead_is_refused),
		cmocka_unit_test(test_quic_frame_not_allowed_is_told),
		cmocka_unit_test(test_quic_message_too_long),
		cmocka_unit_test(test_quic_without_the_fixed_bit),
		cmocka_unit_test(test_quic_hello_that_cannot_be_read),
		cmocka_unit_test(test_quic_account_full),
		cmocka_unit_test(test_quic_probe),
		cmocka_unit_test(test_quic_what_is_none_is_given_up),
		cmocka_unit_test(test_quic_damaged_packets),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	nr_arena_fini(&seal_arena);
	return failed;
}
