/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow table, driven with hand-made levels. */
#pragma once

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
	struct nr_tcp_seen seen; /* of the last packet */
	struct ended e[MAX_ENDED];
	size_t n;
	unsigned anomalies[NR_N_ANOMALIES];
	uint8_t a[4], b[4];
	uint16_t a_port, b_port;
	uint8_t cut; /* flags of the levels of TCP: what of them was not captured */
};

static inline void on_ended(void *arg, struct nr_flow *f, enum nr_end_reason why)
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

static inline void on_anomaly(void *arg, struct nr_flow *f, unsigned kind, int side,
			      int64_t a, int64_t b)
{
	(void)f;
	(void)side;
	(void)a;
	(void)b;
	((struct world *)arg)->anomalies[kind]++;
}

static inline struct nr_flow_config config(void)
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

static inline struct world *world_new(const struct nr_flow_config *c)
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

static inline void world_free(struct world *w)
{
	nr_flow_table_free(w->t);
	free(w);
}

static inline struct nr_flow *feed(struct world *w, int64_t t, bool bad)
{
	struct nr_flow_packet p = { .pkt = &w->pkt,
				    .dec = &w->dec,
				    .bad_checksum = bad,
				    .drop_bad = bad,
				    .is_credited = true,
				    .seen = &w->seen };
	struct nr_key k;
	bool hi;

	w->pkt.ts_ns = w->pkt.clock_ns = t;
	w->pkt.ordinal = ++w->ordinal;
	nr_key_make(&k, &hi, &w->key, &w->dec, 0);
	return nr_flow_update(w->t, &p, 0, &k, nr_key_hash(&k, w->key.secret), hi);
}

static inline struct nr_level *level(struct world *w, unsigned from, unsigned proto,
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

static inline struct nr_flow *tcp(struct world *w, int64_t t, unsigned from,
				  unsigned flags, uint32_t seq, uint32_t ack,
				  uint32_t len)
{
	static const uint8_t header[20];
	struct nr_level *l = level(w, from, 6, len);

	l->l4 = header;
	l->tcp_flags = (uint8_t)flags;
	l->tcp_seq = seq;
	l->tcp_ack = ack;
	l->tcp_window = w->cut ? 0 : 1000;
	l->flags = w->cut;
	return feed(w, t, false);
}

static inline struct nr_flow *udp(struct world *w, int64_t t, unsigned from, uint32_t len)
{
	level(w, from, 17, len);
	return feed(w, t, false);
}

static inline void handshake(struct world *w, int64_t t, uint32_t x, uint32_t y)
{
	tcp(w, t, 0, SYN, x, 0, 0);
	tcp(w, t + MS, 1, SYN | ACK, y, x + 1, 0);
	tcp(w, t + 2 * MS, 0, ACK, x + 1, y + 1, 0);
}
