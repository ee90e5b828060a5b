/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines are read back with SQLite's JSON functions. */
#include "sink_env.h"

#include "base/text.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>

static int setup(void **state)
{
	*state = env_new("x.jsonl");
	return 0;
}

static int teardown(void **state)
{
	env_free_strict(*state);
	return 0;
}

/* Writes all records to e->path and returns the file's content. */
static char *written(struct env *e)
{
	struct nr_sink *s;
	struct nr_err err = { "" };
	struct stat st;
	char *text;
	FILE *f;

	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), 0);
	assert_int_equal(nr_sink_write(s, e->rs.r, e->rs.n, &err), 0);
	assert_int_equal(access(e->path, F_OK), -1);
	assert_int_equal(nr_sink_finish(s, &err), 0);
	nr_sink_close(s);
	assert_int_equal(stat(e->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	text = calloc(1, (size_t)st.st_size + 1);
	f = fopen(e->path, "r");
	assert_int_equal(fread(text, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	return text;
}

/* SQLite's value of $.key in the line, as text; NULL where it is absent. */
static char *value(const char *line, const char *key)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	char *out = NULL;

	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_prepare_v2(db,
				   "SELECT json_valid(?1), json_extract(?1, '$.' || ?2)",
				   -1, &st, NULL),
		SQLITE_OK);
	sqlite3_bind_text(st, 1, line, (int)strcspn(line, "\n"), SQLITE_STATIC);
	sqlite3_bind_text(st, 2, key, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_int_equal(sqlite3_column_int(st, 0), 1);
	if (sqlite3_column_type(st, 1) != SQLITE_NULL)
		out = strdup((const char *)sqlite3_column_text(st, 1));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return out;
}

static void has(const char *line, const char *key, const char *want)
{
	char *got = value(line, key);

	if (!want)
		assert_null(got);
	else
		assert_string_equal(got ? got : "(absent)", want);
	free(got);
}

static void test_jsonl_flow_line(void **state)
{
	struct env *e = *state;
	struct nr_record *r = add(e, &nr_rt_flow);
	char *text;

	nr_set_int(r, NR_FLOW_flow_id, 16);
	nr_set_str(r, NR_FLOW_proto, "tcp");
	nr_set_int(r, NR_FLOW_first_ns, 1500000000123456789);
	nr_set_int(r, NR_FLOW_src_bytes, INT64_MIN);
	nr_set_int(r, NR_FLOW_flipped, 1);
	nr_set_str(r, NR_FLOW_syn_options, "{\"mss\":1460}");
	text = written(e);
	assert_string_equal(
		text, "{\"type\":\"flow\",\"ts\":\"2017-07-14T02:40:00.123456789Z\","
		      "\"flow_id\":16,\"proto\":\"tcp\",\"first_ns\":1500000000123456789,"
		      "\"src_bytes\":-9223372036854775808,\"flipped\":1,"
		      "\"syn_options\":{\"mss\":1460}}\n");
	has(text, "syn_options.mss", "1460");
	free(text);
}

static void test_jsonl_session_line_names_its_flow(void **state)
{
	static const struct nr_flow_ident ident = { "udp",    "192.0.2.1", "2001:db8::1",
						    "1:abc=", 53,          0 };
	static const struct nr_flow_ident no_ports = { "gre", "192.0.2.1", "192.0.2.2",
						       NULL,  -1,          -1 };
	struct env *e = *state;
	struct nr_record *r = add(e, &nr_rt_anomaly);
	char *text;

	nr_set_int(r, NR_ANOMALY_flow_id, 16);
	nr_set_int(r, NR_ANOMALY_ts_ns, -1);
	nr_set_str(r, NR_ANOMALY_kind, "land");
	r->ident = &ident;
	r = add(e, &nr_rt_anomaly);
	nr_set_str(r, NR_ANOMALY_kind, "land");
	r->ident = &no_ports;
	text = written(e);
	assert_string_equal(
		text,
		"{\"type\":\"anomaly\",\"ts\":\"1969-12-31T23:59:59.999999999Z\","
		"\"flow_id\":16,\"ts_ns\":-1,\"proto\":\"udp\",\"src_ip\":\"192.0.2.1\","
		"\"src_port\":53,\"dst_ip\":\"2001:db8::1\",\"dst_port\":0,"
		"\"community_id\":\"1:abc=\",\"kind\":\"land\"}\n"
		"{\"type\":\"anomaly\",\"proto\":\"gre\",\"src_ip\":\"192.0.2.1\","
		"\"dst_ip\":\"192.0.2.2\",\"kind\":\"land\"}\n");
	free(text);
}

static void test_jsonl_any_byte_gives_a_valid_line(void **state)
{
	struct env *e = *state;
	char *text, *line;

	for (unsigned c = 0; c < 256; c++) {
		char *s = nr_arena_copy(&e->arena, "x?y", 3);
		struct nr_record *r = add(e, &nr_rt_comment);

		s[1] = (char)c;
		nr_set_int(r, NR_COMMENT_packet, c);
		nr_set_text(r, NR_COMMENT_text, s, 3);
	}
	line = text = written(e);
	for (unsigned c = 0; c < 256; c++, line = strchr(line, '\n') + 1) {
		struct nr_buf want = { 0 };

		nr_buf_utf8(&want, (char[]){ 'x', (char)c, 'y' }, 3);
		has(line, "text", want.p);
		assert_int_equal(nr_utf8_span(line, strcspn(line, "\n")),
				 strcspn(line, "\n"));
		nr_buf_fini(&want);
	}
	assert_int_equal(*line, 0);
	free(text);
}

static void test_jsonl_broken_json_becomes_a_string(void **state)
{
	struct env *e = *state;
	char *text;

	nr_set_str(add(e, &nr_rt_anomaly), NR_ANOMALY_detail, "{\"a\":1}}");
	nr_set_str(add(e, &nr_rt_anomaly), NR_ANOMALY_detail, "[1,\n2]");
	text = written(e);
	has(text, "detail", "{\"a\":1}}");
	has(strchr(text, '\n') + 1, "detail", "[1,\n2]");
	free(text);
}

static void test_jsonl_blobs_are_base64(void **state)
{
	struct env *e = *state;
	char *text;

	nr_set_text(add(e, &nr_rt_flow_packets), NR_FLOW_PACKETS_blob, "\x01\x80\x02\xff",
		    4);
	text = written(e);
	has(text, "blob", "AYAC/w==");
	free(text);
}

static void test_jsonl_existing_file_needs_force(void **state)
{
	struct env *e = *state;
	struct nr_sink_options force = { .force = true };
	struct nr_sink *s;
	struct nr_err err;
	FILE *f = fopen(e->path, "w");

	fputs("old", f);
	fclose(f);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), -EEXIST);
	assert_null(s);
	assert_int_equal(access(e->partial, F_OK), -1);
	assert_int_equal(nr_sink_open(&s, e->path, &force, &err), 0);
	nr_sink_close(s); /* not finished: the old one stays */
	f = fopen(e->path, "r");
	assert_int_equal(fgetc(f), 'o');
	fclose(f);
	assert_int_equal(nr_sink_open(&s, e->path, &force, &err), 0);
	assert_int_equal(nr_sink_finish(s, &err), 0);
	nr_sink_close(s);
	f = fopen(e->path, "r");
	assert_int_equal(fgetc(f), EOF);
	fclose(f);
}

static void test_jsonl_two_writers_of_one_name(void **state)
{
	struct env *e = *state;
	struct nr_sink *a, *b;
	struct nr_err err;

	assert_int_equal(nr_sink_open(&a, e->path, NULL, &err), 0);
	assert_int_equal(nr_sink_open(&b, e->path, NULL, &err), -EBUSY);
	assert_int_equal(access(e->partial, F_OK),
			 0); /* the first one's is still there */
	assert_int_equal(nr_sink_finish(a, &err), 0);
	nr_sink_close(a);
}

static void test_jsonl_leftover_partial_is_taken_over(void **state)
{
	struct env *e = *state;
	FILE *f = fopen(e->partial, "w");
	char *text;

	fputs("left over by a run that was killed", f);
	fclose(f);
	chmod(e->partial, 0644);
	text = written(e);
	assert_string_equal(text, "");
	free(text);
}

static void test_jsonl_name_that_appears_meanwhile_is_not_replaced(void **state)
{
	struct env *e = *state;
	struct nr_sink *s;
	struct nr_err err;
	FILE *f;

	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), 0);
	f = fopen(e->path, "w");
	fputs("other", f);
	fclose(f);
	assert_int_equal(nr_sink_finish(s, &err), -EEXIST);
	nr_sink_close(s);
	f = fopen(e->path, "r");
	assert_int_equal(fgetc(f), 'o');
	fclose(f);
}

static void test_jsonl_keep_partial(void **state)
{
	struct env *e = *state;
	struct nr_sink_options keep = { .keep_partial = true };
	struct nr_sink *s;
	struct nr_err err;

	assert_int_equal(nr_sink_open(&s, e->path, &keep, &err), 0);
	nr_sink_close(s);
	assert_int_equal(unlink(e->partial), 0);
}

static void test_jsonl_devices_are_written_into(void **state)
{
	struct env *e = *state;
	struct nr_sink *s;
	struct nr_err err;
	struct stat st;

	/* A link to a device named as JSON lines. */
	assert_int_equal(symlink("/dev/null", e->path), 0);
	nr_set_str(add(e, &nr_rt_comment), NR_COMMENT_text, "x");
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), 0);
	assert_int_equal(nr_sink_write(s, e->rs.r, e->rs.n, &err), 0);
	assert_int_equal(nr_sink_finish(s, &err), 0);
	nr_sink_close(s);
	assert_int_equal(stat("/dev/null", &st), 0);
	assert_true(S_ISCHR(st.st_mode));
	assert_int_equal(lstat(e->path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(e->path);

	assert_int_equal(symlink("/dev/full", e->path), 0);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), 0);
	nr_sink_write(s, e->rs.r, e->rs.n, &err);
	assert_int_equal(nr_sink_finish(s, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "No space left"));
	nr_sink_close(s);
	unlink(e->path);

	assert_int_equal(symlink("nothing-here", e->path), 0);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), -EINVAL);
}

static void test_jsonl_unusable_targets(void **state)
{
	struct env *e = *state;
	struct nr_sink_options append = { .append = true };
	struct nr_sink *s;
	struct nr_err err;

	assert_int_equal(nr_sink_open(&s, "", NULL, &err), -EINVAL);
	assert_int_equal(nr_sink_open(&s, "/nonexistent/x.jsonl", NULL, &err), -ENOENT);
	assert_int_equal(nr_sink_open(&s, e->path, &append, &err), -EINVAL);
	assert_int_equal(mkdir(e->path, 0700), 0);
	assert_int_equal(nr_sink_open(&s, e->path, NULL, &err), -EISDIR);
	assert_int_equal(rmdir(e->path), 0);
}

static void test_jsonl_reader_of_stdout_gone(void **state)
{
	struct env *e = *state;
	struct nr_sink *s;
	struct nr_err err;
	int p[2], saved;
	int rc = 0, last;

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 1000; i++)
		nr_set_str(add(e, &nr_rt_comment), NR_COMMENT_text, "line");
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_int_equal(pipe(p), 0);
	dup2(p[1], STDOUT_FILENO);
	close(p[0]);
	close(p[1]);
	last = nr_sink_open(&s, "-", NULL, &err);
	for (int i = 0; i < 100 && last == 0 && rc == 0; i++)
		rc = nr_sink_write(s, e->rs.r, e->rs.n, &err);
	last = last ? last : nr_sink_finish(s, &err);
	nr_sink_close(s);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	assert_int_equal(rc, -EPIPE);
	assert_int_equal(last, -EPIPE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_jsonl_flow_line),
		T(test_jsonl_session_line_names_its_flow),
		T(test_jsonl_any_byte_gives_a_valid_line),
		T(test_jsonl_broken_json_becomes_a_string),
		T(test_jsonl_blobs_are_base64),
		T(test_jsonl_existing_file_needs_force),
		T(test_jsonl_two_writers_of_one_name),
		T(test_jsonl_leftover_partial_is_taken_over),
		T(test_jsonl_name_that_appears_meanwhile_is_not_replaced),
		T(test_jsonl_keep_partial),
		T(test_jsonl_devices_are_written_into),
		T(test_jsonl_unusable_targets),
		T(test_jsonl_reader_of_stdout_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
