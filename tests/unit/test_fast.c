/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fast way of a packet against the general one: two tables, one of which knows no
 * fast way, are given the same random conversations, with everything that can go wrong in
 * them, and must say the same of each flow and of each segment.
 */
#include "flow/flow.h"
#include "record/anomaly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define MS 1000000ll
#define S  1000000000ll

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, LOG = 1 << 22 };

/* One table and the text of all that it told. */
struct table {
	struct nr_flow_table *t;
	size_t len;
	char *log;
};

struct rng {
	uint64_t x;
};

static uint32_t below(struct rng *r, uint32_t n)
{
	r->x = nr_mix(r->x + 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93);
	return (uint32_t)(r->x >> 32) % n;
}

__attribute__((format(printf, 2, 3))) static void say(struct table *t, const char *fmt,
						      ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->log + t->len, LOG - t->len, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < LOG - t->len);
	t->len += (size_t)n;
}

static void on_ended(void *arg, struct nr_flow *f, enum nr_end_reason why)
{
	const struct nr_flow_wide *w = nr_flow_wide(f);
	struct table *t = arg;
	struct nr_key k = nr_flow_key(f);

	say(t,
	    "flow %llu %s %s %s %u rtt %lld records %llu bytes %llu last %lld active "
	    "%lld\n",
	    (unsigned long long)f->flow_id, nr_end_reason_name(why),
	    nr_flow_conn_state(f), nr_flow_history(f), k.lo_port,
	    (long long)nr_flow_handshake_rtt(f), (unsigned long long)w->records,
	    (unsigned long long)w->wire_bytes, (long long)w->last_ns,
	    (long long)w->active_ns);
	for (unsigned s = 0; s < 2; s++) {
		const struct nr_side *o = &f->side[s];

		say(t, " %llu %llu %llu %llu %u %u %u %u %u %x %u %u %d %u\n",
		    (unsigned long long)o->packets, (unsigned long long)o->ip_bytes,
		    (unsigned long long)nr_flow_payload_bytes(f, s),
		    (unsigned long long)nr_flow_missed_bytes(f, s), o->n_retransmits,
		    o->n_out_of_order, o->n_zero_windows, o->n_bad_checksums, o->window,
		    o->tcp_flags, o->ttl, o->tos, o->has_mac, o->syn.n);
	}
}

static void on_anomaly(void *arg, struct nr_flow *f, unsigned kind, int side, int64_t a,
		       int64_t b)
{
	say(arg, "anomaly %llu %s %d %lld %lld\n", (unsigned long long)f->flow_id,
	    nr_anomaly_info[kind].name, side, (long long)a, (long long)b);
}

static void table_init(struct table *t, bool general_only)
{
	struct nr_flow_config c = { .max_flows = 64 * 64,
				    .tcp_timeout = 20 * S,
				    .udp_timeout = 3 * S,
				    .icmp_timeout = 3 * S,
				    .other_timeout = 3 * S,
				    .attempt_timeout = 2 * S,
				    .closed_timeout = 2 * S,
				    .reset_timeout = 2 * S,
				    .half_closed_timeout = 10 * S,
				    .general_only = general_only,
				    .key.secret = { 1, 2 } };
	struct nr_flow_events ev = { .arg = t, .ended = on_ended, .anomaly = on_anomaly };

	t->log = malloc(LOG);
	t->len = 0;
	t->t = nr_flow_table_new(&c, &ev);
}

static void feed(struct table *t, const struct nr_packet *p, const struct nr_decoded *d,
		 bool bad)
{
	const struct nr_key_config kc = { .secret = { 1, 2 } };
	struct nr_tcp_seen seen = { 0 };
	struct nr_flow_packet fp = { .pkt = p,
				     .dec = d,
				     .bad_checksum = bad,
				     .is_credited = true,
				     .seen = &seen };
	const struct nr_flow *f;
	struct nr_key k;
	bool hi;

	nr_key_make(&k, &hi, &kc, d, 0);
	f = nr_flow_update(t->t, &fp, 0, &k, nr_key_hash(&k, kc.secret), hi);
	say(t, "%llu %llu", (unsigned long long)p->ordinal,
	    (unsigned long long)f->flow_id);
	if (seen.is_valid)
		say(t, " %lld %lld %d", (long long)seen.offset,
		    (long long)(seen.has_ack ? seen.ack : -2), seen.is_far);
	if (d->level[0].proto == 6) {
		for (unsigned s = 0; s < 2; s++) {
			struct nr_tcp_facts x = nr_flow_tcp_facts(f, s);

			say(t, " %lld %lld %u %u %d", (long long)x.ack, (long long)x.fin,
			    x.start_seq, x.window, x.saw_syn);
		}
	}
	say(t, "\n");
}

/* A conversation: what each side sends next, as stream positions. */
struct talk {
	uint32_t seq[2], acked[2], heard[2];
	unsigned steps;
	bool is_deaf;  /* acknowledges the handshake alone */
	bool is_alone; /* one direction is all that is seen */
	bool is_small; /* each segment has data, none is large */
};

/* The next segment: mostly in order, now and then anything. */
static void segment(struct rng *r, struct talk *c, unsigned s, struct nr_level *l)
{
	static const uint8_t header[40] = { 0 };
	static const uint32_t lengths[] = { 0, 0, 1, 10, 1460, 1460, 65000 };
	unsigned odd = below(r, 40);

	l->l4 = header;
	l->tcp_window = odd == 1 ? 0 : (uint16_t)(1000 + below(r, 3));
	l->payload_len = lengths[below(r, 7)];
	l->tcp_flags = (uint8_t)(ACK | (below(r, 4) ? 0 : PSH));
	if (c->is_small)
		l->payload_len = 1 + below(r, 1460);
	if (c->steps < 3) { /* a handshake, in most of them */
		static const uint8_t flags[] = { SYN, SYN | ACK, ACK };

		l->tcp_flags = flags[c->steps];
		l->payload_len = 0;
	}
	l->tcp_seq = c->seq[s];
	l->tcp_ack = c->acked[!s] = c->seq[!s] - (below(r, 5) ? 0 : below(r, 3000));
	if (c->is_deaf && c->steps > 1)
		l->tcp_ack = c->acked[!s] = c->heard[!s];
	if (l->tcp_flags & SYN)
		c->heard[s] = c->seq[s] + 1;
	if (odd == 2)
		l->tcp_seq += below(r, 5000) - 2500;
	if (odd == 3)
		l->tcp_ack += below(r, 90000) - 45000;
	if (odd == 4)
		l->tcp_flags |= (uint8_t)(1u << below(r, 8));
	if (odd == 5)
		l->tcp_flags &= (uint8_t)~ACK;
	if (odd == 7 && !below(r, 4)) /* beyond the window, mostly */
		l->tcp_seq += below(r, 8000000);
	if (odd == 8 && !below(r, 4))
		l->tcp_ack += below(r, 8000000);
	if (odd == 6)
		return; /* lost: what comes next is ahead */
	c->seq[s] += l->payload_len + !!(l->tcp_flags & SYN) + !!(l->tcp_flags & FIN);
}

static void step(struct rng *r, struct talk *talks, unsigned n, struct nr_decoded *d,
		 struct nr_packet *p)
{
	static const uint8_t ip[2][4] = { { 10, 0, 0, 1 }, { 10, 0, 0, 2 } };
	static const uint8_t protos[] = { 6, 6, 6, 6, 6, 17, 17, 1 };
	unsigned i = below(r, n), s = talks[i].is_alone    ? 0
				      : talks[i].steps < 3 ? talks[i].steps & 1
							   : below(r, 2);
	static const uint8_t icmp[] = { 8, 0, 0, 0 };
	struct nr_level *l = &d->level[0];

	*l = (struct nr_level){ .src = ip[s],
				.dst = ip[!s],
				.src_port = (uint16_t)(s ? 80 : 1000 + i),
				.dst_port = (uint16_t)(s ? 1000 + i : 80),
				.ip_version = 4,
				.ttl = (uint8_t)(60 + s),
				.tos = (uint8_t)below(r, 3),
				.proto = protos[i % sizeof(protos)],
				.l4 = icmp,
				.l4_cap = 4,
				.payload_len = below(r, 1200) };
	if (l->proto == 6)
		segment(r, &talks[i], s, l);
	talks[i].steps++;
	l->payload_cap = l->payload_len;
	if (l->payload_len && !below(r, 300))
		l->payload_cap = below(r, l->payload_len);
	l->ip_len = l->payload_len + 40;
	if (!below(r, 2000))
		l->ip_len = UINT32_MAX; /* counters pass 32 bits */
	if (!below(r, 500))
		talks[i] = (struct talk){ .seq = { below(r, UINT32_MAX), UINT32_MAX - 9 },
					  .is_deaf = !below(r, 4),
					  .is_alone = !below(r, 6),
					  .is_small = !below(r, 3) };
	d->n_levels = 1;
	p->clock_ns += below(r, 5000) ? below(r, 4000000) : below(r, 30) * S;
	p->ts_ns = below(r, 100) ? p->clock_ns : p->clock_ns - 5 * MS;
	p->wire_len = l->ip_len > 70000 ? 70000 : l->ip_len + 14;
	p->ordinal++;
}

static void converse(uint64_t seed, unsigned n_talks, unsigned n_packets)
{
	struct talk *talks = calloc(n_talks, sizeof(*talks));
	struct nr_decoded *d = calloc(1, sizeof(*d));
	struct nr_packet p = { .clock_ns = S };
	struct rng r = { seed };
	struct table t[2];

	for (unsigned i = 0; i < n_talks; i++)
		talks[i].seq[0] = below(&r, UINT32_MAX);
	table_init(&t[0], false);
	table_init(&t[1], true);
	for (unsigned i = 0; i < n_packets; i++) {
		int64_t before = p.clock_ns;
		bool bad;

		step(&r, talks, n_talks, d, &p);
		bad = !below(&r, 400);
		for (unsigned k = 0; k < 2; k++) {
			if (p.clock_ns / NR_MARK_NS != before / NR_MARK_NS)
				nr_flow_mark(t[k].t,
					     p.clock_ns / NR_MARK_NS * NR_MARK_NS);
			feed(&t[k], &p, d, bad);
		}
	}
	for (unsigned k = 0; k < 2; k++)
		nr_flow_flush(t[k].t, NR_END_OF_INPUT);
	assert_int_equal(t[0].len, t[1].len);
	assert_string_equal(t[0].log, t[1].log);
	for (unsigned k = 0; k < 2; k++) {
		nr_flow_table_free(t[k].t);
		free(t[k].log);
	}
	free(talks);
	free(d);
}

static void test_fast_and_general_way_say_the_same(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++)
		converse(seed, seed % 4 ? 8 : 1, 6000);
}

/* More packets in one flow than the hot line can count. */
static void test_fast_counts_beyond_sixteen_bits(void **state)
{
	struct nr_decoded *d = calloc(1, sizeof(*d));
	static const uint8_t a[4] = { 10, 0, 0, 1 }, b[4] = { 10, 0, 0, 2 };
	struct nr_packet p = { .clock_ns = S, .ts_ns = S, .wire_len = 114 };
	struct table t;

	(void)state;
	table_init(&t, false);
	d->n_levels = 1;
	d->level[0] = (struct nr_level){ .src = a,
					 .dst = b,
					 .src_port = 5,
					 .dst_port = 6,
					 .ip_version = 4,
					 .proto = 17,
					 .payload_len = 72,
					 .payload_cap = 72,
					 .ip_len = 100 };
	for (unsigned i = 0; i < 200000; i++) {
		p.ordinal++;
		feed(&t, &p, d, false);
		t.len = 0;
	}
	nr_flow_flush(t.t, NR_END_OF_INPUT);
	assert_non_null(strstr(t.log, "records 200000 bytes 22800000 "));
	assert_non_null(strstr(t.log, "\n 200000 20000000 14400000 0 "));
	nr_flow_table_free(t.t);
	free(t.log);
	free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fast_and_general_way_say_the_same),
		cmocka_unit_test(test_fast_counts_beyond_sixteen_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
