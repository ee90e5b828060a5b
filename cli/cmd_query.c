/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool query: SQL or a named report over a session database, read-only. */
#include "cli.h"

#include "database/archive_db.h"
#include "base/mem.h"
#include "base/text.h"
#include "database/database.h"
#include "database/dbset.h"
#include "record/sql.h"
#include "database/rows.h"
#include "database/sqlfunc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

struct query {
	int format;
	bool full, list, stats, no_sandbox;
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
	{ "stats", 0, NR_OPT_FLAG, NULL, NR_OPT(query, stats),
	  .help = "say how much of an archive was read" },
	{ "list", 0, NR_OPT_FLAG, NULL, NR_OPT(query, list), .help = "list the reports" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(query, no_sandbox),
	  .help = "run without seccomp and Landlock" },
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

/* Integers as numbers, all else as text; 007 is a name, or its zeros would be lost. */
static int bind_param(sqlite3_stmt *st, int at, const char *value)
{
	long long i = strtoll(value, NULL, 10);
	char again[24];

	snprintf(again, sizeof(again), "%lld", i);
	if (!strcmp(again, value))
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

/* To julianday() in a report a number is a day, what it cannot read no limit at all; it
 * rounds to milliseconds. */
static bool is_bad_time(sqlite3 *db, const char *name, const char *value)
{
	sqlite3_stmt *st = NULL;
	bool is = true;

	if (strcmp(name, "from") != 0 && strcmp(name, "to") != 0)
		return false;
	if (!sqlite3_prepare_v2(db,
				"SELECT ?1 GLOB '[0-9][0-9][0-9][0-9]-*'"
				" AND ?1 NOT GLOB '*.[0-9][0-9][0-9][0-9]*'"
				" AND strftime('%s', ?1) IS NOT NULL",
				-1, &st, NULL) &&
	    !sqlite3_bind_text(st, 1, value, -1, SQLITE_STATIC) &&
	    sqlite3_step(st) == SQLITE_ROW)
		is = !sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return is;
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
		if (i < params->n && is_report &&
		    is_bad_time(sqlite3_db_handle(st), name, params->v[i] + n + 1))
			return nr_complain(NR_EXIT_USAGE, "query",
					   "--param %s: write the time as "
					   "YYYY-MM-DDTHH:MM:SS[.SSS], in UTC",
					   params->v[i]);
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

/* Whether a statement has it; one that others must prepare is not looked into. */
static bool has_param(sqlite3 *db, const char *sql, const char *param)
{
	size_t n = strcspn(param, "=");
	bool has = false;

	while (*sql && !has) {
		sqlite3_stmt *st;

		if (sqlite3_prepare_v2(db, sql, -1, &st, &sql))
			return true;
		for (int at = 1; at <= sqlite3_bind_parameter_count(st); at++) {
			const char *name = sqlite3_bind_parameter_name(st, at);

			has |= name && !strncmp(name + 1, param, n) && !name[n + 1];
		}
		sqlite3_finalize(st);
	}
	return has;
}

static int check_params(sqlite3 *db, const char *sql, const struct nr_list *params,
			bool is_report)
{
	for (size_t i = 0; i < params->n; i++) {
		const char *p = params->v[i];

		if (!has_param(db, sql, p))
			return nr_complain(
				NR_EXIT_USAGE, "query",
				"--param %s: the %s has no :%.*s%s", p,
				is_report ? "report" : "SQL", (int)strcspn(p, "="), p,
				is_report ? "; --list says what each has" : "");
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

/* Also VACUUM INTO, which an open database for reading does not refuse. */
static int check_reads_only(sqlite3_stmt *st)
{
	if (sqlite3_stmt_readonly(st))
		return 0;
	return nr_complain(NR_EXIT_FAILED, "query",
			   "the SQL writes, and query only reads: %.60s",
			   sqlite3_sql(st));
}

static int run_sql(sqlite3 *db, const struct query *c, const char *sql, bool is_report)
{
	int status = check_params(db, sql, &c->params, is_report);

	while (*sql && !status) {
		sqlite3_stmt *st;
		const char *tail;
		int rc = sqlite3_prepare_v2(db, sql, -1, &st, &tail);

		if (rc)
			return failed(db, rc);
		sql = tail;
		if (!st)
			continue; /* a comment or white space */
		status = check_reads_only(st);
		if (!status)
			status = bind_params(st, &c->params, is_report);
		if (!status) {
			rc = nr_rows_write(st, (enum nr_row_format)c->format, c->full,
					   stdout);
			if (rc != SQLITE_DONE)
				status = failed(db, rc);
		}
		sqlite3_finalize(st);
		if (status)
			fflush(stdout);
	}
	return status;
}

/* A file twice would count twice. */
static int check_unique(char **paths, size_t n)
{
	struct stat *st = nr_xcalloc(n, sizeof(*st));
	int status = 0;

	for (size_t i = 0; i < n && !status; i++) {
		if (stat(paths[i], &st[i]))
			continue; /* opening it says why */
		for (size_t k = 0; k < i && !status; k++)
			if (st[k].st_ino == st[i].st_ino && st[k].st_dev == st[i].st_dev)
				status = nr_complain(NR_EXIT_USAGE, "query",
						     "%s and %s are the same file",
						     paths[k], paths[i]);
	}
	nr_free(st);
	return status;
}

/* Archives that were loaded, for --stats and for the exit status. */
struct loaded {
	bool stats, damaged;
};

/* A database, or an archive loaded as far as sql needs it. */
static int open_one(sqlite3 **db, const char *path, const char *sql, bool of_set,
		    struct loaded *l)
{
	struct nr_archive_db_stats st;
	struct nr_err err = { "" };

	if (!nr_archive_db_is(path))
		return nr_database_open(db, path, "query");
	if (nr_archive_db_open(db, path, sql, of_set, &st, &err))
		return nr_complain(NR_EXIT_FAILED, "query", "%s", err.text);
	if (st.n_damages) {
		l->damaged = true;
		fprintf(stderr, "damaged: %s: %s", path, st.damage);
		fprintf(stderr, st.n_damages > 1 ? " (%llu in all)\n" : "\n",
			(unsigned long long)st.n_damages);
	}
	if (l->stats)
		fprintf(stderr,
			"%s: %llu of %llu frames read, %llu lines parsed, %llu rows\n",
			path, (unsigned long long)st.frames_read,
			(unsigned long long)st.frames, (unsigned long long)st.lines,
			(unsigned long long)st.rows);
	sqlite3_progress_handler(*db, 10000, on_progress, NULL);
	return 0;
}

static int join(sqlite3 **db, sqlite3 **members, char **paths, size_t n)
{
	struct nr_err err = { "" };

	if (nr_dbset_open(db, members, (const char *const *)paths, n, &err))
		return nr_complain(NR_EXIT_FAILED, "query", "%s", err.text);
	sqlite3_progress_handler(*db, 10000, on_progress, NULL);
	return 0;
}

static int open_set(sqlite3 **db, char **paths, size_t n, const char *sql,
		    struct loaded *l)
{
	sqlite3 **members = nr_xcalloc(n, sizeof(*members));
	struct rlimit files;
	int status = check_unique(paths, n), cache = (int)(65536 / n);

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	for (size_t i = 0; i < n && !status; i++) {
		char pragma[48];

		status = open_one(&members[i], paths[i], sql, true, l);
		/* 64 MiB for all of them */
		snprintf(pragma, sizeof(pragma), "PRAGMA cache_size = -%d",
			 cache > 64 ? cache : 64);
		if (!status)
			sqlite3_exec(members[i], pragma, NULL, NULL, NULL);
	}
	for (size_t i = 0; i < n && status; i++)
		sqlite3_close(members[i]);
	if (!status)
		status = join(db, members, paths, n);
	nr_free(members);
	return status;
}

/* What an older nrtool wrote lacks tables and columns: as a set of one it has them. */
static int open_alone(sqlite3 **db, char **paths, const char *sql, struct loaded *l)
{
	int status = open_one(db, paths[0], sql, false, l);
	sqlite3 *older = *db;

	if (status || !nr_database_is_older(older))
		return status;
	*db = NULL;
	return join(db, &older, paths, 1);
}

static int open_all(sqlite3 **db, char **paths, size_t n, const char *sql,
		    struct loaded *l)
{
	int status =
		n > 1 ? open_set(db, paths, n, sql, l) : open_alone(db, paths, sql, l);
	int rc;

	if (status)
		return status;
	sqlite3_exec(*db, "PRAGMA query_only = 1", NULL, NULL, NULL);
	rc = nr_sqlfunc_register(*db);
	return rc ? failed(*db, rc) : 0;
}

static bool looks_like_database(const char *path)
{
	char head[16] = "";
	FILE *f = fopen(path, "re");
	bool is;

	if (!f)
		return false;
	is = fread(head, 1, sizeof(head), f) == sizeof(head) &&
	     !memcmp(head, "SQLite format 3", sizeof(head));
	fclose(f);
	return is;
}

/* The SQL that the command line means: of --file, of a report, or the word itself. */
static int find_sql(const struct query *c, const char *word, struct nr_buf *b,
		    bool *is_report)
{
	const char *report, *near;

	if (c->file)
		return slurp(c->file, b);
	if (!word || (!nr_sql_report(word) &&
		      (looks_like_database(word) || nr_archive_db_is(word))))
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
	size_t n = (size_t)call->n;
	struct nr_buf sql = { 0 };
	bool is_report = false;
	const char *word = NULL;
	sqlite3 *db = NULL;
	struct loaded loaded = { .stats = c->stats };
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
	if (!c->file && n > 1)
		word = call->operands[--n];
	status = find_sql(c, word, &sql, &is_report);
	if (!status) {
		nr_signals_init();
		if (!c->no_sandbox)
			status = nr_database_confine((const char *const *)call->operands,
						     n, "query");
	}
	if (!status) {
		status = open_all(&db, call->operands, n, sql.p ? sql.p : "", &loaded);
	}
	if (!status)
		status = run_sql(db, c, sql.p ? sql.p : "", is_report);
	if (!status && loaded.damaged)
		status = NR_EXIT_DAMAGED;
	sqlite3_close(db);
	nr_buf_fini(&sql);
	rc = nr_stdout_finish("query");
	return rc ? rc : status;
}

const struct nr_command nr_cmd_query = {
	.name = "query",
	.operands = "DB… [SQL|REPORT]",
	.operand_kind = "file",
	.summary = "asks session databases: SQL or a named report",
	.about = "Runs SQL or a named report on session databases or archives of events\n"
		 "(FILE.jsonl.zst), read-only; several are shown as one. Besides "
		 "SQLite's\n"
		 "functions there are cidr(ip, net), iso(ns), duration(ns), human(bytes) "
		 "and\n"
		 "ip_sort(ip).",
	.max_operands = NR_ANY,
	.options = { query_options, sizeof(query_options) / sizeof(*query_options) },
	.config_size = sizeof(struct query),
	.run = query_run,
};
