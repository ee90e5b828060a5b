/* SPDX-License-Identifier: BSD-3-Clause */
/* The SQL functions as an extension for other programs: .load nrtool_sql in sqlite3. */
#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT1

#include "database/sqlfunc.h"

/* The name that SQLite makes of nrtool_sql.so. */
__attribute__((visibility("default"))) int sqlite3_nrtoolsql_init(
	sqlite3 *db, char **err, const sqlite3_api_routines *api);

int sqlite3_nrtoolsql_init(sqlite3 *db, char **err, const sqlite3_api_routines *api)
{
	(void)err;
	SQLITE_EXTENSION_INIT2(api);
	return nr_sqlfunc_register(db);
}
