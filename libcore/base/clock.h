/* SPDX-License-Identifier: BSD-3-Clause */
/* Times are int64_t nanoseconds; packet times are not of this clock. */
#pragma once

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC: for how long something takes, and what is due on this host. */
static inline int64_t nr_monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* t + d, of which d is not negative; INT64_MAX where that is too much. */
static inline int64_t nr_time_after(int64_t t, int64_t d)
{
	int64_t r;

	return __builtin_add_overflow(t, d, &r) ? INT64_MAX : r;
}
