/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loaded in front of libc: the host's clock is set SET_CLOCK_AFTER seconds after the
 * first look at it by SET_CLOCK_BY seconds. The kernel's time stamps stay.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static atomic_long began;

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *t)
{
	static int (*next)(clockid_t, struct timespec *);
	struct timespec now;
	long first = 0;
	int rc;

	if (!next)
		next = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT,
								    "clock_gettime");
	rc = next(id, t);
	if (rc || id != CLOCK_REALTIME)
		return rc;
	next(CLOCK_MONOTONIC, &now);
	if (atomic_compare_exchange_strong(&began, &first, now.tv_sec))
		first = now.tv_sec;
	if (now.tv_sec - first >= atol(getenv("SET_CLOCK_AFTER")))
		t->tv_sec += atol(getenv("SET_CLOCK_BY"));
	return 0;
}
