/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What parsers have found out of things that come again and again (certificates): a byte
 * for a SHA-256. A parser that knows need not look again; what it writes must be the same
 * with and without: rows with NR_R_FIRST may be left out, all else not.
 *
 * One for each shard of the flow table, so that what is written does not depend on
 * threads. At most NR_MEMO_MAX keys are remembered, the first ones.
 */
#pragma once

#include <stdint.h>

enum { NR_MEMO_MAX = 2048, NR_MEMO_KEY = 32 };

struct nr_memo;

struct nr_memo *nr_memo_new(void);
void nr_memo_free(struct nr_memo *m); /* NULL is fine */
/* The byte, or -1. m NULL: nothing is known. */
int nr_memo_get(const struct nr_memo *m, const uint8_t key[NR_MEMO_KEY]);
void nr_memo_set(struct nr_memo *m, const uint8_t key[NR_MEMO_KEY], uint8_t value);
