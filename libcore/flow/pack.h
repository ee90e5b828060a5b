/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the two forms of a flow: packed (a hot line and a cold part) and laid out in
 * full (struct nr_flow_wide), which is what tcp.c and the rows work on.
 *
 * Packed is possible while nothing odd has happened: no retransmission, hole, FIN, bad
 * checksum, no count beyond its few bits. A flow that is not keeps its wide form
 * (f->side is not NULL), and the hot line counts on from it (NR_HOT_FAST).
 */
#pragma once

#include "flow/shard.h"

/*
 * Lays f out: f->side is set, in the shard's scratch where f is packed. Between this and
 * nr_flow_pack() no other flow of the shard may be opened.
 */
void nr_flow_open(struct nr_shard *s, struct nr_flow *f);
/* Packs f again or keeps it wide; decides whether it is fast, and its timer. */
void nr_flow_pack(struct nr_shard *s, struct nr_flow *f);
/* Frees what f owns besides its slot; f->side may be set or not. */
void nr_flow_fini(struct nr_shard *s, struct nr_flow *f);

/* In an open flow. */
static inline struct nr_flow_wide *nr_flow_open_wide(struct nr_flow *f)
{
	return (struct nr_flow_wide *)f->side;
}
