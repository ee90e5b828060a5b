/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify/manifest.h"

#include "cli.h"
#include "verify/digest.h"
#include "text.h"

#include "base/mem.h"
#include "database/database.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

struct check {
	struct nr_report *report;
	const struct nr_manifest_options *o;
	const char *path; /* of the manifest */
	const char *line; /* its first line; not terminated */
	size_t line_len;
	sqlite3 *json;      /* table-valued functions over the two lines */
	enum nr_proof good; /* what a hash that holds proves */
};

/* Text at a JSON path of a document; caller frees. NULL where there is none. */
static char *json_text(sqlite3 *db, const char *doc, size_t n, const char *path)
{
	sqlite3_stmt *st = NULL;
	char *s = NULL;

	if (!sqlite3_prepare_v2(db, "SELECT json_extract(?1, ?2) WHERE json_valid(?1)",
				-1, &st, NULL)) {
		sqlite3_bind_text(st, 1, doc, (int)n, SQLITE_STATIC);
		sqlite3_bind_text(st, 2, path, -1, SQLITE_STATIC);
		if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
			s = nr_xstrdup((const char *)sqlite3_column_text(st, 0));
	}
	sqlite3_finalize(st);
	return s;
}

static bool from_hex(uint8_t *out, size_t n, const char *s)
{
	if (!s || strlen(s) != 2 * n || strspn(s, "0123456789abcdef") != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (sscanf(s + 2 * i, "%2x", &v) != 1)
			return false;
		out[i] = (uint8_t)v;
	}
	return true;
}

/* -EINVAL where the second line is no signature; else a finding, and c->good. */
static int check_signature(struct check *c, const char *sig, size_t sig_len,
			   const struct nr_signing_key *key, struct nr_err *err)
{
	char *hex = json_text(c->json, sig, sig_len, "$.signature"),
	     *pub = json_text(c->json, sig, sig_len, "$.public_key"), id[NR_KEY_ID];
	uint8_t signature[NR_SIGNATURE], raw[NR_PUBLIC_KEY];
	struct nr_signing_key *own = NULL;
	int rc = 0;

	if (!from_hex(signature, sizeof(signature), hex) ||
	    !from_hex(raw, sizeof(raw), pub))
		rc = nr_fail(err, -EINVAL, "%s has no signature in its second line",
			     c->path);
	if (!rc && !key)
		rc = nr_signing_from_raw(&own, raw, err);
	if (!rc)
		rc = nr_signing_id(key ? key : own, id, err);
	if (!rc && !nr_signing_verify(key ? key : own, c->line, c->line_len, signature))
		nr_report_add(c->report, NR_CHANGED, "signature",
			      "it is not the one of key %s over this manifest", id);
	else if (!rc && key)
		nr_report_add(c->report, NR_PROVEN, "signature", "by key %s", id);
	else if (!rc)
		nr_report_add(c->report, NR_CONSISTENT, "signature",
			      "by key %s, which the manifest itself names: -k says whose "
			      "it must be",
			      id);
	c->good = key && !c->report->n_of[NR_CHANGED] ? NR_PROVEN : NR_CONSISTENT;
	nr_signing_free(own);
	nr_free(hex);
	nr_free(pub);
	return rc;
}

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static char *join(const char *dir, size_t n, const char *name)
{
	size_t m = strlen(name);
	char *s = nr_xmalloc(n + m + 2);

	snprintf(s, n + m + 2, "%.*s%s%s", (int)n, dir, n && dir[n - 1] != '/' ? "/" : "",
		 name);
	return s;
}

/* Where a file of the manifest lies now: given, as named, beside it. Caller frees. */
static char *locate(const struct check *c, const char *name)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name,
		   *dir = strrchr(c->path, '/');
	char *s;

	for (size_t i = 0; i < c->o->sources.n; i++) {
		const char *given = c->o->sources.v[i], *end = strrchr(given, '/');

		if (is_file(given) && !strcmp(end ? end + 1 : given, base))
			return nr_xstrdup(given);
		s = join(given, strlen(given), base);
		if (is_file(s))
			return s;
		nr_free(s);
	}
	if (is_file(name))
		return nr_xstrdup(name);
	s = join(c->path, dir ? (size_t)(dir - c->path) + 1 : 0, base);
	if (is_file(s))
		return s;
	nr_free(s);
	return NULL;
}

/* Bytes that differ may hold the same rows: VACUUM, a checkpoint, another page size. */
static bool same_rows(const char *path, const char *rows)
{
	char now[65] = "";
	sqlite3 *db = NULL;
	struct nr_err ignored;
	bool same = rows && !nr_database_open_file(&db, path) &&
		    !nr_rows_digest(db, now, NULL, &ignored) && !strcmp(now, rows);

	sqlite3_close(db);
	return same;
}

struct entry {
	const char *subject, *name, *sha256, *rows;
	int64_t bytes;
};

static void check_entry(struct check *c, const struct entry *e)
{
	char sha256[65] = "", size[NR_TEXT_MAX], *path = locate(c, e->name);
	struct nr_err err;

	if (!e->sha256)
		nr_report_add(c->report, NR_UNCHECKED, e->subject,
			      "the manifest holds no hash of it");
	else if (!path)
		nr_report_add(c->report, NR_UNCHECKED, e->subject,
			      "it is neither where it was nor beside the manifest; "
			      "--source PATH says where it lies");
	else if (nr_recall_hash(path, &nr_stop, sha256, &err))
		nr_report_add(c->report, NR_UNCHECKED, e->subject, "%s", err.text);
	else if (!strcmp(sha256, e->sha256))
		nr_report_add(c->report, c->good, e->subject, "%s, SHA-256 %.16s…",
			      nr_text_bytes(size, (uint64_t)e->bytes), sha256);
	else if (same_rows(path, e->rows))
		nr_report_add(c->report, c->good, e->subject,
			      "its bytes are others, and every row is what it was");
	else
		nr_report_add(c->report, NR_CHANGED, e->subject,
			      "its SHA-256 is %.16s…, and was %.16s…", sha256, e->sha256);
	nr_free(path);
}

static const char *text(sqlite3_stmt *st, int i)
{
	return (const char *)sqlite3_column_text(st, i);
}

/* Every file, and behind each database the captures it was made from. */
static const char entries_sql[] =
	"SELECT f.key AS k, -1 AS j, json_extract(f.value, '$.type'),"
	" json_extract(f.value, '$.path'), json_extract(f.value, '$.sha256'),"
	" json_extract(f.value, '$.bytes'), json_extract(f.value, '$.rows_sha256')"
	" FROM json_each(?1, '$.files') AS f"
	" UNION ALL SELECT f.key, s.key, 'source', coalesce(json_extract(s.value,"
	" '$.path'), json_extract(s.value, '$.name')),"
	" json_extract(s.value, '$.sha256'), json_extract(s.value, '$.bytes'), NULL"
	" FROM json_each(?1, '$.files') AS f, json_each(f.value, '$.sources') AS s"
	" WHERE NOT ?2 AND json_extract(f.value, '$.type') = 'database'"
	" ORDER BY 1, 2";

static int check_entries(struct check *c, uint64_t *n, struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->json, entries_sql, -1, &st, NULL);

	sqlite3_bind_text(st, 1, c->line, (int)c->line_len, SQLITE_STATIC);
	sqlite3_bind_int(st, 2, c->o->no_sources);
	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		char subject[320];
		const struct entry e = {
			.subject = subject,
			.name = text(st, 3) ? text(st, 3) : "",
			.sha256 = text(st, 4),
			.bytes = sqlite3_column_int64(st, 5),
			.rows = text(st, 6),
		};

		rc = 0;
		snprintf(subject, sizeof(subject), "%.16s %.280s",
			 text(st, 2) ? text(st, 2) : "?", e.name);
		check_entry(c, &e);
		++*n;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0
				 : nr_fail(err, -EINVAL, "%s cannot be read: %s", c->path,
					   sqlite3_errmsg(c->json));
}

int nr_manifest_check(struct nr_report *r, const char *path, const char *text_, size_t n,
		      const struct nr_signing_key *key,
		      const struct nr_manifest_options *o, char what[128],
		      struct nr_err *err)
{
	const char *end = memchr(text_, '\n', n);
	struct check c = { .report = r,
			   .o = o,
			   .path = path,
			   .line = text_,
			   .line_len = end ? (size_t)(end - text_) + 1 : n };
	char *version, *created;
	uint64_t n_entries = 0;
	int rc;

	if (sqlite3_open_v2(":memory:", &c.json, SQLITE_OPEN_READWRITE, NULL)) {
		sqlite3_close(c.json);
		return nr_fail(err, -ENOMEM, "out of memory");
	}
	version = json_text(c.json, c.line, c.line_len, "$.nrtool_manifest");
	created = json_text(c.json, c.line, c.line_len, "$.created");
	if (!end || !version || strcmp(version, "1") != 0)
		rc = nr_fail(err, -EINVAL, "%s is no manifest of nrtool", path);
	else
		rc = check_signature(&c, end + 1, n - c.line_len, key, err);
	if (!rc)
		rc = check_entries(&c, &n_entries, err);
	snprintf(what, 128, "manifest of %" PRIu64 " files, made %.40s", n_entries,
		 created ? created : "at a time it does not say");
	nr_free(version);
	nr_free(created);
	sqlite3_close(c.json);
	return rc;
}
