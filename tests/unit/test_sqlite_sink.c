/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink_env.h"

#include "sink/sqlite_vfs.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int setup(void **state)
{
	*state = env_new("x.db");
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	chmod(e->dir, 0700);
	env_free_strict(e);
	return 0;
}

/* Opens, writes the records in batches of 100, finishes, closes. */
static int write_all(struct env *e, const struct nr_sink_options *o)
{
	struct nr_sink *s;
	int rc = nr_sink_open(&s, e->path, o, &e->err);

	if (rc < 0) {
		nr_records_clear(&e->rs);
		return rc;
	}
	for (size_t i = 0; i < e->rs.n && rc == 0; i += 100)
		rc = nr_sink_write(s, e->rs.r + i, e->rs.n - i < 100 ? e->rs.n - i : 100,
				   &e->err);
	if (rc == 0)
		rc = nr_sink_finish(s, &e->err);
	nr_sink_close(s);
	nr_records_clear(&e->rs);
	return rc;
}

static void test_sqlite_empty_run_is_a_whole_database(void **state)
{
	struct env *e = *state;
	char version[16];
	struct stat st;

	assert_int_equal(write_all(e, NULL), 0);
	assert_int_equal(stat(e->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	query_is(e, "PRAGMA integrity_check", "ok");
	query_is(e, "PRAGMA application_id", "1852994671"); /* nrto */
	snprintf(version, sizeof(version), "%d", NR_SCHEMA_VERSION);
	query_is(e, "PRAGMA user_version", version);
	query_is(e, "PRAGMA journal_mode", "delete");
	query_is(e,
		 "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND"
		 " type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'",
		 "0");
	query_is(e, "SELECT count(*) FROM sqlite_schema WHERE name = 'flow_start'", "0");
}

static void test_sqlite_values_arrive(void **state)
{
	struct env *e = *state;
	struct nr_record *r;

	add_run(e, 1, 1, 2);
	r = add_flow(e, 16, 1);
	nr_set_int(r, NR_FLOW_src_bytes, INT64_MIN);
	nr_set_int(r, NR_FLOW_dst_bytes, INT64_MAX);
	nr_set_str(r, NR_FLOW_service, "dns");
	nr_set_str(r, NR_FLOW_syn_options, "{\"mss\":1460}");
	add_flow(e, 32, 1); /* its NULLs follow a row that had values */
	r = add(e, &nr_rt_flow_packets);
	nr_set_int(r, NR_FLOW_PACKETS_flow_id, 16);
	nr_set_int(r, NR_FLOW_PACKETS_source_id, 1);
	nr_set_int(r, NR_FLOW_PACKETS_seq, 0);
	nr_set_text(r, NR_FLOW_PACKETS_blob, "\x01\0\xff", 3);
	r = add(e, &nr_rt_anomaly); /* of the whole run: no packet, no source */
	nr_set_str(r, NR_ANOMALY_kind, "duplicates");
	nr_set_str(r, NR_ANOMALY_severity, "warning");
	nr_set_str(add(e, &nr_rt_flow_start), NR_FLOW_START_proto, "tcp"); /* no table */
	assert_int_equal(write_all(e, NULL), 0);
	query_is(e, "SELECT count(*) FROM flow", "2");
	query_is(e,
		 "SELECT proto || ' ' || src_ip || ' ' || dst_ip || ' ' || service FROM "
		 "flow",
		 "udp 192.0.2.1 192.0.2.2 dns");
	query_is(e, "SELECT src_bytes || dst_bytes FROM flow",
		 "-92233720368547758089223372036854775807");
	query_is(e,
		 "SELECT service IS NULL AND syn_options IS NULL AND src_bytes IS NULL"
		 " FROM flow WHERE flow_id = 32",
		 "1");
	query_is(e, "SELECT json_extract(syn_options, '$.mss') FROM flow", "1460");
	query_is(e, "SELECT hex(blob) FROM flow_packets", "0100FF");
	query_is(e, "SELECT count(*) FROM anomaly_v", "1");
	query_is(e, "PRAGMA foreign_key_check", "(no row)");
	query_is(e, "PRAGMA integrity_check", "ok");
}

/* Ten thousand times as much text as a chunk of the queue holds, in all sizes. */
static void test_sqlite_large_and_hostile_text(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 4096, 1 << 20, 3 << 20 };
	struct env *e = *state;

	add_run(e, 1, 1, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct nr_record *r = add(e, &nr_rt_comment);
		char *s = nr_arena_alloc(&e->arena, sizes[i] + 1);

		memset(s, 'x', sizes[i]);
		nr_set_int(r, NR_COMMENT_source_id, 1);
		nr_set_text(r, NR_COMMENT_text, s, sizes[i]);
	}
	for (unsigned c = 0; c < 256; c++) {
		struct nr_record *r = add(e, &nr_rt_comment);

		nr_set_int(r, NR_COMMENT_source_id, 1);
		nr_set_int(r, NR_COMMENT_packet, c + 1);
		nr_set_text(r, NR_COMMENT_text,
			    nr_arena_copy(&e->arena, (char[]){ 'a', (char)c, 'b' }, 3),
			    3);
	}
	assert_int_equal(write_all(e, NULL), 0);
	query_is(e, "SELECT group_concat(length(text)) FROM comment WHERE packet IS NULL",
		 "0,1,15,16,4096,1048576,3145728");
	query_is(e, "SELECT text FROM comment WHERE packet = 1", "a\\x00b");
	query_is(e, "SELECT text FROM comment WHERE packet = 256", "a\\xffb");
	query_is(e, "SELECT hex(text) FROM comment WHERE packet = 28", "611B62");
	query_is(e,
		 "SELECT count(*) FROM comment WHERE packet > 128 AND"
		 " text = printf('a\\x%02xb', packet - 1)",
		 "128");
	query_is(e, "SELECT count(*) FROM comment WHERE json_valid(json_quote(text))",
		 "263");
}

static void test_sqlite_many_rows_stay_in_order(void **state)
{
	struct env *e = *state;

	add_run(e, 1, 1, 0);
	for (int i = 0; i < 30000; i++) /* more than the queue holds */
		add_flow(e, (i + 1) * 16, 1);
	assert_int_equal(write_all(e, NULL), 0);
	query_is(e, "SELECT count(*) FROM flow", "30000");
	query_is(e, "SELECT count(*) FROM flow WHERE flow_id <> first_ns", "0");
	query_is(e, "SELECT count(*) > 3 FROM sqlite_schema WHERE type = 'index'", "1");
	query_is(e, "PRAGMA integrity_check", "ok");
}

static void test_sqlite_strict_and_key_errors_surface(void **state)
{
	struct env *e = *state;

	add_run(e, 1, 1, 0);
	nr_set_str(add_flow(e, 16, 1), NR_FLOW_src_port, "http");
	assert_int_equal(write_all(e, NULL), -EINVAL);
	assert_non_null(strstr(e->err.text, "cannot store TEXT value in INTEGER column"));
	assert_int_equal(tmpdir_count(e->dir), 0);
	add_run(e, 1, 1, 0);
	add_flow(e, 16, 1);
	add_flow(e, 16, 1);
	assert_int_equal(write_all(e, NULL), -EINVAL);
	assert_non_null(strstr(e->err.text, "UNIQUE"));
	add_run(e, 1, 1, 0);
	add_flow(e, 16, 2); /* there is no source 2 */
	assert_int_equal(write_all(e, NULL), -EBADMSG);
	assert_non_null(strstr(e->err.text, "of flow refers to a row of source"));
	assert_int_equal(tmpdir_count(e->dir), 0);
}

/* Its pages and its references are checked side by side. */
static void test_sqlite_large_database_is_checked(void **state)
{
	struct env *e = *state;
	char history[300];
	struct stat st;

	memset(history, 'D', sizeof(history) - 1);
	history[sizeof(history) - 1] = '\0';
	for (int broken = 1; broken >= 0; broken--) {
		add_run(e, 1, 1, 0);
		for (int i = 1; i <= 40000; i++)
			nr_set_str(add_flow(e, i * 16, broken && i == 30000 ? 2 : 1),
				   NR_FLOW_history, history);
		assert_int_equal(write_all(e, NULL), broken ? -EBADMSG : 0);
		assert_int_equal(tmpdir_count(e->dir), !broken);
		if (broken)
			assert_non_null(strstr(e->err.text, "row 480000 of flow refers "
							    "to a row of source"));
	}
	assert_int_equal(stat(e->path, &st), 0);
	assert_true(st.st_size > 8 << 20);
	query_is(e, "SELECT count(*) FROM flow WHERE length(history) = 299", "40000");
}

/* The engine learns of it at the next write, not only at the end. */
static void test_sqlite_error_stops_the_writes(void **state)
{
	struct env *e = *state;
	struct nr_sink *s;
	int rc = 0;

	add_flow(e, 16, 1);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &e->err), 0);
	for (int i = 0; i < 1000000 && rc == 0; i++) /* the same key again and again */
		rc = nr_sink_write(s, e->rs.r, 1, &e->err);
	assert_int_equal(rc, -EINVAL);
	assert_int_equal(nr_sink_finish(s, &e->err), -EINVAL);
	nr_sink_close(s);
	assert_int_equal(tmpdir_count(e->dir), 0);
}

static void test_sqlite_existing_target_is_refused(void **state)
{
	struct env *e = *state;
	struct nr_sink_options force = { .force = true };

	add_run(e, 1, 1, 7);
	assert_int_equal(write_all(e, NULL), 0);
	assert_int_equal(write_all(e, NULL), -EEXIST);
	assert_non_null(strstr(e->err.text, "exists"));
	query_is(e, "SELECT packets FROM source", "7");
	add_run(e, 1, 1, 0);
	add_flow(e, 16, 2);
	assert_int_equal(write_all(e, &force), -EBADMSG);
	query_is(e, "SELECT packets FROM source", "7"); /* a failure leaves the old one */
	assert_int_equal(write_all(e, &force), 0);
	query_is(e, "SELECT count(*) FROM source", "0");
}

static void test_sqlite_unusable_targets(void **state)
{
	struct env *e = *state;
	struct nr_sink *s;
	struct stat st;

	assert_int_equal(nr_sink_open(&s, "/dev/null", NULL, &e->err), -EINVAL);
	assert_non_null(strstr(e->err.text, "no regular file"));
	assert_int_equal(nr_sink_open(&s, "/dev/full",
				      &(struct nr_sink_options){ .force = 1 }, &e->err),
			 -EINVAL);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(nr_sink_open(&s, e->dir, NULL, &e->err), -EISDIR);
	assert_int_equal(nr_sink_open(&s, "/nonexistent/x.db", NULL, &e->err), -ENOENT);
	if (geteuid() != 0) {
		chmod(e->dir, 0500);
		assert_int_equal(nr_sink_open(&s, e->path, NULL, &e->err), -EACCES);
	}
	assert_int_equal(mkfifo(e->path, 0600), 0);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &e->err), -EINVAL);
	assert_int_equal(stat(e->path, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
}

/* The file may not grow beyond n bytes: for all n some step of the way fails. */
static void test_sqlite_disk_full_at_every_size(void **state)
{
	struct env *e = *state;
	struct rlimit old, lim;
	struct stat st;
	unsigned failed = 0;
	int rc = -1;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (rlim_t n = 0; rc != 0; n += 24 * 1024) {
		nr_arena_reset(&e->arena);
		add_run(e, 1, 1, 0);
		for (int i = 0; i < 3000; i++)
			add_flow(e, (i + 1) * 16, 1);
		lim = (struct rlimit){ n, old.rlim_max };
		setrlimit(RLIMIT_FSIZE, &lim);
		rc = write_all(e, NULL);
		setrlimit(RLIMIT_FSIZE, &old);
		if (rc == 0)
			break;
		failed++;
		if (rc != -EFBIG)
			fail_msg("%d at %lu: %s", rc, (unsigned long)n, e->err.text);
		assert_non_null(strstr(e->err.text, "File too large"));
		assert_int_equal(tmpdir_count(e->dir), 0);
	}
	assert_true(failed > 10);
	assert_int_equal(stat(e->path, &st), 0);
	query_is(e, "PRAGMA integrity_check", "ok");
}

static void test_sqlite_keep_partial(void **state)
{
	struct env *e = *state;
	struct nr_sink_options keep = { .keep_partial = true };

	add_run(e, 1, 1, 0);
	add_flow(e, 16, 2);
	assert_int_equal(write_all(e, &keep), -EBADMSG);
	assert_int_equal(access(e->path, F_OK), -1);
	assert_int_equal(unlink(e->partial), 0);
}

static void test_sqlite_close_without_finish_leaves_nothing(void **state)
{
	struct env *e = *state;
	struct nr_sink *s;

	for (int i = 0; i < 20000; i++)
		add_flow(e, (i + 1) * 16, 1);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &e->err), 0);
	assert_int_equal(nr_sink_write(s, e->rs.r, e->rs.n, &e->err), 0);
	nr_sink_close(s);
	assert_int_equal(tmpdir_count(e->dir), 0);
}

static void test_sqlite_append_adds_a_run(void **state)
{
	struct env *e = *state;
	struct nr_sink_options append = { .append = true };
	int64_t run_id, source_id;
	uint64_t ordinal;

	assert_int_equal(
		nr_sqlite_next_ids(e->path, &run_id, &source_id, &ordinal, &e->err), 0);
	assert_true(run_id == 1 && source_id == 1 && ordinal == 0);
	add_run(e, 1, 1, 10);
	add_flow(e, 16, 1);
	assert_int_equal(write_all(e, &append), 0); /* the first of a case */
	assert_int_equal(
		nr_sqlite_next_ids(e->path, &run_id, &source_id, &ordinal, &e->err), 0);
	assert_true(run_id == 2 && source_id == 2 && ordinal == 10);

	add_run(e, 1, 2, 5); /* a writer that does not know of earlier runs */
	add_flow(e, 11 * 16, 2);
	assert_int_equal(write_all(e, &append), 0);
	add_run(e, 3, 3, 5); /* one that does */
	add_flow(e, 40 * 16, 3);
	assert_int_equal(write_all(e, &append), 0);
	query_is(e, "SELECT group_concat(run_id) FROM run", "1,2,3");
	query_is(e, "SELECT group_concat(source_id || ':' || run_id) FROM source",
		 "1:1,2:2,3:3");
	query_is(e, "SELECT count(*) FROM flow", "3");
	query_is(e, "PRAGMA journal_mode", "delete"); /* readable from anywhere */
	query_is(e, "PRAGMA integrity_check", "ok");
	assert_int_equal(
		nr_sqlite_next_ids(e->path, &run_id, &source_id, &ordinal, &e->err), 0);
	assert_true(run_id == 4 && source_id == 4 && ordinal == 40);
}

static void test_sqlite_failed_append_changes_nothing(void **state)
{
	struct env *e = *state;
	struct nr_sink_options append = { .append = true };
	struct nr_sink *s;

	add_run(e, 1, 1, 10);
	add_flow(e, 16, 1);
	assert_int_equal(write_all(e, NULL), 0);
	add_run(e, 1, 2, 5);
	for (int i = 0; i < 5000; i++)
		add_flow(e, 1600 + i * 16, 2);
	add_flow(e, 16, 2); /* exists */
	assert_int_equal(write_all(e, &append), -EINVAL);
	query_is(e, "SELECT count(*) FROM flow", "1");
	query_is(e, "SELECT count(*) FROM run", "1");
	add_run(e, 1, 2, 5);
	add_flow(e, 32, 9); /* no such source */
	assert_int_equal(write_all(e, &append), -EBADMSG);
	assert_int_equal(nr_sink_open(&s, e->path, &append, &e->err), 0);
	nr_sink_close(s);
	query_is(e, "SELECT count(*) FROM run", "1");
	query_is(e, "PRAGMA journal_mode", "delete");
	query_is(e, "PRAGMA integrity_check", "ok");
}

static void exec(struct env *e, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(e->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_sqlite_append_refuses_other_files(void **state)
{
	struct env *e = *state;
	struct nr_sink_options append = { .append = true };
	int64_t run_id, source_id;
	uint64_t ordinal;
	struct stat before, after;
	FILE *f;

	exec(e, "CREATE TABLE t (x)");
	assert_int_equal(stat(e->path, &before), 0);
	assert_int_equal(write_all(e, &append), -EINVAL);
	assert_non_null(strstr(e->err.text, "no database of nrtool"));
	assert_int_equal(
		nr_sqlite_next_ids(e->path, &run_id, &source_id, &ordinal, &e->err),
		-EINVAL);
	assert_int_equal(stat(e->path, &after), 0);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim));
	unlink(e->path);

	f = fopen(e->path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("no database at all\n", f);
	fclose(f);
	assert_int_equal(write_all(e, &append), -EBADMSG);
	unlink(e->path);

	assert_int_equal(write_all(e, NULL), 0);
	exec(e, "PRAGMA user_version = 1000"); /* a newer nrtool's */
	assert_int_equal(write_all(e, &append), -EINVAL);
	assert_non_null(strstr(e->err.text, "newer nrtool"));
}

static void test_sqlite_append_waits_for_no_reader(void **state)
{
	struct env *e = *state;
	struct nr_sink_options append = { .append = true };
	sqlite3 *db;
	sqlite3_stmt *st;

	add_run(e, 1, 1, 10);
	assert_int_equal(write_all(e, NULL), 0);
	exec(e,
	     "PRAGMA journal_mode = WAL"); /* as a reader that holds it would keep it */
	assert_int_equal(sqlite3_open(e->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM source", -1, &st, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	add_run(e, 1, 2, 10);
	assert_int_equal(write_all(e, &append), 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	query_is(e, "SELECT count(*) FROM source", "2");
	exec(e, "PRAGMA journal_mode = DELETE");
}

/* 4 MiB in a temporary table whose cache holds 40 KiB. */
static int spill(struct env *e, const char *tmp)
{
	struct nr_sqlite_vfs *v = nr_sqlite_vfs_new(tmp);
	sqlite3 *db;
	int rc;

	assert_int_equal(sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE,
					 nr_sqlite_vfs_name(v)),
			 SQLITE_OK);
	rc = sqlite3_exec(
		db,
		"PRAGMA temp_store = FILE; CREATE TEMP TABLE t (x);"
		"PRAGMA temp.cache_size = 10;"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
		" WHERE i < 1000) INSERT INTO t SELECT zeroblob(4096) FROM n",
		NULL, NULL, NULL);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	nr_sqlite_vfs_free(v);
	return rc;
}

static void test_sqlite_temporary_files_lie_beside_the_output(void **state)
{
	struct env *e = *state;
	FILE *f = fopen(e->path, "w"); /* a leftover of the name is no obstacle */

	fclose(f);
	assert_int_equal(spill(e, e->path), SQLITE_OK);
	assert_int_equal(tmpdir_count(e->dir), 0); /* and they vanish at once */
	assert_int_equal(spill(e, "/nonexistent/tmp"), SQLITE_CANTOPEN);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_sqlite_empty_run_is_a_whole_database),
		T(test_sqlite_values_arrive),
		T(test_sqlite_large_and_hostile_text),
		T(test_sqlite_many_rows_stay_in_order),
		T(test_sqlite_strict_and_key_errors_surface),
		T(test_sqlite_large_database_is_checked),
		T(test_sqlite_error_stops_the_writes),
		T(test_sqlite_existing_target_is_refused),
		T(test_sqlite_unusable_targets),
		T(test_sqlite_disk_full_at_every_size),
		T(test_sqlite_keep_partial),
		T(test_sqlite_close_without_finish_leaves_nothing),
		T(test_sqlite_append_adds_a_run),
		T(test_sqlite_failed_append_changes_nothing),
		T(test_sqlite_append_refuses_other_files),
		T(test_sqlite_append_waits_for_no_reader),
		T(test_sqlite_temporary_files_lie_beside_the_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
