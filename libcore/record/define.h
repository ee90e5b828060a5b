/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes a table from its list of columns, in record/fields.h or in a parser's own file.
 *
 * FIELDS(X, T) has the shape of the lists in record/fields.h and begins with
 * NR_FIELDS_SESSION(X, T). NR_TABLE_DECLARE makes the positions (NR_DNS_query_name,
 * NR_DNS__n) and declares nr_rt_dns; NR_TABLE_DEFINE defines it.
 */
#pragma once

#include "record/fields.h"
#include "record/record.h"

#define NR_TABLE_POSITION(t, col, type, flags, refs, unit, values, doc) NR_##t##_##col,
#define NR_TABLE_FIELD(t, col, ty, fl, refs, un, vals, d)                                \
	{ .name = #col,                                                                  \
	  .type = NR_F_##ty,                                                             \
	  .flags = (fl),                                                                 \
	  .references = refs,                                                            \
	  .unit = un,                                                                    \
	  .doc = d,                                                                      \
	  .values = vals },

#define NR_TABLE_DECLARE(T, table, FIELDS)                                               \
	enum nr_##table##_field{ FIELDS(NR_TABLE_POSITION, T) NR_##T##__n };             \
	extern const struct nr_record_type nr_rt_##table

/* idx: NULL-terminated list of column lists, or NULL. */
#define NR_TABLE_DEFINE(T, table, fl, idx, d, FIELDS)                                    \
	static const struct nr_field nr_fields_##table[] = { FIELDS(NR_TABLE_FIELD,      \
								    T) };                \
	const struct nr_record_type nr_rt_##table = {                                    \
		.name = #table,                                                          \
		.doc = d,                                                                \
		.flags = (fl),                                                           \
		.n_fields = NR_##T##__n,                                                 \
		.fields = nr_fields_##table,                                             \
		.indexes = idx,                                                          \
	}
