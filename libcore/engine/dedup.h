/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Copies of a frame that a capture holds more than once (a mirror port that sees both
 * directions, a capture on all interfaces): equal after link-layer addresses, TTL or hop
 * limit and VLAN tags, within a window of packets and time.
 *
 * Without --dedup nothing is dropped, but samples are watched (512 packets of every
 * 8192), so that a capture full of copies is recognised. Frames without an IP packet are
 * compared whole.
 */
#pragma once

#include "base/hash.h"
#include "source/packet.h"

struct nr_dedup;

/* window: packets looked back; time_ns: no further apart; secret: of the run. */
struct nr_dedup *nr_dedup_new(uint32_t window, int64_t time_ns,
			      struct nr_siphash_key secret);
void nr_dedup_free(struct nr_dedup *d);
/* Whether the packet is a copy of one in the window; it enters the window. */
bool nr_dedup_seen(struct nr_dedup *d, const struct nr_packet *p);
/* Packets compared so far, and how many were copies. */
void nr_dedup_counts(const struct nr_dedup *d, uint64_t *compared, uint64_t *copies);

/* Whether the n-th packet, from 0, is one of a sample. */
static inline bool nr_dedup_is_sample(uint64_t n)
{
	return n % 8192 < 512;
}
