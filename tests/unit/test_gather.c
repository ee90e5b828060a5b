/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct bench {
	struct nr_account account;
	struct nr_gather g;
};

static void line(struct bench *b, struct nr_cursor *in, size_t max, const char *want,
		 uint64_t cut)
{
	struct nr_piece out;

	assert_int_equal(nr_gather_line(&b->g, &b->account, in, max, &out), NR_G_WHOLE);
	assert_int_equal(out.len, strlen(want));
	assert_memory_equal(out.p, want, out.len);
	assert_int_equal(out.cut, cut);
}

static void test_gather_lines_whole_and_split(void **state)
{
	static const char text[] = "one\r\ntwo\n\r\nfour and more\r\n";
	const size_t n = sizeof(text) - 1;

	for (size_t cut = 0; cut <= n; cut++) {
		struct bench b = { .account = { .max = 4096 } };
		struct nr_cursor in[2] = { nr_cursor(text, cut),
					   nr_cursor(text + cut, n - cut) };
		static const char *const want[] = { "one", "two", "", "four and more" };
		struct nr_piece out;
		size_t k = 0;

		for (int i = 0; i < 2; i++) {
			while (nr_gather_line(&b.g, &b.account, &in[i], 100, &out) ==
			       NR_G_WHOLE) {
				assert_true(k < 4);
				assert_int_equal(out.len, strlen(want[k]));
				assert_memory_equal(out.p, want[k], out.len);
				k++;
			}
		}
		assert_int_equal(k, 4);
		nr_gather_free(&b.g, &b.account);
		assert_int_equal(b.account.used, 0);
	}
}

static void test_gather_line_over_max_says_how_much_was_cut(void **state)
{
	struct bench b = { .account = { .max = 4096 } };
	struct nr_cursor in = nr_cursor("abcdefgh\nab\n", 12);
	struct nr_cursor part[3] = { nr_cursor("abc", 3), nr_cursor("defgh", 5),
				     nr_cursor("\nx\n", 3) };
	struct nr_piece out;

	line(&b, &in, 4, "abcd", 4);
	line(&b, &in, 4, "ab", 0);
	assert_int_equal(nr_gather_line(&b.g, &b.account, &part[0], 4, &out), NR_G_MORE);
	assert_int_equal(nr_gather_line(&b.g, &b.account, &part[1], 4, &out), NR_G_MORE);
	line(&b, &part[2], 4, "abcd", 4);
	line(&b, &part[2], 4, "x", 0);
	nr_gather_free(&b.g, &b.account);
}

static void test_gather_cr_beyond_max_is_no_text(void **state)
{
	struct bench b = { .account = { .max = 4096 } };
	struct nr_cursor in = nr_cursor("abcde\nabcd\r\nabcde\r\n", 19);
	struct nr_cursor part[2] = { nr_cursor("abcd\r", 5), nr_cursor("\nabcde", 6) };
	struct nr_cursor end = nr_cursor("\n", 1);
	struct nr_piece out;

	line(&b, &in, 4, "abcd", 1);
	line(&b, &in, 4, "abcd", 0);
	line(&b, &in, 4, "abcd", 1);
	assert_int_equal(nr_gather_line(&b.g, &b.account, &part[0], 4, &out), NR_G_MORE);
	line(&b, &part[1], 4, "abcd", 0);
	assert_int_equal(nr_gather_line(&b.g, &b.account, &part[1], 4, &out), NR_G_MORE);
	line(&b, &end, 4, "abcd", 1);
	nr_gather_free(&b.g, &b.account);
}

static void test_gather_bytes_whole_and_split(void **state)
{
	struct bench b = { .account = { .max = 4096 } };
	struct nr_cursor a = nr_cursor("abcde", 5), c = nr_cursor("fgh", 3);
	struct nr_piece out;

	assert_int_equal(nr_gather_bytes(&b.g, &b.account, &a, 2, &out), NR_G_WHOLE);
	assert_memory_equal(out.p, "ab", 2);
	assert_int_equal(nr_gather_bytes(&b.g, &b.account, &a, 5, &out), NR_G_MORE);
	assert_int_equal(nr_gathered_len(&b.g), 3);
	assert_int_equal(nr_gather_bytes(&b.g, &b.account, &c, 5, &out), NR_G_WHOLE);
	assert_memory_equal(out.p, "cdefg", 5);
	assert_int_equal(nr_left(&c), 1);
	nr_gather_free(&b.g, &b.account);
	assert_int_equal(b.account.used, 0);
}

static void test_gather_refused_at_the_cap(void **state)
{
	struct bench b = { .account = { .max = 100 } };
	static const char many[200];
	struct nr_cursor in = nr_cursor(many, sizeof(many));
	struct nr_piece out;

	assert_int_equal(nr_gather_bytes(&b.g, &b.account, &in, 1000, &out), NR_G_NO_MEM);
	assert_int_equal(b.account.refused, 1);
	nr_gather_free(&b.g, &b.account);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gather_lines_whole_and_split),
		cmocka_unit_test(test_gather_line_over_max_says_how_much_was_cut),
		cmocka_unit_test(test_gather_cr_beyond_max_is_no_text),
		cmocka_unit_test(test_gather_bytes_whole_and_split),
		cmocka_unit_test(test_gather_refused_at_the_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
