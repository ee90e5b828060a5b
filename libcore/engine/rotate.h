/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine in a capture: sources that come one after the other, rows that can be read
 * while they change, and databases that rotate.
 *
 *     nr_engine_live_begin(e, &run, &first, &err);
 *     feed SOURCE_START and INTERFACE events of source 0, then packets; nr_engine_feed()
 *     the packet keeper begins another file:   nr_engine_next_source(e, &file);
 *     twice a second:                          nr_engine_tick(e, clock_ns);
 *     databases rotate, with the packets:      nr_engine_rotate(e, clock_ns, &file);
 *     nr_engine_live_end(e, status);
 *
 * A new source has index 0, 1, 2, … (nr_packet.source) and needs its own SOURCE_START and
 * INTERFACE events. A packet whose record is 0 was not kept: it has no flow_packets.
 *
 * Rotation: each open flow gets its last row in the old file (end_reason rotated) and
 * goes on as a row of the new one, whose `continues` names it. Its flow_id is a number
 * behind the last packet's; as many ordinals are left out. What is counted begins at 0,
 * so that the sum over the parts is what one row would say (missed bytes that come after
 * all are not taken back); first_ns is the time of rotation; state, history, services go
 * on, and so do streams and parsers. A row that completes later may name a source or flow
 * of the file before. Fragments that wait are given up (ledger fragment_incomplete).
 * Each file has a run row of its own, and ids of runs, sources and flows that run on.
 */
#pragma once

#include "engine/engine.h"

/* A packet file, or, without one, the capture itself. Copied. */
struct nr_live_source {
	const char *name;   /* of the file, else of the interfaces */
	const char *format; /* without a file: the back end; else NULL */
	bool has_file;      /* pcapng */
	bool is_archive;    /* … in zstd */
	const char *damage; /* why packets are not kept; NULL */
};

/* Instead of nr_engine_begin(). run must outlive the engine. 0 or a sink's error. */
int nr_engine_live_begin(struct nr_engine *e, const struct nr_run_info *run,
			 const struct nr_live_source *first, struct nr_err *err);
/* Packets fed from now on have the next source. 0 or a sink's error. */
int nr_engine_next_source(struct nr_engine *e, const struct nr_live_source *s);
/*
 * What became of the file of a source: its size, and why it ended early (NULL: it did
 * not). Does nothing where the databases have rotated since.
 */
void nr_engine_source_closed(struct nr_engine *e, uint32_t source, int64_t bytes,
			     const char *failure);
/*
 * Hands everything to the sinks and renews the rows of run, source and interface. Once a
 * second flows that have a parser or are a second old get a row, and those that had
 * packets since get it again: less often where more than 20 000 are open, and while a
 * sink is behind. 0 or a sink's error.
 */
int nr_engine_tick(struct nr_engine *e, int64_t clock_ns);
/*
 * Ends what is open in the databases and goes on in the next: `s` is the next source. 0;
 * -EAGAIN, -ENOSPC … with a sentence where a sink has no next file: then the rows go on
 * in the old one; another sink's error.
 */
int nr_engine_rotate(struct nr_engine *e, int64_t clock_ns,
		     const struct nr_live_source *s);
uint64_t nr_engine_open_flows(const struct nr_engine *e);
/* Instead of nr_engine_end(): status is that of the run. 0, a sink's error, -EBADMSG. */
int nr_engine_live_end(struct nr_engine *e, int status);
