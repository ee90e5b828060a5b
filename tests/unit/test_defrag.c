/* SPDX-License-Identifier: BSD-3-Clause */
#include "frames.h"

#include "decode/defrag.h"

static const uint8_t header[60] = { 0x45, 1, 2, 3 };
static const uint8_t addresses[2][16] = { { 1 }, { 2 } };

static struct nr_defrag *new_defrag(enum nr_overlap overlap)
{
	return nr_defrag_new(&(struct nr_decoder_config){ .frag_timeout_ns = 30,
							  .frag_memory = 1 << 20,
							  .frag_datagrams = 100,
							  .overlap = overlap });
}

/* Adds data [off, off + len) as version 4 or 6, record number n. */
static enum nr_frag_verdict add(struct nr_defrag *d, unsigned version, uint32_t id,
				uint32_t off, uint32_t len, bool more, const void *data,
				uint64_t n, struct nr_datagram *done,
				struct nr_frag_oddity *odd)
{
	uint8_t *p = malloc(len ? len : 1);
	enum nr_frag_verdict v;
	struct nr_fragment f = {
		.ip_version = version,
		.src = addresses[0],
		.dst = addresses[1],
		.id = id,
		.proto = 17,
		.hdr = header,
		.hdr_len = version == 4 ? 20 : 40,
		.off = off,
		.len = len,
		.cap = len,
		.more = more,
		.data = p,
		.record = { .ordinal = n, .record = n },
	};

	memcpy(p, data, len);
	v = nr_defrag_add(d, &f, done, odd);
	free(p);
	return v;
}

struct tally {
	unsigned n;
	uint64_t records; /* a bit each */
	const char *why;
	unsigned ip_version;
};

static void count_lost(void *arg, const struct nr_frag_record *r, const char *why,
		       unsigned ip_version)
{
	struct tally *t = arg;

	t->n++;
	t->records |= 1ull << r->record;
	t->why = why;
	t->ip_version = ip_version;
}

static uint32_t next_random(uint32_t *r)
{
	*r = *r * 1664525 + 1013904223;
	return *r >> 8;
}

static void test_defrag_any_order(void **state)
{
	uint8_t data[997];
	uint32_t r = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)next_random(&r);
	for (unsigned round = 0; round < 200; round++) {
		struct nr_defrag *d = new_defrag(NR_OVERLAP_FIRST);
		unsigned version = round % 2 ? 6 : 4;
		uint32_t size = 8 * (1 + next_random(&r) % 40);
		uint32_t n = ((uint32_t)sizeof(data) + size - 1) / size;
		uint32_t order[125];
		struct nr_datagram done;
		struct nr_frag_oddity odd;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t k = next_random(&r) % (i + 1);

			order[i] = order[k];
			order[k] = i;
		}
		for (uint32_t i = 0; i < n; i++) {
			uint32_t off = order[i] * size;
			uint32_t len = sizeof(data) - off < size
					       ? (uint32_t)sizeof(data) - off
					       : size;
			enum nr_frag_verdict v =
				add(d, version, 5, off, len, off + len < sizeof(data),
				    data + off, i + 1, &done, &odd);

			assert_int_equal(v, i == n - 1 ? NR_FRAG_DONE : NR_FRAG_HELD);
			assert_int_equal(odd.overlap_len, 0);
		}
		assert_int_equal(done.len, sizeof(data));
		assert_int_equal(done.cap, sizeof(data));
		assert_memory_equal(done.hdr, header, done.hdr_len);
		assert_memory_equal(done.hdr + done.hdr_len, data, sizeof(data));
		assert_int_equal(done.n_records, n - 1);
		for (uint32_t i = 0; i < done.n_records; i++)
			assert_int_equal(done.records[i].record, i + 1);
		assert_int_equal(nr_defrag_memory(d), 0);
		assert_int_equal(nr_defrag_count(d), 0);
		nr_defrag_release(d);
		nr_defrag_free(d);
	}
}

static void test_defrag_exact_duplicates_are_fine(void **state)
{
	struct nr_datagram done;
	struct nr_frag_oddity odd;

	(void)state;
	for (unsigned version = 4; version <= 6; version += 2) {
		struct nr_defrag *d = new_defrag(NR_OVERLAP_LAST);

		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(add(d, version, 1, 8, 8, true, "bbbbbbbb", 1,
					     &done, &odd),
					 NR_FRAG_HELD);
			assert_int_equal(odd.overlap_len, 0);
			assert_int_equal(
				add(d, version, 1, 16, 3, false, "ccc", 2, &done, &odd),
				NR_FRAG_HELD);
			assert_int_equal(odd.overlap_len, 0);
		}
		assert_int_equal(
			add(d, version, 1, 0, 8, true, "aaaaaaaa", 3, &done, &odd),
			NR_FRAG_DONE);
		assert_int_equal(done.n_records, 6); /* every record is accounted for */
		assert_memory_equal(done.hdr + done.hdr_len, "aaaaaaaabbbbbbbbccc", 19);
		nr_defrag_free(d);
	}
}

/*
 * The fragments of the Paxson and Shankar model, in Novak's variant, and what each kind
 * of stack makes of them: the results that other engines' tests state too.
 */
static void test_defrag_policies_as_published(void **state)
{
	static const struct {
		char c;
		uint8_t off, len; /* units of 8 */
	} frags[] = {
		{ 'A', 0, 3 },  { 'B', 4, 2 },  { 'C', 6, 3 },  { 'D', 10, 1 },
		{ 'E', 13, 2 }, { 'F', 15, 3 }, { 'G', 18, 2 }, { 'H', 20, 2 },
		{ 'I', 22, 1 }, { 'J', 1, 4 },  { 'K', 6, 3 },  { 'L', 9, 3 },
		{ 'M', 12, 3 }, { 'N', 16, 1 }, { 'O', 19, 1 }, { 'P', 20, 1 },
		{ 'Q', 22, 2 },
	};
	static const char *const want[] = {
		[NR_OVERLAP_FIRST] = "AAAJBBCCCLDLMEEFFFGGHHIQ",
		[NR_OVERLAP_LAST] = "AJJJJBKKKLLLMMMFNFGOPHQQ",
		[NR_OVERLAP_WINDOWS] = "AAAJBBCCCLLLMEEFFFGGHHIQ",
		[NR_OVERLAP_LINUX] = "AAAJJBKKKLLLMMMFFFGGPHQQ",
		[NR_OVERLAP_BSD] = "AAAJJBCCCLLLMMMFFFGGHHIQ",
		[NR_OVERLAP_SOLARIS] = "AAAJBBCCCLLLMMMFFFGGHHIQ",
	};

	(void)state;
	for (unsigned policy = 0; policy < 6; policy++) {
		struct nr_defrag *d = new_defrag(policy);
		enum nr_frag_verdict v = NR_FRAG_HELD;
		struct nr_datagram done;
		struct nr_frag_oddity odd;

		for (unsigned i = 0; i < 17; i++) {
			uint8_t data[32];

			memset(data, frags[i].c, sizeof(data));
			assert_int_equal(v, NR_FRAG_HELD);
			v = add(d, 4, 1, frags[i].off * 8u, frags[i].len * 8u,
				frags[i].c != 'Q', data, i, &done, &odd);
			assert_int_equal(odd.conflict, i >= 9 && frags[i].c != 'A');
		}
		assert_int_equal(v, NR_FRAG_DONE);
		assert_int_equal(done.len, 24 * 8);
		for (unsigned i = 0; i < 24 * 8; i++)
			if (done.hdr[20 + i] != (uint8_t)want[policy][i / 8])
				fail_msg("policy %u, byte %u: %c", policy, i,
					 done.hdr[20 + i]);
		nr_defrag_free(d);
	}
}

/* The rules once more, byte by byte and without any cleverness. */
static bool naive_new_wins(unsigned policy, uint32_t a, uint32_t b, uint32_t c,
			   uint32_t e)
{
	switch (policy) {
	case NR_OVERLAP_FIRST:
		return false;
	case NR_OVERLAP_LAST:
		return true;
	case NR_OVERLAP_BSD:
		return !(c <= a);
	case NR_OVERLAP_LINUX:
		return !(c < a);
	case NR_OVERLAP_WINDOWS:
		return a < c && e < b;
	default:
		return a < c && e <= b;
	}
}

static void test_defrag_overlaps_equal_naive_model(void **state)
{
	enum { SIZE = 136 };
	uint32_t r = 99;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		unsigned policy = round % 6, n = 0;
		struct nr_defrag *d = new_defrag(policy);
		uint8_t bytes[SIZE], data[SIZE];
		struct {
			bool set;
			uint32_t a, b;
		} owner[SIZE] = { 0 };
		struct nr_datagram done;
		struct nr_frag_oddity odd;
		enum nr_frag_verdict v;
		unsigned covered;

		do {
			uint32_t a = next_random(&r) % (SIZE / 8) * 8, b, i;
			bool conflict = false, any = false;

			b = a + 8 * (1 + next_random(&r) % 5);
			if (b > SIZE)
				b = SIZE;
			memset(data, 'a' + (int)(n++ % 3), SIZE);
			for (i = a; i < b; i++) {
				if (owner[i].set) {
					any = true;
					conflict |= bytes[i] != data[i];
				}
			}
			for (i = a; i < b; i++) {
				if (owner[i].set &&
				    !naive_new_wins(policy, a, b, owner[i].a, owner[i].b))
					continue;
				owner[i].set = true;
				owner[i].a = a;
				owner[i].b = b;
				bytes[i] = data[i];
			}
			v = add(d, 4, 1, a, b - a, b < SIZE, data, 1, &done, &odd);
			assert_int_equal(odd.conflict, conflict);
			if (conflict)
				assert_true(odd.overlap_len > 0 && odd.overlap_off >= a);
			if (!any)
				assert_int_equal(odd.overlap_len, 0);
			covered = 0;
			for (i = 0; i < SIZE; i++)
				covered += owner[i].set;
			assert_int_equal(v == NR_FRAG_DONE, covered == SIZE);
		} while (v == NR_FRAG_HELD);
		assert_int_equal(v, NR_FRAG_DONE);
		assert_memory_equal(done.hdr + 20, bytes, SIZE);
		assert_int_equal(done.n_records, n - 1);
		nr_defrag_free(d);
	}
}

/* RFC 5722: silently discarded, with the fragments not yet received. */
static void test_defrag_ip6_overlap_drops_datagram(void **state)
{
	struct nr_defrag *d = new_defrag(NR_OVERLAP_FIRST);
	struct tally t = { 0 };
	struct nr_datagram done;
	struct nr_frag_oddity odd;

	(void)state;
	add(d, 6, 1, 0, 16, true, "aaaaaaaabbbbbbbb", 1, &done, &odd);
	assert_int_equal(add(d, 6, 1, 8, 16, true, "bbbbbbbbcccccccc", 2, &done, &odd),
			 NR_FRAG_HELD);
	assert_int_equal(odd.overlap_off, 8);
	assert_int_equal(odd.overlap_len, 8);
	assert_false(odd.conflict);
	assert_int_equal(add(d, 6, 1, 24, 8, false, "dddddddd", 3, &done, &odd),
			 NR_FRAG_HELD);
	nr_defrag_expire(d, 0, count_lost, &t);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.records, 0xe);
	assert_string_equal(t.why, "overlap");
	assert_int_equal(t.ip_version, 6);
	nr_defrag_expire(d, 30, count_lost, &t);
	assert_int_equal(t.n, 3);
	assert_int_equal(nr_defrag_count(d), 0);
	assert_int_equal(nr_defrag_memory(d), 0);
	nr_defrag_free(d);
}

static void test_defrag_refuses_what_cannot_be(void **state)
{
	static const uint8_t big[65535];
	struct nr_defrag *d = new_defrag(NR_OVERLAP_FIRST);
	struct nr_datagram done;
	struct nr_frag_oddity odd;

	(void)state;
	/* the ping of death: beyond 65 535 with its header */
	assert_int_equal(add(d, 4, 1, 65528, 8, false, big, 1, &done, &odd),
			 NR_FRAG_REFUSED);
	assert_int_equal(add(d, 4, 1, 65504, 16, false, big, 1, &done, &odd),
			 NR_FRAG_REFUSED);
	assert_int_equal(add(d, 4, 1, 65504, 8, false, big, 1, &done, &odd),
			 NR_FRAG_HELD);
	/* behind the end, and two ends */
	assert_int_equal(add(d, 4, 2, 16, 8, false, big, 1, &done, &odd), NR_FRAG_HELD);
	assert_int_equal(add(d, 4, 2, 24, 8, true, big, 1, &done, &odd), NR_FRAG_REFUSED);
	assert_int_equal(add(d, 4, 2, 8, 8, false, big, 1, &done, &odd), NR_FRAG_REFUSED);
	assert_int_equal(add(d, 4, 2, 16, 7, false, big, 1, &done, &odd),
			 NR_FRAG_REFUSED);
	assert_int_equal(nr_defrag_count(d), 2);
	nr_defrag_free(d);
}

static void test_defrag_expires_by_packet_time(void **state)
{
	struct nr_defrag *d = new_defrag(NR_OVERLAP_FIRST);
	struct tally t = { 0 };
	struct nr_datagram done;
	struct nr_frag_oddity odd;
	struct nr_fragment f = {
		.ip_version = 4,
		.src = addresses[0],
		.dst = addresses[1],
		.hdr = header,
		.hdr_len = 20,
		.len = 8,
		.cap = 8,
		.more = true,
		.data = header,
		.id = 1,
		.clock_ns = 100,
		.record = { .record = 1 },
	};

	(void)state;
	nr_defrag_add(d, &f, &done, &odd);
	f.id = 2;
	f.clock_ns = 110;
	f.record.record = 2;
	nr_defrag_add(d, &f, &done, &odd);
	nr_defrag_expire(d, 129, count_lost, &t);
	assert_int_equal(t.n, 0);
	nr_defrag_expire(d, 130, count_lost, &t);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.why, "timeout");
	assert_int_equal(t.records, 1 << 1);
	/* too late to complete, whenever the caller looks */
	f.clock_ns = 140;
	f.off = 8;
	f.more = false;
	f.record.record = 3;
	assert_int_equal(nr_defrag_add(d, &f, &done, &odd), NR_FRAG_HELD);
	nr_defrag_expire(d, 140, count_lost, &t);
	assert_int_equal(t.records, 1 << 1 | 1 << 2);
	nr_defrag_flush(d, count_lost, &t);
	assert_int_equal(t.n, 3);
	assert_string_equal(t.why, "end");
	assert_int_equal(t.records, 1 << 1 | 1 << 2 | 1 << 3);
	nr_defrag_free(d);
}

static void test_defrag_evicts_the_oldest(void **state)
{
	struct nr_defrag *d = new_defrag(NR_OVERLAP_FIRST);
	struct tally t = { 0 };
	struct nr_datagram done;
	struct nr_frag_oddity odd;
	static const uint8_t data[60000];
	uint32_t id = 0;

	(void)state;
	for (; id < 100; id++) {
		add(d, 4, id, 0, 8, true, data, id % 64, &done, &odd);
		assert_false(odd.evicted);
	}
	add(d, 4, id++, 0, 8, true, data, 0, &done, &odd);
	assert_true(odd.evicted);
	assert_int_equal(nr_defrag_count(d), 100);
	nr_defrag_expire(d, 0, count_lost, &t);
	assert_int_equal(t.n, 1);
	assert_string_equal(t.why, "evicted");
	/* by bytes: 1 MiB holds fewer than 17 of 64 KiB */
	for (unsigned i = 0; i < 1000; i++) {
		add(d, 4, id++, 0, 60000, true, data, 0, &done, &odd);
		assert_true(nr_defrag_memory(d) <= 1 << 20);
		assert_true(nr_defrag_count(d) > 0);
	}
	/* one datagram alone: duplicates without end */
	for (unsigned i = 0; i < 100000; i++) {
		add(d, 4, id, 0, 8, true, data, 0, &done, &odd);
		assert_true(nr_defrag_memory(d) <= 1 << 20);
		if (i % 1000 == 0)
			nr_defrag_expire(d, 0, NULL, NULL);
	}
	nr_defrag_free(d);
}

/* A datagram of which the snap length hid a part completes, known up to there. */
static void test_defrag_completes_cut_fragments(void **state)
{
	struct nr_defrag *d = new_defrag(NR_OVERLAP_FIRST);
	struct nr_datagram done;
	struct nr_frag_oddity odd;
	struct nr_fragment f = {
		.ip_version = 4,
		.src = addresses[0],
		.dst = addresses[1],
		.hdr = header,
		.hdr_len = 20,
		.len = 160,
		.cap = 40,
		.more = true,
		.data = header,
		.id = 1,
	};

	(void)state;
	assert_int_equal(nr_defrag_add(d, &f, &done, &odd), NR_FRAG_HELD);
	f.off = 160;
	f.len = 10;
	f.cap = 10;
	f.more = false;
	assert_int_equal(nr_defrag_add(d, &f, &done, &odd), NR_FRAG_DONE);
	assert_int_equal(done.len, 170);
	assert_int_equal(done.cap, 40);
	assert_memory_equal(done.hdr + 20, header, 40);
	nr_defrag_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defrag_any_order),
		cmocka_unit_test(test_defrag_exact_duplicates_are_fine),
		cmocka_unit_test(test_defrag_policies_as_published),
		cmocka_unit_test(test_defrag_overlaps_equal_naive_model),
		cmocka_unit_test(test_defrag_ip6_overlap_drops_datagram),
		cmocka_unit_test(test_defrag_refuses_what_cannot_be),
		cmocka_unit_test(test_defrag_expires_by_packet_time),
		cmocka_unit_test(test_defrag_evicts_the_oldest),
		cmocka_unit_test(test_defrag_completes_cut_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
