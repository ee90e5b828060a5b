/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_script.h"

#include "http.h"

#include <stdio.h>

/* What the script gives, whole and cut anywhere: n rows, and all the parts. */
static void check(const struct rig_line *script, unsigned n, const char *const *parts)
{
	char *rows = http_run(script);

	if (rig_count(rows, "http {") != n)
		fail_msg("not %u rows:\n%s", n, rows);
	for (; *parts; parts++)
		assert_has(rows, *parts);
	nr_free(rows);
	rig_invariant(&nr_parser_http, 80, script);
}

#define CHECK(n, script, ...)                                                            \
	check((const struct rig_line[])script, n,                                        \
	      (const char *const[]){ __VA_ARGS__, NULL })

static void test_http_one_row_for_a_transaction(void **state)
{
	CHECK(1,
	      SAY({ 0, "POST /a?b=c HTTP/1.1\r\nHost: h:81\r\nUser-Agent: ua\r\n"
		       "Referer: http://r/\r\nContent-Type: text/a\r\n"
		       "Content-Length: 3\r\n\r\nabc" },
		  { 1, "HTTP/1.0 404 Not Found\r\nContent-Type: text/b\r\n"
		       "Content-Encoding: gzip\r\nLocation: /l\r\n"
		       "Content-Length: 5\r\n\r\nhello" }),
	      "http "
	      "{\"complete\":1,\"trans_depth\":1,\"method\":\"POST\",\"host\":\"h:81\","
	      "\"uri\":\"/a?b=c\",\"request_version\":\"1.1\",\"user_agent\":\"ua\","
	      "\"referer\":\"http://r/\",\"status\":404,\"reason\":\"Not Found\","
	      "\"response_version\":\"1.0\",\"location\":\"/l\",\"request_headers\":"
	      "[[\"Host\",\"h:81\"],[\"User-Agent\",\"ua\"],[\"Referer\",\"http://r/\"],"
	      "[\"Content-Type\",\"text/a\"],[\"Content-Length\",\"3\"]],"
	      "\"response_headers\":[[\"Content-Type\",\"text/b\"],"
	      "[\"Content-Encoding\",\"gzip\"],[\"Location\",\"/l\"],"
	      "[\"Content-Length\",\"5\"]],\"request_content_type\":\"text/a\","
	      "\"response_content_type\":\"text/b\",\"request_body_bytes\":3,"
	      "\"response_body_bytes\":5,\"missed_bytes\":0,"
	      "\"response_encoding\":\"gzip\",\"request_ns\":");
}

static void test_http_chunks_and_trailers(void **state)
{
	CHECK(2,
	      SAY(GET("/1"),
		  { 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "5\r\nhello\r\n00A;ext=\"1\"\r\n0123456789\r\n0\r\n"
		       "Digest: x\r\n\r\n" },
		  GET("/2"), OK(2, "ok")),
	      "\"response_body_bytes\":15,", "\"response_trailers\":[[\"Digest\",\"x\"]]",
	      "\"uri\":\"/2\"");
}

static void test_http_chunked_request(void **state)
{
	CHECK(2,
	      SAY({ 0, "POST /1 HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
		       "3\r\nabc\r\n0\r\n\r\n" },
		  GET("/2"), OK(0, ""), OK(1, "x")),
	      "\"request_body_bytes\":3,\"response_body_bytes\":0",
	      "\"trans_depth\":2,\"method\":\"GET\"");
}

static void test_http_bad_chunk_loses_the_side_and_finds_it_again(void **state)
{
	CHECK(2,
	      SAY(GET("/1"),
		  { 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		       "3\r\nabc\r\nxyz\r\nHTTP is here\r\n" },
		  GET("/2"), OK(2, "ok")),
	      "\"complete\":0,\"trans_depth\":1,", "\"complete\":1,\"trans_depth\":2,",
	      "http_chunk 1 {\"what\":\"impossible size\",\"trans_depth\":1,"
	      "\"body_bytes\":3}",
	      "http_junk 1 {\"bytes\":19}");
}

static void test_http_odd_chunk_size_is_read_and_said(void **state)
{
	CHECK(1,
	      SAY(GET("/1"), { 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
				  " 3,\r\nabc\r\n1,\r\nd\r\n0\r\n\r\n" }),
	      "\"complete\":1", "\"response_body_bytes\":4",
	      "http_chunk 1 {\"what\":\"odd size\",\"trans_depth\":1,\"body_bytes\":0}");
	for (unsigned i = 0; i < 3; i++) {
		static const char *const bad[] = { "ffffffffffffffff1", "", ";1" };
		uint64_t size;
		bool odd;

		assert_false(nr_http_chunk_size(bad[i], strlen(bad[i]), 0, &size, &odd));
	}
}

static void test_http_head_204_304_have_no_body(void **state)
{
	CHECK(4,
	      SAY({ 0, "HEAD /1 HTTP/1.1\r\n\r\n" },
		  { 1, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" }, GET("/2"),
		  { 1, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n" },
		  GET("/3"),
		  { 1, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" },
		  GET("/4"), OK(2, "ok")),
	      "\"method\":\"HEAD\",\"uri\":\"/1\"", "\"status\":304", "\"status\":204",
	      "\"uri\":\"/4\",\"request_version\":\"1.1\",\"status\":200");
}

static void test_http_interim_responses(void **state)
{
	CHECK(1,
	      SAY({ 0, "PUT /1 HTTP/1.1\r\nExpect: 100-continue\r\n"
		       "Content-Length: 2\r\n\r\n" },
		  { 1, "HTTP/1.1 100 Continue\r\n\r\n"
		       "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" },
		  { 0, "ab" }, OK(1, "x")),
	      "\"interim\":[{\"status\":100,\"reason\":\"Continue\",\"headers\":[]},"
	      "{\"status\":103,\"reason\":\"Early Hints\","
	      "\"headers\":[[\"Link\",\"</a>\"]]}]",
	      "\"status\":200", "\"request_body_bytes\":2,\"response_body_bytes\":1");
}

static void test_http_refused_expectation_may_leave_the_body_out(void **state)
{
#define REFUSED                                                                          \
	{ 0, "POST /1 HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n" },  \
		{ 1, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", 0 }
	CHECK(2, SAY(REFUSED, GET("/2"), OK(0, "")), "\"status\":417",
	      "\"trans_depth\":2,\"method\":\"GET\"");
	CHECK(2, SAY(REFUSED, { 0, "BODY" }, GET("/2"), OK(0, "")),
	      "\"request_body_bytes\":4", "\"trans_depth\":2,\"method\":\"GET\"");
}

static void test_http_body_to_the_end(void **state)
{
	CHECK(1, SAY(GET("/1"), { 1, "HTTP/1.0 200 OK\r\n\r\nHTTP/1.1 500 is text\r\n" }),
	      "\"complete\":1", "\"status\":200", "\"response_body_bytes\":22");
}

static void test_http_request_without_length_has_no_body(void **state)
{
	CHECK(2,
	      SAY({ 0, "POST /1 HTTP/1.1\r\nHost: h\r\n\r\n" }, OK(1, "1"), GET("/2"),
		  OK(1, "2")),
	      "\"method\":\"POST\"", "\"method\":\"GET\"");
}

static void test_http_pipelined_requests_are_answered_in_order(void **state)
{
	CHECK(3,
	      SAY(GET("/1"), GET("/2"), GET("/3"), OK(1, "a"), OK(2, "ab"), OK(3, "abc")),
	      "\"trans_depth\":1,\"method\":\"GET\",\"host\":\"h\",\"uri\":\"/1\"",
	      "\"uri\":\"/3\",\"request_version\":\"1.1\",\"status\":200");
	CHECK(2,
	      SAY({ 0, "HEAD /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n" },
		  { 1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
		       "HTTP/1.1 201 OK\r\nContent-Length: 1\r\n\r\nx" }),
	      "\"uri\":\"/1\",\"request_version\":\"1.1\",\"status\":200",
	      "\"uri\":\"/2\",\"request_version\":\"1.1\",\"status\":201");
}

static void test_http_connect_and_upgrade_hand_over(void **state)
{
	static const char *const talks[][3] = {
		{ "CONNECT s:443 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 Yes\r\n\r\nbanner",
		  "\"upgrade\":\"connect\"" },
		{ "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
		  "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\n\r\n\x81\x01x",
		  "\"upgrade\":\"WebSocket\"" },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct rig r;

		rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 3128);
		rig_say(&r, 0, talks[i][0]);
		assert_int_equal(rig_say(&r, 1, talks[i][1]), NR_HAND_OVER);
		assert_null(r.p.next);
		assert_int_equal(r.p.rest_len, i ? 3 : 6);
		rig_end(&r);
		assert_has(rig_rows(&r), talks[i][2]);
		assert_has(rig_rows(&r), "\"complete\":1");
		rig_free(&r);
	}
}

/* A client that does not wait for the answer to CONNECT. */
static void test_http_early_bytes_of_a_tunnel(void **state)
{
	static const char ask[] = "CONNECT s:443 HTTP/1.1\r\n\r\n";
	static const char yes[] = "HTTP/1.1 200 Yes\r\n\r\n";
	static char many[20000];
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 3128);
	rig_say(&r, 0, ask);
	rig_say(&r, 0, "hel");
	rig_say(&r, 0, "lo");
	assert_int_equal(rig_say(&r, 1, yes), NR_HAND_OVER);
	assert_int_equal(r.p.early_len, 5);
	assert_memory_equal(r.p.early, "hello", 5);
	assert_int_equal(r.p.early_gap, 0);
	rig_end(&r);
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 3128);
	rig_say(&r, 0, ask);
	rig_say(&r, 0, "hello");
	rig_gap(&r, 0, 10);
	rig_data(&r, 0, many, sizeof(many));
	assert_int_equal(rig_say(&r, 1, yes), NR_HAND_OVER);
	assert_int_equal(r.p.early_len, 5);
	assert_int_equal(r.p.early_gap, 10 + sizeof(many));
	rig_free(&r);

	/* refused: they were for nobody, which is said */
	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 3128);
	rig_say(&r, 0, ask);
	rig_say(&r, 0, "hello");
	assert_int_equal(rig_say(&r, 1, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"),
			 NR_MORE);
	rig_end(&r);
	assert_has(rig_anomalies(&r), "5");
	rig_free(&r);
}

static void test_http_refused_connect_goes_on(void **state)
{
	CHECK(2,
	      SAY({ 0, "CONNECT s:443 HTTP/1.1\r\n\r\n" },
		  { 1, "HTTP/1.1 407 Auth\r\nContent-Length: 2\r\n\r\nno" }, GET("/2"),
		  OK(0, "")),
	      "\"host\":\"s:443\"", "\"status\":407", "\"trans_depth\":2");
}

static void test_http_one_sided(void **state)
{
	CHECK(2, SAY(OK(3, "abc"), OK(2, "ab")),
	      "http {\"complete\":1,\"trans_depth\":1,\"status\":200",
	      "http {\"complete\":1,\"trans_depth\":2,\"status\":200");
	CHECK(2, SAY(GET("/1"), GET("/2")), "\"uri\":\"/1\"", "\"uri\":\"/2\"");
}

static void test_http_response_side_may_be_the_initiator(void **state)
{
	CHECK(1,
	      SAY({ 1, "GET /1 HTTP/1.1\r\n\r\n" },
		  { 0, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" }),
	      "\"method\":\"GET\"", "\"status\":200");
}

/* Seen where a capture begins in the middle of a connection. */
static void test_http_keep_alive_byte_before_a_request(void **state)
{
	char *rows = http_run(
		(const struct rig_line[]){ { 0, "\0GET /1 HTTP/1.1\r\n\r\n", 20 }, END });

	assert_has(rows, "\"uri\":\"/1\"");
	assert_has(rows, "NUL byte before the start line");
	nr_free(rows);
}

static void test_http_09(void **state)
{
	CHECK(1, SAY({ 0, "GET /old\r\n" }, { 1, "<html>\nno head\r\n" }),
	      "\"complete\":1", "\"request_version\":\"0.9\"",
	      "\"response_body_bytes\":16");
}

static void test_http_signs_of_smuggling(void **state)
{
	static const struct {
		const char *fields, *signs;
	} t[] = {
		{ "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
		  "http_length 0 {\"trans_depth\":1,\"message\":\"request\","
		  "\"signs\":[\"Content-Length and Transfer-Encoding\"]}" },
		{ "Content-Length: 4\r\nContent-Length: 5\r\n",
		  "Content-Lengths that differ" },
		{ "Content-Length: 0, 0\r\n", "repeated Content-Length" },
		{ "Content-Length: +4\r\n", "impossible Content-Length" },
		{ "Content-Length: 99999999999999999999\r\n",
		  "impossible Content-Length" },
		{ "Content-Length: 4, 5\r\n", "Content-Lengths that differ" },
		{ "Content-Length: 4 x\r\n", "impossible Content-Length" },
		{ "Transfer-Encoding: chunked;\r\n", "unusual Transfer-Encoding" },
		{ "Transfer-Encoding: xchunked\r\n", "unusual Transfer-Encoding" },
		{ "Transfer-Encoding: chunked, gzip\r\n",
		  "chunked is not the last coding" },
		{ "Transfer-Encoding : chunked\r\n", "whitespace before the colon" },
		{ "Transfer-Encoding:\r\n chunked\r\n",
		  "a length field that is folded or malformed" },
		{ "X: a\rb\r\n", "CR without LF" },
		{ "X: a\nY: b\r\n", "line ends in LF alone" },
		{ "X: a\r\n b\r\n", "folded field" },
		{ " X: a\r\n", "whitespace before the first field" },
		{ "No colon\r\n", "field without a colon" },
		{ "B(d: a\r\n", "impossible field name" },
		{ "Host: a\r\nHost: b\r\n", "more than one Host" },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char head[256];
		struct rig_line script[] = { { 0, head, 0 }, END };
		char *rows;

		snprintf(head, sizeof(head), "POST /1 HTTP/1.1\r\n%s\r\n0\r\n\r\n",
			 t[i].fields);
		rows = http_run(script);
		assert_has(rows, t[i].signs);
		nr_free(rows);
		rig_invariant(&nr_parser_http, 80, script);
	}
}

static void test_http_target_and_host_that_differ(void **state)
{
	CHECK(1, SAY({ 0, "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n" }),
	      "Host differs from the target's authority");
	char *rows = http_run((const struct rig_line[])SAY(
		{ 0, "GET http://u@A:80/ HTTP/1.1\r\nHost: a\r\n\r\n" }));

	assert_has_not(rows, "differs");
	nr_free(rows);
}

static void test_http_both_lengths_read_as_chunked(void **state)
{
	CHECK(2,
	      SAY({ 0, "POST /1 HTTP/1.1\r\nContent-Length: 99\r\n"
		       "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n" },
		  GET("/2"), OK(0, ""), OK(0, "")),
	      "\"uri\":\"/2\"");
}

static void test_http_10_has_no_chunks(void **state)
{
	CHECK(1,
	      SAY(GET("/1"), { 1, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n"
				  "Content-Length: 2\r\n\r\nok" }),
	      "\"complete\":1", "\"response_body_bytes\":2",
	      "Transfer-Encoding in HTTP/1.0");
}

static void test_http_folded_value_is_one_line(void **state)
{
	CHECK(1, SAY({ 0, "GET / HTTP/1.1\r\nX: a \r\n\t b\r\n c\r\n\r\n" }),
	      "[\"X\",\"a b c\"]");
}

static void test_http_what_is_no_http_is_not_mine(void **state)
{
	struct rig r;
	enum nr_verdict v = NR_MORE;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	for (unsigned i = 0; i < 10000 && v == NR_MORE; i++)
		v = rig_say(&r, 0, "not a line of it\r\n");
	assert_int_equal(v, NR_NOT_MINE);
	rig_end(&r);
	assert_string_equal(rig_rows(&r), "");
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
}

/* Probing */

static enum nr_probe_result probe(const char *client, const char *server, bool begins,
				  bool port, bool last)
{
	struct nr_probe in = { .data = { (const uint8_t *)client,
					 (const uint8_t *)server },
			       .len = { strlen(client), strlen(server) },
			       .proto = 6,
			       .port = { 40000, port ? 80 : 8001 },
			       .port_match = port,
			       .begins = { begins, begins },
			       .last = last };

	return nr_parser_http.probe(&in);
}

static void test_http_probe(void **state)
{
	static const struct {
		const char *client, *server;
		enum nr_probe_result want; /* on no port of its own */
	} t[] = {
		{ "GET / HTTP/1.1\r\n", "", NR_PROBE_YES },
		{ "\r\nGET / HTTP/1.1\r\n", "", NR_PROBE_YES },
		{ "PROPFIND /a HTTP/1.0\n", "", NR_PROBE_YES },
		{ "RPC_IN_DATA /a HTTP/1.1\r\n", "", NR_PROBE_YES },
		{ "", "HTTP/1.1 200", NR_PROBE_YES },
		{ "GET / HT", "", NR_PROBE_MORE },
		{ "", "HTT", NR_PROBE_MORE },
		{ "GET /\r\n", "", NR_PROBE_MAYBE },
		{ "OPTIONS rtsp://h/ RTSP/1.0\r\n", "", NR_PROBE_NO },
		{ "OPTIONS sip:a@b SIP/2.0\r\n", "", NR_PROBE_NO },
		{ "", "RTSP/1.0 200 OK\r\n", NR_PROBE_NO },
		{ "", "ICY 200 OK\r\n", NR_PROBE_NO },
		{ "PRI * HTTP/2.0\r\n", "", NR_PROBE_NO },
		{ "SSH-2.0-x\r\n", "", NR_PROBE_NO },
		{ "EHLO h\r\n", "220 h ESMTP\r\n", NR_PROBE_NO },
		{ "\x16\x03\x01", "", NR_PROBE_NO },
		{ "EHLO h\r\n", "HTTP/1.1 400 B", NR_PROBE_YES },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		if (probe(t[i].client, t[i].server, true, false, false) != t[i].want)
			fail_msg("%s|%s", t[i].client, t[i].server);
	}
	/* in the middle of a stream */
	assert_int_equal(probe("x: y\r\n\r\nGET / HTTP/1.1\r\n", "", false, false, false),
			 NR_PROBE_YES);
	assert_int_equal(probe("some body", "", false, true, true), NR_PROBE_MAYBE);
	assert_int_equal(probe("some body", "", false, false, true), NR_PROBE_NO);
	assert_int_equal(probe("some body", "", true, true, true), NR_PROBE_NO);
}

static void test_http_ssdp(void **state)
{
	static const char search[] =
		"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
		"ST: ssdp:all\r\n\r\n";
	static const char answer[] = "HTTP/1.1 200 OK\r\nUSN: u\r\n\r\n";
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_UDP_PROTO, 40000, 1900);
	rig_datagram(&r, 0, search, sizeof(search) - 1);
	rig_datagram(&r, 0, search, 30);
	rig_datagram(&r, 0, "\0\1\2", 3);
	rig_datagram(&r, 1, answer, sizeof(answer) - 1);
	assert_string_equal(r.service, "ssdp");
	rig_end(&r);
	assert_int_equal(rig_count(rig_rows(&r), "http {"), 3);
	assert_has(rig_rows(&r),
		   "http {\"complete\":1,\"trans_depth\":1,\"method\":\"M-SEARCH\"");
	assert_has(rig_rows(&r), "http {\"complete\":0,\"trans_depth\":2");
	assert_has(rig_rows(&r), "http {\"complete\":1,\"trans_depth\":3,\"status\":200");
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_one_row_for_a_transaction),
		cmocka_unit_test(test_http_chunks_and_trailers),
		cmocka_unit_test(test_http_chunked_request),
		cmocka_unit_test(test_http_bad_chunk_loses_the_side_and_finds_it_again),
		cmocka_unit_test(test_http_odd_chunk_size_is_read_and_said),
		cmocka_unit_test(test_http_head_204_304_have_no_body),
		cmocka_unit_test(test_http_interim_responses),
		cmocka_unit_test(test_http_refused_expectation_may_leave_the_body_out),
		cmocka_unit_test(test_http_body_to_the_end),
		cmocka_unit_test(test_http_request_without_length_has_no_body),
		cmocka_unit_test(test_http_pipelined_requests_are_answered_in_order),
		cmocka_unit_test(test_http_connect_and_upgrade_hand_over),
		cmocka_unit_test(test_http_early_bytes_of_a_tunnel),
		cmocka_unit_test(test_http_refused_connect_goes_on),
		cmocka_unit_test(test_http_one_sided),
		cmocka_unit_test(test_http_response_side_may_be_the_initiator),
		cmocka_unit_test(test_http_keep_alive_byte_before_a_request),
		cmocka_unit_test(test_http_09),
		cmocka_unit_test(test_http_signs_of_smuggling),
		cmocka_unit_test(test_http_target_and_host_that_differ),
		cmocka_unit_test(test_http_both_lengths_read_as_chunked),
		cmocka_unit_test(test_http_10_has_no_chunks),
		cmocka_unit_test(test_http_folded_value_is_one_line),
		cmocka_unit_test(test_http_what_is_no_http_is_not_mine),
		cmocka_unit_test(test_http_probe),
		cmocka_unit_test(test_http_ssdp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
