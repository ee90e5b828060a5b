/* SPDX-License-Identifier: BSD-3-Clause */
/* What peers may not do, do without end, or damage. */
#include "quic_pair.h"

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
		cmocka_unit_test(test_quic_initials_without_end),
		cmocka_unit_test(test_quic_too_many_keys),
		cmocka_unit_test(test_quic_crypto_far_ahead_is_refused),
		cmocka_unit_test(test_quic_frame_not_allowed_is_told),
		cmocka_unit_test(test_quic_message_too_long),
		cmocka_unit_test(test_quic_hello_that_cannot_be_read),
		cmocka_unit_test(test_quic_account_full),
		cmocka_unit_test(test_quic_damaged_packets),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	nr_arena_fini(&seal_arena);
	return failed;
}
