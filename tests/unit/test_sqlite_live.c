/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink_env.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* 2026-11-23T12:00:00Z */
#define T0 (INT64_C(1795435200) * 1000000000)

static int setup(void **state)
{
	*state = env_new("x.db");
	return 0;
}

static int teardown(void **state)
{
	env_free(*state);
	return 0;
}

static void open_live(struct env *e, struct nr_sink_options o)
{
	o.live = true;
	if (nr_sink_open(&e->s, e->path, &o, &e->err) < 0)
		fail_msg("%s", e->err.text);
	assert_true(nr_sink_wants_open(e->s));
}

static void give(struct env *e)
{
	assert_int_equal(nr_sink_write(e->s, e->rs.r, e->rs.n, &e->err), 0);
	nr_records_clear(&e->rs);
	nr_arena_reset(&e->arena);
}

/* A flow as it is by now; end NULL: it is open. */
static void add_flow_now(struct env *e, int64_t flow_id, int64_t source_id,
			 int64_t packets, const char *end)
{
	struct nr_record *r = add_flow(e, flow_id, source_id);

	nr_set_int(r, NR_FLOW_src_packets, packets);
	nr_set_str(r, NR_FLOW_end_reason, end);
}

static void add_anomaly(struct env *e, int64_t flow_id, int64_t source_id, size_t room)
{
	struct nr_record *r = add(e, &nr_rt_anomaly);
	char *detail = nr_arena_alloc(&e->arena, room + 2);

	memset(detail, 'x', room + 2);
	detail[0] = detail[room + 1] = '"';
	nr_set_int(r, NR_ANOMALY_flow_id, flow_id);
	nr_set_int(r, NR_ANOMALY_source_id, source_id);
	nr_set_str(r, NR_ANOMALY_kind, "land");
	nr_set_str(r, NR_ANOMALY_severity, "info");
	nr_set_text(r, NR_ANOMALY_detail, detail, room + 2);
}

/* Asks until the answer is that one: what was given is committed soon. */
static void wait_for(struct env *e, const char *sql, const char *want)
{
	for (int i = 0; i < 1000 && strcmp(ask(e, sql), want) != 0; i++)
		usleep(10000);
	query_is(e, sql, want);
}

static bool exists(struct env *e, const char *ending)
{
	char path[TMPFILE_LEN + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", e->path, ending);
	return stat(path, &st) == 0;
}

static void finish(struct env *e)
{
	if (nr_sink_finish(e->s, &e->err) < 0)
		fail_msg("%s", e->err.text);
}

static void readers_see_open_flows_and_their_renewals(void **state)
{
	struct env *e = *state;

	open_live(e, (struct nr_sink_options){ 0 });
	query_is(e, "SELECT count(*) FROM flow_v", "0");
	add_run(e, 1, 1, 0);
	add_flow_now(e, 16, 1, 5, NULL);
	add_anomaly(e, 16, 1, 10);
	give(e);
	nr_sink_flush(e->s, &e->err);
	wait_for(e, "SELECT src_packets FROM flow", "5");
	query_is(e, "SELECT end_reason FROM flow", "(NULL)");
	query_is(e, "SELECT count(*) FROM anomaly_v", "1");
	add_flow_now(e, 16, 1, 9, NULL);
	give(e);
	nr_sink_flush(e->s, &e->err);
	wait_for(e, "SELECT src_packets FROM flow", "9");
	add_flow_now(e, 16, 1, 12, "fin");
	give(e);
	finish(e);
	nr_sink_close(e->s);
	query_is(e, "SELECT count(*) || end_reason || src_packets FROM flow", "1fin12");
	query_is(e, "PRAGMA journal_mode", "delete");
	assert_false(exists(e, "-wal"));
	assert_false(exists(e, "-shm"));
	assert_true(atoi(ask(e, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' "
				"AND sql IS NOT NULL")) > 5);
}

static void a_killed_capture_leaves_what_was_committed(void **state)
{
	struct env *e = *state;
	int fd[2], status;
	pid_t child;
	char c;

	assert_int_equal(pipe(fd), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		open_live(e, (struct nr_sink_options){ .sync_ns = 1000000000 });
		add_run(e, 1, 1, 0);
		for (int64_t i = 1; i <= 3000; i++)
			add_flow_now(e, i * 16, 1, i, NULL);
		give(e);
		nr_sink_flush(e->s, &e->err);
		wait_for(e, "SELECT count(*) FROM flow", "3000");
		/* not committed, or so: either is fine */
		add_flow_now(e, 16, 1, 77, NULL);
		give(e);
		nr_sink_flush(e->s, &e->err);
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(fd[0], &c, 1), 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	close(fd[0]);
	close(fd[1]);
	query_is(e, "PRAGMA integrity_check", "ok");
	query_is(e, "SELECT count(*) FROM flow", "3000");
	/* the next run does not write into it unasked; with force it does */
	assert_int_equal(nr_sink_open(&e->s, e->path,
				      &(struct nr_sink_options){ .live = true }, &e->err),
			 -EEXIST);
	open_live(e, (struct nr_sink_options){ .force = true });
	add_run(e, 1, 1, 0);
	give(e);
	finish(e);
	nr_sink_close(e->s);
	query_is(e, "SELECT count(*) FROM flow", "0");
	query_is(e, "PRAGMA integrity_check", "ok");
}

static void a_reader_that_stays_leaves_the_log_and_it_is_said(void **state)
{
	struct env *e = *state;
	sqlite3_stmt *st;
	sqlite3 *db;

	open_live(e, (struct nr_sink_options){ 0 });
	add_run(e, 1, 1, 0);
	add_flow_now(e, 16, 1, 5, "fin");
	give(e);
	nr_sink_flush(e->s, &e->err);
	wait_for(e, "SELECT count(*) FROM flow", "1");
	assert_int_equal(sqlite3_open(e->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM flow", -1, &st, NULL), 0);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	finish(e);
	assert_non_null(strstr(e->s->note, "left with its log"));
	nr_sink_close(e->s);
	sqlite3_finalize(st);
	query_is(e, "SELECT end_reason FROM flow", "fin");
	sqlite3_close(db);
	assert_int_equal(sqlite3_open(e->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = DELETE", 0, 0, 0), 0);
	sqlite3_close(db);
	assert_false(exists(e, "-wal"));
	query_is(e, "SELECT end_reason FROM flow", "fin");
}

/* Another program writes into the database. */
static sqlite3 *hold(struct env *e)
{
	sqlite3 *db;

	add_run(e, 1, 1, 0);
	give(e);
	nr_sink_flush(e->s, &e->err);
	wait_for(e, "SELECT count(*) FROM source", "1");
	assert_int_equal(sqlite3_open(e->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0);
	return db;
}

/* Another program holds the database: nothing waits, flows go last, no row is left
   without its flow. */
static void an_overload_drops_records_and_counts_them(void **state)
{
	enum { N = 1500, ROOM = 60000 };
	struct env *e = *state;
	int64_t n_flows, n_anomalies;
	uint64_t dropped;
	sqlite3 *db;

	open_live(e, (struct nr_sink_options){ 0 });
	db = hold(e);
	for (int64_t i = 1; i <= N; i++) { /* 90 MB */
		add_anomaly(e, i * 16, 1, ROOM);
		add_flow_now(e, i * 16, 1, i, "fin");
		give(e);
	}
	dropped = nr_sink_dropped(e->s);
	assert_true(dropped > 300 && dropped < N);  /* no flow went */
	for (int64_t i = N + 1; i <= 60 * N; i++) { /* flows alone, until they go too */
		add_flow_now(e, i * 16, 1, i, "fin");
		give(e);
	}
	assert_true(nr_sink_dropped(e->s) > dropped);
	/* this one's flow comes no more: it was dropped, and so are its records */
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), 0);
	sqlite3_close(db);
	for (int i = 0; i < 1000 && !atoi(ask(e, "SELECT count(*) FROM anomaly")); i++)
		usleep(10000);
	nr_sink_flush(e->s, &e->err);
	usleep(200000);
	add_anomaly(e, 60 * N * 16, 1, 10);
	/* what it carried stays, without it */
	add_flow_now(e, 60 * N * 16 + 1, 1, 1, "fin");
	nr_set_int(e->rs.r[1], NR_FLOW_parent_flow_id, 60 * N * 16);
	give(e);
	finish(e);
	dropped = nr_sink_dropped(e->s);
	nr_sink_close(e->s);
	n_flows = atoll(ask(e, "SELECT count(*) FROM flow"));
	n_anomalies = atoll(ask(e, "SELECT count(*) FROM anomaly"));
	assert_true(n_flows >= N);
	assert_int_equal(n_flows + n_anomalies + (int64_t)dropped, 60 * N + N + 2);
	query_is(e, "SELECT parent_flow_id FROM flow ORDER BY flow_id DESC LIMIT 1",
		 "(NULL)");
	query_is(e,
		 "SELECT count(*) FROM anomaly WHERE flow_id NOT IN "
		 "(SELECT flow_id FROM flow)",
		 "0");
}

static void *release(void *db)
{
	usleep(300000);
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(db);
	return NULL;
}

static void give_flows(struct env *e, int64_t n, const char *end)
{
	for (int64_t i = 1; i <= n; i++) {
		add_flow_now(e, i * 16, 1, i, end);
		give(e);
	}
}

static void rows_of_open_flows_come_again_and_are_not_missed(void **state)
{
	enum { N = 100000 }; /* 140 MB */
	struct env *e = *state;
	sqlite3 *db;

	open_live(e, (struct nr_sink_options){ 0 });
	db = hold(e);
	assert_false(nr_sink_is_behind(e->s));
	give_flows(e, N, NULL);
	assert_true(nr_sink_is_behind(e->s));
	release(db);
	finish(e);
	assert_int_equal(nr_sink_dropped(e->s), 0);
	nr_sink_close(e->s);
	assert_true(atoi(ask(e, "SELECT count(*) FROM flow")) < N);
}

static void last_rows_wait_for_the_database(void **state)
{
	enum { N = 200000 }; /* 280 MB */
	struct env *e = *state;
	pthread_t thread;

	open_live(e, (struct nr_sink_options){ 0 });
	assert_int_equal(pthread_create(&thread, NULL, release, hold(e)), 0);
	nr_sink_last_rows(e->s, true);
	give_flows(e, N, "end_of_input");
	pthread_join(thread, NULL);
	finish(e);
	assert_int_equal(nr_sink_dropped(e->s), 0);
	nr_sink_close(e->s);
	query_is(e, "SELECT count(*) FROM flow", "200000");
}

static char *member(struct env *e, const char *when)
{
	static char path[TMPFILE_LEN];

	snprintf(path, sizeof(path), "%s/x-20261123T%sZ.db", e->dir, when);
	return path;
}

static void a_set_has_a_whole_database_for_each_interval(void **state)
{
	struct env *e = *state;
	const int64_t hour = INT64_C(3600000000000);

	open_live(e, (struct nr_sink_options){
			     .is_set = true, .now_ns = T0, .retain = { .files = 3 } });
	for (int64_t i = 0; i < 4; i++) {
		int rc;

		if (i) {
			while ((rc = nr_sink_rotate(e->s, T0 + i * hour, &e->err)) ==
			       -EAGAIN)
				usleep(10000);
			assert_int_equal(rc, 0);
		}
		add_run(e, i + 1, i + 1, 0);
		add_flow_now(e, 16 * (i + 1), i + 1, 5,
			     i < 3 ? "rotated" : "end_of_input");
		/* what completes later may name the source of the file before */
		add_anomaly(e, 16 * (i + 1), i ? i : 1, 10);
		give(e);
	}
	assert_string_equal(nr_sink_path(e->s), member(e, "150000"));
	finish(e);
	nr_sink_close(e->s);
	assert_int_equal(access(member(e, "120000"), F_OK), -1);
	for (int i = 13; i <= 15; i++) {
		char when[8], *path;

		snprintf(when, sizeof(when), "%d0000", i);
		path = member(e, when);
		assert_string_equal(ask_path(path, "SELECT count(*) FROM flow"), "1");
		assert_string_equal(ask_path(path, "PRAGMA journal_mode"), "delete");
		assert_string_equal(ask_path(path, "PRAGMA integrity_check"), "ok");
	}
}

static void a_reference_to_what_never_was_fails(void **state)
{
	struct env *e = *state;

	open_live(e, (struct nr_sink_options){ .is_set = true, .now_ns = T0 });
	add_run(e, 1, 1, 0);
	add_flow_now(e, 16, 1, 5, "fin");
	give(e);
	assert_int_equal(nr_sink_rotate(e->s, T0, &e->err), 0);
	add_run(e, 2, 2, 0);
	add_flow_now(e, 32, 2, 5, "fin");
	add_anomaly(e, 48, 2, 10);
	give(e);
	assert_int_equal(nr_sink_finish(e->s, &e->err), -EBADMSG);
	nr_sink_close(e->s);
	assert_string_equal(ask_path(member(e, "120000"), "SELECT count(*) FROM flow"),
			    "1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(readers_see_open_flows_and_their_renewals),
		T(a_killed_capture_leaves_what_was_committed),
		T(a_reader_that_stays_leaves_the_log_and_it_is_said),
		T(an_overload_drops_records_and_counts_them),
		T(rows_of_open_flows_come_again_and_are_not_missed),
		T(last_rows_wait_for_the_database),
		T(a_set_has_a_whole_database_for_each_interval),
		T(a_reference_to_what_never_was_fails),
	};

	return cmocka_run_group_tests_name("sqlite_live", tests, NULL, NULL);
}
