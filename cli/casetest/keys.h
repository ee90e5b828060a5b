/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What makes a failure the same failure when packets are taken away: each thing that
 * differs as a text, a key. Where a record stands (ids, packet numbers, times) is left
 * out of it, as that changes with every packet that goes.
 *
 *     query NAME + | a row | that is not expected |
 *     query NAME - | a row | that is missing |
 *     line 7 reply_code=550        a record beside line 7 of expect.jsonl differs so
 *     line 7 is missing
 *     record {…}                   one that is not expected
 *     flow tcp 10.0.0.1 …          there is such a flow, with as many packets and bytes
 *     exit 3
 */
#pragma once

#include "casetest/compare.h"

/* Is it where something stands, and not what it is? */
bool nr_is_place(const char *key);

enum nr_keys_mode {
	NR_KEYS_FIRST, /* of the whole capture: flows only of rows that are missing */
	NR_KEYS_AGAIN, /* of a part of it: all flows, so that those can be found */
	NR_KEYS_LOOSE, /* the expectation alone: "query NAME", "line 7", "record" */
};

/*
 * The keys of all that differs, as frames NR_FOUND_KEY; NR_FOUND_BROKEN where the SQL is
 * wrong. Sets no_places in c.
 */
void nr_keys(struct nr_case *c, struct nr_case_got *got, enum nr_keys_mode mode,
	     struct nr_findings *f);

/* The single keys; in the arena. */
char *nr_key_row(const struct nr_expect_query *q, char sign, const struct nr_rows *r,
		 const char *const *cell, struct nr_arena *a);
char *nr_key_line(const struct nr_expect_jsonl *e, const struct nr_expect_line *want,
		  const struct nr_case_line *have, struct nr_arena *a);
