/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine with several threads: packets go through it in steps.
 *
 * While the shards work on step k, the caller reads step k + 1 and one task merges the
 * records of step k - 1; then all meet. So a shard, the intake and the merge each belong
 * to one thread at a time, nothing in them is locked, and what comes out depends neither
 * on the number of threads nor on where steps are cut.
 *
 * A shard whose records have no more room pauses (many flows may end at one clock mark).
 * Then what stands before the place where the slowest has paused is merged, and all go on
 * to a common place a few flows further.
 */
#include "engine/internal.h"

#include "base/mem.h"
#include "engine/crew.h"

enum {
	STEPS = 3,
	STEP_PACKETS = 4096, /* a step is cut at so many, or … */
	STEP_BYTES =
		2 << 20, /* … whose blocks have so many bytes: they stay in a cache */
	STEP_DECODED = 16 << 20, /* … what was decoded is so large */
	STEP_MARKS = 4096,       /* … or it has so many clock marks */
	PART_ARENA = 32 << 10,
};

struct nr_pipeline {
	struct nr_engine *e;
	struct nr_crew *crew;
	struct nr_step step[STEPS];
	struct nr_step *reading, *working, *merging;
	uint64_t n_rounds, n_pauses;
	struct nr_order until; /* how far the shards may go */
	/* of the run */
	struct nr_merge *merge;
	const atomic_int *stop;
	bool is_over;
	int rc;
};

static const struct nr_order END_OF_ALL = { .ordinal = UINT64_MAX };

static void step_init(struct nr_step *s)
{
	for (unsigned i = 0; i <= NR_N_SHARDS; i++) {
		s->out[i].records.arena = &s->out[i].arena;
		if (i < NR_N_SHARDS)
			s->out[i].arena.block = PART_ARENA;
	}
}

static void step_fini(struct nr_step *s)
{
	for (unsigned i = 0; i < s->batches_cap; i++) {
		nr_batch_release(s->batch[i]);
		nr_free(s->batch[i]);
	}
	nr_free(s->batch);
	for (size_t i = 0; i < s->n_datagrams; i++)
		nr_free(s->datagrams[i]);
	nr_free(s->datagrams);
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_free(s->list[i].item);
	for (unsigned i = 0; i <= NR_N_SHARDS; i++)
		nr_arena_fini(&s->out[i].arena);
	nr_arena_fini(&s->arena);
	nr_free(s->items);
	nr_free(s->marks);
}

/* The shards are through: packets and what was decoded of them may go. */
static void step_release(struct nr_step *s)
{
	for (unsigned i = 0; i < s->n_batches; i++)
		nr_batch_release(s->batch[i]);
	for (size_t i = 0; i < s->n_datagrams; i++)
		nr_free(s->datagrams[i]);
	nr_free(s->datagrams);
	s->datagrams = NULL;
	s->n_datagrams = 0;
	s->n_batches = 0;
	s->n_packets = s->block_bytes = s->n_items = s->n_marks = 0;
	s->last_block = NULL;
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		s->list[i].n = 0;
	nr_arena_reset(&s->arena);
}

static void set_steps(struct nr_pipeline *p)
{
	p->reading = &p->step[p->n_rounds % STEPS];
	p->working = &p->step[(p->n_rounds + STEPS - 1) % STEPS];
	p->merging = &p->step[(p->n_rounds + STEPS - 2) % STEPS];
}

struct nr_pipeline *nr_pipeline_new(struct nr_engine *e, unsigned n_threads)
{
	struct nr_pipeline *p = nr_xcalloc(1, sizeof(*p));

	p->e = e;
	p->crew = nr_crew_new(n_threads);
	for (unsigned i = 0; i < STEPS; i++)
		step_init(&p->step[i]);
	set_steps(p);
	return p;
}

void nr_pipeline_free(struct nr_pipeline *p)
{
	if (!p)
		return;
	nr_crew_free(p->crew);
	for (unsigned i = 0; i < STEPS; i++)
		step_fini(&p->step[i]);
	nr_free(p);
}

/* The intake. */

static void list_add(struct nr_step_list *l, size_t item)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 128;
		l->item = nr_xrealloc(l->item, l->cap * sizeof(l->item[0]));
	}
	l->item[l->n++] = (uint32_t)item;
}

static void add_mark(struct nr_step *s, struct nr_step_mark m)
{
	if (s->n_marks == s->marks_cap) {
		s->marks_cap = s->marks_cap ? s->marks_cap * 2 : 64;
		s->marks = nr_xrealloc(s->marks, s->marks_cap * sizeof(s->marks[0]));
	}
	s->marks[s->n_marks++] = m;
}

static void take_packet(struct nr_engine *e, struct nr_step *s, const struct nr_packet *p)
{
	struct nr_step_mark m;
	struct nr_work w;
	bool has_frags;

	if (s->items_cap - s->n_items < NR_MAX_ITEMS) {
		s->items_cap = s->items_cap ? s->items_cap * 2 : 1024;
		s->items = nr_xrealloc(s->items, s->items_cap * sizeof(s->items[0]));
	}
	w.items = &s->items[s->n_items];
	w.dec = nr_arena_alloc(&s->arena, sizeof(*w.dec));
	nr_intake_prepare(e, &w, p, &e->work_arena);
	if (nr_intake_clock(e, p, &m))
		add_mark(s, m);
	nr_intake_tell(e, &w);
	nr_intake_tell_last(e, &w);
	has_frags = w.n_items && w.dec->n_frags;
	nr_arena_shrink(&s->arena, w.dec, sizeof(*w.dec),
			w.n_items ? nr_work_decoded(&w) : 0);
	for (unsigned i = 0; i < w.n_items; i++)
		list_add(&s->list[nr_key_shard(w.items[i].hash)], s->n_items + i);
	s->n_items += w.n_items;
	if (has_frags) {
		size_t n = w.dec->n_frags * sizeof(w.dec->frags[0]);
		void *copy = nr_arena_alloc(&s->arena, n);

		w.dec->frags = memcpy(copy, w.dec->frags, n);
	}
	nr_arena_reset(&e->work_arena);
	if (p->block && p->block != s->last_block) {
		s->block_bytes += nr_block_size(p->block);
		s->last_block = p->block;
	}
	s->n_packets++;
}

/* False: a packet beyond --count was met. */
static bool take_batch(struct nr_engine *e, struct nr_step *s, struct nr_batch *b,
		       unsigned from)
{
	for (unsigned i = from; i < b->n; i++) {
		if (!nr_engine_number(e, &b->pkt[i]))
			return false;
		take_packet(e, s, &b->pkt[i]);
	}
	return true;
}

/* A batch with room for at least one more packet. */
static struct nr_batch *open_batch(struct nr_step *s)
{
	struct nr_batch *b = s->n_batches ? s->batch[s->n_batches - 1] : NULL;

	if (b && b->n < NR_BATCH_MAX)
		return b;
	if (s->n_batches == s->batches_cap) {
		s->batch =
			nr_xrealloc(s->batch, (s->batches_cap + 1) * sizeof(s->batch[0]));
		s->batch[s->batches_cap++] = nr_xcalloc(1, sizeof(*b));
	}
	return s->batch[s->n_batches++];
}

static bool step_is_full(const struct nr_step *s)
{
	return s->n_packets >= STEP_PACKETS || s->block_bytes >= STEP_BYTES ||
	       s->arena.handed >= STEP_DECODED || s->n_marks >= STEP_MARKS;
}

static void end_intake(struct nr_engine *e, struct nr_step *s)
{
	nr_intake_lost(e);
	s->datagrams = nr_decoder_take(e->decoder, &s->n_datagrams);
}

/* Reads a step, on the caller's thread. */
static void read_step(void *arg)
{
	struct nr_pipeline *p = arg;
	struct nr_engine *e = p->e;
	struct nr_step *s = p->reading;
	uint64_t since = 0;

	if (p->is_over)
		return;
	nr_engine_lap(e, &since, NULL);
	e->out = &s->out[NR_N_SHARDS];
	while (!p->is_over && !step_is_full(s)) {
		struct nr_batch *b = open_batch(s);
		unsigned from = b->n;
		int n;

		if (p->stop && atomic_load_explicit(p->stop, memory_order_relaxed)) {
			p->is_over = true;
			break;
		}
		nr_engine_lap(e, &since, &e->effort.intake_ns);
		n = nr_merge_read(p->merge, b, e->cfg.batch, e->err);
		nr_engine_lap(e, &since, &e->effort.read_ns);
		if (n < 0)
			p->rc = n;
		p->is_over = n <= 0 || !take_batch(e, s, b, from);
	}
	end_intake(e, s);
	nr_engine_lap(e, &since, &e->effort.intake_ns);
}

/* The tasks of a round: the merge, then the shards. */

static bool is_behind(const struct nr_order *a, const struct nr_order *b)
{
	return nr_order_cmp(a, b) >= 0;
}

static void merge_step(struct nr_pipeline *p, struct nr_step *s,
		       const struct nr_order *until)
{
	struct nr_out *outs[NR_N_SHARDS + 1];
	uint64_t since = 0;

	nr_engine_lap(p->e, &since, NULL);
	for (unsigned i = 0; i <= NR_N_SHARDS; i++)
		outs[i] = &s->out[i];
	nr_ordered_merge(p->e, outs, NR_N_SHARDS + 1, until);
	nr_engine_lap(p->e, &since, &p->e->effort.merge_ns);
}

static void walk_shard(struct nr_pipeline *p, unsigned shard)
{
	struct nr_part *part = &p->e->parts[shard];
	uint64_t since = 0;

	if (part->done)
		return;
	nr_engine_lap(p->e, &since, NULL);
	part->until = p->until;
	nr_part_walk(part);
	nr_engine_lap(p->e, &since, &part->spent_ns);
}

static void task(void *arg, unsigned i)
{
	struct nr_pipeline *p = arg;

	if (i)
		walk_shard(p, i - 1);
	else
		merge_step(p, p->merging, &END_OF_ALL);
}

static void task_shard(void *arg, unsigned i)
{
	walk_shard(arg, i);
}

/* Where the slowest shard stands; sets p->until to where all may go on to. False: all
   have done their part of the step. */
static bool slowest(struct nr_pipeline *p, struct nr_order *stands)
{
	bool any = false;

	*stands = p->until = END_OF_ALL;
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		const struct nr_part *part = &p->e->parts[i];
		struct nr_order next, ahead;

		if (part->done)
			continue;
		any = true;
		next = nr_part_next(part);
		ahead = nr_part_ahead(part);
		if (!is_behind(&next, stands))
			*stands = next;
		if (!is_behind(&ahead, &p->until))
			p->until = ahead;
	}
	return any;
}

/* What the first round has left of a step: shards paused because their records had no
   more room. */
static void work_off(struct nr_pipeline *p)
{
	struct nr_order stands;

	while (slowest(p, &stands) && !p->e->error) {
		p->n_pauses++;
		merge_step(p, p->working, &stands);
		nr_crew_run(p->crew, NULL, task_shard, NR_N_SHARDS, p);
	}
}

/*
 * One round: reads (read NULL: nothing), works, merges, each at its own step; then the
 * steps move on.
 */
static void run_round(struct nr_pipeline *p, void (*read)(void *arg))
{
	p->until = END_OF_ALL;
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_part_begin(&p->e->parts[i], p->working, &p->working->out[i]);
	nr_crew_run(p->crew, read, task, NR_N_SHARDS + 1, p);
	work_off(p);
	step_release(p->working);
	p->n_rounds++;
	set_steps(p);
}

/* Everything that was read goes through to the sinks; then nobody is at work. */
static void drain(struct nr_pipeline *p)
{
	for (unsigned i = 0; i + 1 < STEPS && !p->e->error; i++)
		run_round(p, NULL);
	p->e->out = &p->e->single;
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_part_into(&p->e->parts[i], &p->e->single);
}

void nr_pipeline_effort(const struct nr_pipeline *p, struct nr_effort *out)
{
	out->threads = nr_crew_size(p->crew);
	out->steps = p->n_rounds;
	out->pauses = p->n_pauses;
	out->waited_ns = nr_crew_waited(p->crew);
}

int nr_pipeline_run(struct nr_pipeline *p, struct nr_merge *m, const atomic_int *stop,
		    void (*progress)(void *arg), void *arg)
{
	p->merge = m;
	p->stop = stop;
	p->is_over = false;
	p->rc = 0;
	while (!p->is_over && !p->e->error) {
		run_round(p, read_step);
		if (progress)
			progress(arg);
	}
	drain(p);
	return p->rc;
}

void nr_pipeline_feed(struct nr_pipeline *p, struct nr_batch *b)
{
	p->e->out = &p->reading->out[NR_N_SHARDS];
	take_batch(p->e, p->reading, b, 0);
	end_intake(p->e, p->reading);
	run_round(p, NULL);
	drain(p);
}

void nr_pipeline_end(struct nr_pipeline *p)
{
	const struct nr_engine *e = p->e;

	add_mark(p->reading, (struct nr_step_mark){ .ordinal = e->cfg.first_ordinal +
							       e->stats.packets + 1,
						    .turn = NR_TURN_PACKET,
						    .is_end = true });
	run_round(p, NULL);
	drain(p);
}
