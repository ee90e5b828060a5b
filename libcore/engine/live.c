/* SPDX-License-Identifier: BSD-3-Clause */
/* What only a capture says: rows of what is open still, and of what was lost. */
#include "engine/internal.h"

int nr_engine_write(struct nr_engine *e, struct nr_sink *s)
{
	struct nr_record **r = e->records.r;
	size_t n = 0;

	if (!e->has_open || nr_sink_wants_open(s))
		return nr_sink_write(s, r, e->records.n, e->err);
	r = nr_arena_alloc(&e->arena, e->records.n * sizeof(*r));
	for (size_t i = 0; i < e->records.n; i++)
		if (!e->records.r[i]->is_open)
			r[n++] = e->records.r[i];
	return n ? nr_sink_write(s, r, n, e->err) : 0;
}

static void set_count(struct nr_record *r, unsigned field, uint64_t v)
{
	if (v != UINT64_MAX)
		nr_set_int(r, field, v > INT64_MAX ? INT64_MAX : (int64_t)v);
}

void nr_engine_loss(struct nr_engine *e, const struct nr_packet *p)
{
	const struct nr_loss *l = &p->event->loss;
	struct nr_record *r = nr_engine_row(e, &nr_rt_capture_stats, 0);

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
			   nr_arena_copy(&e->arena, l->detail, strlen(l->detail)));
}

int nr_engine_live_flush(struct nr_engine *e)
{
	if (!e->error)
		nr_engine_flush(e);
	return e->error;
}
