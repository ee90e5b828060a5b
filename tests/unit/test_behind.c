/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON lines of a capture: a reader that does not read, and one that has gone. */
#include "base/text.h"
#include "record/tables.h"
#include "sink/sink.h"

#include "tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MORE_THAN_FITS = 130000, FIELDS = 5 };

static const struct nr_field fields[FIELDS] = {
	{ .name = "flow_id" },
	{ .name = "source_id" },
	{ .name = "packet" },
	{ .name = "ts_ns" },
	{ .name = "note", .type = NR_F_TEXT },
};
static const struct nr_record_type row = {
	.name = "row",
	.flags = NR_R_SESSION,
	.n_fields = FIELDS,
	.fields = fields,
};

struct env {
	char dir[TMPDIR_LEN], path[TMPFILE_LEN];
	int reader;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	tmpdir_make(e->dir);
	snprintf(e->path, sizeof(e->path), "%s/x.jsonl", e->dir);
	assert_int_equal(mkfifo(e->path, 0600), 0);
	e->reader = open(e->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(e->reader >= 0);
	signal(SIGPIPE, SIG_IGN);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	if (e->reader >= 0)
		close(e->reader);
	unlink(e->path);
	assert_int_equal(rmdir(e->dir), 0);
	free(e);
	return 0;
}

static struct nr_sink *open_sink(const struct env *e)
{
	const struct nr_sink_options o = { .live = true };
	struct nr_sink *s;
	struct nr_err err = { "" };

	assert_int_equal(nr_sink_open(&s, e->path, &o, &err), 0);
	return s;
}

/* One row with the identity of its flow, which is gone afterwards. */
static int write_one(struct nr_sink *s, int n)
{
	char address[32];
	struct nr_flow_ident ident = {
		.proto = "udp", .src_ip = address, .src_port = n % 65536, .dst_port = -1
	};
	struct nr_value v[FIELDS] = { 0 };
	char note[500];
	struct nr_record r = { .type = &row, .ident = &ident, .v = v };
	struct nr_record *list = &r;
	struct nr_err err = { "" };
	int rc;

	snprintf(address, sizeof(address), "10.%d.%d.%d", n >> 16, n >> 8 & 255, n & 255);
	memset(note, 'n', sizeof(note));
	nr_set_int(&r, 0, n);
	nr_set_text(&r, 4, note, sizeof(note));
	rc = nr_sink_write(s, &list, 1, &err);
	memset(address, 'x', sizeof(address));
	memset(note, 'x', sizeof(note));
	return rc;
}

struct reading {
	int fd;
	uint64_t lines;
	char first[512];
};

/* Reads until the writer has closed it. */
static void *read_all(void *arg)
{
	struct reading *r = arg;
	static char text[1 << 16];
	ssize_t n;

	fcntl(r->fd, F_SETFL, 0);
	while ((n = read(r->fd, text, sizeof(text))) > 0) {
		if (!r->lines)
			snprintf(r->first, sizeof(r->first), "%.*s",
				 (int)strcspn(text, "\n"), text);
		for (ssize_t i = 0; i < n; i++)
			r->lines += text[i] == '\n';
	}
	return NULL;
}

static void write_many(struct nr_sink *s)
{
	for (int i = 0; i < MORE_THAN_FITS; i++)
		assert_int_equal(write_one(s, i), 0);
}

/* Its reader gets all that is not dropped; how many were. */
static uint64_t finish_read(struct nr_sink *s, pthread_t reader)
{
	struct nr_err err = { "" };
	uint64_t dropped;

	assert_int_equal(nr_sink_finish(s, &err), 0);
	dropped = nr_sink_dropped(s);
	nr_sink_close(s);
	pthread_join(reader, NULL);
	return dropped;
}

static void test_behind_drops_and_counts_while_nobody_reads(void **state)
{
	const struct env *e = *state;
	struct nr_sink *s = open_sink(e);
	struct reading r = { .fd = e->reader };
	pthread_t reader;
	uint64_t dropped;

	write_many(s); /* none of them may wait: nobody would ever wake it */
	assert_true(nr_sink_dropped(s) > 0);
	assert_true(nr_sink_dropped(s) < MORE_THAN_FITS);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &r), 0);
	dropped = finish_read(s, reader);
	assert_int_equal(r.lines + dropped, MORE_THAN_FITS);
	assert_non_null(strstr(r.first, "\"src_ip\":\"10.0.0.0\",\"src_port\":0"));
}

static void test_behind_waits_for_its_reader_at_the_end_alone(void **state)
{
	const struct env *e = *state;
	struct nr_sink *s = open_sink(e);
	struct nr_err err = { "" };
	struct reading r = { .fd = e->reader };
	pthread_t reader;
	uint64_t dropped;

	nr_sink_last_rows(s, false); /* a rotation: the capture goes on */
	write_many(s);
	dropped = nr_sink_dropped(s);
	assert_true(dropped > 0);
	assert_int_equal(nr_sink_rotate(s, 0, &err), 0);
	nr_sink_last_rows(s, true);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &r), 0);
	write_many(s);
	assert_int_equal(finish_read(s, reader), dropped);
	assert_int_equal(r.lines + dropped, 2 * MORE_THAN_FITS);
}

static void test_behind_lines_come_soon_without_being_many(void **state)
{
	const struct env *e = *state;
	struct nr_sink *s = open_sink(e);
	struct nr_err err = { "" };
	char text[512];

	assert_int_equal(write_one(s, 7), 0);
	assert_int_equal(nr_sink_flush(s, &err), 0);
	fcntl(e->reader, F_SETFL, 0);
	assert_true(read(e->reader, text, sizeof(text)) > 0);
	assert_memory_equal(text, "{\"type\":\"row\"", 13);
	assert_int_equal(nr_sink_finish(s, &err), 0);
	nr_sink_close(s);
}

static void test_behind_says_that_its_reader_has_gone(void **state)
{
	struct env *e = *state;
	struct nr_sink *s = open_sink(e);
	struct nr_err err = { "" };

	assert_int_equal(write_one(s, 1), 0);
	close(e->reader);
	e->reader = -1;
	assert_int_equal(nr_sink_finish(s, &err), -EPIPE);
	nr_sink_close(s);
}

static void test_behind_can_be_left_while_nobody_reads(void **state)
{
	const struct env *e = *state;
	struct nr_sink *s = open_sink(e);

	for (int i = 0; i < 100; i++)
		assert_int_equal(write_one(s, i), 0);
	nr_sink_close(s); /* it never filled the pipe: nothing is written any more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_behind_drops_and_counts_while_nobody_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_behind_waits_for_its_reader_at_the_end_alone, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_behind_lines_come_soon_without_being_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_behind_says_that_its_reader_has_gone,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_behind_can_be_left_while_nobody_reads, setup, teardown),
	};

	return cmocka_run_group_tests_name("behind", tests, NULL, NULL);
}
