/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several session databases as one, however many: SQLite itself attaches ten.
 *
 * Every table of the schema is a virtual table that walks the databases in the order
 * given; conditions, the columns in use and the order by an indexed column are handed
 * down to each, so that their indexes work. The views stand on top.
 *
 * Ids stay as they are where the databases do not share any (a rotated set, whose flow
 * ids run on). A database whose run, source or flow ids another one has is moved behind
 * them: by the offset of the database before it where that fits, else by a new one.
 * Every table has the hidden column `database`, the path as given; table `database` has
 * the offsets: id here = id in the file + offset.
 */
#pragma once

#include "base/err.h"

#include <sqlite3.h>
#include <stddef.h>

/*
 * Makes *out a connection that shows the n databases; it owns them from now on, also
 * where this fails, and closes them with itself. paths must outlive it. 0 or -errno.
 */
int nr_dbset_open(sqlite3 **out, sqlite3 **members, const char *const *paths, size_t n,
		  struct nr_err *err);
