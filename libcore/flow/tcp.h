/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a TCP segment does to its flow: sequence numbers, states, history, closing.
 *
 * States, conn_state and history are Zeek's (documentation of conn.log; TCP of RFC 9293):
 * upper-case letters for the initiator, lower-case for the responder; S H F R again when
 * the number differs, A D I Q once a side, C T W G at 1, 10, 100, … times.
 */
#pragma once

#include "flow/flow.h"

#define NR_TCP_FIN 0x01
#define NR_TCP_SYN 0x02
#define NR_TCP_RST 0x04
#define NR_TCP_PSH 0x08
#define NR_TCP_ACK 0x10
#define NR_TCP_URG 0x20

enum { /* nr_side.hist_seen: letters noted once */
       NR_HIST_UDP = 1 << 0,
       NR_HIST_SYN = 1 << 0,
       NR_HIST_FIN = 1 << 1,
       NR_HIST_RST = 1 << 2,
       NR_HIST_DATA = 1 << 3,
       NR_HIST_ACK = 1 << 4,
       NR_HIST_MULTI = 1 << 5,
       NR_HIST_FIN_RST = 1 << 6,
};

/* Unacknowledged data that is kept while no ACK was seen. */
enum { NR_TCP_INITIAL_WINDOW = 16384 };

enum nr_tcp_closing { NR_TCP_OPEN, NR_TCP_CLOSE_NOW };

/* All of these work on an open flow (flow/pack.h). */
void nr_tcp_init(struct nr_flow *f);

/*
 * Processes the segment l sent by side s. Returns NR_TCP_CLOSE_NOW when with it the
 * connection is closed in full (both FINs, or a RST) for the first time. seen, if not
 * NULL, says where the segment lies in the stream.
 */
enum nr_tcp_closing nr_tcp_segment(struct nr_flow *f, unsigned s,
				   const struct nr_level *l, int64_t ts_ns,
				   const struct nr_flow_events *ev,
				   struct nr_tcp_seen *seen);

/* A SYN that must begin a new flow on the key of f (port reuse). */
bool nr_tcp_is_reuse(const struct nr_flow *f, unsigned s, const struct nr_level *l);

/* A SYN-ACK came first, and the segment l shows that it was an answer: flip before it. */
bool nr_tcp_began_with_answer(const struct nr_flow *f, const struct nr_level *l);

const char *nr_tcp_conn_state(const struct nr_flow *f);

/* Adds a letter for side s (upper-case c given; lower-cased for side 1). */
void nr_history_add(struct nr_flow *f, unsigned s, char c);
/* Adds c when count reaches 1, 10, 100, …; count is raised. */
void nr_history_scaled(struct nr_flow *f, unsigned s, char c, uint32_t *count);
