/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rings of live interfaces as one stream, merged by packet time.
 *
 * A packet is handed out when no ring can have an older one any more: when each of the
 * others has shown a younger one, or was found empty `lateness` (the block timeout and
 * 10 ms) after its time. What comes later nevertheless is processed at the clock, marked
 * time_backwards and counted as late. One ring alone is handed through as it is.
 *
 * ts_ns is the packet's own time. The clock is the greatest time so far, but it never
 * runs ahead of the host's: a packet whose time lies a second or more in the future is
 * time_bogus and gets the host's time. Nothing is held to be judged.
 *
 * Views have source 0, ordinals and records from 1, interface_id the number of their ring
 * counted over all interfaces. A packet writer may change source and record.
 */
#pragma once

#include "source/link.h"
#include "source/live.h"

#include <poll.h>

struct nr_live_merge;

/*
 * Takes the open interfaces (n of them, closed by nr_live_merge_close()); lateness in ns.
 * 0 or -errno where the interfaces cannot be watched.
 */
int nr_live_merge_new(struct nr_live_merge **out, struct nr_live *const *lives,
		      unsigned n, int64_t lateness, struct nr_err *err);

/* Rings of all interfaces, in order: what interface_id counts. */
unsigned nr_live_merge_n_rings(const struct nr_live_merge *m);
/*
 * Appends SOURCE_START and an INTERFACE event for each ring, at the clock: what a source
 * begins with. The batch must have room for 1 + rings views.
 */
void nr_live_merge_describe(struct nr_live_merge *m, struct nr_batch *b, uint32_t source);

/*
 * Appends up to max views. Returns how many; 0: nothing now; -ENODEV where an interface
 * was deleted, or -errno where a ring failed, with a sentence: what the others and it had
 * is out before.
 */
int nr_live_merge_read(struct nr_live_merge *m, struct nr_batch *b, unsigned max,
		       struct nr_err *err);
/*
 * Where the last read said 0 and every ring was empty: the time to which the engine may
 * advance, the host's at the beginning of that read − lateness, as a NR_EVENT_TICK that
 * is appended. Returns false (nothing appended) where a packet still waits, or the clock
 * is there already.
 */
bool nr_live_merge_tick(struct nr_live_merge *m, struct nr_batch *b);
/*
 * Waits until there may be something to read, a link changes, a signal comes, or max_ms
 * have passed. `more` (n_more of them, at most 4) are polled too, their revents filled.
 */
void nr_live_merge_wait(struct nr_live_merge *m, int max_ms, struct pollfd *more,
			unsigned n_more);
/*
 * From now on packets later than `until_ns` are dropped and not counted as read, and
 * statistics stay as they are: reading ends with 0 and is_drained. The first call counts.
 */
void nr_live_merge_stop(struct nr_live_merge *m, int64_t until_ns);
bool nr_live_merge_is_drained(const struct nr_live_merge *m);

/* Ring i of all: what it saw, and who it is. */
void nr_live_merge_stats(struct nr_live_merge *m, unsigned ring,
			 struct nr_live_stats *st);
const struct nr_live *nr_live_merge_live(const struct nr_live_merge *m, unsigned ring);
/* The state of the ring's interface; is_gone, is_up, its present name. */
const struct nr_link *nr_live_merge_link(const struct nr_live_merge *m, unsigned ring);

struct nr_live_totals {
	uint64_t captured; /* packets handed out */
	uint64_t wire_bytes;
	uint64_t late;   /* came after their time had been passed */
	uint64_t future; /* time_bogus */
	uint64_t downs;  /* times an interface was found down */
};

const struct nr_live_totals *nr_live_merge_totals(const struct nr_live_merge *m);
/* True once after a link changed: names, up and down. */
bool nr_live_merge_links_changed(struct nr_live_merge *m);
/* The clock: no packet that is handed out from now on is processed before it. */
int64_t nr_live_merge_clock(const struct nr_live_merge *m);
void nr_live_merge_close(struct nr_live_merge *m); /* NULL is fine */
