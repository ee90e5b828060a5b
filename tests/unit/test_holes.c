/* SPDX-License-Identifier: BSD-3-Clause */
/* Stream coverage against a naive model that keeps one flag per byte. */
#include "flow/holes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { SPAN = 400 };

static uint32_t seed;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static uint64_t model_missed(const bool *seen, uint64_t top)
{
	uint64_t n = 0;

	for (uint64_t i = 1; i < top; i++)
		n += !seen[i];
	return n;
}

/* base moves the offsets up to where 32 bits end. */
static void against_model(uint64_t base, uint32_t start)
{
	static bool seen[SPAN + 64];
	struct nr_side s = { .top = base + 1 };
	uint64_t top = 1;

	seed = start;
	memset(seen, 0, sizeof(seen));
	for (int step = 0; step < 60; step++) {
		uint64_t from = 1 + rnd(SPAN), to = from + 1 + rnd(20), fresh = 0;
		bool filled = false;
		struct nr_seen r;

		for (uint64_t i = from; i < to; i++) {
			fresh += !seen[i];
			filled |= !seen[i] && i < top;
			seen[i] = true;
		}
		top = to > top ? to : top;
		r = nr_holes_seen(&s, base + from, base + to);
		assert_int_equal(r.fresh, fresh);
		assert_int_equal(r.filled_hole, filled);
		assert_false(r.forgot);
		assert_int_equal(s.top, base + top);
		assert_int_equal(nr_holes_missed(&s), model_missed(seen, top));
		for (uint64_t at = 1; at < top; at += 7) {
			uint64_t next = at;

			while (next < top && seen[next])
				next++;
			assert_int_equal(nr_holes_next(&s, base + at), base + next);
		}
	}
	nr_holes_free(&s);
}

static void test_holes_equal_a_model_of_bytes(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		against_model(0, i);
	for (uint32_t i = 0; i < 100; i++)
		against_model(UINT32_MAX - SPAN / 2, i);
}

static void test_holes_at_the_cap_still_add_up(void **state)
{
	struct nr_side s = { .top = 1 };
	bool forgot = false;

	(void)state;
	for (uint64_t i = 1; i < 4000; i += 2)
		forgot |= nr_holes_seen(&s, i + 1, i + 2).forgot;
	assert_true(forgot);
	assert_int_equal(s.holes->n, NR_MAX_HOLES);
	assert_int_equal(nr_holes_missed(&s), 2000);
	nr_holes_free(&s);
}

static void test_holes_skip_extends_the_last(void **state)
{
	struct nr_side s = { .top = 1 };
	struct nr_seen out = { 0 };

	(void)state;
	nr_holes_seen(&s, 1, 11);
	nr_holes_skip(&s, 21, &out);
	nr_holes_skip(&s, 31, &out);
	assert_int_equal(s.holes->n, 1);
	assert_int_equal(nr_holes_missed(&s), 20);
	assert_int_equal(nr_holes_next(&s, 1), 11);
	assert_int_equal(nr_holes_seen(&s, 11, 31).fresh, 20);
	assert_int_equal(nr_holes_missed(&s), 0);
	nr_holes_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_holes_equal_a_model_of_bytes),
		cmocka_unit_test(test_holes_at_the_cap_still_add_up),
		cmocka_unit_test(test_holes_skip_extends_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
