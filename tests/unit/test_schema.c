/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/anomaly.h"
#include "record/schema.h"
#include "record/sql.h"
#include "record/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The DDL of each schema version, comments aside. A new line comes with a new
 * NR_SCHEMA_VERSION; lines of released versions never change. Tables and columns are only
 * ever added, so that older databases can be brought along (sink/sqlite_db.c).
 */
static const char *const ddl_sha256[] = {
	[1] = "f80b7b9ab867f18ae8d5ca5c524fea248186e0c7929f22f0149468bf619ff387",
	[2] = "5530b22da90f28879214ccd820dc9bc51c43bc252c845063826ed6c93ce71d20",
	[3] = "2cbe100f5f939ba57a49fc64fbf151051290c3178767f83b5f47679e3103f8af",
	[4] = "ad1e7540184ab6a2d6d68dcd3526d7a2926d09542ed8d90660598ec33603a5ba",
};

static char *slurp(const char *name)
{
	const char *root = getenv("NRTOOL_ROOT");
	char path[1024];
	char *text = NULL;
	size_t n = 0;
	FILE *f;

	if (!root)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s", root, name);
	f = fopen(path, "r");
	if (!f)
		fail_msg("cannot open %s", path);
	if (getdelim(&text, &n, '\0', f) < 0)
		fail_msg("%s is empty", path);
	fclose(f);
	return text;
}

static void is_committed(const char *name,
			 void (*put)(struct nr_buf *out,
				     const struct nr_record_type *const *t, size_t n))
{
	struct nr_buf b = { 0 };
	char *text = slurp(name);

	if (!text) {
		print_message("skipped: NRTOOL_ROOT does not name the source tree\n");
		skip();
	}
	put(&b, nr_record_types, nr_n_record_types);
	if (strcmp(b.p, text) != 0)
		fail_msg("%s is not what the tables make; run ninja -C build schema",
			 name);
	free(text);
	nr_buf_fini(&b);
}

static void test_schema_committed_sql_is_current(void **state)
{
	is_committed("sql/schema.sql", nr_schema_ddl);
}

static void test_schema_committed_page_is_current(void **state)
{
	is_committed("man/nrtool-schema.5", nr_schema_mdoc);
}

static void test_schema_ddl_changes_only_with_its_version(void **state)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	struct nr_buf ddl = { 0 }, bare = { 0 }, sum = { 0 };
	unsigned n;

	nr_schema_ddl(&ddl, nr_record_types, nr_n_record_types);
	for (const char *line = ddl.p; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");
		const char *comment = strstr(line, "--");

		if (comment && comment < line + len)
			len = (size_t)(comment - line);
		nr_buf_add(&bare, line, len);
		nr_buf_char(&bare, '\n');
	}
	assert_int_equal(EVP_Digest(bare.p, bare.len, md, &n, EVP_sha256(), NULL), 1);
	for (unsigned i = 0; i < n; i++)
		nr_buf_printf(&sum, "%02x", md[i]);
	assert_int_equal(sizeof(ddl_sha256) / sizeof(*ddl_sha256), NR_SCHEMA_VERSION + 1);
	if (strcmp(sum.p, ddl_sha256[NR_SCHEMA_VERSION]) != 0)
		fail_msg("the DDL has changed (%s): raise NR_SCHEMA_VERSION", sum.p);
	nr_buf_fini(&ddl);
	nr_buf_fini(&bare);
	nr_buf_fini(&sum);
}

static sqlite3 *empty_database(void)
{
	struct nr_buf b = { 0 };
	sqlite3 *db;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	nr_schema_ddl(&b, nr_record_types, nr_n_record_types);
	nr_buf_str(&b, nr_sql_text("views"));
	if (sqlite3_exec(db, b.p, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	nr_buf_fini(&b);
	return db;
}

/* Runs all statements of a text; returns how many there were. */
static unsigned run_all(sqlite3 *db, const char *name, const char *sql)
{
	unsigned n = 0;

	while (*(sql += strspn(sql, " \n"))) {
		sqlite3_stmt *st;
		int rc;

		if (sqlite3_prepare_v2(db, sql, -1, &st, &sql) != SQLITE_OK)
			fail_msg("%s: %s", name, sqlite3_errmsg(db));
		if (!st) /* a comment */
			continue;
		do
			rc = sqlite3_step(st);
		while (rc == SQLITE_ROW);
		if (rc != SQLITE_DONE)
			fail_msg("%s: %s", name, sqlite3_errmsg(db));
		sqlite3_finalize(st);
		n++;
	}
	return n;
}

static void test_schema_every_report_runs_on_an_empty_database(void **state)
{
	sqlite3 *db = empty_database();
	struct nr_sql_report r;
	size_t n = 0;

	for (; nr_sql_report_at(n, &r) == 0; n++) {
		assert_int_equal(run_all(db, r.name, r.text), 1);
		assert_memory_equal(r.text, "-- ", 3);
		assert_true(r.doc_len > 10);
		assert_ptr_equal(nr_sql_report(r.name), r.text);
	}
	assert_true(n >= 12);
	assert_null(nr_sql_report("nothing"));
	assert_null(nr_sql_report("views"));
	assert_null(nr_sql_text("nothing"));
	sqlite3_close(db);
}

static void test_schema_every_view_reads(void **state)
{
	sqlite3 *db = empty_database();
	sqlite3_stmt *st;
	unsigned n = 0;

	assert_int_equal(sqlite3_prepare_v2(
				 db, "SELECT name FROM sqlite_schema WHERE type = 'view'",
				 -1, &st, NULL),
			 SQLITE_OK);
	for (; sqlite3_step(st) == SQLITE_ROW; n++) {
		char sql[100];

		snprintf(sql, sizeof(sql), "SELECT * FROM %s",
			 sqlite3_column_text(st, 0));
		run_all(db, sql, sql);
	}
	assert_true(n >= 7);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* Whether the plan of a report reads the index. */
static bool uses(sqlite3 *db, const char *report, const char *index)
{
	struct nr_buf sql = { 0 };
	sqlite3_stmt *st;
	bool found = false;

	nr_buf_printf(&sql, "EXPLAIN QUERY PLAN %s", nr_sql_report(report));
	assert_int_equal(sqlite3_prepare_v2(db, sql.p, -1, &st, NULL), SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *plan = (const char *)sqlite3_column_text(st, 3);
		const char *at = strstr(plan, index);
		char behind = at ? at[strlen(index)] : 'x';

		found |= behind == ' ' || behind == '\0';
	}
	sqlite3_finalize(st);
	nr_buf_fini(&sql);
	return found;
}

static void test_schema_every_index_serves_a_report(void **state)
{
	static const struct {
		const char *index, *report;
	} why[] = {
		{ "anomaly_by_kind_severity", "anomalies" },
		{ "flow_by_dst_ip", "host" },
		{ "flow_by_first_ns", "between" },
		{ "flow_by_parent_flow_id", "tunnels" },
		{ "flow_by_src_ip_dst_ip_dst_port_proto_first_ns", "beacons" },
		{ "flow_packets_by_flow_id_source_id_seq", "flow" },
		{ "source_block_by_source_id_record", "packet" },
	};
	sqlite3 *db = empty_database();
	sqlite3_stmt *st;
	size_t n = sizeof(why) / sizeof(*why);

	for (size_t i = 0; i < n; i++) {
		if (!uses(db, why[i].report, why[i].index))
			fail_msg("%s does not use %s", why[i].report, why[i].index);
	}
	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "SELECT name FROM sqlite_schema WHERE type = 'index'"
				   " AND name NOT LIKE 'sqlite_%'"
				   " AND name NOT GLOB '*_by_flow_id'",
				   -1, &st, NULL),
		SQLITE_OK);
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(st, 0);
		size_t i = 0;

		while (i < n && strcmp(why[i].index, name) != 0)
			i++;
		if (i == n)
			fail_msg("no report is named for index %s", name);
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* The text times of views, from SQLite's own functions, against base/text.h. */
static void test_schema_views_tell_the_time_as_the_code(void **state)
{
	static const int64_t times[] = { 0,           -1,        999999999,
					 INT64_MAX,   INT64_MIN, 1500000000123456789,
					 -1000000000, -999999999 };
	sqlite3 *db = empty_database();
	sqlite3_stmt *ins, *sel;

	sqlite3_prepare_v2(db,
			   "INSERT INTO flow (flow_id, source_id, proto, src_ip, dst_ip, "
			   "first_ns, last_ns)"
			   " VALUES (?1, 1, 'tcp', '', '', ?2, ?2)",
			   -1, &ins, NULL);
	sqlite3_prepare_v2(
		db, "SELECT first, last, duration_s FROM flow_v WHERE flow_id = ?1", -1,
		&sel, NULL);
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		char want[NR_TIME_TEXT];

		sqlite3_bind_int64(ins, 1, (int64_t)i);
		sqlite3_bind_int64(ins, 2, times[i]);
		assert_int_equal(sqlite3_step(ins), SQLITE_DONE);
		sqlite3_reset(ins);
		sqlite3_bind_int64(sel, 1, (int64_t)i);
		assert_int_equal(sqlite3_step(sel), SQLITE_ROW);
		nr_time_format(want, times[i]);
		assert_string_equal((const char *)sqlite3_column_text(sel, 0), want);
		assert_string_equal((const char *)sqlite3_column_text(sel, 1), want);
		sqlite3_reset(sel);
	}
	sqlite3_finalize(ins);
	sqlite3_finalize(sel);
	sqlite3_close(db);
}

static void test_schema_ledger_check_sees_a_wrong_sum(void **state)
{
	sqlite3 *db = empty_database();
	sqlite3_stmt *st;

	run_all(db, "rows",
		"INSERT INTO run (run_id, tool_version, schema_version) VALUES (1, '', "
		"1);"
		"INSERT INTO source (source_id, run_id, name, packets, wire_bytes, "
		"interrupted)"
		" VALUES (1, 1, 'x', 5, 500, 0), (2, 1, 'y', 0, 0, 0);"
		"INSERT INTO ledger VALUES (1, 'flow', NULL, 4, 400), (1, 'arp', NULL, "
		"1, 100);"
		"INSERT INTO flow (flow_id, source_id, proto, src_ip, dst_ip, first_ns, "
		"records, wire_bytes)"
		" VALUES (16, 1, 'tcp', '', '', 0, 3, 300), (32, 1, 'tcp', '', '', 0, 1, "
		"100)");
	sqlite3_prepare_v2(db, "SELECT count(*), sum(ok) FROM ledger_check", -1, &st,
			   NULL);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0), 6);
	assert_int_equal(sqlite3_column_int(st, 1), 6);
	sqlite3_reset(st);
	run_all(db, "change", "UPDATE flow SET records = 2 WHERE flow_id = 32");
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 1), 5);
	sqlite3_reset(st);
	run_all(db, "change", "DELETE FROM ledger WHERE bucket = 'arp'");
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 1), 3);
	sqlite3_finalize(st);
	sqlite3_close(db);
}

static void test_schema_json_is_valid_and_complete(void **state)
{
	struct nr_buf b = { 0 };
	sqlite3 *db = empty_database();
	sqlite3_stmt *st;

	nr_schema_json(&b, nr_record_types, nr_n_record_types);
	assert_true(nr_json_valid(b.p, b.len - 1));
	sqlite3_prepare_v2(db,
			   "SELECT (SELECT count(*) FROM json_each(?1, '$.types') AS t,"
			   " json_each(t.value, '$.columns')),"
			   " json_array_length(?1, '$.anomalies')",
			   -1, &st, NULL);
	sqlite3_bind_text(st, 1, b.p, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	for (size_t i = 0, n = 0; i < nr_n_record_types; i++) {
		n += nr_record_types[i]->n_fields;
		if (i + 1 == nr_n_record_types)
			assert_int_equal(sqlite3_column_int(st, 0), n);
	}
	assert_int_equal(sqlite3_column_int(st, 1), NR_N_ANOMALIES);
	sqlite3_finalize(st);
	sqlite3_close(db);
	nr_buf_fini(&b);
}

/* The rules of SCHEMA: names, units of times, what session records begin with. */
static void test_schema_tables_follow_the_rules(void **state)
{
	static const char *const head[] = { "flow_id", "source_id", "packet", "ts_ns" };

	for (size_t i = 0; i < nr_n_record_types; i++) {
		const struct nr_record_type *t = nr_record_types[i];
		unsigned keys = 0;

		assert_true(strlen(t->doc) > 5);
		for (unsigned k = 0; k < t->n_fields; k++) {
			const struct nr_field *f = &t->fields[k];
			size_t len = strlen(f->name);
			bool ns = len > 3 && strcmp(f->name + len - 3, "_ns") == 0;

			if (strspn(f->name, "abcdefghijklmnopqrstuvwxyz0123456789_") !=
			    len)
				fail_msg("%s.%s: not lower_snake", t->name, f->name);
			if (ns && (!f->unit || strcmp(f->unit, "ns") != 0))
				fail_msg("%s.%s: no unit", t->name, f->name);
			if (f->type == NR_F_TIME && !ns)
				fail_msg("%s.%s: a time must end in _ns", t->name,
					 f->name);
			if (strlen(f->doc) < 5 || f->doc[strlen(f->doc) - 1] == '.')
				fail_msg("%s.%s: doc", t->name, f->name);
			keys += !!(f->flags & NR_F_KEY);
		}
		if (t->flags & NR_R_ROWID_KEY)
			assert_int_equal(keys, 1);
		for (unsigned k = 0; k < 4 && t->flags & NR_R_SESSION; k++)
			assert_string_equal(t->fields[k].name, head[k]);
	}
	for (unsigned k = 0; k < NR_FLOW_START__n; k++)
		assert_string_equal(nr_rt_flow_start.fields[k].name,
				    nr_rt_flow.fields[k].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schema_tables_follow_the_rules),
		cmocka_unit_test(test_schema_committed_sql_is_current),
		cmocka_unit_test(test_schema_committed_page_is_current),
		cmocka_unit_test(test_schema_ddl_changes_only_with_its_version),
		cmocka_unit_test(test_schema_every_report_runs_on_an_empty_database),
		cmocka_unit_test(test_schema_every_view_reads),
		cmocka_unit_test(test_schema_every_index_serves_a_report),
		cmocka_unit_test(test_schema_views_tell_the_time_as_the_code),
		cmocka_unit_test(test_schema_ledger_check_sees_a_wrong_sum),
		cmocka_unit_test(test_schema_json_is_valid_and_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
