/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nrbench-engine: nanoseconds of CPU time per packet of the engine's stages in one
 * process.
 *
 * usage: nrbench-engine FILE [ROUNDS]
 *
 * Each round reads the file anew (it stays in the page cache): the reader alone, with the
 * decoder, the engine without and with sessions, in one thread, records thrown away. The
 * best of all rounds counts; the stages are differences, so that a line says what one
 * more stage costs.
 */
#include "base/mem.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct result {
	double ns;
	uint64_t packets, sum;
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* neighbours count less */
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int read_all(struct nr_merge *m, struct nr_decoder *d, struct result *r,
		    struct nr_err *err)
{
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	struct nr_decoded *dec = nr_xcalloc(1, sizeof(*dec));
	int n;

	while ((n = nr_merge_read(m, b, 256, err)) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			if (b->pkt[i].event)
				continue;
			r->packets++;
			r->sum += b->pkt[i].wire_len;
			if (!d)
				continue;
			nr_decode(d, &b->pkt[i], dec);
			r->sum += dec->n_levels ? dec->level[0].l4_len : 0;
		}
		if (d)
			nr_decoder_release(d);
		nr_batch_release(b);
	}
	nr_free(dec);
	nr_free(b);
	return n;
}

static int run_engine(struct nr_merge *m, bool sessions, struct result *r,
		      struct nr_err *err)
{
	const struct nr_run_info run = { .argv = "",
					 .cwd = "",
					 .host = "",
					 .libraries = "",
					 .sandbox = "",
					 .record_options = "",
					 .threads = 1 };
	const struct nr_sink_options so = { 0 };
	struct nr_engine_config c;
	struct nr_engine *e = NULL;
	struct nr_sink *sink = NULL;
	int ret = nr_sink_open(&sink, "null:", &so, err);

	nr_engine_config_defaults(&c);
	c.no_sessions = !sessions;
	c.threads = 1;
	if (ret == 0)
		ret = nr_engine_new(&e, &c, &sink, 1, err);
	if (ret == 0)
		ret = nr_engine_run(e, m, &run, NULL, NULL, NULL, err);
	if (ret == 0)
		r->packets = nr_engine_stats(e)->packets;
	nr_engine_free(e);
	nr_sink_close(sink);
	return ret;
}

static int stage(int what, const char *path, struct result *r, struct nr_err *err)
{
	const struct nr_decoder_config dc = { .frag_timeout_ns = 30000000000,
					      .frag_memory = 32 << 20,
					      .frag_datagrams = 65536,
					      .judge_ip_checksum = true };
	const struct nr_merge_options opt = { .max_jump_ns = 3600000000000 };
	struct nr_decoder *d = what == 1 ? nr_decoder_new(&dc) : NULL;
	struct nr_merge *m = NULL;
	double t;
	int ret;

	*r = (struct result){ 0 };
	ret = nr_merge_open(&m, &path, 1, &opt, err);
	t = now_ns();
	if (ret == 0)
		ret = what < 2 ? read_all(m, d, r, err)
			       : run_engine(m, what == 3, r, err);
	r->ns = now_ns() - t;
	nr_merge_close(m);
	nr_decoder_free(d);
	return ret;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "reader", "+ decode",
					     "+ checksums, flows, records",
					     "+ sessions" };
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	double best[4] = { 0 }, before = 0;
	struct nr_err err = { "" };
	struct result r = { 0 };

	if (argc < 2 || rounds < 1) {
		fprintf(stderr, "usage: nrbench-engine FILE [ROUNDS]\n");
		return 2;
	}
	for (int i = 0; i < rounds; i++) {
		for (int s = 0; s < 4; s++) {
			if (stage(s, argv[1], &r, &err) < 0 || !r.packets) {
				fprintf(stderr, "nrbench-engine: %s: %s\n", argv[1],
					err.text[0] ? err.text : "no packets");
				return 1;
			}
			if (best[s] == 0 || r.ns / (double)r.packets < best[s])
				best[s] = r.ns / (double)r.packets;
		}
	}
	for (int s = 0; s < 4; s++) {
		printf("%-28s %8.1f ns/packet  %+8.1f  %7.2f Mpps\n", names[s], best[s],
		       best[s] - before, 1e3 / best[s]);
		before = best[s];
	}
	return 0;
}
