/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/merge_live.h"

#include "base/clock.h"
#include "base/mem.h"
#include "source/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	QUEUE = 256, /* views of a ring that wait for those of others */
	MAX_MORE = 4,
	MAX_TEXTS = 512, /* of an interface */
};

static const int64_t future_ns = 1000000000; /* beyond it the host's clock is believed */

struct input {
	struct nr_live *live;
	unsigned ring, link;
	struct nr_batch *queue; /* views from head on wait; NULL: one ring alone */
	unsigned head;
	int64_t last_ns;  /* own time of the last packet handed out */
	int64_t empty_ns; /* host time before the read that found nothing; INT64_MAX: it
			     had something */
	bool is_done;
	uint64_t handed_out;
	struct nr_live_stats final; /* of the moment of stop */
};

struct nr_live_merge {
	struct nr_live **live;
	struct nr_link *link; /* of each */
	int64_t *gone_ns;     /* monotonic: it was seen to be gone */
	unsigned n_lives;
	struct input *in;
	unsigned n_in;
	int64_t lateness, clock, until_ns;
	int64_t stopped_ns; /* monotonic */
	/* the host's clock was set back: monotonic time of then, and the clock */
	int64_t behind_ns, behind_clock;
	bool is_stopping, links_changed;
	uint64_t ordinal;
	struct nr_link_watch *watch;
	struct pollfd *fds;
	struct nr_live_totals totals;
};

static void add_inputs(struct nr_live_merge *m)
{
	for (unsigned i = 0; i < m->n_lives; i++)
		m->n_in += m->live[i]->n_rings;
	m->in = nr_xcalloc(m->n_in, sizeof(*m->in));
	m->fds = nr_xcalloc(m->n_in + 1 + MAX_MORE, sizeof(*m->fds));
	for (unsigned i = 0, k = 0; i < m->n_lives; i++) {
		for (unsigned r = 0; r < m->live[i]->n_rings; r++, k++) {
			m->in[k] = (struct input){ .live = m->live[i],
						   .ring = r,
						   .link = i,
						   .last_ns = INT64_MIN,
						   .empty_ns = INT64_MAX };
			if (m->n_in > 1)
				m->in[k].queue = nr_xcalloc(1, sizeof(*m->in[k].queue));
		}
	}
}

int nr_live_merge_new(struct nr_live_merge **out, struct nr_live *const *lives,
		      unsigned n, int64_t lateness, struct nr_err *err)
{
	struct nr_live_merge *m = nr_xcalloc(1, sizeof(*m));
	int rc;

	m->live = nr_xcalloc(n, sizeof(*m->live));
	m->link = nr_xcalloc(n, sizeof(*m->link));
	m->gone_ns = nr_xcalloc(n, sizeof(*m->gone_ns));
	m->n_lives = n;
	m->lateness = lateness;
	m->clock = INT64_MIN;
	for (unsigned i = 0; i < n; i++) {
		m->live[i] = lives[i];
		m->link[i].ifindex = lives[i]->ifindex;
		m->link[i].is_up = true;
		snprintf(m->link[i].name, sizeof(m->link[i].name), "%s", lives[i]->name);
	}
	add_inputs(m);
	rc = nr_link_watch_open(&m->watch, m->link, n, err);
	if (rc) {
		m->n_lives = 0; /* still the caller's */
		nr_live_merge_close(m);
		return rc;
	}
	*out = m;
	return 0;
}

unsigned nr_live_merge_n_rings(const struct nr_live_merge *m)
{
	return m->n_in;
}

static struct nr_text add_text(char **room, const char *s)
{
	size_t n = s ? strlen(s) : 0;
	struct nr_text t = { n ? *room : NULL, n };

	if (n)
		memcpy(*room, s, n);
	*room += n;
	return t;
}

static void describe(struct nr_live_merge *m, unsigned i, struct nr_batch *b,
		     uint32_t source)
{
	const struct input *in = &m->in[i];
	const struct nr_live *l = in->live;
	size_t filter = l->filter ? strlen(l->filter) : 0;
	char text[MAX_TEXTS], *room;
	struct nr_event *e =
		nr_batch_event(b, NR_EVENT_INTERFACE, source, MAX_TEXTS + filter, &room);
	struct nr_interface *x = &e->interface;

	e->interface_id = x->interface_id = i;
	b->pkt[b->n - 1].interface_id = i;
	x->link_type = l->link_type;
	x->snap_len = l->snap_len;
	x->tsresol = l->tsresol ? l->tsresol : 1000000000;
	x->name = add_text(&room, l->name);
	if (l->n_rings > 1)
		snprintf(text, sizeof(text), "%.192s, ring %u of %u", l->description,
			 in->ring + 1, l->n_rings);
	else
		snprintf(text, sizeof(text), "%.192s", l->description);
	x->description = add_text(&room, text);
	x->hardware = add_text(&room, l->hardware);
	x->filter = add_text(&room, l->filter);
}

void nr_live_merge_describe(struct nr_live_merge *m, struct nr_batch *b, uint32_t source)
{
	unsigned start = b->n;

	nr_batch_event(b, NR_EVENT_SOURCE_START, source, 0, NULL);
	for (unsigned i = 0; i < m->n_in; i++)
		describe(m, i, b, source);
	for (; start < b->n; start++)
		b->pkt[start].clock_ns = m->clock;
}

/* Gives n views of an input that are its next their place in the run. */
static void hand_out(struct nr_live_merge *m, struct input *in, struct nr_packet *v,
		     unsigned n, int64_t now)
{
	for (unsigned k = 0; k < n; k++, v++) {
		v->interface_id = (uint32_t)(in - m->in);
		v->source = 0;
		v->record = v->ordinal = ++m->ordinal;
		if (v->ts_ns >= m->clock && v->ts_ns < now + future_ns) {
			m->clock = v->ts_ns;
		} else if (v->ts_ns < m->clock) {
			v->time_backwards = true;
			m->totals.late += v->ts_ns >= in->last_ns;
		} else {
			v->time_bogus = true;
			m->totals.future++;
			m->clock = now > m->clock ? now : m->clock;
		}
		in->last_ns = v->ts_ns;
		v->clock_ns = m->clock;
		m->totals.wire_bytes += v->wire_len;
	}
	in->handed_out += n;
	m->totals.captured += n;
}

/* How many of the n views at v lie before the moment of stop; those behind it end it. */
static unsigned before_stop(const struct nr_live_merge *m, struct input *in,
			    const struct nr_packet *v, unsigned n)
{
	unsigned k = 0;

	if (!m->is_stopping)
		return n;
	while (k < n && v[k].ts_ns <= m->until_ns)
		k++;
	in->is_done |= k < n;
	return k;
}

/* Reads up to max views of an input into b. How many there are, or -errno. */
static int read_input(struct nr_live_merge *m, struct input *in, struct nr_batch *b,
		      unsigned max, struct nr_err *err)
{
	int64_t now = nr_live_now();
	unsigned start = b->n, pins = b->n_blocks, k;
	int rc = in->live->ops->read(in->live, in->ring, b, max, err);

	if (rc == -ENETDOWN) {
		m->totals.downs++;
		rc = 0;
	}
	if (rc < 0)
		return rc;
	in->empty_ns = rc ? INT64_MAX : now;
	if (!rc) {
		int64_t gone = m->gone_ns[in->link], at = nr_monotonic_ns();

		in->is_done |= (gone && at > gone + m->lateness) ||
			       (m->is_stopping && at > m->stopped_ns + m->lateness);
		return 0;
	}
	k = before_stop(m, in, &b->pkt[start], (unsigned)rc);
	if (k < (unsigned)rc)
		nr_batch_cut(b, start, k, pins);
	return (int)k;
}

static int read_single(struct nr_live_merge *m, struct nr_batch *b, unsigned max,
		       struct nr_err *err)
{
	struct input *in = &m->in[0];
	unsigned start = b->n;
	int rc;

	if (in->is_done)
		return 0;
	rc = read_input(m, in, b, max, err);
	if (rc > 0)
		hand_out(m, in, &b->pkt[start], (unsigned)rc, nr_live_now());
	return rc;
}

static bool has_queued(const struct input *in)
{
	return in->queue && in->head < in->queue->n;
}

static int refill(struct nr_live_merge *m, struct input *in, struct nr_err *err)
{
	int rc;

	nr_batch_release(in->queue);
	in->head = 0;
	rc = in->is_done ? 0 : read_input(m, in, in->queue, QUEUE, err);
	return rc < 0 ? rc : 0;
}

/*
 * The input whose packet is next, or NULL; *limit: up to which time it is, with no other
 * in between and none that can still come.
 */
static struct input *next_input(struct nr_live_merge *m, int64_t now, int64_t *limit)
{
	struct input *best = NULL;
	int64_t best_ns = INT64_MAX, bound = INT64_MAX;

	for (unsigned i = 0; i < m->n_in; i++) {
		struct input *in = &m->in[i];
		int64_t t;

		if (!has_queued(in)) {
			if (!in->is_done && in->empty_ns - m->lateness < bound)
				bound = in->empty_ns - m->lateness;
			continue;
		}
		t = in->queue->pkt[in->head].ts_ns;
		if (!best || t < best_ns) {
			/* the one before comes behind: it ends this run, ties too */
			if (best && best_ns - 1 < bound)
				bound = best_ns - 1;
			best = in;
			best_ns = t;
		} else if (t < bound) {
			bound = t; /* a later input gives way where times are equal */
		}
	}
	/* from before the host's clock was set back: it would wait for that time */
	if (best && best_ns > bound && best_ns > now + future_ns)
		bound = best_ns;
	*limit = bound;
	return best && best_ns <= bound ? best : NULL;
}

static int read_merged(struct nr_live_merge *m, struct nr_batch *b, unsigned max,
		       struct nr_err *err)
{
	unsigned start = b->n;
	unsigned end = max < NR_BATCH_MAX - start ? start + max : NR_BATCH_MAX;
	int64_t now = nr_live_now(), limit;
	struct input *in;
	int rc = 0;

	for (unsigned i = 0; i < m->n_in && !rc; i++)
		if (!has_queued(&m->in[i]))
			rc = refill(m, &m->in[i], err);
	while (!rc && b->n < end && (in = next_input(m, now, &limit))) {
		unsigned from = b->n;

		while (has_queued(in) && b->n < end &&
		       in->queue->pkt[in->head].ts_ns <= limit)
			nr_batch_add(b, &in->queue->pkt[in->head++]);
		hand_out(m, in, &b->pkt[from], b->n - from, now);
		if (!has_queued(in))
			rc = refill(m, in, err);
	}
	return b->n > start ? (int)(b->n - start) : rc;
}

static bool all_gone(const struct nr_live_merge *m)
{
	for (unsigned i = 0; i < m->n_in; i++)
		if (!m->in[i].is_done || has_queued(&m->in[i]))
			return false;
	return true;
}

int nr_live_merge_read(struct nr_live_merge *m, struct nr_batch *b, unsigned max,
		       struct nr_err *err)
{
	int rc = m->n_in == 1 ? read_single(m, b, max, err) : read_merged(m, b, max, err);

	if (rc || m->is_stopping || !all_gone(m))
		return rc;
	return nr_fail(
		err, -ENODEV,
		"interface %s is gone: it was deleted, or moved to another network "
		"namespace",
		m->link[0].name);
}

/* The host's time, or, where it lies behind the clock, the clock as time goes on. */
static int64_t steady(struct nr_live_merge *m, int64_t host_ns)
{
	int64_t now;

	if (m->clock == INT64_MIN || host_ns >= m->clock - future_ns) {
		m->behind_ns = 0;
		return host_ns;
	}
	now = nr_monotonic_ns();
	if (!m->behind_ns) {
		m->behind_ns = now;
		m->behind_clock = m->clock;
	}
	return m->behind_clock + (now - m->behind_ns);
}

bool nr_live_merge_tick(struct nr_live_merge *m, struct nr_batch *b)
{
	int64_t t = INT64_MAX;

	for (unsigned i = 0; i < m->n_in; i++) {
		const struct input *in = &m->in[i];

		if (has_queued(in) || in->empty_ns == INT64_MAX)
			return false;
		t = in->empty_ns < t ? in->empty_ns : t;
	}
	t = steady(m, t - m->lateness);
	if (t <= m->clock || b->n == NR_BATCH_MAX)
		return false;
	m->clock = t;
	nr_batch_event(b, NR_EVENT_TICK, 0, 0, NULL);
	b->pkt[b->n - 1].clock_ns = t;
	return true;
}

/* How long a queued packet still waits for the rings that were empty. */
static int until_due(const struct nr_live_merge *m, int max_ms)
{
	int64_t now = nr_live_now();

	for (unsigned i = 0; i < m->n_in; i++) {
		const struct input *in = &m->in[i];
		int64_t left;

		if (!has_queued(in))
			continue;
		left = (in->queue->pkt[in->head].ts_ns + m->lateness - now) / 1000000 + 1;
		if (left < max_ms)
			max_ms = left < 0 ? 0 : (int)left;
	}
	return max_ms;
}

void nr_live_merge_wait(struct nr_live_merge *m, int max_ms, struct pollfd *more,
			unsigned n_more)
{
	unsigned n = 0;

	m->fds[n++] = (struct pollfd){ nr_link_watch_fd(m->watch), POLLIN, 0 };
	for (unsigned i = 0; i < m->n_in; i++) {
		const struct input *in = &m->in[i];

		/* one whose packets wait would only say so */
		if (!in->is_done && !has_queued(in))
			m->fds[n++] =
				(struct pollfd){ in->live->ops->fd(in->live, in->ring),
						 POLLIN, 0 };
	}
	if (n_more > MAX_MORE)
		n_more = MAX_MORE;
	if (n_more)
		memcpy(&m->fds[n], more, n_more * sizeof(*more));
	if (poll(m->fds, n + n_more, until_due(m, max_ms)) <= 0)
		return;
	if (n_more)
		memcpy(more, &m->fds[n], n_more * sizeof(*more));
	if (!m->fds[0].revents || !nr_link_watch_read(m->watch))
		return;
	m->links_changed = true;
	for (unsigned i = 0; i < m->n_lives; i++)
		if (m->link[i].is_gone && !m->gone_ns[i])
			m->gone_ns[i] = nr_monotonic_ns();
}

void nr_live_merge_stop(struct nr_live_merge *m, int64_t until_ns)
{
	if (m->is_stopping)
		return;
	for (unsigned i = 0; i < m->n_in; i++)
		nr_live_merge_stats(m, i, &m->in[i].final);
	m->until_ns = until_ns;
	m->stopped_ns = nr_monotonic_ns();
	m->is_stopping = true;
}

bool nr_live_merge_is_drained(const struct nr_live_merge *m)
{
	return m->is_stopping && all_gone(m);
}

void nr_live_merge_stats(struct nr_live_merge *m, unsigned ring, struct nr_live_stats *st)
{
	struct input *in = &m->in[ring];

	if (m->is_stopping) {
		*st = in->final;
		/* a back end may learn of what waits in its ring only by reading it */
		if (st->received < in->handed_out)
			st->received = in->handed_out;
		return;
	}
	*st = (struct nr_live_stats){ 0 };
	in->live->ops->stats(in->live, in->ring, st);
}

const struct nr_live *nr_live_merge_live(const struct nr_live_merge *m, unsigned ring)
{
	return m->in[ring].live;
}

const struct nr_link *nr_live_merge_link(const struct nr_live_merge *m, unsigned ring)
{
	return &m->link[m->in[ring].link];
}

const struct nr_live_totals *nr_live_merge_totals(const struct nr_live_merge *m)
{
	return &m->totals;
}

bool nr_live_merge_links_changed(struct nr_live_merge *m)
{
	bool changed = m->links_changed;

	m->links_changed = false;
	return changed;
}

int64_t nr_live_merge_clock(const struct nr_live_merge *m)
{
	return m->clock;
}

void nr_live_merge_close(struct nr_live_merge *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->n_in; i++) {
		if (m->in[i].queue)
			nr_batch_release(m->in[i].queue);
		nr_free(m->in[i].queue);
	}
	for (unsigned i = 0; i < m->n_lives; i++)
		nr_live_close(m->live[i]);
	nr_link_watch_close(m->watch);
	nr_free(m->fds);
	nr_free(m->in);
	nr_free(m->gone_ns);
	nr_free(m->link);
	nr_free(m->live);
	nr_free(m);
}
