/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * livecat BACKEND COUNT SECONDS [KEY=VALUE…] INTERFACE…: what the live merge hands out, a
 * line a packet: "RING TS_NS CAP WIRE FLAGS HEX" (the first 64 bytes), ticks and the like
 * left out; at the end "ring I received R dropped D freezes F DETAIL", "captured C late
 * L".
 *
 * Keys: rings, ring_size, block_timeout (ms), snap_len, direction (0 both, 1 in, 2 out),
 * no_promisc, filter, take_traffic, xdp_mode (0 auto, 1 native, 2 generic),
 * hardware_time. Ends after COUNT packets (0: no limit) or SECONDS.
 */
#include "source/merge_live.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INTERFACES = 8, SHOWN = 64 };

static int option(struct nr_live_options *o, const char *arg)
{
	const char *value = strchr(arg, '=');
	size_t n = value ? (size_t)(value - arg) : 0;
	unsigned long long v;

	if (!value)
		return 0;
	value++;
	v = strtoull(value, NULL, 10);
	if (!strncmp(arg, "rings", n))
		o->rings = (unsigned)v;
	else if (!strncmp(arg, "ring_size", n))
		o->ring_size = v;
	else if (!strncmp(arg, "block_timeout", n))
		o->block_timeout = (int64_t)v * 1000000;
	else if (!strncmp(arg, "snap_len", n))
		o->snap_len = (uint32_t)v;
	else if (!strncmp(arg, "direction", n))
		o->direction = (enum nr_live_direction)v;
	else if (!strncmp(arg, "no_promisc", n))
		o->no_promisc = v != 0;
	else if (!strncmp(arg, "take_traffic", n))
		o->take_traffic = v != 0;
	else if (!strncmp(arg, "xdp_mode", n))
		o->xdp_mode = (enum nr_xdp_mode)v;
	else if (!strncmp(arg, "hardware_time", n))
		o->hardware_time = v != 0;
	else if (!strncmp(arg, "filter", n))
		o->filter = value;
	else
		return -1;
	return 1;
}

static void show(const struct nr_packet *p)
{
	printf("%u %" PRId64 " %u %u %u ", p->interface_id, p->ts_ns, p->cap_len,
	       p->wire_len, p->flags);
	for (uint32_t i = 0; i < p->cap_len && i < SHOWN; i++)
		printf("%02x", p->data[i]);
	putchar('\n');
}

static const char *text_of(char text[24], uint64_t n)
{
	if (n == UINT64_MAX)
		return "?";
	snprintf(text, 24, "%" PRIu64, n);
	return text;
}

static void report(struct nr_live_merge *m)
{
	const struct nr_live_totals *t = nr_live_merge_totals(m);

	for (unsigned i = 0; i < nr_live_merge_n_rings(m); i++) {
		char dropped[24], freezes[24];
		struct nr_live_stats s;

		nr_live_merge_stats(m, i, &s);
		printf("ring %u received %" PRIu64 " dropped %s freezes %s {%s}\n", i,
		       s.received, text_of(dropped, s.dropped),
		       text_of(freezes, s.freezes), s.detail);
	}
	printf("captured %" PRIu64 " late %" PRIu64 "\n", t->captured, t->late);
}

static int read_all(struct nr_live_merge *m, uint64_t count, double seconds,
		    struct nr_err *err)
{
	int64_t end = nr_live_now() + (int64_t)(seconds * 1e9);
	struct nr_batch *b = calloc(1, sizeof(*b));
	bool stopped = false;
	int rc = 0;

	while (!nr_live_merge_is_drained(m)) {
		int64_t now = nr_live_now();

		rc = nr_live_merge_read(m, b, NR_BATCH_MAX, err);
		if (rc < 0)
			break;
		for (unsigned i = 0; i < b->n; i++)
			show(&b->pkt[i]);
		nr_batch_release(b);
		if (rc == 0)
			nr_live_merge_wait(m, 50, NULL, 0);
		if (!stopped && (now > end ||
				 (count && nr_live_merge_totals(m)->captured >= count))) {
			nr_live_merge_stop(m, now);
			stopped = true;
		}
	}
	free(b);
	return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
	struct nr_live_options o = { .ring_size = 8 << 20, .block_timeout = 60000000 };
	struct nr_live *live[MAX_INTERFACES];
	struct nr_live_merge *m;
	struct nr_err err = { "" };
	unsigned n = 0;
	int rc = 0;

	if (argc < 5 || !nr_live_backend(argv[1])) {
		fprintf(stderr, "usage: livecat BACKEND COUNT SECONDS [KEY=VALUE…] "
				"INTERFACE…\n");
		return 2;
	}
	for (int i = 4; i < argc && !rc && n < MAX_INTERFACES; i++) {
		int is_option = option(&o, argv[i]);

		if (is_option < 0)
			return 2;
		if (!is_option)
			rc = nr_live_open(&live[n++], nr_live_backend(argv[1]), argv[i],
					  &o, &err);
	}
	if (!rc)
		rc = nr_live_merge_new(&m, live, n, o.block_timeout + 10000000, &err);
	if (rc) {
		fprintf(stderr, "livecat: %s\n", err.text);
		return 1;
	}
	for (unsigned i = 0; i < nr_live_merge_n_rings(m); i++)
		fprintf(stderr, "open: %s: %s\n", nr_live_merge_live(m, i)->name,
			nr_live_merge_live(m, i)->description);
	fprintf(stderr, "ready\n");
	rc = read_all(m, strtoull(argv[2], NULL, 10), atof(argv[3]), &err);
	report(m);
	if (rc)
		fprintf(stderr, "livecat: %s\n", err.text);
	nr_live_merge_close(m);
	return rc ? 1 : 0;
}
