/* SPDX-License-Identifier: BSD-3-Clause */
/* Archives of which only the frames of a time range are read. */
#include "capfile.h"

#include "archive/archive.h"

#include <dirent.h>

enum { PER_FRAME = 64, PER_GROUP = 8 * PER_FRAME, GROUPS = 12, FRAME = 65536 };

static const int64_t second = 1000000000;

static void append(struct nr_archive_writer *w, struct buf *b, unsigned flags,
		   int64_t ts_ns)
{
	struct nr_archive_fact f = { .flags = flags, .ts_ns = ts_ns };
	struct nr_err err;

	assert_int_equal(nr_archive_append(w, b->p, b->n, &f, &err), 0);
	b->n = 0;
}

static void append_head(struct nr_archive_writer *w)
{
	struct buf b = { 0 };

	put32(&b, 0x0a0d0d0a);
	put32(&b, 28);
	put32(&b, 0x1a2b3c4d);
	put32(&b, 1);
	put64(&b, UINT64_MAX);
	put32(&b, 28);
	append(w, &b, NR_FACT_HEAD, 0);
	put32(&b, 1);
	put32(&b, 20);
	put64(&b, 1);
	put32(&b, 20);
	append(w, &b, NR_FACT_HEAD, 0);
	free(b.p);
}

/* said: the block's length, as it stands at its start. */
static void append_packet(struct nr_archive_writer *w, int64_t ts_ns, uint32_t said)
{
	uint64_t us = (uint64_t)ts_ns / 1000;
	struct buf b = { 0 };

	put32(&b, 6);
	put32(&b, said);
	put32(&b, 0);
	put32(&b, us >> 32);
	put32(&b, us & 0xffffffff);
	put64(&b, UINT64_C(0x000003e8000003e8)); /* 1000 bytes of 1000 */
	put_fill(&b, 0x55, 1000);
	put32(&b, 1032);
	append(w, &b, NR_FACT_RECORD | NR_FACT_TIME, ts_ns);
	free(b.p);
}

/* Groups of frames of second 10 and of second 1000, in turn. */
static char *archive(bool is_broken)
{
	const struct nr_archive_options o = { .kind = NR_ARCHIVE_PACKETS,
					      .threads = 1,
					      .frame_size = FRAME,
					      .force = true };
	struct buf none = { 0 };
	char *temporary = tmp_file(&none), *path;
	struct nr_archive_writer *w;
	struct nr_archive_result res;
	struct nr_err err;

	assert_true(asprintf(&path, "%s.pcapng.zst", temporary) > 0);
	assert_int_equal(nr_archive_create(&w, path, &o, &err), 0);
	append_head(w);
	for (int i = 0; i < GROUPS * PER_GROUP; i++) {
		bool odd = i / PER_GROUP % 2;

		append_packet(w, (odd ? 1000 : 10) * second + i,
			      is_broken && i % PER_GROUP == 10 ? 7 : 1032);
	}
	assert_int_equal(nr_archive_finish(w, &res, &err), 0);
	nr_archive_abandon(w);
	unlink(temporary);
	free(temporary);
	return path;
}

static unsigned n_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	unsigned n = 0;

	assert_non_null(d);
	for (const struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

struct seen {
	unsigned packets, in_range, damages;
	uint64_t last_record;
};

static struct seen read_part(char *path)
{
	const struct nr_source_options o = { .from_ns = 0, .to_ns = 100 * second };
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct seen seen = { 0 };
	struct nr_source *s;
	struct nr_err err;

	assert_int_equal(nr_source_open(&s, path, &o, &err), 0);
	assert_string_equal(nr_source_info(s)->hash_note, "partial_read");
	while (nr_source_read(s, b, NR_BATCH_MAX, &err) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_packet *p = &b->pkt[i];

			seen.damages += p->event && p->event->kind == NR_EVENT_DAMAGE;
			if (p->event)
				continue;
			seen.packets++;
			seen.in_range += p->ts_ns < 100 * second;
			seen.last_record = p->record;
		}
		nr_batch_release(b);
	}
	nr_source_close(s);
	free(b);
	unlink(path);
	free(path);
	return seen;
}

static void test_a_range_is_read_whole(void **state)
{
	struct seen seen = read_part(archive(false));

	(void)state;
	assert_int_equal(seen.in_range, GROUPS / 2 * PER_GROUP);
	assert_true(seen.packets < GROUPS * PER_GROUP);
	assert_int_equal(seen.damages, 0);
}

/* Frames that are sound around content that is not: as where all of it is read. */
static void test_behind_lost_framing_nothing_is_read(void **state)
{
	unsigned before = n_threads();
	struct seen seen = read_part(archive(true));

	(void)state;
	assert_int_equal(seen.damages, 1);
	assert_int_equal(seen.packets, 10);
	assert_int_equal(seen.last_record, 10);
	assert_int_equal(n_threads(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_range_is_read_whole),
		cmocka_unit_test(test_behind_lost_framing_nothing_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
