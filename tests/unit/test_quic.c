/* SPDX-License-Identifier: BSD-3-Clause */
/* QUIC connections, whole, in pieces, from one side. */
#include "quic_pair.h"

#define IDS                                                                              \
	"\"client_dcid\":\"8394c8f03e515708\",\"client_scid\":\"c1\","                   \
	"\"server_scid\":\"f067a5502a4262b5\","

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

/* The server's certificate did not please, which an Initial may say (RFC 9000, 10.2.3).
 */
static void test_quic_close_behind_the_hellos_is_an_alert(void **state)
{
	struct bytes f = from_hex("1c"
				  "412a"
				  "06"
				  "03"
				  "626164");
	struct pair t;

	pair_init(&t, V1);
	client_hello(&t);
	server_hello(&t);
	client_hello(&t); /* sent again: nothing new */
	assert_int_equal(client_says(&t, &f), NR_MORE);
	row_has(&t, "\"client_hellos\":1,\"server_hellos\":1");
	row_has(&t, "\"close_code\":298,\"close_reason\":\"bad\",\"initials\":2");
	row_has(&t, "\"alert\":\"fatal bad_certificate\",\"alert_from\":\"client\"");
	pair_free(&t);
	/* of other keys it is not the connection's */
	pair_init(&t, V1);
	client_hello(&t);
	server_hello(&t);
	pair_keys(&t, V1, &t.server.scid);
	assert_int_equal(client_says(&t, &f), NR_MORE);
	assert_has_not(rig_rows(&t.r), "close_code");
	rig_end(&t.r);
	assert_has_not(rig_rows(&t.r), "close_code");
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
		cmocka_unit_test(test_quic_two_connections_on_one_flow),
		cmocka_unit_test(test_quic_ids_change_keys_stay),
		cmocka_unit_test(test_quic_coalesced_packets),
		cmocka_unit_test(test_quic_close_is_an_alert),
		cmocka_unit_test(test_quic_close_behind_the_hellos_is_an_alert),
		cmocka_unit_test(test_quic_cut_datagram),
		cmocka_unit_test(test_quic_one_sided),
		cmocka_unit_test(test_quic_without_the_fixed_bit),
		cmocka_unit_test(test_quic_probe),
		cmocka_unit_test(test_quic_what_is_none_is_given_up),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	nr_arena_fini(&seal_arena);
	return failed;
}
