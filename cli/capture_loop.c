/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from the rings to the packet file and the engine, until something ends it. */
#include "capture.h"
#include "cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	WAIT_MS = 100, /* the clock of silent links moves this often */
	BATCH = 512,
};

static const int64_t second_ns = 1000000000;

static void feed(struct nr_capture_run *r, struct nr_batch *b)
{
	if (b->n && !r->failed)
		r->failed = nr_engine_feed(r->engine, b);
	nr_batch_release(b);
}

static void add_source(struct nr_capture_run *r, const char *name, const char *format,
		       const char *compression, const char *path)
{
	size_t n = r->n_sources++;
	struct nr_source_info *i;

	r->info = nr_xrealloc(r->info, r->n_sources * sizeof(*r->info));
	r->names = nr_xrealloc(r->names, 2 * r->n_sources * sizeof(*r->names));
	r->names[2 * n] = nr_xstrdup(name);
	r->names[2 * n + 1] = nr_xstrdup(path);
	i = &r->info[n];
	*i = (struct nr_source_info){ .path = r->names[2 * n + 1],
				      .name = r->names[2 * n],
				      .format = format,
				      .compression = compression,
				      .bytes = -1 };
	if (format)
		i->hash_note = "it was written by this run, which takes no hash";
	r->source = (uint32_t)n;
}

static void add_kept(struct nr_capture_run *r, const struct nr_kept_file *f)
{
	add_source(r, f->name, f->path ? "pcapng" : NULL, f->is_archive ? "zstd" : NULL,
		   f->path ? f->path : f->name);
}

/* What a source begins with, for the engine and for who reads the database. */
static void describe(struct nr_capture_run *r)
{
	nr_live_merge_describe(r->merge, r->events, r->source);
	feed(r, r->events);
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		struct nr_seen *s = &r->seen[i];

		s->base_received = s->ring.received;
		s->base_dropped = s->ring.dropped;
	}
	nr_engine_live_state(r->engine, &r->info[r->source], r->source, 1,
			     r->info_of_run);
}

static void end_source(struct nr_capture_run *r)
{
	nr_capture_interface_stats(r, r->source);
	nr_batch_event(r->events, NR_EVENT_SOURCE_END, r->source, 0, NULL);
	feed(r, r->events);
}

static void rotate(struct nr_capture_run *r, int64_t clock_ns)
{
	struct nr_kept_file f;

	if (nr_keeper_rotate(r->keeper, clock_ns, &f) != 1)
		return;
	end_source(r);
	add_kept(r, &f);
	describe(r);
}

/* The packet file gets packets before the engine sees them, and numbers them. */
static void keep(struct nr_capture_run *r, struct nr_batch *b)
{
	size_t n;

	for (size_t i = 0; i < b->n && !r->failed; i += n) {
		n = nr_keeper_take(r->keeper, &b->pkt[i], b->n - i);
		if (n == b->n) {
			r->failed = nr_engine_feed(r->engine, b);
		} else if (n) {
			for (size_t k = 0; k < n; k++)
				nr_batch_add(r->part, &b->pkt[i + k]);
			feed(r, r->part);
		} else {
			rotate(r, b->pkt[i].clock_ns);
		}
	}
	nr_batch_release(b);
}

static void stop(struct nr_capture_run *r, int sig)
{
	if (r->stopping)
		return;
	r->stopping = true;
	nr_capture_account(r, nr_live_now());
	nr_live_merge_stop(r->merge, nr_live_now());
	/* the second signal ends the process at once */
	atomic_store(&nr_stop, sig ? sig : SIGTERM);
	sigprocmask(SIG_UNBLOCK, &r->signals, NULL);
}

static void take_signals(struct nr_capture_run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signal_fd, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		switch (s.ssi_signo) {
		case SIGUSR1:
			nr_capture_stats_json(r, nr_live_now());
			break;
		case SIGUSR2:
			if (r->keeper && r->c->pre_trigger)
				nr_keeper_trigger(r->keeper,
						  nr_live_merge_clock(r->merge),
						  "SIGUSR2");
			break;
		case SIGHUP:
			if (r->keeper && !r->c->pre_trigger)
				rotate(r, nr_live_now());
			break;
		default:
			stop(r, (int)s.ssi_signo);
		}
	}
}

static void say_links(struct nr_capture_run *r)
{
	const struct nr_link *before = NULL;

	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		const struct nr_link *l = nr_live_merge_link(r->merge, i);

		if (l != before)
			nr_capture_say(r, "interface %s is %s", l->name,
				       l->is_gone ? "gone"
				       : l->is_up
					       ? "up"
					       : "down; capture goes on when it is up");
		before = l;
	}
}

/* Once a second, by the host's clock. */
static void each_second(struct nr_capture_run *r, int64_t now)
{
	nr_capture_account(r, now);
	if (!r->failed)
		r->failed = nr_engine_live_flush(r->engine);
	for (size_t i = 0; i < r->out.n && !r->failed; i++)
		r->failed = nr_sink_flush(r->out.o[i].guard, &r->err);
	if (r->c->stats_interval && now - r->reported_ns >= r->c->stats_interval)
		nr_capture_stats_json(r, now);
	if (r->keeper && nr_keeper_tick(r->keeper, now))
		rotate(r, now);
}

static bool is_over(const struct nr_capture_run *r, int64_t now)
{
	return r->c->duration && now - r->started_ns >= r->c->duration;
}

/* How many packets may still be read; -c takes no more than it says. */
static unsigned wanted(const struct nr_capture_run *r)
{
	uint64_t left = r->c->count - nr_live_merge_totals(r->merge)->captured;

	return r->c->count && left < BATCH ? (unsigned)left : BATCH;
}

static int turn(struct nr_capture_run *r)
{
	struct pollfd more = { .fd = r->signal_fd, .events = POLLIN };
	int64_t now = nr_live_now();
	unsigned max = wanted(r);
	int n;

	if (!max)
		return 1;
	n = nr_live_merge_read(r->merge, r->batch, max, &r->err);
	if (r->keeper)
		keep(r, r->batch);
	else
		feed(r, r->batch);
	if (n < 0)
		return n;
	if (!n && !r->stopping && nr_live_merge_tick(r->merge, r->events))
		feed(r, r->events);
	if (now - r->accounted_ns >= second_ns && !r->stopping)
		each_second(r, now);
	nr_capture_live_line(r);
	if (is_over(r, now))
		stop(r, 0);
	if (r->stopping && nr_live_merge_is_drained(r->merge))
		return 1;
	nr_live_merge_wait(r->merge, n ? 0 : WAIT_MS, &more, 1);
	if (more.revents)
		take_signals(r);
	if (nr_live_merge_links_changed(r->merge))
		say_links(r);
	return 0;
}

static int start(struct nr_capture_run *r)
{
	struct nr_kept_file f;
	int rc;

	if (r->keeper) {
		rc = nr_keeper_start(r->keeper, nr_live_now(), &f, &r->err);
		if (rc)
			return rc;
		add_kept(r, &f);
	} else {
		struct nr_buf name = { 0 };

		for (int i = 0; i < r->call->n; i++)
			nr_buf_printf(&name, "%s%s", i ? "," : "", r->call->operands[i]);
		add_source(r, name.p, NULL, NULL, name.p);
		r->info[0].hash_note = "the packets were not kept";
		r->info[0].format = r->c->backend;
		nr_buf_fini(&name);
	}
	nr_engine_begin(r->engine, 1, &r->err);
	nr_capture_account_init(r);
	describe(r);
	return r->failed;
}

int nr_capture_loop(struct nr_capture_run *r, const struct nr_run_info *run)
{
	int rc;

	r->info_of_run = run;
	rc = start(r);
	while (!rc && !r->failed)
		rc = turn(r);
	if (r->failed)
		return r->failed;
	stop(r, 0);
	if (rc < 0 && rc != -ENODEV)
		return rc;
	r->gone = rc == -ENODEV;
	nr_capture_account(r, nr_live_now());
	end_source(r);
	return r->failed;
}
