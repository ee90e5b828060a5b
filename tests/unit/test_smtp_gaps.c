/* SPDX-License-Identifier: BSD-3-Clause */
/* Which reply belongs to which command where some were not seen, or are too many. */
#include "rig.h"

extern const struct nr_parser nr_parser_smtp;

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define HELLO      "1220 mx", "0EHLO me", "1250 mx"

/* A line "0…" of the client, "1…" of the server; "g0", "g1": a gap of that side. */
static void play(struct rig *r, const char *const *lines)
{
	for (; *lines; lines++) {
		unsigned side = (unsigned)((*lines)[**lines == 'g'] - '0');

		if (**lines == 'g') {
			rig_gap(r, side, 20);
			continue;
		}
		rig_say(r, side, *lines + 1);
		rig_say(r, side, "\r\n");
	}
}

/* The rows hold all of want, in this order. */
static void check(uint16_t port, const char *const *lines, const char *const *want)
{
	struct rig r;
	const char *at;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, port);
	play(&r, lines);
	rig_end(&r);
	at = rig_rows(&r);
	for (; *want; want++) {
		const char *found = strstr(at, *want);

		if (!found)
			fail_msg("no %s in\n%s", *want, rig_rows(&r));
		at = found + strlen(*want);
	}
	rig_free(&r);
}

static void add(struct nr_buf *b, unsigned n, const char *one)
{
	while (n--)
		nr_buf_str(b, one);
}

/* MAIL, n recipients and DATA in one flight; the content is refused. */
static void flight(struct rig *r, unsigned n)
{
	struct nr_buf said = { 0 }, replies = { 0 };

	rig_init(r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	play(r, LINES(HELLO));
	nr_buf_str(&said, "MAIL FROM:<a@x>\r\n");
	add(&said, n, "RCPT TO:<somebody-with-a-long-name@y>\r\n");
	nr_buf_str(&said, "DATA\r\n");
	add(&replies, n + 1, "250 ok\r\n");
	nr_buf_str(&replies, "354 go\r\n");
	rig_data(r, 0, said.p, said.len);
	rig_data(r, 1, replies.p, replies.len);
	play(r, LINES("0Subject: s", "0", "0x", "0.", "1554 spam", "0MAIL FROM:<b@x>",
		      "1250 second", "0QUIT", "1221 bye"));
	rig_end(r);
	nr_buf_fini(&said);
	nr_buf_fini(&replies);
}

static void test_smtp_a_long_flight_is_answered_in_order(void **state)
{
	struct rig r;

	flight(&r, 300);
	assert_int_equal(rig_count(rig_rows(&r), "\"reply\":250"), 303);
	assert_has(rig_rows(&r), "\"command\":\"DATA\",\"reply\":354");
	assert_has(rig_rows(&r), "\"last_reply\":\"554 spam\",\"status\":\"rejected\","
				 "\"starttls\":0,\"bytes\":17,\"complete\":1}");
	rig_free(&r);
}

static void test_smtp_a_flight_over_the_cap_stays_in_step(void **state)
{
	static const unsigned flights[] = { 1100, 3000 };

	for (unsigned i = 0; i < 2; i++) {
		struct rig r;

		flight(&r, flights[i]);
		assert_has(rig_rows(&r), "\"last_reply\":\"554 spam\",\"status\":"
					 "\"rejected\",\"starttls\":0,\"bytes\":17,"
					 "\"complete\":0}");
		assert_has(rig_rows(&r), "FROM:<b@x>\",\"reply\":250");
		rig_free(&r);
	}
}

static void test_smtp_a_lost_354_shifts_nothing(void **state)
{
	static const char *const want[] = {
		"\"command\":\"DATA\",\"packet\"",
		"\"last_reply\":\"550 spam\",\"status\":\"rejected\"",
		"\"FROM:<b@x>\",\"reply\":250",
		"\"TO:<c@y>\",\"reply\":551",
		"\"command\":\"QUIT\",\"reply\":221",
		"\"complete\":1}",
		NULL,
	};

	/* known before the content, while it is sent, or with the reply to it */
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0RCPT TO:<b@y>", "1250 ok",
		    "0DATA", "g1", "0Subject: s", "0", "0.", "1550 spam",
		    "0MAIL FROM:<b@x>", "1250 ok", "0RCPT TO:<c@y>", "1551 no", "0QUIT",
		    "1221 bye"),
	      want);
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0RCPT TO:<b@y>", "1250 ok",
		    "0DATA", "0Subject: s", "g1", "0", "0.", "1550 spam",
		    "0MAIL FROM:<b@x>", "1250 ok", "0RCPT TO:<c@y>", "1551 no", "0QUIT",
		    "1221 bye"),
	      want);
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0RCPT TO:<b@y>", "1250 ok",
		    "0DATA", "0Subject: s", "0", "0.", "g1", "1550 spam",
		    "0MAIL FROM:<b@x>", "1250 ok", "0RCPT TO:<c@y>", "1551 no", "0QUIT",
		    "1221 bye"),
	      want);
}

static void test_smtp_a_354_answers_data_alone(void **state)
{
	/* the reply to RCPT was lost, and all else came at once */
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0RCPT TO:<b@y>", "0DATA",
		    "0Subject: s", "0", "0.", "g1", "1354 go", "1550 spam", "0NOOP",
		    "1250 noop"),
	      LINES("\"TO:<b@y>\",\"packet\"", "\"command\":\"DATA\",\"reply\":354",
		    "\"NOOP\",\"reply\":250", "\"status\":\"rejected\""));
	/* nothing says that it was lost */
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "0RCPT TO:<b@y>", "0DATA", "1250 ok",
		    "1354 go", "0Subject: s", "0", "0.", "1250 queued", "0QUIT",
		    "1221 bye"),
	      LINES("\"DATA\",\"reply\":354", "\"QUIT\",\"reply\":221",
		    "\"last_reply\":\"250 queued\",\"status\":\"accepted\""));
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0DATA", "0Subject: s", "0",
		    "0.", "1250 queued", "0QUIT", "1221 bye"),
	      LINES("\"DATA\",\"packet\"", "\"QUIT\",\"reply\":221",
		    "\"last_reply\":\"250 queued\",\"status\":\"accepted\""));
	/* a client that speaks on before it is asked to: the content gives it up */
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0DATA", "g1", "0Subject: s",
		    "0", "0.", "1354 late", "1550 spam"),
	      LINES("\"last_reply\":\"550 spam\",\"status\":\"rejected\""));
}

static void test_smtp_codes_bring_commands_and_replies_into_step(void **state)
{
	check(25, LINES(HELLO, "0RSET", "0QUIT", "1221 bye"),
	      LINES("\"RSET\",\"packet\"", "\"QUIT\",\"reply\":221"));
	check(25, LINES(HELLO, "0NOOP", "0AUTH PLAIN AGEAYg==", "1235 ok"),
	      LINES("\"success\":1}", "\"NOOP\",\"packet\"", "\"reply\":235"));
	check(25, LINES(HELLO, "0NOOP", "0AUTH LOGIN", "1334 VXNlcm5hbWU6", "0am9l"),
	      LINES("\"user\":\"joe\"", "\"NOOP\",\"packet\""));
	check(25, LINES(HELLO, "0NOOP", "0STARTTLS", "1220 go"),
	      LINES("\"NOOP\",\"packet\"", "\"STARTTLS\",\"reply\":220",
		    "\"starttls\":1"));
	/* extensions that use them as well */
	check(25, LINES(HELLO, "0XCLIENT A=b", "0STARTTLS", "1220 mx", "1454 no"),
	      LINES("\"A=b\",\"reply\":220", "\"STARTTLS\",\"reply\":454"));
	check(25, LINES(HELLO, "0XEXCH50 2 2", "0DATA", "1354 send", "1503 no"),
	      LINES("\"2 2\",\"reply\":354", "\"DATA\",\"reply\":503"));
}

static void test_smtp_the_next_command_tells_that_one_was_answered(void **state)
{
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "g1", "0RCPT TO:<b@y>", "1550 no", "0RSET",
		    "1250 reset"),
	      LINES("\"FROM:<a@x>\",\"packet\"", "\"TO:<b@y>\",\"reply\":550",
		    "\"RSET\",\"reply\":250", "\"status\":\"rejected\""));
	/* a reply behind the gap ends the doubt about what came after its command */
	check(25,
	      LINES(HELLO, "0MAIL FROM:<a@x>", "0DATA", "0A: b", "0", "0.", "g1",
		    "1354 go", "0NOOP", "1550 spam", "1250 noop"),
	      LINES("\"NOOP\",\"reply\":250", "\"status\":\"rejected\""));
	/* not so for AUTH, which has several lines */
	check(25,
	      LINES(HELLO, "0NOOP", "0AUTH LOGIN", "g1", "0am9l", "1334 UGFzc3dvcmQ6",
		    "0c2VjcmV0", "1535 no"),
	      LINES("\"user\":\"joe\",\"secret\":\"******\",\"mechanism\":\"login\","
		    "\"success\":0}",
		    "\"NOOP\",\"packet\"",
		    "\"AUTH\",\"argument\":\"LOGIN\",\"reply\":535"));
}

/* MAIL was lost; the replies come behind all that the client said. */
static void test_smtp_replies_to_commands_that_were_lost(void **state)
{
	check(25,
	      LINES(HELLO, "g0", "0RCPT TO:<b@y>", "0DATA", "0Subject: s", "0", "0.",
		    "0MAIL FROM:<c@x>", "1250 mail", "1250 rcpt", "1354 go", "1550 spam",
		    "1250 second"),
	      LINES("\"TO:<b@y>\",\"reply\":250", "\"DATA\",\"reply\":354",
		    "\"last_reply\":\"550 spam\"", "\"FROM:<c@x>\",\"reply\":250"));
}

static void test_smtp_a_text_in_the_middle_is_no_command(void **state)
{
	static const char *const want[] = {
		"\"commands\":[{\"command\":\"MAIL\"",
		"\"FROM:<a@x>\",\"reply\":250",
		"\"TO:<b@y>\",\"reply\":550",
		"\"QUIT\",\"reply\":221",
		"\"n_commands\":3,",
		"\"complete\":0}",
		NULL,
	};

	/* the client is heard first, or the server; text that begins as commands do */
	check(25,
	      LINES("0in the middle", "0Mail me, and help", "0Data of mine",
		    "0send it on", "0.", "1250 queued", "0MAIL FROM:<a@x>", "1250 ok",
		    "0RCPT TO:<b@y>", "1550 no", "0QUIT", "1221 bye"),
	      want);
	check(25,
	      LINES("1250 ok", "0in the middle", "0rset the clock", "0.", "1250 queued",
		    "0MAIL FROM:<a@x>", "1250 ok", "0RCPT TO:<b@y>", "1550 no", "0QUIT",
		    "1221 bye"),
	      want);
	/* a client that does not wait for the greeting is at the beginning */
	check(25, LINES("0GET / HTTP/1.1", HELLO, "0ODD one", "1500 what?"),
	      LINES("\"EHLO\",\"argument\":\"me\",\"reply\":250",
		    "\"ODD\",\"argument\":\"one\",\"reply\":500"));
}

static void test_smtp_lmtp_answers_chunks_for_each_recipient(void **state)
{
	/* one by one */
	check(24,
	      LINES("1220 l", "0LHLO me", "1250 l", "0MAIL FROM:<a@x>", "1250 ok",
		    "0RCPT TO:<b@y>", "1250 ok", "0RCPT TO:<no@y>", "1550 no",
		    "0RCPT TO:<c@y>", "1250 ok", "0BDAT 6 LAST", "0body", "1250 for b",
		    "1452 for c", "0NOOP", "1250 noop"),
	      LINES("\"NOOP\",\"reply\":250",
		    "\"last_reply\":\"452 for c\",\"status\":\"deferred\""));
	/* in one flight, the first of them refused */
	check(24,
	      LINES("1220 l", "0LHLO me", "0MAIL FROM:<a@x>", "0RCPT TO:<b@y>",
		    "0RCPT TO:<c@y>", "0BDAT 6 LAST", "0body", "0MAIL FROM:<n@n>",
		    "1250 l", "1250 ok", "1250 ok", "1250 ok", "1452 for b", "1250 for c",
		    "1250 second"),
	      LINES("\"6 LAST\",\"reply\":250",
		    "\"last_reply\":\"250 for c\",\"status\":\"accepted\"",
		    "\"FROM:<n@n>\",\"reply\":250"));
	/* out of order, and no recipient: one reply */
	check(24,
	      LINES("1220 l", "0LHLO me", "0MAIL FROM:<a@x>", "0RCPT TO:<b@y>",
		    "0RCPT TO:<c@y>", "0BDAT 6 LAST", "0body", "0RSET", "1250 l",
		    "1503 first", "1250 ok", "1250 ok", "1503 first", "1250 reset"),
	      LINES("\"6 LAST\",\"reply\":503", "\"RSET\",\"reply\":250"));
	/* DATA in one flight: its content is pushed before RCPT is answered */
	check(24,
	      LINES("1220 l", "0LHLO me", "0MAIL FROM:<a@x>", "0RCPT TO:<b@y>",
		    "0RCPT TO:<c@y>", "0DATA", "0A: b", "0", "0.", "0NOOP", "1250 l",
		    "1250 ok", "1250 ok", "1250 ok", "1354 go", "1250 for b",
		    "1550 for c", "1250 noop"),
	      LINES("\"NOOP\",\"reply\":250", "\"last_reply\":\"550 for c\""));
}

/* What stands behind DATA begins a command where that was refused, wherever it is cut. */
static void test_smtp_bytes_behind_a_refused_data_are_a_command(void **state)
{
	static const char said[] = "DATA\r\nQUIT\r\n";

	for (size_t cut = 6; cut < sizeof(said) - 1; cut++) {
		struct rig r;

		rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
		play(&r, LINES(HELLO));
		rig_data(&r, 0, said, cut);
		rig_say(&r, 1, "554 no valid recipients\r\n");
		rig_data(&r, 0, said + cut, sizeof(said) - 1 - cut);
		rig_say(&r, 1, "221 bye\r\n");
		rig_end(&r);
		assert_has(rig_rows(&r), "\"DATA\",\"reply\":554");
		assert_has(rig_rows(&r), "\"QUIT\",\"reply\":221");
		rig_free(&r);
	}
}

/* A gap behind the first bytes of content: they are its. */
static void test_smtp_bytes_before_a_gap_are_content(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	play(&r, LINES(HELLO, "0MAIL FROM:<a@x>", "1250 ok", "0DATA"));
	rig_say(&r, 0, "RS");
	rig_gap(&r, 0, 10);
	play(&r, LINES("0", "0.", "1250 queued"));
	rig_end(&r);
	assert_has(rig_rows(&r), "\"bytes\":4,");
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_a_long_flight_is_answered_in_order),
		cmocka_unit_test(test_smtp_a_flight_over_the_cap_stays_in_step),
		cmocka_unit_test(test_smtp_a_lost_354_shifts_nothing),
		cmocka_unit_test(test_smtp_a_354_answers_data_alone),
		cmocka_unit_test(test_smtp_codes_bring_commands_and_replies_into_step),
		cmocka_unit_test(test_smtp_the_next_command_tells_that_one_was_answered),
		cmocka_unit_test(test_smtp_replies_to_commands_that_were_lost),
		cmocka_unit_test(test_smtp_a_text_in_the_middle_is_no_command),
		cmocka_unit_test(test_smtp_lmtp_answers_chunks_for_each_recipient),
		cmocka_unit_test(test_smtp_bytes_behind_a_refused_data_are_a_command),
		cmocka_unit_test(test_smtp_bytes_before_a_gap_are_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
