/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool schema: the tables, said from the record types. */
#include "cli.h"

#include "record/schema.h"
#include "record/tables.h"

#include <string.h>

struct schema {
	int format;
};

enum { TEXT, SQL, JSON, MDOC };
static const char *const format_values[] = { "text", "sql", "json", "mdoc", NULL };

static const struct nr_option schema_options[] = {
	{ "format", 0, NR_OPT_ENUM, "FORMAT", NR_OPT(schema, format), "text",
	  .values = format_values, .help = "how to say it" },
};

static const char *type_name(const void *arg, size_t i)
{
	(void)arg;
	return nr_record_types[i]->name;
}

static const struct nr_record_type *const *find_type(const char *name)
{
	for (size_t i = 0; i < nr_n_record_types; i++)
		if (!strcmp(nr_record_types[i]->name, name))
			return &nr_record_types[i];
	return NULL;
}

static const char *type_text(enum nr_field_type t)
{
	switch (t) {
	case NR_F_INT:
		return "integer";
	case NR_F_BOOL:
		return "0 or 1";
	case NR_F_TIME:
		return "time";
	case NR_F_TEXT:
		return "text";
	case NR_F_JSON:
		return "JSON";
	case NR_F_BLOB:
		return "blob";
	}
	return "";
}

/* Words of s from column `at` on, broken at 80. */
static void put_words(const char *s, size_t at)
{
	size_t column = at;

	while (*s) {
		size_t n = strcspn(s, " ");

		if (column > at && column + 1 + n > 79) {
			printf("\n%*s", (int)at, "");
			column = at;
		} else if (column > at) {
			putchar(' ');
			column++;
		}
		fwrite(s, 1, n, stdout);
		column += n;
		s += n + (s[n] == ' ');
	}
	putchar('\n');
}

static void put_type(const struct nr_record_type *t)
{
	struct nr_buf values = { 0 };

	printf("%s%s\n    ", t->name,
	       t->flags & NR_R_JSON_ONLY ? " (JSON lines only)" : "");
	put_words(t->doc, 4);
	for (unsigned i = 0; i < t->n_fields; i++) {
		const struct nr_field *f = &t->fields[i];

		printf("    %-20s %-8s ", f->name, type_text(f->type));
		put_words(f->doc, 34);
		if (!f->values)
			continue;
		nr_buf_clear(&values);
		nr_buf_str(&values, "one of:");
		for (size_t k = 0; f->values[k]; k++)
			nr_buf_printf(&values, " %s", f->values[k]);
		printf("%34s", "");
		put_words(values.p, 34);
	}
	nr_buf_fini(&values);
}

static int schema_run(const struct nr_call *call)
{
	const struct schema *c = call->config;
	const struct nr_record_type *const *types = nr_record_types;
	size_t n = nr_n_record_types;
	struct nr_buf b = { 0 };

	if (call->n) {
		const char *near;

		types = find_type(call->operands[0]);
		n = 1;
		if (!types) {
			near = nr_nearest(call->operands[0], type_name, NULL,
					  nr_n_record_types);
			return nr_complain(
				NR_EXIT_USAGE, "schema",
				near ? "there is no table '%s'; did you mean '%s'?"
				     : "there is no table '%s'",
				call->operands[0], near);
		}
	}
	switch (c->format) {
	case SQL:
		for (size_t i = 0; call->n && i < n; i++) {
			nr_schema_table(&b, types[i]);
			nr_schema_indexes(&b, types[i], false);
		}
		if (!call->n)
			nr_schema_ddl(&b, types, n);
		break;
	case JSON:
		nr_schema_json(&b, types, n);
		break;
	case MDOC:
		nr_schema_mdoc(&b, types, n);
		break;
	default:
		for (size_t i = 0; i < n; i++) {
			if (i)
				putchar('\n');
			put_type(types[i]);
		}
	}
	if (b.len)
		fwrite(b.p, 1, b.len, stdout);
	nr_buf_fini(&b);
	return nr_stdout_finish("schema");
}

const struct nr_command nr_cmd_schema = {
	.name = "schema",
	.operands = "[TABLE]",
	.operand_kind = "table",
	.summary = "says what tables and columns nrtool writes",
	.about = "Says what tables nrtool writes, what their columns mean and in which "
		 "unit.",
	.max_operands = 1,
	.options = { schema_options, 1 },
	.config_size = sizeof(struct schema),
	.run = schema_run,
};
