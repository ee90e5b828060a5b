/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes that are missing: in bodies, chunks and heads, between messages, at the end. */
#include "http_script.h"

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
		cmocka_unit_test(test_http_what_ends_early_is_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
