/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of a case of `nrtool test`, well written, badly, and hostile. */
#include "casetest/align.h"
#include "casetest/edits.h"
#include "casetest/expect.h"
#include "casetest/findings.h"
#include "casetest/words.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nr_err err;

static int sql(struct nr_expect_sql *e, struct nr_arena *a, const char *text)
{
	err.text[0] = '\0';
	return nr_expect_sql_parse(e, "x.sql", text, strlen(text), a, &err);
}

static int jsonl(struct nr_expect_jsonl *e, struct nr_arena *a, const char *text)
{
	err.text[0] = '\0';
	return nr_expect_jsonl_parse(e, "x.jsonl", text, strlen(text), a, &err);
}

static void test_queries_and_their_rows(void **state)
{
	static const char text[] = "-- made by hand\n"
				   "-- exit: 3\n"
				   "-- name:  flows \n"
				   "SELECT a, ';' -- no end; here\n"
				   " FROM \"x;y\" /* ; */;\n"
				   "-- | a | b |\n"
				   "-- |---|:---:|\n"
				   "\n"
				   "--| 1 |  two \\| three |  \n"
				   "-- | | NULL |\n"
				   "SELECT 1; -- nothing\n";
	struct nr_arena a = { 0 };
	struct nr_expect_sql e;

	assert_int_equal(sql(&e, &a, text), 0);
	assert_int_equal(e.exit.status, 3);
	assert_int_equal(e.exit.where.line, 2);
	assert_int_equal(e.n, 2);
	assert_string_equal(e.query[0].name, "flows");
	assert_int_equal(e.query[0].sql.line, 4);
	assert_string_equal(e.query[0].text,
			    "SELECT a, ';' -- no end; here\n FROM \"x;y\" /* ; */;");
	assert_true(e.query[0].has_head);
	assert_int_equal(e.query[0].n, 4);
	assert_string_equal(e.query[0].row[2].cell[1], "two \\| three");
	assert_string_equal(e.query[0].row[3].cell[0], "");
	assert_int_equal(e.query[0].row[3].where.line, 10);
	assert_string_equal(e.query[1].name, "query 2");
	assert_int_equal(e.query[1].n, 0);
	assert_int_equal(e.query[1].rows_at, strlen(text));
	nr_arena_fini(&a);
}

static void test_broken_sql_is_named_with_its_line(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "", "x.sql:1: there is no query" },
		{ "-- a comment\n", "x.sql:1: there is no query" },
		{ "\nSELECT 1\n",
		  "x.sql:2: the query that begins here has no semicolon" },
		{ "SELECT 1;\n\nSELECT ';\n\n", "x.sql:3: the query that begins here has "
						"an open quote" },
		{ "SELECT 1 /* ;", "x.sql:1: the query that begins here has an open" },
		{ "SELECT 1; SELECT 2;\n", "x.sql:1: the next query begins on a line" },
		{ "SELECT 1; -- | 1 |\n", "x.sql:1: rows stand on lines of their own" },
		{ "-- | 1 |\nSELECT 1;\n", "x.sql:1: a row stands below the query" },
		{ "SELECT 1;\n-- name: b\n-- | 1 |\nSELECT 1;\n",
		  "x.sql:3: a row stands" },
		{ "SELECT 1;\n-- | 1\n", "x.sql:2: a row ends with a border" },
		{ "SELECT 1;\n-- |\n", "x.sql:2: a row ends with a border" },
		{ "SELECT 1;\n-- | a \\|\n", "x.sql:2: a row ends with a border" },
		{ "-- exit: 2\nSELECT 1;\n", "x.sql:1: replay ends with 0, 1" },
		{ "-- exit: 3\n-- exit: 3\nSELECT 1;\n", "x.sql:2: the exit status is" },
		{ "-- exti: 3\nSELECT 1;\n", "did you mean 'exit:'" },
		{ "-- names: x\nSELECT 1;\n", "did you mean 'name:'" },
		{ "-- name:\nSELECT 1;\n", "x.sql:1: the name is missing" },
		{ "-- name: a\n-- name: b\nSELECT 1;\n", "x.sql:2: two names" },
		{ "SELECT 1;\n-- name: a\n", "a name without a query" },
		{ "-- name: a\nSELECT 1;\n-- name: a\nSELECT 2;\n", "the same name" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct nr_arena a = { 0 };
		struct nr_expect_sql e;

		assert_true(sql(&e, &a, cases[i].text) < 0);
		if (!strstr(err.text, cases[i].said))
			fail_msg("'%s' is not said by '%s'", cases[i].said, err.text);
		nr_arena_fini(&a);
	}
}

static void test_records_and_their_head(void **state)
{
	struct nr_arena a = { 0 };
	struct nr_expect_jsonl e;

	assert_int_equal(
		jsonl(&e, &a,
		      "# match: subset types=flow,dns fields=proto,src_ip\n"
		      "# from tshark 4.0: not a word of ours\n"
		      "#exit: 3\n\n"
		      "{\"type\": \"flow\", \"a\": [1, 2.50 , {\"b\":1,\"a\":2}]}\r\n"),
		0);
	assert_true(e.subset);
	assert_int_equal(e.n_types, 2);
	assert_string_equal(e.types[1], "dns");
	assert_string_equal(e.fields[1], "src_ip");
	assert_int_equal(e.exit.status, 3);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.line[0].where.line, 5);
	assert_string_equal(e.line[0].json.m[1].value, "[1,2.5,{\"a\":2,\"b\":1}]");
	nr_arena_fini(&a);
}

static void test_broken_records_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "# match: roughly\n", "x.jsonl:1: 'match:' takes full or subset" },
		{ "# match: full kinds=a\n", "not 'kinds=a'" },
		{ "# match: full types=\n", "a name is missing" },
		{ "# match: full types=flow,,dns\n", "a name is missing" },
		{ "# match: full types=flwo\n", "no records of type 'flwo'" },
		{ "# match: full\n# match: full\n", "x.jsonl:2: 'match:' stands there" },
		{ "# macth: full\n", "did you mean 'match:'" },
		{ "\n\n{\"type\": \"flow\"", "x.jsonl:3: this is no JSON object" },
		{ "[]\n", "x.jsonl:1: this is no JSON object" },
		{ "{}\n", "x.jsonl:1: the record has no \"type\"" },
		{ "{\"type\":\"flow\",\"a\":1,\"a\":1}\n", "the key \"a\" stands there" },
		{ "# match: subset types=dns\n{\"type\":\"flow\"}\n",
		  "x.jsonl:2: records "
		  "of type 'flow'" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct nr_arena a = { 0 };
		struct nr_expect_jsonl e;

		assert_true(jsonl(&e, &a, cases[i].text) < 0);
		if (!strstr(err.text, cases[i].said))
			fail_msg("'%s' is not said by '%s'", cases[i].said, err.text);
		nr_arena_fini(&a);
	}
}

/* Each prefix of each text, in a block of its own, so that ASan sees a step too far. */
static void test_cut_texts_never_crash(void **state)
{
	static const char *const texts[] = {
		"-- name: a\nSELECT 'x', \"y\", [z], `w` /* c */ FROM t; -- c\n-- | \\| "
		"| "
		"\\\n",
		"# match: subset types=flow fields=a\n# exit: 3\n{\"type\":\"flow\","
		"\"a\":\"\\ud83d\\ude00\\ud800\\n\",\"b\":{\"c\":[[],{},-1.5e+3,null,"
		"true]}}\n",
		"--tcp-timeout='5 s' \"--filter=tcp \\\" port\" a\\ b # c\n-c 1",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		for (size_t n = 0; n <= strlen(texts[i]); n++) {
			char *copy = strndup(texts[i], n);
			struct nr_arena a = { 0 };
			struct nr_expect_jsonl j;
			struct nr_expect_sql s;
			struct nr_words w;
			unsigned line;

			sql(&s, &a, copy);
			jsonl(&j, &a, copy);
			if (!nr_words_split(&w, copy, n, &a, &line, &err))
				nr_words_check(&w, &line, &err);
			free(copy);
			nr_arena_fini(&a);
		}
}

/* Bytes exchanged, taken out and doubled at random: no answer is wrong but a crash. */
static void test_mutated_texts_never_crash(void **state)
{
	static const char text[] =
		"-- exit: 3\n-- name: a\nSELECT 'x;', \"y\" /* c */;\n-- | "
		"a | b |\n-- | --- | --- |\n-- | \\| | \\\\ |\n"
		"# match: subset types=flow,dns fields=a,b\n# exit: 0\n"
		"{\"type\":\"flow\",\"a\":{\"b\":[1,\"\\u00e9\"]}}\n";
	static const char bytes[] = "-|;'\"\\\n#:{}[],*/ a=\x80";
	unsigned seed = 7;

	for (unsigned round = 0; round < 20000; round++) {
		char *copy = strdup(text);
		size_t n = strlen(copy);
		struct nr_arena a = { 0 };
		struct nr_expect_jsonl j;
		struct nr_expect_sql s;
		struct nr_words w;
		unsigned line;

		for (unsigned k = 0; k <= round % 8; k++) {
			size_t at = ((seed = seed * 1103515245 + 12345) >> 12) % n;

			copy[at] = bytes[(seed >> 8) % (sizeof(bytes) - 1)];
			if (seed & 16 && n > 16) {
				memmove(copy + at, copy + at + 1, n - at);
				n--;
			}
		}
		sql(&s, &a, copy);
		jsonl(&j, &a, strchr(copy, '#') ? strchr(copy, '#') : copy);
		nr_words_split(&w, copy, n, &a, &line, &err);
		free(copy);
		nr_arena_fini(&a);
	}
}

static void test_deep_and_long_texts_end(void **state)
{
	enum { N = 1 << 20 };
	static const struct {
		const char *head, *piece;
	} kinds[] = {
		{ "{\"type\":", "[" },         { "{\"type\":", "{\"a\":" },
		{ "SELECT 1;\n-- |", "|" },    { "SELECT ", "''" },
		{ "", "-- | a |\n" },          { "SELECT 1;\n", "-- | a |\n" },
		{ "{\"type\":\"flow\"", "," }, { "", "\n" },
		{ "", "# match: " },           { "# match: full types=", "," },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct nr_buf b = { 0 };
		struct nr_arena a = { 0 };
		struct nr_expect_jsonl j;
		struct nr_expect_sql s;

		nr_buf_str(&b, kinds[i].head);
		while (b.len < N)
			nr_buf_str(&b, kinds[i].piece);
		sql(&s, &a, b.p);
		jsonl(&j, &a, b.p);
		nr_buf_fini(&b);
		nr_arena_fini(&a);
	}
}

static void test_options_are_words_of_replay(void **state)
{
	static const struct {
		const char *text, *said; /* NULL: fine */
		unsigned line;
	} cases[] = {
		{ "", NULL, 0 },
		{ "# none\n", NULL, 0 },
		{ "--checksums=ignore\n--tcp-timeout '5s' # short\n", NULL, 0 },
		{ "--filter \"tcp port 80\"", NULL, 0 },
		{ "--checksums=ignore\n\n--overlap=me\n", "overlap", 3 },
		{ "--no-flip\n-o x.db", "-o", 2 },
		{ "--secret-key=/etc/passwd", "secret-key", 1 },
		{ "x.pcap", "'x.pcap' is no option", 1 },
		{ "--from", "--from needs", 1 },
		{ "\n'--no-flip", "a quote is not closed", 2 },
		{ "--dedup=x", "--dedup needs", 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct nr_arena a = { 0 };
		struct nr_words w;
		unsigned line = 0;
		int rc = nr_words_split(&w, cases[i].text, strlen(cases[i].text), &a,
					&line, &err);

		if (!rc)
			rc = nr_words_check(&w, &line, &err);
		assert_int_equal(rc < 0, cases[i].said != NULL);
		if (rc) {
			assert_int_equal(line, cases[i].line);
			if (!strstr(err.text, cases[i].said))
				fail_msg("'%s' is not said by '%s'", cases[i].said,
					 err.text);
		}
		nr_arena_fini(&a);
	}
}

static void test_values_are_equal_however_they_are_written(void **state)
{
	static const char *const equal[][2] = {
		{ "{\"a\":\"\\u00e9\\/\"}", "{ \"a\" : \"é/\" }" },
		{ "{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"😀\"}" },
		{ "{\"a\":1.50e1}", "{\"a\":15.0}" },
		{ "{\"a\":{\"x\":1,\"y\":[ ]}}", "{\"a\":{\"y\":[],\"x\":1}}" },
	};
	struct nr_json_line x, y;

	for (size_t i = 0; i < sizeof(equal) / sizeof(*equal); i++) {
		struct nr_arena a = { 0 };

		assert_int_equal(nr_json_line_parse(&x, &a, equal[i][0],
						    strlen(equal[i][0]), &err),
				 0);
		assert_int_equal(nr_json_line_parse(&y, &a, equal[i][1],
						    strlen(equal[i][1]), &err),
				 0);
		assert_string_equal(x.m[0].value, y.m[0].value);
		nr_arena_fini(&a);
	}
}

static unsigned like(void *arg, size_t i, size_t k)
{
	const uint64_t *const *h = arg;

	return h[0][i] / 10 == h[1][k] / 10;
}

/* Whatever the lists are: each position once, in order, and equal ones where it says. */
static void test_alignment_keeps_order_and_loses_nothing(void **state)
{
	uint64_t want[64], have[64];
	unsigned seed = 1;

	for (unsigned round = 0; round < 2000; round++) {
		const uint64_t *both[2] = { want, have };
		struct nr_arena a = { 0 };
		size_t n = (seed = seed * 1103515245 + 12345) >> 16 & 63;
		size_t m = (seed = seed * 1103515245 + 12345) >> 16 & 63, equal = 0;
		ptrdiff_t w = 0, h = 0;
		struct nr_aligned al;

		for (size_t i = 0; i < n; i++)
			want[i] = (seed = seed * 1103515245 + 12345) >> 16 & 31;
		for (size_t i = 0; i < m; i++)
			have[i] = (seed = seed * 1103515245 + 12345) >> 16 & 31;
		if (round % 2) { /* one list with one thing missing */
			memcpy(have, want, sizeof(want));
			m = n ? n - 1 : 0;
			if (n > 5)
				memmove(have + 5, have + 6, (n - 6) * sizeof(*have));
		}
		al = nr_align(want, n, have, m, like, both, &a);
		for (size_t i = 0; i < al.n; i++) {
			if (al.p[i].want >= 0)
				assert_int_equal(al.p[i].want, w++);
			if (al.p[i].have >= 0)
				assert_int_equal(al.p[i].have, h++);
			if (al.p[i].want >= 0 && al.p[i].have >= 0)
				equal += want[al.p[i].want] == have[al.p[i].have];
		}
		assert_int_equal(w, n);
		assert_int_equal(h, m);
		if (round % 2 && n > 5)
			assert_true(equal + 1 >= m - m / 2);
		nr_arena_fini(&a);
	}
}

static void test_edits_leave_the_rest(void **state)
{
	static const char text[] = "one\ntwo\nthree";
	struct nr_edits e = { { 0 } };
	struct nr_buf b = { 0 };

	nr_edits_add(&e, 13, 0, "four\n");
	nr_edits_add(&e, 4, 4, "TWO\n");
	nr_edits_add(&e, 0, 0, "zero\n");
	nr_edits_apply(&e, text, strlen(text), &b);
	assert_string_equal(b.p, "zero\none\nTWO\nthree\nfour\n");
	nr_edits_fini(&e);
	nr_buf_fini(&b);
}

static void test_frames_of_a_child_that_died_are_read(void **state)
{
	struct nr_findings f = { .max = 1 };
	struct nr_frame frame;

	nr_found_difference(&f, "a:%d", 1);
	nr_found_detail(&f, "b");
	nr_found_difference(&f, "left out");
	nr_found_end(&f);
	for (size_t n = 0; n <= f.out.len; n++) {
		char *copy = malloc(n + 1);
		size_t at = 0, count = 0;

		memcpy(copy, f.out.p, n);
		while (nr_frame_next(&frame, copy, n, &at))
			count++;
		assert_true(at <= n && count <= 4);
		assert_int_equal(count == 4, n == f.out.len);
		free(copy);
	}
	nr_findings_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_queries_and_their_rows),
		cmocka_unit_test(test_broken_sql_is_named_with_its_line),
		cmocka_unit_test(test_records_and_their_head),
		cmocka_unit_test(test_broken_records_are_named_with_their_line),
		cmocka_unit_test(test_cut_texts_never_crash),
		cmocka_unit_test(test_mutated_texts_never_crash),
		cmocka_unit_test(test_deep_and_long_texts_end),
		cmocka_unit_test(test_options_are_words_of_replay),
		cmocka_unit_test(test_values_are_equal_however_they_are_written),
		cmocka_unit_test(test_alignment_keeps_order_and_loses_nothing),
		cmocka_unit_test(test_edits_leave_the_rest),
		cmocka_unit_test(test_frames_of_a_child_that_died_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
