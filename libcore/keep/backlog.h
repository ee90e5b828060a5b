/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets of the last seconds in memory, for `--pre-trigger`: a ring of bounded size,
 * the oldest first. A packet leaves it when it is older than the span, or, before that,
 * when there is no room for a new one, which is counted.
 */
#pragma once

#include "source/packet.h"

struct nr_backlog;

/* span in ns of clock_ns; bytes of memory, taken as they are used. */
struct nr_backlog *nr_backlog_new(int64_t span_ns, size_t bytes);
/* Copies the frame. One that is larger than the whole ring is not kept, and counted. */
void nr_backlog_add(struct nr_backlog *b, const struct nr_packet *p);
/* Forgets what is older than the span at clock_ns. */
void nr_backlog_expire(struct nr_backlog *b, int64_t clock_ns);
/* The oldest, taken out: valid until the next call. NULL: empty. */
const struct nr_packet *nr_backlog_take(struct nr_backlog *b);
uint64_t nr_backlog_count(const struct nr_backlog *b);
/* clock_ns of the oldest; INT64_MAX: empty */
int64_t nr_backlog_since(const struct nr_backlog *b);
/* Has it lost packets to want of room that are not older than the span at clock_ns? */
bool nr_backlog_is_short(const struct nr_backlog *b, int64_t clock_ns);
uint64_t nr_backlog_squeezed(const struct nr_backlog *b); /* left before their time */
void nr_backlog_free(struct nr_backlog *b);               /* NULL is fine */
