/* SPDX-License-Identifier: BSD-3-Clause */
#include "database.h"

#include "cli.h"
#include "record/schema.h"
#include "record/tables.h"

static int on_progress(void *arg)
{
	(void)arg;
	return atomic_load(&nr_stop) != 0;
}

int nr_database_open(sqlite3 **db, const char *path, const char *verb)
{
	sqlite3_stmt *st = NULL;
	int64_t id = -1, version = 0;
	int rc;

	rc = sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL);
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
		return nr_complain(NR_EXIT_FAILED, verb, "cannot open %s: %s", path,
				   sqlite3_errmsg(*db));
	if (version > NR_SCHEMA_VERSION)
		return nr_complain(NR_EXIT_FAILED, verb,
				   "%s is of schema %lld and this nrtool knows %d: use a "
				   "newer one",
				   path, (long long)version, NR_SCHEMA_VERSION);
	sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_progress_handler(*db, 10000, on_progress, NULL);
	return 0;
}
