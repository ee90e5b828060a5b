/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow whose row ends at a rotation, and which goes on in the next file. */
#include "flow/flow.h"

#include "base/mem.h"

static void restart_side(struct nr_flow *f, unsigned i)
{
	struct nr_side *s = &f->side[i];

	f->extra->payload_before[i] = nr_flow_payload_bytes(f, i);
	f->extra->missed_before[i] = nr_flow_missed_bytes(f, i);
	/* behind letters of the history, which goes on */
	f->extra->zero_windows_before[i] = s->n_zero_windows;
	f->extra->bad_checksums_before[i] = s->n_bad_checksums;
	s->packets = s->ip_bytes = 0;
	s->n_retransmits = s->n_out_of_order = 0;
	s->tcp_flags = 0;
}

void nr_flow_restart(struct nr_flow *f, uint64_t flow_id, uint32_t source, int64_t ns)
{
	if (!f->extra)
		f->extra = nr_xcalloc(1, sizeof(*f->extra));
	restart_side(f, 0);
	restart_side(f, 1);
	f->extra->continues = f->flow_id;
	f->flow_id = flow_id;
	f->source = source;
	f->first_ns = f->last_ns = f->active_ns = ns;
	f->records = f->wire_bytes = 0;
	f->n_unverified = 0;
	f->way_back_seq = 0;
}
