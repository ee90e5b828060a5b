/* SPDX-License-Identifier: BSD-3-Clause */
/* Session databases as commands open them: read-only, checked to be nrtool's. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * sqlite3_open_v2() for reading, whatever the path (one that begins with "file:" too).
 * One that was closed with its header naming a log (-wal) that is not there any more is
 * read as a file that nobody changes, also where nothing can be written beside it.
 */
int nr_database_open_file(sqlite3 **db, const char *path);
/*
 * Opens the database for reading; SQL that runs stops at the first signal (nr_stop). 0,
 * or an exit status with a complaint in the name of verb; *db is to be closed in any
 * case.
 */
int nr_database_open(sqlite3 **db, const char *path, const char *verb);
/* Where SQLite keeps its "-wal" or "-shm": beside what a link leads to. To be freed. */
char *nr_database_beside(const char *path, const char *ending);
/* Whether it lacks tables or columns that this nrtool knows. */
bool nr_database_is_older(sqlite3 *db);
/*
 * Confines a verb that reads databases and archives (sandbox.h) to them and to the
 * directory of SQLite's temporary files; of a database that somebody writes (NAME-wal is
 * there) also to its directory, where SQLite keeps what readers and writers share. Call
 * it before they are opened. Exit status, 0: go on.
 */
int nr_database_confine(const char *const *paths, size_t n, const char *verb);
