/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One side of `nrtool diff`: a session database, an archive of events or JSON lines, or a
 * directory of these as one (a rotated set). Databases are opened, and what they say is
 * fixed, before the sandbox; archives are read, and sets put together, within it.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct nr_diff_side {
	const char *path;
	char **files; /* of a directory, in order of their names; else NULL */
	size_t n;     /* of files */
	sqlite3 **member;
	sqlite3 *db;     /* what to compare, once loaded */
	bool is_damaged; /* an archive is, and stderr says how */
};

/* Both return 0, or an exit status with a complaint; close it in any case. */
int nr_diff_side_open(struct nr_diff_side *s, const char *path);
int nr_diff_side_load(struct nr_diff_side *s);
void nr_diff_side_close(struct nr_diff_side *s);
