/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's promises, on captures made here: order, determinism, ledger, limits. */
#include "../sum.h"
#include "replay.h"

#include "record/tables.h"

#define S 1000000000ll

struct sum {
	struct nr_sink sink; /* first: the sink is the sum */
	uint64_t hash;
	uint64_t flows, flow_records, ledger_packets, bucket[NR_N_BUCKETS];
	uint64_t rows, largest, starts, first_flow_id, first_source_id;
	bool out_of_order, late_start;
	int64_t last_start; /* flow_id of the last flow_start */
	int64_t interrupted;
};

static void note(struct sum *s, const struct nr_record *r)
{
	const struct nr_value *v = r->v;

	if (r->type == &nr_rt_flow) {
		s->flows++;
		s->flow_records += (uint64_t)v[NR_FLOW_records].i;
		if (!s->first_flow_id)
			s->first_flow_id = (uint64_t)v[NR_FLOW_flow_id].i;
		s->late_start |= s->starts && v[NR_FLOW_flow_id].i > s->last_start;
	} else if (r->type == &nr_rt_flow_start) {
		s->starts++;
		s->last_start = v[NR_FLOW_START_flow_id].i;
	} else if (r->type == &nr_rt_ledger) {
		s->ledger_packets += (uint64_t)v[NR_LEDGER_packets].i;
		for (unsigned i = 0; i < NR_N_BUCKETS; i++) {
			static const char *const names[] = { "flow",
							     "arp",
							     "other_l2",
							     "unsupported_linktype",
							     "malformed",
							     "fragment_incomplete",
							     "checksum_dropped",
							     "filtered",
							     "duplicate",
							     "out_of_range" };

			if (!strncmp(names[i], v[NR_LEDGER_bucket].p,
				     v[NR_LEDGER_bucket].len))
				s->bucket[i] += (uint64_t)v[NR_LEDGER_packets].i;
		}
	} else if (r->type == &nr_rt_source) {
		if (!s->first_source_id)
			s->first_source_id = (uint64_t)v[NR_SOURCE_source_id].i;
		s->interrupted += v[NR_SOURCE_interrupted].i;
	}
}

static int sum_write(struct nr_sink *sink, struct nr_record *const *r, size_t n,
		     struct nr_err *err)
{
	static const struct nr_order zero;
	struct sum *s = (struct sum *)sink;
	struct nr_order last = zero;

	(void)err;
	s->rows += n;
	s->largest = n > s->largest ? n : s->largest;
	for (size_t i = 0; i < n; i++) {
		const struct nr_order *o = &r[i]->order;

		s->out_of_order |= o->ordinal < last.ordinal ||
				   (o->ordinal == last.ordinal && o->phase < last.phase);
		last = *o;
		note(s, r[i]);
		s->hash = sum_record(s->hash, r[i]);
	}
	return 0;
}

static const struct nr_sink_ops sum_ops = { .name = "sum", .write = sum_write };

/* One Ethernet/IPv4/UDP frame of a flow numbered i, or an ARP request where i is 0. */
static void frame(struct buf *b, int64_t t, uint32_t i, bool back)
{
	static const uint8_t eth[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint32_t src = back ? 0x0a000001 : 0x0b000000 + i;
	uint32_t dst = back ? 0x0b000000 + i : 0x0a000001;

	put32(b, (uint32_t)(t / S));
	put32(b, (uint32_t)(t % S));
	put32(b, 46);
	put32(b, 46);
	b->big = true;
	put(b, eth, 12);
	if (!i) {
		put16(b, 0x0806);
		put64(b, 0x0001080006040001);
		put_fill(b, 1, 20);
		put_fill(b, 0, 4);
	} else {
		put16(b, 0x0800);
		put32(b, 0x45000020);
		put32(b, i << 16); /* id; no fragment */
		put32(b, 0x40110000);
		put32(b, src);
		put32(b, dst);
		put16(b, back ? 2000 : 1000);
		put16(b, back ? 1000 : 2000);
		put32(b, 12u << 16);
		put32(b, 0x61626364);
	}
	b->big = false;
}

static void header(struct buf *b)
{
	pcap_header(b, 0xa1b23c4d, 2, 4, 1);
}

static struct nr_engine_config config(void)
{
	struct nr_engine_config c;

	nr_engine_config_defaults(&c);
	return c;
}

static const struct nr_engine_stats *replay(const struct buf *b,
					    const struct nr_engine_config *c,
					    struct sum *s, const atomic_int *stop)
{
	static struct nr_engine_stats stats;
	char path[64];
	int fd = mem_file(b, path);

	memset(s, 0, sizeof(*s));
	s->sink.ops = &sum_ops;
	stats = replay_file(path, c, &s->sink, stop);
	close(fd);
	assert_false(s->out_of_order);
	assert_false(s->late_start);
	assert_int_equal(s->ledger_packets, stats.packets);
	assert_int_equal(s->flow_records, s->bucket[NR_BUCKET_FLOW]);
	return &stats;
}

static struct buf mixed(unsigned n)
{
	struct buf b = { 0 };
	uint32_t x = 7;

	header(&b);
	for (unsigned i = 0; i < n; i++) {
		x = x * 1664525u + 1013904223u;
		frame(&b, 1000 * S + i * (S / 50), x >> 20, x >> 19 & 1);
	}
	return b;
}

static void test_engine_records_do_not_depend_on_batches(void **state)
{
	static const unsigned sizes[] = { 2, 7, 31, 32, 33, 256, NR_BATCH_MAX };
	struct nr_engine_config c = config();
	struct buf b = mixed(20000);
	struct sum one, s;

	(void)state;
	c.flow_start = true;
	c.max_flows = 16 * 64;
	c.batch = 1;
	replay(&b, &c, &one, NULL);
	assert_true(one.flows > 256);
	assert_int_equal(one.starts, one.flows);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		c.batch = sizes[i];
		replay(&b, &c, &s, NULL);
		assert_int_equal(s.hash, one.hash);
	}
	free(b.p);
}

static void test_engine_mass_expiry_streams_through(void **state)
{
	enum { FLOWS = 30000 };
	struct nr_engine_config c = config();
	struct buf b = { 0 };
	struct sum s;

	(void)state;
	header(&b);
	for (uint32_t i = 1; i <= FLOWS; i++)
		frame(&b, 1000 * S + i, i, false);
	frame(&b, 2000 * S, 1, false); /* all others end before it */
	replay(&b, &c, &s, NULL);
	assert_int_equal(s.flows, FLOWS + 1);
	assert_true(s.largest < 5000); /* handed on in pieces, not gathered */
	free(b.p);
}

static void test_engine_count_stops_after_so_many(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = mixed(1000);
	struct sum s;

	(void)state;
	c.count = 333;
	for (c.batch = 1; c.batch <= 256; c.batch *= 16)
		assert_int_equal(replay(&b, &c, &s, NULL)->packets, 333);
	free(b.p);
}

static void test_engine_range_and_filter_have_their_buckets(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = mixed(1000); /* 20 s */
	struct sum s;

	(void)state;
	c.from = 1005 * S;
	c.to = 1010 * S;
	c.filter = "arp or host 11.0.0.5";
	replay(&b, &c, &s, NULL);
	assert_int_equal(s.bucket[NR_BUCKET_OUT_OF_RANGE], 750);
	assert_true(s.bucket[NR_BUCKET_FILTERED] > 200);
	assert_true(s.flows <= 1);
	free(b.p);
}

static void test_engine_appended_run_goes_on_counting(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = mixed(10);
	struct sum s;

	(void)state;
	c.first_ordinal = 5000;
	c.first_source_id = 4;
	replay(&b, &c, &s, NULL);
	assert_true(s.first_flow_id >= 5001 * 16);
	assert_int_equal(s.first_source_id, 4);
	free(b.p);
}

static void test_engine_stopped_marks_the_source(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = mixed(1000);
	atomic_int stop = 1;
	struct sum s;

	(void)state;
	assert_true(replay(&b, &c, &s, &stop)->interrupted);
	assert_int_equal(s.interrupted, 1);
	free(b.p);
}

static void test_engine_empty_capture_has_a_source(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = { 0 };
	struct sum s;

	(void)state;
	header(&b);
	assert_int_equal(replay(&b, &c, &s, NULL)->packets, 0);
	assert_int_equal(s.first_source_id, 1);
	free(b.p);
}

static void test_engine_duplicates_are_dropped_when_told(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = { 0 };
	struct sum s;

	(void)state;
	header(&b);
	for (uint32_t i = 1; i <= 200; i++) {
		frame(&b, 1000 * S + i * (S / 10), i, false);
		frame(&b, 1000 * S + i * (S / 10) + S / 1000, i, false);
	}
	assert_true(replay(&b, &c, &s, NULL)->many_duplicates);
	assert_int_equal(s.bucket[NR_BUCKET_FLOW], 400);
	c.dedup_window = 256;
	replay(&b, &c, &s, NULL);
	assert_int_equal(s.bucket[NR_BUCKET_DUPLICATE], 200);
	c.dedup_time = S / 2000;
	replay(&b, &c, &s, NULL);
	assert_int_equal(s.bucket[NR_BUCKET_DUPLICATE], 0);
	free(b.p);
}

/* A million flows must cost what ten times a hundred thousand do: counted as rows here,
   as time by the suite that would otherwise never end. */
static void test_engine_many_open_flows(void **state)
{
#ifdef __SANITIZE_THREAD__
	enum { FLOWS = 20000 }; /* one thread: all there is to see is seen early */
#else
	enum { FLOWS = 300000 };
#endif
	struct nr_engine_config c = config();
	struct buf b = { 0 };
	struct sum s;

	(void)state;
	header(&b);
	for (uint32_t i = 1; i <= FLOWS; i++)
		frame(&b, 1000 * S + i * 1000, i, false);
	for (uint32_t i = 1; i <= FLOWS; i++)
		frame(&b, 1001 * S + i * 1000, i, true);
	replay(&b, &c, &s, NULL);
	assert_int_equal(s.flows, FLOWS);
	free(b.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_engine_records_do_not_depend_on_batches),
		cmocka_unit_test(test_engine_mass_expiry_streams_through),
		cmocka_unit_test(test_engine_count_stops_after_so_many),
		cmocka_unit_test(test_engine_range_and_filter_have_their_buckets),
		cmocka_unit_test(test_engine_appended_run_goes_on_counting),
		cmocka_unit_test(test_engine_stopped_marks_the_source),
		cmocka_unit_test(test_engine_empty_capture_has_a_source),
		cmocka_unit_test(test_engine_duplicates_are_dropped_when_told),
		cmocka_unit_test(test_engine_many_open_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
