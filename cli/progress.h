/* SPDX-License-Identifier: BSD-3-Clause */
/* One line on the terminal while long work goes on; nothing where stderr is none. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct nr_progress {
	bool on;
	bool drawn;         /* a line stands on the terminal */
	int64_t started_ns; /* CLOCK_MONOTONIC */
	int64_t drawn_ns;
};

void nr_progress_init(struct nr_progress *p, bool wanted);
/* Draws at most five times a second. total 0: unknown. */
void nr_progress_draw(struct nr_progress *p, uint64_t packets, uint64_t done,
		      uint64_t total);
/* Takes the line away. */
void nr_progress_clear(struct nr_progress *p);
