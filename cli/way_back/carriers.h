/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets that a tunnel's carrier carried. flow_packets names a packet once, under
 * its innermost flow; and as both ways of VXLAN, GENEVE and their like have source ports
 * of their own, a flow inside has several carriers, of which parent_flow_id is the first.
 * So the packets of all flows that lay in such a tunnel at the carrier's time are read
 * and taken apart: those with the carrier's addresses, ports and VLANs around them,
 * within its time, are its own.
 */
#pragma once

#include "base/err.h"
#include "recall/recall.h"

#include <sqlite3.h>
#include <stdatomic.h>

struct nr_carriers;

/* None of the flows may be a carrier: then *out is NULL. 0 or -errno. */
int nr_carriers_new(struct nr_carriers **out, sqlite3 *db, const int64_t *flow_id,
		    size_t n, struct nr_err *err);
/* Adds the flows that may have been in them to r. 0 or as nr_recall_add_flow(). */
int nr_carriers_candidates(struct nr_carriers *c, struct nr_recall *r,
			   struct nr_err *err);
/* Reads `from` (located) and adds to `to` what was carried. 0 or -errno. */
int nr_carriers_read(struct nr_carriers *c, struct nr_recall *from, struct nr_recall *to,
		     struct nr_err *err);
/* A carrier whose row counts other packets than were found; false: no more. *at from 0.
 */
bool nr_carriers_short(const struct nr_carriers *c, size_t *at, int64_t *flow_id,
		       uint64_t *says, uint64_t *found);
void nr_carriers_free(struct nr_carriers *c);
