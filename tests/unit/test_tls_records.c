/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS where records tell less than they seem to: early data, alerts in pieces, hellos
   with a hole, hellos in records of a byte. */
#include "base/cursor.h"
#include "tls_script.h"

extern const struct nr_parser nr_parser_tls;

enum { ALERT = 21, HANDSHAKE = 22, DATA = 23 };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, FINISHED = 53 };

static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c
};

static void record(struct rig *r, unsigned side, uint8_t type, const void *body, size_t n)
{
	uint8_t *d = nr_xcalloc(1, 5 + n);

	memcpy(d, (uint8_t[]){ type, 3, 3, (uint8_t)(n >> 8), (uint8_t)n }, 5);
	if (body)
		memcpy(d + 5, body, n);
	rig_data(r, side, d, 5 + n);
	nr_free(d);
}

/* A hello of TLS 1.3 with no more than it needs; the client's announces early data. */
static void hello(struct rig *r, uint8_t type, const uint8_t *random, bool early)
{
	static const char client[] = "\0\0\2\x13\x01\1\0\0\x1f"
				     "\0\x2b\0\3\2\3\4"
				     "\0\0\0\x0e\0\x0c\0\0\x09"
				     "a.example";
	static const char server[] = "\0\x13\x01\0\0\6\0\x2b\0\2\3\4";
	uint8_t m[128] = { type };
	size_t n = 4 + 2 + 32;

	m[4] = m[5] = 3;
	if (random)
		memcpy(m + 6, random, 32);
	if (type == CLIENT_HELLO) {
		memcpy(m + n, client, sizeof(client) - 1);
		m[n + 8] = (uint8_t)(sizeof(client) - 1 - 9 + (early ? 4 : 0));
		n += sizeof(client) - 1;
		if (early)
			memcpy(m + n, "\0\x2a\0\0", 4);
		n += early ? 4 : 0;
	} else {
		memcpy(m + n, server, sizeof(server) - 1);
		n += sizeof(server) - 1;
	}
	m[3] = (uint8_t)(n - 4);
	record(r, type == SERVER_HELLO, HANDSHAKE, m, n);
}

static void begin(struct rig *r)
{
	rig_init(r, &nr_parser_tls, NR_TCP_PROTO, 40000, 443);
}

/* A server that refuses early data skips them, as many as come (RFC 8446, 4.2.10). */
static void test_tls_early_data_do_not_end_the_reading(void **state)
{
	struct rig r;

	begin(&r);
	hello(&r, CLIENT_HELLO, NULL, true);
	for (unsigned i = 0; i < 1000; i++)
		record(&r, 0, DATA, NULL, 100);
	assert_int_equal(r.verdict, NR_MORE);
	hello(&r, SERVER_HELLO, NULL, false);
	for (unsigned i = 0; i < 1000; i++)
		record(&r, 0, DATA, NULL, 100);
	record(&r, 1, DATA, NULL, 500);
	assert_int_equal(r.verdict, NR_MORE);
	record(&r, 0, DATA, NULL, FINISHED);
	assert_int_equal(r.verdict, NR_DONE);
	assert_has(rig_rows(&r), "\"version\":\"TLSv1.3\"");
	assert_has(rig_rows(&r), "\"server_hellos\":1");
	assert_has(rig_rows(&r), "\"established\":1");
	assert_has(rig_rows(&r), "\"complete\":1}");
	rig_free(&r);
}

static void test_tls_server_never_heard_is_given_up(void **state)
{
	struct rig r;

	begin(&r);
	hello(&r, CLIENT_HELLO, NULL, true);
	for (unsigned i = 0; i < 5000; i++)
		record(&r, 0, DATA, NULL, 100);
	assert_int_equal(r.verdict, NR_DONE);
	assert_has(rig_rows(&r), "\"server_hellos\":0");
	assert_has(rig_rows(&r), "\"complete\":0}");
	rig_free(&r);
	begin(&r);
	hello(&r, CLIENT_HELLO, NULL, false);
	for (unsigned i = 0; i < 70; i++) /* its hello was missed */
		record(&r, 1, DATA, NULL, 100);
	assert_int_equal(r.verdict, NR_DONE);
	assert_has(rig_rows(&r), "\"complete\":0}");
	rig_free(&r);
}

/* Early data that are on their way while the server answers establish nothing. */
static void test_tls_early_data_in_flight_are_no_finished(void **state)
{
	struct rig r;

	begin(&r);
	hello(&r, CLIENT_HELLO, NULL, true);
	hello(&r, SERVER_HELLO, NULL, false);
	record(&r, 1, DATA, NULL, 500);
	record(&r, 0, DATA, NULL, 300);
	rig_end(&r);
	assert_has(rig_rows(&r), "\"established\":0");
	rig_free(&r);
	begin(&r);
	hello(&r, CLIENT_HELLO, NULL, true);
	hello(&r, SERVER_HELLO, retry_random, false);
	for (unsigned i = 0; i < 100; i++)
		record(&r, 0, DATA, NULL, 300);
	hello(&r, CLIENT_HELLO, NULL, false);
	hello(&r, SERVER_HELLO, NULL, false);
	record(&r, 1, DATA, NULL, 500);
	assert_int_equal(r.verdict, NR_MORE);
	assert_string_equal(rig_rows(&r), "");
	record(&r, 0, DATA, NULL,
	       300); /* of a certificate as well, with another length */
	assert_int_equal(r.verdict, NR_DONE);
	assert_has(rig_rows(&r), "\"client_hellos\":2,\"server_hellos\":2");
	assert_has(rig_rows(&r), "\"established\":1");
	rig_free(&r);
}

static void test_tls_alerts_share_a_record_or_lie_in_two(void **state)
{
	static const struct {
		const char *records[3];
		uint8_t n[3];
		const char *alert; /* NULL: none */
	} cases[] = {
		{ { "\1\x5a\2\x28" }, { 4 }, "\"alert\":\"fatal handshake_failure\"" },
		{ { "\2", "\x28" }, { 1, 1 }, "\"alert\":\"fatal handshake_failure\"" },
		{ { "\1\x5a\2", "\x28" },
		  { 3, 1 },
		  "\"alert\":\"fatal handshake_failure\"" },
		/* encrypted: the ChangeCipherSpec was missed */
		{ { "\2\x28\3\x28" }, { 4 }, NULL },
		{ { "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1" }, { 18 }, NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;

		begin(&r);
		hello(&r, CLIENT_HELLO, NULL, false);
		for (unsigned k = 0; cases[i].n[k]; k++)
			record(&r, 1, ALERT, cases[i].records[k], cases[i].n[k]);
		rig_end(&r);
		if (cases[i].alert)
			assert_has(rig_rows(&r), cases[i].alert);
		else
			assert_has_not(rig_rows(&r), "\"alert\"");
		rig_free(&r);
	}
}

/* What stood before the hole is in the row, wherever the hole ends. */
static void test_tls_hello_with_a_hole_keeps_its_names(void **state)
{
	static const size_t holes[][2] = { { 150, 20 }, { 150, 79 }, { 150, 200 } };
	struct script *s = script_of(tls12);
	const struct rig_line *l = s->line;

	assert_int_equal(l[0].n, 229);
	for (size_t i = 0; i < 3; i++) {
		size_t from = holes[i][0], n = holes[i][1];
		struct rig r;

		begin(&r);
		rig_data(&r, 0, l[0].text, from);
		rig_gap(&r, 0, n);
		if (from + n < l[0].n)
			rig_data(&r, 0, l[0].text + from + n, l[0].n - from - n);
		rig_data(&r, 1, l[1].text, l[1].n);
		rig_end(&r);
		assert_string_equal(r.service, "tls");
		assert_has(rig_rows(&r), "\"server_name\":\"server.example\"");
		assert_has(rig_rows(&r), "\"client_hellos\":0,\"server_hellos\":1");
		/* more may be offered behind the hole */
		assert_has_not(rig_rows(&r), "\"client_version\"");
		assert_has(rig_rows(&r), "\"complete\":0}");
		rig_free(&r);
	}
	/* the rest comes after the server's hello, or never */
	for (unsigned answered = 0; answered < 2; answered++) {
		struct rig r;

		begin(&r);
		rig_data(&r, 0, l[0].text, 150);
		if (answered)
			rig_data(&r, 1, l[1].text, l[1].n);
		rig_end(&r);
		assert_string_equal(r.service, "tls");
		assert_has(rig_rows(&r), "\"server_name\":\"server.example\"");
		rig_free(&r);
	}
	nr_free(s);
}

static enum nr_probe_result probe(const uint8_t *p, size_t n)
{
	struct nr_probe in = { .len = { n }, .proto = NR_TCP_PROTO, .begins = { true } };
	uint8_t *exact = nr_xmalloc(n);
	enum nr_probe_result found;

	memcpy(exact, p, n);
	in.data[0] = exact;
	found = nr_parser_tls.probe(&in);
	nr_free(exact);
	return found;
}

/* A hello cut into records of `size` bytes is known by the first six together. */
static void test_tls_probe_knows_a_hello_in_tiny_records(void **state)
{
	for (unsigned size = 1; size < 6; size++) {
		static const uint8_t message[10] = { CLIENT_HELLO, 0, 0, 6, 3, 3 };
		uint8_t d[64], other[64];
		size_t n = 0;
		unsigned need = (6 + size - 1) / size * 5 + 6;

		for (unsigned at = 0; at < 6; at += size) {
			memcpy(d + n, (uint8_t[]){ HANDSHAKE, 3, 1, 0, (uint8_t)size },
			       5);
			memcpy(d + n + 5, message + at, size);
			n += 5 + size;
		}
		for (size_t k = 1; k < need; k++)
			assert_int_equal(probe(d, k), NR_PROBE_MORE);
		assert_int_equal(probe(d, need), NR_PROBE_YES);
		memcpy(other, d, sizeof(other));
		other[5 + size] = DATA; /* of the second record */
		assert_int_equal(probe(other, need), NR_PROBE_NO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_early_data_do_not_end_the_reading),
		cmocka_unit_test(test_tls_server_never_heard_is_given_up),
		cmocka_unit_test(test_tls_early_data_in_flight_are_no_finished),
		cmocka_unit_test(test_tls_alerts_share_a_record_or_lie_in_two),
		cmocka_unit_test(test_tls_hello_with_a_hole_keeps_its_names),
		cmocka_unit_test(test_tls_probe_knows_a_hello_in_tiny_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
