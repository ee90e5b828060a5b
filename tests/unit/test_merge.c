/* SPDX-License-Identifier: BSD-3-Clause */
#include "capfile.h"
#include "tmpdir.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOUR INT64_C(3600000000000)

static char dir[TMPDIR_LEN];
static ino_t bad_file; /* its disk does not give the bytes from bad_from on; 0: none */
static off_t bad_from;
static const char *taken_away; /* a file that is gone once all were probed; or NULL */

__attribute__((visibility("default"))) ssize_t read(int fd, void *p, size_t n)
{
	struct stat st;
	off_t at;

	if (bad_file && fstat(fd, &st) == 0 && st.st_ino == bad_file) {
		at = lseek(fd, 0, SEEK_CUR);
		if (at >= bad_from) {
			errno = EIO;
			return -1;
		}
		n = (off_t)n < bad_from - at ? n : (size_t)(bad_from - at);
	}
	return syscall(SYS_read, fd, p, n);
}

static char *path_of(const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", dir, name) > 0);
	return path;
}

static void write_file(const char *name, const void *p, size_t n)
{
	char *path = path_of(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
	free(path);
}

/* A capture with one frame of each time (in ms); its first byte is the time's last. */
static void capture(const char *name, const uint32_t *ms, size_t n)
{
	struct buf b = { 0 };

	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	for (size_t i = 0; i < n; i++)
		pcap_record(&b, ms[i] / 1000, ms[i] % 1000 * 1000, 20, 20,
			    (uint8_t)ms[i]);
	write_file(name, b.p, b.n);
	free(b.p);
}

#define CAPTURE(name, ...)                                                               \
	capture(name, (const uint32_t[]){ __VA_ARGS__ },                                 \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void add_merged(struct text *t, const struct nr_packet *v)
{
	if (v->event && v->event->kind == NR_EVENT_SOURCE_START)
		add(t, "(%u ", v->source);
	else if (v->event && v->event->kind == NR_EVENT_SOURCE_END)
		add(t, "%u) ", v->source);
	else if (v->event && v->event->kind == NR_EVENT_DAMAGE)
		add(t, "%u! ", v->source);
	else if (!v->event)
		add(t, "%u:%lld ", v->source, (long long)(v->ts_ns / 1000000));
}

static void move(const char *from, const char *to)
{
	char a[TMPFILE_LEN], b[TMPFILE_LEN];

	snprintf(a, sizeof(a), "%s/%s%s", dir, taken_away, from);
	snprintf(b, sizeof(b), "%s/%s%s", dir, taken_away, to);
	assert_int_equal(rename(a, b), 0);
}

static char *merged(const char *const *paths, size_t n, unsigned max)
{
	struct nr_merge_options opt = { .max_jump_ns = HOUR };
	struct nr_batch *b = calloc(1, sizeof(*b));
	int64_t clock = INT64_MIN;
	uint64_t ordinal = 0, done, total;
	struct text t = { 0 };
	struct nr_merge *m;
	struct nr_err err;
	int rc = nr_merge_open(&m, paths, n, &opt, &err);

	if (rc < 0) {
		add(&t, "%s", err.text);
		free(b);
		return t.p;
	}
	if (taken_away)
		move("", ".away");
	while ((rc = nr_merge_read(m, b, max, &err)) > 0) {
		assert_int_equal(b->n, rc);
		assert_true(b->n <= max);
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_packet *v = &b->pkt[i];

			assert_true(v->clock_ns >= clock);
			clock = v->clock_ns;
			assert_int_equal(v->ordinal, v->event ? 0 : ++ordinal);
			for (uint32_t k = 1; k < v->cap_len; k++)
				assert_int_equal(v->data[k], v->data[0]);
			add_merged(&t, v);
		}
		nr_batch_release(b);
	}
	assert_int_equal(rc, 0);
	nr_merge_progress(m, &done, &total);
	assert_int_equal(done, total);
	nr_merge_close(m);
	free(b);
	if (taken_away)
		move(".away", "");
	return t.p;
}

/* Files of the directory, separated by spaces; "" is the directory itself. */
static void expect_merge(const char *names, const char *want)
{
	static const unsigned batches[] = { 1, 2, 7, 256, 1024 };
	char *paths[64], *copy = strdup(names), *save, *name;
	size_t n = 0;

	for (name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save))
		paths[n++] = path_of(!strcmp(name, ".") ? "" : name);
	for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
		char *got = merged((const char *const *)paths, n, batches[i]);

		assert_string_equal(got, want);
		free(got);
	}
	while (n)
		free(paths[--n]);
	free(copy);
}

static void test_merge_orders_by_clock_and_input(void **state)
{
	(void)state;
	tmpdir_make(dir);
	CAPTURE("a", 1000, 3000, 5000);
	CAPTURE("b", 1000, 2000, 3000, 6000);
	expect_merge("a", "(0 0:1000 0:3000 0:5000 0) ");
	expect_merge("a b",
		     "(0 0:1000 (1 1:1000 1:2000 0:3000 1:3000 0:5000 0) 1:6000 1) ");
	expect_merge("b a",
		     "(0 0:1000 (1 1:1000 0:2000 0:3000 1:3000 1:5000 1) 0:6000 0) ");
	expect_merge("a a", "(0 0:1000 (1 1:1000 0:3000 1:3000 0:5000 0) 1:5000 1) ");
	tmpdir_remove(dir);
}

static void test_merge_keeps_backward_packets_of_a_file_in_place(void **state)
{
	(void)state;
	tmpdir_make(dir);
	CAPTURE("a", 1000, 9000, 2000, 10000);
	CAPTURE("b", 1500, 3000, 9000);
	expect_merge("a b",
		     "(0 0:1000 (1 1:1500 1:3000 0:9000 0:2000 1:9000 1) 0:10000 0) ");
	tmpdir_remove(dir);
}

static void test_merge_goes_from_file_to_file_of_a_rotation(void **state)
{
	struct text want = { 0 };

	(void)state;
	tmpdir_make(dir);
	/* more than stay open; names that sort otherwise than their times */
	for (uint32_t i = 0; i < 20; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%02u", 19 - i);
		CAPTURE(name, 1000 * i + 1, 1000 * i + 500, 1000 * i + 1001);
	}
	for (uint32_t i = 0; i < 20; i++) {
		unsigned me = 19 - i;

		add(&want, "(%u %u:%u ", me, me, 1000 * i + 1);
		if (i)
			add(&want, "%u:%u %u) ", me + 1, 1000 * i + 1, me + 1);
		add(&want, "%u:%u ", me, 1000 * i + 500);
	}
	add(&want, "0:20001 0) ");
	expect_merge(".", want.p);
	free(want.p);
	tmpdir_remove(dir);
}

static void test_merge_walks_directories_and_names_what_is_skipped(void **state)
{
	struct nr_merge *m;
	char *path;

	(void)state;
	tmpdir_make(dir);
	path = path_of("sub");
	assert_int_equal(mkdir(path, 0700), 0);
	free(path);
	CAPTURE("sub/x", 1000);
	CAPTURE("sub.pcap", 2000); /* '.' sorts before '/' */
	CAPTURE("z", 500);
	write_file("readme", "some text\n", 10);
	write_file("empty", "", 0);
	expect_merge(".", "(2 2:500 2) (1 1:1000 1) (0 0:2000 0) ");
	path = path_of("");
	assert_int_equal(nr_merge_open(&m, (const char *const[]){ path }, 1, NULL, NULL),
			 0);
	assert_int_equal(nr_merge_n_sources(m), 3);
	assert_string_equal(nr_merge_info(m, 0)->name, "sub.pcap");
	assert_string_equal(nr_merge_info(m, 1)->name, "x");
	assert_int_equal(nr_merge_info(m, 1)->bytes, 24 + 36);
	assert_int_equal(nr_merge_n_skipped(m), 2);
	assert_non_null(strstr(nr_merge_skipped(m, 0), "empty is empty"));
	assert_non_null(strstr(nr_merge_skipped(m, 1), "readme is no capture"));
	assert_non_null(strstr(nr_merge_skipped(m, 1), "(text)"));
	nr_merge_close(m);
	free(path);
	tmpdir_remove(dir);
}

static void test_merge_fails_on_a_named_file_that_is_no_capture(void **state)
{
	struct nr_merge *m;
	struct nr_err err;
	char *paths[2];

	(void)state;
	tmpdir_make(dir);
	CAPTURE("a", 1000);
	write_file("b", "%PDF-1.4", 8);
	paths[0] = path_of("a");
	paths[1] = path_of("b");
	assert_int_equal(nr_merge_open(&m, (const char *const *)paths, 2, NULL, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "(PDF document)"));
	free(paths[1]);
	paths[1] = path_of("c");
	assert_int_equal(nr_merge_open(&m, (const char *const *)paths, 2, NULL, &err),
			 -ENOENT);
	free(paths[0]);
	free(paths[1]);
	tmpdir_remove(dir);
}

static void test_merge_hands_out_files_without_packets(void **state)
{
	struct buf b = { 0 };

	(void)state;
	tmpdir_make(dir);
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	put_fill(&b, 1, 7);
	write_file("none", b.p, 24);
	write_file("cut", b.p, b.n);
	CAPTURE("a", 1000);
	expect_merge("a none cut", "(1 1) (2 2! 2) (0 0:1000 0) ");
	free(b.p);
	tmpdir_remove(dir);
}

static void test_merge_needs_few_descriptors(void **state)
{
	struct nr_merge_options opt = { .max_jump_ns = HOUR };
	struct nr_batch *b = calloc(1, sizeof(*b));
	enum { FILES = 600, EACH = 3 };
	struct nr_merge *m;
	unsigned max_fd = 0;
	char *path;
	size_t n = 0;

	(void)state;
	tmpdir_make(dir);
	for (uint32_t i = 0; i < FILES; i++) { /* all of them overlap */
		char name[20];

		snprintf(name, sizeof(name), "%04u", i);
		CAPTURE(name, i, 10000 + i, 20000 + i);
	}
	path = path_of("");
	assert_int_equal(nr_merge_open(&m, (const char *const[]){ path }, 1, &opt, NULL),
			 0);
	while (nr_merge_read(m, b, 256, NULL) > 0) {
		int fd = dup(0);

		for (unsigned i = 0; i < b->n; i++)
			if (!b->pkt[i].event) {
				assert_int_equal(b->pkt[i].source, n % FILES);
				n++;
			}
		max_fd = (unsigned)fd > max_fd ? (unsigned)fd : max_fd;
		close(fd);
		nr_batch_release(b);
	}
	assert_int_equal(n, FILES * EACH);
	assert_true(max_fd < 300);
	nr_merge_close(m);
	free(path);
	free(b);
	tmpdir_remove(dir);
}

/* The digest by another program. */
static void sha256sum(const char *path, char out[65])
{
	char cmd[400];
	FILE *f;

	snprintf(cmd, sizeof(cmd), "sha256sum '%s'", path);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fread(out, 1, 64, f), 64);
	out[64] = '\0';
	pclose(f);
}

static void check_hashes(struct nr_merge *m)
{
	for (size_t i = 0; i < nr_merge_n_sources(m); i++) {
		const struct nr_source_info *info = nr_merge_info(m, i);
		char want[65];

		sha256sum(info->path, want);
		assert_string_equal(info->sha256, want);
		assert_null(info->hash_note);
	}
}

static void test_merge_hashes_files_as_stored(void **state)
{
	struct nr_merge_options opt = { .max_jump_ns = HOUR, .hash = true };
	struct nr_batch *b = calloc(1, sizeof(*b));
	static const unsigned many[] = { 4, 20 };
	struct buf f = { 0 };
	struct nr_merge *m;
	char *path;

	(void)state;
	for (size_t k = 0; k < 2; k++) {
		tmpdir_make(dir);
		for (uint32_t i = 0; i < many[k]; i++) {
			char name[20];

			f.n = 0;
			pcap_header(&f, 0xa1b2c3d4, 2, 4, 1);
			for (uint32_t j = 0; j < (i & 1 ? 3000 : 3); j++)
				pcap_record(&f, 10 * i, j, 1000, 1000, (uint8_t)j);
			if (i & 2) /* an impossible length, and 3 MB that are not read */
				put_fill(&f, 0xff, 3000000);
			snprintf(name, sizeof(name), "%02u", i);
			write_file(name, f.p, f.n);
		}
		path = path_of("");
		assert_int_equal(
			nr_merge_open(&m, (const char *const[]){ path }, 1, &opt, NULL),
			0);
		assert_string_equal(nr_merge_info(m, 1)->sha256, "");
		assert_string_equal(nr_merge_info(m, 1)->hash_note,
				    "it was not read to its end");
		while (nr_merge_read(m, b, 256, NULL) > 0)
			nr_batch_release(b);
		check_hashes(m);
		nr_merge_close(m);
		/* stopped before the end */
		assert_int_equal(
			nr_merge_open(&m, (const char *const[]){ path }, 1, &opt, NULL),
			0);
		assert_true(nr_merge_read(m, b, 200, NULL) > 0);
		nr_batch_release(b);
		nr_merge_close(m);
		free(path);
		tmpdir_remove(dir);
	}
	free(b);
	free(f.p);
}

static void test_merge_goes_on_where_a_disk_fails(void **state)
{
	struct text want = { 0 };
	uint32_t ms[40];
	struct stat st;
	char *path;

	(void)state;
	tmpdir_make(dir);
	for (uint32_t i = 0; i < 40; i++)
		ms[i] = i + 1;
	capture("b", ms, 40);
	CAPTURE("a", 1000, 3000, 5000);
	path = path_of("b");
	assert_int_equal(stat(path, &st), 0);
	bad_file = st.st_ino;
	bad_from = 24 + 30 * 36 + 5; /* in the 31st record, behind what is probed */
	add(&want, "(1 ");
	for (uint32_t i = 0; i < 30; i++)
		add(&want, "1:%u ", ms[i]);
	add(&want, "1! 1) (0 0:1000 0:3000 0:5000 0) ");
	expect_merge("a b", want.p);
	bad_file = 0;
	free(want.p);
	free(path);
	tmpdir_remove(dir);
}

/* More than stay open, so that each is opened again when its time has come. */
static void test_merge_goes_on_without_a_file_that_is_gone(void **state)
{
	(void)state;
	tmpdir_make(dir);
	for (uint32_t i = 0; i < 10; i++) {
		char name[20];

		snprintf(name, sizeof(name), "f%u", i);
		CAPTURE(name, 1000 * i + 1, 1000 * i + 500);
	}
	taken_away = "f4";
	expect_merge("f0 f1 f2 f3 f4 f5 f6 f7 f8 f9",
		     "(0 0:1 0:500 0) (1 1:1001 1:1500 1) (2 2:2001 2:2500 2) "
		     "(3 3:3001 3:3500 3) (4 4! 4) (5 5:5001 5:5500 5) "
		     "(6 6:6001 6:6500 6) (7 7:7001 7:7500 7) (8 8:8001 8:8500 8) "
		     "(9 9:9001 9:9500 9) ");
	taken_away = NULL;
	tmpdir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_orders_by_clock_and_input),
		cmocka_unit_test(test_merge_keeps_backward_packets_of_a_file_in_place),
		cmocka_unit_test(test_merge_goes_from_file_to_file_of_a_rotation),
		cmocka_unit_test(test_merge_walks_directories_and_names_what_is_skipped),
		cmocka_unit_test(test_merge_fails_on_a_named_file_that_is_no_capture),
		cmocka_unit_test(test_merge_hands_out_files_without_packets),
		cmocka_unit_test(test_merge_needs_few_descriptors),
		cmocka_unit_test(test_merge_hashes_files_as_stored),
		cmocka_unit_test(test_merge_goes_on_where_a_disk_fails),
		cmocka_unit_test(test_merge_goes_on_without_a_file_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
