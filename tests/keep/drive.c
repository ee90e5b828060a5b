/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture without a wire: the frames of a file go through keeper, engine and live
 * databases as those of a link would.
 *
 * usage: drive CAPTURE FILE.pcapng[.zst] FILE.db PACKETS-A-FILE FILES-A-DATABASE [US
 * [KEEP]]
 *
 * A new packet file begins after so many packets, a new database with each so many packet
 * files (0: never). After each packet it sleeps US microseconds, if given, ticking four
 * times a second of the host's clock, and repeats the capture for ever. KEEP: so many
 * files of each kind stay.
 */
#include "engine/rotate.h"
#include "keep/keeper.h"
#include "source/merge.h"

#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct drive {
	struct nr_keeper *keeper;
	struct nr_engine *engine;
	struct nr_sink *sink;
	struct nr_batch *b;
	struct nr_interface eth;
	struct nr_event event;
	unsigned keep, packets_a_file, files_a_db, n_packets, n_files, sleep_us;
	uint64_t ordinal;
	int64_t shift_ns, first_ns, last_ns;
	int failed;
	struct nr_err err;
};

static void die(const char *what, const struct nr_err *err)
{
	fprintf(stderr, "drive: %s: %s\n", what, err->text);
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void closed(void *arg, const struct nr_kept_file *f)
{
	struct drive *d = arg;

	nr_engine_source_closed(d->engine, f->source, (int64_t)f->bytes, f->failure);
}

static void feed(struct drive *d, const struct nr_packet *p)
{
	d->b->n = d->b->n_blocks = 0;
	d->b->pkt[d->b->n++] = *p;
	if (nr_engine_feed(d->engine, d->b) < 0)
		die("engine", &d->err);
	d->b->n = 0;
}

static struct nr_live_source source_of(const struct nr_kept_file *f)
{
	return (struct nr_live_source){
		.name = f->name,
		.has_file = f->path != NULL,
		.is_archive = f->is_archive,
		.damage = f->path ? NULL : "the packets could not be kept",
	};
}

/* What a source begins with. */
static void describe(struct drive *d, uint32_t source, int64_t clock_ns)
{
	struct nr_packet p = { .event = &d->event,
			       .source = source,
			       .clock_ns = clock_ns };

	d->event = (struct nr_event){ .kind = NR_EVENT_SOURCE_START };
	feed(d, &p);
	d->event.kind = NR_EVENT_INTERFACE;
	d->event.interface = d->eth;
	feed(d, &p);
}

static void rotate(struct drive *d, int64_t clock_ns)
{
	struct nr_kept_file f;
	struct nr_live_source s;
	int rc;

	if (nr_keeper_rotate(d->keeper, clock_ns, &f) != 1)
		return;
	d->n_packets = 0;
	d->n_files++;
	s = source_of(&f);
	if (d->files_a_db && d->n_files % d->files_a_db == 0) {
		rc = nr_engine_rotate(d->engine, clock_ns, &s);
	} else {
		rc = nr_engine_next_source(d->engine, &s);
	}
	if (rc < 0 && rc != -EAGAIN) /* then this database goes on */
		die("rotation", &d->err);
	describe(d, f.source, clock_ns);
}

static void packet(struct drive *d, struct nr_packet *p)
{
	p->ordinal = ++d->ordinal;
	p->interface_id = 0;
	p->ts_ns += d->shift_ns;
	p->clock_ns += d->shift_ns;
	if (d->packets_a_file && d->n_packets == d->packets_a_file)
		rotate(d, p->clock_ns);
	while (!nr_keeper_take(d->keeper, p, 1))
		rotate(d, p->clock_ns);
	d->n_packets++;
	d->last_ns = p->clock_ns;
	feed(d, p);
}

static void tick(struct drive *d)
{
	if (nr_keeper_tick(d->keeper, d->last_ns))
		rotate(d, d->last_ns);
	if (nr_engine_tick(d->engine, d->last_ns) < 0)
		die("database", &d->err);
}

static void read_all(struct drive *d, const char *path)
{
	const struct nr_merge_options mo = { .max_jump_ns = INT64_C(3600000000000) };
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	struct nr_merge *m;
	int64_t ticked = 0;
	int n;

	if (nr_merge_open(&m, &path, 1, &mo, &d->err) < 0)
		die("capture", &d->err);
	while ((n = nr_merge_read(m, b, 64, &d->err)) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			if (b->pkt[i].event)
				continue;
			packet(d, &b->pkt[i]);
			if (d->sleep_us)
				usleep(d->sleep_us);
			if (!d->sleep_us || now_ns() - ticked >= 250000000) {
				tick(d);
				ticked = now_ns();
			}
		}
		nr_batch_release(b);
	}
	nr_merge_close(m);
	free(b);
}

static uint16_t link_type_of(const char *path, int64_t *first_ns, struct nr_err *err)
{
	const struct nr_merge_options mo = { 0 };
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	uint16_t type = 0;
	struct nr_merge *m;
	bool found = false;

	if (nr_merge_open(&m, &path, 1, &mo, err) < 0)
		die("capture", err);
	while (!found && nr_merge_read(m, b, 64, err) > 0) {
		for (unsigned i = 0; i < b->n && !found; i++)
			if (!b->pkt[i].event) {
				found = true;
				type = b->pkt[i].link_type;
				*first_ns = b->pkt[i].clock_ns;
			}
		nr_batch_release(b);
	}
	nr_merge_close(m);
	free(b);
	return type;
}

static void begin(struct drive *d, char **argv, const struct nr_run_info *run)
{
	struct nr_keep_config kc = { .target = argv[2],
				     .is_set = true,
				     .closed = closed,
				     .arg = d,
				     .sync_ns = 1000000000 };
	struct nr_sink_options so = { .live = true, .sync_ns = 1000000000 };
	static struct nr_sink *sinks[1];
	struct nr_engine_config ec;
	struct nr_kept_file f;
	struct nr_live_source s;

	d->eth = (struct nr_interface){ .name = { "eth0", 4 }, .tsresol = 1000000000 };
	d->eth.link_type = link_type_of(argv[1], &d->first_ns, &d->err);
	so.is_set = d->files_a_db != 0;
	so.retain.files = kc.retain.files = d->keep;
	so.now_ns = d->first_ns;
	if (nr_sink_open(&d->sink, argv[3], &so, &d->err) < 0)
		die(argv[3], &d->err);
	sinks[0] = d->sink;
	nr_engine_config_defaults(&ec);
	if (nr_engine_new(&d->engine, &ec, sinks, 1, &d->err) < 0)
		die("engine", &d->err);
	if (nr_keeper_new(&d->keeper, &kc, &d->err) < 0)
		die("keeper", &d->err);
	nr_keeper_interface(d->keeper, &d->eth);
	if (nr_keeper_start(d->keeper, d->first_ns, &f, &d->err) < 0)
		die("keeper", &d->err);
	s = source_of(&f);
	if (nr_engine_live_begin(d->engine, run, &s, &d->err) < 0)
		die("engine", &d->err);
	describe(d, 0, d->first_ns);
}

int main(int argc, char **argv)
{
	const struct nr_run_info run = { .argv = "drive",
					 .cwd = "/",
					 .host = "test",
					 .record_options = "{}",
					 .threads = 1 };
	struct drive *d = nr_xcalloc(1, sizeof(*d));
	int kept;

	if (argc < 6)
		return 2;
	signal(SIGXFSZ, SIG_IGN);
	d->b = nr_xcalloc(1, sizeof(*d->b));
	d->packets_a_file = (unsigned)atoi(argv[4]);
	d->files_a_db = (unsigned)atoi(argv[5]);
	d->sleep_us = argc > 6 ? (unsigned)atoi(argv[6]) : 0;
	d->keep = argc > 7 ? (unsigned)atoi(argv[7]) : 0;
	begin(d, argv, &run);
	do {
		read_all(d, argv[1]);
		d->shift_ns = d->last_ns + 1000000 - d->first_ns;
	} while (d->sleep_us);
	kept = nr_keeper_finish(d->keeper, &d->err);
	if (nr_engine_live_end(d->engine, kept ? 4 : 0) < 0)
		die("end", &d->err);
	if (nr_sink_finish(d->sink, &d->err) < 0)
		die(argv[3], &d->err);
	if (nr_sink_dropped(d->sink))
		fprintf(stderr, "dropped %llu\n",
			(unsigned long long)nr_sink_dropped(d->sink));
	nr_engine_free(d->engine);
	nr_sink_close(d->sink);
	nr_keeper_free(d->keeper);
	free(d->b);
	free(d);
	return kept ? 4 : 0;
}
