/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/schema.h"

#include "record/anomaly.h"
#include "record/tables.h"

#include <string.h>

static const char *sql_type(enum nr_field_type t)
{
	switch (t) {
	case NR_F_INT:
	case NR_F_BOOL:
	case NR_F_TIME:
		return "INTEGER";
	case NR_F_TEXT:
	case NR_F_JSON:
		return "TEXT";
	case NR_F_BLOB:
		return "BLOB";
	}
	return "ANY";
}

/* The doc sentence with the unit and the closed list of values behind it. */
static void put_doc(struct nr_buf *out, const struct nr_field *f)
{
	nr_buf_str(out, f->doc);
	if (f->unit)
		nr_buf_printf(out, " [%s]", f->unit);
	if (!f->values)
		return;
	nr_buf_str(out, ":");
	for (const char *const *v = f->values; *v; v++)
		nr_buf_printf(out, " %s", *v);
}

static void put_key(struct nr_buf *out, const struct nr_record_type *t)
{
	const char *sep = "";

	nr_buf_str(out, "\tPRIMARY KEY (");
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (!(t->fields[i].flags & NR_F_KEY))
			continue;
		nr_buf_printf(out, "%s%s", sep, t->fields[i].name);
		sep = ", ";
	}
	nr_buf_str(out, ")\n");
}

void nr_schema_table(struct nr_buf *out, const struct nr_record_type *t)
{
	bool rowid = t->flags & NR_R_ROWID_KEY, keyed = false;

	nr_buf_printf(out, "CREATE TABLE %s ( -- %s\n", t->name, t->doc);
	for (unsigned i = 0; i < t->n_fields; i++)
		keyed |= !rowid && (t->fields[i].flags & NR_F_KEY);
	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct nr_field *f = &t->fields[i];

		nr_buf_printf(out, "\t%s %s", f->name, sql_type(f->type));
		if (rowid && f->flags & NR_F_KEY)
			nr_buf_str(out, " PRIMARY KEY");
		else if (f->flags & NR_F_NOT_NULL)
			nr_buf_str(out, " NOT NULL");
		if (f->references)
			nr_buf_printf(out, " REFERENCES %s", f->references);
		nr_buf_str(out, i + 1 < t->n_fields || keyed ? ", -- " : " -- ");
		put_doc(out, f);
		nr_buf_char(out, '\n');
	}
	if (keyed)
		put_key(out, t);
	nr_buf_str(out, ") STRICT;\n");
}

/* Without NOT NULL: rows of older runs do not have it. */
void nr_schema_add_column(struct nr_buf *out, const struct nr_record_type *t,
			  const struct nr_field *f)
{
	nr_buf_printf(out, "ALTER TABLE %s ADD COLUMN %s %s", t->name, f->name,
		      sql_type(f->type));
	if (f->references)
		nr_buf_printf(out, " REFERENCES %s", f->references);
	nr_buf_str(out, ";\n");
}

void nr_schema_indexes(struct nr_buf *out, const struct nr_record_type *t,
		       bool if_missing)
{
	if (!t->indexes || t->flags & NR_R_JSON_ONLY)
		return;
	for (const char *const *ix = t->indexes; *ix; ix++) {
		const char *where = strstr(*ix, " WHERE ");
		size_t columns = where ? (size_t)(where - *ix) : strlen(*ix);

		nr_buf_printf(out, "CREATE INDEX %s%s_by_",
			      if_missing ? "IF NOT EXISTS " : "", t->name);
		for (size_t i = 0; i < columns; i++) { /* a, b -> a_b */
			if ((*ix)[i] != ' ')
				nr_buf_char(out, (*ix)[i] == ',' ? '_' : (*ix)[i]);
		}
		nr_buf_printf(out, " ON %s (%.*s)%s;\n", t->name, (int)columns, *ix,
			      where ? where : "");
	}
}

void nr_schema_ddl(struct nr_buf *out, const struct nr_record_type *const *types,
		   size_t n)
{
	nr_buf_str(out, "-- The session database of nrtool. Generated from the record "
			"tables: do not edit.\n");
	nr_buf_printf(out, "PRAGMA application_id = %d; -- nrto\n", NR_APPLICATION_ID);
	nr_buf_printf(out, "PRAGMA user_version = %d;\n", NR_SCHEMA_VERSION);
	for (size_t i = 0; i < n; i++) {
		if (types[i]->flags & NR_R_JSON_ONLY)
			continue;
		nr_buf_char(out, '\n');
		nr_schema_table(out, types[i]);
	}
	nr_buf_char(out, '\n');
	for (size_t i = 0; i < n; i++)
		nr_schema_indexes(out, types[i], false);
}

const char *nr_schema_type_name(enum nr_field_type t)
{
	static const char *const names[] = {
		[NR_F_INT] = "integer", [NR_F_BOOL] = "boolean", [NR_F_TIME] = "time",
		[NR_F_TEXT] = "text",   [NR_F_JSON] = "json",    [NR_F_BLOB] = "blob",
	};

	return names[t];
}

static void json_pair(struct nr_buf *out, const char *key, const char *value)
{
	if (!value)
		return;
	nr_buf_printf(out, ",\"%s\":", key);
	nr_buf_json(out, value, strlen(value));
}

static void json_field(struct nr_buf *out, const struct nr_field *f)
{
	const char *sep = "";

	nr_buf_str(out, "{\"name\":");
	nr_buf_json(out, f->name, strlen(f->name));
	json_pair(out, "type", nr_schema_type_name(f->type));
	json_pair(out, "sqlite_type", sql_type(f->type));
	if (f->flags & NR_F_KEY)
		nr_buf_str(out, ",\"key\":true");
	if (f->flags & NR_F_NOT_NULL)
		nr_buf_str(out, ",\"not_null\":true");
	json_pair(out, "references", f->references);
	json_pair(out, "unit", f->unit);
	json_pair(out, "doc", f->doc);
	if (f->values) {
		nr_buf_str(out, ",\"values\":[");
		for (const char *const *v = f->values; *v; v++, sep = ",") {
			nr_buf_str(out, sep);
			nr_buf_json(out, *v, strlen(*v));
		}
		nr_buf_char(out, ']');
	}
	nr_buf_char(out, '}');
}

void nr_schema_json(struct nr_buf *out, const struct nr_record_type *const *types,
		    size_t n)
{
	nr_buf_printf(out, "{\"schema_version\":%d,\"types\":[", NR_SCHEMA_VERSION);
	for (size_t i = 0; i < n; i++) {
		const struct nr_record_type *t = types[i];

		nr_buf_printf(out, "%s{\"name\":", i ? "," : "");
		nr_buf_json(out, t->name, strlen(t->name));
		json_pair(out, "doc", t->doc);
		if (t->flags & NR_R_JSON_ONLY)
			nr_buf_str(out, ",\"json_only\":true");
		nr_buf_str(out, ",\"columns\":[");
		for (unsigned k = 0; k < t->n_fields; k++) {
			if (k)
				nr_buf_char(out, ',');
			json_field(out, &t->fields[k]);
		}
		nr_buf_str(out, "]}");
	}
	nr_buf_str(out, "],\"anomalies\":[");
	for (int k = 0; k < NR_N_ANOMALIES; k++) {
		const struct nr_anomaly_info *a = &nr_anomaly_info[k];

		nr_buf_printf(out, "%s{\"kind\":", k ? "," : "");
		nr_buf_json(out, a->name, strlen(a->name));
		json_pair(out, "severity", nr_severity_name(a->severity));
		json_pair(out, "doc", a->doc);
		nr_buf_char(out, '}');
	}
	nr_buf_str(out, "]}\n");
}
