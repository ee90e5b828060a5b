/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

static bool add64(EVP_MD_CTX *md, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	return EVP_DigestUpdate(md, b, sizeof(b)) == 1;
}

static bool add_bytes(EVP_MD_CTX *md, char letter, const void *p, size_t n)
{
	return EVP_DigestUpdate(md, &letter, 1) == 1 && add64(md, n) &&
	       (!n || EVP_DigestUpdate(md, p, n) == 1);
}

static bool add_value(EVP_MD_CTX *md, sqlite3_stmt *st, int i)
{
	double real;
	uint64_t bits;

	switch (sqlite3_column_type(st, i)) {
	case SQLITE_INTEGER:
		return EVP_DigestUpdate(md, "i", 1) == 1 &&
		       add64(md, (uint64_t)sqlite3_column_int64(st, i));
	case SQLITE_FLOAT:
		real = sqlite3_column_double(st, i);
		memcpy(&bits, &real, sizeof(bits));
		return EVP_DigestUpdate(md, "r", 1) == 1 && add64(md, bits);
	case SQLITE_TEXT:
		return add_bytes(md, 't', sqlite3_column_text(st, i),
				 (size_t)sqlite3_column_bytes(st, i));
	case SQLITE_BLOB:
		return add_bytes(md, 'b', sqlite3_column_blob(st, i),
				 (size_t)sqlite3_column_bytes(st, i));
	default:
		return EVP_DigestUpdate(md, "n", 1) == 1;
	}
}

/* SQLITE_DONE, SQLite's code, or SQLITE_MISUSE where libcrypto failed. */
static int add_rows(sqlite3 *db, EVP_MD_CTX *md, const char *sql, uint64_t *n)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);

	*n = 0;
	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		rc = EVP_DigestUpdate(md, "\n", 1) == 1 ? 0 : SQLITE_MISUSE;
		for (int i = 0; !rc && i < sqlite3_column_count(st); i++)
			rc = add_value(md, st, i) ? 0 : SQLITE_MISUSE;
		++*n;
	}
	sqlite3_finalize(st);
	return rc;
}

static int add_tables(sqlite3 *db, EVP_MD_CTX *md, struct nr_buf *counts)
{
	sqlite3_stmt *st = NULL;
	uint64_t n;
	bool first = true;
	int rc = sqlite3_prepare_v2(db,
				    "SELECT name FROM sqlite_schema WHERE type = 'table'"
				    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
				    " ORDER BY name",
				    -1, &st, NULL);

	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		char *sql = sqlite3_mprintf("SELECT * FROM \"%w\" ORDER BY rowid", name);

		rc = sql && add_bytes(md, 'T', name, strlen(name)) ? 0 : SQLITE_NOMEM;
		if (!rc)
			rc = add_rows(db, md, sql, &n);
		sqlite3_free(sql);
		rc = rc == SQLITE_DONE ? 0 : rc;
		if (rc || !counts)
			continue;
		nr_buf_str(counts, first ? "{" : ",");
		nr_buf_json(counts, name, strlen(name));
		nr_buf_printf(counts, ":%llu", (unsigned long long)n);
		first = false;
	}
	sqlite3_finalize(st);
	if (counts)
		nr_buf_str(counts, first ? "{}" : "}");
	return rc;
}

int nr_rows_digest(sqlite3 *db, char out[65], struct nr_buf *counts, struct nr_err *err)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	uint64_t n;
	int rc = SQLITE_MISUSE;

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
		rc = add_rows(db, md,
			      "SELECT type, name, tbl_name, sql FROM sqlite_schema"
			      " ORDER BY type, name",
			      &n);
	if (rc == SQLITE_DONE)
		rc = add_tables(db, md, counts);
	if (rc == SQLITE_DONE && EVP_DigestFinal_ex(md, digest, NULL) == 1) {
		nr_hex_format(out, digest, 32);
		EVP_MD_CTX_free(md);
		return 0;
	}
	EVP_MD_CTX_free(md);
	if (rc == SQLITE_INTERRUPT)
		return nr_fail(err, -EINTR, "interrupted");
	return nr_fail(err, -EIO, "cannot read the rows of the database: %s",
		       rc == SQLITE_MISUSE ? "libcrypto failed" : sqlite3_errmsg(db));
}
