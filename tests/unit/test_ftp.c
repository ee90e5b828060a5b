/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <stdio.h>

extern const struct nr_parser nr_parser_ftp;

static const struct rig_line session[] = {
	{ 1, "220-Hello\r\n you\r\n220 ready\r\n", 0 },
	{ 0, "user joe\r\n", 0 },
	{ 1, "331 Password for joe?\r\n", 0 },
	{ 0, "PASS s3cret\r\n", 0 },
	{ 1, "230 s3cret is right, joe\r\n", 0 },
	{ 0, "PASV\r\n", 0 },
	{ 1, "227 Entering Passive Mode (10,0,0,2,4,1).\r\n", 0 },
	{ 0, "RETR a file.txt\r\n", 0 },
	{ 1, "150 Opening\r\n", 0 },
	{ 1, "226 Done\r\n", 0 },
	{ 0, "QUIT\r\n", 0 },
	{ 1, "221 Bye\r\n", 0 },
	{ 0, NULL, 0 },
};

static void test_ftp_each_command_is_a_row_with_its_reply(void **state)
{
	char *rows = rig_run(&nr_parser_ftp, 21, session, 0, false);

	rig_strip_times(rows);
	assert_string_equal(
		rows,
		"ftp {\"reply_code\":220,\"reply_text\":\"Hello\\n you\\nready\","
		"\"complete\":1}\n"
		"ftp {\"command_ns\":,\"command\":\"USER\",\"argument\":\"joe\","
		"\"reply_code\":331,\"reply_text\":\"Password for joe?\","
		"\"user\":\"joe\",\"complete\":1}\n"
		"ftp {\"command_ns\":,\"command\":\"PASS\",\"argument\":\"******\","
		"\"reply_code\":230,\"reply_text\":\"****** is right, joe\","
		"\"user\":\"joe\",\"complete\":1}\n"
		"credential {\"service\":\"ftp\",\"user\":\"joe\",\"secret\":\"******\","
		"\"mechanism\":\"plain\",\"success\":1}\n"
		"ftp {\"command_ns\":,\"command\":\"PASV\",\"reply_code\":227,"
		"\"reply_text\":\"Entering Passive Mode (10,0,0,2,4,1).\","
		"\"user\":\"joe\",\"data_flow_id\":1001,\"passive\":1,"
		"\"data_ip\":\"10.0.0.2\",\"data_port\":1025,\"complete\":1}\n"
		"ftp {\"command_ns\":,\"command\":\"RETR\",\"argument\":\"a file.txt\","
		"\"reply_code\":226,\"reply_text\":\"Done\","
		"\"interim\":[\"150 Opening\"],\"user\":\"joe\",\"data_flow_id\":1001,"
		"\"passive\":1,\"data_ip\":\"10.0.0.2\",\"data_port\":1025,"
		"\"complete\":1}\n"
		"ftp {\"command_ns\":,\"command\":\"QUIT\",\"reply_code\":221,"
		"\"reply_text\":\"Bye\",\"user\":\"joe\",\"complete\":1}\n");
	nr_free(rows);
}

static void test_ftp_rows_do_not_depend_on_segments(void **state)
{
	rig_invariant(&nr_parser_ftp, 21, session);
}

static void test_ftp_passive_flows_are_expected(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "EPSV\r\n");
	rig_say(&r, 1, "229 Entering Extended Passive Mode (|||50000|)\r\n");
	assert_int_equal(r.n_expected, 1);
	assert_int_equal(r.expected.dst_port, 50000);
	assert_memory_equal(r.expected.dst_ip, r.addr[1], 4);
	assert_memory_equal(r.expected.src_ip, r.addr[0], 4);
	assert_int_equal(r.expected.src_port, 0);
	assert_string_equal(r.expected.service, "ftp-data");
	/* a server behind a NAT gives an address of its own: both are expected */
	rig_say(&r, 0, "PASV\r\n");
	rig_say(&r, 1, "227 Entering Passive Mode 192,168,1,1,0,99\r\n");
	assert_int_equal(r.n_expected, 3);
	assert_memory_equal(r.expected.dst_ip, r.addr[1], 4);
	assert_int_equal(r.expected.dst_port, 99);
	assert_non_null(strstr(rig_rows(&r), "\"data_ip\":\"192.168.1.1\","
					     "\"data_port\":99"));
	rig_free(&r);
}

static void test_ftp_active_flows_are_expected(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "PORT 10,0,0,1,195,80\r\n");
	assert_int_equal(r.n_expected, 1);
	assert_int_equal(r.expected.dst_port, 50000);
	assert_memory_equal(r.expected.dst_ip, r.addr[0], 4);
	assert_memory_equal(r.expected.src_ip, r.addr[1], 4);
	rig_say(&r, 1, "200 ok\r\n");
	rig_say(&r, 0, "EPRT |2|2001:db8::1|1234|\r\n");
	assert_int_equal(r.n_expected, 3);
	rig_say(&r, 1, "200 ok\r\n");
	rig_say(&r, 0, "STOR x\r\n");
	rig_say(&r, 1, "226 ok\r\n");
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"STOR\",\"argument\":\"x\","
					     "\"reply_code\":226,\"reply_text\":\"ok\","
					     "\"data_flow_id\":1003,\"passive\":0,"
					     "\"data_ip\":\"2001:db8::1\","
					     "\"data_port\":1234"));
	rig_free(&r);
}

static void test_ftp_impossible_addresses_expect_nothing(void **state)
{
	static const char *const lines[] = {
		"PORT 10,0,0,1,195\r\n",
		"PORT 10,0,0,256,1,1\r\n",
		"PORT\r\n",
		"EPRT |1|10.0.0.1|70000|\r\n",
		"EPRT |3|10.0.0.1|7|\r\n",
		"EPRT |1|10.0.0.1\r\n",
		"EPRT |2|1:2:3:4:5:6:7:8:9|1|\r\n",
		"EPRT\r\n",
		"PORT 99999999999999999999,1,1,1,1,1\r\n",
	};
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		rig_say(&r, 0, lines[i]);
		rig_say(&r, 1, "501 no\r\n");
	}
	rig_say(&r, 0, "EPSV\r\n");
	rig_say(&r, 1, "229 (|||x|)\r\n");
	rig_say(&r, 0, "EPSV\r\n");
	rig_say(&r, 1, "229 (||\r\n");
	assert_int_equal(r.n_expected, 0);
	rig_free(&r);
}

static void test_ftp_wrong_password_and_none_at_all(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "USER joe\r\nPASS guess\r\n");
	rig_say(&r, 1, "331 go on\r\n530 no\r\n");
	rig_say(&r, 0, "USER guest\r\n");
	rig_say(&r, 1, "230 come in\r\n");
	rig_say(&r, 0, "USER late\r\nPASS unseen\r\n");
	rig_say(&r, 1, "331 go on\r\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r),
			       "credential {\"service\":\"ftp\",\"user\":\"joe\","
			       "\"secret\":\"*****\",\"mechanism\":\"plain\","
			       "\"success\":0}\n"));
	assert_non_null(strstr(rig_rows(&r),
			       "credential {\"service\":\"ftp\",\"user\":\"guest\","
			       "\"mechanism\":\"plain\",\"success\":1}\n"));
	assert_non_null(strstr(rig_rows(&r),
			       "credential {\"service\":\"ftp\",\"user\":\"late\","
			       "\"secret\":\"******\",\"mechanism\":\"plain\"}\n"));
	rig_free(&r);
}

static void test_ftp_secrets_stay_out_unless_they_are_asked_for(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 ready\r\n", 0 },
		{ 0, "USER joe\r\nPASS topsecret\r\n", 0 },
		{ 1, "331 for joe\r\n230-you said topsecret,\r\n230 topsecret\r\n", 0 },
		{ 0, "ACCT topsecret\r\nADAT topsecret\r\nSITE PSWD topsecret\r\n", 0 },
		{ 1, "150 topsecret\r\n120 topsecret\r\n", 0 },
		{ 1, "topsecret is no reply\r\n530 topsecret\r\n", 0 },
		{ 0, "SITE PASSWD topsecret\r\npass topsecret", 0 },
		{ 0, NULL, 0 },
	};
	char *rows = rig_run(&nr_parser_ftp, 21, script, 0, false);
	struct rig r;

	assert_null(strstr(rows, "topsecret"));
	assert_non_null(strstr(rows, "you said *********,\\n*********"));
	assert_non_null(strstr(rows, "\"argument\":\"PSWD *********\""));
	nr_free(rows);
	rig_invariant(&nr_parser_ftp, 21, script);

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	r.options.store_secrets = true;
	for (const struct rig_line *l = script; l->text; l++)
		rig_say(&r, l->side, l->text);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"secret\":\"topsecret\""));
	assert_non_null(strstr(rig_rows(&r), "\"argument\":\"PSWD topsecret\""));
	rig_free(&r);
}

static void test_ftp_replies_find_their_command_where_one_is_missing(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "NOOP\r\nSYST\r\n");
	rig_say(&r, 1, "215 UNIX\r\n");
	assert_string_equal(r.service, "ftp");
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"NOOP\",\"complete\":0}"));
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"SYST\",\"reply_code\":215,"));
	rig_free(&r);
}

static void test_ftp_goes_on_behind_gaps(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "USER joe\r\n");
	rig_say(&r, 1, "331 go on\r\n");
	rig_gap(&r, 0, 20);
	rig_say(&r, 0, "rest of it\r\nPWD\r\n");
	rig_say(&r, 1, "257 \"/\"\r\n");
	rig_say(&r, 0, "SYST\r\n");
	rig_say(&r, 1, "215-a\r\n");
	rig_gap(&r, 1, 20);
	rig_say(&r, 1, "rest of it\r\n200 ok\r\n");
	rig_end(&r);
	rig_rows(&r);
	rig_strip_times(r.text.p);
	assert_null(strstr(r.text.p, "rest of it"));
	assert_non_null(strstr(r.text.p, "\"command\":\"PWD\",\"reply_code\":257"));
	assert_non_null(strstr(r.text.p, "\"command\":\"SYST\",\"reply_code\":215,"
					 "\"reply_text\":\"a\",\"user\":\"joe\","
					 "\"complete\":0}"));
	assert_non_null(strstr(r.text.p, "ftp {\"reply_code\":200,\"reply_text\":\"ok\","
					 "\"user\":\"joe\",\"complete\":1}"));
	rig_free(&r);
}

/* RFC 959, 4.1.3: STAT is answered while the transfer goes on. */
static void test_ftp_stat_during_a_transfer_is_answered_before_it(void **state)
{
	struct rig r;

	for (unsigned lines = 0; lines < 2; lines++) {
		rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
		rig_say(&r, 0, "RETR big\r\n");
		rig_say(&r, 1, "150 opening\r\n");
		rig_say(&r, 0, "NOOP\r\n\377\364\377\362STAT\r\n");
		rig_say(&r, 1, lines ? "211-so\r\n far\r\n211 end\r\n" : "213 half\r\n");
		rig_say(&r, 1, "226 done\r\n200 noop\r\n");
		rig_say(&r, 0, "STAT\r\n");
		rig_say(&r, 1, "211 idle\r\n");
		rig_end(&r);
		assert_has(rig_rows(&r), lines ? "\"STAT\",\"reply_code\":211"
					       : "\"STAT\",\"reply_code\":213");
		assert_has(rig_rows(&r), "\"argument\":\"big\",\"reply_code\":226,"
					 "\"reply_text\":\"done\",\"interim\":");
		assert_has(rig_rows(&r), "\"NOOP\",\"reply_code\":200");
		assert_has(rig_rows(&r), "\"reply_text\":\"idle\"");
		assert_has_not(rig_rows(&r), "\"complete\":0");
		rig_free(&r);
	}
}

/* n commands at once, and then their replies. */
static void flight(struct rig *r, unsigned n)
{
	char text[32];

	rig_init(r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "SIZE %u\r\n", i);
		rig_say(r, 0, text);
	}
	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "213 %u\r\n", i);
		rig_say(r, 1, text);
	}
	rig_end(r);
}

static void test_ftp_replies_behind_many_commands_are_their_own(void **state)
{
	static const unsigned flights[] = { 100, 256, 257, 1000 };
	struct rig r;

	for (unsigned i = 0; i < 4; i++) {
		unsigned n = flights[i], over = n > 256 ? n - 256 : 0;
		char last[80];

		flight(&r, n);
		snprintf(last, sizeof(last),
			 "\"argument\":\"%u\",\"reply_code\":213,\"reply_text\":\"%u\"",
			 n - 1, n - 1);
		assert_has(rig_rows(&r), last);
		/* what is over the cap is a row, and so is its reply */
		assert_int_equal(rig_count(rig_rows(&r), "\"complete\":0"), over);
		assert_int_equal(r.records.n, n + over);
		rig_free(&r);
	}
}

static void test_ftp_one_side_alone_is_rows(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	for (unsigned i = 0; i < 100; i++)
		rig_say(&r, 0, "NOOP\r\n");
	rig_end(&r);
	assert_int_equal(r.records.n, 100);
	rig_free(&r);
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 1, "220 a\r\n331 b\r\n230 c\r\n");
	rig_end(&r);
	assert_int_equal(r.records.n, 3);
	rig_free(&r);
}

static void test_ftp_auth_tls_hands_over(void **state)
{
	static const char hello[] = "\26\3\1\0\1x";
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "AUTH TLS\r\n");
	rig_data(&r, 1, "234 go\r\n\26\3", 10);
	assert_int_equal(r.verdict, NR_HAND_OVER);
	assert_string_equal(r.next, "tls");
	assert_int_equal(r.p.rest_len, 2);
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
	/* the server was not seen */
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "AUTH TLS\r\n");
	rig_data(&r, 0, hello, 6);
	assert_int_equal(r.verdict, NR_HAND_OVER);
	assert_int_equal(r.p.rest_len, 6);
	rig_free(&r);
	/* agreed and not done: a decrypted capture */
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "AUTH TLS\r\n");
	rig_say(&r, 1, "234 go\r\n");
	rig_say(&r, 0, "PWD\r\n");
	assert_int_equal(r.verdict, NR_MORE);
	rig_say(&r, 1, "257 /\r\n");
	assert_int_equal(r.records.n, 2);
	rig_free(&r);
	/* agreed, and the beginning is missing */
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "AUTH TLS\r\n");
	rig_say(&r, 1, "234 go\r\n");
	assert_int_equal(rig_gap(&r, 0, 100), NR_HAND_OVER);
	rig_free(&r);
	/* commands sent along are not for the encrypted session */
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "AUTH TLS\r\nUSER evil\r\n");
	rig_say(&r, 1, "234 go\r\n");
	assert_string_equal(rig_anomalies(&r), "starttls_injection 0 {\"commands\":1}\n");
	rig_free(&r);
}

static void test_ftp_lines_over_the_cap_are_cut_and_said(void **state)
{
	char line[6000];
	struct rig r;

	memset(line, 'a', sizeof(line));
	memcpy(line, "RETR ", 5);
	line[sizeof(line) - 1] = '\n';
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_data(&r, 0, line, sizeof(line));
	rig_say(&r, 1, "550 no\r\n");
	assert_non_null(strstr(rig_rows(&r), "\"complete\":0}"));
	rig_say(&r, 0, "NOOP\r\n");
	memcpy(line, "200-ab\n", 7);
	rig_data(&r, 1, line, sizeof(line));
	rig_say(&r, 1, "200 x\r\n");
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"NOOP\",\"reply_code\":200"));
	assert_null(strstr(rig_rows(&r), "\"complete\":1}"));
	rig_free(&r);
}

static void test_ftp_noise_is_given_up(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	assert_int_equal(rig_say(&r, 0, "\1\2\3\r\n"), NR_NOT_MINE);
	rig_free(&r);
	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 1, "220 ready\r\n");
	for (unsigned i = 0; i < 100; i++)
		rig_say(&r, 1, "<html>\r\n");
	assert_int_equal(r.verdict, NR_MALFORMED);
	assert_string_equal(rig_anomalies(&r), "ftp_reply 1 {\"line\":\"<html>\"}\n");
	rig_free(&r);
}

static void test_ftp_telnet_before_abor_is_left_out(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	rig_say(&r, 0, "\377\364\377\362ABOR\r\n");
	rig_say(&r, 1, "226 aborted\r\n");
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"ABOR\",\"reply_code\":226"));
	rig_free(&r);
}

static void test_ftp_memory_at_its_cap_closes_with_overflow(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ftp, NR_TCP_PROTO, 40000, 21);
	r.account.max = r.account.used + 200;
	for (unsigned i = 0; i < 20 && rig_is_open(&r); i++)
		rig_say(&r, 0, "RETR some file of some length\r\n");
	assert_int_equal(r.verdict, NR_OVERFLOW);
	rig_free(&r);
}

static enum nr_probe_result probe(const char *a, const char *b, bool port)
{
	return rig_probe(&nr_parser_ftp, a, b, port);
}

static void test_ftp_and_smtp_are_told_apart(void **state)
{
	assert_int_equal(probe("", "220 host ESMTP\r\n", true), NR_PROBE_NO);
	assert_int_equal(probe("", "220 vsFTPd\r\n", true), NR_PROBE_YES);
	assert_int_equal(probe("", "220 hello\r\n", true), NR_PROBE_MAYBE);
	assert_int_equal(probe("", "220 hello\r\n", false), NR_PROBE_MORE);
	assert_int_equal(probe("EHLO x\r\n", "220 hello\r\n", false), NR_PROBE_NO);
	assert_int_equal(probe("USER x\r\n", "220 hello\r\n", false), NR_PROBE_YES);
	assert_int_equal(probe("USER x\r\n", "+OK\r\n", false), NR_PROBE_NO);
	assert_int_equal(probe("USE", "220 hello\r\n", false), NR_PROBE_MORE);
	assert_int_equal(probe("USER x\r\n", "", false), NR_PROBE_MORE);
	assert_int_equal(probe("USER x\r\n", "", true), NR_PROBE_YES);
	assert_int_equal(probe("GET / HTTP/1.1\r\n", "", true), NR_PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ftp_each_command_is_a_row_with_its_reply),
		cmocka_unit_test(test_ftp_rows_do_not_depend_on_segments),
		cmocka_unit_test(test_ftp_passive_flows_are_expected),
		cmocka_unit_test(test_ftp_active_flows_are_expected),
		cmocka_unit_test(test_ftp_impossible_addresses_expect_nothing),
		cmocka_unit_test(test_ftp_wrong_password_and_none_at_all),
		cmocka_unit_test(test_ftp_secrets_stay_out_unless_they_are_asked_for),
		cmocka_unit_test(
			test_ftp_replies_find_their_command_where_one_is_missing),
		cmocka_unit_test(test_ftp_goes_on_behind_gaps),
		cmocka_unit_test(test_ftp_stat_during_a_transfer_is_answered_before_it),
		cmocka_unit_test(test_ftp_replies_behind_many_commands_are_their_own),
		cmocka_unit_test(test_ftp_one_side_alone_is_rows),
		cmocka_unit_test(test_ftp_auth_tls_hands_over),
		cmocka_unit_test(test_ftp_lines_over_the_cap_are_cut_and_said),
		cmocka_unit_test(test_ftp_noise_is_given_up),
		cmocka_unit_test(test_ftp_telnet_before_abor_is_left_out),
		cmocka_unit_test(test_ftp_memory_at_its_cap_closes_with_overflow),
		cmocka_unit_test(test_ftp_and_smtp_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
