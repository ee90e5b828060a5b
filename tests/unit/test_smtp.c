/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <stdio.h>

extern const struct nr_parser nr_parser_smtp;

static const struct rig_line one_mail[] = {
	{ 1, "220 mx ESMTP\r\n", 0 },
	{ 0, "EHLO me\r\n", 0 },
	{ 1, "250-mx\r\n250-PIPELINING\r\n250 8BITMIME\r\n", 0 },
	{ 0, "MAIL FROM:<a@x> SIZE=9\r\nrcpt to: <b@y>\r\nRCPT TO:<no@y>\r\nDATA\r\n",
	  0 },
	{ 1, "250 ok\r\n250 ok\r\n550 no such user\r\n354 go\r\n", 0 },
	{ 0,
	  "Subject: =?utf-8?q?one?=\r\n two\r\nfrom : A <a@x>\r\nTo: b@y\r\n\tc@y\r\n"
	  "X-Odd: x\r\nMessage-ID: <1@x>\r\nDate: today\r\nSubject: second\r\n\r\n"
	  "..dot\r\n.\rnot\r\nTo: body\r\n.\r\n",
	  0 },
	{ 1, "250 queued\r\n", 0 },
	{ 0, "QUIT\r\n", 0 },
	{ 1, "221 bye\r\n", 0 },
	{ 0, NULL, 0 },
};

/* Without packets of commands: they differ between cuts. */
static char *strip(char *rows)
{
	char *to = rows;

	for (const char *t = rows; *t;) {
		if (!strncmp(t, ",\"packet\":", 10)) {
			t += 10;
			while (*t >= '0' && *t <= '9')
				t++;
			continue;
		}
		*to++ = *t++;
	}
	*to = '\0';
	rig_strip_times(rows);
	return rows;
}

static void invariant(const struct rig_line *script)
{
	char *whole = strip(rig_run(&nr_parser_smtp, 25, script, 0, false)), *other;
	size_t n = 0;

	for (const struct rig_line *l = script; l->text; l++)
		n += rig_line_len(l);
	for (size_t cut = 0; cut < n; cut++) {
		other = strip(rig_run(&nr_parser_smtp, 25, script, cut, !cut));
		assert_string_equal(other, whole);
		nr_free(other);
	}
	nr_free(whole);
}

static void test_smtp_a_mail_is_a_row(void **state)
{
	char *rows = strip(rig_run(&nr_parser_smtp, 25, one_mail, 0, false));

	assert_string_equal(
		rows,
		"smtp {\"trans_depth\":1,\"begin_ns\":,\"helo\":\"me\",\"mail_from\":"
		"\"a@x\",\"rcpt_to\":[\"b@y\",\"no@y\"],\"subject\":"
		"\"=?utf-8?q?one?= two\",\"header_from\":\"A <a@x>\",\"header_to\":"
		"\"b@y\\tc@y\",\"message_id\":\"<1@x>\",\"date\":\"today\",\"commands\":["
		"{\"command\":\"EHLO\",\"argument\":\"me\",\"reply\":250},"
		"{\"command\":\"MAIL\",\"argument\":\"FROM:<a@x> SIZE=9\",\"reply\":250},"
		"{\"command\":\"RCPT\",\"argument\":\"to: <b@y>\",\"reply\":250},"
		"{\"command\":\"RCPT\",\"argument\":\"TO:<no@y>\",\"reply\":550},"
		"{\"command\":\"DATA\",\"reply\":354},"
		"{\"command\":\"QUIT\",\"reply\":221}],\"n_commands\":6,"
		"\"last_reply\":\"250 queued\",\"status\":\"accepted\",\"starttls\":0,"
		"\"bytes\":146,\"complete\":1}\n");
	nr_free(rows);
}

static void test_smtp_rows_do_not_depend_on_segments(void **state)
{
	invariant(one_mail);
}

static void test_smtp_the_row_has_the_packet_of_the_last_reply(void **state)
{
	struct rig r;
	int64_t packet;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	for (unsigned i = 0; i < 7; i++)
		rig_say(&r, one_mail[i].side, one_mail[i].text);
	packet = (int64_t)r.p.packet;
	rig_say(&r, 0, "QUIT\r\n");
	rig_say(&r, 1, "221 bye\r\n");
	rig_end(&r);
	assert_int_equal(r.records.n, 1);
	assert_int_equal(r.records.r[0]->v[2].i, packet);
	rig_free(&r);
}

static void test_smtp_several_mails_are_rows_in_their_order(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, "HELO me\r\n", 0 },
		{ 1, "250 hi\r\n", 0 },
		{ 0, "MAIL FROM:<1@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 0 },
		{ 1, "250 ok\r\n250 ok\r\n354 go\r\n", 0 },
		{ 0, "Subject: 1\r\n\r\none\r\n.\r\n", 0 },
		{ 1, "250 queued as 1\r\n", 0 },
		{ 0, "MAIL FROM:<2@x>\r\n", 0 },
		{ 1, "250 ok\r\n", 0 },
		{ 0, "RSET\r\n", 0 },
		{ 1, "250 flushed\r\n", 0 },
		{ 0, "MAIL FROM:<>\r\nRCPT TO:<b@y>\r\n", 0 },
		{ 1, "250 ok\r\n452 later\r\n", 0 },
		{ 0, "MAIL FROM:<4@x>\r\n", 0 },
		{ 1, "550 not from you\r\n", 0 },
		{ 0, NULL, 0 },
	};
	char *rows = strip(rig_run(&nr_parser_smtp, 25, script, 0, false)), *at;
	static const char *const want[] = {
		"\"trans_depth\":1,", "\"subject\":\"1\"", "\"status\":\"accepted\"",
		"\"trans_depth\":2,", "\"helo\":\"me\"",   "\"mail_from\":\"2@x\"",
		"250 flushed",        "\"aborted\"",       "\"trans_depth\":3,",
		"\"mail_from\":\"\"", "\"deferred\"",      "\"trans_depth\":4,",
		"\"rejected\"",
	};

	at = rows;
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		at = strstr(at, want[i]);
		assert_non_null(at);
	}
	nr_free(rows);
	invariant(script);
}

static void test_smtp_bdat_counts_its_bytes(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, "EHLO me\r\n", 0 },
		{ 1, "250 CHUNKING\r\n", 0 },
		{ 0,
		  "MAIL FROM:<1@x>\r\nRCPT TO:<b@y>\r\nBDAT 20\r\nSubject: chunked\r\n.\r"
		  "BDAT 6 LAST\r\n\nbody!MAIL FROM:<2@x>\r\nBDAT -1\r\nQUIT\r\n",
		  0 },
		{ 1, "250 1\r\n250 2\r\n250 3\r\n250 4\r\n250 5\r\n501 6\r\n221 7\r\n",
		  0 },
		{ 0, NULL, 0 },
	};
	char *rows = strip(rig_run(&nr_parser_smtp, 25, script, 0, false));

	assert_non_null(strstr(rows, "\"subject\":\"chunked\""));
	assert_non_null(strstr(rows, "\"last_reply\":\"250 4\",\"status\":\"accepted\","
				     "\"starttls\":0,\"bytes\":26,\"complete\":1}"));
	assert_non_null(strstr(rows, "\"trans_depth\":2,"));
	assert_non_null(strstr(rows, "{\"command\":\"QUIT\",\"reply\":221}"));
	nr_free(rows);
	invariant(script);
}

static void test_smtp_auth_is_a_credential(void **state)
{
	static const struct {
		const char *said;
		const char *row;
	} cases[] = {
		{ "0AUTH PLAIN\r\n\0001334 \r\n\0000AGpvZQB0b3BzZWNyZXQ=\r\n\0001235 "
		  "ok\r\n\0",
		  "\"user\":\"joe\",\"secret\":\"*********\",\"mechanism\":\"plain\","
		  "\"success\":1}" },
		{ "0AUTH plain AGpvZQB0b3BzZWNyZXQ=\r\n\0001535 no\r\n\0",
		  "\"user\":\"joe\",\"secret\":\"*********\",\"mechanism\":\"plain\","
		  "\"success\":0}" },
		{ "0AUTH LOGIN\r\n\0001334 VXNlcm5hbWU6\r\n\0000am9l\r\n\0001334 "
		  "UGFzc3dvcmQ6\r\n\0000dG9wc2VjcmV0\r\n\0001235 ok\r\n\0",
		  "\"user\":\"joe\",\"secret\":\"*********\",\"mechanism\":\"login\","
		  "\"success\":1}" },
		{ "0AUTH LOGIN am9l\r\ndG9wc2VjcmV0\r\n\0",
		  "\"user\":\"joe\",\"secret\":\"*********\",\"mechanism\":\"login\"}" },
		{ "0AUTH CRAM-MD5\r\n\0001334 PDFAeD4=\r\n\0000am9lIDEyMzQ1Njc4OTA=\r\n"
		  "\0001235 ok\r\n\0",
		  "\"user\":\"joe\",\"secret\":\"**********\",\"mechanism\":\"cram-md5\","
		  "\"success\":1}" },
		{ "0AUTH XOAUTH2 "
		  "dXNlcj1qb2UBYXV0aD1CZWFyZXIgdG9wc2VjcmV0AQE=\r\n\0001334 "
		  "e30=\r\n\0000\r\n\0001535 no\r\n\0",
		  "\"user\":\"joe\",\"secret\":\"*********\",\"mechanism\":\"xoauth2\","
		  "\"success\":0}" },
		{ "0AUTH LOGIN\r\n\0001334 VXNlcm5hbWU6\r\n\0000*\r\n\0001501 gone\r\n\0",
		  "\"mechanism\":\"login\",\"success\":0}" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;

		rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
		for (const char *t = cases[i].said; *t; t += strlen(t) + 1)
			rig_say(&r, *t - '0', t + 1);
		rig_end(&r);
		assert_non_null(
			strstr(rig_rows(&r), "credential {\"service\":\"smtp\","));
		assert_non_null(strstr(rig_rows(&r), cases[i].row));
		assert_null(strstr(rig_rows(&r), "dG9wc2VjcmV0"));
		assert_null(strstr(rig_rows(&r), "AGpvZ"));
		assert_null(strstr(rig_rows(&r), "topsecret"));
		rig_free(&r);
	}
}

static void test_smtp_secrets_repeated_by_the_server_are_masked(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx ESMTP\r\n", 0 },
		{ 0, "AUTH PLAIN AGpvZQB0b3BzZWNyZXQ=\r\n", 0 },
		{ 1, "535-what is topsecret?\r\n535 and AGpvZQB0b3BzZWNyZXQ=\r\n", 0 },
		{ 0, NULL, 0 },
	};
	char *rows = rig_run(&nr_parser_smtp, 25, script, 0, false);

	assert_null(strstr(rows, "topsecret"));
	assert_null(strstr(rows, "AGpvZ"));
	nr_free(rows);
	invariant(script);
}

/* AUTH itself was not seen: what may be an answer to it is not told either. */
static void test_smtp_lone_base64_is_masked(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "NOOP\r\ndG9wc2VjcmV0\r\n");
	rig_end(&r);
	assert_null(strstr(rig_rows(&r), "dG9wc2VjcmV0"));
	rig_free(&r);
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "334 UGFzc3dvcmQ6\r\n");
	rig_say(&r, 0, "dG9wc2VjcmV0\r\n");
	rig_say(&r, 1, "235 ok\r\n");
	rig_end(&r);
	assert_null(strstr(rig_rows(&r), "dG9wc2VjcmV0"));
	assert_non_null(strstr(rig_rows(&r), "\"secret\":\"*********\",\"mechanism\":"
					     "\"login\",\"success\":1}"));
	rig_free(&r);
}

static void test_smtp_starttls_hands_over(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "220 mx\r\n");
	rig_say(&r, 0, "STARTTLS\r\n");
	rig_data(&r, 1, "220 go\r\n\26\3\1", 11);
	assert_int_equal(r.verdict, NR_HAND_OVER);
	assert_string_equal(r.next, "tls");
	assert_int_equal(r.p.rest_len, 3);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"starttls\":1,\"complete\":1}"));
	rig_free(&r);
	/* the client goes on when it was refused */
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "STARTTLS\r\n");
	rig_say(&r, 1, "454 not now\r\n");
	rig_say(&r, 0, "QUIT\r\n");
	assert_int_equal(r.verdict, NR_MORE);
	rig_free(&r);
	/* agreed and not done: a decrypted capture */
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "STARTTLS\r\n");
	rig_say(&r, 1, "220 go\r\n");
	rig_say(&r, 0, "EHLO again\r\n");
	rig_say(&r, 1, "250 ok\r\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"argument\":\"again\",\"reply\":250"));
	rig_free(&r);
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "220 mx ESMTP\r\n");
	rig_say(&r, 0, "STARTTLS\r\n");
	rig_say(&r, 1, "220 go\r\n");
	assert_int_equal(rig_gap(&r, 0, 100), NR_HAND_OVER);
	rig_free(&r);
	/* one side only */
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "EHLO x\r\nSTARTTLS\r\n\26\3\1");
	assert_int_equal(r.verdict, NR_HAND_OVER);
	assert_int_equal(r.p.rest_len, 3);
	rig_free(&r);
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "STARTTLS\r\nMAIL FROM:<evil@x>\r\n");
	rig_say(&r, 1, "220 go\r\n");
	assert_string_equal(rig_anomalies(&r), "starttls_injection 0 {\"commands\":1}\n");
	rig_free(&r);
}

static void test_smtp_data_that_was_refused_is_no_mail(void **state)
{
	static const struct rig_line script[] = {
		{ 0, "MAIL FROM:<1@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 0 },
		{ 1, "250 ok\r\n550 no\r\n503 no recipients\r\n", 0 },
		{ 0, "QUIT\r\n", 0 },
		{ 1, "221 bye\r\n", 0 },
		{ 0, NULL, 0 },
	};
	char *rows = strip(rig_run(&nr_parser_smtp, 25, script, 0, false));

	assert_non_null(strstr(rows, "{\"command\":\"QUIT\",\"reply\":221}"));
	assert_non_null(strstr(rows, "\"status\":\"rejected\""));
	assert_null(strstr(rows, "\"bytes\""));
	nr_free(rows);
	invariant(script);
}

static void test_smtp_a_client_alone_is_read(void **state)
{
	static const struct rig_line script[] = {
		{ 0, "EHLO me\r\nMAIL FROM:<1@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 0 },
		{ 0,
		  "Subject: alone\r\n\r\nQUIT\r\n.\r\nMAIL "
		  "FROM:<2@x>\r\nDATA\r\nRSET\r\n",
		  0 },
		{ 0, "QUIT\r\n", 0 },
		{ 0, NULL, 0 },
	};
	char *rows = strip(rig_run(&nr_parser_smtp, 25, script, 0, false));

	assert_non_null(strstr(rows, "\"subject\":\"alone\",\"commands\":["));
	assert_non_null(strstr(rows, "\"bytes\":24,\"complete\":0}\n"));
	assert_non_null(strstr(rows, "{\"command\":\"RSET\"},{\"command\":\"QUIT\"}"));
	nr_free(rows);
	invariant(script);
}

static void test_smtp_a_server_alone_is_a_row(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "220 mx ESMTP\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"last_reply\":\"250 queued\""));
	assert_int_equal(r.records.n, 1);
	rig_free(&r);
}

static void test_smtp_gap_in_data_ends_at_its_dot(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "MAIL FROM:<1@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n");
	rig_say(&r, 1, "250 ok\r\n250 ok\r\n354 go\r\n");
	rig_say(&r, 0, "Subject: cut\r\nTo: ");
	rig_gap(&r, 0, 1000);
	rig_say(&r, 0, "rest\r\n.\r\nMAIL FROM:<2@x>\r\n");
	rig_say(&r, 1, "250 queued\r\n250 ok\r\n");
	rig_end(&r);
	strip(strcpy(nr_arena_alloc(&r.arena, 8192), rig_rows(&r)));
	assert_non_null(strstr(rig_rows(&r), "\"subject\":\"cut\""));
	assert_non_null(strstr(rig_rows(&r), "\"last_reply\":\"250 queued\",\"status\":"
					     "\"accepted\",\"starttls\":0,"));
	assert_non_null(strstr(rig_rows(&r), "\"complete\":0}\n"));
	assert_non_null(strstr(rig_rows(&r), "\"mail_from\":\"2@x\""));
	rig_free(&r);
}

static void test_smtp_gap_that_holds_the_dot(void **state)
{
	struct rig r;

	for (unsigned reply_first = 0; reply_first < 2; reply_first++) {
		rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
		rig_say(&r, 0, "MAIL FROM:<1@x>\r\nDATA\r\n");
		rig_say(&r, 1, "250 ok\r\n354 go\r\n");
		rig_say(&r, 0, "Subject: cut\r\n");
		if (reply_first)
			rig_say(&r, 1, "250 queued\r\n");
		rig_gap(&r, 0, 1000);
		if (!reply_first)
			rig_say(&r, 1, "250 queued\r\n");
		rig_say(&r, 0, "MAIL FROM:<2@x>\r\n");
		rig_say(&r, 1, "250 ok\r\n");
		rig_end(&r);
		assert_non_null(strstr(rig_rows(&r), "\"status\":\"accepted\""));
		assert_non_null(strstr(rig_rows(&r), "\"mail_from\":\"2@x\""));
		rig_free(&r);
	}
}

static void test_smtp_gap_in_a_chunk_keeps_count(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "MAIL FROM:<1@x>\r\nBDAT 100 LAST\r\n0123456789");
	rig_gap(&r, 0, 80);
	rig_say(&r, 0, "0123456789NOOP\r\n");
	rig_say(&r, 1, "250 ok\r\n250 queued\r\n250 noop\r\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"NOOP\",\"reply\":250"));
	assert_non_null(strstr(rig_rows(&r), "\"last_reply\":\"250 queued\""));
	rig_free(&r);
}

static void test_smtp_smuggling_is_an_anomaly(void **state)
{
	static const char *const ends[] = { "\n.\n", "\n.\r\n", "\r\n.\n" };

	for (size_t i = 0; i < 3; i++) {
		struct rig r;

		rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
		rig_say(&r, 0, "DATA\r\n");
		rig_say(&r, 1, "354 go\r\n");
		rig_say(&r, 0, "a: b\r\n\r\nbody");
		rig_say(&r, 0, ends[i]);
		assert_string_equal(rig_anomalies(&r), "smtp_smuggling 0 -\n");
		rig_free(&r);
	}
}

static void test_smtp_lmtp_answers_for_each_recipient(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 24);
	rig_say(&r, 0,
		"LHLO x\r\nMAIL FROM:<1@x>\r\nRCPT TO:<a@y>\r\nRCPT TO:<b@y>\r\n"
		"DATA\r\n");
	rig_say(&r, 1, "250 a\r\n250 b\r\n250 c\r\n250 d\r\n354 e\r\n");
	rig_say(&r, 0, "x: y\r\n\r\n.\r\nNOOP\r\n");
	rig_say(&r, 1, "250 for a\r\n550 for b\r\n250 noop\r\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"command\":\"NOOP\",\"reply\":250"));
	assert_non_null(strstr(rig_rows(&r), "\"status\":\"rejected\""));
	rig_free(&r);
}

static void test_smtp_caps_are_kept_and_said(void **state)
{
	struct rig r;
	char text[200];

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "MAIL FROM:<1@x>\r\n");
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(text, sizeof(text), "RCPT TO:<%090u@y>\r\n", i);
		rig_say(&r, 0, text);
	}
	assert_true(r.account.used < 400000);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"n_commands\":3001"));
	assert_non_null(strstr(rig_rows(&r), "\"complete\":0}"));
	rig_free(&r);

	/* a header that never ends costs no more than its cap */
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 0, "DATA\r\n");
	rig_say(&r, 1, "354 go\r\n");
	rig_say(&r, 0, "Subject: x\r\n");
	memset(text, ' ', sizeof(text));
	memcpy(text + 197, "\r\n", 3);
	for (unsigned i = 0; i < 10000; i++)
		rig_say(&r, 0, text);
	assert_true(r.account.used < 40000);
	rig_free(&r);

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	r.account.max = r.account.used + 700;
	for (unsigned i = 0; i < 20 && rig_is_open(&r); i++)
		rig_say(&r, 0, "RCPT TO:<somebody@somewhere>\r\n");
	assert_int_equal(r.verdict, NR_OVERFLOW);
	rig_free(&r);
}

static void test_smtp_noise_is_given_up(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 2525);
	assert_int_equal(rig_say(&r, 0, "GET / HTTP/1.1\r\n"), NR_NOT_MINE);
	rig_free(&r);
	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "220 mx\r\n");
	for (unsigned i = 0; i < 100; i++)
		rig_say(&r, 1, "<html>\r\n");
	assert_int_equal(r.verdict, NR_MALFORMED);
	rig_free(&r);
}

static enum nr_probe_result probe(const char *a, const char *b, bool port)
{
	return rig_probe(&nr_parser_smtp, a, b, port);
}

static void test_smtp_is_known_by_its_first_words(void **state)
{
	assert_int_equal(probe("", "220 host ESMTP\r\n", true), NR_PROBE_YES);
	assert_int_equal(probe("", "220 hello\r\n", true), NR_PROBE_MAYBE);
	assert_int_equal(probe("", "220 hello\r\n", false), NR_PROBE_MORE);
	assert_int_equal(probe("EHLO x\r\n", "220 hello\r\n", false), NR_PROBE_YES);
	assert_int_equal(probe("USER x\r\n", "220 hello\r\n", false), NR_PROBE_NO);
	assert_int_equal(probe("EHL", "220 hello\r\n", false), NR_PROBE_MORE);
	assert_int_equal(probe("MAIL FROM:<x>\r\n", "", true), NR_PROBE_YES);
	assert_int_equal(probe("EHLO x\r\n", "", false), NR_PROBE_YES);
	assert_int_equal(probe("", "SSH-2.0-x\r\n", true), NR_PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_a_mail_is_a_row),
		cmocka_unit_test(test_smtp_rows_do_not_depend_on_segments),
		cmocka_unit_test(test_smtp_the_row_has_the_packet_of_the_last_reply),
		cmocka_unit_test(test_smtp_several_mails_are_rows_in_their_order),
		cmocka_unit_test(test_smtp_bdat_counts_its_bytes),
		cmocka_unit_test(test_smtp_auth_is_a_credential),
		cmocka_unit_test(test_smtp_secrets_repeated_by_the_server_are_masked),
		cmocka_unit_test(test_smtp_lone_base64_is_masked),
		cmocka_unit_test(test_smtp_starttls_hands_over),
		cmocka_unit_test(test_smtp_data_that_was_refused_is_no_mail),
		cmocka_unit_test(test_smtp_a_client_alone_is_read),
		cmocka_unit_test(test_smtp_a_server_alone_is_a_row),
		cmocka_unit_test(test_smtp_gap_in_data_ends_at_its_dot),
		cmocka_unit_test(test_smtp_gap_that_holds_the_dot),
		cmocka_unit_test(test_smtp_gap_in_a_chunk_keeps_count),
		cmocka_unit_test(test_smtp_smuggling_is_an_anomaly),
		cmocka_unit_test(test_smtp_lmtp_answers_for_each_recipient),
		cmocka_unit_test(test_smtp_caps_are_kept_and_said),
		cmocka_unit_test(test_smtp_noise_is_given_up),
		cmocka_unit_test(test_smtp_is_known_by_its_first_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
