/* SPDX-License-Identifier: BSD-3-Clause */
/* The SQL of folder sql/, embedded at build. */
#pragma once

#include <stddef.h>

/* The text of sql/NAME.sql ("views", "reports/talkers"), or NULL. */
const char *nr_sql_text(const char *name);
/* The text of the report ("talkers"), or NULL. */
const char *nr_sql_report(const char *name);

struct nr_sql_report {
	const char *name; /* "talkers" */
	const char *doc;  /* its first line without the dashes; doc_len bytes */
	size_t doc_len;
	const char *text;
};

/* Report i in order of names; 0, or -1 behind the last. */
int nr_sql_report_at(size_t i, struct nr_sql_report *out);
