/* SPDX-License-Identifier: BSD-3-Clause */
#include "capfile.h"

#define IF_US "interface 0 section 0 link 1 snap 65535 res 1000000 off 0 [||||]\n"
#define IF_NS "interface 0 section 0 link 1 snap 65535 res 1000000000 off 0 [||||]\n"

static void two_records(struct buf *b)
{
	pcap_record(b, 1, 2, 4, 4, 0xaa);
	pcap_record(b, 3, 4, 5, 60, 0xbb);
}

static void test_pcap_reads_both_orders_and_units(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int big = 0; big < 2; big++) {
		b.big = big;
		pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
		two_records(&b);
		expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000002000 4/4 aa\n"
			   "2 @44 if0 link1 3.000004000 5/60 bb\nend\n");
		b.big = big;
		pcap_header(&b, 0xa1b23c4d, 2, 4, 1);
		two_records(&b);
		expect(&b, "start\n" IF_NS "1 @24 if0 link1 1.000000002 4/4 aa\n"
			   "2 @44 if0 link1 3.000000004 5/60 bb\nend\n");
	}
}

static void test_pcap_carries_microseconds_and_keeps_unsigned_seconds(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	pcap_record(&b, 10, 2500000, 1, 1, 1);
	pcap_record(&b, 0xffffffff, 0xffffffff, 1, 1, 2);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 12.500000000 1/1 01\n"
		   "2 @41 if0 link1 4294971589.967295000 1/1 02\nend\n");
}

static void test_pcap_keeps_odd_lengths(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	pcap_record(&b, 1, 0, 8, 4, 1);
	pcap_record(&b, 1, 0, 0, 0, 1);
	pcap_record(&b, 1, 0, 3, 0xffffffff, 1);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000000000 8/4 01\n"
		   "2 @48 if0 link1 1.000000000 0/0\n"
		   "3 @64 if0 link1 1.000000000 3/4294967295 01\nend\n");
}

static void test_pcap_takes_fcs_from_the_network_field(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 0x24000001);
	pcap_record(&b, 1, 0, 60, 60, 1);
	pcap_record(&b, 1, 0, 58, 60, 1); /* half of the FCS is cut off */
	pcap_record(&b, 1, 0, 40, 60, 1);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000000000 60/60 01 fcs4\n"
		   "2 @100 if0 link1 1.000000000 58/60 01 fcs2\n"
		   "3 @174 if0 link1 1.000000000 40/60 01\nend\n");
	/* without the "present" bit the length says nothing (juniper_es_oobr.pcap) */
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 0x30000001);
	pcap_record(&b, 1, 0, 6, 6, 1);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000000000 6/6 01\nend\n");
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 0x00300001);
	pcap_record(&b, 1, 0, 6, 6, 1);
	expect(&b,
	       "start\ndamage record 1 at offset 20: reserved bits of the file's link "
	       "type are set (00300001)\n" IF_US
	       "1 @24 if0 link1 1.000000000 6/6 01\nend\n");
}

static void test_pcap_reads_old_and_odd_versions(void **state)
{
	static const struct {
		unsigned major, minor;
		bool wire_first;
	} v[] = { { 2, 0, true },   { 2, 1, true },  { 2, 3, true },  { 2, 3, false },
		  { 543, 0, true }, { 2, 4, false }, { 9, 9, false }, { 1, 0, false } };
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		pcap_header(&b, 0xa1b2c3d4, v[i].major, v[i].minor, 1);
		put32(&b, 1);
		put32(&b, 0);
		put32(&b, v[i].wire_first ? 60 : 5);
		put32(&b, v[i].wire_first ? 5 : 60);
		put_fill(&b, 7, 5);
		expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000000000 5/60 07\nend\n");
	}
}

static void modified(struct buf *b, uint32_t sec, unsigned extra)
{
	put32(b, sec);
	put32(b, 5);
	put32(b, 6);
	put32(b, 6);
	put32(b, 3);      /* interface */
	put16(b, 0x0800); /* protocol */
	put8(b, 0);       /* to this host */
	put_fill(b, 0xcc, extra - 7);
	put_fill(b, 0x11, 6);
}

static void test_pcap_reads_kuznetzov_headers(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++) {
		unsigned extra = i >= 4 ? 12 : 8;
		char want[400];

		b.big = i & 1;
		pcap_header(&b, i < 2 ? 0xa1b2c3d4 : 0xa1b2cd34, 2, 4, 1);
		modified(&b, 1, extra);
		modified(&b, 2, extra);
		modified(&b, 3, extra);
		snprintf(want, sizeof(want),
			 "start\n" IF_US "1 @24 if0 link1 1.000005000 6/6 11\n"
			 "2 @%u if0 link1 2.000005000 6/6 11\n"
			 "3 @%u if0 link1 3.000005000 6/6 11\nend\n",
			 24 + 22 + extra, 24 + 2 * (22 + extra));
		expect(&b, want);
	}
}

static void test_pcap_reads_nokia_ixia_and_aix(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	for (int i = 0; i < 3; i++) {
		put32(&b, 1);
		put32(&b, 0);
		put32(&b, 4);
		put32(&b, 4);
		put32(&b, 0x9fbfb601);
		put_fill(&b, 9, 4);
	}
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000000000 4/4 09\n"
		   "2 @48 if0 link1 1.000000000 4/4 09\n"
		   "3 @72 if0 link1 1.000000000 4/4 09\nend\n");
	/* one empty record with odd fields is no cut record of another dialect */
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	pcap_record(&b, 1, 2000000, 0, 0x20202020, 0);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 3.000000000 0/538976288\nend\n");
	pcap_header(&b, 0x1c0001ac, 2, 4, 1);
	put32(&b, 41);
	two_records(&b);
	expect(&b, "start\n" IF_NS "1 @28 if0 link1 1.000000002 4/4 aa\n"
		   "2 @48 if0 link1 3.000000004 5/60 bb\nend\n");
	pcap_header(&b, 0xa1b2c3d4, 2, 2, 15); /* ifType of FDDI */
	put32(&b, 1);
	put32(&b, 2);
	put32(&b, 7);
	put32(&b, 7);
	put_fill(&b, 0, 3);
	put_fill(&b, 9, 4);
	expect(&b, "start\ninterface 0 section 0 link 10 snap 65535 res 1000000000 off 0 "
		   "[||||]\n1 @24 if0 link10 1.000000002 4/4 09\nend\n");
}

static void test_pcap_keeps_all_before_a_cut(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	two_records(&b);
	b.n -= 2;
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000002000 4/4 aa\n"
		   "damage record 2 at offset 44: the record is cut short: 19 bytes are "
		   "left\nend\n");
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	two_records(&b);
	b.n -= 10;
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000002000 4/4 aa\n"
		   "damage record 2 at offset 44: the record's header is cut short: 11 "
		   "bytes are left\nend\n");
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	expect(&b, "start\n" IF_US "end\n");
}

static void test_pcap_stops_at_an_impossible_length(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	two_records(&b);
	put32(&b, 1);
	put32(&b, 1);
	put32(&b, 0xffffffff);
	put32(&b, 60);
	put_fill(&b, 0, 100);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000002000 4/4 aa\n"
		   "2 @44 if0 link1 3.000004000 5/60 bb\n"
		   "damage record 3 at offset 65: impossible length: 4294967295 bytes "
		   "captured of 60; what follows cannot be read\nend\n");
}

static void test_pcap_reads_records_larger_than_a_block(void **state)
{
	struct buf b = { 0 };

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	pcap_record(&b, 1, 0, 100000, 100000, 1);
	pcap_record(&b, 2, 0, 3000, 3000, 2);
	pcap_record(&b, 3, 0, 3000, 3000, 3);
	pcap_record(&b, 4, 0, 250000, 250000, 4);
	expect(&b, "start\n" IF_US "1 @24 if0 link1 1.000000000 100000/100000 01\n"
		   "2 @100040 if0 link1 2.000000000 3000/3000 02\n"
		   "3 @103056 if0 link1 3.000000000 3000/3000 03\n"
		   "4 @106072 if0 link1 4.000000000 250000/250000 04\nend\n");
}

static void test_pcap_views_outlive_the_source(void **state)
{
	struct nr_source_options opt = { .block_size = 4096 };
	struct nr_batch *batch = calloc(1, sizeof(*batch));
	struct nr_source *s;
	struct buf b = { 0 };
	char *path;
	int rc;

	(void)state;
	pcap_header(&b, 0xa1b2c3d4, 2, 4, 1);
	for (uint32_t i = 0; i < 900; i++)
		pcap_record(&b, i, 0, 100, 100, (uint8_t)i);
	path = tmp_file(&b);
	assert_int_equal(nr_source_open(&s, path, &opt, NULL), 0);
	do
		rc = nr_source_read(s, batch, NR_BATCH_MAX, NULL);
	while (rc > 0 && batch->n < NR_BATCH_MAX);
	nr_source_close(s);
	assert_int_equal(batch->n, 903);
	for (uint32_t i = 0; i < 900; i++)
		for (int j = 0; j < 100; j++)
			assert_int_equal(batch->pkt[2 + i].data[j], (uint8_t)i);
	nr_batch_release(batch);
	unlink(path);
	free(path);
	free(batch);
	free(b.p);
}

static void test_pcap_refuses_what_is_no_capture(void **state)
{
	struct buf b = { 0 };

	(void)state;
	expect_refused(&b, "is empty");
	put(&b,
	    "\x7f"
	    "ELF\2\1\1",
	    8);
	expect_refused(&b, "is no capture: it begins with 7f 45 4c 46 02 01 01 00 "
			   "(ELF program)");
	put(&b, "hello", 5);
	expect_refused(&b, "is no capture: it begins with 68 65 6c 6c 6f (text)");
	put(&b, "\xff\xd8\xff\xe0", 4);
	expect_refused(&b, "is no capture: it begins with ff d8 ff e0 (JPEG picture)");
	put(&b, "\1\2\3", 3);
	expect_refused(&b, "is no capture: it begins with 01 02 03");
	put(&b, "\xd4\xc3\xb2\xa1\2\0\4\0\0\0", 10);
	expect_refused(&b, "is cut short inside its file header: it has 10 bytes, a pcap "
			   "file begins with 24");
}

static void test_snoop_reads_padded_records(void **state)
{
	struct buf b = { .big = true };

	(void)state;
	put(&b, "snoop\0\0\0", 8);
	put32(&b, 2);
	put32(&b, 4);
	for (uint32_t i = 1; i < 3; i++) {
		put32(&b, 60); /* on the wire */
		put32(&b, 5);  /* included */
		put32(&b, 32);
		put32(&b, 0);
		put32(&b, i);
		put32(&b, 7);
		put_fill(&b, 0xee, 5);
		put_fill(&b, 0, 3);
	}
	put32(&b, 60);
	put32(&b, 50);
	put32(&b, 32);
	put_fill(&b, 0, 20);
	expect(&b,
	       "start\ninterface 0 section 0 link 1 snap 0 res 1000000 off 0 [||||]\n"
	       "1 @16 if0 link1 1.000007000 5/60 ee\n"
	       "2 @48 if0 link1 2.000007000 5/60 ee\n"
	       "damage record 3 at offset 80: impossible length: 50 bytes captured in a "
	       "record of 32; what follows cannot be read\nend\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap_reads_both_orders_and_units),
		cmocka_unit_test(
			test_pcap_carries_microseconds_and_keeps_unsigned_seconds),
		cmocka_unit_test(test_pcap_keeps_odd_lengths),
		cmocka_unit_test(test_pcap_takes_fcs_from_the_network_field),
		cmocka_unit_test(test_pcap_reads_old_and_odd_versions),
		cmocka_unit_test(test_pcap_reads_kuznetzov_headers),
		cmocka_unit_test(test_pcap_reads_nokia_ixia_and_aix),
		cmocka_unit_test(test_pcap_keeps_all_before_a_cut),
		cmocka_unit_test(test_pcap_stops_at_an_impossible_length),
		cmocka_unit_test(test_pcap_reads_records_larger_than_a_block),
		cmocka_unit_test(test_pcap_views_outlive_the_source),
		cmocka_unit_test(test_pcap_refuses_what_is_no_capture),
		cmocka_unit_test(test_snoop_reads_padded_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
