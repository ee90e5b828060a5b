/* SPDX-License-Identifier: BSD-3-Clause */
/* Which segments of a TCP flow are believed (RFC 9293 3.10.7.4). */
#include "flow_world.h"

/* A handshake and ten bytes each way, all acknowledged: next are 111 and 511. */
static struct world *talking(void)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, ACK, 101, 501, 10);
	tcp(w, 4 * MS, 1, ACK, 501, 111, 10);
	tcp(w, 5 * MS, 0, ACK, 111, 511, 0);
	return w;
}

static void done(struct world *w)
{
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 1);
}

static void test_judge_one_ack_of_what_was_never_sent_moves_nothing(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 0, ACK, 111, 511 + 2000000000, 0);
	assert_false(w->seen.has_ack);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_ACK], 1);
	for (uint32_t i = 0; i < 4; i++) {
		tcp(w, 7 * MS, 1, ACK, 511 + i * 10, 111, 10);
		tcp(w, 8 * MS, 0, ACK, 111, 521 + i * 10, 0);
		assert_true(w->seen.has_ack);
		assert_int_equal(w->seen.ack, 20 + i * 10);
	}
	done(w);
	assert_int_equal(w->e[0].payload[1], 50);
	assert_int_equal(w->e[0].missed[1], 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_ACK_UNSEEN], 0);
	assert_string_equal(w->e[0].history, "ShADd");
	world_free(w);
}

static void test_judge_ack_of_a_rst_moves_nothing_either(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 0, RST | ACK, 111, 511 + 500000000, 0);
	assert_false(w->seen.has_ack);
	done(w);
	assert_int_equal(w->e[0].payload[1], 10);
	world_free(w);
}

/* The capture missed 100 MB: after three in a row they are what holds. */
static void test_judge_three_acks_in_a_row_are_believed(void **state)
{
	struct world *w = talking();

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		tcp(w, 6 * MS, 0, ACK, 111, 511 + 100000000 + i * 10, 0);
		assert_int_equal(w->seen.has_ack, i == 3);
	}
	done(w);
	assert_int_equal(w->e[0].payload[1], 100000040);
	assert_int_equal(w->e[0].missed[1], 100000030);
	world_free(w);
}

/* A segment and an ACK that tell of the same place: neither waits for three. */
static void test_judge_segment_and_ack_of_one_place_are_believed(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, ACK, 511 + 100000000, 111, 10);
	assert_true(w->seen.is_far);
	tcp(w, 7 * MS, 0, ACK, 111, 521 + 100000000, 0);
	assert_true(w->seen.has_ack);
	tcp(w, 8 * MS, 1, ACK, 521 + 100000000, 111, 10);
	assert_false(w->seen.is_far);
	done(w);
	assert_int_equal(w->e[0].payload[1], 100000030);
	assert_int_equal(w->e[0].missed[1], 100000010);
	world_free(w);
}

static void test_judge_segment_far_ahead_moves_no_column(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, ACK, 511 + 900000000, 111, 100);
	assert_true(w->seen.is_valid && w->seen.is_far);
	tcp(w, 7 * MS, 1, ACK, 511, 111, 10);
	assert_false(w->seen.is_far);
	done(w);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_FAR_AHEAD], 1);
	assert_int_equal(w->e[0].payload[1], 20);
	assert_int_equal(w->e[0].missed[1], 0);
	assert_string_equal(w->e[0].history, "ShADd");
	world_free(w);
}

static void test_judge_midstream_allows_a_few_megabytes(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, ACK, 101, 501, 10);
	tcp(w, MS, 1, ACK, 501, 111, 10);
	tcp(w, 2 * MS, 1, ACK, 511 + 500000000, 111, 100);
	assert_true(w->seen.is_far);
	tcp(w, 3 * MS, 1, ACK, 511 + 3000000, 111, 10);
	assert_false(w->seen.is_far);
	done(w);
	assert_int_equal(w->e[0].payload[1], 3000020);
	world_free(w);
}

static void test_judge_old_fin_closes_nothing(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, FIN | ACK, 505, 111, 0);
	tcp(w, 7 * MS, 0, FIN | ACK, 105, 511, 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_FIN], 2);
	nr_flow_mark(w->t, 20 * S);
	assert_int_equal(w->n, 0);
	tcp(w, 21 * S, 1, ACK, 511, 111, 10);
	done(w);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[1], 20);
	world_free(w);
}

static void test_judge_fin_far_ahead_closes_nothing(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, FIN | ACK, 511 + 900000000, 111, 0);
	tcp(w, 7 * MS, 0, FIN | ACK, 111 + 900000000, 511, 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_FIN], 2);
	done(w);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[0], 10);
	assert_int_equal(w->e[0].payload[1], 10);
	world_free(w);
}

/* Data that was sent, seen, and not acknowledged does not make a FIN before it wrong. */
static void test_judge_fin_behind_what_was_acknowledged_closes(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, ACK, 511, 111, 50);
	tcp(w, 7 * MS, 1, FIN | ACK, 511, 111, 0);
	done(w);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_FIN], 0);
	assert_string_equal(w->e[0].state, "S3");
	world_free(w);
}

static void test_judge_old_rst_resets_nothing(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, RST, 501, 0, 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_RST], 1);
	nr_flow_mark(w->t, 20 * S);
	assert_int_equal(w->n, 0);
	tcp(w, 21 * S, 1, RST, 511, 0, 0);
	done(w);
	assert_string_equal(w->e[0].state, "RSTR");
	world_free(w);
}

/* RFC 9293 3.10.7.3: in SYN-SENT a RST counts if it acknowledges the SYN. */
static void test_judge_rst_of_another_syn_refuses_nothing(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, SYN, 100, 0, 0);
	tcp(w, MS, 1, RST | ACK, 0, 777777, 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_RST], 1);
	tcp(w, 2 * MS, 1, SYN | ACK, 500, 101, 0);
	tcp(w, 3 * MS, 0, ACK, 101, 501, 10);
	done(w);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[0], 10);
	world_free(w);

	w = world_new(&c);
	tcp(w, 0, 0, SYN, 100, 0, 0);
	tcp(w, MS, 1, RST | ACK, 0, 101, 0);
	done(w);
	assert_string_equal(w->e[0].state, "REJ");
	world_free(w);
}

/* The row begins anew at a rotation; that both SYNs were seen is not forgotten. */
static void test_judge_goes_on_after_a_rotation(void **state)
{
	struct world *w = talking();
	struct nr_flow *f = tcp(w, 6 * MS, 0, ACK, 111, 511, 0);

	(void)state;
	nr_flow_lay_out(w->t, f);
	nr_flow_restart(f, 999 * 16, 1, 7 * MS);
	nr_flow_put_back(w->t, f);
	assert_true(nr_flow_tcp_facts(f, 0).saw_syn && nr_flow_tcp_facts(f, 1).saw_syn);
	tcp(w, 8 * MS, 1, SYN | ACK, 900000, 101, 0);
	assert_false(w->seen.is_valid);
	tcp(w, 9 * MS, 1, ACK, 511 + 3000000, 111, 10); /* too far by the window alone */
	assert_true(w->seen.is_far);
	tcp(w, 10 * MS, 1, ACK, 511, 111, 10);
	tcp(w, 11 * MS, 0, ACK, 111, 521, 0);
	done(w);
	assert_int_equal(w->e[0].missed[1], 0);
	world_free(w);
}

static void test_judge_late_syn_ack_moves_nothing(void **state)
{
	struct world *w = talking();

	(void)state;
	tcp(w, 6 * MS, 1, SYN | ACK, 500, 101, 0);
	done(w);
	assert_int_equal(w->e[0].payload[1], 10);
	world_free(w);
}

static void test_judge_midstream_segment_from_before_the_first_is_cut(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, ACK, 1000, 501, 100);
	tcp(w, MS, 1, ACK, 501, 1100, 0);
	tcp(w, 2 * MS, 0, ACK, 950, 501, 300);
	tcp(w, 3 * MS, 1, ACK, 501, 1250, 0);
	done(w);
	assert_int_equal(w->e[0].payload[0], 250);
	assert_int_equal(w->e[0].missed[0], 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_ACK_UNSEEN], 0);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge_one_ack_of_what_was_never_sent_moves_nothing),
		cmocka_unit_test(test_judge_ack_of_a_rst_moves_nothing_either),
		cmocka_unit_test(test_judge_three_acks_in_a_row_are_believed),
		cmocka_unit_test(test_judge_segment_and_ack_of_one_place_are_believed),
		cmocka_unit_test(test_judge_segment_far_ahead_moves_no_column),
		cmocka_unit_test(test_judge_midstream_allows_a_few_megabytes),
		cmocka_unit_test(test_judge_old_fin_closes_nothing),
		cmocka_unit_test(test_judge_fin_far_ahead_closes_nothing),
		cmocka_unit_test(test_judge_fin_behind_what_was_acknowledged_closes),
		cmocka_unit_test(test_judge_old_rst_resets_nothing),
		cmocka_unit_test(test_judge_rst_of_another_syn_refuses_nothing),
		cmocka_unit_test(test_judge_goes_on_after_a_rotation),
		cmocka_unit_test(test_judge_late_syn_ack_moves_nothing),
		cmocka_unit_test(
			test_judge_midstream_segment_from_before_the_first_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
