/* SPDX-License-Identifier: BSD-3-Clause */
#include "database/database.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli.h"
#include "record/schema.h"
#include "record/tables.h"
#include "sandbox.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int on_progress(void *arg)
{
	(void)arg;
	return atomic_load(&nr_stop) != 0;
}

char *nr_database_beside(const char *path, const char *ending)
{
	char real[PATH_MAX];
	struct nr_buf name = { 0 };

	nr_buf_printf(&name, "%s%s", realpath(path, real) ? real : path, ending);
	return name.p;
}

static bool has_log(const char *path)
{
	char *wal = nr_database_beside(path, "-wal");
	bool has = access(wal, F_OK) == 0;

	nr_free(wal);
	return has;
}

/* Whether its header names a log (bytes 18 and 19: versions to write and to read). */
static bool is_of_log(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char head[20];
	struct stat st;
	bool is;
	int fd;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	is = fd >= 0 && pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	     !memcmp(head, magic, sizeof(magic)) && (head[18] == 2 || head[19] == 2);
	if (fd >= 0)
		close(fd);
	return is;
}

/* As an URI (https://www.sqlite.org/uri.html), which any path can be written as. */
static void add_uri(struct nr_buf *b, const char *path)
{
	/* behind an empty authority, so that none is seen in a path like //a/b */
	nr_buf_str(b, path[0] == '/' ? "file://" : "file:");
	for (; *path; path++)
		if (strchr("%?#", *path))
			nr_buf_printf(b, "%%%02x", (unsigned)*path);
		else
			nr_buf_char(b, *path);
}

int nr_database_open_file(sqlite3 **db, const char *path)
{
	struct nr_buf uri = { 0 };
	int rc;

	add_uri(&uri, path);
	/*
	 * Whoever writes has a log beside it. To read one that says so and has none,
	 * SQLite would make the log, which neither the sandbox lets it nor a directory
	 * that cannot be written.
	 */
	if (is_of_log(path) && !has_log(path))
		nr_buf_str(&uri, "?immutable=1");
	rc = sqlite3_open_v2(uri.p, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	nr_buf_fini(&uri);
	return rc;
}

static int cannot_open(sqlite3 *db, const char *path, const char *verb)
{
	int code = sqlite3_errcode(db);

	if ((code == SQLITE_CANTOPEN || code == SQLITE_READONLY) && has_log(path))
		return nr_complain(NR_EXIT_FAILED, verb,
				   "cannot open %s: its log %s-wal cannot be read where "
				   "nothing can be written beside it; copy both into a "
				   "directory that you can write",
				   path, path);
	return nr_complain(NR_EXIT_FAILED, verb, "cannot open %s: %s", path,
			   sqlite3_errmsg(db));
}

int nr_database_open(sqlite3 **db, const char *path, const char *verb)
{
	sqlite3_stmt *st = NULL;
	int64_t id = -1, version = 0;
	int rc;

	rc = nr_database_open_file(db, path);
	sqlite3_busy_timeout(*db, 5000);
	if (!rc)
		rc = sqlite3_prepare_v2(
			*db,
			"SELECT application_id, user_version"
			" FROM pragma_application_id, pragma_user_version",
			-1, &st, NULL);
	if (!rc && sqlite3_step(st) == SQLITE_ROW) {
		id = sqlite3_column_int64(st, 0);
		version = sqlite3_column_int64(st, 1);
	}
	if (!rc)
		rc = sqlite3_reset(st);
	sqlite3_finalize(st);
	if (rc == SQLITE_NOTADB || (!rc && id != NR_APPLICATION_ID))
		return nr_complain(NR_EXIT_FAILED, verb, "%s is no database of nrtool",
				   path);
	if (rc)
		return cannot_open(*db, path, verb);
	if (version > NR_SCHEMA_VERSION)
		return nr_complain(NR_EXIT_FAILED, verb,
				   "%s is of schema %lld and this nrtool knows %d: use a "
				   "newer one",
				   path, (long long)version, NR_SCHEMA_VERSION);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_progress_handler(*db, 10000, on_progress, NULL);
	return 0;
}

bool nr_database_is_older(sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	bool is = false;

	if (!sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) &&
	    sqlite3_step(st) == SQLITE_ROW)
		is = sqlite3_column_int64(st, 0) < NR_SCHEMA_VERSION;
	sqlite3_finalize(st);
	return is;
}

/* Where SQLite puts temporary files (its documentation, "Temporary Files", section 5). */
static const char *temp_directory(void)
{
	const char *const candidates[] = {
		getenv("SQLITE_TMPDIR"), getenv("TMPDIR"), "/var/tmp", "/usr/tmp", "/tmp",
	};

	for (size_t i = 0; i < sizeof(candidates) / sizeof(*candidates); i++) {
		const char *c = candidates[i];
		struct stat st;

		if (c && stat(c, &st) == 0 && S_ISDIR(st.st_mode) &&
		    access(c, W_OK | X_OK) == 0)
			return c;
	}
	return ".";
}

int nr_database_confine(const char *const *paths, size_t n, const char *verb)
{
	const char **targets = nr_xcalloc(n + 1, sizeof(*targets));
	char applied[NR_SANDBOX_TEXT];
	struct nr_buf temp = { 0 };
	struct nr_sandbox s = { .reads = paths, .n_reads = n, .targets = targets };
	struct nr_err err = { "" };
	int rc;

	nr_buf_printf(&temp, "%s/x", temp_directory());
	targets[s.n_targets++] = temp.p;
	for (size_t i = 0; i < n; i++)
		if (has_log(paths[i]))
			targets[s.n_targets++] = paths[i];
	rc = nr_sandbox_enter(&s, applied, &err);
	nr_buf_fini(&temp);
	nr_free(targets);
	return rc ? nr_complain(NR_EXIT_FAILED, verb, "%s", err.text) : 0;
}
