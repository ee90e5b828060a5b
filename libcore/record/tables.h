/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core record types: positions of their columns and their const tables.
 *
 * NR_FLOW_src_ip is the position of column src_ip in table flow, NR_FLOW__n the number of
 * columns. nr_rt_flow is the type.
 */
#pragma once

#include "record/fields.h"
#include "record/record.h"

enum { NR_SCHEMA_VERSION = 3 }; /* PRAGMA user_version: any change of the DDL raises it */

#define NR_X(t, col, type, flags, refs, unit, values, doc) NR_##t##_##col,
#define NR_T(t, table, flags, indexes, doc)                                              \
	enum nr_##table##_field{ NR_FIELDS_##t(NR_X, t) NR_##t##__n };                   \
	extern const struct nr_record_type nr_rt_##table;
NR_RECORD_TYPES(NR_T)
#undef NR_T
#undef NR_X

/* All tables of a database: these, and those of the parsers (parsers/registry.c). */
extern const struct nr_record_type *const nr_record_types[];
extern const size_t nr_n_record_types;
