/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sessions: between the flow table and the parsers. For each flow with payload it chooses
 * a parser, puts TCP streams in order for it, and carries its rows out.
 *
 * The state of a flow's session hangs on the flow (nr_flow.session), is charged to the
 * account of the flow's shard, and goes when nobody listens any more: a flow whose parser
 * has closed, or that no parser wanted, is not looked at again (nr_flow_set_quiet()).
 */
#pragma once

#include "flow/flow.h"
#include "session/parser.h"
#include "session/stream.h"

enum nr_parser_close {
	NR_CLOSE_DONE,
	NR_CLOSE_ERROR,
	NR_CLOSE_GAP,
	NR_CLOSE_OVERFLOW,
	NR_CLOSE_NOT_MINE,
	NR_CLOSE_FLOW_END,
};

/*
 * Somebody who reads along: the bytes of every stream and datagram as parsers get them,
 * to the flow's end, also where no parser listens. Sides are the flow's.
 */
struct nr_session_tap {
	void *arg;
	void (*data)(void *arg, const struct nr_flow *f, unsigned side, uint64_t offset,
		     const uint8_t *p, size_t n, const struct nr_stamp *at);
	/* n bytes are missing (datagrams: were not captured) */
	void (*gap)(void *arg, const struct nr_flow *f, unsigned side, uint64_t offset,
		    uint64_t n, enum nr_gap_reason why, const struct nr_stamp *at);
	/* Bytes that were stored differ from those that came now: who wins is told as
	   data, and this before it. */
	void (*conflict)(void *arg, const struct nr_flow *f, unsigned side,
			 uint64_t offset, uint64_t n);
	/* A segment as it came, before it is put in order; datagrams are not told. */
	void (*segment)(void *arg, const struct nr_flow *f, unsigned side,
			const struct nr_stream_segment *g);
};

struct nr_sessions_config {
	struct nr_stream_config stream;
	size_t reassembly_memory; /* of all stores of the shard */
	size_t session_memory;    /* of all parsers' state of the shard */
	struct nr_parse_options parse;
	const struct nr_session_tap *tap; /* NULL: nobody; outlives the sessions */
	int64_t first_source_id;
	uint32_t seed; /* secret; never reaches a record */
};

/* What the engine does for it. Pointers to flows are those of the calls below. */
struct nr_session_events {
	void *arg;
	struct nr_record *(*record)(void *arg, struct nr_flow *f,
				    const struct nr_record_type *t);
	/* side of the flow or -1; at: the packet, NULL: none */
	void (*anomaly)(void *arg, struct nr_flow *f, enum nr_anomaly_kind kind, int side,
			const struct nr_stamp *at, const char *detail);
	uint64_t (*expect)(void *arg, struct nr_flow *f, const struct nr_expectation *x,
			   int64_t clock_ns);
	void (*link_expected)(void *arg, struct nr_record *r, unsigned field,
			      uint64_t token);
	void (*link_quoted)(void *arg, struct nr_flow *f, struct nr_record *r,
			    unsigned field, const struct nr_tuple *t);
};

/* The sessions of one shard of the flow table. */
struct nr_sessions;

struct nr_sessions *nr_sessions_new(const struct nr_sessions_config *c,
				    const struct nr_session_events *ev);
/* All flows must have ended. */
void nr_sessions_free(struct nr_sessions *ss);
/* Where what records point to goes from now on; to be called before anything else. */
void nr_sessions_into(struct nr_sessions *ss, struct nr_arena *arena);

/* A packet of f, sent by side, after the flow table has taken it in. */
void nr_sessions_packet(struct nr_sessions *ss, struct nr_flow *f, unsigned side,
			const struct nr_packet *p, const struct nr_level *l,
			const struct nr_tcp_seen *seen);
/* Before the flow's row is written: tells the rest and closes the parser. */
void nr_sessions_end(struct nr_sessions *ss, struct nr_flow *f);
/* At a clock mark: calls wake for each flow that has something to do, then, in order of
   flows, nr_sessions_woken(). */
void nr_sessions_due(struct nr_sessions *ss, int64_t mark_ns,
		     void (*wake)(void *arg, struct nr_flow *f), void *arg);
void nr_sessions_woken(struct nr_sessions *ss, struct nr_flow *f, int64_t mark_ns);
/*
 * Around a change of flow_ids (nr_flow_restart()): before it with false, behind it with
 * true.
 */
void nr_sessions_renumber(struct nr_sessions *ss, bool done);

/* Adds a service to what the flow is known for; name is one of a parser's. */
void nr_flow_add_service(struct nr_flow *f, const char *name);
/* Its services, joined by commas, in the arena; NULL: none. */
const char *nr_flow_services(const struct nr_flow *f, struct nr_arena *a);
const char *nr_parser_close_name(enum nr_parser_close c);
