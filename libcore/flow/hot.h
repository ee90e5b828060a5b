/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every packet of a flow touches: one cache line, in a slab of its own.
 *
 * It holds the key as far as most flows have one, the clock, and the counters and
 * sequence numbers of both sides in few bits. The next segment in order of a connection
 * that runs (NR_HOT_FAST) changes nothing else: flow/fast.h. For all else the flow is
 * laid out in full and packed again: flow/pack.h. Nobody outside libcore/flow includes
 * this.
 */
#pragma once

#include "flow/flow.h"

enum {
	/* nr_flow_hot.flags; those with two values: << side */
	NR_HOT_SRC_IS_HI = 1 << 0,
	NR_HOT_FAST = 1 << 1,    /* the hot line is the truth where both know a thing */
	NR_HOT_QUIET = 1 << 2,   /* no parser wants its packets */
	NR_HOT_DATA = 1 << 3,    /* letter D noted; not TCP: a packet was seen */
	NR_HOT_ACK = 1 << 5,     /* letter A noted */
	NR_HOT_PSH = 1 << 7,     /* flag PSH seen */
	NR_HOT_ACKED = 1 << 9,   /* some of its data was acknowledged */
	NR_HOT_SCALED = 1 << 11, /* window is as in the header, to be scaled */
	NR_HOT_WIDE = 1 << 13,   /* it is laid out: nr_flow.side is set */
	NR_HOT_UNHEARD =
		1 << 14, /* its peer has acknowledged nothing, not even the SYN */

	/* nr_flow_hot.rest */
	NR_REST_IPV6 = 1 << 8,
	NR_REST_ONE_WAY = 1 << 9, /* and 2 << 9 */
	NR_REST_MORE = 1 << 11,   /* a second VLAN id or a scope: see nr_flow */
	NR_REST_VLAN = 1 << 12,

	NR_NO_SLOT = 0xffff,
};

/* Why a flow will end, and so how long it may be idle. */
enum nr_timer {
	NR_TIMER_TCP,
	NR_TIMER_HALF_CLOSED,
	NR_TIMER_UDP,
	NR_TIMER_ICMP,
	NR_TIMER_OTHER,
	NR_TIMER_ATTEMPT, /* from limit_ns */
	NR_TIMER_CLOSING, /* at limit_ns */
	NR_N_TIMERS,
};

/* The addresses of an IPv6 flow. */
struct nr_ip6_pair {
	uint8_t lo[16], hi[16];
};

struct nr_flow_hot {
	union {
		uint32_t ip[2]; /* lo, hi; wire order */
		struct nr_ip6_pair *ip6;
	};
	uint32_t ports; /* lo | hi << 16 */
	uint32_t rest;  /* protocol | NR_REST_… | VLAN id + 1 */
	union {
		int64_t clock_ns;   /* of the last packet, on the engine's clock */
		uint32_t free_next; /* not in use: index + 1 of the next such */
	};
	uint32_t ip_bytes[2]; /* these three: all, or what a wide flow has not got yet */
	uint16_t packets[2];
	uint32_t wire_bytes;
	uint32_t next[2];  /* TCP: the sequence number expected; else like ip_bytes */
	uint32_t acked[2]; /* TCP: what the peer has acknowledged of it */
	uint16_t window[2];
	uint16_t flags;
	uint8_t timer; /* enum nr_timer */
	bool in_use;
};
_Static_assert(sizeof(struct nr_flow_hot) == 64, "the hot part is one cache line");

/* A key as the hot line has it; more: compare the rest too. */
struct nr_hot_key {
	uint64_t ip; /* IPv4 */
	uint32_t ports, rest;
};

static inline struct nr_hot_key nr_hot_key(const struct nr_key *k)
{
	struct nr_hot_key h = { .ports = k->lo_port | (uint32_t)k->hi_port << 16 };
	uint32_t ip[2];

	memcpy(&ip[0], k->lo, 4);
	memcpy(&ip[1], k->hi, 4);
	memcpy(&h.ip, ip, 8);
	h.rest = k->proto | (uint32_t)k->one_way * NR_REST_ONE_WAY |
		 (k->ip_version == 6 ? NR_REST_IPV6 : 0u) |
		 (k->vlan[1] || k->scope ? NR_REST_MORE : 0u) |
		 (uint32_t)k->vlan[0] * NR_REST_VLAN;
	return h;
}

/* Whether the flow in h has the key k, of which w was made; f: its cold part. */
static inline bool nr_hot_is(const struct nr_flow_hot *h, const struct nr_flow *f,
			     const struct nr_hot_key *w, const struct nr_key *k)
{
	uint64_t ip;

	if (h->ports != w->ports || h->rest != w->rest)
		return false;
	if (!(w->rest & NR_REST_IPV6)) {
		memcpy(&ip, h->ip, 8);
		if (ip != w->ip)
			return false;
	} else if (memcmp(h->ip6->lo, k->lo, 16) != 0 ||
		   memcmp(h->ip6->hi, k->hi, 16) != 0) {
		return false;
	}
	return !(w->rest & NR_REST_MORE) ||
	       (f->vlan[1] == k->vlan[1] && (f->extra ? f->extra->scope : 0) == k->scope);
}

/* The key of the flow in h; f, its cold part, is looked at where the key has more. */
static inline struct nr_key nr_hot_to_key(const struct nr_flow_hot *h,
					  const struct nr_flow *f)
{
	struct nr_key k = {
		.lo_port = (uint16_t)h->ports,
		.hi_port = (uint16_t)(h->ports >> 16),
		.vlan = { (uint16_t)(h->rest / NR_REST_VLAN) },
		.proto = (uint8_t)h->rest,
		.ip_version = h->rest & NR_REST_IPV6 ? 6 : 4,
		.one_way = h->rest / NR_REST_ONE_WAY & 3,
	};

	if (h->rest & NR_REST_MORE) {
		k.vlan[1] = f->vlan[1];
		k.scope = f->extra ? f->extra->scope : 0;
	}
	if (h->rest & NR_REST_IPV6) {
		memcpy(k.lo, h->ip6->lo, 16);
		memcpy(k.hi, h->ip6->hi, 16);
	} else {
		memcpy(k.lo, &h->ip[0], 4);
		memcpy(k.hi, &h->ip[1], 4);
	}
	return k;
}
