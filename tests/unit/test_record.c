/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct nr_record *add(struct nr_records *rs, uint64_t ordinal, uint8_t phase,
			     uint64_t flow_id, uint32_t seq)
{
	return nr_records_add(rs, &nr_rt_arp,
			      (struct nr_order){ .ordinal = ordinal,
						 .phase = phase,
						 .place = flow_id,
						 .seq = seq });
}

static void test_record_starts_with_nulls(void **state)
{
	struct nr_arena a = { 0 };
	struct nr_records rs = { .arena = &a };
	struct nr_record *r;

	memset(nr_arena_alloc(&a, 4096), 0xff, 4096);
	nr_arena_reset(&a);
	r = add(&rs, 1, 0, 0, 0);
	for (unsigned i = 0; i < NR_ARP__n; i++)
		assert_int_equal(r->v[i].kind, NR_V_NULL);
	nr_set_str(r, NR_ARP_operation, "reply");
	assert_int_equal(r->v[NR_ARP_operation].len, 5);
	nr_set_str(r, NR_ARP_operation, NULL);
	assert_int_equal(r->v[NR_ARP_operation].kind, NR_V_NULL);
	nr_set_int(r, NR_ARP_conflict, 0);
	assert_int_equal(r->v[NR_ARP_conflict].kind, NR_V_INT);
	nr_arena_fini(&a);
}

static void test_record_sort_goes_by_ordinal_phase_flow_seq(void **state)
{
	struct nr_arena a = { 0 };
	struct nr_records rs = { .arena = &a };
	struct nr_record *want[6];

	want[5] = add(&rs, 2, NR_PHASE_CONTAINER, 0, 0);
	want[4] = add(&rs, 1, NR_PHASE_END, 0, 0);
	want[3] = add(&rs, 1, NR_PHASE_PACKET, 32, 0);
	want[2] = add(&rs, 1, NR_PHASE_PACKET, 16, 2);
	want[1] = add(&rs, 1, NR_PHASE_PACKET, 16, 1);
	want[0] = add(&rs, 1, NR_PHASE_MARK, 48, 9);
	assert_true(rs.unsorted);
	nr_records_sort(&rs);
	assert_false(rs.unsorted);
	for (int i = 0; i < 6; i++)
		assert_ptr_equal(rs.r[i], want[i]);
	nr_arena_fini(&a);
}

static void test_record_sort_is_stable(void **state)
{
	struct nr_arena a = { 0 };
	struct nr_records rs = { .arena = &a };

	srand(1);
	for (int64_t i = 0; i < 3000; i++)
		nr_set_int(add(&rs, (uint64_t)rand() % 50, 2, 0, 0), NR_ARP_packet, i);
	nr_records_sort(&rs);
	for (size_t i = 1; i < rs.n; i++) {
		const struct nr_record *p = rs.r[i - 1], *q = rs.r[i];

		assert_true(p->order.ordinal <= q->order.ordinal);
		if (p->order.ordinal == q->order.ordinal)
			assert_true(p->v[NR_ARP_packet].i < q->v[NR_ARP_packet].i);
	}
	/* Adding goes on behind a sort. */
	for (int i = 0; i < 3000; i++)
		add(&rs, 50, 2, 0, 0);
	assert_false(rs.unsorted);
	assert_int_equal(rs.n, 6000);
	nr_records_clear(&rs);
	assert_int_equal(rs.n, 0);
	nr_arena_reset(&a);
	add(&rs, 1, 0, 0, 0);
	assert_int_equal(rs.n, 1);
	nr_arena_fini(&a);
}

static void test_record_sorted_lists_are_left_alone(void **state)
{
	struct nr_arena a = { 0 };
	struct nr_records rs = { .arena = &a };
	struct nr_record **before;

	for (uint64_t i = 0; i < 100; i++)
		add(&rs, i / 3, 2, i, 0);
	before = rs.r;
	nr_records_sort(&rs);
	assert_ptr_equal(rs.r, before);
	nr_arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_starts_with_nulls),
		cmocka_unit_test(test_record_sort_goes_by_ordinal_phase_flow_seq),
		cmocka_unit_test(test_record_sort_is_stable),
		cmocka_unit_test(test_record_sorted_lists_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
