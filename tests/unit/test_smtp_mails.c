/* SPDX-License-Identifier: BSD-3-Clause */
/* Which commands make which mail: what servers refuse changes nothing (RFC 5321, 4.1.4).
 */
#include "rig.h"

#include <stdio.h>

extern const struct nr_parser nr_parser_smtp;

static char *run(const struct rig_line *script)
{
	return rig_run(&nr_parser_smtp, 25, script, 0, false);
}

/* The wanted texts stand in rows in this order. */
static void in_order(const char *rows, const char *const *want)
{
	for (const char *at = rows; *want; want++) {
		at = strstr(at, *want);
		if (!at)
			fail_msg("no %s in\n%s", *want, rows);
	}
}

static void test_smtp_second_mail_refused_leaves_the_first(void **state)
{
	static const struct rig_line one_by_one[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, "HELO me\r\n", 0 },
		{ 1, "250 hi\r\n", 0 },
		{ 0, "MAIL FROM:<a@x>\r\n", 0 },
		{ 1, "250 ok\r\n", 0 },
		{ 0, "RCPT TO:<b@y>\r\n", 0 },
		{ 1, "250 ok\r\n", 0 },
		{ 0, "MAIL FROM:<other@x>\r\n", 0 },
		{ 1, "503 nested\r\n", 0 },
		{ 0, "RCPT TO:<c@y>\r\nDATA\r\n", 0 },
		{ 1, "250 ok\r\n354 go\r\n", 0 },
		{ 0, "Subject: s\r\n\r\nx\r\n.\r\nQUIT\r\n", 0 },
		{ 1, "250 queued\r\n221 bye\r\n", 0 },
		{ 0, NULL, 0 },
	};
	static const struct rig_line pipelined[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0,
		  "HELO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nMAIL FROM:<other@x>\r\n"
		  "RCPT TO:<c@y>\r\nDATA\r\n",
		  0 },
		{ 1, "250 hi\r\n250 ok\r\n250 ok\r\n503 nested\r\n250 ok\r\n354 go\r\n",
		  0 },
		{ 0, "Subject: s\r\n\r\nx\r\n.\r\nQUIT\r\n", 0 },
		{ 1, "250 queued\r\n221 bye\r\n", 0 },
		{ 0, NULL, 0 },
	};
	static const char *const want[] = {
		"\"trans_depth\":1,",
		"\"mail_from\":\"a@x\",\"rcpt_to\":[\"b@y\",\"c@y\"],\"subject\":\"s\"",
		"\"argument\":\"FROM:<other@x>\",\"reply\":503",
		"\"n_commands\":7,\"last_reply\":\"250 queued\",\"status\":\"accepted\"",
		NULL,
	};

	for (unsigned i = 0; i < 2; i++) {
		char *rows = run(i ? pipelined : one_by_one);

		in_order(rows, want);
		assert_int_equal(rig_count(rows, "smtp {"), 1);
		nr_free(rows);
	}
}

static void test_smtp_second_mail_refused_for_its_sender_is_another(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, "HELO me\r\nMAIL FROM:<a@x>\r\nMAIL FROM:<b@x>\r\n", 0 },
		{ 1, "250 hi\r\n550 not you\r\n503 and why again\r\n", 0 },
		{ 0, NULL, 0 },
	};
	static const char *const want[] = {
		"\"mail_from\":\"a@x\"",
		"\"status\":\"rejected\"",
		"\"mail_from\":\"b@x\"",
		"\"status\":\"rejected\"",
		NULL,
	};
	char *rows = run(script);

	in_order(rows, want);
	nr_free(rows);
}

static void test_smtp_recipients_behind_a_mail_are_not_its(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, "HELO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nDATA\r\n", 0 },
		{ 1, "250 hi\r\n250 ok\r\n250 ok\r\n354 go\r\n", 0 },
		{ 0, "x\r\n.\r\n", 0 },
		{ 1, "250 queued\r\n", 0 },
		{ 0, "RCPT TO:<late@y>\r\nDATA\r\n", 0 },
		{ 1, "503 no sender\r\n503 no sender\r\n", 0 },
		{ 0, "MAIL FROM:<c@x>\r\nRCPT TO:<d@y>\r\nRSET\r\nRCPT TO:<e@y>\r\n", 0 },
		{ 1, "250 ok\r\n250 ok\r\n250 flushed\r\n503 no sender\r\n", 0 },
		{ 0, NULL, 0 },
	};
	static const char *const want[] = {
		"\"mail_from\":\"a@x\",\"rcpt_to\":[\"b@y\"],",
		"\"status\":\"accepted\"",
		"\"trans_depth\":2,",
		"\"helo\":\"me\",\"rcpt_to\":[\"late@y\"],\"commands\":",
		"\"n_commands\":2,\"last_reply\":\"503 no sender\",\"starttls\"",
		"\"mail_from\":\"c@x\",\"rcpt_to\":[\"d@y\"],",
		"\"status\":\"aborted\"",
		"\"helo\":\"me\",\"rcpt_to\":[\"e@y\"],",
		NULL,
	};
	char *rows = run(script);

	in_order(rows, want);
	assert_int_equal(rig_count(rows, "smtp {"), 4);
	nr_free(rows);
}

static void test_smtp_bdat_without_a_size_ends_nothing(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, "EHLO me\r\nMAIL FROM:<a@x>\r\nRCPT TO:<b@y>\r\nBDAT 5 X\r\n", 0 },
		{ 1, "250 CHUNKING\r\n250 ok\r\n250 ok\r\n501 syntax\r\n", 0 },
		{ 0, "BDAT 14 LAST\r\nSubject: s\r\n\r\n", 0 },
		{ 1, "250 queued\r\n", 0 },
		{ 0, NULL, 0 },
	};
	static const char *const want[] = {
		"\"mail_from\":\"a@x\"", "\"subject\":\"s\"",
		"\"last_reply\":\"250 queued\",\"status\":\"accepted\"", NULL
	};
	char *rows = run(script);

	in_order(rows, want);
	assert_int_equal(rig_count(rows, "smtp {"), 1);
	nr_free(rows);
}

static void test_smtp_blanks_before_a_command_are_passed_over(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "220 mx\r\n", 0 },
		{ 0, " EHLO me\r\n\tMAIL FROM:<a@x>\r\n", 0 },
		{ 0, " AUTH\tPLAIN AGpvZQB0b3BzZWNyZXQ=\r\n  PASS topsecret\r\n", 0 },
		{ 1, "250 hi\r\n250 ok\r\n503 no\r\n500 topsecret?\r\n", 0 },
		{ 0, NULL, 0 },
	};
	static const char *const want[] = {
		"\"helo\":\"me\",\"mail_from\":\"a@x\"",
		"{\"command\":\"AUTH\",\"argument\":\"PLAIN ********************\",",
		"{\"command\":\"PASS\",\"argument\":\"*********\",\"reply\":500",
		"\"last_reply\":\"500 *********?\"",
		NULL,
	};
	char *rows = run(script);

	assert_null(strstr(rows, "topsecret"));
	in_order(strstr(rows, "smtp {"), want);
	nr_free(rows);
}

static void test_smtp_ntlm_names_its_user(void **state)
{
	static const struct {
		const char *message, *user;
	} cases[] = {
		{ "TlRMTVNTUAADAAAAAAAAAEAAAAAAAAAAQAAAAAYABgBAAAAACgAKAEYAAAAAAAAAQAAAAA"
		  "AAAABAAAAAAQAAAEQATwBNAGoA9gBlAD3YAN4=",
		  "\"user\":\"DOM\\\\j\303\266e\360\237\230\200\"" },
		{ "TlRMTVNTUAADAAAAAAAAAEAAAAAAAAAAQAAAAAAAAABAAAAAAwADAEAAAAAAAAAAQAAAAA"
		  "AAAABAAAAAAgAAAGpvZQ==",
		  "\"user\":\"joe\"" },
		{ "TlRMTVNTUAADAAAAAAAAAEAAAAAAAAAAQAAAAAIAAgBAAAAABgAGAPD///"
		  "8AAAAAQAAAAAAAAABAAAAAAQAAAEQAagBvAGUA", /* beyond its end */
		  "\"user\":\"D\\\\\"" },
		{ "TlRMTVNTUAADAAAA", "\"service\":\"smtp\",\"secret\"" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;

		rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
		rig_say(&r, 0, "AUTH NTLM TlRMTVNTUAABAAAA\r\n");
		rig_say(&r, 1, "334 TlRMTVNTUAACAAAA\r\n");
		rig_say(&r, 0, cases[i].message);
		rig_say(&r, 0, "\r\n");
		rig_say(&r, 1, "235 in\r\n");
		rig_end(&r);
		if (!strstr(rig_rows(&r), cases[i].user))
			fail_msg("%s: %s", cases[i].user, rig_rows(&r));
		rig_free(&r);
	}
}

static void test_smtp_gap_in_auth_does_not_eat_a_command(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "220 mx\r\n");
	rig_say(&r, 0, "EHLO me\r\nAUTH LOGIN\r\n");
	rig_say(&r, 1, "250 hi\r\n334 VXNlcm5hbWU6\r\n");
	rig_gap(&r, 0, 24);
	rig_say(&r, 0, "MAIL FROM:<a@x>\r\n");
	rig_say(&r, 1, "235 in\r\n250 ok\r\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"mail_from\":\"a@x\""));
	rig_free(&r);
}

/* -- against a server that does as RFC 5321 says -- */

struct server {
	uint32_t seed;
	unsigned n;      /* names given */
	char from[16];   /* of the open mail; empty: there is none */
	char rcpts[512]; /* tried in it, as JSON */
	unsigned accepted;
	struct nr_buf said, replies; /* since the last turn */
	struct nr_buf expected;      /* a line for each mail that was taken */
	unsigned n_expected;
};

static unsigned draw(struct server *s, unsigned n)
{
	s->seed = s->seed * 1664525 + 1013904223;
	return (s->seed >> 8) % n;
}

static void forget(struct server *s)
{
	s->from[0] = s->rcpts[0] = '\0';
	s->accepted = 0;
}

static void taken(struct server *s)
{
	nr_buf_printf(&s->expected, "\"mail_from\":\"%s\",\"rcpt_to\":[%s],%c", s->from,
		      s->rcpts, '\0');
	s->n_expected++;
	forget(s);
}

static void mail(struct server *s)
{
	unsigned n = s->n++;

	nr_buf_printf(&s->said, "MAIL FROM:<f%u@x>\r\n", n);
	if (s->from[0]) {
		nr_buf_str(&s->replies, "503 nested\r\n");
	} else if (!draw(s, 4)) {
		nr_buf_str(&s->replies, "550 not you\r\n");
	} else {
		nr_buf_str(&s->replies, "250 ok\r\n");
		snprintf(s->from, sizeof(s->from), "f%u@x", n);
	}
}

static void rcpt(struct server *s)
{
	unsigned n = s->n++;
	size_t at = strlen(s->rcpts);
	bool ok = draw(s, 3);

	nr_buf_printf(&s->said, "RCPT TO:<r%u@y>\r\n", n);
	if (!s->from[0] || at > sizeof(s->rcpts) - 24) {
		forget(s);
		nr_buf_str(&s->said, "RSET\r\n");
		nr_buf_str(&s->replies, "503 no sender\r\n250 flushed\r\n");
		return;
	}
	snprintf(s->rcpts + at, sizeof(s->rcpts) - at, "%s\"r%u@y\"", at ? "," : "", n);
	s->accepted += ok;
	nr_buf_str(&s->replies, ok ? "250 ok\r\n" : "550 no\r\n");
}

static void turn(struct server *s, struct rig *r)
{
	if (s->said.len)
		rig_data(r, 0, s->said.p, s->said.len);
	if (s->replies.len)
		rig_data(r, 1, s->replies.p, s->replies.len);
	nr_buf_clear(&s->said);
	nr_buf_clear(&s->replies);
}

static void content(struct server *s, struct rig *r)
{
	if (draw(s, 2)) {
		nr_buf_str(&s->said, "DATA\r\n");
		nr_buf_str(&s->replies, s->accepted ? "354 go\r\n" : "503 no\r\n");
		turn(s, r);
		if (s->accepted)
			nr_buf_str(&s->said, "MAIL FROM:<body@x>\r\n.\r\n");
	} else {
		nr_buf_str(&s->said, "BDAT 4 LAST\r\nx\r\ny");
		if (!s->accepted)
			nr_buf_str(&s->replies, "503 no\r\n");
	}
	if (!s->accepted) {
		turn(s, r); /* what is sent behind content at once is another mail's */
		return;
	}
	if (draw(s, 3)) {
		nr_buf_str(&s->replies, "250 queued\r\n");
		taken(s);
	} else {
		nr_buf_str(&s->replies, "554 spam\r\n");
		forget(s);
	}
}

static void other(struct server *s)
{
	switch (draw(s, 4)) {
	case 0:
		nr_buf_str(&s->said, "RSET\r\n");
		nr_buf_str(&s->replies, "250 flushed\r\n");
		forget(s);
		break;
	case 1:
		nr_buf_str(&s->said, "EHLO\r\n");
		nr_buf_str(&s->replies, "501 who?\r\n");
		break;
	case 2:
		nr_buf_str(&s->said, "EHLO me\r\n");
		nr_buf_str(&s->replies, "250-mx\r\n250 CHUNKING\r\n");
		forget(s);
		break;
	default:
		nr_buf_str(&s->said, "FROB 1\r\n");
		nr_buf_str(&s->replies, "500 what?\r\n");
		break;
	}
}

static void converse(uint32_t seed)
{
	struct server s = { .seed = seed };
	struct rig r;
	const char *rows, *want;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	rig_say(&r, 1, "220 mx ESMTP\r\n");
	for (unsigned i = 0; i < 60; i++) {
		unsigned what = draw(&s, 10);

		if (what < 3)
			mail(&s);
		else if (what < 7)
			rcpt(&s);
		else if (what < 9)
			content(&s, &r);
		else
			other(&s);
		if (draw(&s, 2))
			turn(&s, &r);
	}
	turn(&s, &r);
	rig_end(&r);
	rows = rig_rows(&r);
	if (rig_count(rows, "\"status\":\"accepted\"") != s.n_expected)
		fail_msg("seed %u: %u mails were taken\n%s", seed, s.n_expected, rows);
	want = s.expected.p;
	for (unsigned i = 0; i < s.n_expected; i++) {
		const char *at = strstr(rows, want), *end = at ? strchr(at, '\n') : NULL;
		const char *status = at ? strstr(at, "\"status\":\"accepted\"") : NULL;

		if (!status || status > end) {
			fputs(rig_rows(&r), stderr);
			fail_msg("seed %u: not accepted: %s", seed, want);
		}
		rows = end;
		want += strlen(want) + 1;
	}
	nr_buf_fini(&s.said);
	nr_buf_fini(&s.replies);
	nr_buf_fini(&s.expected);
	rig_free(&r);
}

static void test_smtp_mails_taken_are_the_servers(void **state)
{
	for (uint32_t seed = 1; seed <= 2000; seed++)
		converse(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_second_mail_refused_leaves_the_first),
		cmocka_unit_test(test_smtp_second_mail_refused_for_its_sender_is_another),
		cmocka_unit_test(test_smtp_recipients_behind_a_mail_are_not_its),
		cmocka_unit_test(test_smtp_bdat_without_a_size_ends_nothing),
		cmocka_unit_test(test_smtp_blanks_before_a_command_are_passed_over),
		cmocka_unit_test(test_smtp_ntlm_names_its_user),
		cmocka_unit_test(test_smtp_gap_in_auth_does_not_eat_a_command),
		cmocka_unit_test(test_smtp_mails_taken_are_the_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
