/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Of rows with the same key only the first is kept (NR_R_FIRST): which keys were there.
 *
 * Rows come in the run's one order, so what is first does not depend on threads or
 * batches. At most NR_FIRSTS_MAX keys are remembered; beyond, a row may be repeated in
 * JSON lines (SQLite's primary key still keeps the first).
 */
#pragma once

#include "base/hash.h"
#include "record/record.h"

#include <stdbool.h>

enum { NR_FIRSTS_MAX = 1 << 18 };

struct nr_firsts;

/* key: a secret, so that nobody can craft collisions. */
struct nr_firsts *nr_firsts_new(struct nr_siphash_key key);
void nr_firsts_free(struct nr_firsts *f);
/* Whether r's key is new; it then is not any more. r->type has NR_R_FIRST. */
bool nr_firsts_is_new(struct nr_firsts *f, const struct nr_record *r);
/* Drops all rows from rs that are not first; returns how many. */
size_t nr_firsts_drop(struct nr_firsts *f, struct nr_records *rs);
