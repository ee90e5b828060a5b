/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams against the plainest model there is: one entry for each byte. */
#include "session/stream.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

enum { SPAN = 256 };
#define MS INT64_C(1000000)

/* What a reader was told: for each offset of the span a byte, a gap, or nothing yet. */
struct told {
	uint64_t base;
	int byte[SPAN]; /* -1: nothing, -2: gap */
	uint64_t next;
	unsigned n_conflicts, n_gaps, n_fins;
	uint64_t conflict_bytes;
	enum nr_gap_reason why;
	uint64_t total;
};

static bool on_data(void *arg, uint64_t offset, const uint8_t *p, size_t n,
		    const struct nr_stamp *at)
{
	struct told *t = arg;

	assert_int_equal(offset, t->next); /* in order, once */
	for (size_t i = 0; i < n && offset - t->base + i < SPAN; i++)
		t->byte[offset - t->base + i] = p[i];
	t->next += n;
	t->total += n;
	return true;
}

static bool on_gap(void *arg, uint64_t offset, uint64_t n, enum nr_gap_reason why,
		   const struct nr_stamp *at)
{
	struct told *t = arg;

	assert_int_equal(offset, t->next);
	assert_true(n > 0);
	for (uint64_t i = 0; i < n && offset - t->base + i < SPAN; i++)
		t->byte[offset - t->base + i] = -2;
	t->next += n;
	t->n_gaps++;
	t->why = why;
	return true;
}

static bool on_fin(void *arg, const struct nr_stamp *at)
{
	((struct told *)arg)->n_fins++;
	return true;
}

static void on_conflict(void *arg, uint64_t offset, uint64_t n, uint64_t old_hash,
			uint64_t new_hash)
{
	struct told *t = arg;

	assert_true(old_hash != new_hash);
	t->n_conflicts++;
	t->conflict_bytes += n;
}

struct bench {
	struct nr_stream s;
	struct nr_stream_config c;
	struct nr_account a;
	struct told told;
	struct nr_stream_reader r;
	int64_t clock_ns;
};

static void bench_init(struct bench *b, uint64_t base)
{
	*b = (struct bench){ .c = { .overlap = NR_OVERLAP_FIRST,
				    .max_memory = 2 << 20,
				    .ack_grace = 10 * MS },
			     .a = { .max = 64 << 20 },
			     .told = { .base = base, .next = base } };
	for (int i = 0; i < SPAN; i++)
		b->told.byte[i] = -1;
	b->r = (struct nr_stream_reader){ .arg = &b->told,
					  .data = on_data,
					  .gap = on_gap,
					  .fin = on_fin,
					  .conflict = on_conflict };
	nr_stream_init(&b->s);
	b->s.next = b->s.acked = base;
}

static void bench_fini(struct bench *b)
{
	nr_stream_fini(&b->s, &b->a);
	assert_int_equal(b->a.used, 0);
	assert_null(b->s.store);
}

static void put_cut(struct bench *b, uint64_t at, const char *text, uint32_t len)
{
	size_t n = strlen(text);
	uint8_t *exact = nr_xmalloc(n + 1);
	struct nr_stream_segment g = { .offset = at,
				       .data = exact,
				       .len = len,
				       .cap = (uint32_t)n,
				       .clock_ns = b->clock_ns };

	memcpy(exact, text, n);
	assert_true(nr_stream_segment(&b->s, &b->c, &b->a, &g, &b->r));
	nr_free(exact);
}

static void put(struct bench *b, uint64_t at, const char *text)
{
	put_cut(b, at, text, (uint32_t)strlen(text));
}

static void tick(struct bench *b, int64_t ns)
{
	b->clock_ns += ns;
	nr_stream_tick(&b->s, &b->c, &b->a, b->clock_ns, &(struct nr_stamp){ 0 }, &b->r);
}

static void flush(struct bench *b)
{
	const struct nr_stamp at = { 0 };
	const struct nr_stream_reader r[2] = { b->r, b->r };
	struct nr_stream s[2] = { b->s };

	nr_stream_init(&s[1]);
	nr_streams_flush(s, &b->a, &at, r);
	b->s = s[0];
}

static void expect(const struct bench *b, const char *text)
{
	char got[SPAN + 1] = "";

	for (int i = 0; i < SPAN && b->told.byte[i] != -1; i++)
		got[i] = b->told.byte[i] == -2 ? '_' : (char)b->told.byte[i];
	assert_string_equal(got, text);
}

static void test_stream_reorders(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 3, "def");
	expect(&b, "");
	put(&b, 6, "ghi");
	put(&b, 0, "abc");
	expect(&b, "abcdefghi");
	nr_stream_fin(&b.s, 9, &(struct nr_stamp){ 0 }, &b.r);
	assert_int_equal(b.told.n_fins, 1);
	bench_fini(&b);
}

static void test_stream_fin_waits_for_the_bytes(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 3, "def");
	nr_stream_fin(&b.s, 6, &(struct nr_stamp){ 0 }, &b.r);
	assert_int_equal(b.told.n_fins, 0);
	put(&b, 0, "abc");
	assert_int_equal(b.told.n_fins, 1);
	bench_fini(&b);
}

static void test_stream_partial_retransmission_keeps_the_new_tail(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 0, "abc");
	put(&b, 1, "bcde");
	expect(&b, "abcde");
	assert_int_equal(b.s.n_unverified, 1);
	bench_fini(&b);
}

static void test_stream_retransmission_is_compared(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 0, "abc");
	put(&b, 0, "abc");
	assert_int_equal(b.told.n_conflicts, 0);
	assert_int_equal(b.s.n_unverified, 0);
	put(&b, 0, "aXc");
	assert_int_equal(b.told.n_conflicts, 1);
	nr_stream_ack(&b.s, 3, 0);
	put(&b, 0, "aXc"); /* forgotten: nobody can tell */
	assert_int_equal(b.told.n_conflicts, 1);
	assert_int_equal(b.s.n_unverified, 1);
	expect(&b, "abc");
	bench_fini(&b);
}

/* What is remembered is known by the low bits of its offset: 4 GiB further it is not. */
static void test_stream_nothing_is_remembered_past_4_gib(void **state)
{
	const uint64_t far = UINT64_C(1) << 32;
	struct bench b;

	(void)state;
	for (int again = 0; again < 2; again++) {
		bench_init(&b, 0);
		put(&b, 0, "abcd");
		put(&b, again ? far - 8 : far + 4, "efgh");
		flush(&b);
		assert_int_equal(b.s.next, b.told.next);
		put(&b, again ? 0 : far, again ? "ABCD" : "wxyz");
		assert_int_equal(b.told.n_conflicts, again);
		assert_int_equal(b.s.n_unverified, !again);
		bench_fini(&b);
	}
}

static void test_stream_keep_alive_is_no_conflict(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 0, "abc");
	put(&b, 2, "\377");
	assert_int_equal(b.told.n_conflicts, 0);
	assert_int_equal(b.s.n_unverified, 0);
	put(&b, 3, "def");
	expect(&b, "abcdef");
	bench_fini(&b);
}

static void test_stream_hole_waits_for_the_ack_and_its_grace(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 0, "abc");
	put(&b, 6, "ghi");
	put(&b, 9, "jkl");
	tick(&b, 20 * MS); /* two segments beyond it alone release nothing */
	expect(&b, "abc");
	nr_stream_ack(&b.s, 9, b.clock_ns);
	assert_int_equal(nr_stream_wake(&b.s, &b.c), b.clock_ns + 10 * MS);
	tick(&b, 9 * MS);
	expect(&b, "abc");
	tick(&b, 1 * MS);
	expect(&b, "abc___ghijkl");
	assert_int_equal(b.told.why, NR_GAP_ACKED);
	bench_fini(&b);
}

static void test_stream_hole_filled_within_the_grace(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 3, "def");
	nr_stream_ack(&b.s, 6, b.clock_ns);
	tick(&b, 5 * MS);
	put(&b, 0, "abc");
	tick(&b, 50 * MS);
	expect(&b, "abcdef");
	assert_int_equal(b.told.n_gaps, 0);
	bench_fini(&b);
}

static void test_stream_hole_deadlines_without_acks(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 3, "def");
	tick(&b, 3999 * MS);
	expect(&b, "");
	tick(&b, 1 * MS);
	expect(&b, "___def");
	assert_int_equal(b.told.why, NR_GAP_TIMEOUT);
	put(&b, 9, "jkl");
	put(&b, 12, "mno");
	tick(&b, 999 * MS);
	expect(&b, "___def");
	tick(&b, 1 * MS);
	expect(&b, "___def___jklmno");
	bench_fini(&b);
}

/* Packets stamped later than nanoseconds can count: no deadline is due for that. */
static void test_stream_clock_at_its_end_loses_nothing(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 0, "abc");
	tick(&b, INT64_MAX - b.clock_ns);
	put(&b, 3, "def");
	tick(&b, 0);
	put(&b, 9, "jkl");
	tick(&b, 0);
	expect(&b, "abcdef");
	put(&b, 6, "ghi");
	expect(&b, "abcdefghijkl");
	bench_fini(&b);
}

static void test_stream_acked_tail_is_a_gap(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 0, "abc");
	nr_stream_ack(&b.s, 6, b.clock_ns);
	tick(&b, 10 * MS);
	expect(&b, "abc___");
	put(&b, 6, "ghi");
	expect(&b, "abc___ghi");
	bench_fini(&b);
}

static void test_stream_cut_by_the_snap_length_is_a_gap_at_once(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put_cut(&b, 0, "ab", 5);
	put(&b, 5, "fgh");
	expect(&b, "ab___fgh");
	assert_int_equal(b.told.why, NR_GAP_CUT);
	bench_fini(&b);
}

static void test_stream_flush_tells_everything(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	put(&b, 3, "def");
	put(&b, 9, "jkl");
	flush(&b);
	expect(&b, "___def___jkl");
	bench_fini(&b);
}

static void test_stream_overlap_policies(void **state)
{
	/* An old segment [4, 8) of o, a new one of n; then the hole before is filled. */
	static const struct {
		enum nr_overlap policy;
		uint64_t at;
		const char *new, *want;
	} cases[] = {
		{ NR_OVERLAP_FIRST, 2, "nnnn", "..nnoooo" },
		{ NR_OVERLAP_LAST, 2, "nnnn", "..nnnnoo" },
		{ NR_OVERLAP_BSD, 2, "nnnn", "..nnnnoo" },
		{ NR_OVERLAP_BSD, 4, "nnnnnn", "....oooonn" },
		{ NR_OVERLAP_LINUX, 4, "nnnnnn", "....nnnnnn" },
		{ NR_OVERLAP_LINUX, 4, "nnnn", "....oooo" },
		{ NR_OVERLAP_LINUX, 5, "nnnnnn", "....oooonnn" },
		{ NR_OVERLAP_SOLARIS, 4, "nnnn", "....nnnn" },
		{ NR_OVERLAP_SOLARIS, 2, "nnnn", "..nnoooo" },
		{ NR_OVERLAP_SOLARIS, 2, "nnnnnn", "..nnnnnn" },
		{ NR_OVERLAP_WINDOWS, 2, "nnnn", "..nnnnoo" },
		{ NR_OVERLAP_WINDOWS, 5, "nn", "....oooo" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char head[8] = "........";
		struct bench b;

		bench_init(&b, 0);
		b.c.overlap = cases[i].policy;
		put(&b, 4, "oooo");
		put(&b, cases[i].at, cases[i].new);
		head[strspn(cases[i].want, ".")] = '\0';
		put(&b, 0, head);
		expect(&b, cases[i].want);
		assert_int_equal(b.told.n_conflicts, 1);
		bench_fini(&b);
	}
}

static void test_stream_store_full_gives_up_the_oldest_hole(void **state)
{
	struct bench b;

	bench_init(&b, 0);
	b.c.max_memory = 400;
	put(&b, 10, "aaaaaaaaaa");
	put(&b, 30, "bbbbbbbbbb");
	put(&b, 50, "cccccccccc");
	assert_true(b.told.n_gaps >= 1);
	assert_int_equal(b.told.why, NR_GAP_FULL);
	assert_true(!b.s.store || b.s.store->stored <= 400);
	bench_fini(&b);
	bench_init(&b, 0);
	b.c.max_memory = 8; /* not even one fits: the direction is not silenced */
	put(&b, 10, "aaaaaaaaaa");
	put(&b, 30, "bbbbbbbbbb");
	expect(&b, "__________aaaaaaaaaa__________bbbbbbbbbb");
	bench_fini(&b);
}

/* 300 000 segments of one byte over a hole, rising and falling: linear and small. */
static void test_stream_many_small_segments_cost_their_bytes(void **state)
{
	for (int falling = 0; falling < 2; falling++) {
		struct bench b;

		bench_init(&b, 0);
		for (uint32_t i = 0; i < 300000; i++)
			put(&b, 1 + (falling ? 300000 - i : i), "x");
		assert_true(b.a.used <= b.c.max_memory);
		assert_int_equal(b.told.n_gaps, 0);
		put(&b, 0, "yy");
		assert_true(b.told.total >= 300000);
		bench_fini(&b);
	}
}

static void test_stream_past_4_gib(void **state)
{
	static const uint8_t block[65536];
	struct bench b;
	uint64_t at = 0;

	bench_init(&b, 0);
	for (; at < UINT64_C(5) << 30; at += sizeof(block)) {
		struct nr_stream_segment g = { .offset = at,
					       .data = block,
					       .len = sizeof(block),
					       .cap = sizeof(block) };

		nr_stream_segment(&b.s, &b.c, &b.a, &g, &b.r);
		nr_stream_ack(&b.s, at, 0);
	}
	assert_int_equal(b.told.total, UINT64_C(5) << 30);
	assert_int_equal(b.told.n_gaps, 0);
	bench_fini(&b);
}

/* The model: who owns each byte, what it is, and what has been delivered. */
struct model {
	int byte[SPAN];
	unsigned from[SPAN], to[SPAN];
	unsigned next;
	uint64_t differing;
};

static bool model_new_wins(enum nr_overlap p, unsigned a, unsigned b, unsigned c,
			   unsigned d)
{
	if (p == NR_OVERLAP_LAST)
		return true;
	if (p == NR_OVERLAP_BSD || p == NR_OVERLAP_WINDOWS)
		return a < c;
	if (p == NR_OVERLAP_LINUX)
		return a < c || (a == c && b > d);
	if (p == NR_OVERLAP_SOLARIS)
		return a <= c && b >= d;
	return false;
}

static void model_put(struct model *m, enum nr_overlap p, unsigned a, const char *text)
{
	unsigned b = a + (unsigned)strlen(text);

	for (unsigned i = a; i < b; i++) {
		if (i < m->next)
			continue;
		if (m->byte[i] < 0 || model_new_wins(p, a, b, m->from[i], m->to[i])) {
			m->byte[i] = text[i - a];
			m->from[i] = a;
			m->to[i] = b;
		}
	}
	while (m->next < SPAN && m->byte[m->next] >= 0)
		m->next++;
}

static uint32_t rnd(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void run_model(enum nr_overlap policy, uint64_t base, uint32_t seed)
{
	struct model m = { .next = 0 };
	struct bench b;

	bench_init(&b, base);
	b.c.overlap = policy;
	for (int i = 0; i < SPAN; i++)
		m.byte[i] = -1;
	for (int k = 0; k < 60; k++) {
		char text[24];
		unsigned n = 1 + rnd(&seed) % 20, at = rnd(&seed) % (SPAN - 24);

		if (k % 3 == 0) /* more often near what is awaited */
			at = m.next < SPAN - 24 ? m.next : SPAN - 24;
		for (unsigned i = 0; i < n; i++)
			text[i] = (char)('a' + rnd(&seed) % 4);
		text[n] = '\0';
		model_put(&m, policy, at, text);
		put(&b, base + at, text);
		assert_int_equal(b.told.next - base, m.next);
		for (unsigned i = 0; i < m.next; i++)
			assert_int_equal(b.told.byte[i], m.byte[i]);
	}
	flush(&b);
	for (unsigned i = 0; i < b.told.next - base; i++)
		assert_int_equal(b.told.byte[i], m.byte[i] < 0 ? -2 : m.byte[i]);
	for (unsigned i = (unsigned)(b.told.next - base); i < SPAN; i++)
		assert_int_equal(m.byte[i], -1);
	bench_fini(&b);
}

static void test_stream_equals_the_model_for_all_policies(void **state)
{
	static const uint64_t bases[] = { 0, UINT32_MAX - 100, UINT64_C(1) << 33 };

	for (int p = NR_OVERLAP_FIRST; p <= NR_OVERLAP_SOLARIS; p++) {
		for (uint32_t seed = 1; seed <= 400; seed++)
			run_model((enum nr_overlap)p, bases[seed % 3], seed * 7919);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stream_reorders),
		cmocka_unit_test(test_stream_fin_waits_for_the_bytes),
		cmocka_unit_test(test_stream_partial_retransmission_keeps_the_new_tail),
		cmocka_unit_test(test_stream_retransmission_is_compared),
		cmocka_unit_test(test_stream_nothing_is_remembered_past_4_gib),
		cmocka_unit_test(test_stream_keep_alive_is_no_conflict),
		cmocka_unit_test(test_stream_hole_waits_for_the_ack_and_its_grace),
		cmocka_unit_test(test_stream_hole_filled_within_the_grace),
		cmocka_unit_test(test_stream_hole_deadlines_without_acks),
		cmocka_unit_test(test_stream_clock_at_its_end_loses_nothing),
		cmocka_unit_test(test_stream_acked_tail_is_a_gap),
		cmocka_unit_test(test_stream_cut_by_the_snap_length_is_a_gap_at_once),
		cmocka_unit_test(test_stream_flush_tells_everything),
		cmocka_unit_test(test_stream_overlap_policies),
		cmocka_unit_test(test_stream_store_full_gives_up_the_oldest_hole),
		cmocka_unit_test(test_stream_many_small_segments_cost_their_bytes),
		cmocka_unit_test(test_stream_past_4_gib),
		cmocka_unit_test(test_stream_equals_the_model_for_all_policies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
