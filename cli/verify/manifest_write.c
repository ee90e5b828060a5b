/* SPDX-License-Identifier: BSD-3-Clause */
#include "verify/manifest.h"

#include "cli.h"
#include "verify/digest.h"

#include "archive/archive.h"
#include "base/mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static void add_key(struct nr_buf *b, const char *key)
{
	if (b->len && b->p[b->len - 1] != '{' && b->p[b->len - 1] != '[')
		nr_buf_char(b, ',');
	nr_buf_printf(b, "\"%s\":", key);
}

static void add_text(struct nr_buf *b, const char *key, const char *s)
{
	if (!s)
		return;
	add_key(b, key);
	nr_buf_json(b, s, strlen(s));
}

static void add_int(struct nr_buf *b, const char *key, int64_t v)
{
	add_key(b, key);
	nr_buf_int(b, v);
}

/* JSON of the database, as it is where it is valid. */
static void add_json(struct nr_buf *b, const char *key, const char *s)
{
	if (!s)
		return;
	if (!nr_json_valid(s, strlen(s))) {
		add_text(b, key, s);
		return;
	}
	add_key(b, key);
	nr_buf_str(b, s);
}

static int add_runs(struct nr_buf *b, sqlite3 *db)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db,
				    "SELECT run_id, tool_version, argv, libraries,"
				    " chain_heads FROM run ORDER BY run_id",
				    -1, &st, NULL);
	bool first = true;

	add_key(b, "runs");
	nr_buf_char(b, '[');
	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		nr_buf_str(b, first ? "{" : ",{");
		first = false;
		add_int(b, "run_id", sqlite3_column_int64(st, 0));
		add_text(b, "tool_version", (const char *)sqlite3_column_text(st, 1));
		add_text(b, "argv", (const char *)sqlite3_column_text(st, 2));
		add_json(b, "libraries", (const char *)sqlite3_column_text(st, 3));
		add_json(b, "chain_heads", (const char *)sqlite3_column_text(st, 4));
		nr_buf_char(b, '}');
		rc = 0;
	}
	nr_buf_char(b, ']');
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : -EIO;
}

static char *record_options(sqlite3 *db, int64_t source_id)
{
	sqlite3_stmt *st = NULL;
	char *s = NULL;

	if (!sqlite3_prepare_v2(db,
				"SELECT record_options FROM source WHERE source_id = ?",
				-1, &st, NULL)) {
		sqlite3_bind_int64(st, 1, source_id);
		if (sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
			s = nr_xstrdup((const char *)sqlite3_column_text(st, 0));
	}
	sqlite3_finalize(st);
	return s;
}

/* One capture; it was hashed when it was found. */
static int add_source(struct nr_buf *b, const struct nr_manifest_file *f, size_t i,
		      unsigned *n_unchecked, struct nr_err *err)
{
	const struct nr_recall_source *s = nr_recall_source(f->recall, i);
	const char *path = nr_recall_path(f->recall, i);
	char sha256[65] = "", *options;
	int rc;

	if (f->found[i] == -ESTALE)
		return nr_fail(err, -ESTALE,
			       "source %" PRId64
			       " (%.200s) is not the file that %.200s was made from: "
			       "nothing is signed; nrtool verify tells more",
			       s->source_id, s->name, f->path);
	if (path && !s->sha256) {
		rc = nr_recall_hash(path, &nr_stop, sha256, err);
		if (rc)
			return rc;
	}
	*n_unchecked += !path;
	add_int(b, "source_id", s->source_id);
	add_text(b, "name", s->name);
	add_text(b, "path", path);
	if (s->bytes >= 0)
		add_int(b, "bytes", s->bytes);
	add_text(b, "sha256", s->sha256 ? s->sha256 : sha256[0] ? sha256 : NULL);
	add_int(b, "packets", (int64_t)s->packets);
	options = record_options(f->db, s->source_id);
	add_json(b, "record_options", options);
	nr_free(options);
	add_key(b, "seen");
	nr_buf_str(b, path ? "true" : "false");
	return 0;
}

static int add_database(struct nr_buf *b, struct nr_manifest_file *f,
			unsigned *n_unchecked, struct nr_err *err)
{
	struct nr_buf counts = { 0 };
	char rows[65];
	int rc = nr_rows_digest(f->db, rows, &counts, err);

	if (!rc) {
		add_text(b, "rows_sha256", rows);
		rc = add_runs(b, f->db);
		if (rc)
			nr_fail(err, rc, "cannot read %s: %s", f->path,
				sqlite3_errmsg(f->db));
	}
	if (!rc) {
		add_key(b, "sources");
		nr_buf_char(b, '[');
	}
	for (size_t i = 0; !rc && i < nr_recall_n_sources(f->recall); i++) {
		nr_buf_str(b, i ? ",{" : "{");
		rc = add_source(b, f, i, n_unchecked, err);
		nr_buf_char(b, '}');
	}
	if (!rc) {
		nr_buf_char(b, ']');
		add_json(b, "counts", counts.p);
	}
	nr_buf_fini(&counts);
	return rc;
}

static int add_archive(struct nr_buf *b, const struct nr_manifest_file *f,
		       struct nr_err *err)
{
	struct nr_archive_check c = { 0 };
	char head[2 * NR_ARCHIVE_HASH + 1];
	int rc = nr_archive_verify(f->path, &c, NULL, NULL, err);

	if (rc)
		return rc;
	if (c.verdict != NR_ARCHIVE_WHOLE)
		return nr_fail(err, -ESTALE,
			       "%.150s is damaged, nothing is signed: %.250s", f->path,
			       c.finding);
	nr_hex_format(head, c.head, NR_ARCHIVE_HASH);
	add_int(b, "frames", (int64_t)c.n_frames);
	add_int(b, "records", (int64_t)c.n_records);
	add_text(b, "chain_head", head);
	return 0;
}

static bool is_archive(const struct nr_manifest_file *f)
{
	struct nr_archive *a = NULL;
	struct nr_err ignored;
	bool is = f->is_zstd && !nr_archive_open(&a, f->path, &ignored) &&
		  nr_archive_info(a)->has_index;

	nr_archive_close(a);
	return is;
}

static int add_file(struct nr_buf *b, struct nr_manifest_file *f, unsigned *n_unchecked,
		    struct nr_err *err)
{
	bool archive = !f->db && is_archive(f);
	char sha256[65];
	struct stat st;
	int rc;

	if (stat(f->path, &st))
		return nr_fail(err, -errno, "cannot read %s: %s", f->path,
			       strerror(errno));
	rc = nr_recall_hash(f->path, &nr_stop, sha256, err);
	if (rc)
		return rc;
	add_text(b, "type", f->db ? "database" : archive ? "archive" : "file");
	add_text(b, "path", f->path);
	add_int(b, "bytes", st.st_size);
	add_text(b, "sha256", sha256);
	if (f->db)
		return add_database(b, f, n_unchecked, err);
	return archive ? add_archive(b, f, err) : 0;
}

int nr_manifest_write(struct nr_buf *b, struct nr_manifest_file *f, size_t n,
		      const struct nr_manifest_options *o, unsigned *n_unchecked,
		      struct nr_err *err)
{
	struct timespec now;
	char created[NR_TIME_TEXT];
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	nr_time_format(created, now.tv_sec * INT64_C(1000000000) + now.tv_nsec);
	nr_buf_char(b, '{');
	add_int(b, "nrtool_manifest", 1);
	add_text(b, "tool_version", nr_version);
	add_text(b, "created", created);
	add_text(b, "note", o->note);
	add_key(b, "files");
	nr_buf_char(b, '[');
	for (size_t i = 0; i < n && !rc; i++) {
		nr_buf_str(b, i ? ",{" : "{");
		rc = add_file(b, &f[i], n_unchecked, err);
		nr_buf_char(b, '}');
	}
	nr_buf_str(b, "]}\n");
	return rc;
}

int nr_manifest_sign(struct nr_buf *b, const struct nr_signing_key *k, struct nr_err *err)
{
	uint8_t signature[NR_SIGNATURE], raw[NR_PUBLIC_KEY];
	char hex[2 * NR_SIGNATURE + 1], id[NR_KEY_ID];
	int rc = nr_signing_sign(k, b->p, b->len, signature, err);

	if (!rc)
		rc = nr_signing_public(k, raw, err);
	if (!rc)
		rc = nr_signing_id(k, id, err);
	if (rc)
		return rc;
	nr_buf_str(b, "{\"algorithm\":\"ed25519\"");
	add_text(b, "key_id", id);
	nr_hex_format(hex, raw, NR_PUBLIC_KEY);
	add_text(b, "public_key", hex);
	nr_hex_format(hex, signature, NR_SIGNATURE);
	add_text(b, "signature", hex);
	nr_buf_str(b, "}\n");
	return 0;
}
