/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SQLite's temporary files (sorting for indexes) in the directory of the output.
 *
 * SQLite's own settings for this are global to the process; this is a thin VFS around the
 * default one that names temporary files and passes everything else on.
 */
#pragma once

#include <sqlite3.h>

struct nr_sqlite_vfs;

/* tmp is the path for temporary files, each removed as soon as it is open. */
struct nr_sqlite_vfs *nr_sqlite_vfs_new(const char *tmp);
const char *nr_sqlite_vfs_name(const struct nr_sqlite_vfs *v); /* for sqlite3_open_v2() */
/* Only after the connection is closed. NULL is fine. */
void nr_sqlite_vfs_free(struct nr_sqlite_vfs *v);
