/* SPDX-License-Identifier: BSD-3-Clause */
/* The workloads that hurt one thing: p64, dns, syn, half, idle, hole. */

#include "gen.h"

#include <stdlib.h>

/* Unique addresses and ports for up to 2^24 flows: 65 536 clients, 1 024 servers. */
static void p64_conv(struct conv *c, uint32_t flow, uint64_t seed)
{
	static const uint16_t port[] = { 80, 443, 8080, 8443, 5432, 6379, 9000, 22 };
	uint32_t s = (flow * 0x9e3779b1u + (uint32_t)seed) & 0xffffff;
	uint64_t h = mix64(s);

	conv_set(c, false, 0, 0, (uint32_t)(h & 1023),
		 (uint16_t)(32768 + (s >> 16) * 97 + (h >> 32) % 97),
		 port[(h >> 24) & 7]);
	put_be16(c->addr[0] + 2, s & 0xffff);
	c->addr[0][1] = 64; /* 10.64/16 */
	conv_resum(c);
}

/* Zipf with exponent 1 over n flows by Vose's alias method, in integers. */
struct alias {
	uint64_t keep; /* of the total of all weights */
	uint32_t other;
};

static struct alias *zipf_make(uint32_t n, uint64_t *total)
{
	struct alias *a = alloc(n, sizeof(*a));
	uint64_t *w = alloc(n, sizeof(*w)), sum = 0;
	uint32_t *todo = alloc(n, sizeof(*todo)), small = 0, large = n;

	for (uint32_t i = 0; i < n; i++)
		sum += (UINT64_C(1) << 36) / (i + 1);
	for (uint32_t i = n; i-- > 0;) {
		w[i] = (UINT64_C(1) << 36) / (i + 1) * n; /* the mean is sum */
		if (w[i] < sum)
			todo[small++] = i;
		else
			todo[--large] = i;
	}
	while (small && large < n) {
		uint32_t s = todo[--small], l = todo[large];

		a[s].keep = w[s];
		a[s].other = l;
		w[l] -= sum - w[s];
		if (w[l] < sum) {
			large++;
			todo[small++] = l;
		}
	}
	for (uint32_t i = 0; i < small; i++)
		a[todo[i]] = (struct alias){ sum, todo[i] };
	for (; large < n; large++)
		a[todo[large]] = (struct alias){ sum, todo[large] };
	free(w);
	free(todo);
	*total = sum;
	return a;
}

struct p64_flow {
	uint32_t seq[2]; /* bytes sent and the SYN; 0 is before it */
};

static bool p64_packet(struct out *o, struct p64_flow *f, uint32_t flow, uint64_t seed,
		       uint32_t pick, int64_t t)
{
	uint32_t isn = (uint32_t)mix64(seed ^ flow);
	struct tcp_hdr h = { .window = 502, .flags = TCP_PSH | TCP_ACK };
	uint8_t *frame = out_frame(o);
	size_t n = 6, len;
	struct conv c;
	int side = (int)(pick & 1);

	p64_conv(&c, flow, seed);
	c.ip_id[side] = (uint16_t)o->n_packets;
	if (!f->seq[0]) {
		h.flags = TCP_SYN;
		side = 0;
		n = 0;
		o->st.n_flows++;
		o->st.n_tcp++;
	} else if (!f->seq[1]) {
		h.flags = TCP_SYN | TCP_ACK;
		side = 1;
		n = 0;
	}
	h.is_plain_syn = true;
	h.seq = isn * (side ? 3 : 1) + f->seq[side];
	if (h.flags & TCP_ACK)
		h.ack = isn * (side ? 1 : 3) + f->seq[!side];
	if (n)
		memcpy(frame + tcp_payload_at(&c, &h), "nrtool", 6);
	len = tcp_frame(frame, &c, side, &h, n);
	f->seq[side] += n ? 6 : 1;
	return out_commit(o, len, t);
}

void gen_p64(struct out *o, const struct params *p)
{
	enum { BATCH = 32 };
	struct p64_flow *state = alloc(p->flows, sizeof(*state));
	struct alias *zipf = NULL;
	uint32_t pick[BATCH], flow[BATCH];
	uint64_t total = 0, n = 0;
	int64_t t = T_START;
	struct rng r;

	rng_seed(&r, p->seed);
	if (p->is_zipf)
		zipf = zipf_make(p->flows, &total);
	while (!o->full && (!p->count || n < p->count)) {
		for (int i = 0; i < BATCH; i++) {
			flow[i] = rng_below(&r, p->flows);
			if (zipf)
				__builtin_prefetch(&zipf[flow[i]]);
		}
		for (int i = 0; i < BATCH; i++) {
			uint64_t x = rng_u64(&r);

			pick[i] = (uint32_t)x & 0xff;
			if (zipf && (uint64_t)(((unsigned __int128)x * total) >> 64) >=
					    zipf[flow[i]].keep)
				flow[i] = zipf[flow[i]].other;
			__builtin_prefetch(&state[flow[i]]);
		}
		for (int i = 0; i < BATCH && !o->full && (!p->count || n < p->count);
		     i++) {
			p64_packet(o, &state[flow[i]], flow[i], p->seed, pick[i], t);
			t += 50 + pick[i] % 100;
			n++;
		}
	}
	free(state);
	free(zipf);
}

struct dns_open {
	uint32_t host, label;
	uint16_t id, port, type;
	bool is_open;
};

/* `count` queries 10 µs apart, each from a port of its own; the answer follows within 64
 * queries. 1 in 200 stays without one, 1 in 20 names does not exist. */
void gen_dns(struct out *o, const struct params *p)
{
	enum { WAIT = 64 };
	struct dns_open wait[WAIT] = { 0 };
	struct conv c;
	struct rng r;
	int64_t t = T_START;

	rng_seed(&r, p->seed);
	for (uint64_t n = 0; !o->full && n < p->count + WAIT; n++, t += 10 * NS_US) {
		struct dns_open *q = &wait[n < p->count ? rng_below(&r, WAIT) : n % WAIT];
		uint32_t client =
			(uint32_t)mix64(q->port ^ (uint64_t)q->label << 16) % 4096;
		uint8_t *frame = out_frame(o);
		size_t len;

		if (q->is_open && rng_below(&r, 200)) {
			conv_set(&c, false, 0, client, q->host % 8, q->port, 53);
			len = dns_answer(frame + udp_payload_at(&c), q->id, q->type,
					 q->host, q->label, q->host % 20 ? 0 : 3,
					 1 + q->host % 4);
			o->st.n_dns_answer +=
				out_commit(o, udp_frame(frame, &c, 1, len), t);
		}
		q->is_open = false;
		if (n >= p->count)
			continue;
		q->is_open = true;
		q->host = rng_below(&r, N_HOSTS);
		q->label = 1 + (uint32_t)(n / 50000);
		q->port = (uint16_t)(10000 + n % 50000);
		q->id = (uint16_t)rng_u64(&r);
		q->type = rng_below(&r, 4) ? DNS_A : DNS_AAAA;
		client = (uint32_t)mix64(q->port ^ (uint64_t)q->label << 16) % 4096;
		conv_set(&c, false, 0, client, q->host % 8, q->port, 53);
		frame = out_frame(o);
		len = dns_query(frame + udp_payload_at(&c), q->id, q->type, q->host,
				q->label);
		if (out_commit(o, udp_frame(frame, &c, 0, len), t + 2 * NS_US))
			o->st.n_dns_query++;
	}
	o->st.n_flows = o->st.n_udp = o->st.n_dns_query;
}

/* `count` connections that stop after SYN and SYN/ACK, the answer 100 SYNs later. */
void gen_syn(struct out *o, const struct params *p)
{
	enum { LAG = 100 };
	int64_t t = T_START;

	for (uint64_t n = 0; !o->full && n < p->count + LAG; n++, t += NS_US) {
		for (int side = 0; side < 2 && !o->full; side++) {
			uint64_t flow = side ? n - LAG : n;
			struct tcp_hdr h = { .window = 64240, .is_plain_syn = true };
			struct conv c;
			uint32_t isn;

			if (flow >= p->count) /* also n < LAG, which wrapped */
				continue;
			isn = (uint32_t)mix64(p->seed ^ flow);
			p64_conv(&c, (uint32_t)flow, p->seed);
			h.flags = side ? TCP_SYN | TCP_ACK : TCP_SYN;
			h.seq = side ? isn * 3 : isn;
			h.ack = side ? isn + 1 : 0;
			if (out_commit(o, tcp_frame(out_frame(o), &c, side, &h, 0),
				       t + side * 300))
				o->st.n_flows += !side;
		}
	}
	o->st.n_tcp = o->st.n_flows;
}

/* `count` connections, all open at once, that stop in the middle of a request's head. */
void gen_half(struct out *o, const struct params *p)
{
	int64_t t = T_START;
	struct rng r;

	rng_seed(&r, p->seed);
	for (uint64_t n = 0; n < p->count && !o->full; n++) {
		uint32_t isn = (uint32_t)mix64(p->seed ^ n);
		struct tcp_hdr h = { .window = 64240 };
		char head[HEAD_MAX];
		size_t len = http_request(head, &r, (uint32_t)(n % N_HOSTS), 0) / 2;
		struct conv c;

		p64_conv(&c, (uint32_t)n, p->seed);
		for (int i = 0; i < 3 && !o->full; i++, t += 5 * NS_US) {
			bool is_data = i == 2;
			uint8_t *frame = out_frame(o);

			h.flags = (uint8_t)((is_data ? TCP_PSH : TCP_SYN) |
					    (i > 0 ? TCP_ACK : 0));
			h.is_plain_syn = !is_data;
			h.seq = isn * (i == 1 ? 3 : 1) + is_data;
			h.ack = i == 0 ? 0 : isn * (i == 1 ? 1 : 3) + 1;
			if (is_data)
				memcpy(frame + tcp_payload_at(&c, &h), head, len);
			if (out_commit(
				    o,
				    tcp_frame(frame, &c, i == 1, &h, is_data ? len : 0),
				    t)) {
				o->st.n_flows += i == 0;
				o->st.n_data += is_data;
			}
		}
	}
	o->st.n_tcp = o->st.n_flows;
}

/* `count` connections, all open at once, that stay idle after a request and its answer.
 */
void gen_idle(struct out *o, const struct params *p)
{
	static const struct {
		int side;
		uint8_t flags;
	} step[] = { { 0, TCP_SYN },
		     { 1, TCP_SYN | TCP_ACK },
		     { 0, TCP_PSH | TCP_ACK },
		     { 1, TCP_PSH | TCP_ACK },
		     { 0, TCP_ACK } };
	int64_t t = T_START;
	struct rng r;

	rng_seed(&r, p->seed);
	for (uint64_t n = 0; n < p->count && !o->full; n++) {
		uint32_t isn = (uint32_t)mix64(p->seed ^ n), seq[2] = { isn, isn * 3 };
		char head[HEAD_MAX];
		struct conv c;

		p64_conv(&c, (uint32_t)n, p->seed);
		c.port[1] = 80; /* client and its port tell them apart */
		for (int i = 0; i < 5 && !o->full; i++, t += 5 * NS_US) {
			int side = step[i].side;
			bool is_syn = step[i].flags & TCP_SYN;
			size_t size = 0;
			struct tcp_hdr h = { .window = 64240,
					     .is_plain_syn = is_syn,
					     .flags = step[i].flags,
					     .seq = seq[side],
					     .ack = i ? seq[!side] : 0 };
			uint8_t *frame = out_frame(o);

			if (i == 2)
				size = http_request(head, &r, (uint32_t)(n % N_HOSTS), 0);
			if (i == 3)
				size = http_response(head, &r, 304, false, 0);
			memcpy(frame + tcp_payload_at(&c, &h), head, size);
			seq[side] += (uint32_t)size + is_syn;
			if (!out_commit(o, tcp_frame(frame, &c, side, &h, size), t))
				break;
			o->st.n_flows += i == 0;
			o->st.n_data += size > 0;
			o->st.n_http += i == 2;
		}
	}
	o->st.n_tcp = o->st.n_flows;
}

/* A connection whose first byte never comes, then `count` segments of one byte each. */
static void hole_flow(struct out *o, const struct params *p, uint16_t port, bool is_up,
		      int64_t *t)
{
	uint32_t isn = (uint32_t)mix64(p->seed ^ port);
	struct tcp_hdr h = { .window = 64240 };
	struct conv c;

	conv_set(&c, false, 0, 1, 1, port, 31000);
	for (int i = 0; i < 3; i++, *t += NS_MS) {
		h.flags = (uint8_t)((i < 2 ? TCP_SYN : 0) | (i > 0 ? TCP_ACK : 0));
		h.seq = isn * (i == 1 ? 3 : 1) + (i == 2);
		h.ack = i == 0 ? 0 : isn * (i == 1 ? 1 : 3) + 1;
		out_commit(o, tcp_frame(out_frame(o), &c, i == 1, &h, 0), *t);
	}
	o->st.n_flows++;
	o->st.n_tcp++;
	h.flags = TCP_ACK | TCP_PSH;
	h.ack = isn * 3 + 1;
	for (uint64_t n = 0; n < p->count && !o->full; n++, *t += NS_US) {
		uint64_t at = (is_up ? n : p->count - 1 - n) * p->stride;
		uint8_t *frame = out_frame(o);

		frame[tcp_payload_at(&c, &h)] = (uint8_t)mix64(at);
		h.seq = isn + 2 + (uint32_t)at;
		o->st.n_data += out_commit(o, tcp_frame(frame, &c, 0, &h, 1), *t);
	}
}

void gen_hole(struct out *o, const struct params *p)
{
	int64_t t = T_START;

	if (p->is_up)
		hole_flow(o, p, 40001, true, &t);
	if (p->is_down)
		hole_flow(o, p, 40002, false, &t);
}
