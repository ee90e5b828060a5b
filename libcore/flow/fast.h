/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet that most packets are: the next segment in order, or an ACK, of a connection
 * that runs; another datagram of a flow that was seen both to begin and to bear the
 * letter of its side. It changes the hot line alone. Whatever else it might do (a letter,
 * an anomaly, a state, a hole, a timer) sends it the general way, which gives the same:
 * the test fast compares the two.
 */
#pragma once

#include "flow/proto.h"
#include "flow/shard.h"
#include "flow/tcp.h"

static inline bool nr_fast_counters(const struct nr_flow_hot *h, unsigned s,
				    const struct nr_level *l, uint32_t wire_len)
{
	return h->packets[s] != UINT16_MAX && l->ip_len <= UINT32_MAX - h->ip_bytes[s] &&
	       wire_len <= UINT32_MAX - h->wire_bytes;
}

/* Moves the numbers of both sides; false: the general way, nothing was changed. */
static inline bool nr_fast_tcp(struct nr_flow_hot *h, unsigned s,
			       const struct nr_level *l)
{
	unsigned need = (l->payload_len ? NR_HOT_DATA | NR_HOT_ACKED : NR_HOT_ACK) |
			(l->tcp_flags & NR_TCP_PSH ? NR_HOT_PSH : 0);
	int32_t acks = (int32_t)(l->tcp_ack - h->acked[!s]);

	if ((l->tcp_flags & ~NR_TCP_PSH) != NR_TCP_ACK || l->tcp_seq != h->next[s] ||
	    ~(unsigned)h->flags & need << s || !l->tcp_window ||
	    l->payload_cap != l->payload_len)
		return false;
	if (acks > 0) {
		if ((int32_t)(h->next[!s] - l->tcp_ack) < 0 || !l->tcp_ack)
			return false;
		h->acked[!s] = l->tcp_ack;
		h->flags |= (uint16_t)(NR_HOT_ACKED << !s);
	}
	h->next[s] += l->payload_len;
	h->window[s] = l->tcp_window;
	h->flags |= (uint16_t)(NR_HOT_SCALED << s);
	return true;
}

/* Accounts the packet l, sent by side s, to a flow; false: it must go the general way. */
static inline bool nr_fast_packet(const struct nr_shard *sh, struct nr_flow_hot *h,
				  unsigned s, const struct nr_flow_packet *p,
				  const struct nr_level *l)
{
	const struct nr_packet *k = p->pkt;

	if (!(h->flags & NR_HOT_FAST) || p->bad_checksum || !p->is_credited ||
	    l->carries || k->ts_ns != k->clock_ns ||
	    (uint64_t)k->clock_ns - (uint64_t)h->clock_ns >=
		    (uint64_t)sh->idle[h->timer] ||
	    !nr_fast_counters(h, s, l, k->wire_len))
		return false;
	if (l->proto == NR_PROTO_TCP) {
		if (l->flags & (NR_L_NO_PORTS | NR_L_BAD_HDR) || !nr_fast_tcp(h, s, l))
			return false;
	} else {
		if (~h->flags & NR_HOT_DATA << s)
			return false;
		h->next[s] += l->payload_len;
	}
	h->packets[s]++;
	h->ip_bytes[s] += l->ip_len;
	h->wire_bytes += k->wire_len;
	h->clock_ns = k->clock_ns;
	return true;
}
