/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet that most packets are: the next segment in order, or an ACK, of a connection
 * that runs; another datagram of a flow. It changes the hot line, and, the first of its
 * kind, a letter and what belongs to it in the cold part (NR_FAST_NOTE). Whatever else it
 * might do (an anomaly, a state, a hole, a timer) sends it the general way, which gives
 * the same: the test fast compares the two.
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

enum nr_fast {
	NR_FAST_NOT,  /* the general way; nothing was changed */
	NR_FAST_DONE, /* the hot line has it */
	NR_FAST_NOTE, /* the same, and there is something to note: nr_fast_note() */
};

/*
 * Data of a side of which nothing was acknowledged: the rule for connections of which one
 * direction is seen (tcp.c, take_data()) does not touch so little. Of a packed flow.
 */
static inline bool nr_fast_little(const struct nr_flow_hot *h, unsigned s,
				  const struct nr_level *l)
{
	return h->next[s] + l->payload_len - h->acked[s] < NR_TCP_INITIAL_WINDOW &&
	       l->payload_len < NR_TCP_INITIAL_WINDOW;
}

/* What was acknowledged of side s has grown by n: was it more than the SYN? */
static inline void nr_fast_acked(struct nr_flow_hot *h, unsigned s, uint32_t n)
{
	unsigned unheard = NR_HOT_UNHEARD << s;

	if (n > 1 || ~h->flags & unheard)
		h->flags |= (uint16_t)(NR_HOT_ACKED << s);
	h->flags &= (uint16_t)~unheard;
}

/* Moves the numbers of both sides. */
static inline enum nr_fast nr_fast_tcp(struct nr_flow_hot *h, unsigned s,
				       const struct nr_level *l)
{
	unsigned need = (l->payload_len ? NR_HOT_DATA | NR_HOT_ACKED : NR_HOT_ACK) |
			(l->tcp_flags & NR_TCP_PSH ? NR_HOT_PSH : 0);
	unsigned lacks = ~((unsigned)h->flags >> s) & need;
	int32_t acks = (int32_t)(l->tcp_ack - h->acked[!s]), ahead;

	if ((l->tcp_flags & ~NR_TCP_PSH) != NR_TCP_ACK || l->tcp_seq != h->next[s] ||
	    !l->tcp_window || l->payload_cap != l->payload_len)
		return NR_FAST_NOT;
	if (lacks && (h->flags & NR_HOT_WIDE ||
		      (lacks & NR_HOT_ACKED && !nr_fast_little(h, s, l))))
		return NR_FAST_NOT;
	/* What comes and goes is computed, not asked: it would be guessed wrong. */
	ahead = (int32_t)(h->next[!s] - l->tcp_ack);
	if ((acks > 0) & ((ahead < 0) | !l->tcp_ack))
		return NR_FAST_NOT;
	if ((acks > 0) & !(h->flags & NR_HOT_ACKED << !s))
		nr_fast_acked(h, !s, (uint32_t)acks);
	h->acked[!s] += (uint32_t)(acks & -(int32_t)(acks > 0));
	h->next[s] += l->payload_len;
	h->window[s] = l->tcp_window;
	h->flags |= (uint16_t)(NR_HOT_SCALED << s);
	return lacks & ~NR_HOT_ACKED ? NR_FAST_NOTE : NR_FAST_DONE;
}

/* Accounts the packet l, sent by side s, to a flow. */
static inline enum nr_fast nr_fast_packet(const struct nr_slabs *b, struct nr_flow_hot *h,
					  unsigned s, const struct nr_flow_packet *p,
					  const struct nr_level *l)
{
	const struct nr_packet *k = p->pkt;
	enum nr_fast r = NR_FAST_DONE;

	if (!(h->flags & NR_HOT_FAST) || p->bad_checksum || !p->is_credited ||
	    l->carries || k->ts_ns != k->clock_ns ||
	    (uint64_t)k->clock_ns - (uint64_t)h->clock_ns >=
		    (uint64_t)b->idle[h->timer] ||
	    !nr_fast_counters(h, s, l, k->wire_len))
		return NR_FAST_NOT;
	if (l->proto == NR_PROTO_TCP) {
		if (l->flags & NR_L_NO_SEGMENT)
			return NR_FAST_NOT;
		r = nr_fast_tcp(h, s, l);
		if (r == NR_FAST_NOT)
			return r;
	} else {
		if (~h->flags & NR_HOT_DATA << s) {
			if (h->flags & NR_HOT_WIDE)
				return NR_FAST_NOT;
			r = NR_FAST_NOTE;
		}
		h->next[s] += l->payload_len;
	}
	h->packets[s]++;
	h->ip_bytes[s] += l->ip_len;
	h->wire_bytes += k->wire_len;
	h->clock_ns = k->clock_ns;
	return r;
}

/* What a packet that went the fast way is the first of, in a packed flow. */
void nr_fast_note(struct nr_flow *f, unsigned s, const struct nr_level *l, int64_t ts_ns);
