/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call by which a sink changes the disk fails once, for each of them in turn. The
 * functions below stand in for the C library's, also for SQLite's calls.
 */
#include "record/tables.h"
#include "sink/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int countdown; /* the call that fails; 0: none */
static int fault_errno;
static bool stays;            /* and all behind it */
static atomic_int file_calls; /* so far */

static bool is_faulty(int fd)
{
	struct stat st;
	int n;

	/* Test output goes to pipes and terminals. */
	if (fd >= 0 &&
	    (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))))
		return false;
	n = atomic_fetch_add(&file_calls, 1) + 1;
	if (!countdown || (stays ? n < countdown : n != countdown))
		return false;
	errno = fault_errno;
	return true;
}

#define STAND_IN __attribute__((visibility("default")))

STAND_IN ssize_t write(int fd, const void *p, size_t n)
{
	return is_faulty(fd) ? -1 : syscall(SYS_write, fd, p, n);
}

/* pwrite64 to the linker, with files of 64 bits. */
STAND_IN ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return is_faulty(fd) ? -1 : syscall(SYS_pwrite64, fd, p, n, at);
}

STAND_IN int fsync(int fd)
{
	return is_faulty(fd) ? -1 : 0; /* nobody pulls the plug here */
}

STAND_IN int fdatasync(int fd)
{
	return is_faulty(fd) ? -1 : 0;
}

STAND_IN int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	return is_faulty(-1) ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, flags);
}

struct env {
	struct nr_arena arena;
	struct nr_records rs;
	char dir[64], path[96];
	struct nr_err err;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	e->rs.arena = &e->arena;
	strcpy(e->dir, "/tmp/nrtool-test-XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	countdown = 0;
	unlink(e->path);
	assert_int_equal(rmdir(e->dir), 0);
	nr_arena_fini(&e->arena);
	free(e);
	return 0;
}

static unsigned files_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* One run with 200 flows, from flow_id first on. */
static int write_run(struct env *e, int64_t source_id, int64_t first,
		     const struct nr_sink_options *o)
{
	struct nr_record *r = nr_records_add(&e->rs, &nr_rt_run, (struct nr_order){ 0 });
	struct nr_sink *s;
	int rc;

	nr_set_int(r, NR_RUN_run_id, 1);
	nr_set_str(r, NR_RUN_tool_version, "test");
	nr_set_int(r, NR_RUN_schema_version, NR_SCHEMA_VERSION);
	r = nr_records_add(&e->rs, &nr_rt_source, (struct nr_order){ 0 });
	nr_set_int(r, NR_SOURCE_source_id, source_id);
	nr_set_int(r, NR_SOURCE_run_id, 1);
	nr_set_str(r, NR_SOURCE_name, "x.pcap");
	nr_set_int(r, NR_SOURCE_interrupted, 0);
	for (int i = 0; i < 200; i++) {
		r = nr_records_add(&e->rs, &nr_rt_flow, (struct nr_order){ 0 });
		nr_set_int(r, NR_FLOW_flow_id, first + i * 16);
		nr_set_int(r, NR_FLOW_source_id, source_id);
		nr_set_str(r, NR_FLOW_proto, "udp");
		nr_set_str(r, NR_FLOW_src_ip, "192.0.2.1");
		nr_set_str(r, NR_FLOW_dst_ip, "192.0.2.2");
		nr_set_int(r, NR_FLOW_first_ns, i);
	}
	e->err.text[0] = '\0';
	rc = nr_sink_open(&s, e->path, o, &e->err);
	if (rc == 0) {
		rc = nr_sink_write(s, e->rs.r, e->rs.n, &e->err);
		if (rc == 0)
			rc = nr_sink_finish(s, &e->err);
		nr_sink_close(s);
	}
	nr_records_clear(&e->rs);
	nr_arena_reset(&e->arena);
	return rc;
}

static int64_t query(struct env *e, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *st;
	int64_t v;

	assert_int_equal(sqlite3_open_v2(e->path, &db, SQLITE_OPEN_READWRITE, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	v = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return v;
}

/* A failed run leaves nothing; only a directory that cannot be synced leaves a whole
 * file. */
static void new_file(struct env *e, const char *name, int code, bool all)
{
	unsigned failed = 0;

	snprintf(e->path, sizeof(e->path), "%s/%s", e->dir, name);
	fault_errno = code;
	stays = all;
	for (int n = 1;; n++) {
		bool had_fault;
		int rc;

		file_calls = 0;
		countdown = n;
		rc = write_run(e, 1, 16, NULL);
		countdown = 0;
		had_fault = file_calls >= n;
		if (rc == 0)
			assert_false(had_fault);
		if (rc == 0)
			break;
		failed++;
		assert_true(had_fault);
		if (rc != -code && rc != -EBADMSG)
			fail_msg("%d at call %d: %s", rc, n, e->err.text);
		assert_true(strlen(e->err.text) > 20);
		if (strstr(e->err.text, "is written, but")) {
			assert_int_equal(unlink(e->path), 0);
			continue;
		}
		assert_int_equal(files_in(e->dir), 0);
	}
	assert_true(failed >= 4);
	assert_int_equal(files_in(e->dir), 1);
}

static void test_faults_json_lines(void **state)
{
	struct env *e = *state;

	new_file(e, "x.jsonl", EIO, false);
	unlink(e->path);
	new_file(e, "x.jsonl", ENOSPC, true);
}

static void test_faults_new_database(void **state)
{
	struct env *e = *state;

	new_file(e, "x.db", EIO, false);
	assert_int_equal(query(e, "SELECT count(*) FROM flow"), 200);
	unlink(e->path);
	new_file(e, "x.db", ENOSPC, true);
	assert_int_equal(query(e, "SELECT count(*) FROM flow"), 200);
}

/* A run that failed is not there, one that did not fail is. */
static void append(struct env *e, int code, bool all)
{
	struct nr_sink_options o = { .append = true };
	unsigned failed = 0;
	bool had_fault = true;

	snprintf(e->path, sizeof(e->path), "%s/case.db", e->dir);
	fault_errno = code;
	stays = all;
	for (int n = 1; had_fault; n++) {
		int rc, runs;

		assert_int_equal(write_run(e, 1, 16, NULL), 0);
		file_calls = 0;
		countdown = n;
		rc = write_run(e, 2, 1000000, &o);
		countdown = 0;
		had_fault = file_calls >= n;
		failed += rc < 0;
		runs = rc < 0 ? 1 : 2;
		if (rc < 0)
			assert_true(strlen(e->err.text) > 20);
		if (query(e, "SELECT count(*) FROM flow") != 200 * runs)
			fail_msg("rc %d at call %d: %s", rc, n, e->err.text);
		assert_int_equal(query(e, "SELECT count(*) FROM run"), runs);
		assert_int_equal(
			query(e, "SELECT quick_check = 'ok' FROM pragma_quick_check"), 1);
		/* And the next one works. */
		assert_int_equal(write_run(e, 3, 2000000, &o), 0);
		assert_int_equal(query(e, "SELECT count(*) FROM run"), runs + 1);
		unlink(e->path);
		assert_int_equal(files_in(e->dir), 0);
	}
	assert_true(failed >= 4);
}

static void test_faults_append(void **state)
{
	append(*state, EIO, false);
	append(*state, ENOSPC, true);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_faults_json_lines),
		T(test_faults_new_database),
		T(test_faults_append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
