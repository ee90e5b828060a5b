/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows for a sink, the folder it writes to, and its database as others see it. */
#pragma once

#include "record/tables.h"
#include "sink/sink.h"

#include "tmpdir.h"

#include <sqlite3.h>
#include <string.h>

struct env {
	struct nr_arena arena;
	struct nr_records rs;
	struct nr_sink *s; /* where it is open throughout a test */
	char dir[TMPDIR_LEN], path[TMPFILE_LEN], partial[TMPFILE_LEN];
	struct nr_err err;
};

/* path: name in a folder of its own; partial: what it is called until it is whole. */
static inline struct env *env_new(const char *name)
{
	struct env *e = calloc(1, sizeof(*e));

	e->rs.arena = &e->arena;
	tmpdir_make(e->dir);
	snprintf(e->path, sizeof(e->path), "%s/%s", e->dir, name);
	snprintf(e->partial, sizeof(e->partial), "%s/.%s.partial", e->dir, name);
	return e;
}

static inline void env_free(struct env *e)
{
	tmpdir_remove(e->dir);
	nr_arena_fini(&e->arena);
	free(e);
}

/* The same where nothing but the output may have been left behind. */
static inline void env_free_strict(struct env *e)
{
	unlink(e->path);
	assert_int_equal(tmpdir_count(e->dir), 0);
	env_free(e);
}

static inline struct nr_record *add(struct env *e, const struct nr_record_type *t)
{
	return nr_records_add(&e->rs, t, (struct nr_order){ 0 });
}

static inline void add_run(struct env *e, int64_t run_id, int64_t source_id,
			   int64_t packets)
{
	struct nr_record *r = add(e, &nr_rt_run);

	nr_set_int(r, NR_RUN_run_id, run_id);
	nr_set_str(r, NR_RUN_tool_version, "test");
	nr_set_int(r, NR_RUN_schema_version, NR_SCHEMA_VERSION);
	r = add(e, &nr_rt_source);
	nr_set_int(r, NR_SOURCE_source_id, source_id);
	nr_set_int(r, NR_SOURCE_run_id, run_id);
	nr_set_str(r, NR_SOURCE_name, "x.pcap");
	nr_set_int(r, NR_SOURCE_packets, packets);
	nr_set_int(r, NR_SOURCE_interrupted, 0);
}

static inline struct nr_record *add_flow(struct env *e, int64_t flow_id,
					 int64_t source_id)
{
	struct nr_record *r = add(e, &nr_rt_flow);

	nr_set_int(r, NR_FLOW_flow_id, flow_id);
	nr_set_int(r, NR_FLOW_source_id, source_id);
	nr_set_str(r, NR_FLOW_proto, "udp");
	nr_set_str(r, NR_FLOW_src_ip, "192.0.2.1");
	nr_set_str(r, NR_FLOW_dst_ip, "192.0.2.2");
	nr_set_int(r, NR_FLOW_first_ns, flow_id);
	return r;
}

/* The first value of a query, as text. Opens and closes the database, as others do. */
static inline const char *ask_path(const char *path, const char *sql)
{
	static char text[200];
	sqlite3_stmt *st = NULL;
	sqlite3 *db;
	int rc;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), 0);
	rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (!rc)
		rc = sqlite3_step(st);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	snprintf(text, sizeof(text), "%s",
		 rc == SQLITE_DONE ? "(no row)"
		 : sqlite3_column_type(st, 0) == SQLITE_NULL
			 ? "(NULL)"
			 : (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return text;
}

static inline const char *ask(const struct env *e, const char *sql)
{
	return ask_path(e->path, sql);
}

static inline void query_is(const struct env *e, const char *sql, const char *want)
{
	assert_string_equal(ask(e, sql), want);
}
