/* SPDX-License-Identifier: BSD-3-Clause */
/* One child, and what it wrote: for what runs a case outside of a report. */
#pragma once

#include "casetest/pool.h"

/*
 * Runs work(arg, 0, out_fd) in a child as nr_pool_run() does. out is what it left, owned
 * by the caller: nr_child_fini(). 0, or what nr_pool_run() says.
 */
int nr_child_run(struct nr_child *out, int (*work)(void *arg, size_t i, int out_fd),
		 void *arg, int64_t timeout_ns, struct nr_err *err);
void nr_child_fini(struct nr_child *c);
/* How it died, as a sentence without a full stop: "SIGSEGV (Segmentation fault)", … */
const char *nr_child_death(const struct nr_child *c, char out[64]);
/* All of p to fd; an exit status for a child: 0, or 1 where it cannot be written. */
int nr_child_write(int fd, const void *p, size_t n);
