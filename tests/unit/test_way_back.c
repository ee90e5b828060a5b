/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/flow.h"
#include "flow/way_back.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_bytes_are_as_documented(void **state)
{
	static const uint8_t want[] = {
		0xac, 0x02, /* record 300 */
		0x02,       /* one further */
		0x01,       /* one back */
		0x80, 0x01, /* 64 further */
	};
	struct nr_way_backs b = { .max_bytes = UINT64_MAX };
	struct nr_flow f = { 0 };

	(void)state;
	nr_way_back_add(&b, &f, 0, 300);
	nr_way_back_add(&b, &f, 0, 301);
	nr_way_back_add(&b, &f, 0, 300);
	nr_way_back_add(&b, &f, 0, 364);
	assert_int_equal(f.way_back->len, sizeof(want));
	assert_memory_equal(f.way_back->buf, want, sizeof(want));
	nr_way_back_drop(&b, &f);
	assert_int_equal(b.bytes, 0);
}

static void test_chunk_ends_when_full_or_with_its_source(void **state)
{
	struct nr_way_backs b = { .max_bytes = UINT64_MAX };
	struct nr_flow f = { 0 };
	uint64_t n = 0;

	(void)state;
	assert_false(nr_way_back_full(f.way_back, 0));
	while (!nr_way_back_full(f.way_back, 0))
		nr_way_back_add(&b, &f, 0, n++ % 2 ? 1ull << 40 : 1);
	assert_true(f.way_back->len <= NR_CHUNK_MAX);
	assert_true(f.way_back->len > NR_CHUNK_MAX - NR_VARINT_MAX);
	f.way_back->len = 0;
	nr_way_back_add(&b, &f, 0, 7);
	assert_false(nr_way_back_full(f.way_back, 0));
	assert_true(nr_way_back_full(f.way_back, 1));
	nr_way_back_drop(&b, &f);
}

static void test_largest_and_oldest_goes_first(void **state)
{
	struct nr_way_backs b = { .max_bytes = UINT64_MAX };
	struct nr_flow f[4] = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		nr_way_back_add(&b, &f[i], 0, i + 1);
	for (unsigned k = 2; k > 0; k--) { /* 2 becomes large before 1 */
		for (uint64_t i = 0; i < 100; i++)
			nr_way_back_add(&b, &f[k], 0, i << 20);
	}
	assert_true(f[1].way_back->cap == f[2].way_back->cap);
	assert_null(nr_way_back_over(&b));
	b.max_bytes = 0;
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned order[] = { 2, 1, 0, 3 };

		assert_ptr_equal(nr_way_back_over(&b), &f[order[i]]);
		nr_way_back_drop(&b, &f[order[i]]);
		assert_null(f[order[i]].way_back);
	}
	assert_null(nr_way_back_over(&b));
	assert_int_equal(b.bytes, 0);
}

/* Two taps take turns: a chunk each, not one at each turn; of many sources the last. */
static void test_each_of_the_last_sources_has_a_chunk(void **state)
{
	struct nr_way_backs b = { .max_bytes = UINT64_MAX };
	struct nr_flow f = { 0 };
	unsigned n = 0;

	(void)state;
	for (uint64_t i = 1; i <= 20; i++) {
		nr_way_back_turn(&b, &f, i % NR_WAY_BACK_SOURCES);
		assert_false(nr_way_back_full(f.way_back, i % NR_WAY_BACK_SOURCES));
		nr_way_back_add(&b, &f, i % NR_WAY_BACK_SOURCES, i);
		assert_int_equal(f.way_back->source, i % NR_WAY_BACK_SOURCES);
	}
	nr_way_back_turn(&b, &f, 99);
	assert_true(nr_way_back_full(f.way_back, 99));
	assert_int_equal(f.way_back->source, 1); /* 17 was its last, 20 the newest */
	f.way_back->len = 0;                     /* written */
	nr_way_back_add(&b, &f, 99, 21);
	nr_way_back_turn(&b, &f, 2);
	assert_int_equal(f.way_back->len, 5);
	b.max_bytes = 0;
	for (; nr_way_back_over(&b) == &f; n++)
		nr_way_back_drop(&b, &f);
	assert_int_equal(n, NR_WAY_BACK_SOURCES);
	assert_int_equal(b.bytes, 0);
	assert_null(f.way_back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_are_as_documented),
		cmocka_unit_test(test_chunk_ends_when_full_or_with_its_source),
		cmocka_unit_test(test_largest_and_oldest_goes_first),
		cmocka_unit_test(test_each_of_the_last_sources_has_a_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
