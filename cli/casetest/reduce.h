/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nrtool test --reduce: takes packets, flows and bytes away from a case for as long as it
 * fails in the same way (keys.h says what that is), by delta debugging.
 */
#pragma once

#include "casetest/packets.h"
#include "casetest/tempdir.h"

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct nr_reduce_options {
	const char *to; /* the new case's folder; NULL: that of the case with -reduced */
	int64_t timeout_ns; /* for each replay */
	bool loose;         /* the same expectations fail, however */
	bool scrub;
	bool quiet;
};

/* Returns enum nr_exit, complaints said. */
int nr_test_reduce(const struct nr_reduce_options *o, const char *dir);

/* A search under way: shared with scrub.c. */
struct nr_reduce {
	const struct nr_reduce_options *o;
	struct nr_case c;
	struct nr_packets ps;
	struct nr_tempdir tmp;
	char **key; /* of the failure, sorted; owned */
	size_t n_keys;
	bool by_death;   /* the failure is that the replay dies */
	bool by_records; /* keys of expect.jsonl, or flows, are among them */
	bool by_rows;    /* of expect.sql */
	bool renamed;    /* the options are not those of the file any more */
	unsigned replays;
	struct nr_err err; /* what ended the search early: "" none */
};

/* Does it fail in the same way with what is kept? False also once it is to end. */
bool nr_reduce_holds(struct nr_reduce *r);
/* Puts the keys in order after they were changed. */
void nr_reduce_sort(struct nr_reduce *r);
/* Zeroes payload and maps addresses, as far as the failure allows. */
void nr_reduce_scrub(struct nr_reduce *r);
