/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock rules. A case is a list of packet times in seconds; the result is a list of
 * "time" where the clock shows the packet's own time, else "time>clock", with the marks
 * ! (bogus), J (jump) and < (backwards).
 */
#include "capfile.h"

#include <errno.h>

#define HOUR INT64_C(3600000000000)

static char *clock_of(const char *path, unsigned max, int64_t max_jump)
{
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct text t = { 0 };
	struct nr_timeline *tl;
	struct nr_source *s;
	int64_t last = INT64_MIN;
	uint64_t record = 0;
	int rc;

	assert_int_equal(nr_source_open(&s, path, NULL, NULL), 0);
	tl = nr_timeline_new(s, max_jump);
	while ((rc = nr_timeline_read(tl, b, max, NULL)) > 0) {
		assert_int_equal(b->n, rc);
		assert_true(b->n <= max);
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_packet *v = &b->pkt[i];

			assert_true(v->clock_ns >= last);
			last = v->clock_ns;
			assert_int_equal(v->record, v->event ? record : record + 1);
			if (v->event)
				continue;
			record++;
			add(&t, "%s%lld", t.n ? " " : "",
			    (long long)(v->ts_ns / 1000000000));
			if (v->clock_ns != v->ts_ns)
				add(&t, ">%lld", (long long)(v->clock_ns / 1000000000));
			add(&t, "%s%s%s", v->time_bogus ? "!" : "",
			    v->time_jump ? "J" : "", v->time_backwards ? "<" : "");
		}
		nr_batch_release(b);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(nr_timeline_read(tl, b, max, NULL), 0);
	nr_timeline_free(tl);
	free(b);
	return t.p;
}

static void judge(const char *times, int64_t max_jump, const char *want)
{
	static const unsigned batches[] = { 1, 2, 7, 17, 1024 };
	struct buf b = { 0 };
	const char *p = times;
	char *path, *next;

	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	while (*p) {
		pcap_record(&b, (uint32_t)strtoul(p, &next, 10), 0, 1, 1, 1);
		p = next + strspn(next, " ");
	}
	path = tmp_file(&b);
	for (size_t i = 0; i < sizeof(batches) / sizeof(*batches); i++) {
		char *got = clock_of(path, batches[i], max_jump);

		assert_string_equal(got, want);
		free(got);
	}
	unlink(path);
	free(path);
	free(b.p);
}

static void test_timeline_follows_the_packets(void **state)
{
	(void)state;
	judge("100 101 101 3701 3702", HOUR, "100 101 101 3701 3702");
	judge("100", HOUR, "100");
}

static void test_timeline_never_runs_backwards(void **state)
{
	(void)state;
	judge("100 200 150 201 1 202", HOUR, "100 200 150>200< 201 1>201< 202");
}

static void test_timeline_passes_one_packet_in_2106(void **state)
{
	(void)state;
	judge("1000 1001 4294967295 1002 1003", HOUR,
	      "1000 1001 4294967295>1001! 1002 1003");
	/* and several of them, at the end too */
	judge("1000 4294967295 4294967294 1001 4294967295 1002 4294967295", HOUR,
	      "1000 4294967295>1000! 4294967294>1000! 1001 4294967295>1001! 1002 "
	      "4294967295>1002!");
}

static void test_timeline_believes_a_jump(void **state)
{
	(void)state;
	judge("1000 1001 90000 90001", HOUR, "1000 1001 90000J 90001");
	judge("1000 1001 90000", HOUR, "1000 1001 90000J");
	/* 15 packets from the new time, then the old one: too late, it is believed */
	judge("999 1000 90000 90001 90002 90003 90004 90005 90006 90007 90008 90009 "
	      "90010 "
	      "90011 90012 90013 90014 90015 1001 90016",
	      HOUR,
	      "999 1000 90000J 90001 90002 90003 90004 90005 90006 90007 90008 90009 "
	      "90010 "
	      "90011 90012 90013 90014 90015 1001>90015< 90016");
	/* the sixteenth that is held falls back */
	judge("999 1000 90000 90001 90002 90003 90004 90005 90006 90007 90008 90009 "
	      "90010 "
	      "90011 90012 90013 90014 1001",
	      HOUR,
	      "999 1000 90000>1000! 90001>1000! 90002>1000! 90003>1000! 90004>1000! "
	      "90005>1000! 90006>1000! 90007>1000! 90008>1000! 90009>1000! 90010>1000! "
	      "90011>1000! 90012>1000! 90013>1000! 90014>1000! 1001");
	/* two jumps in a row */
	judge("1000 1001 90000 90001 190000 190001", HOUR,
	      "1000 1001 90000J 90001 190000J 190001");
}

static void test_timeline_believes_sparse_traffic(void **state)
{
	(void)state;
	judge("0 4000 8000 12000 16000 20000", HOUR,
	      "0 4000J 8000J 12000J 16000J 20000J");
	judge("0 4000 8000 12000 16000 20000 24000 28000 32000 36000 40000 44000 48000 "
	      "52000 56000 60000 64000 68000",
	      HOUR,
	      "0 4000J 8000J 12000J 16000J 20000J 24000J 28000J 32000J 36000J 40000J "
	      "44000J 48000J 52000J 56000J 60000J 64000J 68000J");
}

static void test_timeline_judges_the_first_packets(void **state)
{
	(void)state;
	judge("4294967295 1000 1001 1002", HOUR, "4294967295>1000! 1000 1001 1002");
	judge("0 1000000000 1000000001 1000000002", HOUR,
	      "0>1000000000! 1000000000 1000000001 1000000002");
	/* a pause of two hours behind the first packet is a pause */
	judge("1000 8200 8201 8202", HOUR, "1000 8200J 8201 8202");
	/* two strays before the capture proper */
	judge("4294967295 4294967294 1000 1001 1002 1003", HOUR,
	      "4294967295>1000! 4294967294>1000! 1000 1001 1002 1003");
	/* nothing to compare with: a jump, or backwards */
	judge("0 1000000000", HOUR, "0 1000000000>0!");
	judge("1000000000 0", HOUR, "1000000000 0>1000000000<");
	judge("1000 90000", HOUR, "1000 90000J");
	/* a jump soon after the beginning is a jump */
	judge("1000 1001 90000 90001 90002 90003 90004", HOUR,
	      "1000 1001 90000J 90001 90002 90003 90004");
}

static void test_timeline_doubts_a_lone_last_packet_after_ten_years(void **state)
{
	(void)state;
	judge("1000 1001 400000000", HOUR, "1000 1001 400000000>1001!");
	judge("1000 1001 300000000", HOUR, "1000 1001 300000000J");
	judge("1000 1001 400000000 400000001", HOUR, "1000 1001 400000000J 400000001");
}

static void test_timeline_believes_all_without_max_jump(void **state)
{
	(void)state;
	judge("1000 4294967295 1001 90000", 0,
	      "1000 4294967295 1001>4294967295< 90000>4294967295<");
}

static void test_timeline_gives_events_the_clock_before_them(void **state)
{
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct nr_timeline *tl;
	struct nr_source *s;
	struct buf f = { 0 };
	char *path;

	(void)state;
	pcap_header(&f, 0xa1b2c3d4, 2, 4, 1);
	pcap_record(&f, 4000000000, 0, 1, 1, 1);
	pcap_record(&f, 1000, 0, 1, 1, 1);
	pcap_record(&f, 1001, 0, 1, 1, 1);
	pcap_record(&f, 1002, 0, 1, 1, 1);
	f.n--;
	path = tmp_file(&f);
	assert_int_equal(nr_source_open(&s, path, NULL, NULL), 0);
	tl = nr_timeline_new(s, HOUR);
	while (nr_timeline_read(tl, b, NR_BATCH_MAX, NULL) > 0)
		continue;
	assert_int_equal(b->n, 7);
	assert_int_equal(b->pkt[0].event->kind, NR_EVENT_SOURCE_START);
	assert_int_equal(b->pkt[0].clock_ns, 1000000000000); /* what the first one gets */
	assert_int_equal(b->pkt[1].clock_ns, 1000000000000);
	assert_true(b->pkt[2].time_bogus);
	assert_int_equal(b->pkt[2].clock_ns, 1000000000000);
	assert_int_equal(b->pkt[4].clock_ns, 1001000000000);
	assert_int_equal(b->pkt[5].event->kind, NR_EVENT_DAMAGE);
	assert_int_equal(b->pkt[5].clock_ns, 1001000000000);
	assert_int_equal(b->pkt[6].event->kind, NR_EVENT_SOURCE_END);
	assert_int_equal(b->pkt[6].clock_ns, 1001000000000);
	nr_batch_release(b);
	nr_timeline_free(tl);
	unlink(path);
	free(path);
	free(b);
	free(f.p);
}

static void test_timeline_hands_out_all_before_a_failure(void **state)
{
	struct nr_source_options opt = { .block_size = 4096, .park = true };
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct nr_timeline *tl;
	struct nr_source *s;
	struct nr_err err;
	struct buf f = { 0 };
	char *path;
	int rc;

	(void)state;
	pcap_header(&f, 0xa1b2c3d4, 2, 4, 1);
	for (uint32_t i = 0; i < 20; i++)
		pcap_record(&f, 1000, 0, 10000, 10000, 1);
	path = tmp_file(&f);
	assert_int_equal(nr_source_open(&s, path, &opt, NULL), 0);
	tl = nr_timeline_new(s, HOUR);
	unlink(path); /* the next block cannot be read */
	while ((rc = nr_timeline_read(tl, b, 1, &err)) > 0)
		continue;
	assert_int_equal(rc, -ENOENT);
	assert_non_null(strstr(err.text, "cannot open"));
	assert_true(b->n > 3 && b->n < 20); /* what the first blocks held */
	assert_int_equal(nr_timeline_read(tl, b, 1, &err), -ENOENT);
	nr_batch_release(b);
	nr_timeline_free(tl);
	free(path);
	free(b);
	free(f.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timeline_follows_the_packets),
		cmocka_unit_test(test_timeline_never_runs_backwards),
		cmocka_unit_test(test_timeline_passes_one_packet_in_2106),
		cmocka_unit_test(test_timeline_believes_a_jump),
		cmocka_unit_test(test_timeline_believes_sparse_traffic),
		cmocka_unit_test(test_timeline_judges_the_first_packets),
		cmocka_unit_test(test_timeline_doubts_a_lone_last_packet_after_ten_years),
		cmocka_unit_test(test_timeline_believes_all_without_max_jump),
		cmocka_unit_test(test_timeline_gives_events_the_clock_before_them),
		cmocka_unit_test(test_timeline_hands_out_all_before_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
