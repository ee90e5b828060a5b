/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole engine: decoder, defragmenter, flow table, sessions, records; as harness
 * `flows` without the sessions.
 *
 * Input: options (1), link type (1), then packets, each: time step (2, signed, scaled by
 * its own size), wire length beyond the captured (2), captured length (2), bytes. They
 * become a pcap file in memory that is replayed twice, with batches of 1 and of 256: the
 * ledger must add up, and the records must be the same. While libFuzzer explores, seven
 * of eight inputs are replayed once: setting up an engine is most of their time.
 */
#include "../sum.h"
#include "twice.h"

#include "base/cursor.h"
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* In place of libc's: the same key each time, so that the same input runs the same way.
 */
ssize_t getrandom(void *p, size_t n, unsigned flags)
{
	(void)flags;
	memset(p, 0x5a, n);
	return (ssize_t)n;
}

struct hasher {
	uint64_t h;
};

static int hash_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		      struct nr_err *err)
{
	struct hasher *x = (struct hasher *)s->ctx;

	(void)err;
	for (size_t i = 0; i < n; i++)
		x->h = sum_record(x->h, r[i]);
	return 0;
}

static const struct nr_sink_ops hash_ops = { .name = "hash",
					     .ctx_size = sizeof(struct hasher),
					     .write = hash_write };

static void put(FILE *f, const void *p, size_t n)
{
	if (fwrite(p, 1, n, f) != n)
		abort();
}

static void put32(FILE *f, uint32_t v)
{
	put(f, &v, 4);
}

/* A nanosecond pcap of the packets in c. */
static void write_pcap(FILE *f, struct nr_cursor *c)
{
	static const uint8_t link_types[] = { 1,   0,   101, 113, 105, 127, 9,   50, 51,
					      107, 100, 228, 229, 108, 239, 117, 10, 6 };
	unsigned link_type = link_types[nr_get_u8(c) % sizeof(link_types)];
	int64_t t = 1000000000000ll;

	put32(f, 0xa1b23c4d);
	put32(f, 4u << 16 | 2);
	put32(f, 0);
	put32(f, 0);
	put32(f, 65535);
	put32(f, link_type);
	while (nr_left(c) >= 6) {
		int64_t step = (int16_t)nr_get_be16(c);
		uint32_t beyond = nr_get_be16(c), len = nr_get_be16(c);
		const uint8_t *p;

		if (len > nr_left(c))
			len = (uint32_t)nr_left(c);
		p = nr_get(c, len);
		t += step * (step < 0 ? -step : step) * 1000;
		if (t < 0)
			t = 0;
		put32(f, (uint32_t)(t / 1000000000));
		put32(f, (uint32_t)(t % 1000000000));
		put32(f, len);
		put32(f, len + (beyond & 1 ? beyond : 0));
		if (len)
			put(f, p, len);
	}
}

static uint64_t replay(const char *path, unsigned options, unsigned batch)
{
	struct nr_sink *sink = calloc(1, sizeof(*sink) + sizeof(struct hasher));
	struct nr_run_info info = { .threads = 1 };
	struct nr_merge_options mo = { 0 };
	struct nr_engine_config c;
	struct nr_engine *e;
	struct nr_merge *m;
	struct nr_err err = { 0 };
	uint64_t h;
	int rc;

	nr_engine_config_defaults(&c);
	c.batch = batch;
	c.checksums = options % 3;
	c.dedup_window = options & 4 ? 16 : 0;
	c.no_vlan_key = options & 8;
	c.no_flip = options & 16;
	c.overlap = (options >> 5) % 6;
	c.flow_start = options & 128;
#ifdef NR_FUZZ_NO_SESSIONS
	c.no_sessions = true;
#endif
	c.max_flows = NR_BATCH_MAX; /* the smallest cap: evictions happen */
	mo.max_jump_ns = c.max_jump;
	if (!sink)
		abort();
	sink->ops = &hash_ops;
	if (nr_merge_open(&m, &path, 1, &mo, &err) < 0 ||
	    nr_engine_new(&e, &c, &sink, 1, &err) < 0)
		abort();
	rc = nr_engine_run(e, m, &info, NULL, NULL, NULL, &err);
	if (rc) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	h = ((struct hasher *)sink->ctx)->h;
	nr_engine_free(e);
	nr_merge_close(m);
	free(sink);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct nr_cursor c = nr_cursor(data, n);
	unsigned options = nr_get_u8(&c);
	int fd = memfd_create("fuzz", 0);
	char path[64];
	FILE *f;

	if (n > 1 << 16 || fd < 0) {
		close(fd);
		return 0;
	}
	f = fdopen(fd, "wb");
	if (!f)
		abort();
	write_pcap(f, &c);
	fflush(f);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!is_run_twice(data, n)) {
		replay(path, options, n % 2 ? 1 : 256);
	} else if (replay(path, options, 1) != replay(path, options, 256)) {
		fprintf(stderr, "the records depend on the size of batches\n");
		abort();
	}
	fclose(f);
	return 0;
}
