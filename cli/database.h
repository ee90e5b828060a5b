/* SPDX-License-Identifier: BSD-3-Clause */
/* Session databases as commands open them: read-only, checked to be nrtool's. */
#pragma once

#include <sqlite3.h>

/*
 * Opens the database for reading; SQL that runs stops at the first signal (nr_stop). 0,
 * or an exit status with a complaint in the name of verb; *db is to be closed in any
 * case.
 */
int nr_database_open(sqlite3 **db, const char *path, const char *verb);
