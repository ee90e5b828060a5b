/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/timeline.h"

#include "base/mem.h"
#include "source/reader.h"

#include <string.h>

enum { HOLD = 16 };

static const uint64_t ten_years_ns = UINT64_C(3652) * 86400 * 1000000000;

struct nr_timeline {
	struct nr_source *source;
	uint64_t max_jump; /* 0: no judging */
	int64_t clock;
	bool started; /* the first packet has set the clock */
	bool ended;   /* the source has nothing more */
	int failed;   /* -errno of the source, told when what is held is out */
	struct nr_err failure;
	unsigned undated; /* events at the head for which there is no packet time */
	unsigned head;
	struct nr_batch *held; /* views from head on wait; NULL: none */
};

struct nr_timeline *nr_timeline_new(struct nr_source *s, int64_t max_jump_ns)
{
	struct nr_timeline *t = nr_xcalloc(1, sizeof(*t));

	t->source = s;
	t->max_jump = max_jump_ns > 0 ? (uint64_t)max_jump_ns : 0;
	t->clock = INT64_MIN;
	return t;
}

struct nr_source *nr_timeline_source(struct nr_timeline *t)
{
	return t->source;
}

static void drop_held(struct nr_timeline *t)
{
	if (!t->held)
		return;
	nr_batch_release(t->held);
	nr_free(t->held);
	t->held = NULL;
	t->head = 0;
}

void nr_timeline_free(struct nr_timeline *t)
{
	if (!t)
		return;
	drop_held(t);
	nr_source_close(t->source);
	nr_free(t);
}

static uint64_t apart(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* Sets the clock of views that need no judgement; returns how many those are. */
static unsigned mark(struct nr_timeline *t, struct nr_packet *v, unsigned n)
{
	const uint64_t max_jump = t->max_jump ? t->max_jump : UINT64_MAX;
	int64_t clock = t->clock;
	unsigned i;

	for (i = 0; i < n; i++, v++) {
		if (!v->event && v->ts_ns > clock) {
			if ((uint64_t)v->ts_ns - (uint64_t)clock > max_jump)
				break;
			clock = v->ts_ns;
		} else if (!v->event && v->ts_ns < clock) {
			v->time_backwards = true;
		}
		v->clock_ns = clock;
	}
	t->clock = clock;
	return i;
}

/* Packet times among the held views, from the head on; at most HOLD. */
static unsigned held_times(const struct nr_timeline *t, int64_t ts[HOLD], unsigned *first)
{
	unsigned n = 0;

	for (unsigned i = t->head; i < t->held->n && n < HOLD; i++) {
		if (t->held->pkt[i].event)
			continue;
		if (n == 0)
			*first = i;
		ts[n++] = t->held->pkt[i].ts_ns;
	}
	return n;
}

/*
 * Holds HOLD packets, or all there are (or can be told from a batch full of events). A
 * source that fails has ended as far as judging goes.
 */
static void hold_more(struct nr_timeline *t)
{
	int64_t ts[HOLD];
	unsigned first, n;
	int rc;

	while ((n = held_times(t, ts, &first)) < HOLD && !t->ended) {
		if (t->head) {
			nr_batch_drop(t->held, t->head);
			t->head = 0;
		}
		if (t->held->n == NR_BATCH_MAX)
			break;
		rc = nr_source_read(t->source, t->held, HOLD - n, &t->failure);
		t->failed = rc < 0 ? rc : 0;
		t->ended = rc <= 0;
	}
}

static void sort(int64_t *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		for (unsigned j = i; j && v[j] < v[j - 1]; j--) {
			int64_t x = v[j];

			v[j] = v[j - 1];
			v[j - 1] = x;
		}
}

/*
 * Do the times after the first agree on another one, and on which? More than half of them
 * near their median do. Where that is later and some are near the first, it was a jump.
 */
static bool first_is_bogus(const struct nr_timeline *t, const int64_t *ts, unsigned n,
			   int64_t *other)
{
	int64_t after[HOLD];
	unsigned agree = 0, near_first = 0;
	int64_t median;

	if (n < 3 || !t->max_jump)
		return false;
	n--;
	memcpy(after, ts + 1, n * sizeof(*after));
	sort(after, n);
	median = after[n / 2];
	if (apart(median, ts[0]) <= t->max_jump)
		return false;
	for (unsigned i = 1; i <= n; i++) {
		near_first += apart(ts[i], ts[0]) <= t->max_jump;
		if (apart(ts[i], median) > t->max_jump)
			continue;
		if (!agree++)
			*other = ts[i];
	}
	if (2 * agree <= n)
		return false;
	/* Earlier is a pause before the rest, unless it lies years back and alone. */
	return ts[0] > median || (!near_first && apart(median, ts[0]) > ten_years_ns);
}

/*
 * Starts the clock; events before the first packet take its time. Without any packet
 * they go out before all times.
 */
static void judge_first(struct nr_timeline *t)
{
	unsigned first = 0;
	int64_t ts[HOLD];
	unsigned n = held_times(t, ts, &first);
	int64_t other = 0;

	if (n == 0) {
		t->undated = t->held->n - t->head;
		return;
	}
	t->started = true;
	t->clock = ts[0];
	if (!first_is_bogus(t, ts, n, &other))
		return;
	t->clock = other;
	t->held->pkt[first].time_bogus = true;
}

/* The packet at the head lies far ahead: is it bogus, or has the time jumped? */
static void judge(struct nr_timeline *t, struct nr_packet *v)
{
	int64_t ts[HOLD];
	unsigned first;
	unsigned n = held_times(t, ts, &first);
	bool bogus = n == 1 && apart(ts[0], t->clock) > ten_years_ns;

	for (unsigned i = 1; i < n; i++)
		bogus |= apart(ts[i], t->clock) <= t->max_jump;
	if (bogus) {
		v->time_bogus = true;
	} else {
		v->time_jump = true;
		t->clock = v->ts_ns;
	}
	v->clock_ns = t->clock;
}

/* Gives the view at the head its clock. */
static void settle_head(struct nr_timeline *t)
{
	struct nr_packet *v = &t->held->pkt[t->head];

	if (!t->started && !t->undated) {
		hold_more(t);
		judge_first(t);
		v = &t->held->pkt[t->head];
	}
	if (t->undated) {
		t->undated--;
		v->clock_ns = t->clock;
	} else if (v->time_bogus) { /* the first packet, already judged */
		v->clock_ns = t->clock;
	} else if (!mark(t, v, 1)) {
		hold_more(t);
		judge(t, &t->held->pkt[t->head]);
	}
}

/* Hands out held views until b has `end`, or none is left. */
static void settle(struct nr_timeline *t, struct nr_batch *b, unsigned end)
{
	while (t->held && b->n < end) {
		settle_head(t);
		nr_batch_add(b, &t->held->pkt[t->head++]);
		if (t->head == t->held->n)
			drop_held(t);
	}
}

int nr_timeline_read(struct nr_timeline *t, struct nr_batch *b, unsigned max,
		     struct nr_err *err)
{
	unsigned start = b->n, n_blocks = b->n_blocks;
	unsigned end = max < NR_BATCH_MAX - start ? start + max : NR_BATCH_MAX;
	unsigned settled;
	int rc;

	if (!t->held) {
		if (t->failed && err)
			*err = t->failure;
		if (t->ended)
			return t->failed;
		rc = nr_source_read(t->source, b, max, err);
		t->ended = rc == 0;
		if (rc <= 0)
			return rc;
		settled = t->started ? mark(t, &b->pkt[start], (unsigned)rc) : 0;
		if (settled == (unsigned)rc)
			return rc;
		t->held = nr_xmalloc(sizeof(*t->held));
		t->held->n = 0;
		t->held->n_blocks = 0;
		t->head = 0;
		for (unsigned i = start + settled; i < b->n; i++)
			nr_batch_add(t->held, &b->pkt[i]);
		nr_batch_cut(b, start, settled, n_blocks);
	}
	settle(t, b, end);
	return (int)(b->n - start);
}
