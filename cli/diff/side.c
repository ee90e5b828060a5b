/* SPDX-License-Identifier: BSD-3-Clause */
#include "diff/side.h"

#include "database/archive_db.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli.h"
#include "database/database.h"
#include "database/dbset.h"
#include "record/tables.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A database whose content does not change any more while it is compared. */
static int open_database(sqlite3 **db, const char *path)
{
	int status = nr_database_open(db, path, "diff");

	if (!status && sqlite3_exec(*db, "BEGIN; SELECT count(*) FROM main.sqlite_schema",
				    NULL, NULL, NULL))
		status = nr_complain(NR_EXIT_FAILED, "diff", "cannot read %s: %s", path,
				     sqlite3_errmsg(*db));
	return status;
}

static int is_member(const struct dirent *e)
{
	return e->d_name[0] != '.' &&
	       (nr_ends_with(e->d_name, ".db") || nr_ends_with(e->d_name, ".jsonl.zst") ||
		nr_ends_with(e->d_name, ".jsonl"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int list_directory(struct nr_diff_side *s)
{
	struct dirent **e;
	int n = scandir(s->path, &e, is_member, by_name);

	if (n < 0)
		return nr_complain(NR_EXIT_FAILED, "diff", "cannot read %s: %s", s->path,
				   strerror(errno));
	s->files = nr_xcalloc((size_t)n + 1, sizeof(*s->files));
	for (int i = 0; i < n; i++) {
		struct nr_buf path = { 0 };

		nr_buf_printf(&path, "%s/%s", s->path, e[i]->d_name);
		s->files[s->n++] = path.p;
		free(e[i]);
	}
	free(e);
	return n ? 0
		 : nr_complain(NR_EXIT_FAILED, "diff",
			       "%s holds no database (.db) and no archive of events "
			       "(.jsonl.zst, .jsonl)",
			       s->path);
}

int nr_diff_side_open(struct nr_diff_side *s, const char *path)
{
	struct rlimit files;
	struct stat st;
	int status = 0;

	*s = (struct nr_diff_side){ .path = path };
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return nr_archive_db_is(path) ? 0 : open_database(&s->db, path);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	status = list_directory(s);
	s->member = nr_xcalloc(s->n + 1, sizeof(*s->member));
	for (size_t i = 0; i < s->n && !status; i++)
		if (!nr_archive_db_is(s->files[i]))
			status = open_database(&s->member[i], s->files[i]);
	return status;
}

static int load_archive(struct nr_diff_side *s, const char *path, sqlite3 **db)
{
	struct nr_archive_db_stats st;
	struct nr_err err = { "" };

	if (nr_archive_db_open(db, path, NULL, false, &st, &err))
		return nr_complain(NR_EXIT_FAILED, "diff", "%s", err.text);
	if (st.n_damages) {
		s->is_damaged = true;
		fprintf(stderr, "damaged: %s: %s", path, st.damage);
		fprintf(stderr, st.n_damages > 1 ? " (%" PRIu64 " in all)\n" : "\n",
			st.n_damages);
	}
	/* the pages in its cache are not needed again so soon */
	sqlite3_exec(*db, "PRAGMA cache_size = -2048", NULL, NULL, NULL);
	sqlite3_db_release_memory(*db);
	return 0;
}

static int step_all(sqlite3_stmt *from, sqlite3_stmt *to, int n)
{
	int rc;

	while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
		for (int i = 0; i < n; i++)
			sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
		sqlite3_step(to);
		rc = sqlite3_reset(to);
		if (rc)
			break;
	}
	return rc == SQLITE_DONE ? 0 : rc;
}

/* Of rows with one key (certificates) the first one counts, as within a run. */
static int copy_table(sqlite3 *set, sqlite3 *db, const struct nr_record_type *t)
{
	struct nr_buf read = { 0 }, write = { 0 };
	sqlite3_stmt *from = NULL, *to = NULL;
	int rc;

	nr_buf_str(&read, "SELECT ");
	nr_buf_printf(&write, "INSERT OR IGNORE INTO \"%s\" VALUES (", t->name);
	for (unsigned i = 0; i < t->n_fields; i++) {
		nr_buf_printf(&read, "%s\"%s\"", i ? ", " : "", t->fields[i].name);
		nr_buf_str(&write, i ? ", ?" : "?");
	}
	nr_buf_printf(&read, " FROM \"%s\"", t->name);
	nr_buf_char(&write, ')');
	rc = sqlite3_prepare_v2(set, read.p, -1, &from, NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(db, write.p, -1, &to, NULL);
	if (!rc)
		rc = step_all(from, to, (int)t->n_fields);
	sqlite3_finalize(from);
	sqlite3_finalize(to);
	nr_buf_fini(&read);
	nr_buf_fini(&write);
	return rc;
}

/* The set as one database: it is sorted and looked into by rowid. */
static int join(struct nr_diff_side *s)
{
	struct nr_err err = { "" };
	sqlite3 *set = NULL;
	int rc =
		nr_dbset_open(&set, s->member, (const char *const *)s->files, s->n, &err);

	memset(s->member, 0, s->n * sizeof(*s->member)); /* they are the set's now */
	if (!rc)
		rc = nr_archive_db_empty(&s->db, &err);
	for (size_t i = 0; i < nr_n_record_types && !rc; i++)
		if (!(nr_record_types[i]->flags & NR_R_JSON_ONLY) &&
		    copy_table(set, s->db, nr_record_types[i]))
			rc = nr_fail(&err, -EIO, "cannot join the databases in %s: %s",
				     s->path,
				     nr_stop ? "interrupted"
				     : sqlite3_errcode(set) == SQLITE_ERROR
					     ? sqlite3_errmsg(set)
					     : sqlite3_errmsg(s->db));
	if (!rc && sqlite3_exec(s->db, "COMMIT", NULL, NULL, NULL))
		rc = nr_fail(&err, -EIO, "cannot join the databases in %s: %s", s->path,
			     sqlite3_errmsg(s->db));
	sqlite3_close(set);
	return rc ? nr_complain(NR_EXIT_FAILED, "diff", "%s", err.text) : 0;
}

int nr_diff_side_load(struct nr_diff_side *s)
{
	int status = 0;

	if (!s->files)
		return s->db ? 0 : load_archive(s, s->path, &s->db);
	for (size_t i = 0; i < s->n && !status; i++)
		if (!s->member[i])
			status = load_archive(s, s->files[i], &s->member[i]);
	return status ? status : join(s);
}

void nr_diff_side_close(struct nr_diff_side *s)
{
	sqlite3_close(s->db);
	for (size_t i = 0; i < s->n; i++) {
		if (s->member)
			sqlite3_close(s->member[i]);
		nr_free(s->files[i]);
	}
	nr_free(s->member);
	nr_free(s->files);
}
