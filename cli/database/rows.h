/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows of a query in the forms that `nrtool query --format` names. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>

enum nr_row_format {
	NR_ROWS_TABLE,
	NR_ROWS_CSV,
	NR_ROWS_JSONL,
	NR_ROWS_JSON,
	NR_ROWS_MARKDOWN
};
extern const char *const nr_row_formats[]; /* their names, NULL-terminated */

/*
 * Steps st to its end and writes the rows to f. Returns SQLITE_DONE, or SQLite's code.
 * Text never carries control characters to a terminal: the table escapes them, CSV and
 * Markdown too, JSON by its own rules. CSV cells that a spreadsheet would run get a '
 * in front. full: the table does not shorten wide values.
 */
int nr_rows_write(sqlite3_stmt *st, enum nr_row_format format, bool full, FILE *f);
