/* SPDX-License-Identifier: BSD-3-Clause */
#include "diff/compare_internal.h"

#include "record/tables.h"

#include <errno.h>
#include <string.h>

/* Each of three connections: pages, and as much again while it sorts. */
#define CACHE "PRAGMA cache_size = -16384; PRAGMA temp_store = FILE;"

int nr_cmp_fail(struct nr_cmp *c, sqlite3 *db, struct nr_err *err)
{
	int rc = sqlite3_errcode(db) & 0xff;

	if (rc == SQLITE_INTERRUPT || (c->o->stop && atomic_load(c->o->stop)))
		return nr_fail(err, -EINTR, "interrupted");
	return nr_fail(err, -EIO, "cannot compare%s: %s",
		       db == c->work    ? ", in temporary files"
		       : db == c->db[0] ? ", reading the first"
					: ", reading the second",
		       sqlite3_errmsg(db));
}

int nr_cmp_prepare(struct nr_cmp *c, sqlite3 *db, const char *sql, sqlite3_stmt **st,
		   struct nr_err *err)
{
	return sqlite3_prepare_v2(db, sql, -1, st, NULL) ? nr_cmp_fail(c, db, err) : 0;
}

int nr_cmp_run(struct nr_cmp *c, const char *sql, struct nr_err *err)
{
	return sqlite3_exec(c->work, sql, NULL, NULL, NULL) ? nr_cmp_fail(c, c->work, err)
							    : 0;
}

static int compare_table(struct nr_cmp *c, const struct nr_record_type *type,
			 struct nr_cmp_map *map, bool is_told, struct nr_err *err)
{
	struct nr_cmp_table t = {
		.type = type,
		.keys = nr_cmp_keys_of(type),
		.map = map,
		.is_told = is_told,
	};
	int rc = 0;

	c->t = &t;
	if (nr_cmp_find_columns(c, &t)) {
		rc = nr_cmp_open_table(c, &t, err);
		if (!rc)
			rc = nr_cmp_match(c, err);
	}
	nr_cmp_close_table(&t);
	c->t = NULL;
	if (!rc && c->failed)
		rc = nr_cmp_fail(c, c->work, err);
	return rc;
}

static bool is_wanted(const struct nr_compare_options *o, const struct nr_record_type *t)
{
	if (t->flags & NR_R_JSON_ONLY || (t->flags & NR_R_RUN && !o->runs) ||
	    (t->flags & NR_R_CONTAINER && !o->containers))
		return false;
	return !o->want || o->want(o->arg, t);
}

static int compare_all(struct nr_cmp *c, struct nr_err *err)
{
	int rc = compare_table(c, &nr_rt_source, &c->sources,
			       is_wanted(c->o, &nr_rt_source), err);

	if (!rc)
		rc = compare_table(c, &nr_rt_flow, &c->flows,
				   is_wanted(c->o, &nr_rt_flow), err);
	for (size_t i = 0; i < nr_n_record_types && !rc; i++) {
		const struct nr_record_type *t = nr_record_types[i];

		if (t != &nr_rt_source && t != &nr_rt_flow && is_wanted(c->o, t))
			rc = compare_table(c, t, NULL, true, err);
	}
	return rc;
}

static const struct nr_record_type *type_named(const char *name, size_t n)
{
	for (size_t i = 0; i < nr_n_record_types; i++) {
		const struct nr_record_type *t = nr_record_types[i];

		if (!strncmp(t->name, name, n) && !t->name[n] &&
		    !(t->flags & NR_R_JSON_ONLY))
			return t;
	}
	return NULL;
}

static bool has_field(const struct nr_record_type *t, const char *name)
{
	for (unsigned i = 0; i < t->n_fields; i++)
		if (!strcmp(t->fields[i].name, name))
			return true;
	return false;
}

int nr_compare_check_ignore(const char *word, struct nr_err *err)
{
	const char *dot = strchr(word, '.');
	const struct nr_record_type *t =
		dot ? type_named(word, (size_t)(dot - word)) : NULL;

	if (dot && !t)
		return nr_fail(err, -EINVAL,
			       "there is no table '%.*s'; nrtool schema lists them",
			       (int)(dot - word), word);
	if (t && strcmp(dot + 1, "*") != 0 && !has_field(t, dot + 1))
		return nr_fail(err, -EINVAL,
			       "table %s has no column '%s'; nrtool schema %s lists them",
			       t->name, dot + 1, t->name);
	for (size_t i = 0; !dot && !t && i < nr_n_record_types; i++)
		if (has_field(nr_record_types[i], word))
			t = nr_record_types[i];
	if (!t)
		return nr_fail(err, -EINVAL,
			       "no table has a column '%s'; nrtool schema lists them",
			       word);
	return 0;
}

static int on_progress(void *arg)
{
	const struct nr_cmp *c = arg;

	return c->o->stop && atomic_load(c->o->stop);
}

static int set_up(struct nr_cmp *c, struct nr_cmp_side side[2], struct nr_err *err)
{
	static const char work_sql[] =
		"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
		"PRAGMA locking_mode = EXCLUSIVE; BEGIN;"
		"CREATE TABLE flow_map (b INTEGER PRIMARY KEY, a INTEGER);"
		"CREATE TABLE source_map (b INTEGER PRIMARY KEY, a INTEGER);"
		"CREATE TABLE flow_alone (side INTEGER, id INTEGER,"
		" PRIMARY KEY (side, id)) WITHOUT ROWID;"
		"CREATE TABLE source_alone (side INTEGER, id INTEGER,"
		" PRIMARY KEY (side, id)) WITHOUT ROWID;";

	sqlite3_randomness(sizeof(c->key), c->key); /* nobody can craft equal hashes */
	/* a file without a name, in SQLite's directory for temporary ones */
	if (sqlite3_open("", &c->work))
		return nr_fail(err, -ENOMEM, "out of memory");
	for (int i = 0; i < 3; i++) {
		sqlite3 *db = i < 2 ? c->db[i] : c->work;

		if (sqlite3_exec(db, CACHE, NULL, NULL, NULL))
			return nr_cmp_fail(c, db, err);
		if (c->o->stop)
			sqlite3_progress_handler(db, 10000, on_progress, c);
	}
	for (int i = 0; i < 2; i++)
		if (nr_cmp_register(&side[i]))
			return nr_cmp_fail(c, c->db[i], err);
	return nr_cmp_run(c, work_sql, err);
}

int nr_compare(sqlite3 *a, sqlite3 *b, const struct nr_compare_options *o,
	       struct nr_differences *d, struct nr_err *err)
{
	struct nr_cmp c = {
		.db = { a, b },
		.o = o,
		.d = d,
		.flows = { .name = "flow" },
		.sources = { .name = "source" },
	};
	struct nr_cmp_side side[2] = { { &c, 0 }, { &c, 1 } };
	int rc = set_up(&c, side, err);

	if (!rc)
		rc = compare_all(&c, err);
	sqlite3_finalize(c.flows.find);
	sqlite3_finalize(c.sources.find);
	sqlite3_finalize(c.alone);
	for (int i = 0; i < 2; i++) {
		sqlite3_finalize(c.flow_text[i]);
		sqlite3_create_function_v2(c.db[i], "nr_row", -1, SQLITE_UTF8, NULL, NULL,
					   NULL, NULL, NULL);
		if (o->stop)
			sqlite3_progress_handler(c.db[i], 0, NULL, NULL);
	}
	sqlite3_close(c.work);
	nr_buf_fini(&c.scratch);
	return rc;
}
