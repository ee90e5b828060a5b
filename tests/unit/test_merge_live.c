/* SPDX-License-Identifier: BSD-3-Clause */
/* The merge of live rings, over a back end that plays scripts. */
#include "source/merge_live.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MS = 1000000, MAX_STEPS = 16 };

/* What a ring answers to its reads, one after the other; then that it is empty. */
struct script {
	int64_t ts[MAX_STEPS]; /* 0: the end of what one read gives */
	unsigned n, at;
	int fails; /* -errno at the end */
};

static struct script script[3];
static int fd[2] = { -1, -1 };

static int fake_open(struct nr_live *l, const struct nr_live_options *o,
		     struct nr_err *err)
{
	l->n_rings = o->rings;
	l->link_type = 1;
	return 0;
}

static int fake_read(struct nr_live *l, unsigned ring, struct nr_batch *b, unsigned max,
		     struct nr_err *err)
{
	struct script *s = &script[ring];
	int n = 0;

	while (s->at < s->n && n < (int)max) {
		int64_t ts = s->ts[s->at++];

		if (!ts)
			return n;
		nr_batch_add(b, &(struct nr_packet){ .ts_ns = ts,
						     .cap_len = ring,
						     .wire_len = 60,
						     .data = (const uint8_t *)"" });
		n++;
	}
	return n ? n : s->fails;
}

static int fake_fd(const struct nr_live *l, unsigned ring)
{
	return fd[0];
}

static void fake_stats(struct nr_live *l, unsigned ring, struct nr_live_stats *st)
{
	st->received = script[ring].at;
}

static void fake_close(struct nr_live *l)
{
}

static const struct nr_live_ops fake = {
	.name = "fake",
	.open = fake_open,
	.read = fake_read,
	.fd = fake_fd,
	.stats = fake_stats,
	.close = fake_close,
};

struct env {
	struct nr_live_merge *m;
	struct nr_batch *b;
	int64_t now;
	struct nr_err err;
};

static int setup(void **state)
{
	struct env *e = nr_xcalloc(1, sizeof(*e));

	memset(script, 0, sizeof(script));
	e->b = nr_xcalloc(1, sizeof(*e->b));
	e->now = nr_live_now();
	*state = e;
	return pipe(fd);
}

static int teardown(void **state)
{
	struct env *e = *state;

	nr_batch_release(e->b);
	nr_live_merge_close(e->m);
	close(fd[0]);
	close(fd[1]);
	nr_free(e->b);
	nr_free(e);
	return 0;
}

static void begin(struct env *e, unsigned rings, int64_t lateness)
{
	const struct nr_live_options o = { .rings = rings };
	struct nr_live *l;

	assert_int_equal(nr_live_open(&l, &fake, "x", &o, &e->err), 0);
	if (nr_live_merge_new(&e->m, &l, 1, lateness, &e->err) < 0)
		fail_msg("%s", e->err.text);
}

static void add(unsigned ring, int64_t ts)
{
	script[ring].ts[script[ring].n++] = ts;
}

/* "0@-5 1@-4": rings and times in ms before e->now of what one read hands out. */
static const char *read_once(struct env *e)
{
	static char text[256];
	size_t at = 0;
	int n;

	nr_batch_release(e->b);
	n = nr_live_merge_read(e->m, e->b, NR_BATCH_MAX, &e->err);
	text[0] = '\0';
	if (n < 0)
		return strerror(-n);
	assert_int_equal(n, e->b->n);
	for (unsigned i = 0; i < e->b->n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u@%d",
				       i ? " " : "", e->b->pkt[i].interface_id,
				       (int)((e->b->pkt[i].ts_ns - e->now) / MS));
	return text;
}

static void test_rings_are_merged_by_time_and_then_by_number(void **state)
{
	struct env *e = *state;

	add(1, e->now - 900 * MS);
	add(1, e->now - 700 * MS);
	add(0, e->now - 800 * MS);
	add(0, e->now - 700 * MS);
	add(2, e->now - 700 * MS);
	begin(e, 3, 20 * MS);
	assert_string_equal(read_once(e), "1@-900 0@-800 0@-700 1@-700 2@-700");
	for (unsigned i = 0; i < e->b->n; i++) {
		assert_int_equal(e->b->pkt[i].ordinal, i + 1);
		assert_int_equal(e->b->pkt[i].record, i + 1);
		assert_int_equal(e->b->pkt[i].clock_ns, e->b->pkt[i].ts_ns);
	}
	assert_string_equal(read_once(e), "");
}

static void test_a_young_packet_waits_for_empty_rings(void **state)
{
	struct env *e = *state;

	e->now = nr_live_now();
	add(0, e->now);
	begin(e, 2, 300 * MS);
	assert_string_equal(read_once(e), "");
	assert_false(nr_live_merge_tick(e->m, e->b)); /* it is not silent */
	add(1, e->now - 5 * MS);
	/* an older one may go at once: something younger is known of the other */
	assert_string_equal(read_once(e), "1@-5");
	assert_string_equal(read_once(e), "");
	usleep(400000);
	assert_string_equal(read_once(e), "0@0");
}

static void test_what_comes_too_late_is_counted_and_gets_the_clock(void **state)
{
	struct env *e = *state;

	add(0, e->now - 500 * MS);
	begin(e, 2, 10 * MS);
	assert_string_equal(read_once(e), "0@-500");
	add(1, e->now - 600 * MS);
	assert_string_equal(read_once(e), "1@-600");
	assert_true(e->b->pkt[0].time_backwards);
	assert_int_equal(e->b->pkt[0].clock_ns, e->now - 500 * MS);
	assert_int_equal(nr_live_merge_totals(e->m)->late, 1);
}

static void test_the_future_gets_the_host_s_time(void **state)
{
	struct env *e = *state;

	add(0, e->now + 3600000 * (int64_t)MS);
	add(0, e->now - 100 * MS);
	begin(e, 1, 10 * MS);
	assert_string_equal(read_once(e), "0@3600000 0@-100");
	assert_true(e->b->pkt[0].time_bogus);
	assert_true(e->b->pkt[0].clock_ns < e->now + 60000 * (int64_t)MS);
	assert_true(e->b->pkt[1].time_backwards);
	assert_int_equal(nr_live_merge_totals(e->m)->future, 1);
}

static void test_silence_moves_the_clock(void **state)
{
	struct env *e = *state;
	int64_t before;

	begin(e, 2, 50 * MS);
	assert_string_equal(read_once(e), "");
	before = nr_live_now();
	assert_true(nr_live_merge_tick(e->m, e->b));
	assert_int_equal(e->b->n, 1);
	assert_int_equal(e->b->pkt[0].event->kind, NR_EVENT_TICK);
	assert_true(e->b->pkt[0].clock_ns <= before - 50 * MS);
	assert_int_equal(e->b->pkt[0].clock_ns, nr_live_merge_clock(e->m));
	/* a packet of before that time is late */
	add(0, e->now - 500 * MS);
	assert_string_equal(read_once(e), "0@-500");
	assert_true(e->b->pkt[0].time_backwards);
}

static void test_stop_takes_what_was_before_it(void **state)
{
	struct env *e = *state;

	add(0, e->now - 30 * MS);
	add(0, e->now + 30 * MS);
	begin(e, 1, 10 * MS);
	nr_live_merge_stop(e->m, e->now);
	assert_string_equal(read_once(e), "0@-30");
	assert_true(nr_live_merge_is_drained(e->m));
	assert_int_equal(nr_live_merge_totals(e->m)->captured, 1);
	assert_string_equal(read_once(e), "");
}

static void test_a_failing_ring_is_told_and_down_is_not(void **state)
{
	struct env *e = *state;

	begin(e, 1, 10 * MS);
	script[0].fails = -ENETDOWN;
	assert_string_equal(read_once(e), "");
	assert_int_equal(nr_live_merge_totals(e->m)->downs, 1);
	script[0].fails = -EIO;
	assert_string_equal(read_once(e), strerror(EIO));
}

static void test_a_source_is_described(void **state)
{
	struct env *e = *state;

	begin(e, 2, 10 * MS);
	nr_live_merge_describe(e->m, e->b, 7);
	assert_int_equal(e->b->n, 3);
	assert_int_equal(e->b->pkt[0].event->kind, NR_EVENT_SOURCE_START);
	for (unsigned i = 1; i < 3; i++) {
		const struct nr_interface *x = &e->b->pkt[i].event->interface;

		assert_int_equal(e->b->pkt[i].source, 7);
		assert_int_equal(x->interface_id, i - 1);
		assert_memory_equal(x->name.p, "x", x->name.len);
		assert_int_equal(x->tsresol, 1000000000);
	}
}

static void give_back(void *arg, struct nr_block *b)
{
	(*(int *)arg)++;
}

static void test_a_lent_block_goes_back_with_its_last_user(void **state)
{
	struct env *e = *state;
	uint8_t memory[64];
	int n = 0;
	struct nr_block *b = nr_block_lent_new(memory, sizeof(memory), give_back, &n);

	for (int i = 1; i < 3; i++) {
		nr_block_lend(b);
		assert_ptr_equal(nr_block_data(b), memory);
		nr_batch_add(e->b, &(struct nr_packet){ .data = memory, .block = b });
		nr_batch_add(e->b, &(struct nr_packet){ .data = memory, .block = b });
		nr_block_unref(b);
		assert_int_equal(n, i - 1);
		nr_batch_release(e->b);
		assert_int_equal(n, i);
	}
	nr_block_lent_free(b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_rings_are_merged_by_time_and_then_by_number),
		T(test_a_young_packet_waits_for_empty_rings),
		T(test_what_comes_too_late_is_counted_and_gets_the_clock),
		T(test_the_future_gets_the_host_s_time),
		T(test_silence_moves_the_clock),
		T(test_stop_takes_what_was_before_it),
		T(test_a_failing_ring_is_told_and_down_is_not),
		T(test_a_source_is_described),
		T(test_a_lent_block_goes_back_with_its_last_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
