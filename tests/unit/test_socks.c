/* SPDX-License-Identifier: BSD-3-Clause */
/* SOCKS: what is taken apart, and what is handed on to whom. */
#include "rig.h"

extern const struct nr_parser nr_parser_socks;

#define GREETING  "\5\1\0"
#define METHOD    "\5\0"
#define REQUEST   "\5\1\0\1\1\2\3\4\0\120"
#define REPLY     "\5\0\0\1\0\0\0\0\0\0"
#define REQUEST4  "\4\1\0\120\1\2\3\4me\0"
#define REQUEST4A "\4\1\0\120\0\0\0\7me\0a.example\0"
#define REPLY4    "\0\132\0\0\0\0\0\0"
#define BYTES(s)  (s), sizeof(s) - 1

struct talk {
	unsigned side;
	const char *p;
	size_t n;
};

/* All of a side's message in one call, or byte by byte; the verdict at the end. */
static enum nr_verdict talk(struct rig *r, const struct talk *t, size_t n, bool drip)
{
	enum nr_verdict v = NR_MORE;

	rig_init(r, &nr_parser_socks, NR_TCP_PROTO, 40000, 1080);
	for (size_t i = 0; i < n; i++) {
		if (!drip) {
			v = rig_data(r, t[i].side, t[i].p, t[i].n);
			continue;
		}
		for (size_t k = 0; k < t[i].n; k++)
			v = rig_data(r, t[i].side, t[i].p + k, 1);
	}
	return v;
}

#define TALK(r, drip, ...)                                                               \
	talk(r, (const struct talk[]){ __VA_ARGS__ },                                    \
	     sizeof((struct talk[]){ __VA_ARGS__ }) / sizeof(struct talk), drip)

static void test_socks_5_and_4_hand_over(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned drip = 0; drip < 2; drip++) {
		assert_int_equal(TALK(&r, drip, { 0, BYTES(GREETING) },
				      { 1, BYTES(METHOD) }, { 0, BYTES(REQUEST) },
				      { 1, BYTES(REPLY) }),
				 NR_HAND_OVER);
		assert_null(r.p.next);
		assert_int_equal(r.p.rest_len + r.p.early_len, 0);
		assert_string_equal(r.service, "socks");
		rig_free(&r);
		assert_int_equal(
			TALK(&r, drip, { 0, BYTES(REQUEST4) }, { 1, BYTES(REPLY4) }),
			NR_HAND_OVER);
		rig_free(&r);
		assert_int_equal(
			TALK(&r, drip, { 0, BYTES(REQUEST4A) }, { 1, BYTES(REPLY4) }),
			NR_HAND_OVER);
		rig_free(&r);
	}
}

static void test_socks_address_kinds(void **state)
{
	struct rig r;

	(void)state;
	assert_int_equal(TALK(&r, false, { 0, BYTES(GREETING) }, { 1, BYTES(METHOD) },
			      { 0, BYTES("\5\1\0\3\11a.example\0\120") },
			      { 1, BYTES("\5\0\0\4"
					 "0123456789abcdef\0\120x") }),
			 NR_HAND_OVER);
	assert_int_equal(r.p.rest_len, 1);
	rig_free(&r);
}

/* A client that does not wait: all its messages at once, and the request behind them. */
static void test_socks_early_bytes_go_to_the_next(void **state)
{
	struct rig r;

	(void)state;
	assert_int_equal(TALK(&r, false, { 0, BYTES(GREETING REQUEST "GET /") },
			      { 1, BYTES(METHOD REPLY "220 hi") }),
			 NR_HAND_OVER);
	assert_int_equal(r.p.rest_len, 6);
	assert_int_equal(r.p.early_len, 5);
	assert_memory_equal(r.p.early, "GET /", 5);
	assert_int_equal(r.p.early_gap, 0);
	rig_free(&r);
}

static void test_socks_early_bytes_that_are_missed_are_a_gap(void **state)
{
	struct rig r;
	static char many[20000];

	(void)state;
	TALK(&r, false, { 0, BYTES(GREETING) }, { 1, BYTES(METHOD) },
	     { 0, BYTES(REQUEST "GET") });
	assert_int_equal(rig_gap(&r, 0, 7), NR_MORE);
	rig_data(&r, 0, "more", 4);
	assert_int_equal(rig_data(&r, 1, REPLY, sizeof(REPLY) - 1), NR_HAND_OVER);
	assert_int_equal(r.p.early_len, 3);
	assert_int_equal(r.p.early_gap, 11);
	rig_free(&r);
	TALK(&r, false, { 0, BYTES(GREETING) }, { 1, BYTES(METHOD) },
	     { 0, BYTES(REQUEST) });
	rig_data(&r, 0, many, sizeof(many));
	assert_int_equal(rig_data(&r, 1, REPLY, sizeof(REPLY) - 1), NR_HAND_OVER);
	assert_int_equal(r.p.early_len + r.p.early_gap, sizeof(many));
	assert_true(r.p.early_gap > 0);
	rig_free(&r);
}

static void test_socks_login_is_a_credential(void **state)
{
	struct rig r;

	(void)state;
	for (unsigned drip = 0; drip < 2; drip++) {
		for (unsigned refused = 0; refused < 2; refused++) {
			assert_int_equal(TALK(&r, drip, { 0, BYTES("\5\2\0\2") },
					      { 1, BYTES("\5\2") },
					      { 0, BYTES("\1\3bob\5alice") },
					      { 1, refused ? "\1\1" : "\1\0", 2 }),
					 refused ? NR_DONE : NR_MORE);
			rig_end(&r);
			assert_non_null(strstr(rig_rows(&r),
					       "\"service\":\"socks\",\"user\":\"bob\","
					       "\"secret\":\"*****\""));
			assert_non_null(strstr(rig_rows(&r), refused ? "\"success\":0"
								     : "\"success\":1"));
			rig_free(&r);
		}
	}
	TALK(&r, false, { 0, BYTES("\5\1\2") }, { 1, BYTES("\5\2") },
	     { 0, BYTES("\1\3bob\5alice") });
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"mechanism\":\"plain\"}"));
	rig_free(&r);
}

static void test_socks_ends(void **state)
{
	struct rig r;

	(void)state;
	assert_int_equal(TALK(&r, false, { 0, BYTES(GREETING) }, { 1, BYTES("\5\377") }),
			 NR_DONE);
	rig_free(&r);
	assert_int_equal(TALK(&r, false, { 0, BYTES(GREETING REQUEST) },
			      { 1, BYTES(METHOD "\5\5\0\1\0\0\0\0\0\0") }),
			 NR_DONE);
	rig_free(&r);
	assert_int_equal(TALK(&r, false, { 0, BYTES(GREETING "\5\3\0\1\0\0\0\0\0\0") },
			      { 1, BYTES(METHOD REPLY) }),
			 NR_DONE);
	rig_free(&r);
	/* BIND: the second reply tells who came */
	assert_int_equal(TALK(&r, false, { 0, BYTES(GREETING "\5\2\0\1\1\2\3\4\0\120") },
			      { 1, BYTES(METHOD REPLY) }, { 1, BYTES(REPLY "hello") }),
			 NR_HAND_OVER);
	assert_int_equal(r.p.rest_len, 5);
	rig_free(&r);
	assert_int_equal(
		TALK(&r, false, { 0, BYTES(GREETING) }, { 1, BYTES("HTTP/1.1 200") }),
		NR_NOT_MINE);
	rig_free(&r);
	/* a version that is none, in one piece and in two */
	assert_int_equal(TALK(&r, false, { 0, BYTES("\0\2\0\1") }), NR_NOT_MINE);
	rig_free(&r);
	assert_int_equal(TALK(&r, true, { 0, BYTES("\0\2\0\1") }), NR_NOT_MINE);
	rig_free(&r);
	TALK(&r, false, { 0, BYTES(GREETING) });
	assert_int_equal(rig_gap(&r, 1, 2), NR_LOST);
	rig_free(&r);
}

static void test_socks_a_name_without_end_is_given_up(void **state)
{
	struct rig r;
	char name[700];

	(void)state;
	memset(name, 'x', sizeof(name));
	memcpy(name, "\4\1\0\120\1\2\3\4", 8);
	assert_int_equal(TALK(&r, false, { 0, name, sizeof(name) }), NR_MALFORMED);
	rig_free(&r);
}

static enum nr_probe_result probe(const char *c, size_t n, const char *s, size_t m,
				  bool port)
{
	struct nr_probe in = { .data = { (const uint8_t *)c, (const uint8_t *)s },
			       .len = { n, m },
			       .proto = NR_TCP_PROTO,
			       .port_match = port,
			       .begins = { true, true } };

	return nr_parser_socks.probe(&in);
}

static void test_socks_probe(void **state)
{
	(void)state;
	assert_int_equal(probe(BYTES(GREETING), "", 0, true), NR_PROBE_YES);
	assert_int_equal(probe(BYTES(GREETING), "", 0, false), NR_PROBE_MORE);
	assert_int_equal(probe(BYTES(GREETING), BYTES(METHOD), false), NR_PROBE_YES);
	assert_int_equal(probe(BYTES(GREETING), BYTES("\5\2"), false), NR_PROBE_NO);
	assert_int_equal(probe(BYTES(GREETING), BYTES("\5\0\0"), false), NR_PROBE_NO);
	/* whatever of it comes in one piece */
	assert_int_equal(
		probe(BYTES(GREETING REQUEST), BYTES(METHOD REPLY "SSH-"), false),
		NR_PROBE_YES);
	assert_int_equal(probe(BYTES(GREETING REQUEST), BYTES(METHOD "\5"), false),
			 NR_PROBE_YES);
	assert_int_equal(probe(BYTES(GREETING REQUEST), BYTES(METHOD "\5\11"), false),
			 NR_PROBE_NO);
	assert_int_equal(probe(BYTES(GREETING), BYTES(METHOD REPLY), false),
			 NR_PROBE_MORE);
	assert_int_equal(probe(BYTES("\5\1\2\1\1a\1b"), BYTES("\5\2\1\0"), false),
			 NR_PROBE_YES);
	assert_int_equal(probe(BYTES("\5\1\2\1\1a\1b"), BYTES("\5\2\5\0"), false),
			 NR_PROBE_NO);
	assert_int_equal(probe(BYTES(REQUEST4), BYTES(REPLY4 "220 hi"), false),
			 NR_PROBE_YES);
	assert_int_equal(probe(BYTES(REQUEST4), BYTES("\0\133\0\0\0\0\0\0x"), false),
			 NR_PROBE_NO);
	assert_int_equal(probe(BYTES(GREETING "x"), BYTES(METHOD), true), NR_PROBE_NO);
	assert_int_equal(probe(BYTES("\5\1\40"), BYTES("\5\40"), true), NR_PROBE_NO);
	assert_int_equal(probe(BYTES(REQUEST4A), BYTES(REPLY4), false), NR_PROBE_YES);
	assert_int_equal(probe(BYTES(REQUEST4), BYTES("\0\1\0\0\0\0\0\0"), false),
			 NR_PROBE_NO);
	assert_int_equal(probe(BYTES("GET / HTTP/1.1\r\n"), "", 0, true), NR_PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_socks_5_and_4_hand_over),
		cmocka_unit_test(test_socks_address_kinds),
		cmocka_unit_test(test_socks_early_bytes_go_to_the_next),
		cmocka_unit_test(test_socks_early_bytes_that_are_missed_are_a_gap),
		cmocka_unit_test(test_socks_login_is_a_credential),
		cmocka_unit_test(test_socks_ends),
		cmocka_unit_test(test_socks_a_name_without_end_is_given_up),
		cmocka_unit_test(test_socks_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
