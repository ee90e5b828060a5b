/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of JSON as nrtool writes it, back into a record. */
#pragma once

#include "record/record.h"

enum nr_row_verdict {
	NR_ROW_OK,
	NR_ROW_UNKNOWN, /* no type of that name */
	NR_ROW_BAD,     /* no object, a value that its column cannot hold, … */
};

/* The name behind {"type":" at the line's beginning: its length, 0 where there is none.
 */
size_t nr_row_type(const char *line, size_t n, const char **name);

/*
 * Parses one line (without line feed) into a new record whose texts lie in the arena or
 * in the line. Keys that are no column ("ts", a flow's 5-tuple in records of a session)
 * are passed over. On BAD *why (may be NULL) says what is wrong.
 */
enum nr_row_verdict nr_row_parse(const char *line, size_t n,
				 const struct nr_record_type *const *types,
				 size_t n_types, struct nr_records *rs,
				 struct nr_record **out, const char **why);
