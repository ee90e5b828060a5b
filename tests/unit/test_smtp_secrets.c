/* SPDX-License-Identifier: BSD-3-Clause */
/* What was sent behind AUTH is never told, also where the dialogue was not all seen. */
#include "rig.h"

extern const struct nr_parser nr_parser_smtp;

/* "topsecret", and \0joe\0topsecret, as they stand on the wire. */
#define SECRET "dG9wc2VjcmV0"
#define PLAIN  "AGpvZQB0b3BzZWNyZXQ="

struct seen {
	struct nr_buf text;
};

static void secret_seen(void *arg, uint64_t flow_id, const uint8_t *p, size_t n)
{
	struct seen *s = arg;

	nr_buf_add(&s->text, (const char *)p, n);
	nr_buf_char(&s->text, '\n');
}

/* A line "0…" of the client, "1…" of the server; "g0", "g1": a gap of that side. */
static void play(struct rig *r, const char *const *lines)
{
	for (; *lines; lines++) {
		if (**lines == 'g') {
			rig_gap(r, (unsigned)((*lines)[1] - '0'), 20);
			continue;
		}
		rig_say(r, (unsigned)(**lines - '0'), *lines + 1);
		rig_say(r, (unsigned)(**lines - '0'), "\r\n");
	}
}

/* Rows and anomalies hold all of want, and no secret; who follows the stream is told of
   what was sent. */
static void check(const char *const *lines, const char *const *want, const char *sent)
{
	struct seen seen = { 0 };
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	r.options.secret_seen = secret_seen;
	r.options.secret_arg = &seen;
	play(&r, lines);
	rig_end(&r);
	rig_rows(&r);
	nr_buf_str(&r.text, rig_anomalies(&r));
	for (; *want; want++)
		assert_has(r.text.p, *want);
	assert_has_not(r.text.p, "topsecret");
	assert_has_not(r.text.p, SECRET);
	assert_has_not(r.text.p, PLAIN);
	if (sent)
		assert_has(seen.text.p, sent);
	nr_buf_fini(&seen.text);
	rig_free(&r);
}

#define LINES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_smtp_a_command_is_no_answer_to_auth(void **state)
{
	/* one side only: LOGIN was refused, PLAIN comes instead */
	check(LINES("0EHLO me", "0AUTH LOGIN", "0AUTH PLAIN " PLAIN, "0MAIL FROM:<a@x>",
		    "0RCPT TO:<b@y>", "0QUIT"),
	      LINES("credential {\"service\":\"smtp\",\"mechanism\":\"login\"}",
		    "credential {\"service\":\"smtp\",\"user\":\"joe\",\"secret\":"
		    "\"*********\",\"mechanism\":\"plain\"}",
		    "\"mail_from\":\"a@x\"",
		    "\"argument\":\"PLAIN ********************\"", "\"n_commands\":6"),
	      PLAIN);
	/* the refusal was lost */
	check(LINES("1220 mx", "0EHLO me", "1250 mx", "0AUTH LOGIN", "g1",
		    "0AUTH PLAIN " PLAIN, "1235 ok"),
	      LINES("credential {\"service\":\"smtp\",\"mechanism\":\"login\"}",
		    "credential {\"service\":\"smtp\",\"user\":\"joe\",\"secret\":"
		    "\"*********\",\"mechanism\":\"plain\",\"success\":1}"),
	      PLAIN);
	/* in the middle of LOGIN */
	for (unsigned i = 0; i < 5; i++) {
		static const char *const next[] = { "0NOOP", "0rset", "0QUIT", "0DATA",
						    "0MAIL FROM:<a@x>" };
		static const char *const told[] = { "NOOP", "RSET", "QUIT", "DATA",
						    "MAIL" };
		char want[40] = "\"command\":\"";

		strcat(strcat(want, told[i]), "\"");
		check(LINES("0AUTH LOGIN", "0am9l", next[i]),
		      LINES("credential {\"service\":\"smtp\",\"user\":\"joe\","
			    "\"mechanism\":\"login\"}",
			    want),
		      NULL);
	}
	/* what only looks like one: MDM, in base64 */
	check(LINES("0AUTH LOGIN", "0TURN", "0" SECRET, "1235 ok"),
	      LINES("credential {\"service\":\"smtp\",\"user\":\"MDM\","), SECRET);
}

static void test_smtp_replies_answer_their_own_auth(void **state)
{
	check(LINES("0AUTH LOGIN", "0AUTH PLAIN " PLAIN, "1504 what?", "1235 ok"),
	      LINES("credential {\"service\":\"smtp\",\"mechanism\":\"login\"}",
		    "\"mechanism\":\"plain\",\"success\":1}"),
	      PLAIN);
}

static void test_smtp_a_user_of_login_is_a_name_or_a_secret(void **state)
{
	/* what PLAIN sends */
	check(LINES("1220 mx", "0AUTH LOGIN " PLAIN, "1535 no"),
	      LINES("credential {\"service\":\"smtp\",\"user\":\"joe\",\"secret\":"
		    "\"*********\",\"mechanism\":\"login\",\"success\":0}"),
	      PLAIN);
	/* no base64: in the clear, by a client that knows no better */
	check(LINES("1220 mx", "0AUTH LOGIN", "0my topsecret!",
		    "1501 my topsecret! is none"),
	      LINES("credential {\"service\":\"smtp\",\"secret\":\"*************\","),
	      "my topsecret!");
	/* base64 of no text */
	check(LINES("1220 mx", "0AUTH LOGIN", "0/v7+/v7+", "1535 no"),
	      LINES("credential {\"service\":\"smtp\",\"secret\":\"******\","),
	      "/v7+/v7+");
	/* an empty name, and one that was sent as empty */
	check(LINES("0AUTH LOGIN", "0", "0" SECRET, "0QUIT"),
	      LINES("credential {\"service\":\"smtp\",\"secret\":\"*********\","),
	      SECRET);
	check(LINES("0AUTH LOGIN =", "0" SECRET, "0QUIT"),
	      LINES("credential {\"service\":\"smtp\",\"secret\":\"*********\","),
	      SECRET);
}

static void test_smtp_auth_by_another_name(void **state)
{
	check(LINES("1220 mx", "0X-EXPS PLAIN " PLAIN, "1535 no", "0x-exps LOGIN",
		    "1334 VXNlcm5hbWU6", "0am9l", "1334 UGFzc3dvcmQ6", "0" SECRET,
		    "1235 ok", "0QUIT", "1221 bye"),
	      LINES("\"mechanism\":\"plain\",\"success\":0}",
		    "\"mechanism\":\"login\",\"success\":1}",
		    "{\"command\":\"X-EXPS\",\"argument\":\"PLAIN ********************\"",
		    "{\"command\":\"QUIT\",\"reply\":221"),
	      SECRET);
}

static void test_smtp_answers_to_an_auth_that_is_over(void **state)
{
	/* the password comes though the user was refused, and is repeated */
	check(LINES("1220 mx", "0AUTH LOGIN", "1334 VXNlcm5hbWU6", "0am9l", "1535 no",
		    "0" SECRET, "1500 what is " SECRET "?"),
	      LINES("\"command\":\"************\",\"reply\":500",
		    "what is ************?"),
	      SECRET);
	/* the code tells what it was; lines are missing; the beginning is missing */
	check(LINES("1220 mx", "0EHLO me", "1250 mx", "0" SECRET, "1535 no " SECRET),
	      LINES("\"command\":\"************\",\"reply\":535"), SECRET);
	check(LINES("1220 mx", "g0", "0NOOP", "0" SECRET, "1500 what?"),
	      LINES("\"command\":\"************\""), SECRET);
	check(LINES("0NOOP", "0" SECRET, "1500 what?"),
	      LINES("\"command\":\"************\""), SECRET);
}

static void test_smtp_unknown_commands_are_no_secrets(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_smtp, NR_TCP_PROTO, 40000, 25);
	play(&r, LINES("1220 mx", "0EHLO me", "1250 mx", "0ONEX", "1500 what?",
		       "0AUTH PLAIN " PLAIN, "1535 no", "0NOOP", "1250 ok", "0EXIT",
		       "1500 what is EXIT?"));
	rig_end(&r);
	assert_has(rig_rows(&r), "{\"command\":\"ONEX\",\"reply\":500");
	assert_has(rig_rows(&r), "{\"command\":\"EXIT\",\"reply\":500");
	assert_has(rig_rows(&r), "what is EXIT?");
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smtp_a_command_is_no_answer_to_auth),
		cmocka_unit_test(test_smtp_replies_answer_their_own_auth),
		cmocka_unit_test(test_smtp_a_user_of_login_is_a_name_or_a_secret),
		cmocka_unit_test(test_smtp_auth_by_another_name),
		cmocka_unit_test(test_smtp_answers_to_an_auth_that_is_over),
		cmocka_unit_test(test_smtp_unknown_commands_are_no_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
