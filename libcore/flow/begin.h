/* SPDX-License-Identifier: BSD-3-Clause */
/* What the first packet alone says of its flow: who asked whom, and what carried it. */
#pragma once

#include "flow/flow.h"

/* The sender of l is the server, as far as ports tell: the flow's sides change places. */
bool nr_flow_wants_flip(const struct nr_level *l);
/* VLANs, tunnels and the flow around it, of level l of p, into f->extra, which f owns. */
void nr_flow_note_carriers(struct nr_flow *f, const struct nr_flow_packet *p,
			   const struct nr_level *l);
