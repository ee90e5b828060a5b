/* SPDX-License-Identifier: BSD-3-Clause */
/* A hash of what a database says, however SQLite has laid it out. */
#pragma once

#include "base/err.h"
#include "base/text.h"

#include <sqlite3.h>

/*
 * SHA-256 as text over the schema (sqlite_schema by type and name) and every row of every
 * table (by name, then rowid): it stays the same through VACUUM and checkpoints. For each
 * table its name, for each value a letter for its type and, for text and blobs, its
 * length (8 bytes, little endian) before its bytes; integers as 8 bytes. counts (may be
 * NULL) gets the JSON object {"flow":12,…}. 0 or -errno.
 */
int nr_rows_digest(sqlite3 *db, char out[65], struct nr_buf *counts, struct nr_err *err);
