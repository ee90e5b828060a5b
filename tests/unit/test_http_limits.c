/* SPDX-License-Identifier: BSD-3-Clause */
/* Heads, lines and transactions without end, and noise. */
#include "http_script.h"

#include "http.h"

#include <stdio.h>

static void test_http_long_head_is_cut_and_said(void **state)
{
	struct rig r;
	char field[128];

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, "POST / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(field, sizeof(field), "X-%u: %0100u\r\n", i, i);
		rig_say(&r, 0, field);
	}
	assert_true(r.account.used < 200000);
	/* what says the length is read all the same */
	rig_say(&r, 0, "Content-Length: 3\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\n");
	rig_end(&r);
	assert_int_equal(rig_count(rig_rows(&r), "http {"), 2);
	assert_has(rig_rows(&r), "\"request_body_bytes\":3");
	assert_has(rig_anomalies(&r), "http_limit 0 {\"what\":\"head\"");
	rig_free(&r);
}

static void test_http_long_line_is_cut_and_said(void **state)
{
	static char field[300000], uri[100000];
	struct rig r;

	memset(field, 'f', sizeof(field) - 1);
	memset(uri, 'u', sizeof(uri) - 1);
	for (unsigned drip = 0; drip < 2; drip++) {
		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
		rig_say(&r, 0, "HEAD /");
		for (size_t i = 0; drip && i < sizeof(uri) - 1; i++)
			rig_data(&r, 0, &uri[i], 1);
		if (!drip)
			rig_say(&r, 0, uri);
		rig_say(&r, 0, " HTTP/1.0\r\nX: ");
		rig_say(&r, 0, field);
		rig_say(&r, 0, "\r\n a\r\nHost: h\r\n\r\n");
		rig_end(&r);
		assert_has(rig_rows(&r), "\"request_version\":\"1.0\"");
		assert_has(rig_rows(&r),
			   "http {\"complete\":1,\"trans_depth\":1,\"method\":"
			   "\"HEAD\",\"host\":\"h\",\"uri\":\"/uuu");
		assert_has(rig_anomalies(&r), "http_limit 0 {\"what\":\"head\"");
		rig_free(&r);
	}
}

static void test_http_open_transactions_are_capped(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	for (unsigned i = 1; i <= 1000; i++) {
		char get[64];

		snprintf(get, sizeof(get), "GET /%u HTTP/1.1\r\n\r\n", i);
		rig_say(&r, 0, get);
	}
	for (unsigned i = 1; i <= 1000; i++) {
		char ok[64];

		snprintf(ok, sizeof(ok), "HTTP/1.1 %u OK\r\nContent-Length: 0\r\n\r\n",
			 200 + i % 100);
		rig_say(&r, 1, ok);
	}
	rig_end(&r);
	assert_has(rig_rows(&r),
		   "\"uri\":\"/127\",\"request_version\":\"1.1\",\"status\":227");
	assert_has(rig_rows(&r),
		   "\"uri\":\"/1000\",\"request_version\":\"1.1\",\"status\":200");
	assert_has(rig_rows(&r), "\"trans_depth\":500,\"method\":\"GET\"");
	assert_has(rig_rows(&r), "\"trans_depth\":500,\"status\":200");
	assert_int_equal(rig_count(rig_anomalies(&r), "http_limit 0 {\"what\":\"open"),
			 1);
	rig_free(&r);
}

/* Beyond the cap each answer is read as its request has it, HEAD or not. */
static void test_http_head_beyond_the_cap_is_remembered(void **state)
{
	const unsigned n = 1000;
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	for (unsigned i = 1; i <= n; i++)
		rig_say(&r, 0,
			i % 3 ? "HEAD / HTTP/1.1\r\n\r\n" : "GET / HTTP/1.1\r\n\r\n");
	for (unsigned i = 1; i <= n; i++) {
		char ok[64];

		snprintf(ok, sizeof(ok),
			 "HTTP/1.1 200 R%u\r\nContent-Length: 9\r\n\r\n%s", i,
			 i % 3 ? "" : "123456789");
		rig_say(&r, 1, ok);
	}
	rig_end(&r);
	for (unsigned i = 1; i <= n; i++) {
		char reason[64];
		const char *row, *body;

		snprintf(reason, sizeof(reason), "\"reason\":\"R%u\"", i);
		row = strstr(rig_rows(&r), reason);
		assert_non_null(row);
		body = strstr(row, "\"response_body_bytes\":");
		assert_non_null(body);
		assert_int_equal(body[strlen("\"response_body_bytes\":")],
				 i % 3 ? '0' : '9');
	}
	assert_has_not(rig_rows(&r), "\"complete\":0");
	assert_has_not(rig_anomalies(&r), "http_junk");
	rig_free(&r);
}

static void test_http_interim_responses_are_capped(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, "GET / HTTP/1.1\r\n\r\n");
	for (unsigned i = 0; i < 1000; i++)
		rig_say(&r, 1, "HTTP/1.1 102 Wait\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	rig_end(&r);
	assert_int_equal(rig_count(rig_rows(&r), "\"status\":102"), NR_HTTP_INTERIM_MAX);
	assert_int_equal(rig_count(rig_anomalies(&r), "http_limit"), 1);
	rig_free(&r);
}

/* Each byte of a slowly dripping head is looked at a bounded number of times. */
static void test_http_slow_drip_is_linear(void **state)
{
	static char field[60000];
	uint64_t work[2];

	memset(field, 'f', sizeof(field) - 1);
	for (unsigned drip = 0; drip < 2; drip++) {
		struct rig r;

		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
		rig_say(&r, 0, "GET / HTTP/1.1\r\nX: ");
		for (size_t i = 0; i + 60 < sizeof(field); i += drip ? 1 : 60) {
			rig_data(&r, 0, field + i, drip ? 1 : 60);
			if (i % 6000 == 0)
				rig_say(&r, 0, "\r\n ");
		}
		rig_say(&r, 0, "\r\n\r\n");
		work[drip] = ((struct nr_http *)r.ctx)->work;
		rig_end(&r);
		assert_true(work[drip] < 3 * sizeof(field));
		rig_free(&r);
	}
}

static void test_http_account_at_its_cap_is_overflow(void **state)
{
	struct rig r;
	enum nr_verdict v = NR_MORE;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	r.account.max = r.account.used + 2000;
	rig_say(&r, 0, "GET / HTTP/1.1\r\n");
	for (unsigned i = 0; i < 1000 && v == NR_MORE; i++)
		v = rig_say(&r, 0, "Name: value\r\n");
	assert_int_equal(v, NR_OVERFLOW);
	rig_end(&r);
	assert_has(rig_rows(&r), "http {\"complete\":0");
	rig_free(&r);
}

/* Any bytes, any cuts, gaps anywhere: an end, and all memory given back. */
static void test_http_noise(void **state)
{
	static const char *const words[] = {
		"GET ",
		"/",
		" HTTP/1.1",
		"\r\n",
		"\n",
		"HTTP/1.1 ",
		"200 OK\r\n",
		"Content-Length: ",
		"5",
		"Transfer-Encoding: chunked\r\n",
		"\r\n\r\n",
		"0\r\n",
		"a",
		" ",
		":",
		"CONNECT h:1 HTTP/1.1\r\n\r\n",
		"HTTP/1.1 100 C",
		"Expect: 100-continue\r\n",
		"\0\xff\xfe",
		"HEAD / HTTP/1.1\r\n\r\n",
		"HTTP/1.1 417 x",
		"POST / HTTP/1.1\r\n",
		"Cookie: a=b; c=",
		"Authorization: Basic eDp5\r\n",
	};
	uint64_t seed = 1;

	for (unsigned round = 0; round < 4000; round++) {
		struct rig r;

		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
		for (unsigned i = 0; i < 60 && rig_is_open(&r); i++) {
			unsigned pick;

			seed = seed * 6364136223846793005u + 1442695040888963407u;
			pick = (unsigned)(seed >> 33);
			if (pick % 23 == 0)
				rig_gap(&r, pick >> 8 & 1, 1 + (pick >> 9) % 20);
			else
				rig_say(&r, pick >> 8 & 1,
					words[(pick >> 10) %
					      (sizeof(words) / sizeof(*words))]);
			if (pick % 97 == 0)
				rig_fin(&r, pick >> 8 & 1);
		}
		rig_end(&r);
		rig_rows(&r);
		rig_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_long_head_is_cut_and_said),
		cmocka_unit_test(test_http_long_line_is_cut_and_said),
		cmocka_unit_test(test_http_open_transactions_are_capped),
		cmocka_unit_test(test_http_head_beyond_the_cap_is_remembered),
		cmocka_unit_test(test_http_interim_responses_are_capped),
		cmocka_unit_test(test_http_slow_drip_is_linear),
		cmocka_unit_test(test_http_account_at_its_cap_is_overflow),
		cmocka_unit_test(test_http_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
