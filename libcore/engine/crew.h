/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that take tasks together: one hands them out, all work on them, and it goes on
 * when the last is done. What was written before is seen by every task, what tasks wrote
 * is seen afterwards. Signals reach none but the one that hands out.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

struct nr_crew;

/* n threads in all, the caller's too; n >= 1. Fewer where the system gives no more. */
struct nr_crew *nr_crew_new(unsigned n);
void nr_crew_free(struct nr_crew *c);
unsigned nr_crew_size(const struct nr_crew *c);
/*
 * Calls task(arg, 0 … n - 1), each once, from any thread, in that order as threads become
 * free. The caller itself calls first(arg), if not NULL, and then takes tasks too.
 */
void nr_crew_run(struct nr_crew *c, void (*first)(void *arg),
		 void (*task)(void *arg, unsigned i), unsigned n, void *arg);
/* Nanoseconds that the caller waited for others, in all. */
uint64_t nr_crew_waited(const struct nr_crew *c);
