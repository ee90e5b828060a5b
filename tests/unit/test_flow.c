/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets are a flow, and when it ends without a word of TCP. */
#include "flow_world.h"

static void test_flow_idle_too_long_ends_before_its_next_packet(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	udp(w, 0, 0, 5);
	udp(w, 60 * S - 1, 0, 5);
	assert_int_equal(w->n, 0);
	udp(w, 120 * S - 1, 0, 5);
	assert_int_equal(w->n, 1);
	assert_int_equal(w->e[0].why, NR_END_IDLE);
	assert_int_equal(w->e[0].packets[0], 2);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[1].flow_id, 3 * 16);
	world_free(w);
}

static void test_flow_marks_end_flows_in_order_of_their_ids(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		w->a_port = (uint16_t)(1000 + i * 7);
		udp(w, (int64_t)(i % 10) * MS, 0, 1);
	}
	nr_flow_mark(w->t, 59 * S);
	assert_int_equal(w->n, 0);
	nr_flow_mark(w->t, 61 * S);
	assert_int_equal(w->n, 1000);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(w->e[i].flow_id, (i + 1) * 16);
	assert_int_equal(nr_flow_count(w->t), 0);
	world_free(w);
}

/* A mark far in the future visits the whole wheel once and ends what is due. */
static void test_flow_mark_after_a_jump_of_years(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	udp(w, -5 * S, 0, 1);
	nr_flow_mark(w->t, 50ll * 365 * 86400 * S);
	assert_int_equal(w->n, 1);
	udp(w, 50ll * 365 * 86400 * S, 0, 1);
	nr_flow_mark(w->t, 50ll * 365 * 86400 * S + 59 * S);
	assert_int_equal(w->n, 1);
	nr_flow_mark(w->t, 50ll * 365 * 86400 * S + 60 * S);
	assert_int_equal(w->n, 2);
	world_free(w);
}

static void test_flow_at_the_cap_evicts_half_open_ones_first(void **state)
{
	struct nr_flow_config c = config();
	struct world *w;

	(void)state;
	c.max_flows = 16 * 64;
	w = world_new(&c);
	for (unsigned i = 0; i < 500; i++) { /* established: they must survive */
		w->a_port = (uint16_t)(1000 + i);
		handshake(w, (int64_t)i * MS, 100, 500);
	}
	nr_flow_mark(w->t, S);
	for (unsigned i = 0; i < 5000; i++) {
		w->a_port = (uint16_t)(10000 + i);
		tcp(w, S + i * 1000, 0, SYN, 1, 0, 0);
	}
	assert_true(nr_flow_count(w->t) <= 16 * 64);
	assert_true(w->anomalies[NR_ANOM_FLOW_EVICTED] > 3000);
	for (size_t i = 0; i < w->n && i < MAX_ENDED; i++) {
		assert_int_equal(w->e[i].why, NR_END_EVICTED);
		assert_string_equal(w->e[i].state, "S0");
	}
	world_free(w);
}

static void test_flow_vlans_part_flows_unless_told_not_to(void **state)
{
	struct nr_flow_config c = config();

	(void)state;
	for (int merge = 0; merge < 2; merge++) {
		struct world *w;

		c.key.no_vlan = merge;
		w = world_new(&c);
		for (uint16_t v = 10; v < 12; v++) {
			level(w, 0, 17, 4);
			w->dec.vlan[0] = v;
			w->dec.n_vlans = 1;
			w->dec.level[0].n_vlans = 1;
			feed(w, v, false);
		}
		assert_int_equal(nr_flow_count(w->t), merge ? 1 : 2);
		world_free(w);
	}
}

static void test_flow_tunnel_scope(void **state)
{
	static const struct {
		uint8_t kind;
		uint32_t id[2];
		bool swap;
		unsigned flows;
	} cases[] = {
		{ NR_TUN_VXLAN, { 1, 2 }, false, 2 }, /* other network, other flow */
		{ NR_TUN_VXLAN, { 1, 1 }, true, 1 },
		{ NR_TUN_GTPU, { 1, 2 }, true, 1 }, /* the id differs each way */
		{ NR_TUN_GRE, { 0, 0 }, true, 1 },
		{ NR_TUN_TEREDO, { 0, 0 }, false, 1 },
	};
	struct nr_flow_config c = config();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = world_new(&c);
		uint8_t x[4] = { 1, 1, 1, 1 }, y[4] = { 2, 2, 2, 2 };

		for (unsigned k = 0; k < 2; k++) {
			bool swap = k && cases[i].swap;

			level(w, k, 17, 4);
			w->dec.n_tunnels = w->dec.level[0].n_tunnels = 1;
			w->dec.tunnel[0] = (struct nr_tunnel){ .kind = cases[i].kind,
							       .has_id = true,
							       .ip_version = 4,
							       .id = cases[i].id[k],
							       .src = swap ? y : x,
							       .dst = swap ? x : y };
			feed(w, k, false);
		}
		assert_int_equal(nr_flow_count(w->t), cases[i].flows);
		world_free(w);
	}
}

static void test_flow_bad_packet_touches_only_its_count(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);

	(void)state;
	handshake(w, 0, 100, 500);
	level(w, 0, 6, 50)->tcp_flags = ACK;
	feed(w, S, true);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].bad, 1);
	assert_int_equal(w->e[0].packets[0], 2);
	assert_int_equal(w->e[0].duration, 2 * MS);
	assert_string_equal(w->e[0].history, "ShAC");
	world_free(w);
}

static void test_flow_one_way_icmp_is_two_flows(void **state)
{
	static const struct {
		uint8_t type, answer;
		unsigned flows;
	} cases[] = { { 8, 0, 1 }, { 3, 3, 2 } };
	struct nr_flow_config c = config();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct world *w = world_new(&c);

		for (unsigned k = 0; k < 2; k++) {
			uint8_t icmp[8] = { k ? cases[i].answer : cases[i].type, 0 };
			struct nr_level *l = level(w, k, 1, 0);
			bool one_way;

			l->l4 = icmp;
			l->l4_cap = l->l4_len = 8;
			nr_icmp_ports(1, icmp[0], icmp[1], &l->src_port, &l->dst_port,
				      &one_way);
			feed(w, k, false);
		}
		assert_int_equal(nr_flow_count(w->t), cases[i].flows);
		world_free(w);
	}
}

/* The row that begins at a rotation has one side's packets alone; the flow has both. */
static void test_flow_state_of_udp_outlives_a_rotation(void **state)
{
	struct nr_flow_config c = config();
	struct world *w = world_new(&c);
	struct nr_flow *f;

	(void)state;
	udp(w, 0, 0, 10);
	f = udp(w, MS, 1, 10);
	nr_flow_lay_out(w->t, f);
	nr_flow_restart(f, 999 * 16, 1, 2 * MS);
	nr_flow_put_back(w->t, f);
	udp(w, 3 * MS, 0, 10);
	nr_flow_flush(w->t, NR_END_OF_INPUT);
	assert_int_equal(w->e[0].packets[1], 0);
	assert_string_equal(w->e[0].state, "SF");
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_idle_too_long_ends_before_its_next_packet),
		cmocka_unit_test(test_flow_marks_end_flows_in_order_of_their_ids),
		cmocka_unit_test(test_flow_mark_after_a_jump_of_years),
		cmocka_unit_test(test_flow_at_the_cap_evicts_half_open_ones_first),
		cmocka_unit_test(test_flow_vlans_part_flows_unless_told_not_to),
		cmocka_unit_test(test_flow_tunnel_scope),
		cmocka_unit_test(test_flow_bad_packet_touches_only_its_count),
		cmocka_unit_test(test_flow_one_way_icmp_is_two_flows),
		cmocka_unit_test(test_flow_state_of_udp_outlives_a_rotation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
