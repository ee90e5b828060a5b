/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/cursor.h"
#include "tls_script.h"

extern const struct nr_parser nr_parser_dtls;

enum { RECORD = 13, FRAGMENT = 12 };

static void begin(struct rig *r)
{
	rig_init(r, &nr_parser_dtls, NR_UDP_PROTO, 40009, 4433);
}

static void say(struct rig *r, const struct rig_line *l)
{
	rig_datagram(r, l->side, l->text, l->n);
}

static void has(struct rig *r, const char *text)
{
	assert_has(rig_rows(r), text);
}

/* As tshark 4.0 shows it: the certificate comes in four fragments. */
static void test_dtls_12_is_a_row(void **state)
{
	struct script *s = script_of(dtls12);
	struct rig r;

	begin(&r);
	for (size_t i = 0; i < s->n; i++)
		say(&r, &s->line[i]);
	assert_int_equal(r.verdict, NR_MORE); /* for the next handshake */
	assert_string_equal(r.service, "dtls");
	has(&r, "tls {\"transport\":\"udp\"");
	has(&r, "\"version\":\"DTLSv1.2\"");
	has(&r, "\"client_hellos\":2,\"server_hellos\":1,"
		"\"ja3\":\"248a2544f4221c0f02f877e42fe67853\","
		"\"ja3s\":\"51e03b04c8c77175b5562a0e94e39f1c\"");
	has(&r, "\"established\":1,\"resumed\":0");
	has(&r, "\"certificates\":[\"0980c01d7927abdc67ea6ded21f91bdf"
		"d731466058c91d0d1d2a905b337eae79\"],\"complete\":1}");
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
	nr_free(s);
}

/* A flight of the server's, backwards and each datagram twice: the same row. */
static void test_dtls_order_and_copies_do_not_matter(void **state)
{
	struct script *s = script_of(dtls12);
	struct rig r[2];

	begin(&r[0]);
	begin(&r[1]);
	for (size_t i = 0; i < s->n; i++)
		say(&r[0], &s->line[i]);
	for (size_t i = 0; i < s->n; i++) {
		size_t k = i >= 3 && i <= 6 ? 9 - i : i;

		say(&r[1], &s->line[k]);
		say(&r[1], &s->line[k]);
	}
	assert_string_equal(rig_rows(&r[1]), rig_rows(&r[0]));
	rig_free(&r[0]);
	rig_free(&r[1]);
	nr_free(s);
}

/* A handshake fragment in a datagram of its own. */
static size_t fragment(uint8_t *d, unsigned type, unsigned len, unsigned seq,
		       unsigned from, unsigned n, const uint8_t *body)
{
	memset(d, 0, RECORD + FRAGMENT);
	d[0] = 22;
	d[1] = 0xfe;
	d[2] = 0xfd;
	d[11] = (uint8_t)((FRAGMENT + n) >> 8);
	d[12] = (uint8_t)(FRAGMENT + n);
	d[13] = (uint8_t)type;
	d[14] = (uint8_t)(len >> 16);
	d[15] = (uint8_t)(len >> 8);
	d[16] = (uint8_t)len;
	d[17] = (uint8_t)(seq >> 8);
	d[18] = (uint8_t)seq;
	d[19] = (uint8_t)(from >> 16);
	d[20] = (uint8_t)(from >> 8);
	d[21] = (uint8_t)from;
	d[22] = (uint8_t)(n >> 16);
	d[23] = (uint8_t)(n >> 8);
	d[24] = (uint8_t)n;
	if (n)
		memcpy(d + RECORD + FRAGMENT, body, n);
	return RECORD + FRAGMENT + n;
}

/* The ClientHello in pieces of any size, overlapping by 5 bytes, last one first. */
static void test_dtls_hello_in_fragments(void **state)
{
	struct script *s = script_of(dtls12);
	const uint8_t *body = (const uint8_t *)s->line[0].text + RECORD + FRAGMENT;
	unsigned len = (unsigned)s->line[0].n - RECORD - FRAGMENT;

	for (unsigned part = 8; part < len; part++) {
		unsigned pieces = (len + part - 1) / part;
		struct rig r;

		begin(&r);
		for (unsigned i = pieces; i-- > 0;) {
			unsigned from = i * part > 5 ? i * part - 5 : 0;
			unsigned to = (i + 1) * part < len ? (i + 1) * part : len;
			uint8_t d[512];

			rig_datagram(
				&r, 0, d,
				fragment(d, 1, len, 0, from, to - from, body + from));
		}
		rig_end(&r);
		has(&r, "\"ja3\":\"248a2544f4221c0f02f877e42fe67853\"");
		has(&r, "\"complete\":1");
		rig_free(&r);
	}
	nr_free(s);
}

static void test_dtls_fragments_are_bounded(void **state)
{
	struct script *s = script_of(dtls12);
	static const uint8_t zeros[64];
	uint8_t d[512];
	struct rig r;

	begin(&r);
	say(&r, &s->line[0]);
	for (unsigned seq = 1; seq < 1000; seq++)
		rig_datagram(&r, 1, d, fragment(d, 11, 32768, seq, 7, 9, zeros));
	assert_true(r.account.used < 200000);
	/* pieces that never touch */
	for (unsigned i = 0; i < 1000; i++)
		rig_datagram(&r, 1, d, fragment(d, 11, 32768, 999, 20 * i, 9, zeros));
	assert_int_equal(r.verdict, NR_MORE);
	assert_string_equal(rig_anomalies(&r),
			    "tls_excess 1 {\"message\":11,\"length\":32768}\n");
	rig_end(&r);
	has(&r, "\"complete\":0");
	rig_free(&r);
	nr_free(s);
}

/* The length of a message costs what was sent of it, and no byte of it nothing. */
static void test_dtls_fragments_take_what_they_bring(void **state)
{
	struct script *s = script_of(dtls12);
	uint8_t d[512];
	struct rig r;
	size_t before;

	begin(&r);
	say(&r, &s->line[0]);
	before = r.account.used;
	for (unsigned seq = 1; seq < 1000; seq++)
		rig_datagram(&r, 1, d, fragment(d, 11, 32768, seq, 0, 0, NULL));
	assert_int_equal(r.account.used, before);
	rig_datagram(&r, 1, d, fragment(d, 11, 32768, 1, 0, 9, (uint8_t[9]){ 0 }));
	assert_true(r.account.used < before + 4096);
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
	nr_free(s);
}

/* Datagrams of 64 and more encrypted records, before anything could be encrypted. */
static void test_dtls_junk_hides_no_handshake(void **state)
{
	struct script *s = script_of(dtls12);
	uint8_t junk[RECORD * 100] = { 0 };
	struct rig r[2];

	for (size_t i = 0; i < sizeof(junk); i += RECORD)
		memcpy(junk + i, (uint8_t[]){ 23, 0xfe, 0xfd, 0, 1 }, 5);
	begin(&r[0]);
	begin(&r[1]);
	for (size_t i = 0; i < s->n; i++) {
		say(&r[0], &s->line[i]);
		say(&r[1], &s->line[i]);
		for (unsigned k = 0; i < 3 && k < 100; k++)
			rig_datagram(&r[1], k % 2, junk, sizeof(junk));
	}
	assert_string_equal(rig_rows(&r[1]), rig_rows(&r[0]));
	rig_free(&r[0]);
	rig_free(&r[1]);
	/* and where nothing else follows there is an end of it */
	begin(&r[0]);
	say(&r[0], &s->line[0]);
	for (unsigned k = 0; k < 5000; k++)
		rig_datagram(&r[0], 0, junk, sizeof(junk));
	has(&r[0], "\"server_hellos\":0");
	has(&r[0], "\"complete\":0}");
	rig_free(&r[0]);
	nr_free(s);
}

/* A client that lost its state: another random under number 0 (RFC 6347, 4.2.8). */
static void test_dtls_another_handshake_is_another_row(void **state)
{
	struct script *s = script_of(dtls12);
	uint8_t other[512];

	assert_true(s->line[0].n <= sizeof(other));
	memcpy(other, s->line[0].text, s->line[0].n);
	other[RECORD + FRAGMENT + 2] ^= 1;
	for (unsigned done = 0; done < 2; done++) {
		struct rig r;

		begin(&r);
		for (size_t i = 0; i < (done ? s->n : 1); i++)
			say(&r, &s->line[i]);
		say(&r, &s->line[0]); /* sent again: nothing new */
		rig_datagram(&r, 0, other, s->line[0].n);
		for (size_t i = 1; i < s->n; i++)
			say(&r, &s->line[i]);
		say(&r, &s->line[s->n - 1]);
		rig_end(&r);
		assert_int_equal(rig_count(rig_rows(&r), "tls {"), 2);
		assert_int_equal(rig_count(rig_rows(&r), "\"established\":1"), 1 + done);
		assert_int_equal(rig_count(rig_rows(&r), "\"server_hellos\":0"), !done);
		assert_int_equal(rig_count(rig_rows(&r), "\"ja3\":"), 2);
		rig_free(&r);
	}
	nr_free(s);
}

static void test_dtls_hello_cut_off_is_an_incomplete_row(void **state)
{
	/* dtls12's has no names: version, random, no session, cookie, three suites, SNI
	 */
	static const char hello[] = "\xfe\xfd"
				    "0123456789abcdef0123456789abcdef"
				    "\0\0\0\2\xc0\x2b\1\0\0\x12"
				    "\0\0\0\x0e\0\x0c\0\0\x09"
				    "a.example";
	struct rig r;
	uint8_t d[512];

	for (unsigned rest = 0; rest < 2; rest++) {
		begin(&r);
		rig_datagram(&r, 0, d,
			     fragment(d, 1, 400, 0, 0, sizeof(hello) - 1,
				      (const uint8_t *)hello));
		if (rest) /* but not what is between */
			rig_datagram(
				&r, 0, d,
				fragment(d, 1, 400, 0, 300, 4, (const uint8_t *)hello));
		rig_end(&r);
		assert_string_equal(r.service, "dtls");
		has(&r, "\"server_name\":\"a.example\"");
		has(&r, "\"client_hellos\":0");
		has(&r, "\"complete\":0}");
		rig_free(&r);
	}
}

/* Sent again whole, it is no longer put together. */
static void test_dtls_message_in_part_and_then_whole(void **state)
{
	struct script *s = script_of(dtls12);
	const uint8_t *body = (const uint8_t *)s->line[0].text + RECORD + FRAGMENT;
	unsigned len = (unsigned)s->line[0].n - RECORD - FRAGMENT;
	uint8_t d[512];
	struct rig r;

	begin(&r);
	rig_datagram(&r, 0, d, fragment(d, 1, len, 0, 0, 50, body));
	say(&r, &s->line[0]);
	rig_end(&r);
	has(&r, "\"client_hellos\":1");
	has(&r, "\"complete\":1}");
	rig_free(&r);
	nr_free(s);
}

static void test_dtls_behind_stun(void **state)
{
	static const uint8_t stun[20] = { 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42 };
	struct script *s = script_of(dtls12);
	struct nr_probe in = { .data = { stun },
			       .len = { sizeof(stun) },
			       .proto = NR_UDP_PROTO };
	struct rig r;

	assert_int_equal(nr_parser_dtls.probe(&in), NR_PROBE_YES);
	begin(&r);
	for (unsigned i = 0; i < 20; i++)
		rig_datagram(&r, i % 2, stun, sizeof(stun));
	assert_null(r.service);
	for (size_t i = 0; i < s->n; i++)
		say(&r, &s->line[i]);
	has(&r, "\"established\":1");
	rig_free(&r);
	begin(&r);
	for (unsigned i = 0; i < 100; i++)
		rig_datagram(&r, i % 2, stun, sizeof(stun));
	assert_int_equal(r.verdict, NR_NOT_MINE);
	rig_free(&r);
	nr_free(s);
}

/* RFC 9147: encrypted records have a header of their own. */
static void test_dtls_13_is_established_by_encrypted_records(void **state)
{
	/* as dtls12's, with supported_versions of DTLS 1.3 */
	static const char server[] =
		"16fefd0000000000000000003a0200002e000000000000002e"
		"fefd000000000000000000000000000000000000000000000000000000000000"
		"0000001301000006002b0002fefc";
	struct script *s = script_of(dtls12);
	uint8_t room[256], data[40] = { 0x2e, 1, 0 };
	struct rig r;

	begin(&r);
	say(&r, &s->line[0]);
	rig_datagram(&r, 1, room, unhex(room, server));
	rig_datagram(&r, 1, data, sizeof(data));
	assert_string_equal(rig_rows(&r), "");
	rig_datagram(&r, 0, (uint8_t[40]){ 0x2d, 1, 0 }, 40); /* early data */
	assert_string_equal(rig_rows(&r), "");
	rig_datagram(&r, 0, data, sizeof(data));
	has(&r, "\"version\":\"DTLSv1.3\"");
	has(&r, "\"established\":1");
	rig_free(&r);
	nr_free(s);
}

static void test_dtls_each_cut_is_survived(void **state)
{
	struct script *s = script_of(dtls12);

	for (size_t i = 0; i < s->n; i++) {
		for (size_t n = 1; n < s->line[i].n; n++) {
			struct nr_probe in = { .data = { (uint8_t *)s->line[i].text },
					       .len = { n },
					       .proto = NR_UDP_PROTO };
			struct rig r;

			nr_parser_dtls.probe(&in);
			begin(&r);
			say(&r, &s->line[0]);
			rig_datagram(&r, s->line[i].side, s->line[i].text, n);
			rig_free(&r);
		}
	}
	nr_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dtls_12_is_a_row),
		cmocka_unit_test(test_dtls_order_and_copies_do_not_matter),
		cmocka_unit_test(test_dtls_hello_in_fragments),
		cmocka_unit_test(test_dtls_fragments_are_bounded),
		cmocka_unit_test(test_dtls_fragments_take_what_they_bring),
		cmocka_unit_test(test_dtls_junk_hides_no_handshake),
		cmocka_unit_test(test_dtls_another_handshake_is_another_row),
		cmocka_unit_test(test_dtls_hello_cut_off_is_an_incomplete_row),
		cmocka_unit_test(test_dtls_message_in_part_and_then_whole),
		cmocka_unit_test(test_dtls_behind_stun),
		cmocka_unit_test(test_dtls_13_is_established_by_encrypted_records),
		cmocka_unit_test(test_dtls_each_cut_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
