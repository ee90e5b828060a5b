/* SPDX-License-Identifier: BSD-3-Clause */
#include "keep/backlog.h"
#include "keep/keeper.h"
#include "keep/names.h"
#include "source/source.h"

#include "capfile.h"
#include "tmpdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define S INT64_C(1000000000)
/* 2026-11-23T12:00:00Z */
#define T0 (INT64_C(1795435200) * S)

static char dir[TMPDIR_LEN];

static int make_dir(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	tmpdir_make(dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	tmpdir_remove(dir);
	return 0;
}

static const char *target(const char *name)
{
	static char path[TMPFILE_LEN];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

struct seen {
	unsigned n;
	struct {
		char name[60];
		uint64_t packets, lost;
		bool whole;
	} f[40];
};

static void closed(void *arg, const struct nr_kept_file *f)
{
	struct seen *s = arg;

	assert_true(s->n < 40);
	snprintf(s->f[s->n].name, sizeof(s->f[0].name), "%s", f->name);
	s->f[s->n].packets = f->packets;
	s->f[s->n].lost = f->lost;
	s->f[s->n++].whole = !f->failure;
}

static uint8_t bytes[2000];

static struct nr_packet packet(int64_t ns, uint32_t len, uint64_t i)
{
	memcpy(bytes, &i, 8);
	return (struct nr_packet){ .data = bytes,
				   .cap_len = len,
				   .wire_len = len,
				   .ts_ns = ns,
				   .clock_ns = ns,
				   .link_type = 1,
				   .ordinal = i };
}

static struct nr_keeper *open_keeper(struct nr_keep_config *c, struct seen *s)
{
	static const struct nr_interface eth = { .link_type = 1,
						 .tsresol = 1000000000,
						 .name = { "eth0", 4 } };
	struct nr_kept_file f;
	struct nr_keeper *k;
	struct nr_err err;

	c->closed = closed;
	c->arg = s;
	assert_int_equal(nr_keeper_new(&k, c, &err), 0);
	nr_keeper_interface(k, &eth);
	assert_int_equal(nr_keeper_start(k, T0, &f, &err), 0);
	assert_int_equal(f.source, 0);
	return k;
}

/* Gives one packet, rotating as asked; returns how often. */
static unsigned give(struct nr_keeper *k, struct nr_packet *p)
{
	struct nr_kept_file f;
	unsigned n = 0;

	while (!nr_keeper_take(k, p, 1)) {
		assert_true(++n < 3);
		nr_keeper_rotate(k, p->clock_ns, &f);
	}
	return n;
}

struct content {
	uint64_t packets, last, received, dropped;
	unsigned comments, stats;
	bool damaged;
};

/* What a file holds, by the reader. */
static struct content read_file(const char *name)
{
	struct nr_source_options o = { 0 };
	struct content c = { 0 };
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct nr_source *src;
	struct nr_err err;
	int n;

	if (nr_source_open(&src, target(name), &o, &err) < 0)
		fail_msg("%s", err.text);
	while ((n = nr_source_read(src, b, NR_BATCH_MAX, &err)) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_event *e = b->pkt[i].event;

			if (!e) {
				assert_int_equal(b->pkt[i].record, ++c.packets);
				memcpy(&c.last, b->pkt[i].data, 8);
				continue;
			}
			c.damaged |= e->kind == NR_EVENT_DAMAGE;
			c.comments += e->kind == NR_EVENT_COMMENT;
			if (e->kind == NR_EVENT_INTERFACE_STATS) {
				c.stats++;
				c.received = e->received;
				c.dropped = e->dropped;
			}
		}
		nr_batch_release(b);
	}
	assert_int_equal(n, 0);
	nr_source_close(src);
	free(b);
	return c;
}

static void names_carry_the_time_and_sort(void **state)
{
	static const struct {
		const char *target;
		unsigned n;
		const char *want;
	} t[] = {
		{ "d/x.pcapng", 0, "d/x-20261123T120000Z.pcapng" },
		{ "x.pcapng.zst", 2, "x-20261123T120000Z_0002.pcapng.zst" },
		{ "x.db", 0, "x-20261123T120000Z.db" },
		{ "case", 0, "case-20261123T120000Z" },
		{ "d/.db", 0, "d/.db-20261123T120000Z" },
		{ "a.db.pcapng", 0, "a.db-20261123T120000Z.pcapng" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char *s = nr_keep_name(t[i].target, T0 + 999999999, t[i].n);

		assert_string_equal(s, t[i].want);
		free(s);
	}
	assert_true(strcmp("x-20261123T120000Z.pcapng",
			   "x-20261123T120000Z_0001.pcapng") < 0);
}

static void one_file_holds_all_with_statistics(void **state)
{
	struct nr_keep_config c = { .target = target("one.pcapng") };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_err err;
	struct content got;

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++) {
		struct nr_packet p =
			packet(T0 + (int64_t)i * 1000, (uint32_t)(60 + i % 1400), i);

		assert_int_equal(give(k, &p), 0);
		assert_int_equal(p.record, i);
		assert_int_equal(p.source, 0);
		if (i == 500) { /* on disk before the engine works on it */
			got = read_file("one.pcapng");
			assert_int_equal(got.packets, 500);
			assert_false(got.damaged);
		}
	}
	nr_keeper_counts(k, 0, 1007, 7);
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.f[0].packets, 1000);
	nr_keeper_free(k);
	got = read_file("one.pcapng");
	assert_int_equal(got.packets, 1000);
	assert_int_equal(got.stats, 1);
	assert_int_equal(got.received, 1007);
	assert_int_equal(got.dropped, 7);
	assert_false(got.damaged);
}

static void an_existing_file_is_not_overwritten(void **state)
{
	struct nr_keep_config c = { .target = target("there.pcapng") };
	struct nr_kept_file f;
	struct nr_keeper *k;
	struct nr_err err;
	int fd = open(c.target, O_WRONLY | O_CREAT, 0600);

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(nr_keeper_new(&k, &c, &err), 0);
	assert_int_equal(nr_keeper_start(k, T0, &f, &err), -EEXIST);
	nr_keeper_free(k);
	c.target = "x.pcap";
	assert_int_equal(nr_keeper_new(&k, &c, &err), -EINVAL);
}

static void offsets_and_records_lead_to_the_packets(void **state)
{
	struct nr_keep_config c = { .target = target("way.pcapng"),
				    .rotate_size = 20000 };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_err err;
	static uint64_t offset[200], record[200];
	static uint32_t source[200];
	uint64_t sum = 0;

	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * 1000, 500, i);

		give(k, &p);
		offset[i] = p.offset;
		record[i] = p.record;
		source[i] = p.source;
	}
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	nr_keeper_free(k);
	assert_true(s.n > 4 && source[199] == s.n - 1);
	for (unsigned f = 0, i = 0; f < s.n; f++) {
		struct content got = read_file(s.f[f].name);
		int fd = open(target(s.f[f].name), O_RDONLY);

		assert_false(got.damaged);
		assert_int_equal(got.packets, s.f[f].packets);
		for (; i < 200 && source[i] == f; i++) {
			uint8_t head[36];
			uint64_t mark;

			assert_int_equal(record[i], ++sum);
			assert_int_equal(pread(fd, head, 36, (off_t)offset[i]), 36);
			assert_int_equal(head[0], 6); /* an enhanced packet block */
			memcpy(&mark, head + 28, 8);
			assert_int_equal(mark, i);
		}
		assert_int_equal(sum, got.packets);
		sum = 0;
		close(fd);
	}
}

static void time_rotation_is_exact_when_nothing_comes(void **state)
{
	struct nr_keep_config c = { .target = target("sparse.pcapng"),
				    .rotate_ns = 10 * S };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_packet a = packet(T0 + 3 * S, 100, 1), b = packet(T0 + 41 * S, 100, 2);
	struct nr_kept_file f;
	struct nr_err err;

	(void)state;
	assert_int_equal(give(k, &a), 0);
	for (int64_t t = 4 * S; t <= 25 * S; t += S / 10) {
		bool due = nr_keeper_tick(k, T0 + t);

		assert_int_equal(due, t == 10 * S || t == 20 * S);
		if (due)
			assert_int_equal(nr_keeper_rotate(k, T0 + t, &f), 1);
	}
	/* no tick came meanwhile: the packet itself is told, the file begins at 40 s */
	assert_int_equal(give(k, &b), 1);
	assert_int_equal(b.source, 3);
	assert_int_equal(b.record, 1);
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	nr_keeper_free(k);
	assert_int_equal(s.n, 4);
	assert_string_equal(s.f[1].name, "sparse-20261123T120010Z.pcapng");
	assert_string_equal(s.f[3].name, "sparse-20261123T120040Z.pcapng");
	assert_int_equal(read_file(s.f[1].name).packets, 0);
	assert_int_equal(read_file(s.f[1].name).stats, 1);
}

static unsigned n_files(const char *begin)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d)) != NULL)
		n += !strncmp(e->d_name, begin, strlen(begin));
	closedir(d);
	return n;
}

static void retention_keeps_the_newest_and_what_others_wrote(void **state)
{
	struct nr_keep_config c = { .target = target("keep.pcapng"),
				    .rotate_size = 5000,
				    .retain = { .files = 3 } };
	struct seen s = { 0 };
	int fd = open(target("keep-20200101T000000Z.pcapng"), O_WRONLY | O_CREAT, 0600);
	struct nr_keep_stats st;
	struct nr_keeper *k;
	struct nr_err err;

	(void)state;
	close(fd);
	c.target = target("keep.pcapng");
	k = open_keeper(&c, &s);
	for (uint64_t i = 0; i < 100; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S, 1000, i);

		give(k, &p);
		nr_keeper_tick(k, T0 + (int64_t)i * S);
		assert_true(n_files("keep-2026") <= 3);
	}
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	nr_keeper_stats(k, &st);
	assert_int_equal(st.removed, s.n - 3);
	nr_keeper_free(k);
	assert_int_equal(n_files("keep-2020"), 1);
	assert_int_equal(read_file(s.f[s.n - 1].name).last, 99);
}

static void one_file_beyond_the_bytes_stays(void **state)
{
	struct nr_keep_config c = { .target = target("bytes.pcapng"),
				    .rotate_size = 5000,
				    .retain = { .bytes = 12000 } };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_err err;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S, 1000, i);

		give(k, &p);
		nr_keeper_tick(k, T0 + (int64_t)i * S);
	}
	nr_keeper_finish(k, &err);
	nr_keeper_free(k);
	assert_int_equal(n_files("bytes-"), 2);

	c = (struct nr_keep_config){ .target = target("large.pcapng"),
				     .retain = { .bytes = 100, .free = INT64_MAX } };
	k = open_keeper(&c, &s);
	for (uint64_t i = 0; i < 100; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S, 1000, i);

		give(k, &p);
		nr_keeper_tick(k, T0 + (int64_t)i * S);
	}
	nr_keeper_finish(k, &err);
	nr_keeper_free(k);
	assert_int_equal(read_file("large.pcapng").packets, 100);
}

static int made_of(const char *name, size_t n)
{
	static const char zeros[5000];
	int fd = open(target(name), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && n <= sizeof(zeros));
	assert_int_equal(write(fd, zeros, n), n);
	return fd;
}

/* Files that threads still finish while others have begun behind them. */
static void what_files_grow_by_when_they_are_finished_counts(void **state)
{
	static const char *const names[] = { "grow-1", "grow-2", "grow-3", "grow-4" };
	const struct nr_retain_limits limits = { .bytes = 12000 };
	struct nr_retain *r = nr_retain_new(&limits);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		int fd = made_of(names[i], 1000);

		nr_retain_add(r, target(names[i]), fd);
		close(fd);
	}
	assert_int_equal(nr_retain_enforce(r), 0);
	for (size_t i = 0; i < 3; i++) {
		close(made_of(names[i], 4000));
		nr_retain_closed(r, target(names[i]));
	}
	assert_int_equal(nr_retain_enforce(r), 1); /* of 16 000 bytes 11 000 stay */
	assert_int_equal(n_files("grow-"), 3);
	assert_int_equal(nr_retain_removed_bytes(r), 5000);
	nr_retain_free(r);
}

/* A file size limit stands for a full disk: the write that crosses it is cut short. */
static void limit(rlim_t n)
{
	struct rlimit r;

	getrlimit(RLIMIT_FSIZE, &r);
	r.rlim_cur = n ? n : r.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &r), 0);
}

static void check_full_disk(const char *name, bool is_archive)
{
	struct nr_keep_config c = { .target = target(name), .threads = 1 };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	uint64_t kept = 0, numbered = 0, sources = 0;
	struct nr_keep_stats st;
	struct content got;
	struct nr_err err;

	limit(300000);
	for (uint64_t i = 1; i <= 2000; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S / 100, 700, i);

		for (size_t j = 8; j < 700; j++) /* hard to compress */
			bytes[j] =
				(uint8_t)((i * 2654435761u + j * j * 40503u) >> (j % 13));
		sources += give(k, &p);
		numbered += p.record != 0;
		nr_keeper_tick(k, p.clock_ns);
	}
	assert_int_equal(nr_keeper_finish(k, &err), -EFBIG);
	limit(0);
	nr_keeper_stats(k, &st);
	for (unsigned i = 0; i < s.n; i++) {
		got = read_file(s.f[i].name);
		assert_int_equal(got.packets, s.f[i].packets);
		if (!is_archive || !s.f[i].whole)
			assert_false(got.damaged);
		kept += got.packets;
	}
	assert_true(s.n >= 2); /* after 10 s it tried again */
	assert_false(s.f[0].whole);
	assert_int_equal(st.packets, kept);
	assert_int_equal(st.packets + st.dropped_disk, 2000);
	assert_int_equal(nr_keeper_dropped(k, 0), st.dropped_disk);
	if (!is_archive)
		assert_int_equal(numbered, kept);
	assert_int_equal(read_file(s.f[0].name).stats, 1);
	assert_int_equal(sources, 2 * (s.n - 1) + !s.f[s.n - 1].whole);
	nr_keeper_free(k);
}

static void a_full_disk_ends_the_file_cleanly_and_is_counted(void **state)
{
	(void)state;
	check_full_disk("full.pcapng", false);
}

static void a_full_disk_ends_an_archive_cleanly(void **state)
{
	(void)state;
	check_full_disk("full.pcapng.zst", true);
}

static void an_archive_can_be_read_while_it_grows(void **state)
{
	struct nr_keep_config c = { .target = target("grow.pcapng.zst") };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_err err;

	(void)state;
	for (uint64_t i = 1; i <= 50; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S / 10, 100, i);

		give(k, &p);
		nr_keeper_tick(k, p.clock_ns);
	}
	assert_true(read_file("grow.pcapng.zst").packets >= 40);
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	assert_int_equal(read_file("grow.pcapng.zst").packets, 50);
	nr_keeper_free(k);
}

static void a_trigger_writes_what_was_before_and_after(void **state)
{
	struct nr_keep_config c = { .target = target("pre.pcapng"),
				    .pre_trigger_ns = 30 * S,
				    .post_trigger_ns = 5 * S };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_keep_triggered t;
	struct content got;
	struct nr_err err;

	(void)state;
	assert_int_equal(n_files("pre"), 0);
	for (uint64_t i = 1; i <= 200; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S, 100, i);

		assert_int_equal(give(k, &p), 0);
		assert_int_equal(p.record, 0);
		assert_int_equal(p.source, 0);
		if (i == 100 || i == 103)
			assert_int_equal(nr_keeper_trigger(k, p.clock_ns, "SIGUSR2", &t),
					 i == 100);
		assert_false(nr_keeper_tick(k, p.clock_ns));
	}
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	nr_keeper_free(k);
	assert_string_equal(t.text,
			    "trigger: SIGUSR2: 31 packets, back 30.0 s of 30.0 s");
	assert_int_equal(s.n, 1);
	assert_string_equal(s.f[0].name, "pre-20261123T120140Z.pcapng");
	got = read_file(s.f[0].name);
	assert_int_equal(got.packets, 107 - 70 + 1); /* 70 s to 107 s */
	assert_int_equal(got.last, 107);
	assert_int_equal(got.comments, 1);
}

static void a_trigger_says_that_memory_was_too_small(void **state)
{
	struct nr_keep_config c = { .target = target("short.pcapng"),
				    .pre_trigger_ns = 30 * S,
				    .pre_trigger_mem = 2000 };
	struct seen s = { 0 };
	struct nr_keeper *k = open_keeper(&c, &s);
	struct nr_keep_triggered t;
	struct nr_err err;

	(void)state;
	for (uint64_t i = 1; i <= 100; i++) {
		struct nr_packet p = packet(T0 + (int64_t)i * S, 100, i);

		assert_int_equal(give(k, &p), 0);
	}
	assert_true(nr_keeper_trigger(k, T0 + 100 * S, "anomaly land", &t));
	assert_in_range(t.packets, 2, 20);
	assert_non_null(strstr(t.text, " of 30.0 s (--pre-trigger-memory is full)"));
	assert_int_equal(nr_keeper_finish(k, &err), 0);
	nr_keeper_free(k);
}

static void a_backlog_is_bounded_and_in_order(void **state)
{
	struct nr_backlog *b = nr_backlog_new(1000 * S, 10000);
	const struct nr_packet *p;
	uint64_t first = 0, n = 0, taken = 0, x = 88172645463325252u;

	(void)state;
	for (uint64_t i = 1; i <= 5000; i++) {
		struct nr_packet q;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		q = packet(T0, (uint32_t)(8 + x % 900), i);
		nr_backlog_add(b, &q);
		if (i % 777 == 0)
			taken += nr_backlog_take(b) != NULL;
	}
	n = nr_backlog_count(b);
	assert_true(n > 5);
	assert_int_equal(n + nr_backlog_squeezed(b) + taken, 5000);
	while ((p = nr_backlog_take(b)) != NULL) {
		uint64_t i;

		memcpy(&i, p->data, 8);
		assert_true(!first || i == first + 1);
		first = i;
		n--;
	}
	assert_int_equal(first, 5000);
	assert_int_equal(n, 0);
	nr_backlog_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_carry_the_time_and_sort),
		cmocka_unit_test(one_file_holds_all_with_statistics),
		cmocka_unit_test(an_existing_file_is_not_overwritten),
		cmocka_unit_test(offsets_and_records_lead_to_the_packets),
		cmocka_unit_test(time_rotation_is_exact_when_nothing_comes),
		cmocka_unit_test(retention_keeps_the_newest_and_what_others_wrote),
		cmocka_unit_test(one_file_beyond_the_bytes_stays),
		cmocka_unit_test(what_files_grow_by_when_they_are_finished_counts),
		cmocka_unit_test(a_full_disk_ends_the_file_cleanly_and_is_counted),
		cmocka_unit_test(a_full_disk_ends_an_archive_cleanly),
		cmocka_unit_test(an_archive_can_be_read_while_it_grows),
		cmocka_unit_test(a_trigger_writes_what_was_before_and_after),
		cmocka_unit_test(a_trigger_says_that_memory_was_too_small),
		cmocka_unit_test(a_backlog_is_bounded_and_in_order),
	};

	return cmocka_run_group_tests_name("keeper", tests, make_dir, remove_dir);
}
