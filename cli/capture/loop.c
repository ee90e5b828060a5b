/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from the rings to the packet file and the engine, until something ends it. */
#include "capture/capture.h"
#include "cli.h"

#include "base/clock.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	WAIT_MS = 100, /* the clock of silent links moves this often */
	PIECE = 128,
	ENOUGH = 256 << 10, /* bytes, which stay in a core's cache on their way */
};

static const int64_t second_ns = 1000000000;
static const int64_t size_rotation_ns = 5000000000; /* of databases, at least */

static void feed(struct nr_capture_run *r, struct nr_batch *b)
{
	if (b->n && !r->failed)
		r->failed = nr_engine_feed(r->engine, b);
	nr_batch_release(b);
}

static struct nr_live_source source_of(const struct nr_capture_run *r,
				       const struct nr_kept_file *f)
{
	if (!f)
		return (struct nr_live_source){ .name = r->interfaces,
						.format = r->c->backend };
	return (struct nr_live_source){
		.name = f->name,
		.has_file = f->path != NULL,
		.is_archive = f->is_archive,
		.damage = f->path || r->c->pre_trigger ? NULL
						       : "the packets could not be kept",
	};
}

/* What a source begins with. */
static void describe(struct nr_capture_run *r)
{
	nr_live_merge_describe(r->merge, r->events, r->source);
	feed(r, r->events);
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		struct nr_seen *s = &r->seen[i];

		s->base_received = s->ring.received;
		s->base_dropped = s->ring.dropped;
	}
}

static void end_source(struct nr_capture_run *r)
{
	nr_capture_interface_stats(r, r->source);
	feed(r, r->events);
}

/* The engine's time, also where nothing has come yet. */
static int64_t clock_of(const struct nr_capture_run *r)
{
	int64_t t = nr_live_merge_clock(r->merge);

	return t == INT64_MIN ? nr_live_now() : t;
}

/* The databases, the packet file or both begin anew. */
static void begin_anew(struct nr_capture_run *r, int64_t clock_ns)
{
	struct nr_kept_file f = { 0 };
	struct nr_live_source s;
	int rc = 0;

	if (r->keeper && nr_keeper_rotate(r->keeper, clock_ns, &f) != 1)
		return;
	r->rotated_ns = clock_ns;
	nr_capture_account(r);
	end_source(r);
	s = source_of(r, r->keeper ? &f : NULL);
	r->source = r->keeper ? f.source : r->source + 1;
	if (r->failed)
		return;
	if (r->c->one_database || !nr_capture_is_set(r->c))
		rc = nr_engine_next_source(r->engine, &s);
	else
		rc = nr_engine_rotate(r->engine, clock_ns, &s);
	if (rc && rc != -EAGAIN) { /* the rows go on in this one, where they can */
		nr_capture_say(r, "%s", r->err.text);
		r->status = NR_EXIT_INCOMPLETE;
	}
	describe(r);
}

/* Files have threads, which run where they may. */
static void rotate(struct nr_capture_run *r, int64_t clock_ns)
{
	nr_capture_unpin(r);
	begin_anew(r, clock_ns);
	nr_capture_pin(r);
}

/* As nr_keeper_take() where there is none: up to the time of the next database. */
static size_t take(struct nr_capture_run *r, struct nr_packet *p, size_t n)
{
	size_t k = 0;

	if (r->keeper)
		return nr_keeper_take(r->keeper, p, n);
	while (k < n && p[k].clock_ns < r->rotate_at)
		p[k++].source = r->source;
	return k;
}

static void set_next(struct nr_capture_run *r, int64_t clock_ns)
{
	if (r->c->rotate_time && !r->keeper)
		r->rotate_at =
			clock_ns - clock_ns % r->c->rotate_time + r->c->rotate_time;
}

/* The packet file gets packets before the engine sees them, and numbers them. */
static void work(struct nr_capture_run *r, struct nr_batch *b)
{
	size_t n;

	for (size_t i = 0; i < b->n && !r->failed; i += n) {
		n = take(r, &b->pkt[i], b->n - i);
		if (n == b->n) {
			r->failed = nr_engine_feed(r->engine, b);
		} else if (n) {
			for (size_t k = 0; k < n; k++)
				nr_batch_add(r->part, &b->pkt[i + k]);
			feed(r, r->part);
		} else {
			rotate(r, b->pkt[i].clock_ns);
			set_next(r, b->pkt[i].clock_ns);
		}
	}
	nr_batch_release(b);
}

static void stop(struct nr_capture_run *r, int sig)
{
	sigset_t ending;

	if (r->stopping)
		return;
	r->stopping = true;
	nr_capture_account(r);
	nr_live_merge_stop(r->merge, nr_live_now());
	/* the second signal ends the process at once; SIGUSR1 and the like stay blocked:
	   without a handler they would end it too */
	atomic_store(&nr_stop, sig ? sig : SIGTERM);
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &ending, NULL);
}

static void trigger(struct nr_capture_run *r, const char *why)
{
	struct nr_keep_triggered t;

	nr_capture_unpin(r);
	if (nr_keeper_trigger(r->keeper, clock_of(r), why, &t))
		nr_capture_say(r, "%s: %s", t.name, t.text);
	nr_capture_pin(r);
}

static void take_signals(struct nr_capture_run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		switch (s.ssi_signo) {
		case SIGUSR1:
			nr_capture_stats_json(r);
			break;
		case SIGUSR2:
			if (r->keeper && r->c->pre_trigger)
				trigger(r, "SIGUSR2");
			break;
		case SIGHUP:
			if (nr_capture_is_set(r->c))
				rotate(r, clock_of(r));
			break;
		default:
			stop(r, (int)s.ssi_signo);
		}
	}
}

static void say_link(struct nr_capture_run *r, const struct nr_link *l,
		     const struct nr_link *before)
{
	if (strcmp(l->name, before->name) != 0)
		nr_capture_say(r, "interface %s is called %s now", before->name, l->name);
	if (l->is_gone != before->is_gone)
		nr_capture_say(
			r,
			"interface %s is gone: it was deleted, or moved to another "
			"network namespace",
			l->name);
	else if (l->is_up != before->is_up)
		nr_capture_say(r, "interface %s is %s", l->name,
			       l->is_up ? "up" : "down; capture goes on when it is up");
}

/* What has changed since it was told last; rings of one interface share its link. */
static void say_links(struct nr_capture_run *r)
{
	const struct nr_link *last = NULL; /* of the ring before */

	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		const struct nr_link *l = nr_live_merge_link(r->merge, i);

		if (i == 0 || l != last)
			say_link(r, l, &r->told[i]);
		r->told[i] = *l;
		last = l;
	}
}

/* … and the end is no news. */
static bool is_all_gone(const struct nr_capture_run *r)
{
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++)
		if (!r->told[i].is_gone)
			return false;
	return true;
}

static void look_for_triggers(struct nr_capture_run *r)
{
	const char *why = r->watch ? nr_watch_take(r->watch) : NULL;

	if (why && r->keeper)
		trigger(r, why);
}

/* Someone has set the host's clock: rows and names follow it, and what waits does not. */
static void look_at_clock(struct nr_capture_run *r, int64_t now)
{
	int64_t ahead = nr_live_now() - now, step = ahead - r->clock_ahead_ns;
	char t[NR_TEXT_MAX];

	if (step > second_ns || step < -second_ns)
		nr_capture_say(r, "the host's clock was set %s by %s",
			       step > 0 ? "forward" : "back",
			       nr_text_duration(t, step > 0 ? step : -step));
	r->clock_ahead_ns = ahead;
}

/* A database of a set that could not be finished, while the next one is filled. */
static void say_news(struct nr_capture_run *r)
{
	for (size_t i = 0; i < r->out.n; i++) {
		struct nr_sink *s = r->out.o[i].sink;

		if (!s->news[0])
			continue;
		nr_capture_say(r, "%s", s->news);
		s->news[0] = '\0';
		r->status = NR_EXIT_INCOMPLETE;
	}
}

/*
 * Without packet files --rotate-size goes by what the databases hold. Not every tick:
 * each begins with the flows that are open, which may be more than that size.
 */
static bool is_too_large(const struct nr_capture_run *r, int64_t clock)
{
	if (r->keeper || !r->c->rotate_size || r->c->one_database ||
	    (clock >= r->rotated_ns && clock - r->rotated_ns < size_rotation_ns))
		return false;
	for (size_t i = 0; i < r->out.n; i++)
		if (r->out.o[i].sink->bytes >= r->c->rotate_size)
			return true;
	return false;
}

/* Twice a second; now: of the monotonic clock. */
static void tick(struct nr_capture_run *r, int64_t now)
{
	int64_t clock = clock_of(r);

	r->ticked_ns = now;
	look_at_clock(r, now);
	say_news(r);
	if (now - r->counted_ns >= second_ns)
		nr_capture_account(r);
	if ((r->keeper && nr_keeper_tick(r->keeper, clock)) || clock >= r->rotate_at ||
	    is_too_large(r, clock)) {
		rotate(r, clock);
		set_next(r, clock);
	}
	if (!r->failed)
		r->failed = nr_engine_tick(r->engine, clock);
}

static bool is_over(const struct nr_capture_run *r, int64_t now)
{
	return r->c->duration && now - r->started_ns >= r->c->duration;
}

/* How many packets may still be read; -c takes no more than it says. */
static unsigned wanted(const struct nr_capture_run *r)
{
	uint64_t left = r->c->count - nr_live_merge_totals(r->merge)->captured;

	return r->c->count && left < PIECE ? (unsigned)left : PIECE;
}

/*
 * Small packets by the thousand, large ones by the hundred: what is read here is written
 * and decoded while it still lies in this core's cache. As nr_live_merge_read() of the
 * last piece: 0, there is nothing more.
 */
static int gather(struct nr_capture_run *r)
{
	const struct nr_live_totals *t = nr_live_merge_totals(r->merge);
	uint64_t enough = t->wire_bytes + ENOUGH;
	unsigned max;
	int n = 0;

	do {
		max = wanted(r);
		if (max)
			n = nr_live_merge_read(r->merge, r->batch, max, &r->err);
	} while (max && n > 0 && t->wire_bytes < enough &&
		 r->batch->n <= NR_BATCH_MAX - PIECE);
	return n;
}

static bool is_report_due(const struct nr_capture_run *r)
{
	return r->c->stats_interval && !r->stopping &&
	       nr_monotonic_ns() - r->reported_ns >= r->c->stats_interval;
}

/* Until the next thing that is done without a packet. */
static int patience(const struct nr_capture_run *r)
{
	int64_t left = r->reported_ns + r->c->stats_interval - nr_monotonic_ns();

	if (!r->c->stats_interval || left >= WAIT_MS * INT64_C(1000000))
		return WAIT_MS;
	return left < 0 ? 0 : (int)(left / 1000000) + 1;
}

static int turn(struct nr_capture_run *r)
{
	struct pollfd more = { .fd = r->signal_fd, .events = POLLIN };
	int64_t now = nr_monotonic_ns();
	int n;

	if (!wanted(r))
		return 1;
	n = gather(r);
	work(r, r->batch);
	look_for_triggers(r);
	if (n < 0)
		return n;
	if (!n && !r->stopping && nr_live_merge_tick(r->merge, r->events))
		feed(r, r->events);
	if (now - r->ticked_ns >= second_ns / 2 && !r->stopping)
		tick(r, now);
	if (is_report_due(r))
		nr_capture_stats_json(r);
	nr_capture_live_line(r);
	if (is_over(r, now))
		stop(r, 0);
	if (r->stopping && nr_live_merge_is_drained(r->merge))
		return 1;
	nr_live_merge_wait(r->merge, n ? 0 : patience(r), &more, 1);
	if (more.revents)
		take_signals(r);
	if (nr_live_merge_links_changed(r->merge))
		say_links(r);
	return 0;
}

int nr_capture_begin(struct nr_capture_run *r, const struct nr_run_info *run)
{
	struct nr_live_source s = source_of(r, r->keeper ? &r->first : NULL);
	int rc;

	r->source = 0;
	r->rotate_at = INT64_MAX;
	r->rotated_ns = r->begin_ns;
	set_next(r, r->begin_ns);
	rc = nr_engine_live_begin(r->engine, run, &s, &r->err);
	nr_capture_account_init(r);
	if (!rc)
		describe(r);
	return rc ? rc : r->failed;
}

int nr_capture_loop(struct nr_capture_run *r)
{
	int rc = 0;

	nr_capture_pin(r);
	while (!rc && !r->failed)
		rc = turn(r);
	nr_capture_unpin(r);
	if (r->failed)
		return r->failed;
	stop(r, 0);
	r->gone = rc < 0; /* what was captured is written all the same */
	if (nr_live_merge_links_changed(r->merge))
		say_links(r);
	if (r->gone && !is_all_gone(r))
		nr_capture_say(r, "%s", r->err.text);
	nr_capture_account(r);
	end_source(r);
	return r->failed;
}
