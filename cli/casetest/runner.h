/* SPDX-License-Identifier: BSD-3-Clause */
/* Cases found, run and reported: what `nrtool test DIR…` does. */
#pragma once

#include "options.h"

#include <stdbool.h>
#include <stdint.h>

struct nr_test_options {
	uint64_t jobs; /* 0: as many as CPUs */
	int64_t timeout_ns;
	struct nr_list filters;
	uint64_t max_differences;
	const char *junit;
	bool tap, update, no_skip, quiet;
};

/* Returns enum nr_exit. */
int nr_test_run(const struct nr_test_options *o, char *const *dirs, int n);
