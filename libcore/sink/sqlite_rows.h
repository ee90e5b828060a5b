/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rows on their way into a database: each table has a virtual one of its own,
 * nr_rows_NAME, whose rows are those of a chunk that is being inserted, and one statement
 * inserts from it. A statement for each row costs a third more: it is begun, bound, ended
 * and reset.
 *
 * The virtual tables belong to the connection and are not in the file.
 */
#pragma once

#include "sink/sqlite_db.h"

/* Makes d->tables, and what nr_db_insert() needs. 0 or -errno. */
int nr_db_prepare(struct nr_db *d, const struct nr_record_type *const *types, size_t n,
		  struct nr_err *err);
