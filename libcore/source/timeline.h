/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock rules for one source (ARCHITECTURE.md, "Clock"): wraps a source and hands out
 * its views with clock_ns and the time_* marks set, clock_ns never decreasing.
 *
 * - A packet older than the source's clock is time_backwards and gets clock_ns = clock.
 * - A packet more than max_jump ahead, and those after it, are held (16 packets at most)
 *   until it is decided. If the held ones after it go on from the new time (each at most
 *   max_jump from the candidate): a jump; all at their own time, the first marked
 *   time_jump. If one falls back to the old time (within max_jump of the old clock): the
 *   candidate is time_bogus and gets the clock. When 16 are held and none fell back, the
 *   jump is believed. The end of the source decides for the jump, unless one lone last
 *   packet lies more than 10 years ahead: that is bogus.
 * - The first packets are judged the same way: the first packet is bogus where those
 *   after it agree on a time more than max_jump before it, or more than 10 years behind
 *   it (a clock that was not set yet). A shorter way back is a pause, and a jump.
 * - Events keep their place and take the clock of the view before them.
 */
#pragma once

#include "source/source.h"

struct nr_timeline;

/* Takes ownership of s. max_jump_ns 0: no judging. */
struct nr_timeline *nr_timeline_new(struct nr_source *s, int64_t max_jump_ns);
/* As nr_source_read(). */
int nr_timeline_read(struct nr_timeline *t, struct nr_batch *b, unsigned max,
		     struct nr_err *err);
struct nr_source *nr_timeline_source(struct nr_timeline *t);
void nr_timeline_free(struct nr_timeline *t); /* closes the source */
