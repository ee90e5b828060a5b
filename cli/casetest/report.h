/* SPDX-License-Identifier: BSD-3-Clause */
/* What `nrtool test` says of its cases: to a person, as TAP, as JUnit's XML. */
#pragma once

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdio.h>

enum nr_verdict {
	NR_VERDICT_PASSED,
	NR_VERDICT_FAILED, /* something differs, or the child died */
	NR_VERDICT_BROKEN, /* the case is wrong */
	NR_VERDICT_SKIPPED,
	NR_VERDICT_UPDATED,
	NR_N_VERDICTS
};

/* One case that is done. */
struct nr_outcome {
	const char *path;
	enum nr_verdict verdict;
	struct nr_buf text; /* lines of what there is to say, without their indentation;
			       a difference, then lines that begin with a blank */
	int64_t ns;
	uint64_t peak_bytes;
};

struct nr_tally {
	unsigned n[NR_N_VERDICTS];
	int64_t ns;
};

/* Columns for the names: of all cases, before the first line. */
void nr_report_case(FILE *f, const struct nr_outcome *o, int width, bool quiet);
void nr_report_sum(FILE *f, const struct nr_tally *t);

void nr_report_tap_plan(FILE *f, size_t n);
void nr_report_tap(FILE *f, const struct nr_outcome *o, size_t number);

/* The whole file; 0 or -errno with a sentence. */
int nr_report_junit(const char *path, const struct nr_outcome *o, size_t n,
		    const struct nr_tally *t, struct nr_err *err);
