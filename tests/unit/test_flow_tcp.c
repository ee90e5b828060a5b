/* SPDX-License-Identifier: BSD-3-Clause */
/* What TCP does to a flow. */
#include "flow_world.h"

static void test_flow_of_a_whole_connection(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, S, 100, 500);
	tcp(w, S + 3 * MS, 0, ACK, 101, 501, 10);
	tcp(w, S + 4 * MS, 1, ACK, 501, 111, 0);
	tcp(w, S + 5 * MS, 1, ACK, 501, 111, 20);
	tcp(w, S + 6 * MS, 0, ACK, 111, 521, 0);
	tcp(w, S + 7 * MS, 0, FIN | ACK, 111, 521, 0);
	tcp(w, S + 8 * MS, 1, FIN | ACK, 521, 112, 0);
	tcp(w, S + 9 * MS, 0, ACK, 112, 522, 0);
	assert_int_equal(w->n, 0);
	nr_flow_mark(w->t, S + 5 * S);
	assert_int_equal(w->n, 0);
	nr_flow_mark(w->t, S + 5 * S + 100 * MS);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->e[0].history, "ShADadFf");
	assert_string_equal(w->e[0].state, "SF");
	assert_int_equal(w->e[0].why, NR_END_FIN);
	assert_int_equal(w->e[0].packets[0], 6);
	assert_int_equal(w->e[0].packets[1], 4);
	assert_int_equal(w->e[0].payload[0], 10);
	assert_int_equal(w->e[0].payload[1], 20);
	assert_int_equal(w->e[0].duration, 8 * MS); /* without the last ACK, as Zeek */
	world_free(w);
}

static void test_flow_new_syn_on_a_live_key_replaces(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 10 * MS, 0, SYN, 100, 0, 0); /* the same number: a repeated SYN */
	assert_int_equal(w->n, 0);
	tcp(w, 20 * MS, 0, SYN, 9000, 0, 0);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->e[0].why, NR_END_REPLACED);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_REUSE], 1);
	world_free(w);
}

static void test_flow_late_segments_make_no_ghost(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, RST, 101, 0, 0);
	tcp(w, 4 * S, 1, ACK, 501, 101, 30);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->e[0].why, NR_END_RST);
	assert_string_equal(w->e[0].state, "RSTO");
	world_free(w);
}

static void test_flow_repeated_fin_does_not_close_early(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, FIN | ACK, 101, 501, 0);
	tcp(w, 4 * MS, 0, FIN | ACK, 101, 501, 0);
	for (int i = 0; i < 20; i++) { /* half closed: the other side goes on */
		tcp(w, (1 + i) * S, 1, ACK, 501 + (uint32_t)i * 10, 102, 10);
		tcp(w, (1 + i) * S + MS, 0, ACK, 102, 511 + (uint32_t)i * 10, 0);
	}
	nr_flow_mark(w->t, 30 * S);
	assert_int_equal(w->n, 0);
	tcp(w, 31 * S, 1, FIN | ACK, 701, 102, 0);
	nr_flow_mark(w->t, 37 * S);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->e[0].history, "ShAFdf");
	assert_string_equal(w->e[0].state, "SF");
	assert_int_equal(w->e[0].payload[1], 200);
	world_free(w);
}

static void test_flow_seen_midstream_from_a_server_port_is_flipped(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	w->b_port = 80;
	tcp(w, 0, 1, ACK, 1000, 50, 100);
	tcp(w, MS, 0, ACK, 50, 1100, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_true(w->e[0].flipped);
	assert_string_equal(w->e[0].history, "^dA");
	assert_int_equal(w->e[0].payload[1], 100);
	world_free(w);
	c.no_flip = true;
	w = world_new(&c);
	w->b_port = 80;
	tcp(w, 0, 1, ACK, 1000, 50, 100);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_false(w->e[0].flipped);
	assert_string_equal(w->e[0].history, "D");
	world_free(w);
}

static void test_flow_syn_ack_seen_before_the_syn(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 1, SYN | ACK, 500, 101, 0);
	tcp(w, MS, 0, SYN, 100, 0, 0);
	tcp(w, 2 * MS, 0, ACK, 101, 501, 0);
	tcp(w, 3 * MS, 0, ACK, 101, 501, 7);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 1);
	assert_true(w->e[0].flipped);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[0], 7);
	world_free(w);
}

static void test_flow_loss_reordering_and_repetition_are_told_apart(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, ACK, 101, 501, 10);
	tcp(w, 4 * MS, 0, ACK, 121, 501, 10); /* 111…120 not yet */
	tcp(w, 5 * MS, 0, ACK, 111, 501, 10); /* there they are */
	tcp(w, 6 * MS, 0, ACK, 111, 501, 10); /* again */
	tcp(w, 7 * MS, 0, ACK, 141, 501, 10); /* 131…140 never come */
	tcp(w, 8 * MS, 1, ACK, 501, 151, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].payload[0], 50);
	assert_int_equal(w->e[0].missed[0], 10);
	assert_int_equal(w->e[0].out_of_order[0], 1);
	assert_int_equal(w->e[0].retransmits[0], 1);
	assert_string_equal(w->e[0].history, "ShADTaG");
	world_free(w);
}

static void test_flow_rst_far_outside_the_window_resets_nothing(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 1, RST, 50000000, 0, 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_RST], 1);
	tcp(w, 10 * S, 0, ACK, 101, 501, 10);
	nr_flow_mark(w->t, 20 * S);
	assert_int_equal(w->n, 0);
	tcp(w, 21 * S, 1, RST, 501, 0, 0); /* this one counts */
	nr_flow_mark(w->t, 27 * S);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->e[0].state, "RSTR");
	assert_int_equal(w->anomalies[NR_ANOM_TCP_BAD_RST], 1);
	world_free(w);
}

static void test_flow_simultaneous_open_is_one_flow(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, SYN, 100, 0, 0);
	tcp(w, MS, 1, SYN, 500, 0, 0);
	tcp(w, 2 * MS, 0, SYN | ACK, 100, 501, 0);
	tcp(w, 3 * MS, 1, SYN | ACK, 500, 101, 0);
	tcp(w, 4 * MS, 0, ACK, 101, 501, 10);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[0], 10);
	world_free(w);
}

static void test_flow_syn_with_rst_begins_nothing(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, SYN | RST, 9999, 0, 0);
	assert_int_equal(w->n, 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_FLAGS], 1);
	world_free(w);
}

static void test_flow_data_in_the_syn_counts_from_the_syn(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, SYN, 100, 0, 10); /* fast open: bytes 101 … 110 */
	tcp(w, MS, 1, SYN | ACK, 500, 111, 0);
	tcp(w, 2 * MS, 0, ACK, 111, 501, 5);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].payload[0], 15);
	assert_int_equal(w->e[0].missed[0], 0);
	assert_int_equal(w->e[0].retransmits[0], 0);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_SYN_DATA], 1);
	world_free(w);
}

static void test_flow_keep_alive_is_no_retransmission(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, ACK, 101, 501, 10);
	tcp(w, 4 * MS, 1, ACK, 501, 111, 0);
	tcp(w, 5 * MS, 0, ACK, 110, 501, 1);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].retransmits[0], 0);
	assert_int_equal(w->e[0].payload[0], 10);
	world_free(w);
}

static void test_flow_numbers_wrap_many_times(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);
	uint32_t seq = 0xfffffff0u, step = 1u << 29;

	(void)state;
	handshake(w, 0, seq, 500);
	seq++;
	for (int i = 0; i < 80; i++) { /* 40 GiB */
		tcp(w, (3 + i) * MS, 0, ACK, seq, 501, step);
		seq += step;
		tcp(w, (3 + i) * MS, 1, ACK, 501, seq, 0);
	}
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].payload[0], 80ull << 29);
	assert_int_equal(w->e[0].missed[0], 0);
	assert_string_equal(w->e[0].history, "ShADa");
	world_free(w);
}

static void test_flow_a_fin_that_comes_after_its_ack_is_not_missed(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 0, ACK, 101, 501, 10);
	tcp(w, 4 * MS, 1, ACK, 501, 112, 0); /* data and FIN */
	tcp(w, 5 * MS, 0, FIN | ACK, 111, 501, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].missed[0], 0);
	assert_int_equal(w->e[0].payload[0], 10);
	world_free(w);
}

static void test_flow_repeated_syn_renews_the_attempt(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, SYN, 100, 0, 0);
	tcp(w, 3 * S, 0, SYN, 100, 0, 0);
	nr_flow_mark(w->t, 7 * S);
	assert_int_equal(w->n, 0);
	nr_flow_mark(w->t, 8 * S);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->e[0].packets[0], 2);
	assert_string_equal(w->e[0].state, "S0");
	world_free(w);
}

/* The server's second SYN-ACK has a number of its own, but the client took the first. */
static void test_flow_another_syn_ack_moves_nothing_that_was_agreed(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, S, 1000, 5000);
	tcp(w, S + 3 * MS, 1, SYN | ACK, 900000, 1001, 0);
	tcp(w, S + 4 * MS, 1, ACK, 5001, 1001, 100);
	tcp(w, S + 5 * MS, 0, ACK, 1001, 5101, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->anomalies[NR_ANOM_TCP_SYN_SEQ], 1);
	assert_int_equal(w->e[0].payload[1], 100);
	assert_int_equal(w->e[0].missed[1], 0);
	world_free(w);

	/* nobody took the first: the second counts */
	w = world_new(&c);
	tcp(w, S, 0, SYN, 1000, 0, 0);
	tcp(w, S + MS, 1, SYN | ACK, 5000, 1001, 0);
	tcp(w, S + 2 * MS, 1, SYN | ACK, 900000, 1001, 0);
	tcp(w, S + 3 * MS, 0, ACK, 1001, 900001, 0);
	tcp(w, S + 4 * MS, 1, ACK, 900001, 1001, 100);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].payload[1], 100);
	world_free(w);
}

/* On a server's port the first SYN-ACK is known for an answer, before its SYN comes. */
static void test_flow_syn_ack_of_a_server_port_before_the_syn(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	w->b_port = 80;
	tcp(w, 0, 1, SYN | ACK, 500, 101, 0);
	tcp(w, MS, 0, SYN, 100, 0, 0);
	tcp(w, 2 * MS, 0, ACK, 101, 501, 7);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[0], 7);
	world_free(w);

	w = world_new(&c);
	w->b_port = 80;
	tcp(w, 0, 1, SYN | ACK, 500, 999, 0); /* of another SYN */
	tcp(w, MS, 0, SYN, 100, 0, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 2); /* it answered nothing that is seen */
	assert_string_equal(w->e[1].state, "S0");
	world_free(w);
}

static void test_flow_simultaneous_open_may_repeat_its_syns(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, SYN, 100, 0, 0);
	tcp(w, MS, 1, SYN, 500, 0, 0);
	tcp(w, S, 1, SYN, 500, 0, 0);
	tcp(w, S + MS, 0, SYN, 100, 0, 0);
	tcp(w, S + 2 * MS, 0, SYN | ACK, 100, 501, 0);
	tcp(w, S + 3 * MS, 1, SYN | ACK, 500, 101, 0);
	tcp(w, S + 4 * MS, 0, ACK, 101, 501, 10);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->n, 1);
	assert_string_equal(w->e[0].state, "S1");
	assert_int_equal(w->e[0].payload[0], 10);
	world_free(w);
}

static void test_flow_bytes_missing_before_a_fin_are_missed(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 1, SYN | ACK, 500, 101, 0); /* this side is all that was captured */
	tcp(w, MS, 1, ACK, 501, 101, 10);
	tcp(w, 2 * MS, 1, FIN | ACK, 531, 101, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].payload[0] + w->e[0].payload[1], 30);
	assert_int_equal(w->e[0].missed[0] + w->e[0].missed[1], 20);
	world_free(w);
}

/* Numbers that go on behind the last byte seen: payload_bytes counts these bytes too. */
static void test_flow_bytes_that_only_numbers_tell_of_are_missed(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, ACK, 101, 501, 10);
	tcp(w, MS, 1, ACK, 501, 111, 30);
	tcp(w, 2 * MS, 0, ACK, 111, 531, 0);
	tcp(w, 3 * MS, 1, ACK, 551, 111, 0); /* 531…550 never come */
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].payload[1], 50);
	assert_int_equal(w->e[0].missed[1], 20);
	assert_int_equal(w->e[0].missed[0], 0);
	world_free(w);
}

static void test_flow_the_place_of_a_keep_alive_is_not_missed(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	tcp(w, 0, 0, ACK, 100, 501, 0); /* midstream */
	tcp(w, MS, 1, ACK, 501, 101, 0);
	tcp(w, 2 * MS, 0, ACK, 101, 501, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].missed[0] + w->e[0].missed[1], 0);
	world_free(w);
}

static void test_flow_rst_has_no_place_in_the_stream(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	tcp(w, 3 * MS, 1, RST, 501 + 700, 0, 0);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_string_equal(w->e[0].state, "RSTR");
	assert_int_equal(w->e[0].payload[1], 0);
	world_free(w);
}

/* The snap length left ports, or all but the window. */
static void test_flow_header_that_was_cut(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	w->cut = NR_L_NO_SEQ;
	tcp(w, 3 * MS, 0, 0, 0, 0, 1000);
	w->cut = NR_L_NO_WINDOW;
	tcp(w, 4 * MS, 0, ACK, 101, 501, 30);
	w->cut = 0;
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_string_equal(w->e[0].history, "ShAD");
	assert_int_equal(w->e[0].packets[0], 4);
	assert_int_equal(w->e[0].payload[0], 30);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_of_a_whole_connection),
		cmocka_unit_test(test_flow_new_syn_on_a_live_key_replaces),
		cmocka_unit_test(test_flow_late_segments_make_no_ghost),
		cmocka_unit_test(test_flow_repeated_fin_does_not_close_early),
		cmocka_unit_test(test_flow_seen_midstream_from_a_server_port_is_flipped),
		cmocka_unit_test(test_flow_syn_ack_seen_before_the_syn),
		cmocka_unit_test(test_flow_loss_reordering_and_repetition_are_told_apart),
		cmocka_unit_test(test_flow_rst_far_outside_the_window_resets_nothing),
		cmocka_unit_test(test_flow_simultaneous_open_is_one_flow),
		cmocka_unit_test(test_flow_syn_with_rst_begins_nothing),
		cmocka_unit_test(test_flow_data_in_the_syn_counts_from_the_syn),
		cmocka_unit_test(test_flow_keep_alive_is_no_retransmission),
		cmocka_unit_test(test_flow_numbers_wrap_many_times),
		cmocka_unit_test(test_flow_a_fin_that_comes_after_its_ack_is_not_missed),
		cmocka_unit_test(test_flow_repeated_syn_renews_the_attempt),
		cmocka_unit_test(test_flow_another_syn_ack_moves_nothing_that_was_agreed),
		cmocka_unit_test(test_flow_syn_ack_of_a_server_port_before_the_syn),
		cmocka_unit_test(test_flow_simultaneous_open_may_repeat_its_syns),
		cmocka_unit_test(test_flow_bytes_missing_before_a_fin_are_missed),
		cmocka_unit_test(test_flow_bytes_that_only_numbers_tell_of_are_missed),
		cmocka_unit_test(test_flow_the_place_of_a_keep_alive_is_not_missed),
		cmocka_unit_test(test_flow_rst_has_no_place_in_the_stream),
		cmocka_unit_test(test_flow_header_that_was_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
