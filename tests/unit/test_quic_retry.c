/* SPDX-License-Identifier: BSD-3-Clause */
/* Hellos that are said again: Retry, version negotiation, HelloRetryRequest. */
#include "quic_pair.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quic_retry),
		cmocka_unit_test(test_quic_retry_not_seen),
		cmocka_unit_test(test_quic_retry_for_another_is_none),
		cmocka_unit_test(test_quic_version_negotiation),
		cmocka_unit_test(test_quic_compatible_version),
		cmocka_unit_test(test_quic_hello_retry_request),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	nr_arena_fini(&seal_arena);
	return failed;
}
