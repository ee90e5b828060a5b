/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: packets in, records out. Replay, capture, test, fuzzing and benchmarks
 * drive this one.
 */
#pragma once

#include "decode/decode.h"
#include "session/parser.h"
#include "sink/sink.h"
#include "source/merge.h"

#include <stdatomic.h>

struct nr_session_tap;

enum nr_checksums { NR_CSUM_AUTO, NR_CSUM_VERIFY, NR_CSUM_IGNORE };

struct nr_filter; /* engine/filter.h */

struct nr_engine_config {   /* what changes records; durations in ns of packet time */
	uint32_t batch;     /* packets per batch, 1 … NR_BATCH_MAX; 256 */
	unsigned threads;   /* 1 … 64; 1. Records do not depend on it. With a tap or
			       secret_seen it is 1. */
	uint64_t max_flows; /* 4 194 304; at least 16 × 64 */
	int64_t tcp_timeout, udp_timeout, icmp_timeout, other_timeout;
	int64_t attempt_timeout, closed_timeout, reset_timeout, half_closed_timeout;
	int64_t frag_timeout;
	uint64_t frag_memory;
	int64_t max_jump;   /* 1 h; 0: believe every time */
	int64_t from, to;   /* packet time, [from, to); INT64_MIN, INT64_MAX: open */
	uint64_t count;     /* stop after so many packets; 0: no limit */
	const char *filter; /* BPF as libpcap takes it; NULL: none */
	struct nr_filter *compiled_filter; /* of the same text; nr_engine_new() takes it,
					      even where it fails; NULL: it compiles */
	uint32_t dedup_window;             /* packets; 0: off */
	int64_t dedup_time;                /* 10 ms */
	enum nr_checksums checksums;
	enum nr_overlap overlap;    /* of fragments and of segments */
	bool no_sessions;           /* flows only */
	int64_t ack_grace;          /* 10 ms: how long a hole that is acknowledged may be
				       filled */
	uint64_t stream_memory;     /* 2 MiB: out-of-order bytes of one direction */
	uint64_t reassembly_memory; /* 512 MiB: of all, cut into shards */
	uint64_t session_memory;    /* 1 GiB: what parsers hold, cut into shards */
	struct nr_parse_options parse;    /* secrets */
	const struct nr_session_tap *tap; /* session/session.h; NULL: nobody */
	bool no_flip;                     /* never turn a midstream flow around */
	bool no_vlan_key;                 /* the same 5-tuple in two VLANs is one flow */
	int64_t active_timeout; /* capture: flow_update records of flows that are open so
				   long, again and again (JSON lines only); 0: none */
	bool flow_start;        /* emit flow_start records (JSON lines only) */
	uint64_t index_memory;  /* bytes for numbers of packets not yet written; 512 MiB,
				   cut into shards */
	bool no_index;          /* no flow_packets and no source_block rows */
	uint64_t first_ordinal; /* ordinals begin behind this (--append); 0 */
	uint64_t first_source_id; /* source_id of input 0; 1 */
	uint64_t run_id;          /* 1 */
	bool timing;              /* measure where time goes, for nr_engine_effort() */
};

void nr_engine_config_defaults(struct nr_engine_config *c);
/* As many threads as CPUs that the process may use, at most 64. */
unsigned nr_engine_cpus(void);

/* Totals for the summary; all also stand in the tables. */
struct nr_engine_stats {
	uint64_t packets, wire_bytes, captured_bytes;
	int64_t first_ns, last_ns; /* lowest and highest packet time; valid if packets */
	uint64_t flows, anomalies, records;
	uint64_t bucket_packets[NR_N_BUCKETS], bucket_bytes[NR_N_BUCKETS];
	uint64_t flows_evicted, time_backwards, time_jumps, time_bogus;
	unsigned n_damaged; /* sources with damage */
	bool interrupted;
	bool checksum_offload_seen, many_duplicates;
};

/* Where time and memory went; the _ns are 0 without nr_engine_config.timing. */
struct nr_effort {
	unsigned threads;
	uint64_t steps;     /* of several threads */
	uint64_t pauses;    /* rounds in which shards had no room for records */
	uint64_t read_ns;   /* reading and decompressing, waiting for it included */
	uint64_t intake_ns; /* filter, decode, fragments, keys */
	uint64_t shards_ns; /* flows and sessions, added up over threads */
	uint64_t merge_ns;  /* ordered merge and sinks, waiting for these included */
	uint64_t waited_ns; /* the main thread waited for others */
	uint64_t flows_most, flow_bytes; /* open at once (by shard), and their memory */
	uint64_t slots;                  /* of the flow table */
};

/* Facts about the run for tables run and source, which the engine cannot know. */
struct nr_run_info {
	const char *argv, *cwd, *host, *libraries, *sandbox, *record_options;
	int64_t started_ns;
	unsigned threads;
	const char *clock_state; /* of a capture; NULL: none */
}; /* run.exit_status is the engine's: 3 where damaged or interrupted, else 0 */

struct nr_engine;

/*
 * The sinks and the array that names them must outlive the engine. -EINVAL with a
 * sentence where the configuration or the filter is none.
 */
int nr_engine_new(struct nr_engine **out, const struct nr_engine_config *c,
		  struct nr_sink *const *sinks, size_t n_sinks, struct nr_err *err);

/*
 * Reads m to its end (or until *stop is not 0: as at the end of input, sources marked
 * interrupted). progress, if not NULL, is called once a batch. 0 or -errno: -EIO and the
 * like from a source, a sink's own error, -EBADMSG where the ledger does not add up.
 */
int nr_engine_run(struct nr_engine *e, struct nr_merge *m, const struct nr_run_info *run,
		  const atomic_int *stop, void (*progress)(void *arg), void *arg,
		  struct nr_err *err);

/*
 * The same without a merge, for who has packets of his own (recall/recall.h): begin, any
 * number of batches whose packets have source, clock_ns, and ordinals that rise from 1,
 * end. Rows of table source and run are not written. 0, or a sink's error.
 */
void nr_engine_begin(struct nr_engine *e, size_t n_sources, struct nr_err *err);
int nr_engine_feed(struct nr_engine *e, struct nr_batch *b);
int nr_engine_end(struct nr_engine *e);

const struct nr_engine_stats *nr_engine_stats(const struct nr_engine *e);
void nr_engine_effort(const struct nr_engine *e, struct nr_effort *out);
/* Damage of source i as a sentence, or NULL. */
const char *nr_engine_damage(const struct nr_engine *e, size_t source);
void nr_engine_free(struct nr_engine *e);
