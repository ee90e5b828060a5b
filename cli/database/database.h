/* SPDX-License-Identifier: BSD-3-Clause */
/* Session databases as commands open them: read-only, checked to be nrtool's. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Opens the database for reading; SQL that runs stops at the first signal (nr_stop). 0,
 * or an exit status with a complaint in the name of verb; *db is to be closed in any
 * case.
 */
int nr_database_open(sqlite3 **db, const char *path, const char *verb);
/* Whether it lacks tables or columns that this nrtool knows. */
bool nr_database_is_older(sqlite3 *db);
/*
 * Confines a verb that reads databases and archives (sandbox.h) to them and to the
 * directory of SQLite's temporary files; of a database that somebody writes (NAME-wal is
 * there) also to its directory, where SQLite keeps what readers and writers share. Call
 * it before they are opened. Exit status, 0: go on.
 */
int nr_database_confine(const char *const *paths, size_t n, const char *verb);
