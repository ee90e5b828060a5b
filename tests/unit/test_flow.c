/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow table and what TCP does to a flow, driven with hand-made levels. */
#include "flow/flow.h"
#include "record/anomaly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define MS 1000000ll
#define S  1000000000ll

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, MAX_ENDED = 4096 };

struct ended {
	uint64_t flow_id;
	enum nr_end_reason why;
	char history[NR_HISTORY_MAX + 1];
	const char *state;
	uint64_t packets[2], payload[2], missed[2];
	uint32_t retransmits[2], out_of_order[2];
	int64_t duration;
	bool flipped;
	uint64_t bad;
};

struct world {
	struct nr_flow_table *t;
	struct nr_key_config key;
	struct nr_decoded dec;
	struct nr_packet pkt;
	uint64_t ordinal;
	struct ended e[MAX_ENDED];
	size_t n;
	unsigned anomalies[NR_N_ANOMALIES];
	uint8_t a[4], b[4];
	uint16_t a_port, b_port;
};

static void on_ended(void *arg, struct nr_flow *f, enum nr_end_reason why)
{
	struct world *w = arg;
	struct ended *e = &w->e[w->n++ % MAX_ENDED];

	*e = (struct ended){ .flow_id = f->flow_id,
			     .why = why,
			     .state = nr_flow_conn_state(f),
			     .duration = nr_flow_wide(f)->active_ns - f->first_ns,
			     .flipped = f->flipped,
			     .bad = nr_flow_bad_checksums(f) };
	snprintf(e->history, sizeof(e->history), "%s", nr_flow_history(f));
	for (unsigned s = 0; s < 2; s++) {
		e->packets[s] = f->side[s].packets;
		e->payload[s] = nr_flow_payload_bytes(f, s);
		e->missed[s] = nr_flow_missed_bytes(f, s);
		e->retransmits[s] = f->side[s].n_retransmits;
		e->out_of_order[s] = f->side[s].n_out_of_order;
	}
}

static void on_anomaly(void *arg, struct nr_flow *f, unsigned kind, int side, int64_t a,
		       int64_t b)
{
	(void)f;
	(void)side;
	(void)a;
	(void)b;
	((struct world *)arg)->anomalies[kind]++;
}

static struct nr_flow_config config(void)
{
	return (struct nr_flow_config){ .max_flows = 64 * 64,
					.tcp_timeout = 300 * S,
					.udp_timeout = 60 * S,
					.icmp_timeout = 60 * S,
					.other_timeout = 60 * S,
					.attempt_timeout = 5 * S,
					.closed_timeout = 5 * S,
					.reset_timeout = 5 * S,
					.half_closed_timeout = 300 * S,
					.key.secret = { 1, 2 } };
}

static struct world *world_new(const struct nr_flow_config *c)
{
	struct world *w = calloc(1, sizeof(*w));
	struct nr_flow_events ev = { .arg = w, .ended = on_ended, .anomaly = on_anomaly };

	w->t = nr_flow_table_new(c, &ev);
	w->key = c->key;
	memcpy(w->a, (uint8_t[]){ 10, 0, 0, 1 }, 4);
	memcpy(w->b, (uint8_t[]){ 10, 0, 0, 2 }, 4);
	w->a_port = 40000;
	w->b_port = 7;
	w->dec.n_levels = 1;
	return w;
}

static void world_free(struct world *w)
{
	nr_flow_table_free(w->t);
	free(w);
}

static struct nr_flow *feed(struct world *w, int64_t t, bool bad)
{
	struct nr_flow_packet p = {
		.pkt = &w->pkt, .dec = &w->dec, .bad_checksum = bad, .drop_bad = bad
	};
	struct nr_key k;
	bool hi;

	w->pkt.ts_ns = w->pkt.clock_ns = t;
	w->pkt.ordinal = ++w->ordinal;
	nr_key_make(&k, &hi, &w->key, &w->dec, 0);
	return nr_flow_update(w->t, &p, 0, &k, nr_key_hash(&k, w->key.secret), hi);
}

static struct nr_level *level(struct world *w, unsigned from, unsigned proto,
			      uint32_t len)
{
	struct nr_level *l = &w->dec.level[0];

	*l = (struct nr_level){ .src = from ? w->b : w->a,
				.dst = from ? w->a : w->b,
				.src_port = from ? w->b_port : w->a_port,
				.dst_port = from ? w->a_port : w->b_port,
				.ip_version = 4,
				.proto = (uint8_t)proto,
				.payload_len = len,
				.payload_cap = len,
				.ip_len = len + 40 };
	return l;
}

static struct nr_flow *tcp(struct world *w, int64_t t, unsigned from, unsigned flags,
			   uint32_t seq, uint32_t ack, uint32_t len)
{
	static const uint8_t header[20];
	struct nr_level *l = level(w, from, 6, len);

	l->l4 = header;
	l->tcp_flags = (uint8_t)flags;
	l->tcp_seq = seq;
	l->tcp_ack = ack;
	l->tcp_window = 1000;
	return feed(w, t, false);
}

static struct nr_flow *udp(struct world *w, int64_t t, unsigned from, uint32_t len)
{
	level(w, from, 17, len);
	return feed(w, t, false);
}

static void handshake(struct world *w, int64_t t, uint32_t x, uint32_t y)
{
	tcp(w, t, 0, SYN, x, 0, 0);
	tcp(w, t + MS, 1, SYN | ACK, y, x + 1, 0);
	tcp(w, t + 2 * MS, 0, ACK, x + 1, y + 1, 0);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_of_a_whole_connection),
		cmocka_unit_test(test_flow_idle_too_long_ends_before_its_next_packet),
		cmocka_unit_test(test_flow_marks_end_flows_in_order_of_their_ids),
		cmocka_unit_test(test_flow_mark_after_a_jump_of_years),
		cmocka_unit_test(test_flow_at_the_cap_evicts_half_open_ones_first),
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
		cmocka_unit_test(test_flow_vlans_part_flows_unless_told_not_to),
		cmocka_unit_test(test_flow_tunnel_scope),
		cmocka_unit_test(test_flow_bad_packet_touches_only_its_count),
		cmocka_unit_test(test_flow_one_way_icmp_is_two_flows),
		cmocka_unit_test(test_flow_another_syn_ack_moves_nothing_that_was_agreed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
