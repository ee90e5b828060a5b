/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that are missing: in bodies, chunks and heads, between messages, at the end. */
#include "http_script.h"

#include "http.h"

static void test_http_gap_in_a_body_is_counted(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, "GET /1 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc");
	rig_gap(&r, 1, 999000);
	for (unsigned i = 0; i < 997; i++)
		rig_say(&r, 1, "x");
	rig_say(&r, 0, "GET /2 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	rig_end(&r);
	assert_has(rig_rows(&r), "http {\"complete\":0,\"trans_depth\":1");
	assert_has(rig_rows(&r),
		   "\"response_body_bytes\":1000000,\"missed_bytes\":999000");
	assert_has(rig_rows(&r), "http {\"complete\":1,\"trans_depth\":2");
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
}

static void test_http_gap_in_a_chunk_is_counted(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nab");
	rig_gap(&r, 1, 14);
	rig_say(&r, 1, "\r\n0\r\n\r\nHTTP/1.1 204 No\r\n\r\n");
	rig_end(&r);
	assert_has(rig_rows(&r), "\"response_body_bytes\":16,\"missed_bytes\":14");
	assert_has(rig_rows(&r), "\"trans_depth\":2,\"status\":204");
	rig_free(&r);
}

static void test_http_gap_in_a_head_is_an_incomplete_row(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, "GET /1 HTTP/1.1\r\nHost: h\r\nCook");
	rig_gap(&r, 0, 100);
	rig_say(&r, 0, "rest: 1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
	rig_end(&r);
	assert_has(rig_rows(&r),
		   "http {\"complete\":0,\"trans_depth\":1,\"method\":\"GET\","
		   "\"host\":\"h\",\"uri\":\"/1\",\"request_version\":\"1.1\","
		   "\"status\":200");
	assert_has(rig_rows(&r),
		   "http {\"complete\":1,\"trans_depth\":2,\"method\":\"GET\","
		   "\"uri\":\"/2\",\"request_version\":\"1.1\",\"status\":201");
	assert_string_equal(rig_anomalies(&r), "http_resync 0 {\"bytes\":11}\n");
	rig_free(&r);
}

/* Responses to 1 and 2 are lost; a client that does not pipeline has them. */
static void test_http_response_behind_a_gap_belongs_to_the_newest_request(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, "GET /1 HTTP/1.1\r\n\r\n");
	rig_gap(&r, 1, 500);
	rig_say(&r, 0, "GET /2 HTTP/1.1\r\n\r\n");
	rig_gap(&r, 1, 500);
	rig_say(&r, 0, "GET /3 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n");
	rig_end(&r);
	assert_int_equal(rig_count(rig_rows(&r), "http {"), 3);
	assert_has(rig_rows(&r),
		   "\"uri\":\"/3\",\"request_version\":\"1.1\",\"status\":203");
	rig_free(&r);
}

static void test_http_request_lost_before_its_response(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, "GET /1 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 201 OK\r\nContent-Length: 0\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 202 OK\r\nContent-Length: 0\r\n\r\n");
	rig_gap(&r, 0, 100);
	rig_say(&r, 0, "GET /3 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 203 OK\r\nContent-Length: 0\r\n\r\n");
	rig_gap(&r, 0, 100);
	rig_say(&r, 1, "HTTP/1.1 204 OK\r\n\r\n");
	rig_say(&r, 0, "GET /5 HTTP/1.1\r\n\r\n");
	rig_say(&r, 1, "HTTP/1.1 205 OK\r\nContent-Length: 0\r\n\r\n");
	rig_end(&r);
	assert_int_equal(rig_count(rig_rows(&r), "http {"), 5);
	assert_has(rig_rows(&r),
		   "\"uri\":\"/1\",\"request_version\":\"1.1\",\"status\":201");
	assert_has(rig_rows(&r), "http {\"complete\":1,\"trans_depth\":2,\"status\":202");
	assert_has(rig_rows(&r),
		   "\"uri\":\"/3\",\"request_version\":\"1.1\",\"status\":203");
	assert_has(rig_rows(&r), "http {\"complete\":0,\"trans_depth\":4,\"status\":204");
	assert_has(rig_rows(&r),
		   "\"uri\":\"/5\",\"request_version\":\"1.1\",\"status\":205");
	rig_free(&r);
}

#define CONNECT "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n"
#define AGAIN   CONNECT "Proxy-Authorization: Basic dTpw\r\n\r\n"
#define TUNNEL  "HTTP/1.1 200 R2\r\n\r\n"

static void check_asked_again(struct rig *r)
{
	rig_say(r, 1, TUNNEL);
	assert_int_equal(r->verdict, NR_HAND_OVER);
	rig_end(r);
	assert_int_equal(rig_count(rig_rows(r), "\"method\":\"CONNECT\""), 2);
	assert_has(rig_rows(r), "\"trans_depth\":2,\"method\":\"CONNECT\"");
	assert_int_equal(rig_count(rig_rows(r), "\"reason\":\"R2\""), 1);
	assert_has(rig_rows(r), "\"upgrade\":\"connect\"");
	assert_has(rig_rows(r), "\"mechanism\":\"basic\",\"success\":1");
	rig_free(r);
}

/* CONNECT, its 407 is lost, CONNECT again: no bytes of a tunnel, however they come. */
static void test_http_refusal_of_connect_is_lost(void **state)
{
	const char again[] = AGAIN;
	struct rig r;

	for (size_t cut = 0; cut < sizeof(again); cut++) {
		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
		rig_say(&r, 0, CONNECT "\r\n");
		rig_data(&r, 0, again, cut);
		rig_gap(&r, 1, 60);
		rig_data(&r, 0, again + cut, sizeof(again) - 1 - cut);
		check_asked_again(&r);
	}
	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, CONNECT "\r\n");
	rig_gap(&r, 1, 60);
	for (size_t i = 0; i < sizeof(again) - 1; i++)
		rig_data(&r, 0, again + i, 1);
	check_asked_again(&r);
	/* the loss is seen when the client has closed; what it says in the tunnel is not
	   to the proxy */
	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, CONNECT "\r\n" AGAIN "GET / HTTP/1.1\r\n\r\n");
	rig_fin(&r, 0);
	rig_gap(&r, 1, 60);
	check_asked_again(&r);
}

/* What is no request, or was said without a loss, is the tunnel's. */
static void test_http_tunnel_behind_a_gap_stays_one(void **state)
{
	struct rig r;

	static const char *const early[] = {
		AGAIN, /* nothing is lost */
		"\x16\x03\x01 hello\n" AGAIN,
		"GET / HTTP/1.1\r\nHost: http://h\r\n\r\n",
	};

	for (unsigned i = 0; i < sizeof(early) / sizeof(*early); i++) {
		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
		rig_say(&r, 0, CONNECT "\r\n");
		rig_say(&r, 0, early[i]);
		if (i)
			rig_gap(&r, 1, 10);
		rig_say(&r, 1, TUNNEL);
		assert_int_equal(r.verdict, NR_HAND_OVER);
		assert_int_equal(r.p.early_len, strlen(early[i]));
		rig_end(&r);
		assert_int_equal(rig_count(rig_rows(&r), "http {"), 1);
		rig_free(&r);
	}
}

static void test_http_requests_behind_lost_refusals_are_linear(void **state)
{
	static const char again[] = CONNECT "\r\n";
	static char all[16000];
	struct rig r;
	size_t n = 0;

	for (; n + sizeof(again) < sizeof(all); n += sizeof(again) - 1)
		memcpy(all + n, again, sizeof(again) - 1);
	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	rig_say(&r, 0, again);
	rig_data(&r, 0, all, n);
	rig_gap(&r, 1, 60);
	assert_true(((struct nr_http *)r.ctx)->work < 3 * sizeof(all));
	rig_end(&r);
	assert_int_equal(rig_count(rig_rows(&r), "\"method\":\"CONNECT\""),
			 1 + n / (sizeof(again) - 1));
	rig_free(&r);
}

static void test_http_what_ends_early_is_a_row(void **state)
{
	static const char *const cut[] = {
		"GET /long/pa", "GET /long/path HTTP/1.1\r\nHo",
		"POST /long/path HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"
	};

	for (unsigned i = 0; i < 3; i++) {
		struct rig r;

		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
		rig_say(&r, 0, cut[i]);
		rig_end(&r);
		assert_has(rig_rows(&r),
			   "http {\"complete\":0,\"trans_depth\":1,\"method\":");
		assert_has(rig_rows(&r), "\"uri\":\"/long/pa");
		rig_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_gap_in_a_body_is_counted),
		cmocka_unit_test(test_http_gap_in_a_chunk_is_counted),
		cmocka_unit_test(test_http_gap_in_a_head_is_an_incomplete_row),
		cmocka_unit_test(
			test_http_response_behind_a_gap_belongs_to_the_newest_request),
		cmocka_unit_test(test_http_request_lost_before_its_response),
		cmocka_unit_test(test_http_refusal_of_connect_is_lost),
		cmocka_unit_test(test_http_tunnel_behind_a_gap_stays_one),
		cmocka_unit_test(test_http_requests_behind_lost_refusals_are_linear),
		cmocka_unit_test(test_http_what_ends_early_is_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
