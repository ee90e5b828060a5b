/* SPDX-License-Identifier: BSD-3-Clause */
/* A TCP segment on its way through tcp.c and tcp_state.c; nobody else includes this. */
#pragma once

#include "flow/tcp.h"

struct nr_segment {
	struct nr_flow *f;
	struct nr_side *me, *peer;
	unsigned s; /* side of me */
	const struct nr_level *l;
	int64_t ts_ns;
	const struct nr_flow_events *ev;
	unsigned flags;
	uint32_t len;     /* payload on the wire */
	int64_t seq, ack; /* offsets */
	bool do_close;
	bool stray_syn; /* its numbers are not those agreed on: it moves nothing */
	bool is_far;    /* ahead of all that the window allows: it moves nothing */
	bool bad_ack;   /* of what was never sent: it says nothing */
};

/* Sets is_far of a segment whose numbers go on from earlier ones. */
void nr_segment_judge_place(struct nr_segment *g);
/* Whether a FIN, a RST and an ACK (g->ack) can mean the connection as it stands (RFC 9293
   3.10.7.3, 3.10.7.4); false: they change nothing, which was told as an anomaly. */
bool nr_segment_fin_fits(const struct nr_segment *g);
bool nr_segment_rst_fits(const struct nr_segment *g);
bool nr_segment_ack_fits(const struct nr_segment *g);

/* Moves the state of the side that sent g (and its peer's, where g says so); sets
   do_close; may flip the flow, after which g's sides are exchanged. */
void nr_segment_next_state(struct nr_segment *g);

/* The options of a SYN (RFC 9293 3.2, RFC 7323, RFC 2018, RFC 7413); n is 0 without any.
 */
struct nr_syn_options nr_syn_options_read(const struct nr_level *l);
