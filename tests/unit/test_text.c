/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <iconv.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The C library's opinion: UTF-16 cannot hold what UTF-8 must not. */
static bool iconv_accepts(iconv_t cd, const char *p, size_t n)
{
	char out[64], *in = (char *)p, *to = out;
	size_t left = sizeof(out);

	iconv(cd, NULL, NULL, NULL, NULL);
	return iconv(cd, &in, &n, &to, &left) != (size_t)-1;
}

static void test_utf8_agrees_with_the_c_library(void **state)
{
	iconv_t cd = iconv_open("UTF-16LE", "UTF-8");
	char b[4];

	assert_true(cd != (iconv_t)-1);
	for (uint32_t v = 1; v < 1 << 24; v += v < 1 << 16 ? 1 : 61) {
		size_t n = v < 1 << 8 ? 1 : v < 1 << 16 ? 2 : 3;
		bool has_nul = false;

		for (size_t i = 0; i < n; i++) {
			b[i] = (char)(v >> 8 * i);
			has_nul |= !b[i];
		}
		if (has_nul)
			continue;
		if ((nr_utf8_span(b, n) == n) != iconv_accepts(cd, b, n))
			fail_msg("%zu bytes of %06x", n, v);
	}
	for (unsigned lead = 0xf0; lead < 0x100; lead++) {
		for (unsigned second = 0x70; second < 0x100; second++) {
			memcpy(b, (char[]){ (char)lead, (char)second, '\x80', '\xbf' },
			       4);
			if ((nr_utf8_span(b, 4) == 4) != iconv_accepts(cd, b, 4))
				fail_msg("%02x %02x 80 bf", lead, second);
		}
	}
	iconv_close(cd);
}

static void utf8_of(const char *in, size_t n, const char *want)
{
	struct nr_buf b = { 0 };

	nr_buf_utf8(&b, in, n);
	assert_string_equal(b.p, want);
	nr_buf_fini(&b);
}

static void test_utf8_invalid_bytes_and_nul_are_escaped(void **state)
{
	utf8_of("", 0, "");
	utf8_of("plain text, longer than eight", 29, "plain text, longer than eight");
	utf8_of("a\0b", 3, "a\\x00b");
	utf8_of("caf\xc3\xa9 \xff\xfe", 8, "caf\xc3\xa9 \\xff\\xfe");
	utf8_of("\xed\xa0\x80", 3, "\\xed\\xa0\\x80"); /* a surrogate */
	utf8_of("\xc0\xaf", 2, "\\xc0\\xaf");          /* an overlong slash */
	utf8_of("12345678\xe2\x82", 10, "12345678\\xe2\\x82");
}

/* Every byte value at every place around the 8-byte path, as SQLite reads the JSON. */
static void test_json_string_is_read_back_for_all_bytes(void **state)
{
	sqlite3 *db;
	sqlite3_stmt *st;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db, "SELECT json_extract(?1, '$')", -1, &st, NULL),
		SQLITE_OK);
	for (unsigned c = 0; c < 256; c++) {
		for (size_t at = 0; at < 12; at += 3) {
			char in[13] = "abcdefghijkl";
			struct nr_buf json = { 0 }, want = { 0 };

			in[at] = (char)c;
			nr_buf_json(&json, in, 12);
			nr_buf_utf8(&want, in, 12);
			assert_true(nr_json_valid(json.p, json.len));
			for (size_t i = 0; i < json.len; i++)
				assert_true((uint8_t)json.p[i] >= 0x20);
			sqlite3_bind_text(st, 1, json.p, (int)json.len, SQLITE_STATIC);
			assert_int_equal(sqlite3_step(st), SQLITE_ROW);
			assert_string_equal((const char *)sqlite3_column_text(st, 0),
					    want.p);
			sqlite3_reset(st);
			nr_buf_fini(&json);
			nr_buf_fini(&want);
		}
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void json_of(const char *in, size_t n, const char *want)
{
	struct nr_buf b = { 0 };

	nr_buf_json(&b, in, n);
	assert_string_equal(b.p, want);
	nr_buf_fini(&b);
}

static void test_json_string_hides_control_characters(void **state)
{
	json_of("", 0, "\"\"");
	json_of("\"\\/\b\f\n\r\t", 8, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"");
	json_of("\x1b[31m\x7f", 6, "\"\\u001b[31m\\u007f\"");
	json_of("\xc2\x9b"
		"31m",
		5, "\"\\u009b31m\""); /* CSI as C1 */
	json_of("\xc2\xa0\xe2\x82\xac\xf0\x9f\x90\x8d", 9,
		"\"\xc2\xa0\xe2\x82\xac\xf0\x9f\x90\x8d\"");
	json_of("\x00", 1, "\"\\\\x00\"");
}

static void test_json_string_sequences_across_slices(void **state)
{
	for (size_t before = 4088; before < 4100; before++) {
		struct nr_buf in = { 0 }, out = { 0 };

		while (in.len < before)
			nr_buf_char(&in, 'x');
		nr_buf_str(&in, "\xf0\x9f\x90\x8d\xff");
		nr_buf_json(&out, in.p, in.len);
		assert_int_equal(out.len, 1 + before + 4 + 5 + 1);
		assert_true(nr_json_valid(out.p, out.len));
		nr_buf_fini(&in);
		nr_buf_fini(&out);
	}
}

static void test_json_valid_knows_json(void **state)
{
	static const char *const good[] = {
		"0",
		"-0.5e+10",
		"true",
		"null",
		"\"\"",
		"[]",
		"{}",
		" [ 1 , 2 ] ",
		"{\"a\":{\"b\":[1,{}]},\"c\":\"\\u00e9\\n\"}",
		"[[],[[]]]",
		"\"\xc3\xa9\"",
	};
	static const char *const bad[] = {
		"",           " ",           "01",  "-",         "1.",      ".5",
		"1e",         "+1",          "tru", "nul",       "'a'",     "\"",
		"\"\\x\"",    "\"\\u00g0\"", "[",   "[1",        "[1,",     "[1,]",
		"[,1]",       "[1 2]",       "{",   "{1:2}",     "{\"a\"}", "{\"a\":}",
		"{\"a\":1,}", "{\"a\":1]",   "[1}", "[]]",       "1 2",     "\"\xff\"",
		"\"\n\"",     "[1,\n2]",     "NaN", "{\"a\" 1}", "{,}",
	};
	char deep[400];

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!nr_json_valid(good[i], strlen(good[i])))
			fail_msg("refused %s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (nr_json_valid(bad[i], strlen(bad[i])))
			fail_msg("accepted %s", bad[i]);
	}
	assert_false(nr_json_valid("\"\0\"", 3));
	memset(deep, '[', 64);
	memset(deep + 64, ']', 64);
	assert_true(nr_json_valid(deep, 128));
	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	assert_false(nr_json_valid(deep, 130));
}

/* What it accepts SQLite accepts: one byte of a document changed at a time. */
/* Every byte at every place of strings of every short length: words of 8 look at once. */
static void test_every_byte_everywhere_in_strings(void **state)
{
	(void)state;
	for (size_t n = 1; n < 28; n++) {
		for (size_t at = 0; at < n; at++) {
			for (int c = 0; c < 256; c++) {
				char s[32];

				memset(s, 'x', n + 2);
				s[0] = s[n + 1] = '"';
				s[1 + at] = (char)c;
				assert_int_equal(nr_utf8_span(s + 1, n),
						 c > 0 && c < 128 ? n : at);
				assert_int_equal(nr_json_valid(s, n + 2),
						 c >= 0x20 && c < 128 && c != '"' &&
							 c != '\\');
			}
		}
	}
}

static void test_json_valid_is_not_looser_than_sqlite(void **state)
{
	static const char doc[] = "{\"a\":[1,-2.5e3,\"x\\n\",true],\"b\":{\"c\":null}}";
	sqlite3 *db;
	sqlite3_stmt *st;
	unsigned accepted = 0;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT json_valid(?1)", -1, &st, NULL),
			 SQLITE_OK);
	for (size_t at = 0; at < sizeof(doc) - 1; at++) {
		for (unsigned c = 1; c < 256; c++) {
			char copy[sizeof(doc)];

			memcpy(copy, doc, sizeof(doc));
			copy[at] = (char)c;
			if (!nr_json_valid(copy, sizeof(doc) - 1))
				continue;
			accepted++;
			sqlite3_bind_text(st, 1, copy, -1, SQLITE_STATIC);
			assert_int_equal(sqlite3_step(st), SQLITE_ROW);
			if (!sqlite3_column_int(st, 0))
				fail_msg("SQLite refuses %s", copy);
			sqlite3_reset(st);
		}
	}
	assert_true(accepted > sizeof(doc));
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void test_base64_agrees_with_openssl(void **state)
{
	uint8_t in[70];
	char want[100];

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 151 + 7);
	for (int n = 0; n <= (int)sizeof(in); n++) {
		struct nr_buf b = { 0 };

		EVP_EncodeBlock((unsigned char *)want, in, n);
		nr_buf_base64(&b, in, (size_t)n);
		assert_int_equal(b.len, strlen(want));
		assert_string_equal(b.p, n ? want : "");
		nr_buf_fini(&b);
	}
}

static void time_is_as_gmtime(int64_t ns)
{
	int64_t s = ns / 1000000000, rest = ns % 1000000000;
	char out[NR_TIME_TEXT], want[64];
	struct tm tm;
	size_t n;

	if (rest < 0) {
		rest += 1000000000;
		s--;
	}
	assert_non_null(gmtime_r(&s, &tm));
	n = strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(want + n, sizeof(want) - n, ".%09dZ", (int)rest);
	assert_int_equal(nr_time_format(out, ns), 30);
	assert_string_equal(out, want);
}

static void test_time_agrees_with_gmtime(void **state)
{
	uint64_t v = 88172645463325252u;
	char out[NR_TIME_TEXT];

	time_is_as_gmtime(0);
	time_is_as_gmtime(-1);
	time_is_as_gmtime(INT64_MAX);
	time_is_as_gmtime(INT64_MIN);
	for (int i = 0; i < 100000; i++) {
		v ^= v << 13;
		v ^= v >> 7;
		v ^= v << 17;
		time_is_as_gmtime((int64_t)v);
	}
	for (int64_t day = -80000; day < 100000; day++)
		time_is_as_gmtime(day * 86400000000000);
	nr_time_format(out, INT64_MIN);
	assert_string_equal(out, "1677-09-21T00:12:43.145224192Z");
}

static void test_int_agrees_with_printf(void **state)
{
	static const int64_t v[] = {
		0, 1, -1, 9, 10, 99, 100, INT64_MAX, INT64_MIN, -10
	};
	char out[NR_INT_TEXT], want[32];

	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		snprintf(want, sizeof(want), "%lld", (long long)v[i]);
		assert_int_equal(nr_int_format(out, v[i]), strlen(want));
		assert_string_equal(out, want);
	}
}

static void test_buf_grows_and_formats(void **state)
{
	struct nr_buf b = { 0 };
	char want[1000];

	for (int i = 0; i < 1000; i++) {
		nr_buf_printf(&b, "%c", 'a' + i % 26);
		want[i] = (char)('a' + i % 26);
	}
	assert_memory_equal(b.p, want, 1000);
	nr_buf_clear(&b);
	nr_buf_printf(&b, "%0500d", 7);
	assert_int_equal(b.len, 500);
	assert_string_equal(b.p + 498, "07");
	nr_buf_fini(&b);
}

static void test_text_base64_comes_back(void **state)
{
	char out[8];

	assert_int_equal(nr_base64_decode(out, sizeof(out), "Zm9vYmE=", 8), 5);
	assert_memory_equal(out, "fooba", 5);
	assert_int_equal(nr_base64_decode(out, sizeof(out), "Zm9vYg", 6), 4);
	assert_memory_equal(out, "foob", 4);
	assert_int_equal(nr_base64_decode(out, sizeof(out), "", 0), 0);
	assert_int_equal(nr_base64_decode(out, sizeof(out), "Zm=9", 4), -1);
	assert_int_equal(nr_base64_decode(out, 3, "Zm9vYg", 6), -1);
}

static void test_text_hex_digits(void **state)
{
	struct nr_buf b = { 0 };
	char out[7];

	nr_hex_format(out, "\x00\xa5\xff", 3);
	assert_string_equal(out, "00a5ff");
	nr_buf_hex(&b, "\x10\x0f", 2);
	nr_buf_str(&b, "!");
	assert_string_equal(b.p, "100f!");
	nr_buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_base64_comes_back),
		cmocka_unit_test(test_text_hex_digits),
		cmocka_unit_test(test_utf8_agrees_with_the_c_library),
		cmocka_unit_test(test_utf8_invalid_bytes_and_nul_are_escaped),
		cmocka_unit_test(test_json_string_is_read_back_for_all_bytes),
		cmocka_unit_test(test_json_string_hides_control_characters),
		cmocka_unit_test(test_json_string_sequences_across_slices),
		cmocka_unit_test(test_json_valid_knows_json),
		cmocka_unit_test(test_every_byte_everywhere_in_strings),
		cmocka_unit_test(test_json_valid_is_not_looser_than_sqlite),
		cmocka_unit_test(test_base64_agrees_with_openssl),
		cmocka_unit_test(test_time_agrees_with_gmtime),
		cmocka_unit_test(test_int_agrees_with_printf),
		cmocka_unit_test(test_buf_grows_and_formats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
