/* SPDX-License-Identifier: BSD-3-Clause */
/* What is a secret in heads: masked in rows, told to who asks. */
#include "http_script.h"

#include <stdio.h>

static void test_http_secrets_are_masked_everywhere(void **state)
{
	static const struct rig_line script[] = {
		{ 0,
		  "GET http://u:s3cret0@h/p;jsessionid=s3cret1?a=1&Pass%77ord=s3cret2&b="
		  "%2Fx%3Ftoken%3Ds3cret3 HTTP/1.1\r\n"
		  "Authorization: Basic dXNlcjpzM2NyZXQ0\r\n"
		  "Proxy-Authorization:\r\n Bearer s3cret5\r\n"
		  "Cookie: a=s3cret6; s3cret7; b=s3cret8\r\n"
		  "Referer: http://x/?access_token=s3cret9\r\n"
		  "X-Api-Key : s3cret10\r\nX-Auth-Token: s3cret11\r\n"
		  "Authorization Basic s3cret12\r\n"
		  "Origin: http://u:s3cret13@h\r\n\r\n" },
		{ 1,
		  "HTTP/1.1 103 Hi\r\nSet-Cookie: e=s3cret14\r\n\r\n"
		  "HTTP/1.1 401 No\r\nSet-Cookie: c=s3cret15; Path=/; HttpOnly\r\n"
		  "Set-Cookie: s3cret16\r\nSet-Cookie: d=s3cret17; path=/, e=s3cret18\r\n"
		  "Location: /l?sid=s3cret19#access_token=s3cret20\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n0\r\nSet-Cookie: "
		  "t=s3cret21\r\n\r\n" },
		END
	};
	char *rows = http_run(script);

	assert_has_not(rows, "s3cret");
	assert_has_not(rows, "dXNlcjpz");
	assert_has(rows,
		   "\"uri\":\"http://u:*******@h/p;jsessionid=*******?a=1&Pass%77ord="
		   "*******&b=%2Fx%3Ftoken%3D*******\"");
	assert_has(rows, "[\"Authorization\",\"Basic ****************\"]");
	assert_has(rows, "[\"Proxy-Authorization\",\"Bearer *******\"]");
	assert_has(rows, "[\"Cookie\",\"a=*******; *******; b=*******\"]");
	assert_has(rows, "[\"Set-Cookie\",\"c=********; Path=/; HttpOnly\"]");
	assert_has(rows, "\"location\":\"/l?sid=******************************\"");
	assert_has(rows, "\"user\":\"user\"");
	assert_has(rows, "credential {\"service\":\"http\",\"user\":\"user\","
			 "\"secret\":\"*******\",\"mechanism\":\"basic\",\"success\":0}");
	nr_free(rows);
	rig_invariant(&nr_parser_http, 80, script);
}

/* No output has any part of what the texts hold as "s3cret". */
static void check_hidden(const char *before, const char *const *texts, const char *behind)
{
	for (; *texts; texts++) {
		char request[256];
		struct rig_line script[] = { { 0, request }, OK(0, ""), END };
		char *rows;

		snprintf(request, sizeof(request), "%s%s%s\r\n\r\n", before, *texts,
			 behind);
		rows = http_run(script);
		assert_has(rows, "\"complete\":1");
		assert_has(rows, "*");
		assert_has_not(rows, "s3");
		assert_has_not(rows, "cret");
		nr_free(rows);
		rig_invariant(&nr_parser_http, 80, script);
	}
}

static void test_http_secrets_in_user_information(void **state)
{
	static const char *const uris[] = {
		"http://user:s3@cret@host/",
		"http://user:s3:c@cret@host/a@b",
		"http://user:s3&cret@host/",
		"http://user:s3 cret@host/",
		"http://user:s3;cret@host/",
		"http://user:s3%40cret@host/",
		"http://user:s3%2Fcret@host/",
		"//user:s3cret@host/",
		"user:s3cret@host/",
		"/?http://user:s3cret@host/",
		"/?to=http://user:s3@cret@host/",
		"/?to=http%3A%2F%2Fuser%3As3cret%40host",
		"/?to=http%3a%2f%2fuser:s3%26cret@host",
		NULL,
	};
	static const char *const authorities[] = {
		"user:s3cret@host:443",
		"user:s3@cret@host:443",
		"user:s3 cret@host:443",
		"user:s3/?#cret@host:443",
		NULL,
	};

	check_hidden("GET ", uris, " HTTP/1.1");
	check_hidden("GET / HTTP/1.1\r\nReferer: ",
		     (const char *const[]){ uris[0], uris[2], uris[3], uris[5], uris[11],
					    NULL },
		     "");
	check_hidden("GET / HTTP/1.1\r\nVia: by http://user:s3@cret@",
		     (const char *const[]){ "host/", "host and@so on", NULL }, "");
	check_hidden("GET / HTTP/1.1\r\nHost: ", authorities, "");
	check_hidden("GET / HTTP/1.1\r\nX-Forwarded-Host: ", authorities, "");
	for (unsigned i = 0; authorities[i]; i++) {
		char connect[128];
		char *rows;

		snprintf(connect, sizeof(connect), "CONNECT %s HTTP/1.1\r\n\r\n",
			 authorities[i]);
		rows = http_run((const struct rig_line[])SAY(
			{ 0, connect }, { 1, "HTTP/1.1 200 ok\r\n\r\n" }));
		assert_has(rows, "\"host\":\"host:443\",\"uri\":\"user:**");
		assert_has_not(rows, "s3");
		assert_has_not(rows, "cret");
		nr_free(rows);
	}
}

static void test_http_secrets_in_values_and_names(void **state)
{
	static const char *const targets[] = {
		"/?password=s3 cret",
		"/? password=s3 cret",
		"/?my password=s3 cret",
		"/;token=s3 cret?a=1",
		"/?a/password=s3cret",
		"/?x&user[pwd]=s3cret",
		"/?licenseKey=s3cret",
		"/?X-Amz-Signature=s3cret",
		"/?key2=s3cret",
		"/?auth-key=s3cret",
		NULL,
	};
	static const char *const fields[] = {
		"X-Auth-Key: s3cret",
		"Ocp-Apim-Subscription-Key: s3cret",
		"X-Hub-Signature-256: sha256=s3cret",
		"X-Auth: s3cret",
		"X-Amz-Signature: s3cret",
		"Host: a\r\n Authorization: Basic s3cret",
		"Host: a:80\r\n\tb: c Cookie:sid=s3cret\r\n s3cret",
		"Referer: http://x/?password=s3 cret",
		NULL,
	};
	char *rows;

	check_hidden("GET ", targets, " HTTP/1.1");
	check_hidden("GET / HTTP/1.1\r\n", fields, "");
	rows = http_run((const struct rig_line[])SAY(
		{ 0, "GET /?monkey=open&to=http://h:80&by=a@b HTTP/1.1\r\n"
		     "Sec-WebSocket-Key: open\r\nUser-Agent: x (+http://h:80; a@b)\r\n"
		     "X-Auth-User: open\r\nX: Cookie: a\r\nY: a\r\n b: c\r\n\r\n" }));
	assert_has_not(rows, "*");
	nr_free(rows);
}

static void note_secret(void *arg, uint64_t flow_id, const uint8_t *p, size_t n)
{
	nr_buf_add(arg, p, n);
	nr_buf_char(arg, '|');
}

static void test_http_secrets_are_told_and_can_be_stored(void **state)
{
	struct nr_buf told = { 0 };
	struct rig r;

	rig_init(&r, &nr_parser_http, NR_TCP_PROTO, 40000, 80);
	r.options = (struct nr_parse_options){ .store_secrets = true,
					       .secret_seen = note_secret,
					       .secret_arg = &told };
	rig_say(&r, 0, "GET /?pwd=abc HTTP/1.1\r\nAuthorization: Basic dTpw\r\n\r\n");
	rig_end(&r);
	assert_has(rig_rows(&r), "\"uri\":\"/?pwd=abc\"");
	assert_has(rig_rows(&r), "Basic dTpw");
	assert_has(rig_rows(&r), "\"secret\":\"p\",\"mechanism\":\"basic\"}");
	assert_has(told.p, "abc|");
	assert_has(told.p, "dTpw|");
	assert_has(told.p, "|p|");
	nr_buf_fini(&told);
	rig_free(&r);
}

static void test_http_same_credential_is_one_row(void **state)
{
#define ASK "GET / HTTP/1.1\r\nAuthorization: Basic dTpw\r\n\r\n"
	char *rows = http_run((const struct rig_line[])SAY({ 0, ASK }, OK(0, ""),
							   { 0, ASK }, OK(0, "")));

	assert_int_equal(rig_count(rows, "credential {"), 1);
	assert_has(rows, "\"success\":1");
	nr_free(rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_secrets_are_masked_everywhere),
		cmocka_unit_test(test_http_secrets_in_user_information),
		cmocka_unit_test(test_http_secrets_in_values_and_names),
		cmocka_unit_test(test_http_secrets_are_told_and_can_be_stored),
		cmocka_unit_test(test_http_same_credential_is_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
