/* SPDX-License-Identifier: BSD-3-Clause */
/* A flow whose row ends at a rotation, and which goes on in the next file. */
#include "flow/pack.h"

#include "base/mem.h"

static void restart_side(struct nr_flow *f, struct nr_flow_before *b, unsigned i)
{
	struct nr_side *s = &f->side[i];

	b->payload[i] = nr_flow_payload_bytes(f, i);
	b->missed[i] = nr_flow_missed_bytes(f, i);
	/* behind letters of the history, which goes on */
	b->zero_windows[i] = s->n_zero_windows;
	b->bad_checksums[i] = s->n_bad_checksums;
	s->packets = s->ip_bytes = 0;
	s->n_retransmits = s->n_out_of_order = 0;
	s->tcp_flags = 0;
}

void nr_flow_restart(struct nr_flow *f, uint64_t flow_id, uint32_t source, int64_t ns)
{
	struct nr_flow_wide *w = nr_flow_open_wide(f);

	if (!f->extra)
		f->extra = nr_xcalloc(1, sizeof(*f->extra));
	if (!f->extra->before)
		f->extra->before = nr_xcalloc(1, sizeof(*f->extra->before));
	restart_side(f, f->extra->before, 0);
	restart_side(f, f->extra->before, 1);
	f->extra->before->flow_id = f->flow_id;
	f->flow_id = flow_id;
	f->source = source;
	f->first_ns = ns;
	/* as the hot line has it, so that the flow can be packed */
	w->last_ns = w->active_ns = f->hot->clock_ns;
	w->records = w->wire_bytes = 0;
	f->n_unverified = 0;
	f->way_back_seq = 0;
}
