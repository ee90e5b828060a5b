/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The flow table: 64 virtual shards, each with its own hash table, slab, timer wheel and
 * cap, so that what a flow becomes never depends on how many threads own the shards.
 *
 * Only packet time moves anything here. Timers fire at clock marks (multiples of 100 ms)
 * and at a flow's own next packet: a flow that has been idle too long ends before it.
 */
#pragma once

#include "flow/key.h"

struct nr_session;

enum {
	NR_N_SHARDS = 64,
	NR_SHARD_MIN_FLOWS = 16, /* smallest cap of one shard */
	NR_MARK_NS = 100 * 1000 * 1000,
	NR_HISTORY_MAX = 255,
	NR_MAX_SERVICES = 4, /* protocols one after the other in a flow: smtp,tls */
};

enum nr_end_reason {
	NR_END_FIN,
	NR_END_RST,
	NR_END_IDLE,
	NR_END_EVICTED,
	NR_END_OF_INPUT,
	NR_END_REPLACED,
	NR_END_ROTATED,
};

/* One end of a TCP connection, in Zeek's terms (conn.log documentation, conn_state). */
enum nr_tcp_state {
	NR_TCP_INACTIVE,
	NR_TCP_SYN_SENT,
	NR_TCP_SYN_ACK_SENT,
	NR_TCP_PARTIAL, /* seen midstream, no SYN */
	NR_TCP_ESTABLISHED,
	NR_TCP_CLOSED, /* sent a FIN */
	NR_TCP_RESET,  /* sent a RST */
};

/* Stream ranges not (yet) seen, sorted, disjoint; offsets relative to start_seq. */
struct nr_hole {
	uint64_t from, to;
};

struct nr_holes {
	uint32_t n, cap;
	uint64_t forgotten; /* bytes of holes dropped at the cap */
	struct nr_hole h[];
};

/* The TCP options of a side's first SYN. */
struct nr_syn_options {
	uint16_t mss;
	uint8_t wscale;
	bool has_mss, has_wscale;
	uint8_t n;      /* letters in order */
	char order[10]; /* M W S T F N ?, in order; '+' last: and more */
};

/*
 * What one side has sent. TCP stream offsets count from start_seq: 0 is the SYN, 1 the
 * first byte; 64 bits, so that streams of any length keep their order.
 */
struct nr_side {
	uint64_t packets, ip_bytes;
	union {
		uint64_t payload; /* UDP and others: sum of payload lengths */
		int64_t last; /* TCP: one past the highest offset sent, SYN and FIN count
			       */
	};
	int64_t ack;            /* highest acknowledged by the peer */
	uint64_t top;           /* one past the highest byte seen, at least 1 */
	uint64_t trim;          /* acknowledged and done with, at least 1 */
	struct nr_holes *holes; /* below top, NULL: none */
	uint32_t start_seq;     /* of the SYN, or first seen - 1 */
	int64_t fin;            /* offset one past the FIN; 0: none seen */
	uint32_t hist_syn, hist_fin, hist_rst; /* last offsets noted in the history */
	uint32_t n_retransmits, n_out_of_order;
	/* Behind scaled letters, and so they stop at UINT32_MAX. */
	uint32_t n_zero_windows, n_bad_checksums, hist_t, hist_g;
	uint32_t window;           /* last advertised, scaled */
	struct nr_syn_options syn; /* n 0: none */
	uint8_t syn_id;            /* where the shard keeps the same; 0: nowhere */
	uint8_t hist_seen;         /* letters noted once, bits of tcp.c */
	uint8_t state, prev_state; /* enum nr_tcp_state */
	uint8_t window_scale;
	uint8_t tcp_flags; /* all seen */
	uint8_t ttl, tos;  /* of its first packet */
	bool did_close, did_eof, skip, has_mac;
	uint8_t mac[6]; /* as in the flow's first packet */
	/* Beyond what the window allows: segments in a row, ACKs of the peer in a row. */
	uint8_t n_far[2];
	bool far_fin;   /* the last of the segments was a FIN */
	int64_t far_at; /* where the last of them is; a FIN: one past it */
};

/*
 * A flow laid out in full. Most flows have one only while something other than the next
 * segment in order happens to them (flow/pack.h): it is made of the packed form, and
 * packed again. Those that do not fit the packed form keep it.
 */
struct nr_flow_wide {
	struct nr_side side[2]; /* 0: initiator */
	int64_t last_ns;        /* packet time of the last packet, own time */
	int64_t active_ns;      /* last packet before both sides had closed */
	uint64_t records, wire_bytes;
};

/* What of a side the packed form keeps outside the hot line. */
struct nr_side_packed {
	uint32_t start_seq;
	uint8_t mac[6];
	uint8_t ttl, tos;
	uint8_t states; /* state, prev_state << 4 */
	uint8_t hist_seen, tcp_flags;
	uint8_t scale; /* window_scale, has_mac << 7 */
};

/* What the rows of a flow before the one that is open have told already. */
struct nr_flow_before {
	uint64_t flow_id; /* of the last of them */
	/* by side */
	uint64_t payload[2], missed[2], zero_windows[2], bad_checksums[2];
};

/* What few flows need, allocated when they do. */
struct nr_flow_extra {
	uint64_t parent_flow_id;       /* 0: none */
	uint64_t scope;                /* of the key */
	char *tunnel;                  /* "vxlan:42/gre", NUL-terminated */
	char *vlan;                    /* "10,20" */
	struct nr_flow_before *before; /* of one that was restarted; else NULL */
};

struct nr_flow_hot;

/* The cold part of a flow; the hot one is what every packet touches: flow/hot.h. */
struct nr_flow {
	struct nr_flow_hot *hot;
	uint64_t flow_id; /* 0 once the flow is freed; its memory stays readable */
	int64_t first_ns;
	int64_t handshake_ns; /* rtt_known: SYN to the ACK of the SYN-ACK; syn_timed: own
				 time of the initiator's SYN */
	int64_t limit_ns;     /* closing: engine time at which it ends; else that of the
				 last SYN of an attempt, INT64_MIN: none */
	struct nr_side *side; /* the first two members of a struct nr_flow_wide; NULL:
				 packed. Only for what works on the flow: flow/pack.h */
	struct nr_flow_extra *extra;
	struct nr_way_back *way_back;    /* numbers of its packets not yet written */
	struct nr_session *session;      /* of the session layer; NULL: none */
	uint32_t timer_next, timer_prev; /* wheel links: index + 1, 0: none */
	uint32_t source, interface_id;
	uint32_t way_back_seq; /* chunks written so far */
	uint32_t n_unverified; /* overlaps whose bytes could not be compared */
	struct nr_side_packed packed[2];
	uint16_t vlan[2];                   /* of the key */
	uint16_t services[NR_MAX_SERVICES]; /* what parsers found: ids, 0: none */
	uint16_t timer_slot;                /* of the wheel; NR_NO_SLOT: in none */
	uint8_t shard;
	uint8_t syn_id[2];
	uint8_t service;        /* enum nr_tunnel_kind + 1 it carries, 0 none */
	uint8_t n_tries;        /* datagrams that no parser wanted */
	uint8_t parser;         /* index in nr_parsers + 1, 0: none; the last one */
	uint8_t parser_close;   /* enum nr_parser_close + 1, 0: none */
	uint8_t first_seen : 2; /* bit per side: a packet was seen */
	bool closing : 1;       /* closed, reset: ends at limit_ns */
	bool src_is_hi : 1;     /* the initiator is the hi endpoint of the key */
	bool flipped : 1, partial : 1, close_deferred : 1, established : 1;
	bool rtt_known : 1, syn_timed : 1;
	uint8_t history_len;
	union {
		char history_inline[14];
		char *history_heap; /* once inline is full; see nr_history_add() */
	};
};

struct nr_flow_config {
	uint64_t max_flows;
	int64_t tcp_timeout, udp_timeout, icmp_timeout, other_timeout;
	int64_t attempt_timeout, closed_timeout, reset_timeout, half_closed_timeout;
	bool no_flip;
	bool general_only; /* every packet goes the general way: for tests */
	struct nr_key_config key;
};

/* What the table tells while it works; called in the order in which things happen. */
struct nr_flow_events {
	void *arg;
	/* before the first packet is counted */
	void (*started)(void *arg, struct nr_flow *f);
	/* the flow is freed after it */
	void (*ended)(void *arg, struct nr_flow *f, enum nr_end_reason why);
	/* the table is freed with the flow in it; may be NULL */
	void (*discarded)(void *arg, struct nr_flow *f);
	/* a clock mark of a shard: nr_flow_add_wake() for what has a timer of its own;
	   may be NULL */
	void (*mark)(void *arg, unsigned shard, int64_t mark_ns);
	/* in order of flow_id, before the flow's end */
	void (*woken)(void *arg, struct nr_flow *f, int64_t mark_ns);
	/* kind: enum nr_anomaly_kind; a, b as its text says */
	void (*anomaly)(void *arg, struct nr_flow *f, unsigned kind, int side, int64_t a,
			int64_t b);
};

/* Where a TCP segment lies in its stream; offsets count from the byte behind the SYN. */
struct nr_tcp_seen {
	bool is_valid; /* it belongs to the connection */
	bool has_ack;
	bool is_far;    /* beyond the window: it must not move the stream */
	int64_t offset; /* of the payload; negative: before what is known */
	int64_t ack;    /* of the peer's stream, everything below is acknowledged */
};

/* The packet that is being worked on. */
struct nr_flow_packet {
	const struct nr_packet *pkt;
	const struct nr_decoded *dec;
	uint64_t parent_flow_id;
	bool bad_checksum; /* judged bad */
	bool drop_bad;     /* --checksums=verify: it touches nothing but the counters */
	uint32_t guess;    /* of nr_flow_prefetch_hit(); 0: none */
	bool is_credited;  /* the record counts as the flow's: it is its innermost one */
	struct nr_tcp_seen *seen; /* NULL, or filled for TCP; is_valid false for all else
				   */
	bool is_quiet;            /* out: nr_flow_is_quiet() */
};

/*
 * Calls for different shards may be made by different threads at the same time; those of
 * one shard, and those that speak of all of them, by one at a time.
 */
struct nr_flow_table;

struct nr_flow_table *nr_flow_table_new(const struct nr_flow_config *c,
					const struct nr_flow_events *ev);
void nr_flow_table_free(struct nr_flow_table *t);

/* Asks the processor for the bucket, then for the flow that a key will meet. */
void nr_flow_prefetch(const struct nr_flow_table *t, uint64_t hash);
/* Returns a guess at where it lies for nr_flow_packet.guess; 0: nowhere yet. */
uint32_t nr_flow_prefetch_hit(const struct nr_flow_table *t, uint64_t hash);
/* Once that has come: asks for the rest of a flow for which its hot line will not do.
   anyway: even if it does. */
void nr_flow_prefetch_cold(const struct nr_flow_table *t, uint32_t guess, bool anyway);

/*
 * The flow of level i of a packet, found or made, with the packet accounted to it:
 * timers, counters, TCP state. p->seen is not filled where the flow is quiet. Returns
 * NULL only where a bad packet must not make a flow (verify). The pointer is valid until
 * the next call.
 */
struct nr_flow *nr_flow_update(struct nr_flow_table *t, struct nr_flow_packet *p,
			       unsigned i, const struct nr_key *k, uint64_t hash,
			       bool src_is_hi);

/* Ends what is due at engine time mark_ns, in order of flow_id. */
void nr_flow_mark(struct nr_flow_table *t, int64_t mark_ns);
/*
 * The same of one shard. Before each flow, pause is asked with the id of the next one:
 * where it says true, the call returns false, and the next one (with the same arguments)
 * goes on from there. True: all is done.
 */
typedef bool nr_flow_pause_fn(void *arg, uint64_t next_flow_id);
bool nr_flow_shard_mark(struct nr_flow_table *t, unsigned shard, int64_t mark_ns,
			nr_flow_pause_fn *pause, void *arg);
/* Of what has paused: the id of the flow that comes n flows later; UINT64_MAX: none. */
uint64_t nr_flow_shard_ahead(const struct nr_flow_table *t, unsigned shard, size_t n);
/* From the callback `mark`: f has a timer that is due. */
void nr_flow_add_wake(struct nr_flow_table *t, const struct nr_flow *f);
/* The open flow with that key, or NULL. */
struct nr_flow *nr_flow_find(struct nr_flow_table *t, const struct nr_key *k,
			     uint64_t hash);
/* Ends everything with why, in order of flow_id. */
void nr_flow_flush(struct nr_flow_table *t, enum nr_end_reason why);
/* The same of one shard, as nr_flow_shard_mark(). */
bool nr_flow_shard_flush(struct nr_flow_table *t, unsigned shard, enum nr_end_reason why,
			 nr_flow_pause_fn *pause, void *arg);

uint64_t nr_flow_count(const struct nr_flow_table *t); /* open now */
/* The most flows that were open at once, added up over shards, the memory that they and
   the hash table take (what hangs on single flows not counted), and its slots. */
void nr_flow_table_size(const struct nr_flow_table *t, uint64_t *most, uint64_t *bytes,
			uint64_t *slots);

/* Calls fn for each open flow, in no order; fn must not end it. */
void nr_flow_each(struct nr_flow_table *t, void (*fn)(void *arg, struct nr_flow *f),
		  void *arg);
/* The same, for those of a shard. */
void nr_flow_each_of(struct nr_flow_table *t, unsigned shard,
		     void (*fn)(void *arg, struct nr_flow *f), void *arg);
/* For who reads or changes all of f outside a callback: f->side is set in between. One
   flow at a time. */
void nr_flow_lay_out(struct nr_flow_table *t, struct nr_flow *f);
void nr_flow_put_back(struct nr_flow_table *t, struct nr_flow *f);
/*
 * The row of f, which is laid out, has been written, and it goes on as another one:
 * flow_id, source, and begin are those given, what is counted begins at 0. What the
 * connection is (state, history, services, sequence numbers, timers, session) stays.
 */
void nr_flow_restart(struct nr_flow *f, uint64_t flow_id, uint32_t source, int64_t ns);

/* Exchanges initiator and responder; notes it in the history. f->side is set. */
void nr_flow_flip(struct nr_flow *f);

/* At any time. */
struct nr_key nr_flow_key(const struct nr_flow *f);
uint8_t nr_flow_proto(const struct nr_flow *f);
int64_t nr_flow_clock_ns(const struct nr_flow *f); /* of its last packet */
/* Another record that is the flow's: a fragment of its packet. */
void nr_flow_credit(struct nr_flow_table *t, struct nr_flow *f, uint32_t wire_len);
/* Nobody wants to hear of its packets any more (kept with the hot part). */
bool nr_flow_is_quiet(const struct nr_flow *f);
void nr_flow_set_quiet(struct nr_flow *f);

/* What the session layer asks of a side of a TCP flow. */
struct nr_tcp_facts {
	int64_t ack, fin; /* as in struct nr_side */
	uint32_t start_seq, window;
	bool saw_syn; /* in whatever file the flow's row began */
};

struct nr_tcp_facts nr_flow_tcp_facts(const struct nr_flow *f, unsigned side);

/* In the callback `ended`, where f->side is set. */
static inline const struct nr_flow_wide *nr_flow_wide(const struct nr_flow *f)
{
	return (const struct nr_flow_wide *)f->side;
}

static inline int64_t nr_flow_handshake_rtt(const struct nr_flow *f) /* -1: not known */
{
	return f->rtt_known ? f->handshake_ns : -1;
}

/* For the row of a flow, in `ended`. */
const char *nr_flow_history(const struct nr_flow *f); /* NUL-terminated */
/* Packets of both sides whose checksum was judged bad. */
static inline uint64_t nr_flow_bad_checksums(const struct nr_flow *f)
{
	return (uint64_t)f->side[0].n_bad_checksums + f->side[1].n_bad_checksums;
}

/* Whether the history has outgrown its place in the flow. */
static inline bool nr_flow_history_is_heap(const struct nr_flow *f)
{
	return f->history_len >= sizeof(f->history_inline);
}

const char *nr_flow_conn_state(const struct nr_flow *f);
uint64_t nr_flow_payload_bytes(const struct nr_flow *f, unsigned side);
uint64_t nr_flow_missed_bytes(const struct nr_flow *f, unsigned side);
const char *nr_end_reason_name(enum nr_end_reason r);
