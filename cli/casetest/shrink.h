/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of --reduce: each leaves the packets in a state that still fails. */
#pragma once

#include "casetest/reduce.h"

/* Packets in stretches: halves, quarters, … down to n / parts of them, at least one. */
void nr_shrink_packets(struct nr_reduce *r, size_t parts);
/* All packets of one flow at a time, of many first. */
void nr_shrink_flows(struct nr_reduce *r);
/* What stands at the end of packets, as a short snap length would. */
void nr_shrink_bytes(struct nr_reduce *r);
