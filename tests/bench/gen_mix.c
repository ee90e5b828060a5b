/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * mix, many and long: conversations side by side. Each is a small state machine with the
 * time of its next frame; a binary heap gives the earliest. Memory is one struct per open
 * flow.
 */

#include "gen.h"

#include <stdlib.h>

enum app { APP_HTTP, APP_TLS, APP_TCP, APP_DNS, APP_UDP };
enum phase { P_SYN, P_SYNACK, P_ACK, P_NEXT, P_SEND, P_FINACK, P_LAST, P_DONE };

/* One message: a head that was built, then a body that is made as it is sent. */
struct msg {
	int side;
	size_t head_len;
	enum body_kind kind;
	uint64_t body_len, body_seed, at;
};

/* A frame sent again, or out of its turn, after `after` more data segments. */
struct held {
	bool is_resend;
	int side;
	uint32_t after, seq;
	size_t len; /* 0: none */
	uint8_t frame[FRAME_MAX];
};

struct flow {
	struct conv c;
	enum app app;
	enum phase phase;
	bool is_13, is_upload;
	uint32_t server, step, n_exchanges, gap_ns, ack_every;
	uint64_t size; /* bytes of bodies still to send */
	uint32_t seq[2], ts_base[2], ts_last[2], unacked[2];
	uint16_t dns_id, dns_type;
	struct msg m;
	uint8_t head[HEAD_MAX];
	struct held held;
};

struct event {
	int64_t t;
	uint32_t slot;
};

struct mix {
	struct out *o;
	const struct params *p;
	struct rng r;
	struct flow *flow;
	struct event *heap;
	uint32_t n_heap;
	uint64_t n_opened, n_sized, max_flows;
	uint32_t owe_reorder, owe_resend; /* drawn where the flow had no place for it */
	bool is_mix, is_long;
};

/* Bytes of a flow's bodies, by quantile in 1/65536: linear between the points, so that
 * the mean is a plain sum: 20.8 kB. The largest 1 % hold 44 % of the bytes, 3 % hold 64.
 */
static const struct {
	uint32_t q, bytes;
} sizes[] = {
	{ 0, 100 },         { 16384, 500 },      { 32768, 1600 },   { 49152, 6500 },
	{ 58982, 24000 },   { 63570, 85000 },    { 65208, 400000 }, { 65470, 1200000 },
	{ 65523, 4000000 }, { 65536, 16000000 },
};

/* Quantiles from a Weyl sequence, not from the generator: each stretch of flows then
 * holds its share of large ones, and two seeds differ little in the number of flows. */
static uint32_t size_draw(struct mix *g)
{
	uint32_t q = (uint32_t)(g->n_sized++ + mix64(g->p->seed)) * 0x9e3779b1u >> 16,
		 i = 1;

	while (sizes[i].q <= q)
		i++;
	return (uint32_t)(sizes[i - 1].bytes +
			  (uint64_t)(sizes[i].bytes - sizes[i - 1].bytes) *
				  (q - sizes[i - 1].q) / (sizes[i].q - sizes[i - 1].q));
}

static uint32_t exchanges_draw(struct rng *r)
{
	uint32_t d = rng_below(r, 100);

	return d < 65   ? 1
	       : d < 82 ? 2
	       : d < 95 ? 3 + rng_below(r, 3)
			: 6 + rng_below(r, 7);
}

static void flow_open(struct mix *g, struct flow *f)
{
	struct rng *r = &g->r;
	uint64_t n = g->n_opened++;
	bool is_tcp = !g->is_mix || rng_below(r, 100) < 80;
	bool is_v6 = !g->is_long && rng_below(r, 100) < 20;
	int vid = !g->is_long && rng_below(r, 100) < 10 ? 100 + (int)rng_below(r, 10) : 0;
	uint32_t kind = rng_below(r, 100), a = rng_below(r, N_HOSTS),
		 b = rng_below(r, N_HOSTS);
	uint32_t span_ms = 200 + rng_below(r, 9800);
	uint16_t port;

	f->phase = is_tcp ? P_SYN : P_NEXT;
	f->step = 0;
	f->server = a < b ? a : b; /* low numbers are popular */
	f->size = 0;
	f->held.len = 0;
	f->unacked[0] = f->unacked[1] = 0;
	f->is_13 = rng_below(r, 100) < 60;
	f->is_upload = rng_below(r, 100) < 10;
	f->n_exchanges = exchanges_draw(r);
	f->ack_every = 4u << rng_below(r, 2); /* receivers with GRO */
	if (!is_tcp && kind < 75) {
		f->app = APP_DNS;
		f->server = rng_below(r, 8);
		f->n_exchanges = rng_below(r, 100) < 15 ? 2 : 1;
		f->dns_id = (uint16_t)rng_u64(r);
		span_ms = 100 + rng_below(r, 900);
		port = 53;
	} else if (!is_tcp) {
		f->app = APP_UDP;
		port = (uint16_t)(30000 + rng_below(r, 16));
	} else if (!g->is_mix || kind < 30) {
		f->app = APP_HTTP;
		port = rng_below(r, 100) < 85 ? 80 : 8080;
	} else if (kind < 80) {
		f->app = APP_TLS;
		port = 443;
	} else {
		f->app = APP_TCP;
		port = (uint16_t)(31000 + rng_below(r, 16));
	}
	if (f->app != APP_DNS && g->is_mix)
		f->size = size_draw(g);
	if (g->is_long) {
		f->is_upload = false;
		f->ack_every = 2;
		f->n_exchanges = 1;
		f->size = g->p->size / 1000 * 920; /* the rest is headers and ACKs */
		span_ms = (uint32_t)(g->p->size / 100000);
	} else if (!g->is_mix) {
		f->is_upload = false;
		f->n_exchanges = g->p->exchanges;
		f->size = (uint64_t)f->n_exchanges * (1000 + rng_below(r, 15000));
	}
	f->gap_ns = (uint32_t)(span_ms * (uint64_t)NS_MS / (f->size / 1000 + 8));
	f->gap_ns += !f->gap_ns;
	conv_set(&f->c, is_v6, vid, rng_below(r, N_CLIENTS), f->server,
		 (uint16_t)(49152 + n % 16000), port);
	for (int i = 0; i < 2; i++) {
		f->seq[i] = (uint32_t)rng_u64(r);
		f->ts_base[i] = (uint32_t)rng_u64(r);
		f->ts_last[i] = 0;
	}
	g->o->st.n_flows++;
	g->o->st.n_tcp += is_tcp;
	g->o->st.n_udp += !is_tcp;
	g->o->st.n_ipv6 += is_v6;
	g->o->st.n_vlan += vid != 0;
}

/* Takes the next part of the flow's bytes for one body. */
static uint64_t body_take(struct mix *g, struct flow *f, uint32_t left)
{
	uint64_t part = f->size / left;

	if (left > 1)
		part = part / 2 + part * rng_below(&g->r, 1024) / 1024;
	part = part < 24 ? 24 : part;
	f->size -= part < f->size ? part : f->size;
	return part;
}

static void msg_set(struct mix *g, struct flow *f, int side, size_t head_len,
		    enum body_kind kind, uint64_t body_len)
{
	f->m = (struct msg){ side, head_len, kind, body_len, rng_u64(&g->r), 0 };
}

static bool http_next(struct mix *g, struct flow *f)
{
	uint32_t left = f->n_exchanges - f->step / 2;
	char *head = (char *)f->head;
	struct rng *r = &g->r;
	uint32_t pick;
	uint64_t n = 0;

	if (!left)
		return false;
	if (f->step++ % 2 == 0) {
		if (f->is_upload)
			n = body_take(g, f, left);
		msg_set(g, f, 0, http_request(head, r, f->server, n), BODY_TEXT, n);
		g->o->st.n_http++;
		return true;
	}
	pick = g->is_mix ? rng_below(r, 100) : 0;
	if (f->is_upload || pick >= 90)
		n = pick >= 95 ? 0 : 24 + rng_below(r, 400);
	else
		n = body_take(g, f, left);
	msg_set(g, f, 1,
		http_response(head, r,
			      pick >= 95   ? 304
			      : pick >= 90 ? 404
					   : 200,
			      pick % 2, n),
		pick % 2 ? BODY_TEXT : BODY_RANDOM, n);
	return true;
}

static uint64_t tls_len(uint64_t n)
{
	return n + 5 * ((n + TLS_RECORD - 6) / (TLS_RECORD - 5));
}

static bool tls_next(struct mix *g, struct flow *f)
{
	uint32_t start = f->is_13 ? 3 : 4, step = f->step, left;
	struct rng *r = &g->r;
	int side;
	uint64_t n;

	if (step < start) {
		f->step++;
		side = step % 2;
		if (step == 0) {
			n = tls_client_hello(f->head, r, f->server);
			g->o->st.n_tls++;
		} else if (step == 1) {
			n = tls_server_flight(f->head, r, f->server, f->is_13);
		} else if (step == 2) {
			n = tls_client_finish(f->head, r, f->is_13);
		} else {
			n = tls_server_finish(f->head, r);
		}
		msg_set(g, f, side, n, BODY_RANDOM, 0);
		return true;
	}
	left = f->n_exchanges - (step - start) / 2;
	if (!left)
		return false;
	f->step++;
	side = (step - start) % 2;
	n = side != f->is_upload ? body_take(g, f, left) : 200 + rng_below(r, 700);
	msg_set(g, f, side, 0, BODY_TLS, tls_len(n));
	return true;
}

/* A length-prefixed binary protocol that nobody knows. */
static bool opaque_next(struct mix *g, struct flow *f)
{
	uint32_t step = f->step, left = f->n_exchanges - step / 2;
	int side = step % 2;
	uint64_t n;

	if (!left)
		return false;
	f->step++;
	n = side != f->is_upload ? body_take(g, f, left) : 40 + rng_below(&g->r, 300);
	put_be32(f->head, 0x01000000 | step);
	put_be32(f->head + 4, (uint32_t)n);
	msg_set(g, f, side, 8, BODY_RANDOM, n);
	return true;
}

static bool msg_next(struct mix *g, struct flow *f)
{
	return f->app == APP_HTTP  ? http_next(g, f)
	       : f->app == APP_TLS ? tls_next(g, f)
				   : opaque_next(g, f);
}

static void msg_copy(struct flow *f, uint8_t *dst, size_t n)
{
	struct msg *m = &f->m;

	if (m->at < m->head_len) {
		size_t part = m->head_len - m->at < n ? (size_t)(m->head_len - m->at) : n;

		memcpy(dst, f->head + m->at, part);
		dst += part;
		m->at += part;
		n -= part;
	}
	if (n) {
		body_copy(dst, m->kind, m->body_seed, m->body_len, m->at - m->head_len,
			  n);
		m->at += n;
	}
}

static struct tcp_hdr tcp_hdr_make(struct flow *f, int side, uint8_t flags, int64_t t)
{
	struct tcp_hdr h = {
		.seq = f->seq[side], .flags = flags, .window = 502, .has_ts = true
	};

	if (flags & TCP_ACK) /* what is out of turn was not received yet */
		h.ack = f->held.len && !f->held.is_resend && f->held.side != side
				? f->held.seq
				: f->seq[!side];
	if (flags & TCP_SYN)
		h.window = 64240;
	h.tsval = f->ts_base[side] + (uint32_t)((t - T_START) / NS_MS);
	h.tsecr = f->ts_last[!side];
	f->ts_last[side] = h.tsval;
	return h;
}

static void tcp_bare(struct mix *g, struct flow *f, int side, uint8_t flags, int64_t t)
{
	struct tcp_hdr h = tcp_hdr_make(f, side, flags, t);

	out_commit(g->o, tcp_frame(out_frame(g->o), &f->c, side, &h, 0), t);
	f->unacked[!side] = 0;
	f->seq[side] += (flags & (TCP_SYN | TCP_FIN)) != 0;
}

static void held_send(struct mix *g, struct flow *f, int64_t t)
{
	uint8_t *dst = out_frame(g->o);

	memcpy(dst, f->held.frame, f->held.len);
	if (f->held.is_resend)
		frame_resend(dst, &f->c, f->held.side);
	if (out_commit(g->o, f->held.len, t)) {
		g->o->st.n_retransmitted += f->held.is_resend;
		g->o->st.n_reordered += !f->held.is_resend;
	}
	f->held.len = 0;
}

static void hold(struct flow *f, const uint8_t *frame, size_t len, int side, uint32_t seq,
		 uint32_t after, bool is_resend)
{
	memcpy(f->held.frame, frame, len);
	f->held.len = len;
	f->held.side = side;
	f->held.seq = seq;
	f->held.after = after;
	f->held.is_resend = is_resend;
}

static void segment_send(struct mix *g, struct flow *f, int64_t t)
{
	const struct params *p = g->p;
	struct msg *m = &f->m;
	uint64_t left = m->head_len + m->body_len - m->at;
	size_t mss = f->c.is_v6 ? 1428 : 1448, n = left < mss ? (size_t)left : mss, len;
	bool is_last = n == left, is_free = !f->held.len;
	struct tcp_hdr h =
		tcp_hdr_make(f, m->side, is_last ? TCP_PSH | TCP_ACK : TCP_ACK, t);
	uint8_t *frame = out_frame(g->o);
	uint32_t pick = rng_below(&g->r, 1000000);

	msg_copy(f, frame + tcp_payload_at(&f->c, &h), n);
	len = tcp_frame(frame, &f->c, m->side, &h, n);
	if (f->held.len && f->held.after)
		f->held.after--;
	g->owe_reorder += pick - p->loss_ppm < p->reorder_ppm;
	g->owe_resend += pick - p->loss_ppm - p->reorder_ppm < p->retransmit_ppm;
	if (pick < p->loss_ppm) {
		g->o->st.n_lost++;
	} else if (g->owe_reorder && is_free && !is_last) {
		hold(f, frame, len, m->side, h.seq, 1 + rng_below(&g->r, 3), false);
		g->owe_reorder--;
	} else {
		if (g->owe_resend && is_free) {
			hold(f, frame, len, m->side, h.seq, 1 + rng_below(&g->r, 6),
			     true);
			g->owe_resend--;
		}
		out_commit(g->o, len, t);
	}
	g->o->st.n_data++;
	f->seq[m->side] += (uint32_t)n;
	f->unacked[!m->side] = 0;
	f->unacked[m->side]++;
	if (is_last)
		f->phase = P_NEXT;
}

/* One frame of a TCP flow. */
static void tcp_step(struct mix *g, struct flow *f, int64_t t)
{
	int side = f->m.side;

	switch (f->phase) {
	case P_SYN:
		tcp_bare(g, f, 0, TCP_SYN, t);
		f->phase = P_SYNACK;
		return;
	case P_SYNACK:
		tcp_bare(g, f, 1, TCP_SYN | TCP_ACK, t);
		f->phase = P_ACK;
		return;
	case P_ACK:
		tcp_bare(g, f, 0, TCP_ACK, t);
		f->phase = P_NEXT;
		return;
	case P_NEXT:
		if (f->held.len) {
			held_send(g, f, t);
			return;
		}
		if (msg_next(g, f)) {
			f->phase = P_SEND;
			segment_send(g, f, t);
		} else if (f->unacked[side]) {
			tcp_bare(g, f, !side, TCP_ACK, t);
		} else {
			tcp_bare(g, f, 0, TCP_FIN | TCP_ACK, t);
			f->phase = P_FINACK;
		}
		return;
	case P_SEND:
		if (f->held.len && !f->held.after)
			held_send(g, f, t);
		else if (f->unacked[side] >= f->ack_every)
			tcp_bare(g, f, !side, TCP_ACK, t);
		else
			segment_send(g, f, t);
		return;
	case P_FINACK:
		tcp_bare(g, f, 1, TCP_FIN | TCP_ACK, t);
		f->phase = P_LAST;
		return;
	case P_LAST:
		tcp_bare(g, f, 0, TCP_ACK, t);
		f->phase = P_DONE;
		return;
	case P_DONE:
		return;
	}
}

static void dns_step(struct mix *g, struct flow *f, int64_t t)
{
	uint32_t step = f->step++, host = (uint32_t)mix64(f->dns_id) % N_HOSTS;
	uint16_t id = (uint16_t)(f->dns_id + step / 2);
	uint8_t *frame = out_frame(g->o), *dns = frame + udp_payload_at(&f->c);
	size_t n;

	f->dns_type = step / 2 ? DNS_AAAA : DNS_A;
	if (step % 2 == 0)
		n = dns_query(dns, id, f->dns_type, host, 0);
	else
		n = dns_answer(dns, id, f->dns_type, host, 0, host % 20 ? 0 : 3,
			       1 + host % 4);
	if (out_commit(g->o, udp_frame(frame, &f->c, step % 2, n), t)) {
		g->o->st.n_dns_query += step % 2 == 0;
		g->o->st.n_dns_answer += step % 2;
	}
	if (f->step == 2 * f->n_exchanges)
		f->phase = P_DONE;
}

static void udp_step(struct mix *g, struct flow *f, int64_t t)
{
	uint32_t step = f->step++;
	int side = rng_below(&g->r, 100) < 75 ? !f->is_upload : f->is_upload;
	uint8_t *frame = out_frame(g->o), *u = frame + udp_payload_at(&f->c);
	size_t n = 500 + rng_below(&g->r, 800);

	if (!step)
		side = 0;
	body_copy(u, BODY_RANDOM, mix64(f->seq[0]) + step, 0, 0, n);
	put_be32(u, 0x02000000 | step); /* so that nobody takes it for QUIC or RTP */
	out_commit(g->o, udp_frame(frame, &f->c, side, n), t);
	f->size -= n < f->size ? n : f->size;
	if (!f->size)
		f->phase = P_DONE;
}

/* Puts an event at the top of the heap and lets it sink to its place. */
static void heap_sink(struct mix *g, struct event e)
{
	struct event *h = g->heap;
	uint32_t i = 0;

	for (;;) {
		uint32_t c = 2 * i + 1;

		if (c >= g->n_heap)
			break;
		if (c + 1 < g->n_heap &&
		    (h[c + 1].t < h[c].t ||
		     (h[c + 1].t == h[c].t && h[c + 1].slot < h[c].slot)))
			c++;
		if (e.t < h[c].t || (e.t == h[c].t && e.slot < h[c].slot))
			break;
		h[i] = h[c];
		i = c;
	}
	h[i] = e;
}

static int event_cmp(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->t != y->t ? (x->t > y->t) - (x->t < y->t)
			    : (x->slot > y->slot) - (x->slot < y->slot);
}

void gen_mix(struct out *o, const struct params *p)
{
	struct mix g = { .o = o, .p = p };

	g.is_mix = !strcmp(p->workload, "mix");
	g.is_long = !strcmp(p->workload, "long");
	g.max_flows = p->flows ? p->flows : UINT64_MAX;
	g.n_heap = p->active < g.max_flows ? p->active : (uint32_t)g.max_flows;
	g.flow = alloc(g.n_heap, sizeof(*g.flow));
	g.heap = alloc(g.n_heap, sizeof(*g.heap));
	rng_seed(&g.r, p->seed);
	for (uint32_t i = 0; i < g.n_heap; i++) {
		g.heap[i].t = T_START + (int64_t)rng_below(&g.r, (uint32_t)(NS_S / 2));
		g.heap[i].slot = i;
		g.flow[i].phase = P_DONE;
	}
	qsort(g.heap, g.n_heap, sizeof(*g.heap), event_cmp); /* sorted is a heap */
	while (g.n_heap && !o->full) {
		struct event e = g.heap[0];
		struct flow *f = &g.flow[e.slot];

		if (f->phase == P_DONE) {
			if (g.n_opened == g.max_flows) {
				g.n_heap--;
				if (g.n_heap)
					heap_sink(&g, g.heap[g.n_heap]);
				continue;
			}
			flow_open(&g, f);
		}
		if (f->app == APP_DNS)
			dns_step(&g, f, e.t);
		else if (f->app == APP_UDP)
			udp_step(&g, f, e.t);
		else
			tcp_step(&g, f, e.t);
		if (f->phase == P_DONE)
			o->st.n_closed++;
		e.t += f->gap_ns / 2 + rng_below(&g.r, f->gap_ns);
		heap_sink(&g, e);
	}
	free(g.flow);
	free(g.heap);
}
