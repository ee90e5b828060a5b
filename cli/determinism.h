/* SPDX-License-Identifier: BSD-3-Clause */
/* replay --verify-determinism: the same files several times, with other threads and
   batches, and whether the records were the same. */
#pragma once

#include "engine/engine.h"

enum { NR_DETERMINISM_RUNS = 8 }; /* filters that are needed, see below */

/*
 * Replays the n files; says what came out on stdout (quiet: only what differs), what
 * differs first on stderr. filters: as many as NR_DETERMINISM_RUNS compiled ones, used up
 * (set to NULL), or NULL. Returns an exit status: 0 equal, NR_EXIT_DIFFERENT,
 * NR_EXIT_FAILED; with damaged inputs NR_EXIT_DAMAGED for 0.
 */
int nr_determinism(const struct nr_engine_config *c, struct nr_filter **filters,
		   char *const *files, int n, bool quiet);
