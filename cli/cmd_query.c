/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool query: SQL or a named report over a session database, read-only. */
#include "cli.h"

#include "record/schema.h"
#include "record/sql.h"
#include "rows.h"
#include "sqlfunc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct query {
	int format;
	bool full, list;
	const char *file;
	struct nr_list params;
};

static const struct nr_option query_options[] = {
	{ "format", 0, NR_OPT_ENUM, "FORMAT", NR_OPT(query, format), "table",
	  .values = nr_row_formats, .help = "how to write the rows" },
	{ "full", 0, NR_OPT_FLAG, NULL, NR_OPT(query, full),
	  .help = "do not shorten wide values of the table" },
	{ "file", 'F', NR_OPT_TEXT, "FILE", NR_OPT(query, file),
	  .help = "take the SQL from FILE; - is standard input" },
	{ "param", 'p', NR_OPT_LIST, "NAME=VALUE", NR_OPT(query, params),
	  .help = "value of :NAME in the SQL; may be given several times" },
	{ "list", 0, NR_OPT_FLAG, NULL, NR_OPT(query, list), .help = "list the reports" },
};

static const char *report_name(const void *arg, size_t i)
{
	struct nr_sql_report r;

	(void)arg;
	return nr_sql_report_at(i, &r) ? "" : r.name;
}

static size_t n_reports(void)
{
	struct nr_sql_report r;
	size_t n = 0;

	while (!nr_sql_report_at(n, &r))
		n++;
	return n;
}

static int list_reports(void)
{
	struct nr_sql_report r;

	for (size_t i = 0; !nr_sql_report_at(i, &r); i++)
		printf("%-20s %.*s\n", r.name, (int)r.doc_len, r.doc);
	return nr_stdout_finish("query");
}

static int slurp(const char *path, struct nr_buf *b)
{
	FILE *f = strcmp(path, "-") != 0 ? fopen(path, "re") : stdin;
	size_t n;

	if (!f)
		return nr_complain(NR_EXIT_FAILED, "query", "cannot open %s: %s", path,
				   strerror(errno));
	while ((n = fread(nr_buf_room(b, 65536), 1, 65536, f)) > 0)
		b->len += n;
	nr_buf_str(b, "");
	n = (size_t)ferror(f);
	if (f != stdin)
		fclose(f);
	return n ? nr_complain(NR_EXIT_FAILED, "query", "cannot read %s", path) : 0;
}

/* Integers as numbers, all else as text. */
static int bind_param(sqlite3_stmt *st, int at, const char *value)
{
	char *end;
	long long i;

	errno = 0;
	i = strtoll(value, &end, 10);
	if (*value && !*end && !errno)
		return sqlite3_bind_int64(st, at, i);
	return sqlite3_bind_text(st, at, value, -1, SQLITE_STATIC);
}

/* What reports do without: they say coalesce(:limit, 20) and the like. */
static bool is_optional(const char *name)
{
	static const char *const names[] = { "limit", "from", "to" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static int bind_params(sqlite3_stmt *st, const struct nr_list *params, bool is_report)
{
	for (int at = 1; at <= sqlite3_bind_parameter_count(st); at++) {
		const char *name = sqlite3_bind_parameter_name(st, at);
		size_t n, i;

		if (!name)
			return nr_complain(
				NR_EXIT_USAGE, "query",
				"the SQL has a ? without a name: write :NAME and give "
				"--param NAME=VALUE");
		n = strlen(++name);
		for (i = 0; i < params->n; i++)
			if (!strncmp(params->v[i], name, n) && params->v[i][n] == '=')
				break;
		if (i < params->n)
			bind_param(st, at, params->v[i] + n + 1);
		else if (!is_report || !is_optional(name))
			return nr_complain(
				NR_EXIT_USAGE, "query",
				"a value for :%s is missing: give --param %s=VALUE", name,
				name);
	}
	return 0;
}

static int on_progress(void *arg)
{
	(void)arg;
	return atomic_load(&nr_stop) != 0;
}

static int failed(sqlite3 *db, int rc)
{
	if (rc == SQLITE_INTERRUPT)
		return nr_complain(NR_EXIT_DAMAGED, "query", "interrupted");
	return nr_complain(NR_EXIT_FAILED, "query", "%s", sqlite3_errmsg(db));
}

static int run_sql(sqlite3 *db, const struct query *c, const char *sql, bool is_report)
{
	while (*sql) {
		sqlite3_stmt *st;
		const char *tail;
		int rc = sqlite3_prepare_v2(db, sql, -1, &st, &tail), status;

		if (rc)
			return failed(db, rc);
		sql = tail;
		if (!st)
			continue; /* a comment or white space */
		status = bind_params(st, &c->params, is_report);
		if (!status) {
			rc = nr_rows_write(st, (enum nr_row_format)c->format, c->full,
					   stdout);
			if (rc != SQLITE_DONE)
				status = failed(db, rc);
		}
		sqlite3_finalize(st);
		if (status) {
			fflush(stdout);
			return status;
		}
	}
	return 0;
}

/* 0, or an exit status with a complaint. */
static int open_database(sqlite3 **db, const char *path)
{
	sqlite3_stmt *st = NULL;
	int64_t id = -1;
	int rc;

	rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(*db, "PRAGMA application_id", -1, &st, NULL);
	if (!rc && sqlite3_step(st) == SQLITE_ROW)
		id = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (rc == SQLITE_NOTADB || (!rc && id != NR_APPLICATION_ID))
		return nr_complain(NR_EXIT_FAILED, "query", "%s is no database of nrtool",
				   path);
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "query", "cannot open %s: %s", path,
				   sqlite3_errmsg(*db));
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_exec(*db, "PRAGMA query_only = 1", NULL, NULL, NULL);
	sqlite3_progress_handler(*db, 10000, on_progress, NULL);
	rc = nr_sqlfunc_register(*db);
	return rc ? failed(*db, rc) : 0;
}

/* The SQL that the command line means: of --file, of a report, or the word itself. */
static int find_sql(const struct query *c, const struct nr_call *call, struct nr_buf *b,
		    bool *is_report)
{
	const char *word = call->n > 1 ? call->operands[1] : NULL, *report, *near;

	if (c->file) {
		if (word)
			return nr_complain(NR_EXIT_USAGE, "query",
					   "give --file or SQL, not both");
		return slurp(c->file, b);
	}
	if (!word)
		return nr_complain(
			NR_EXIT_USAGE, "query",
			"SQL or a report is missing; --list names the reports");
	if (!strcmp(word, "-"))
		return slurp("-", b);
	report = nr_sql_report(word);
	if (!report && word[strspn(word, "abcdefghijklmnopqrstuvwxyz_-")] == 0) {
		near = nr_nearest(word, report_name, NULL, n_reports());
		return nr_complain(NR_EXIT_USAGE, "query",
				   near ? "there is no report '%s'; did you mean '%s'?"
					: "there is no report '%s'; --list names them",
				   word, near);
	}
	*is_report = report != NULL;
	nr_buf_str(b, report ? report : word);
	return 0;
}

static int query_run(const struct nr_call *call)
{
	const struct query *c = call->config;
	struct nr_buf sql = { 0 };
	bool is_report = false;
	sqlite3 *db = NULL;
	int status, rc;

	if (c->list)
		return list_reports();
	if (!call->n)
		return nr_complain(NR_EXIT_USAGE, "query",
				   "DB is missing; see nrtool query --help");
	for (size_t i = 0; i < c->params.n; i++)
		if (!strchr(c->params.v[i], '='))
			return nr_complain(NR_EXIT_USAGE, "query",
					   "--param needs NAME=VALUE, not '%s'",
					   c->params.v[i]);
	status = find_sql(c, call, &sql, &is_report);
	if (!status) {
		nr_signals_init(false);
		status = open_database(&db, call->operands[0]);
	}
	if (!status)
		status = run_sql(db, c, sql.p ? sql.p : "", is_report);
	sqlite3_close(db);
	nr_buf_fini(&sql);
	rc = nr_stdout_finish("query");
	return rc ? rc : status;
}

const struct nr_command nr_cmd_query = {
	.name = "query",
	.operands = "DB [SQL|REPORT]",
	.operand_kind = "file",
	.summary = "asks a session database: SQL or a named report",
	.about = "Runs SQL or a named report on a session database, read-only. Besides\n"
		 "SQLite's functions there are cidr(ip, net), iso(ns), duration(ns),\n"
		 "human(bytes) and ip_sort(ip).",
	.max_operands = 2,
	.options = { query_options, sizeof(query_options) / sizeof(*query_options) },
	.config_size = sizeof(struct query),
	.run = query_run,
};
