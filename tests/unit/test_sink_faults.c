/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call by which a sink changes the disk fails once, for each of them in turn. The
 * functions below stand in for the C library's, also for SQLite's calls.
 */
#include "sink_env.h"

#include "archive/pcapng_write.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int countdown; /* the call that fails; 0: none */
static int fault_errno;
static bool stays;            /* and all behind it */
static atomic_int file_calls; /* so far */
static bool is_slow; /* files take half of what they are given, or are interrupted */

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
	if (is_faulty(fd))
		return -1;
	if (is_slow && n > 1 && file_calls % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	return syscall(SYS_write, fd, p, is_slow && n > 1 ? n / 2 : n);
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

static int setup(void **state)
{
	*state = env_new("x.db");
	return 0;
}

static int teardown(void **state)
{
	countdown = 0;
	env_free_strict(*state);
	return 0;
}

/* One run with 200 flows, from flow_id first on. */
static int write_run(struct env *e, int64_t source_id, int64_t first,
		     const struct nr_sink_options *o)
{
	struct nr_sink *s;
	int rc;

	add_run(e, 1, source_id, 0);
	for (int i = 0; i < 200; i++)
		add_flow(e, first + i * 16, source_id);
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

/* A pcapng file or archive of 3 MiB. */
static int write_packets(struct env *e, int64_t source_id, int64_t first,
			 const struct nr_sink_options *o)
{
	static uint8_t data[1500];
	const struct nr_ngw_options no = { .threads = 2 };
	const struct nr_interface i = { .link_type = 1, .tsresol = 1000000000 };
	struct nr_packet v = { .data = data, .cap_len = sizeof(data), .wire_len = 1500 };
	struct nr_ngw *w = NULL;
	uint32_t id, x = 1;
	int rc = nr_ngw_open(&w, e->path, &no, &e->err);

	(void)source_id;
	(void)first;
	(void)o;
	if (rc == 0)
		rc = nr_ngw_interface(w, &i, &id, &e->err);
	for (unsigned k = 0; k < 2000 && rc == 0; k++) {
		for (size_t b = 0; b < sizeof(data); b++)
			data[b] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
		v.ts_ns = k;
		rc = nr_ngw_packet(w, id, &v, &e->err);
	}
	if (rc == 0)
		rc = nr_ngw_finish(w, NULL, &e->err);
	nr_ngw_close(w);
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
static void new_file_by(struct env *e, const char *name, int code, bool all,
			int (*write_it)(struct env *e, int64_t source_id, int64_t first,
					const struct nr_sink_options *o))
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
		rc = write_it(e, 1, 16, NULL);
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
		assert_int_equal(tmpdir_count(e->dir), 0);
	}
	assert_true(failed >= 4);
	assert_int_equal(tmpdir_count(e->dir), 1);
}

static void new_file(struct env *e, const char *name, int code, bool all)
{
	new_file_by(e, name, code, all, write_run);
}

static void test_faults_archive_of_events(void **state)
{
	struct env *e = *state;

	new_file(e, "x.jsonl.zst", EIO, false);
	unlink(e->path);
	new_file(e, "x.jsonl.zst", ENOSPC, true);
}

static void test_faults_archive_of_packets(void **state)
{
	struct env *e = *state;

	new_file_by(e, "x.pcapng.zst", EIO, false, write_packets);
	unlink(e->path);
	new_file_by(e, "x.pcapng.zst", ENOSPC, true, write_packets);
}

static void test_faults_pcapng(void **state)
{
	struct env *e = *state;

	new_file_by(e, "x.pcapng", EIO, false, write_packets);
	unlink(e->path);
	new_file_by(e, "x.pcapng", ENOSPC, true, write_packets);
}

/* Short writes and interrupted ones are none of anybody's business. */
static void test_slow_disk(void **state)
{
	struct env *e = *state;
	struct nr_archive_check c;

	snprintf(e->path, sizeof(e->path), "%s/x.pcapng.zst", e->dir);
	is_slow = true;
	assert_int_equal(write_packets(e, 0, 0, NULL), 0);
	is_slow = false;
	assert_int_equal(nr_archive_verify(e->path, &c, NULL, NULL, &e->err), 0);
	assert_int_equal(c.verdict, NR_ARCHIVE_WHOLE);
	assert_int_equal(c.n_records, 2000);
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
		assert_int_equal(tmpdir_count(e->dir), 0);
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
		T(test_faults_archive_of_events),
		T(test_faults_archive_of_packets),
		T(test_faults_pcapng),
		T(test_slow_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
