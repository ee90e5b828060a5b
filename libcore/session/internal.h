/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the session layer share; nobody else includes this. */
#pragma once

#include "session/memo.h"
#include "session/session.h"

struct nr_chunk {
	struct nr_stamp at;
	uint64_t offset, gap; /* gap: bytes missing here, and len is 0 */
	uint32_t from, len;   /* in data[side] */
	uint8_t side;
};

enum {
	NR_CHOICE_CHUNKS = 16, /* turns of the two sides */
	NR_UDP_TRIES = 4,      /* datagrams of a flow shown to the probes */
	NR_MAX_TURNS = 16,     /* parsers one after the other in a flow */
};

/* Bytes kept while it is not clear who parses them. */
struct nr_choice {
	uint8_t *data[2];
	uint32_t len[2], cap[2];
	uint32_t from[2]; /* behind the last gap */
	bool after_gap[2];
	uint32_t n_chunks, cap_chunks;
	struct nr_chunk *chunk;
};

/*
 * What a TCP session has beside the rest, right behind it. Sides are the flow's. Of these
 * two structures there may be a million that wait: their size counts.
 */
struct nr_tcp_session {
	struct nr_stream stream[2];
	uint32_t start_seq[2];
	struct nr_choice *choice;
};

struct nr_session {
	const struct nr_parser *parser; /* NULL: being chosen */
	void *ctx;
	int64_t tick_ns;      /* when the parser wants to be woken */
	int64_t armed_ns;     /* earliest entry in the heap of wakes */
	struct nr_stamp last; /* the flow's last packet */
	int64_t clock_ns;
	bool is_tcp : 1;    /* false: datagrams */
	bool src_is_hi : 1; /* of the flow when sides were last looked at */
	bool swapped : 1;   /* the parser's sides are not the flow's */
	bool muted : 1;     /* nobody parses it, but somebody reads along */
	bool ending : 1;    /* the flow is */
	bool closing : 1;   /* the parser said so; freed when the stack is unwound */
	uint8_t close;      /* enum nr_parser_close */
	uint8_t n_turns;
	uint8_t named; /* handed over to that nr_parser_number(); 0: probing */
};

/* Of a TCP session. */
static inline struct nr_tcp_session *nr_tcp_of(const struct nr_session *s)
{
	return (struct nr_tcp_session *)(s + 1);
}

struct nr_wake {
	int64_t at_ns;
	uint64_t flow_id;
	struct nr_flow *flow;
};

/* A binary heap by time. */
struct nr_wakes {
	struct nr_wake *w;
	size_t n, cap;
};

void nr_wakes_push(struct nr_wakes *h, struct nr_wake w);
/* The earliest if it is due at now, taken out; false: none. */
bool nr_wakes_pop(struct nr_wakes *h, int64_t now_ns, struct nr_wake *out);

struct nr_sessions {
	struct nr_sessions_config cfg;
	struct nr_session_events ev;
	struct nr_arena *arena;
	struct nr_account state; /* sessions, parsers */
	struct nr_account bytes; /* stores of streams */
	struct nr_wakes wakes;
	struct nr_memo *memo;
};

/* choose.c */

enum nr_choosing { NR_CHOSEN, NR_UNDECIDED, NR_NOBODY };

/* Asks the probes; *out is set with NR_CHOSEN. in: all but port_match is filled. */
enum nr_choosing nr_choose(struct nr_probe *in, const struct nr_parser **out);
bool nr_choice_add(struct nr_choice *c, struct nr_account *a, struct nr_chunk chunk,
		   const uint8_t *p);
void nr_choice_free(struct nr_choice *c, struct nr_account *a);
/* The flow was turned around. */
void nr_choice_swap(struct nr_choice *c);
/* The probe of what was gathered; ports and begins are the caller's. */
void nr_choice_probe(const struct nr_choice *c, unsigned side, struct nr_probe *out);

/* host.c */

/* One call of a parser: what it sees in front, what it is for behind. */
struct nr_call_of_parser {
	struct nr_parse p;
	struct nr_sessions *ss;
	struct nr_flow *f;
	struct nr_stamp at;
	struct nr_key key; /* of f: p.addr lies in it */
};

/* Fills c for a call; returns &c->p. */
struct nr_parse *nr_session_call(struct nr_call_of_parser *c, struct nr_sessions *ss,
				 struct nr_flow *f, const struct nr_stamp *at,
				 uint64_t offset);

/* life.c */

static inline struct nr_account *nr_state_of(struct nr_sessions *ss,
					     const struct nr_flow *f)
{
	return &ss->state;
}

static inline struct nr_account *nr_bytes_of(struct nr_sessions *ss,
					     const struct nr_flow *f)
{
	return &ss->bytes;
}

/* As in flow.parser: its place in nr_parsers, from 1; of NULL 0. */
uint8_t nr_parser_number(const struct nr_parser *p);
/* NULL at the cap: the flow is not parsed. */
struct nr_session *nr_session_new(struct nr_sessions *ss, struct nr_flow *f);
/* false at the cap: the session is closing. */
bool nr_session_set_parser(struct nr_sessions *ss, struct nr_flow *f,
			   const struct nr_parser *p);
/* The parser's last call; what it was closed for is kept in the flow. */
void nr_session_end_parser(struct nr_sessions *ss, struct nr_flow *f,
			   enum nr_parser_close why);
/* To be closed when the stack is unwound: by nr_session_settle(). */
void nr_session_close(struct nr_session *s, enum nr_parser_close why);
void nr_session_settle(struct nr_sessions *ss, struct nr_flow *f);
/* What a verdict does; true: go on. Hand-overs are the caller's. */
bool nr_session_heed(struct nr_session *s, enum nr_verdict v);

/* feed.c: false where the session is closing */

bool nr_session_feed(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
		     uint64_t offset, const uint8_t *data, size_t n,
		     const struct nr_stamp *at);
bool nr_session_feed_gap(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			 uint64_t offset, uint64_t n, const struct nr_stamp *at);
/* The flow ends and the choice was never made: whoever is possible gets what there is. */
void nr_session_choose_at_last(struct nr_sessions *ss, struct nr_flow *f);
/* Protocol and ports. */
void nr_session_probe(const struct nr_flow *f, struct nr_probe *in);

/* segments.c */

struct nr_session_reader_arg {
	struct nr_sessions *ss;
	struct nr_flow *f;
	unsigned side;
};

/* Of a TCP flow. */
struct nr_stream_reader nr_session_reader(struct nr_session_reader_arg *r);
/* Tells in turn what the two sides said, as far as one need not wait for the other any
   longer; false where the session is closing. */
bool nr_session_release(struct nr_sessions *ss, struct nr_flow *f);
/* The flow ends: tells everything that is stored or known to be missing. */
void nr_session_flush(struct nr_sessions *ss, struct nr_flow *f);
/* A TCP packet of f. */
void nr_session_segment(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_packet *p, const struct nr_level *l,
			const struct nr_tcp_seen *seen);
/* The flow may have been turned around since the last packet. */
void nr_session_follow_flip(struct nr_flow *f);

/* timers.c */

int64_t nr_session_wake(const struct nr_sessions *ss, const struct nr_session *s);
/* Puts it into the heap of wakes. */
void nr_session_arm(struct nr_sessions *ss, struct nr_flow *f);
/* What is due at clock_ns; false where the session is closing. */
bool nr_session_timers(struct nr_sessions *ss, struct nr_flow *f, int64_t clock_ns);
