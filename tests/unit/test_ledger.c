/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs that must end with a ledger that adds up and the same rows for every batch. */
#include "replay.h"

#include "record/tables.h"

/* A fragment, its copy, the datagram's end, its copy. */
static const char copied_fragments[] =
	"4d3cb2a1020004000000000000000000000004000100000000f153650000000042000000"
	"4200000002000000000202000000000108004500003400072000401146b00a0000010a00"
	"000203e807d00040000078787878787878787878787878787878787878787878787800f1"
	"5365e8030000420000004200000002000000000202000000000108004500003400072000"
	"401146b00a0000010a00000203e807d00040000078787878787878787878787878787878"
	"787878787878787800f15365d00700004200000042000000020000000002020000000001"
	"08004500003400070004401166ac0a0000010a0000027878787878787878787878787878"
	"78787878787878787878787878787878787800f15365b80b000042000000420000000200"
	"0000000202000000000108004500003400070004401166ac0a0000010a00000278787878"
	"78787878787878787878787878787878787878787878787878787878";
/* Two fragments, each in VXLAN whose UDP checksum is wrong. */
static const char fragments_in_bad_carrier[] =
	"4d3cb2a1020004000000000000000000000004000100000000f153650000000074000000"
	"740000000200000000020200000000010800450000660001000040117481010101010202"
	"020215b312b5005212340800000000002a00020000000002020000000001080045000034"
	"00072000401146b00a0000010a00000203e807d000400000787878787878787878787878"
	"78787878787878787878787800f15365e803000074000000740000000200000000020200"
	"000000010800450000660001000040117481010101010202020215b312b5005212340800"
	"000000002a0002000000000202000000000108004500003400070004401166ac0a000001"
	"0a0000027878787878787878787878787878787878787878787878787878787878787878";
/* Two packets of the year 2262, behind what an int64 of nanoseconds can hold. */
static const char clamped_times[] =
	"0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c000000010000002c000000"
	"010000000000000009000100090000000e000800047dc12502000000000000002c000000"
	"0600000058000000000000000000000000e9a43536000000360000000200000000020200"
	"0000000108004500002800010000400666cd0a0000010a0000020fa00050000000640000"
	"00005002ffff00000000000058000000060000004c000000000000000000000000e9a435"
	"2b0000002b00000002000000000202000000000108004500001d00010000401166cd0a00"
	"00010a00000203e800350009000071004c000000";
/* Three packets with comments, statistics of the interface, a cut block. */
static const char comments_then_damage[] =
	"0a0d0d0a1c0000004d3c2b1a01000000ffffffffffffffff1c0000000100000020000000"
	"010000000000000009000100090000000000000020000000060000005c00000000000000"
	"fe9c971700002a362b0000002b00000002000000000202000000000108004500001d0001"
	"0000401166cd0a0000010a00000203e800350009000071000100060068656c6c6f300000"
	"000000005c000000060000005c00000000000000fe9c971701002a362b0000002b000000"
	"02000000000202000000000108004500001d00010000401166cd0a0000010a00000203e9"
	"00350009000071000100060068656c6c6f310000000000005c000000060000005c000000"
	"00000000fe9c971702002a362b0000002b00000002000000000202000000000108004500"
	"001d00010000401166cd0a0000010a00000203ea00350009000071000100060068656c6c"
	"6f320000000000005c000000050000002800000000000000000000000000000004000800"
	"4d0000000000000000000000280000000600000040000000616263";

struct sum {
	struct nr_sink sink; /* first: the sink is the sum */
	uint64_t rows, hash;
};

static int sum_write(struct nr_sink *sink, struct nr_record *const *r, size_t n,
		     struct nr_err *err)
{
	struct sum *s = (struct sum *)(void *)sink;

	(void)err;
	for (size_t i = 0; i < n; i++) {
		if (r[i]->type->flags & NR_R_RUN)
			continue;
		s->rows++;
		for (unsigned f = 0; f < r[i]->type->n_fields; f++) {
			const struct nr_value *v = &r[i]->v[f];

			s->hash = s->hash * 31 + v->kind;
			if (v->kind == NR_V_INT)
				s->hash = s->hash * 31 + (uint64_t)v->i;
			for (uint32_t k = 0; v->kind == NR_V_TEXT && k < v->len; k++)
				s->hash = s->hash * 31 + (uint8_t)v->p[k];
		}
	}
	return 0;
}

static const struct nr_sink_ops sum_ops = { .name = "sum", .write = sum_write };

static unsigned nibble(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct nr_engine_stats replay(const char *hex, const struct nr_engine_config *c,
				     struct sum *s)
{
	struct nr_engine_stats stats;
	struct buf b = { 0 };
	char path[64];
	int fd;

	for (; *hex; hex += 2)
		put8(&b, nibble(hex[0]) << 4 | nibble(hex[1]));
	fd = mem_file(&b, path);
	memset(s, 0, sizeof(*s));
	s->sink.ops = &sum_ops;
	stats = replay_file(path, c, &s->sink, NULL);
	close(fd);
	free(b.p);
	return stats;
}

static void test_ledger_copies_of_fragments_are_counted_once(void **state)
{
	struct nr_engine_config c;
	struct sum s;

	(void)state;
	nr_engine_config_defaults(&c);
	c.dedup_window = 256;
	replay(copied_fragments, &c, &s);
}

static void test_ledger_fragment_in_a_bad_carrier_is_counted_once(void **state)
{
	struct nr_engine_config c;
	struct sum s;

	(void)state;
	nr_engine_config_defaults(&c);
	c.checksums = NR_CSUM_VERIFY;
	replay(fragments_in_bad_carrier, &c, &s);
}

static void test_ledger_clamped_times_are_in_an_open_range(void **state)
{
	struct nr_engine_config c;
	struct sum s;

	(void)state;
	nr_engine_config_defaults(&c);
	assert_int_equal(
		replay(clamped_times, &c, &s).bucket_packets[NR_BUCKET_OUT_OF_RANGE], 0);
}

static void test_ledger_count_ends_alike_for_every_batch(void **state)
{
	struct nr_engine_config c;
	struct sum one, s;
	unsigned damaged;

	(void)state;
	nr_engine_config_defaults(&c);
	c.count = 3;
	c.batch = 1;
	damaged = replay(comments_then_damage, &c, &one).n_damaged;
	for (c.batch = 2; c.batch <= 256; c.batch *= 2) {
		assert_int_equal(replay(comments_then_damage, &c, &s).n_damaged, damaged);
		assert_int_equal(s.rows, one.rows);
		assert_int_equal(s.hash, one.hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ledger_copies_of_fragments_are_counted_once),
		cmocka_unit_test(test_ledger_fragment_in_a_bad_carrier_is_counted_once),
		cmocka_unit_test(test_ledger_clamped_times_are_in_an_open_range),
		cmocka_unit_test(test_ledger_count_ends_alike_for_every_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
