/* SPDX-License-Identifier: BSD-3-Clause */
/* What extract is to take out of a database: flows by id, by SQL, by Community ID. */
#pragma once

#include "base/err.h"
#include "options.h"
#include "recall/recall.h"

#include <sqlite3.h>

struct nr_selection {
	const char *where; /* a condition on flow_v, or a SELECT; NULL: none */
	struct nr_list flows, community_ids;
	bool carriers; /* the flows that carry the chosen ones, too */
};

struct nr_selected {
	int64_t *flow_id; /* the flows, carriers included, in order */
	size_t n;
};

/*
 * Fills *out (free its list with nr_free()) and adds what is selected to r: flows, by a
 * SELECT with columns source_id and packet single packets. 0; -EINVAL where a word or the
 * SQL is wrong; -ENOENT where --flow names none; else as nr_recall_add_flow().
 */
int nr_select(struct nr_selected *out, struct nr_recall *r, sqlite3 *db,
	      const struct nr_selection *s, struct nr_err *err);
