/* SPDX-License-Identifier: BSD-3-Clause */
/* Bodies whose framing is not what the head promised. */
#include "http_script.h"

#include <stdio.h>

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"

/* The rows and anomalies of the script have all the parts, however it is cut. */
static void check(const struct rig_line *script, const char *const *parts)
{
	char *rows = http_run(script);

	for (; *parts; parts++)
		assert_has(rows, *parts);
	nr_free(rows);
	rig_invariant(&nr_parser_http, 80, script);
}

#define CHECK(script, ...)                                                               \
	check((const struct rig_line[])script, (const char *const[]){ __VA_ARGS__, NULL })

static void test_http_framing_unchunked_body_to_the_end(void **state)
{
	CHECK(SAY(GET("/1"),
		  { 1, CHUNKED "Connection: close\r\n\r\nNo chunk.\r\nHTTP/1.1 x\r\n" }),
	      "\"complete\":0,\"trans_depth\":1,", "\"response_body_bytes\":23,",
	      "http_chunk 1 {\"what\":\"impossible size\",\"trans_depth\":1,"
	      "\"body_bytes\":0}");
	/* among other words, in any case */
	CHECK(SAY(GET("/1"), { 1, CHUNKED "Connection: te, Close\r\n\r\nNo" }),
	      "\"response_body_bytes\":2,");
}

static void test_http_framing_unchunked_body_by_its_length(void **state)
{
	CHECK(SAY(GET("/1"), { 1, CHUNKED "Content-Length: 9\r\n\r\nNo chunk." },
		  GET("/2"), OK(2, "ok")),
	      "\"complete\":0,\"trans_depth\":1,", "\"response_body_bytes\":9,",
	      "\"complete\":1,\"trans_depth\":2,", "\"response_body_bytes\":2,");
	CHECK(SAY(GET("/1"), { 1, CHUNKED "Content-Length: 0\r\n\r\n" }, GET("/2"),
		  OK(2, "ok")),
	      "\"trans_depth\":2,", "\"response_body_bytes\":2,");
}

static void test_http_framing_next_response_in_place_of_a_chunk(void **state)
{
	/* where the length says nothing, and where chunks came before */
	CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\n" }, GET("/2"), OK(2, "ok")),
	      "\"complete\":0,\"trans_depth\":1,", "\"complete\":1,\"trans_depth\":2,",
	      "\"response_body_bytes\":2,");
	CHECK(SAY(GET("/1"),
		  { 1,
		    CHUNKED "Connection: close\r\nContent-Length: 9\r\n\r\n1\r\na\r\n" },
		  GET("/2"), OK(2, "ok")),
	      "\"complete\":0,\"trans_depth\":1,", "\"complete\":1,\"trans_depth\":2,",
	      "\"response_body_bytes\":2,");
	/* in place of the line end behind one */
	CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\n1\r\na" }, GET("/2"), OK(2, "ok")),
	      "http_chunk 1 {\"what\":\"no line end behind it\",",
	      "\"complete\":1,\"trans_depth\":2,", "\"response_body_bytes\":2,");
}

static void test_http_framing_next_request_in_place_of_a_chunk(void **state)
{
	CHECK(SAY({ 0, "POST /1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
		       "Content-Length: 40\r\n\r\n" },
		  GET("/2"), OK(2, "ok"), OK(2, "ok")),
	      "\"complete\":0,\"trans_depth\":1,", "\"complete\":1,\"trans_depth\":2,",
	      "\"uri\":\"/2\"");
}

static void test_http_framing_all_bytes_are_counted(void **state)
{
	CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\n \tno size\r\nmore" }),
	      "http_junk 1 {\"bytes\":15}");
	CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\n1\r\na\rno end\r\nmore" }),
	      "http_junk 1 {\"bytes\":13}");
	CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\nno size" }), "http_junk 1 {\"bytes\":7}");
}

static void test_http_framing_odd_line_ends_of_chunks(void **state)
{
	static const char *const odd[] = { "1\na\r\n0\r\n\r\n", "1\r\na\n0\r\n\r\n",
					   "1;x\ry\r\na\r\n0\r\n\r\n",
					   "1\r\na\r\n0;x\n\r\n" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\n" }, { 1, odd[i] }, GET("/2"),
			  OK(2, "ok")),
		      "\"complete\":1,\"trans_depth\":1,", "\"response_body_bytes\":1,",
		      "http_chunk 1 {\"what\":\"odd line end\",\"trans_depth\":1,",
		      "\"complete\":1,\"trans_depth\":2,");
}

static void test_http_framing_even_chunks_are_not_odd(void **state)
{
	char *rows = http_run((const struct rig_line[]){
		GET("/1"),
		{ 1, CHUNKED "\r\n1;x=\"y\"\r\na\r\n", 0 },
		/* one that is cut */
		{ 1,
		  "1;x=\"0123456789012345678901234567890123456789"
		  "0123456789012345678901234567890123456789\"\r\n"
		  "a\r\n0\r\n\r\n",
		  0 },
		END });

	assert_has(rows, "\"complete\":1");
	assert_has_not(rows, "http_chunk");
	nr_free(rows);
}

static void test_http_framing_status_of_four_digits_has_a_body(void **state)
{
	static const char *const odd[] = { "0204", "0304", "0101", "0100", "00204" };

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		char head[64];
		struct rig_line script[] = { GET("/1"), { 1, head, 0 }, { 1, "body", 0 },
					     GET("/2"), OK(2, "ok"),    END };

		snprintf(head, sizeof(head),
			 "HTTP/1.1 %s ok\r\nContent-Length: 4\r\n\r\n", odd[i]);
		check(script, (const char *const[]){
				      "\"response_body_bytes\":4,", "impossible status",
				      "\"complete\":1,\"trans_depth\":2,", NULL });
	}
}

static void test_http_framing_start_lines_that_are_odd(void **state)
{
	static const struct {
		const char *line, *sign;
	} odd[] = {
		{ "http/1.1 200 ok", "[\"HTTP in small letters\"]" },
		{ "HTTP/1.01 200 ok", "[\"impossible version\"]" },
		{ " HTTP/1.1 200 ok", "[\"whitespace before the start line\"]" },
		{ "\rHTTP/1.1 200 ok", "[\"whitespace before the start line\"]" },
		{ "HTTP/1.1  200 ok", "[\"superfluous whitespace in the start line\"]" },
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		char head[64];
		struct rig_line script[] = {
			GET("/1"), { 1, head, 0 }, { 1, "body", 0 }, END
		};

		snprintf(head, sizeof(head), "%s\r\nContent-Length: 4\r\n\r\n",
			 odd[i].line);
		check(script, (const char *const[]){ "\"complete\":1,", "\"status\":200,",
						     "\"response_body_bytes\":4,",
						     odd[i].sign, NULL });
	}
	CHECK(SAY({ 0, "GET / http/1.1\r\n\r\n" }), "[\"HTTP in small letters\"]",
	      "\"request_version\":\"1.1\"");
}

static void test_http_framing_leading_zeros_of_a_chunk_size(void **state)
{
	static const char *const behind[] = { "3\r\nabc\r\n0\r\n\r\n",
					      "3;x=y\r\nabc\r\n0\r\n\r\n",
					      "3\r\nabc\r\n000\r\n\r\n" };
	char chunk[256];

	for (unsigned zeros = 60; zeros < 200; zeros += 7) {
		for (size_t i = 0; i < sizeof(behind) / sizeof(*behind); i++) {
			snprintf(chunk, sizeof(chunk), "%0*d%s", zeros, 0, behind[i]);
			CHECK(SAY({ 0, "POST /1 HTTP/1.1\r\n"
				       "Transfer-Encoding: chunked\r\n\r\n" },
				  { 0, chunk }, GET("/2"), OK(0, ""), OK(2, "ok")),
			      "\"uri\":\"/1\"", "\"request_body_bytes\":3,",
			      "\"complete\":1,\"trans_depth\":2,", "\"uri\":\"/2\"");
		}
	}
}

static void test_http_framing_size_that_is_not_all_there(void **state)
{
	char chunk[256];
	char *rows;

	/* other digits than zeros, and zeros that are not the line's first */
	for (unsigned space = 0; space < 2; space++) {
		snprintf(chunk, sizeof(chunk), "%s%0100d3\r\nabc\r\n", space ? " " : "1",
			 0);
		CHECK(SAY(GET("/1"), { 1, CHUNKED "\r\n" }, { 1, chunk }, GET("/2"),
			  OK(2, "ok")),
		      "http_chunk 1 {\"what\":\"impossible size\",",
		      "\"complete\":0,\"trans_depth\":1,",
		      "\"complete\":1,\"trans_depth\":2,");
	}
	/* behind zeros as behind other digits: not one of these is a size of 3 */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const odd[] = { " 3", "x3", " ;3" };

		snprintf(chunk, sizeof(chunk), "00%s\r\n\r\n", odd[i]);
		rows = http_run((const struct rig_line[])SAY(
			GET("/1"), { 1, CHUNKED "\r\n" }, { 1, chunk }));
		assert_has(rows, "\"complete\":1,");
		assert_has(rows, "\"response_body_bytes\":0,");
		assert_int_equal(rig_count(rows, "odd size"), i < 2);
		nr_free(rows);
	}
}

static void test_http_framing_empty_codings_do_not_count(void **state)
{
	static const char *const codings[] = { "chunked,", "chunked ,, ,", ",chunked",
					       "gzip,,chunked,\r\n\t" };

	for (size_t i = 0; i < sizeof(codings) / sizeof(*codings); i++) {
		char post[128], ok[128];

		snprintf(post, sizeof(post),
			 "POST /1 HTTP/1.1\r\nTransfer-Encoding: %s\r\n\r\n", codings[i]);
		snprintf(ok, sizeof(ok),
			 "HTTP/1.1 200 ok\r\nTransfer-Encoding: %s\r\n\r\n", codings[i]);
		CHECK(SAY({ 0, post }, { 0, "2\r\nab\r\n0\r\n\r\n" }, GET("/2"),
			  { 1, ok }, { 1, "3\r\nabc\r\n0\r\n\r\n" }, OK(4, "abcd")),
		      "\"request_body_bytes\":2,\"response_body_bytes\":3,",
		      "\"complete\":1,\"trans_depth\":2,", "\"response_body_bytes\":4,",
		      "\"unusual Transfer-Encoding\"");
	}
	/* none at all: the length counts */
	CHECK(SAY(GET("/1"),
		  { 1, "HTTP/1.1 200 ok\r\nTransfer-Encoding:\r\n"
		       "Content-Length: 2\r\n\r\nab" },
		  GET("/2"), OK(4, "abcd")),
	      "\"response_body_bytes\":2,", "\"response_body_bytes\":4,");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_framing_unchunked_body_to_the_end),
		cmocka_unit_test(test_http_framing_unchunked_body_by_its_length),
		cmocka_unit_test(test_http_framing_next_response_in_place_of_a_chunk),
		cmocka_unit_test(test_http_framing_next_request_in_place_of_a_chunk),
		cmocka_unit_test(test_http_framing_all_bytes_are_counted),
		cmocka_unit_test(test_http_framing_odd_line_ends_of_chunks),
		cmocka_unit_test(test_http_framing_even_chunks_are_not_odd),
		cmocka_unit_test(test_http_framing_start_lines_that_are_odd),
		cmocka_unit_test(test_http_framing_leading_zeros_of_a_chunk_size),
		cmocka_unit_test(test_http_framing_size_that_is_not_all_there),
		cmocka_unit_test(test_http_framing_empty_codings_do_not_count),
		cmocka_unit_test(test_http_framing_status_of_four_digits_has_a_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
