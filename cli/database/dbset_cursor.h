/* SPDX-License-Identifier: BSD-3-Clause */
/* What dbset.c and the virtual table of its tables share. */
#pragma once

#include "record/record.h"

#include <sqlite3.h>

/* The ids that are moved apart. */
enum nr_dbset_id { NR_DBSET_RUN, NR_DBSET_SOURCE, NR_DBSET_FLOW, NR_DBSET_NO_ID };

struct nr_dbset_member {
	sqlite3 *db;
	const char *path;
	/* ids as the set shows them, lo > hi where there is none; the file's: - offset */
	int64_t lo[NR_DBSET_NO_ID], hi[NR_DBSET_NO_ID];
	int64_t offset[NR_DBSET_NO_ID];
	bool goes_on; /* a later file of a rotated set: rows may name earlier ones' */
};

struct nr_dbset {
	struct nr_dbset_member *m;
	size_t n;
};

/* Which kind of id a column holds. */
enum nr_dbset_id nr_dbset_id_of(const struct nr_record_type *t, unsigned field);

/* CREATE VIRTUAL TABLE x USING nrtool_set(table); client data: struct nr_dbset. */
extern const sqlite3_module nr_dbset_module;
