/* SPDX-License-Identifier: BSD-3-Clause */
/* What nrtool writes, said from the record types: as DDL, as JSON, as a manual page. */
#pragma once

#include "base/text.h"
#include "record/record.h"

enum { NR_APPLICATION_ID = 0x6e72746f }; /* "nrto": PRAGMA application_id */

/* All functions append to out; types that are JSON only make no table. */

/* CREATE TABLE of one type, STRICT, with comments; ends in ";\n". */
void nr_schema_table(struct nr_buf *out, const struct nr_record_type *t);
/* ALTER TABLE … ADD COLUMN for a column that a database of an older schema lacks. */
void nr_schema_add_column(struct nr_buf *out, const struct nr_record_type *t,
			  const struct nr_field *f);
/* CREATE INDEX (IF NOT EXISTS) for each of its indexes, one a line. */
void nr_schema_indexes(struct nr_buf *out, const struct nr_record_type *t,
		       bool if_missing);
/* sql/schema.sql: pragmas, tables, indexes. */
void nr_schema_ddl(struct nr_buf *out, const struct nr_record_type *const *types,
		   size_t n);
/* One JSON object: schema_version and a list of types with their columns. */
void nr_schema_json(struct nr_buf *out, const struct nr_record_type *const *types,
		    size_t n);
/* man/nrtool-schema.5, mdoc: tables, columns, anomalies. */
void nr_schema_mdoc(struct nr_buf *out, const struct nr_record_type *const *types,
		    size_t n);
/* "integer", "boolean", "time", "text", "json", "blob" */
const char *nr_schema_type_name(enum nr_field_type t);
