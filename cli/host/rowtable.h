/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows that a command makes itself, written as those of a query are (rows.h). */
#pragma once

#include "database/rows.h"

#include "base/err.h"

#include <stdint.h>

struct nr_rowtable;

/* columns: names, separated by commas, as in SQL. 0 or -ENOMEM. */
int nr_rowtable_new(struct nr_rowtable **out, const char *columns, struct nr_err *err);
/* Values of the row that nr_rowtable_add() ends, by column from 0; unset ones are NULL.
 */
void nr_rowtable_text(struct nr_rowtable *t, int column, const char *s);
void nr_rowtable_int(struct nr_rowtable *t, int column, int64_t v);
void nr_rowtable_add(struct nr_rowtable *t);
/* Writes all rows, in the order in which they came; of the columns those named. */
int nr_rowtable_write(struct nr_rowtable *t, const char *columns,
		      enum nr_row_format format, bool full, FILE *f, struct nr_err *err);
void nr_rowtable_free(struct nr_rowtable *t); /* NULL is fine */
