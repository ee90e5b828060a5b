/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two directions of a connection wait for each other: whatever order the capture has
 * their packets in, what is told is the dialogue as it was held.
 */
#include "session/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

#define MS INT64_C(1000000)

enum { TALK_MAX = 512, PACKETS_MAX = 128 };

struct packet {
	unsigned side;
	uint64_t offset, ack;
	char text[8];
};

/* Everything said, in order: letters of side 0 are small, of side 1 large; '_': missing.
 */
struct talk {
	char said[TALK_MAX];
	size_t n;
};

struct end {
	struct wire *w;
	unsigned side;
};

struct wire {
	struct nr_stream s[2];
	struct end end[2];
	struct nr_stream_reader r[2];
	struct nr_stream_config c;
	struct nr_account a;
	int64_t clock_ns;
	struct talk told;
	unsigned n_fins;
};

static bool on_data(void *arg, uint64_t offset, const uint8_t *p, size_t n,
		    const struct nr_stamp *at)
{
	struct talk *t = &((struct end *)arg)->w->told;

	(void)offset;
	(void)at;
	assert_true(t->n + n < TALK_MAX);
	memcpy(t->said + t->n, p, n);
	t->n += n;
	return true;
}

static bool on_gap(void *arg, uint64_t offset, uint64_t n, enum nr_gap_reason why,
		   const struct nr_stamp *at)
{
	struct talk *t = &((struct end *)arg)->w->told;

	(void)offset;
	(void)why;
	(void)at;
	assert_true(t->n + n < TALK_MAX);
	memset(t->said + t->n, '_', n);
	t->n += n;
	return true;
}

static bool on_fin(void *arg, const struct nr_stamp *at)
{
	(void)at;
	((struct end *)arg)->w->n_fins++;
	return true;
}

static void on_conflict(void *arg, uint64_t offset, uint64_t n, uint64_t old_hash,
			uint64_t new_hash)
{
	(void)arg;
	(void)offset;
	(void)n;
	(void)old_hash;
	(void)new_hash;
	fail();
}

static void wire_init(struct wire *w)
{
	*w = (struct wire){ .c = { .max_memory = 1 << 20, .ack_grace = 10 * MS },
			    .a = { .max = 1 << 20 } };
	for (unsigned i = 0; i < 2; i++) {
		nr_stream_init(&w->s[i]);
		w->end[i] = (struct end){ w, i };
		w->r[i] = (struct nr_stream_reader){ .arg = &w->end[i],
						     .data = on_data,
						     .gap = on_gap,
						     .fin = on_fin,
						     .conflict = on_conflict,
						     .peer = &w->s[!i] };
	}
}

static void put(struct wire *w, const struct packet *p)
{
	uint32_t n = (uint32_t)strlen(p->text);
	const struct nr_stream_segment g = { .offset = p->offset,
					     .needs = p->ack,
					     .data = (const uint8_t *)p->text,
					     .len = n,
					     .cap = n,
					     .clock_ns = w->clock_ns };

	nr_stream_ack(&w->s[!p->side], p->ack, w->clock_ns);
	assert_true(nr_stream_segment(&w->s[p->side], &w->c, &w->a, &g, &w->r[p->side]));
	nr_streams_release(w->s, &w->a, w->clock_ns, w->r);
}

static void pass(struct wire *w, int64_t ns)
{
	static const struct nr_stamp at;

	w->clock_ns += ns;
	for (unsigned i = 0; i < 2; i++)
		if (nr_stream_wake(&w->s[i], &w->c) <= w->clock_ns)
			nr_stream_tick(&w->s[i], &w->c, &w->a, w->clock_ns, &at,
				       &w->r[i]);
	nr_streams_release(w->s, &w->a, w->clock_ns, w->r);
}

static void wire_fini(struct wire *w)
{
	for (unsigned i = 0; i < 2; i++)
		nr_stream_fini(&w->s[i], &w->a);
	assert_int_equal(w->a.used, 0);
}

static void expect(const struct wire *w, const struct talk *want)
{
	char told[TALK_MAX + 1] = "", wanted[TALK_MAX + 1] = "";

	memcpy(told, w->told.said, w->told.n);
	memcpy(wanted, want->said, want->n);
	assert_string_equal(told, wanted);
}

static unsigned dice(uint32_t *seed, unsigned n)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 16) % n;
}

/* Turns of one to three segments, each of which acknowledges all that came before. */
static unsigned dialogue(struct packet *p, uint32_t *seed)
{
	uint64_t sent[2] = { 0 };
	unsigned n = 0;

	for (unsigned turn = 0; turn < 24; turn++) {
		unsigned side = turn & 1, segments = 1 + dice(seed, 3);

		for (unsigned i = 0; i < segments; i++) {
			unsigned len = 1 + dice(seed, 5);

			p[n] = (struct packet){ .side = side,
						.offset = sent[side],
						.ack = sent[!side] };
			for (unsigned k = 0; k < len; k++)
				p[n].text[k] = (char)((side ? 'A' : 'a') + turn % 26);
			sent[side] += len;
			n++;
		}
	}
	return n;
}

/* As it was held, packet `lost` apart; what nobody acknowledged is not known to be lost.
 */
static struct talk held(const struct packet *p, unsigned n, unsigned lost)
{
	struct talk t = { .n = 0 };

	for (unsigned i = 0; i < n; i++) {
		size_t len = strlen(p[i].text);

		if (i == lost && (i + 1 == n || p[n - 1].side == p[i].side) &&
		    p[n - 1].offset == p[i].offset)
			continue;
		memcpy(t.said + t.n, p[i].text, len);
		if (i == lost)
			memset(t.said + t.n, '_', len);
		t.n += len;
	}
	return t;
}

static void flush(struct wire *w)
{
	static const struct nr_stamp at;

	nr_streams_flush(w->s, &w->a, &at, w->r);
}

static void test_turns_in_any_order_of_packets(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed < 300; seed++) {
		uint32_t s = seed * 2654435761u;
		struct packet p[PACKETS_MAX], was[PACKETS_MAX];
		unsigned n = dialogue(p, &s);
		struct talk want = held(p, n, n);
		struct wire w;

		memcpy(was, p, sizeof(was));
		/* a few places from where they were */
		for (unsigned i = 0; i < 3 * n; i++) {
			unsigned at = dice(&s, n - 1);
			struct packet x = p[at];

			p[at] = p[at + 1];
			p[at + 1] = x;
		}
		wire_init(&w);
		for (unsigned i = 0; i < n; i++)
			put(&w, &p[i]);
		expect(&w, &want);
		assert_false(nr_stream_has_more(&w.s[0]) || nr_stream_has_more(&w.s[1]));
		wire_fini(&w);
	}
}

/* step: time between packets; where it is 0 the flow ends before any hole is given up. */
static void lose_each(int64_t step)
{
	struct packet p[PACKETS_MAX];
	uint32_t s = 4711;
	unsigned n = dialogue(p, &s);

	for (unsigned lost = 0; lost < n; lost++) {
		struct talk want = held(p, n, lost);
		struct wire w;

		wire_init(&w);
		for (unsigned i = 0; i < n; i++) {
			pass(&w, step);
			if (i != lost)
				put(&w, &p[i]);
		}
		flush(&w);
		expect(&w, &want);
		wire_fini(&w);
	}
}

static void test_turns_go_on_behind_a_lost_packet(void **state)
{
	(void)state;
	lose_each(0);
	lose_each(MS);
	lose_each(4 * MS);
	lose_each(50 * MS);
}

static void test_turns_wait_no_longer_than_the_grace(void **state)
{
	const struct packet a = { .side = 0, .ack = 3, .text = "abc" };
	const struct talk nothing = { .n = 0 }, gap = { "___abc", 6 };
	struct wire w;

	(void)state;
	wire_init(&w);
	put(&w, &a);
	expect(&w, &nothing);
	pass(&w, 9 * MS);
	expect(&w, &nothing);
	pass(&w, MS);
	expect(&w, &gap);
	wire_fini(&w);
}

/* Each says that it has heard what the other says it said later: both are lying. */
static void test_turns_of_liars_end(void **state)
{
	const struct packet a = { .side = 0, .ack = 3, .text = "abc" };
	const struct packet b = { .side = 1, .ack = 3, .text = "DEF" };
	struct wire w;

	(void)state;
	wire_init(&w);
	put(&w, &a);
	put(&w, &b);
	assert_int_equal(w.told.n, 0);
	pass(&w, 10 * MS);
	assert_int_equal(w.told.n, 6);
	wire_fini(&w);
	wire_init(&w);
	put(&w, &a);
	put(&w, &b);
	flush(&w);
	assert_int_equal(w.told.n, 6);
	wire_fini(&w);
}

static void test_turns_without_room_do_not_wait(void **state)
{
	const struct packet a = { .side = 0, .ack = 3, .text = "abc" };
	const struct talk want = { "abc", 3 };
	struct wire w;

	(void)state;
	wire_init(&w);
	w.c.max_memory = 16;
	put(&w, &a);
	expect(&w, &want);
	wire_fini(&w);
}

/* The peer's FIN is acknowledged with a number behind its last byte. */
static void test_turns_behind_a_fin(void **state)
{
	const struct packet b = { .side = 1, .text = "XYZ" };
	const struct packet a = { .side = 0, .ack = 4, .text = "abc" };
	const struct talk want = { "XYZabc", 6 };
	static const struct nr_stamp at;
	struct wire w;

	(void)state;
	wire_init(&w);
	put(&w, &b);
	nr_stream_fin(&w.s[1], 3, &at, &w.r[1]);
	put(&w, &a);
	expect(&w, &want);
	assert_int_equal(w.n_fins, 1);
	wire_fini(&w);
}

static void test_turns_tell_what_the_end_lacks(void **state)
{
	const struct packet b = { .side = 1, .text = "XYZ" };
	const struct packet a = { .side = 0, .ack = 5, .text = "a" };
	const struct talk acked = { "XYZ__a", 6 }, fin = { "XYZ____", 7 };
	static const struct nr_stamp at;
	struct wire w;

	(void)state;
	wire_init(&w);
	put(&w, &b);
	put(&w, &a);
	flush(&w);
	expect(&w, &acked);
	wire_fini(&w);
	wire_init(&w);
	put(&w, &b);
	nr_stream_fin(&w.s[1], 7, &at, &w.r[1]);
	assert_int_equal(w.n_fins, 0);
	flush(&w);
	expect(&w, &fin);
	assert_int_equal(w.n_fins, 1);
	wire_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns_in_any_order_of_packets),
		cmocka_unit_test(test_turns_go_on_behind_a_lost_packet),
		cmocka_unit_test(test_turns_wait_no_longer_than_the_grace),
		cmocka_unit_test(test_turns_of_liars_end),
		cmocka_unit_test(test_turns_without_room_do_not_wait),
		cmocka_unit_test(test_turns_behind_a_fin),
		cmocka_unit_test(test_turns_tell_what_the_end_lacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
