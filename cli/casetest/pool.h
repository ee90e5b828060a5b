/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Children that each do one piece of work, several at a time. What one writes into its
 * file in memory outlives it, however it ends.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nr_child {
	int status;          /* as wait(2) gives it */
	bool timed_out;      /* it was killed for that */
	int64_t ns;          /* from its start to its end */
	uint64_t peak_bytes; /* resident memory at most */
	char *out, *err;     /* what it wrote, NUL behind; freed after done() */
	size_t out_len, err_len;
};

struct nr_pool {
	size_t n;
	unsigned jobs;      /* at least 1 */
	int64_t timeout_ns; /* for each child */
	/* In the child: standard input is empty, standard error kept. Its return value is
	   the exit status. */
	int (*work)(void *arg, size_t i, int out_fd);
	/* In the parent, in the order in which they end. */
	void (*done)(void *arg, size_t i, const struct nr_child *child);
	void *arg;
};

/*
 * Runs them all. 0; -EINTR where nr_stop was set: the children are killed, done() is not
 * called for them; other errors with a sentence. Call it without threads.
 */
int nr_pool_run(const struct nr_pool *p, struct nr_err *err);
/* Standard error of a child, at most so much from its end. */
enum { NR_CHILD_ERR = 16384 };
