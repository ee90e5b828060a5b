/* SPDX-License-Identifier: BSD-3-Clause */
/* What only a capture says: what was lost, in rows of capture_stats. */
#include "engine/internal.h"

static void set_count(struct nr_record *r, unsigned field, uint64_t v)
{
	if (v != UINT64_MAX)
		nr_set_int(r, field, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void nr_engine_loss(struct nr_engine *e, const struct nr_packet *p)
{
	const struct nr_loss *l = &p->event->loss;
	struct nr_record *r = nr_out_row(e->out, &nr_rt_capture_stats);

	nr_set_int(r, NR_CAPTURE_STATS_source_id, nr_engine_source_id(e, p->source));
	nr_set_int(r, NR_CAPTURE_STATS_interface_id, p->event->interface_id);
	nr_set_int(r, NR_CAPTURE_STATS_from_ns, l->from_ns);
	nr_set_int(r, NR_CAPTURE_STATS_to_ns, l->to_ns);
	set_count(r, NR_CAPTURE_STATS_received, l->received);
	set_count(r, NR_CAPTURE_STATS_dropped_kernel, l->dropped_kernel);
	set_count(r, NR_CAPTURE_STATS_dropped_interface, l->dropped_interface);
	set_count(r, NR_CAPTURE_STATS_dropped_disk, l->dropped_disk);
	set_count(r, NR_CAPTURE_STATS_records_dropped, l->records_dropped);
	set_count(r, NR_CAPTURE_STATS_ring_freezes, l->ring_freezes);
	if (l->detail)
		nr_set_str(r, NR_CAPTURE_STATS_detail,
			   nr_arena_copy(&e->out->arena, l->detail, strlen(l->detail)));
}
