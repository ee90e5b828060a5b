/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole engine over a capture, its records into one sink. */
#pragma once

#include "capfile.h"

#include "engine/engine.h"

#include <sys/mman.h>

/* A file that is only in memory; path is its name until the descriptor is closed. */
__attribute__((unused)) static int mem_file(const struct buf *b, char path[64])
{
	int fd = memfd_create("capture", 0);

	assert_true(fd >= 0 && write(fd, b->p, b->n) == (ssize_t)b->n);
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static struct nr_engine_stats replay_file(const char *path,
					  const struct nr_engine_config *c,
					  struct nr_sink *sink, const atomic_int *stop)
{
	struct nr_run_info run = { .threads = c->threads ? c->threads : 1 };
	struct nr_merge_options mo = { .max_jump_ns = c->max_jump };
	struct nr_engine_stats stats;
	struct nr_engine *e;
	struct nr_merge *m;
	struct nr_err err = { "" };

	if (nr_merge_open(&m, &path, 1, &mo, &err))
		fail_msg("%s: %s", path, err.text);
	assert_int_equal(nr_engine_new(&e, c, &sink, 1, &err), 0);
	if (nr_engine_run(e, m, &run, stop, NULL, NULL, &err))
		fail_msg("%s: %s", path, err.text);
	stats = *nr_engine_stats(e);
	nr_engine_free(e);
	nr_merge_close(m);
	return stats;
}
