/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The captures replayed with the options of then, every row compared with the one in the
 * database. The same input and options give the same records: what differs was changed,
 * or another version made it.
 */
#include "verify/verify.h"

#include "cli.h"
#include "replay_config.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "record/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { MAX_TYPES = 128, SUBJECT_MAX = 128, WHY_MAX = 160 };

/* Where the comparison stands in one table. */
struct table {
	const struct nr_record_type *type;
	sqlite3_stmt *st; /* rows in order of writing, or one row by its id */
	uint64_t rows, differ, missing;
	bool ended;
};

struct compare {
	struct nr_verify *v;
	struct table table[MAX_TYPES];
	size_t n;
	struct nr_buf text;
	int64_t runs_before;
};

struct ctx {
	struct compare *c;
};

/* flow and source by their ids: the former end in another order than they began. */
static bool by_id(const struct nr_record_type *t)
{
	return t->flags & NR_R_ROWID_KEY;
}

static struct table *table_of(struct compare *c, const struct nr_record_type *t)
{
	struct nr_buf sql = { 0 };
	struct table *x;

	for (size_t i = 0; i < c->n; i++)
		if (c->table[i].type == t)
			return &c->table[i];
	if (t->flags & (NR_R_JSON_ONLY | NR_R_RUN) || c->n == MAX_TYPES)
		return NULL;
	x = &c->table[c->n++];
	x->type = t;
	nr_buf_str(&sql, "SELECT ");
	for (unsigned i = 0; i < t->n_fields; i++)
		nr_buf_printf(&sql, "%s%s", i ? ", " : "", t->fields[i].name);
	nr_buf_printf(&sql, " FROM %s", t->name);
	nr_buf_str(&sql, by_id(t) ? " WHERE rowid = ?" : " ORDER BY rowid");
	if (sqlite3_prepare_v2(c->v->db, sql.p, -1, &x->st, NULL))
		nr_verify_db_fail(c->v, t->name);
	nr_buf_fini(&sql);
	return x;
}

/* As the sink would have written it: see bind_text() in sink/sqlite_db.c. */
static const char *as_stored(struct compare *c, enum nr_field_type type,
			     const struct nr_value *v, size_t *n)
{
	*n = v->len;
	if (type == NR_F_BLOB || (type == NR_F_JSON && nr_json_valid(v->p, v->len)) ||
	    (type != NR_F_JSON && nr_utf8_span(v->p, v->len) == v->len))
		return v->p;
	nr_buf_clear(&c->text);
	if (type == NR_F_JSON)
		nr_buf_json(&c->text, v->p, v->len);
	else
		nr_buf_utf8(&c->text, v->p, v->len);
	*n = c->text.len;
	return c->text.p;
}

static bool same(struct compare *c, const struct table *t, unsigned i,
		 const struct nr_value *v)
{
	int type = sqlite3_column_type(t->st, (int)i);
	size_t n;
	const char *p;

	switch ((enum nr_value_kind)v->kind) {
	case NR_V_NULL:
		return type == SQLITE_NULL;
	case NR_V_INT:
		return type == SQLITE_INTEGER &&
		       sqlite3_column_int64(t->st, (int)i) == v->i;
	case NR_V_TEXT:
		p = as_stored(c, t->type->fields[i].type, v, &n);
		return (type == SQLITE_TEXT || type == SQLITE_BLOB) &&
		       (size_t)sqlite3_column_bytes(t->st, (int)i) == n &&
		       (!n || !memcmp(sqlite3_column_blob(t->st, (int)i), p, n));
	}
	return false;
}

/* What depends on where and how the capture was found, not on what it holds. */
static bool is_free(const struct nr_record_type *t, unsigned i)
{
	return t == &nr_rt_source && (i == NR_SOURCE_name || i == NR_SOURCE_sha256 ||
				      i == NR_SOURCE_hash_note || i == NR_SOURCE_run_id);
}

static void name_row(const struct table *t, const struct nr_record *r,
		     char out[SUBJECT_MAX])
{
	if (by_id(t->type))
		snprintf(out, SUBJECT_MAX, "%s %" PRId64, t->type->name, r->v[0].i);
	else
		snprintf(out, SUBJECT_MAX, "%s, row %" PRIu64, t->type->name, t->rows);
}

static void value_text(char out[64], const struct nr_value *v, enum nr_field_type type)
{
	if (v->kind == NR_V_INT)
		snprintf(out, 64, "%" PRId64, v->i);
	else if (v->kind == NR_V_NULL)
		snprintf(out, 64, "NULL");
	else if (type == NR_F_BLOB)
		snprintf(out, 64, "%u bytes", v->len);
	else
		snprintf(out, 64, "'%.*s'", v->len > 48 ? 48 : (int)v->len, v->p);
}

static void compare_row(struct compare *c, struct table *t, const struct nr_record *r)
{
	char subject[SUBJECT_MAX], is[64];

	name_row(t, r, subject);
	for (unsigned i = 0; i < t->type->n_fields; i++) {
		const char *was;

		if (is_free(t->type, i) || same(c, t, i, &r->v[i]))
			continue;
		t->differ++;
		value_text(is, &r->v[i], t->type->fields[i].type);
		was = t->type->fields[i].type == NR_F_BLOB
			      ? "another blob"
			      : (const char *)sqlite3_column_text(t->st, (int)i);
		nr_report_add(c->v->report, NR_CHANGED, subject,
			      "%s is %.60s, and the captures give %s",
			      t->type->fields[i].name, was ? was : "NULL", is);
		return;
	}
}

static void take_record(struct compare *c, const struct nr_record *r)
{
	struct table *t = table_of(c, r->type);
	char subject[SUBJECT_MAX];
	int rc;

	if (!t || !t->st || t->ended)
		return;
	t->rows++;
	if (by_id(t->type))
		sqlite3_bind_int64(t->st, 1, r->v[0].i);
	rc = sqlite3_step(t->st);
	if (rc == SQLITE_ROW) {
		compare_row(c, t, r);
	} else if (rc == SQLITE_DONE) {
		t->missing++;
		t->ended = !by_id(t->type);
		name_row(t, r, subject);
		nr_report_add(c->v->report, NR_CHANGED, subject,
			      "the captures give it, and it is not there");
	} else {
		t->ended = true;
		nr_verify_db_fail(c->v, t->type->name);
	}
	if (by_id(t->type))
		sqlite3_reset(t->st);
}

static int take(struct nr_sink *s, struct nr_record *const *r, size_t n,
		struct nr_err *err)
{
	struct compare *c = ((struct ctx *)(void *)s->ctx)->c;

	(void)err;
	for (size_t i = 0; i < n; i++)
		take_record(c, r[i]);
	return 0;
}

/* Rows that the captures did not give; false where SQLite failed. */
static bool count_rows(struct compare *c, const struct table *t, uint64_t *n)
{
	sqlite3_stmt *st = NULL;
	char sql[96];
	bool ok;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", t->type->name);
	ok = !sqlite3_prepare_v2(c->v->db, sql, -1, &st, NULL) &&
	     sqlite3_step(st) == SQLITE_ROW;
	*n = ok ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
	sqlite3_finalize(st);
	if (!ok)
		nr_verify_db_fail(c->v, t->type->name);
	return ok;
}

static void finish(struct compare *c)
{
	uint64_t before = c->v->report->n_of[NR_CHANGED], rows = 0;

	for (size_t i = 0; i < nr_n_record_types; i++)
		table_of(c, nr_record_types[i]); /* those without a row, too */
	for (size_t i = 0; i < c->n; i++) {
		struct table *t = &c->table[i];
		uint64_t n;

		rows += t->rows;
		before -= t->differ + t->missing;
		if (count_rows(c, t, &n) && n > t->rows - t->missing)
			nr_report_add(c->v->report, NR_CHANGED, t->type->name,
				      "%" PRIu64 " rows that the captures do not give",
				      n - (t->rows - t->missing));
		sqlite3_finalize(t->st);
	}
	/* before: what other checks have found */
	if (c->v->report->n_of[NR_CHANGED] == before)
		nr_report_add(c->v->report, NR_PROVEN, "all tables",
			      "each of %" PRIu64
			      " rows is what a new replay of the captures gives",
			      rows);
}

/* One run of the database, whose sources follow each other in the recall. */
struct run {
	int64_t run_id;
	size_t first, n; /* sources */
	bool hash;
	char *options;
	uint64_t ordinal;
};

static int replay_run(struct compare *c, const struct run *run, struct nr_err *err)
{
	static const struct nr_sink_ops ops = { .name = "compare",
						.ctx_size = sizeof(struct ctx),
						.write = take };
	struct nr_sink *sink = nr_xcalloc(1, sizeof(*sink) + sizeof(struct ctx));
	const char **paths = nr_xcalloc(run->n, sizeof(*paths));
	struct nr_run_info info = { .argv = "verify",
				    .cwd = "",
				    .host = "",
				    .libraries = "{}",
				    .sandbox = "",
				    .record_options = run->options,
				    .threads = 1 };
	struct nr_replay_config *rc_config = NULL;
	struct nr_merge_options mo = { .hash = run->hash, .stop = &nr_stop };
	struct nr_merge *m = NULL;
	struct nr_engine *e = NULL;
	int rc;

	sink->ops = &ops;
	((struct ctx *)(void *)sink->ctx)->c = c;
	for (size_t i = 0; i < run->n; i++)
		paths[i] = nr_recall_path(c->v->recall, run->first + i);
	rc = nr_replay_config_of(&rc_config, run->options, err);
	if (!rc) {
		struct nr_engine_config *ec = nr_replay_engine_config(rc_config);

		ec->first_source_id =
			(uint64_t)nr_recall_source(c->v->recall, run->first)->source_id;
		ec->first_ordinal = run->ordinal;
		ec->run_id = (uint64_t)run->run_id;
		mo.max_jump_ns = ec->max_jump;
		rc = nr_merge_open(&m, paths, run->n, &mo, err);
		if (!rc)
			rc = nr_engine_new(&e, ec, &sink, 1, err);
	}
	if (!rc)
		rc = nr_engine_run(e, m, &info, &nr_stop, NULL, NULL, err);
	if (!rc && nr_stop)
		rc = nr_fail(err, -EINTR, "interrupted");
	nr_engine_free(e);
	nr_merge_close(m);
	nr_replay_config_free(rc_config);
	nr_free(paths);
	nr_free(sink);
	return rc;
}

/* The ordinal as nr_sqlite_next_ids() gave it to the run. */
static const char run_sql[] =
	"SELECT r.tool_version, r.schema_version, s.record_options, max(s.interrupted),"
	" count(DISTINCT s.record_options),"
	" max(s.interrupted IS NOT 0 AND s.sha256 IS NOT NULL),"
	" max(coalesce((SELECT sum(packets) FROM source WHERE source_id < ?2), 0),"
	"  coalesce((SELECT max(flow_id) / 16 FROM flow WHERE source_id < ?2), 0))"
	" FROM run AS r JOIN source AS s ON s.run_id = r.run_id WHERE r.run_id = ?1";

/* The row of run_sql into run; why gets the reason why it cannot be replayed, or "". */
static void judge_run(struct nr_verify *v, struct run *run, sqlite3_stmt *st,
		      char why[WHY_MAX])
{
	const char *version = (const char *)sqlite3_column_text(st, 0);
	const char *options = (const char *)sqlite3_column_text(st, 2);

	if (!version || strcmp(version, nr_version) != 0 ||
	    sqlite3_column_int(st, 1) != NR_SCHEMA_VERSION)
		snprintf(why, WHY_MAX,
			 "run %" PRId64
			 " was made by nrtool %.40s, this is %s: their rows may differ",
			 run->run_id, version ? version : "?", nr_version);
	else if (sqlite3_column_int(st, 5))
		nr_report_add(v->report, NR_CHANGED, "source",
			      "run %" PRId64
			      " read one to its end that is said to be interrupted",
			      run->run_id);
	else if (sqlite3_column_int(st, 3))
		snprintf(why, WHY_MAX, "run %" PRId64 " was interrupted", run->run_id);
	if (sqlite3_column_int(st, 4) != 1)
		nr_report_add(v->report, NR_CHANGED, "source",
			      "the sources of run %" PRId64
			      " do not have its record_options in common",
			      run->run_id);
	run->options = nr_xstrdup(options ? options : "");
	run->ordinal = (uint64_t)sqlite3_column_int64(st, 6);
}

static void plan(struct nr_verify *v, struct run *run, char why[WHY_MAX])
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(v->db, run_sql, -1, &st, NULL);

	why[0] = '\0';
	if (!rc) {
		sqlite3_bind_int64(st, 1, run->run_id);
		sqlite3_bind_int64(st, 2,
				   nr_recall_source(v->recall, run->first)->source_id);
		rc = sqlite3_step(st);
	}
	if (rc == SQLITE_ROW)
		judge_run(v, run, st, why);
	else
		snprintf(why, WHY_MAX, "%s", sqlite3_errmsg(v->db));
	sqlite3_finalize(st);
}

void nr_verify_replay(struct nr_verify *v)
{
	size_t n = nr_recall_n_sources(v->recall), i = 0;
	struct compare *c;
	struct nr_err err = { "" };
	int rc = 0;

	if (v->no_sources || !v->sources_whole) {
		nr_report_add(v->report, NR_UNCHECKED, "replay",
			      "not every capture is the one that was read");
		return;
	}
	c = nr_xcalloc(1, sizeof(*c));
	c->v = v;
	while (i < n && !rc) {
		struct run run = { .run_id = nr_recall_source(v->recall, i)->run_id,
				   .first = i,
				   .hash = nr_recall_source(v->recall, i)->sha256 };
		char why[WHY_MAX];

		plan(v, &run, why);
		while (i < n && nr_recall_source(v->recall, i)->run_id == run.run_id)
			i++;
		run.n = i - run.first;
		rc = why[0] ? nr_fail(&err, -EINVAL, "%s", why)
			    : replay_run(c, &run, &err);
		nr_free(run.options);
	}
	if (rc) {
		nr_report_add(v->report, NR_UNCHECKED, "replay", "%s", err.text);
		for (size_t k = 0; k < c->n; k++)
			sqlite3_finalize(c->table[k].st);
	} else {
		finish(c);
	}
	nr_buf_fini(&c->text);
	nr_free(c);
}
