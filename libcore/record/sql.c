/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/sql.h"

#include "record/sql_files.h"

#include <string.h>

enum { N_FILES = sizeof(sql_files) / sizeof(*sql_files) };

static const char prefix[] = "reports/";
enum { PREFIX = sizeof(prefix) - 1 };

const char *nr_sql_text(const char *name)
{
	for (size_t i = 0; i < N_FILES; i++) {
		if (strcmp(sql_files[i].name, name) == 0)
			return sql_files[i].text;
	}
	return NULL;
}

int nr_sql_report_at(size_t i, struct nr_sql_report *out)
{
	for (size_t k = 0; k < N_FILES; k++) {
		const char *text = sql_files[k].text;

		if (strncmp(sql_files[k].name, prefix, PREFIX) != 0 || i--)
			continue;
		out->name = sql_files[k].name + PREFIX;
		out->text = text;
		out->doc = text + strspn(text, "- ");
		out->doc_len = strcspn(out->doc, "\n");
		return 0;
	}
	return -1;
}

const char *nr_sql_report(const char *name)
{
	struct nr_sql_report r;

	for (size_t i = 0; nr_sql_report_at(i, &r) == 0; i++) {
		if (strcmp(r.name, name) == 0)
			return r.text;
	}
	return NULL;
}
