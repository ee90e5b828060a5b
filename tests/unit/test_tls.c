/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/cursor.h"
#include "tls_script.h"

extern const struct nr_parser nr_parser_tls, nr_parser_starttls;

#define CERT   "0980c01d7927abdc67ea6ded21f91bdfd731466058c91d0d1d2a905b337eae79"
#define CLIENT "fe330e5233770988232a8f0f3c97f576796f2334aaa717c141bd249161067e20"

static void begin(struct rig *r)
{
	rig_init(r, &nr_parser_tls, NR_TCP_PROTO, 40000, 443);
}

static void has(struct rig *r, const char *text)
{
	assert_has(rig_rows(r), text);
}

static void has_not(struct rig *r, const char *text)
{
	assert_has_not(rig_rows(r), text);
}

/* Fingerprints and names as tshark 4.0 and openssl x509 show them. */
static void test_tls_12_is_a_row_and_its_certificate(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	begin(&r);
	script_play(&r, s);
	assert_int_equal(r.verdict, NR_DONE);
	assert_string_equal(r.service, "tls");
	has(&r, "certificate {\"sha256\":\"" CERT "\",\"first_flow_id\":16,"
		"\"subject\":\"CN=server.example,O=Example,C=CH\"");
	has(&r, "\"san\":{\"dns\":[\"server.example\"],\"ip\":[\"192.0.2.1\"],"
		"\"email\":[\"who@example.org\"],\"uri\":[\"https://server.example/\"]}");
	has(&r, "\"serial\":\"6C541EB682A2B19F5F72C9209EA9866DA1E3F2AC\",\"version\":3");
	has(&r, "\"key_type\":\"ec\",\"key_bits\":256,\"key_curve\":\"prime256v1\","
		"\"signature\":\"ecdsa-with-SHA256\",\"self_signed\":1,\"is_ca\":1}");
	has(&r, "tls {\"transport\":\"tcp\"");
	has(&r, "\"version\":\"TLSv1.2\",\"client_version\":\"TLSv1.2\","
		"\"cipher\":\"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\","
		"\"group_name\":\"x25519\",\"server_name\":\"server.example\","
		"\"alpn\":\"h2\",\"client_alpn\":[\"http/1.1\",\"h2\"],"
		"\"client_hellos\":1,\"server_hellos\":1,"
		"\"ja3\":\"22558766122974704364c9c75c5cce0a\","
		"\"ja3s\":\"afbc203706421f15554867b55caf16d6\"");
	has(&r, "\"established\":1,\"resumed\":0,\"ech\":0,\"early_data\":0,"
		"\"starttls\":0,\"client_cert\":0,\"certificates\":[\"" CERT
		"\"],\"complete\":1}");
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
	nr_free(s);
}

static void plays_to(const struct said *c, const char *const *want, enum nr_verdict v)
{
	struct script *s = script_of(c);
	struct rig r;

	begin(&r);
	script_play(&r, s);
	assert_int_equal(r.verdict, v);
	rig_end(&r);
	for (; *want; want++)
		has(&r, *want);
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_12_resumed_needs_no_certificate(void **state)
{
	plays_to(tls12_resumed,
		 (const char *[]){ "\"established\":1,\"resumed\":1", NULL }, NR_DONE);
}

static void test_tls_12_client_certificate(void **state)
{
	plays_to(tls12_client_cert,
		 (const char *[]){ "\"client_cert\":1,\"certificates\":[\"" CERT "\"],"
				   "\"client_certificates\":[\"" CLIENT "\"]",
				   "\"key_type\":\"ed25519\"", NULL },
		 NR_DONE);
}

static void test_tls_13_hides_certificate_and_protocol(void **state)
{
	plays_to(tls13,
		 (const char *[]){ "\"version\":\"TLSv1.3\"", "\"group_name\":\"x25519\"",
				   "\"established\":1,\"resumed\":0,\"ech\":0,"
				   "\"early_data\":0,\"starttls\":0,\"complete\":1}",
				   NULL },
		 NR_DONE);
}

static void test_tls_13_retry_counts_two_hellos_each(void **state)
{
	plays_to(tls13_retry,
		 (const char *[]){ "\"group_name\":\"secp256r1\"",
				   "\"client_hellos\":2,\"server_hellos\":2,"
				   "\"ja3\":\"c957e1b78599f9337a29ea53e8c1625d\","
				   "\"ja3s\":\"15af977ce25de452b96affa2addb1036\"",
				   "\"established\":1", NULL },
		 NR_DONE);
}

static void test_tls_refused_says_the_alert(void **state)
{
	plays_to(tls12_refused,
		 (const char *[]){ "\"client_hellos\":1,\"server_hellos\":0",
				   "\"established\":0",
				   "\"alert\":\"fatal handshake_failure\","
				   "\"alert_from\":\"server\"",
				   NULL },
		 NR_MORE);
}

static void test_tls_rows_do_not_depend_on_segments(void **state)
{
	static const struct said *const all[] = { tls12, tls12_resumed, tls12_client_cert,
						  tls13, tls13_retry,   tls12_refused };

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct script *s = script_of(all[i]);

		rig_invariant(&nr_parser_tls, 443, s->line);
		nr_free(s);
	}
}

/* The handshake records of l, cut into records of at most n bytes. */
static size_t refragment(uint8_t *to, const struct rig_line *l, size_t n)
{
	struct nr_cursor c = nr_cursor(l->text, l->n);
	size_t used = 0;

	while (nr_left(&c)) {
		const uint8_t *head = nr_get(&c, 5), *body;
		size_t left = head ? nr_be16(head + 3) : 0;

		while (head && left) {
			size_t part = head[0] == 22 && left > n ? n : left;

			memcpy(to + used, head, 3);
			to[used + 3] = (uint8_t)(part >> 8);
			to[used + 4] = (uint8_t)part;
			body = nr_get(&c, part);
			assert_non_null(body);
			memcpy(to + used + 5, body, part);
			used += 5 + part;
			left -= part;
		}
	}
	return used;
}

static void test_tls_messages_across_records(void **state)
{
	struct script *s = script_of(tls13_retry), *cut = nr_xcalloc(1, sizeof(*cut));
	struct rig r[2];

	for (size_t i = 0; i < s->n; i++) {
		static uint8_t room[16384];

		script_add(cut, s->line[i].side, room, refragment(room, &s->line[i], 3));
	}
	begin(&r[0]);
	begin(&r[1]);
	script_play(&r[0], s);
	script_play(&r[1], cut);
	assert_string_equal(rig_rows(&r[1]), rig_rows(&r[0]));
	rig_free(&r[0]);
	rig_free(&r[1]);
	nr_free(s);
	nr_free(cut);
}

/* A gap within the server's certificate: that message is lost, nothing else. */
static void test_tls_gap_in_a_message_costs_the_message(void **state)
{
	struct script *s = script_of(tls12);
	const struct rig_line *l = s->line;
	struct rig r;

	begin(&r);
	rig_data(&r, 0, l[0].text, l[0].n);
	rig_data(&r, 1, l[1].text, 200);
	rig_gap(&r, 1, 100);
	rig_data(&r, 1, l[1].text + 300, l[1].n - 300);
	rig_data(&r, 0, l[2].text, l[2].n);
	rig_data(&r, 1, l[3].text, l[3].n);
	assert_int_equal(r.verdict, NR_DONE);
	has(&r, "\"group_name\":\"x25519\"");
	has(&r, "\"established\":1");
	has(&r, "\"complete\":0");
	has_not(&r, "certificates");
	rig_free(&r);
	nr_free(s);
}

/* A gap over records: the side is taken up where one begins, else given up. */
static void test_tls_gap_between_records(void **state)
{
	struct script *s = script_of(tls12);
	const struct rig_line *l = s->line;

	for (int in_step = 0; in_step < 2; in_step++) {
		struct rig r;

		begin(&r);
		rig_data(&r, 0, l[0].text, l[0].n);
		rig_gap(&r, 1, l[1].n - (in_step ? 0 : 7));
		if (!in_step)
			rig_data(&r, 1, "\xff\xff\xff\xff\xff\xff\xff", 7);
		rig_data(&r, 0, l[2].text, l[2].n);
		rig_data(&r, 1, l[3].text, l[3].n);
		rig_data(&r, 0, l[4].text, l[4].n);
		rig_end(&r);
		has(&r, "\"client_hellos\":1,\"server_hellos\":0");
		has(&r, "\"complete\":0");
		assert_string_equal(rig_anomalies(&r), "");
		rig_free(&r);
	}
	nr_free(s);
}

static void test_tls_server_alone_is_a_row(void **state)
{
	struct script *s = script_of(tls13);
	struct rig r;

	begin(&r);
	rig_data(&r, 1, s->line[1].text, s->line[1].n);
	rig_end(&r);
	has(&r, "\"version\":\"TLSv1.3\"");
	has(&r, "\"client_hellos\":0,\"server_hellos\":1");
	has(&r, "\"established\":0");
	has_not(&r, "client_version");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_hello_cut_off_is_an_incomplete_row(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	begin(&r);
	rig_data(&r, 0, s->line[0].text, s->line[0].n - 20);
	rig_end(&r);
	has(&r, "\"server_name\":\"server.example\"");
	has(&r, "\"client_hellos\":0");
	has(&r, "\"complete\":0");
	has_not(&r, "ja3");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_garbage_before_a_hello_is_not_ours(void **state)
{
	struct rig r;

	begin(&r);
	assert_int_equal(rig_data(&r, 0, "\x16\x03\x01\x50\x00", 5), NR_NOT_MINE);
	assert_string_equal(rig_anomalies(&r), "");
	rig_end(&r);
	assert_string_equal(rig_rows(&r), "");
	rig_free(&r);
}

static void test_tls_garbage_behind_a_hello_is_an_anomaly(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	begin(&r);
	rig_data(&r, 0, s->line[0].text, s->line[0].n);
	/* 2^14 + 2049 bytes are no record */
	assert_int_equal(rig_data(&r, 1, "\x17\x03\x03\x48\x01", 5), NR_MALFORMED);
	assert_string_equal(rig_anomalies(&r),
			    "tls_record 1 {\"type\":23,\"version\":771,"
			    "\"length\":18433}\n");
	rig_end(&r);
	has(&r, "\"client_hellos\":1");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_message_beyond_the_cap_is_passed_over(void **state)
{
	struct script *s = script_of(tls12);
	static uint8_t record[5 + 16384] = { 22, 3, 3, 0x40, 0 };
	struct rig r;

	begin(&r);
	rig_data(&r, 0, s->line[0].text, s->line[0].n);
	memcpy(record + 5, "\x0b\x0f\xff\xfc", 4); /* a certificate of 1 MiB - 4 */
	for (unsigned i = 0; i < 64; i++) {
		rig_data(&r, 1, record, sizeof(record));
		memset(record + 5, 0, 4);
		assert_true(r.account.used < 4096);
	}
	assert_int_equal(r.verdict, NR_MORE);
	assert_string_equal(rig_anomalies(&r),
			    "tls_excess 1 {\"message\":11,\"length\":1048572}\n");
	/* in step again */
	rig_data(&r, 1, s->line[1].text, s->line[1].n);
	rig_end(&r);
	has(&r, "\"server_hellos\":1");
	has(&r, "\"complete\":0");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_broken_message_is_an_anomaly(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	begin(&r);
	rig_data(&r, 0, s->line[0].text, s->line[0].n);
	assert_int_equal(rig_data(&r, 1, "\x16\x03\x03\0\x06\x02\0\0\x02\x03\x03", 11),
			 NR_MALFORMED);
	assert_string_equal(rig_anomalies(&r),
			    "tls_message 1 {\"message\":2,\"length\":2}\n");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_what_is_no_certificate_is_said(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	begin(&r);
	rig_data(&r, 0, s->line[0].text, s->line[0].n);
	rig_data(&r, 1, "\x16\x03\x03\0\x0e\x0b\0\0\x0a\0\0\x07\0\0\x04yeah", 19);
	assert_non_null(strstr(rig_anomalies(&r), "tls_certificate -1 {\"sha256\":\""));
	has(&r, "certificate {\"sha256\":\"");
	has_not(&r, "subject");
	rig_free(&r);
	nr_free(s);
}

static void test_tls_heartbleed_is_an_anomaly(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	begin(&r);
	rig_data(&r, 0, s->line[0].text, s->line[0].n);
	rig_data(&r, 0, "\x18\x03\x02\0\x03\x01\x40\0", 8);
	assert_string_equal(rig_anomalies(&r),
			    "tls_heartbeat 0 {\"payload\":16384,\"length\":3}\n");
	rig_free(&r);
	nr_free(s);
}

/* RFC 5246 appendix E.2; TLS 1.0 goes on from there. */
static void test_tls_hello_in_the_frame_of_ssl2(void **state)
{
	struct script *server = script_of(tls12), *s = nr_xcalloc(1, sizeof(*s));
	struct rig r;

	script_hex(s, 0,
		   "801f0103010006000000100000040000050102030405060708090a0b0c0d0e0f10");
	script_add(s, 1, server->line[1].text, server->line[1].n);
	rig_invariant(&nr_parser_tls, 443, s->line);
	begin(&r);
	script_play(&r, s);
	rig_end(&r);
	has(&r, "\"client_version\":\"TLSv1.0\"");
	has(&r, "\"client_hellos\":1,\"server_hellos\":1");
	has(&r, "\"certificates\":[\"" CERT "\"]");
	has_not(&r, "\"ja3\"");
	rig_free(&r);
	nr_free(s);
	nr_free(server);
}

static enum nr_probe_result probe(const void *p, size_t n)
{
	struct nr_probe in = { .len = { n },
			       .proto = NR_TCP_PROTO,
			       .port = { 40000, 25 },
			       .begins = { true, true } };
	uint8_t *exact = nr_xmalloc(n);
	enum nr_probe_result found;

	memcpy(exact, p, n);
	in.data[0] = exact;
	found = nr_parser_tls.probe(&in);
	nr_free(exact);
	return found;
}

static void test_tls_probe_knows_hellos_alone(void **state)
{
	struct script *s = script_of(tls12);

	for (size_t n = 1; n < 11; n++)
		assert_int_equal(probe(s->line[0].text, n), NR_PROBE_MORE);
	assert_int_equal(probe(s->line[0].text, 11), NR_PROBE_YES);
	assert_int_equal(probe(s->line[1].text, 11), NR_PROBE_YES);
	assert_int_equal(probe("SSH-2.0-OpenSSH\r\n", 17), NR_PROBE_NO);
	assert_int_equal(probe("\x16\x03\x01\x02\x00\x10\x00\x01\x00\x03\x03", 11),
			 NR_PROBE_NO);
	assert_int_equal(probe("\x17\x03\x03\x00\x20", 5), NR_PROBE_NO);
	nr_free(s);
}

static void test_starttls_hands_over_at_a_turn(void **state)
{
	struct script *s = script_of(tls12);
	struct rig r;

	rig_init(&r, &nr_parser_starttls, NR_TCP_PROTO, 40000, 110);
	rig_say(&r, 1, "+OK ready\r\n");
	rig_say(&r, 0, "STLS\r\n");
	rig_say(&r, 1, "+OK begin\r\n");
	rig_data(&r, 0, s->line[0].text, s->line[0].n);
	assert_int_equal(r.verdict, NR_HAND_OVER);
	assert_string_equal(r.next, "tls");
	assert_int_equal(r.p.rest_len, s->line[0].n);
	rig_free(&r);
	nr_free(s);
}

/* MySQL's client asks for TLS and begins at once, in the same segment or the next. */
static void test_starttls_hands_over_behind_mysqls_request(void **state)
{
	struct script *s = script_of(tls12);
	uint8_t turn[36 + 512] = { 32, 0, 0, 1 };

	memcpy(turn + 36, s->line[0].text, s->line[0].n);
	for (size_t cut = 0; cut <= 36; cut++) {
		struct rig r;

		rig_init(&r, &nr_parser_starttls, NR_TCP_PROTO, 40000, 3306);
		rig_data(&r, 1,
			 "\x4a\0\0\0\x0a"
			 "8.0.36",
			 11);
		rig_data(&r, 0, turn, cut);
		rig_data(&r, 0, turn + cut, 36 + s->line[0].n - cut);
		assert_int_equal(r.verdict, NR_HAND_OVER);
		assert_int_equal(r.p.rest_len, s->line[0].n);
		rig_free(&r);
	}
	nr_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_12_is_a_row_and_its_certificate),
		cmocka_unit_test(test_tls_12_resumed_needs_no_certificate),
		cmocka_unit_test(test_tls_12_client_certificate),
		cmocka_unit_test(test_tls_13_hides_certificate_and_protocol),
		cmocka_unit_test(test_tls_13_retry_counts_two_hellos_each),
		cmocka_unit_test(test_tls_refused_says_the_alert),
		cmocka_unit_test(test_tls_rows_do_not_depend_on_segments),
		cmocka_unit_test(test_tls_messages_across_records),
		cmocka_unit_test(test_tls_gap_in_a_message_costs_the_message),
		cmocka_unit_test(test_tls_gap_between_records),
		cmocka_unit_test(test_tls_server_alone_is_a_row),
		cmocka_unit_test(test_tls_hello_cut_off_is_an_incomplete_row),
		cmocka_unit_test(test_tls_garbage_before_a_hello_is_not_ours),
		cmocka_unit_test(test_tls_garbage_behind_a_hello_is_an_anomaly),
		cmocka_unit_test(test_tls_message_beyond_the_cap_is_passed_over),
		cmocka_unit_test(test_tls_broken_message_is_an_anomaly),
		cmocka_unit_test(test_tls_what_is_no_certificate_is_said),
		cmocka_unit_test(test_tls_heartbleed_is_an_anomaly),
		cmocka_unit_test(test_tls_hello_in_the_frame_of_ssl2),
		cmocka_unit_test(test_tls_probe_knows_hellos_alone),
		cmocka_unit_test(test_starttls_hands_over_at_a_turn),
		cmocka_unit_test(test_starttls_hands_over_behind_mysqls_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
