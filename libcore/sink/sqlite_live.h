/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session database that is read while it is written: what capture makes.
 *
 * It has its final name from the beginning and is in WAL mode while it is open, so that
 * readers see the last commit. Rows with a key replace those before them: run, source,
 * interface and flow are renewed while they last. When it is finished it gets its
 * indexes, is checked, and becomes one file without a log (journal DELETE). Where a
 * reader stays all the while it is left in WAL mode, which is no failure.
 */
#pragma once

#include "sink/sqlite_db.h"

/* As nr_db_open(), which calls it where options.live is set. */
int nr_db_open_live(struct nr_db *d, const struct nr_sink_options *o,
		    const struct nr_record_type *const *types, size_t n,
		    struct nr_err *err);
/* Ends the transaction and begins another: readers see all rows from now on. `sync`:
   they outlive a loss of power. */
int nr_db_commit(struct nr_db *d, bool sync, struct nr_err *err);
/* Bytes of the database, with what is not committed yet. 0: not known. */
uint64_t nr_db_bytes(struct nr_db *d);
/* Removes rows whose flow has none: *n gets how many. */
int nr_db_drop_orphans(struct nr_db *d, uint64_t *n, struct nr_err *err);
int nr_db_finish_live(struct nr_db *d, struct nr_err *err);
