/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What of a byte stream has been seen: everything below `top` but the holes.
 *
 * Bounded: at most NR_MAX_HOLES a side. Beyond that the oldest hole is forgotten, its
 * length stays counted as missed and bytes that fill it later count as retransmitted.
 */
#pragma once

#include "flow/flow.h"

enum { NR_MAX_HOLES = 64 };

struct nr_seen {
	uint64_t fresh;   /* bytes never seen before */
	bool filled_hole; /* some of them lie below top */
	bool forgot;      /* the cap was hit for the first time */
};

/* Marks [from, to) as seen; from >= 1. */
struct nr_seen nr_holes_seen(struct nr_side *s, uint64_t from, uint64_t to);
/* Bytes up to `to` exist but [top, to) was not seen: becomes a hole. */
void nr_holes_skip(struct nr_side *s, uint64_t to, struct nr_seen *out);
/* The stream ends at `end`: what was believed to lie beyond it does not exist. */
void nr_holes_end(struct nr_side *s, uint64_t end);
/* Sum of all holes, forgotten ones included. */
uint64_t nr_holes_missed(const struct nr_side *s);
/* The first offset at or above `from` that has not been seen (top where all was). */
uint64_t nr_holes_next(const struct nr_side *s, uint64_t from);
void nr_holes_free(struct nr_side *s);
