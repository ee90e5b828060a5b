/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The core record types: positions of their columns and their const tables.
 *
 * NR_FLOW_src_ip is the position of column src_ip in table flow, NR_FLOW__n the number of
 * columns. nr_rt_flow is the type.
 */
#pragma once

#include "record/define.h"

enum { NR_SCHEMA_VERSION = 4 }; /* PRAGMA user_version: any change of the DDL raises it */

#define NR_T(t, table, flags, indexes, doc) NR_TABLE_DECLARE(t, table, NR_FIELDS_##t);
NR_RECORD_TYPES(NR_T)
#undef NR_T

/* All tables of a database: these, and those of the parsers (parsers/registry.c). */
extern const struct nr_record_type *const nr_record_types[];
extern const size_t nr_n_record_types;
