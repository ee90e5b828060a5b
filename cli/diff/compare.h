/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two session databases compared by what they say, not by how rows are numbered.
 *
 * Sources are matched by hash, else name, else order. Flows by key (protocol, addresses
 * and ports of either side, VLANs, tunnel) and time; then by key; then by the time of
 * their first packet. Rows that belong to a flow under it, by place (source, packet, or
 * time) and content; all else by what identifies it. Whatever refers to flows and sources
 * is compared by what is meant. Columns that number things (flow_id, source_id, run_id of
 * their own tables) are not compared, table run and the tables that describe the
 * container only when asked for; an older database over the tables and columns that both
 * have.
 *
 * Sorts and merges on disk (files of SQLite in its directory for temporary ones): memory
 * does not grow with the databases, time as n log n.
 */
#pragma once

#include "diff/differences.h"

#include "base/err.h"

#include <sqlite3.h>
#include <stdatomic.h>

struct nr_compare_options {
	const char *const *ignore; /* "COLUMN", "TABLE.COLUMN", "TABLE.*" */
	size_t n_ignore;
	int64_t tolerance_ns; /* times and durations (unit ns) may differ by as much */
	bool containers;      /* compare what describes the container too */
	bool runs;            /* and table run */
	/* Is a table to be compared at all? NULL: all are. */
	bool (*want)(void *arg, const struct nr_record_type *t);
	/* Told once for each table (field NULL) and column that only one side has. */
	void (*skipped)(void *arg, const struct nr_record_type *t,
			const struct nr_field *field, bool only_in_a);
	void *arg;
	const atomic_int *stop; /* ends it with -EINTR when it is not 0; NULL: nothing */
};

/* Is word one that `ignore` may hold? 0, or -EINVAL with a sentence. */
int nr_compare_check_ignore(const char *word, struct nr_err *err);

/*
 * Adds to d what differs between a and b: two connections, each to a database of this
 * schema or an older one as `main`, whose functions and cache this may set. 0, or -errno
 * with a sentence, where d may hold only a part.
 */
int nr_compare(sqlite3 *a, sqlite3 *b, const struct nr_compare_options *o,
	       struct nr_differences *d, struct nr_err *err);
