/* SPDX-License-Identifier: BSD-3-Clause */
#include "capfile.h"

enum { SHB = 0x0a0d0d0a, IDB = 1, OPB = 2, SPB = 3, NRB = 4, ISB = 5, EPB = 6, DSB = 10 };

#define IF0 "interface 0 section 0 link 1 snap 0 res 1000000 off 0 [||||]\n"

/* begin … end: the block's lengths are set when it ends. */
static size_t begin(struct buf *b, uint32_t type)
{
	size_t at = b->n;

	put32(b, type);
	put32(b, 0);
	return at;
}

static void patch32(struct buf *b, size_t at, uint32_t v)
{
	struct buf t = { .big = b->big };

	put32(&t, v);
	memcpy(b->p + at, t.p, 4);
	free(t.p);
}

static void end(struct buf *b, size_t at)
{
	uint32_t len;

	while ((b->n - at) % 4)
		put8(b, 0);
	len = (uint32_t)(b->n - at + 4);
	patch32(b, at + 4, len);
	put32(b, len);
}

static void option(struct buf *b, unsigned code, const void *p, size_t n)
{
	put16(b, code);
	put16(b, n);
	put(b, p, n);
	while (n++ % 4)
		put8(b, 0);
}

static void section(struct buf *b)
{
	size_t at = begin(b, SHB);

	put32(b, 0x1a2b3c4d);
	put16(b, 1);
	put16(b, 0);
	put64(b, UINT64_MAX);
	end(b, at);
}

static void interface(struct buf *b, unsigned link, uint32_t snap)
{
	size_t at = begin(b, IDB);

	put16(b, link);
	put16(b, 0);
	put32(b, snap);
	end(b, at);
}

static size_t packet_begin(struct buf *b, uint32_t interface_id, uint64_t ts,
			   uint32_t cap, uint32_t wire, uint8_t fill)
{
	size_t at = begin(b, EPB);

	put32(b, interface_id);
	put32(b, ts >> 32);
	put32(b, ts & 0xffffffff);
	put32(b, cap);
	put32(b, wire);
	put_fill(b, fill, cap);
	while (b->n % 4)
		put8(b, 0);
	return at;
}

static void packet(struct buf *b, uint32_t interface_id, uint64_t ts, uint32_t cap,
		   uint32_t wire, uint8_t fill)
{
	end(b, packet_begin(b, interface_id, ts, cap, wire, fill));
}

static void test_pcapng_reads_both_orders_and_many_sections(void **state)
{
	struct buf b = { 0 };

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	interface(&b, 101, 96);
	packet(&b, 1, 5000001, 5, 9, 0xaa);
	b.big = true;
	section(&b);
	interface(&b, 113, 0);
	packet(&b, 0, 6000001, 2, 2, 0xbb);
	expect(&b, "start\n" IF0
		   "interface 1 section 0 link 101 snap 96 res 1000000 off 0 [||||]\n"
		   "1 @68 if1 link101 5.000001000 5/9 aa\n"
		   "interface 2 section 1 link 113 snap 0 res 1000000 off 0 [||||]\n"
		   "2 @156 if2 link113 6.000001000 2/2 bb\nend\n");
}

static void test_pcapng_reads_all_interface_options(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	at = begin(&b, IDB);
	put16(&b, 1);
	put16(&b, 0);
	put32(&b, 262144);
	option(&b, 1, "a comment", 9);
	option(&b, 2, "eth0", 4);
	option(&b, 3, "to the lab\0", 11);
	option(&b, 4, "\1\2\3\4\5\6\7\10", 8);
	option(&b, 9, "\x09", 1);
	option(&b, 11, "\0tcp port 80", 12);
	option(&b, 12, "Linux", 5);
	option(&b, 13, "\4", 1);
	put16(&b, 14);
	put16(&b, 8);
	put64(&b, (uint64_t)-3600);
	option(&b, 15, "e1000", 5);
	option(&b, 0, "", 0);
	end(&b, at);
	packet(&b, 0, 7200000000001, 64, 64, 1);
	expect(&b, "start\ninterface 0 section 0 link 1 snap 262144 res 1000000000 off "
		   "-3600 [eth0|to the lab|tcp port 80|Linux|e1000]\n"
		   "comment 0 a comment\n"
		   "1 @172 if0 link1 3600.000000001 64/64 01 fcs4\nend\n");
}

/* What the section says of its host, its interfaces say unless they know better. */
static void test_pcapng_interfaces_inherit_from_their_section(void **state)
{
	char *text = calloc(1, 300);
	struct buf b = { 0 };
	size_t at;

	(void)state;
	at = begin(&b, SHB);
	put32(&b, 0x1a2b3c4d);
	put16(&b, 1);
	put16(&b, 0);
	put64(&b, UINT64_MAX);
	option(&b, 2, "cpu", 3);
	option(&b, 3, "Linux 6", 7);
	end(&b, at);
	interface(&b, 1, 0);
	at = begin(&b, IDB);
	put32(&b, 1);
	put32(&b, 0);
	option(&b, 12, "own", 3);
	end(&b, at);
	section(&b); /* says nothing: nothing goes on */
	interface(&b, 1, 0);
	at = begin(&b, SHB);
	put32(&b, 0x1a2b3c4d);
	put16(&b, 1);
	put16(&b, 0);
	put64(&b, UINT64_MAX);
	memset(text, 'x', 300);
	option(&b, 3, text, 300); /* too long to be multiplied by interfaces */
	end(&b, at);
	interface(&b, 1, 0);
	expect(&b,
	       "start\n"
	       "interface 0 section 0 link 1 snap 0 res 1000000 off 0 [|||Linux 6|cpu]\n"
	       "interface 1 section 0 link 1 snap 0 res 1000000 off 0 [|||own|cpu]\n"
	       "interface 2 section 1 link 1 snap 0 res 1000000 off 0 [||||]\n"
	       "interface 3 section 2 link 1 snap 0 res 1000000 off 0 [||||]\nend\n");
	free(text);
}

static void test_pcapng_knows_every_resolution(void **state)
{
	/* units a second, ts, what is printed of the time */
	static const struct {
		uint8_t resol;
		uint64_t ts;
		const char *res, *time;
	} v[] = {
		{ 0, 1363709111, "1", "1363709111.000000000" },
		{ 3, 1363709111062, "1000", "1363709111.062000000" },
		{ 9, 1363709111062053123, "1000000000", "1363709111.062053123" },
		{ 12, 7000000000001999, "1000000000000", "7000.000000001" },
		{ 19, UINT64_MAX, "-8446744073709551616", "1.844674407" },
		{ 25, UINT64_MAX, "0", "0.000001844" },
		{ 127, UINT64_MAX, "0", "0.000000000" },
		{ 0x80, 77, "1", "77.000000000" },
		{ 0x8a, 3 << 9, "1024", "1.500000000" },
		{ 0x94, (5 << 20) + (1 << 18), "1048576", "5.250000000" },
		{ 0xbf, UINT64_MAX, "-9223372036854775808", "1.999999999" },
		{ 0xc0, UINT64_MAX, "0", "0.999999999" },
		{ 0xff, UINT64_MAX, "0", "0.000000000" },
		{ 6, UINT64_MAX, "1000000", "9223372036.854775807 clamped" },
		{ 6, 9223372036854775, "1000000", "9223372036.854775000" },
	};
	struct buf b = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(*v); i++) {
		char want[400], time[48];
		const char *mark = strchr(v[i].time, ' ');
		size_t at;

		section(&b);
		at = begin(&b, IDB);
		put32(&b, 1);
		put32(&b, 0);
		option(&b, 9, &v[i].resol, 1);
		end(&b, at);
		packet(&b, 0, v[i].ts, 1, 1, 1);
		snprintf(time, sizeof(time), "%.*s", (int)(mark ? mark - v[i].time : 40),
			 v[i].time);
		snprintf(want, sizeof(want),
			 "start\ninterface 0 section 0 link 1 snap 0 res %llu off 0 "
			 "[||||]\n1 @56 if0 link1 %s 1/1 01%s\nend\n",
			 strtoll(v[i].res, NULL, 10) < 0
				 ? (unsigned long long)strtoll(v[i].res, NULL, 10)
				 : strtoull(v[i].res, NULL, 10),
			 time, mark ? mark : "");
		if (v[i].resol == 19) { /* 10^19 has no int64: written out here */
			char *p = strstr(want, "res ");

			assert_non_null(p);
			snprintf(want, sizeof(want),
				 "start\ninterface 0 section 0 link 1 snap 0 res "
				 "10000000000000000000 off 0 [||||]\n"
				 "1 @56 if0 link1 %s 1/1 01\nend\n",
				 time);
		}
		expect(&b, want);
	}
}

static void test_pcapng_clamps_offsets(void **state)
{
	struct buf b = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		char want[300];
		size_t at;

		section(&b);
		at = begin(&b, IDB);
		put32(&b, 1);
		put32(&b, 0);
		put16(&b, 14);
		put16(&b, 8);
		put64(&b, i ? (uint64_t)INT64_MAX : (uint64_t)INT64_MIN);
		end(&b, at);
		packet(&b, 0, 1, 1, 1, 1);
		snprintf(
			want, sizeof(want),
			"start\ninterface 0 section 0 link 1 snap 0 res 1000000 off %lld "
			"[||||]\n1 @60 if0 link1 %s 1/1 01 clamped\nend\n",
			i ? (long long)INT64_MAX : (long long)INT64_MIN,
			i ? "9223372036.854775807" : "-9223372036.-854775808");
		expect(&b, want);
	}
}

static void test_pcapng_reads_packet_options(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	at = packet_begin(&b, 0, 1, 60, 60, 1);
	put16(&b, 2);
	put16(&b, 4);
	put32(&b, 1 | 4 << 5 | 1 << 9); /* in, 4 bytes of FCS, checksum not ready */
	option(&b, 1, "first", 5);
	option(&b, 4, "\0\0\0\0\0\0\0\1", 8);
	option(&b, 1, "second", 6);
	option(&b, 0, "", 0);
	end(&b, at);
	at = packet_begin(&b, 0, 2, 60, 60, 2);
	put16(&b, 2);
	put16(&b, 4);
	put32(&b, 2 | 1 << 10 | 1 << 11); /* out, checksum valid, to be cut by the NIC */
	end(&b, at);
	packet(&b, 0, 3, 60, 60, 3);
	expect(&b, "start\n" IF0 "1 @48 if0 link1 0.000001000 60/60 01 fcs4 flags05\n"
		   "comment 1 first\ncomment 1 second\n"
		   "2 @188 if0 link1 0.000002000 60/60 02 flags1a\n"
		   "3 @288 if0 link1 0.000003000 60/60 03\nend\n");
}

static void test_pcapng_reads_simple_and_old_packets(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	interface(&b, 1, 6);
	at = begin(&b, SPB);
	put32(&b, 60); /* cut to the interface's snap length */
	put_fill(&b, 1, 6);
	end(&b, at);
	at = begin(&b, SPB);
	put32(&b, 3);
	put_fill(&b, 2, 3);
	end(&b, at);
	at = begin(&b, OPB);
	put16(&b, 0);
	put16(&b, 7); /* drops */
	put32(&b, 0);
	put32(&b, 1500000);
	put32(&b, 5);
	put32(&b, 50);
	put_fill(&b, 3, 5);
	put_fill(&b, 0, 3);
	option(&b, 1, "old", 3);
	end(&b, at);
	expect(&b, "start\ninterface 0 section 0 link 1 snap 6 res 1000000 off 0 [||||]\n"
		   "1 @48 if0 link1 0.000000000 6/60 01\n"
		   "2 @72 if0 link1 0.000000000 3/3 02\n"
		   "3 @92 if0 link1 1.500000000 5/50 03\ncomment 3 old\nend\n");
}

static void test_pcapng_reads_names_stats_and_secrets(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	at = begin(&b, NRB);
	option(&b, 1, "\xc0\0\2\1one\0uno\0", 12);
	option(&b, 2, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1six", 19); /* without NUL */
	option(&b, 99, "whatever", 8);
	option(&b, 3, "\2\0\x5e\0\0\1card\0", 11);
	option(&b, 0, "", 0);
	option(&b, 1, "of names", 8);
	end(&b, at);
	at = begin(&b, DSB);
	put32(&b, 0x544c534b);
	put32(&b, 6);
	put(&b, "SECRET", 6);
	end(&b, at);
	at = begin(&b, ISB);
	put32(&b, 0);
	put64(&b, 0);
	put16(&b, 4);
	put16(&b, 8);
	put64(&b, 1000);
	put16(&b, 5);
	put16(&b, 8);
	put64(&b, 7);
	end(&b, at);
	at = begin(&b, 0xbad);
	put32(&b, 1);
	end(&b, at);
	at = begin(&b, 0x12345678);
	put_fill(&b, 0xff, 40);
	end(&b, at);
	packet(&b, 0, 1, 1, 1, 1);
	expect(&b, "start\n" IF0
		   "name 192.0.2.1 one\nname 192.0.2.1 uno\nname 2001:db8::1 six\n"
		   "name 02:00:5e:00:00:01 card\ncomment 0 of names\nsecrets\n"
		   "stats 0 1000 7\n1 @288 if0 link1 0.000001000 1/1 01\nend\n");
}

static void test_pcapng_passes_over_bad_packets(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	packet(&b, 0, 1, 1, 1, 9); /* before any interface */
	interface(&b, 1, 0);
	packet(&b, 0, 2, 1, 1, 1);
	packet(&b, 77, 3, 1, 1, 9);
	at = b.n;
	packet(&b, 0, 4, 8, 8, 9);
	patch32(&b, at + 20, 9999); /* longer than its block */
	packet(&b, 0, 5, 1, 1, 2);
	expect(&b,
	       "start\n"
	       "damage record 1 at offset 28: a packet of an interface that is not "
	       "described\n" IF0 "1 @84 if0 link1 0.000002000 1/1 01\n"
	       "2 @196 if0 link1 0.000005000 1/1 02\n"
	       "damage record 3 at offset 156: 2 more blocks were passed over, the last "
	       "one here\nend\n");
}

static void test_pcapng_survives_option_overrun(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	at = begin(&b, IDB);
	put32(&b, 1);
	put32(&b, 0);
	option(&b, 2, "eth0", 4);
	put16(&b, 3);
	put16(&b, 400);
	end(&b, at);
	packet(&b, 0, 1, 1, 1, 1);
	expect(&b, "start\ninterface 0 section 0 link 1 snap 0 res 1000000 off 0 "
		   "[eth0||||]\ndamage record 1 at offset 28: an option of an interface "
		   "runs over the end of its block\n"
		   "1 @60 if0 link1 0.000001000 1/1 01\nend\n");
}

static void test_pcapng_stops_where_framing_is_lost(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	packet(&b, 0, 1, 1, 1, 1);
	at = b.n;
	packet(&b, 0, 2, 1, 1, 2);
	patch32(&b, at + 4, 0);
	expect(&b, "start\n" IF0 "1 @48 if0 link1 0.000001000 1/1 01\n"
		   "damage record 2 at offset 84: impossible length of a block (0); what "
		   "follows cannot be read\nend\n");
	section(&b);
	interface(&b, 1, 0);
	at = b.n;
	packet(&b, 0, 2, 1, 1, 2);
	patch32(&b, at + 4, 0x7ffffffc);
	expect(&b, "start\n" IF0 "damage record 1 at offset 48: impossible length of a "
		   "block (2147483644); what follows cannot be read\nend\n");
	section(&b);
	interface(&b, 1, 0);
	packet(&b, 0, 2, 8, 8, 2);
	b.n -= 7;
	expect(&b, "start\n" IF0 "damage record 1 at offset 48: a block is cut short: 33 "
		   "bytes are left\nend\n");
}

static void test_pcapng_goes_on_where_the_first_length_fits(void **state)
{
	struct buf b = { 0 };

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	packet(&b, 0, 1, 4, 4, 1);
	patch32(&b, b.n - 4, 57008);
	packet(&b, 0, 2, 4, 4, 2);
	expect(&b, "start\n" IF0 "1 @48 if0 link1 0.000001000 4/4 01\n"
		   "damage record 1 at offset 48: a block's two lengths differ "
		   "(36 at its start); the first fits what follows\n"
		   "2 @84 if0 link1 0.000002000 4/4 02\nend\n");
	section(&b);
	interface(&b, 1, 0);
	packet(&b, 0, 1, 4, 4, 1);
	patch32(&b, b.n - 4, 57008);
	put_fill(&b, 0x5a, 60);
	expect(&b,
	       "start\n" IF0 "damage record 1 at offset 48: a block's two lengths differ "
	       "(36); what follows cannot be read\nend\n");
}

static void test_pcapng_reads_lengths_without_padding(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	at = b.n;
	packet(&b, 0, 1, 5, 5, 1); /* 40 bytes, of which 3 are padding */
	patch32(&b, at + 4, 37);
	patch32(&b, b.n - 4, 37);
	packet(&b, 0, 2, 4, 4, 2);
	expect(&b, "start\n" IF0 "1 @48 if0 link1 0.000001000 5/5 01\n"
		   "2 @88 if0 link1 0.000002000 4/4 02\nend\n");
}

static void test_pcapng_reads_unknown_versions_and_says_so(void **state)
{
	struct buf b = { 0 };

	(void)state;
	section(&b);
	b.p[12] = 7;
	interface(&b, 1, 0);
	packet(&b, 0, 1, 4, 4, 1);
	expect(&b,
	       "start\ndamage record 1 at offset 0: the section is of version 7.0, read "
	       "as 1.0\n" IF0 "1 @48 if0 link1 0.000001000 4/4 01\nend\n");
}

static void test_pcapng_refuses_a_block_that_is_too_large_however_it_is_read(void **state)
{
	struct buf b = { 0 };
	size_t at;

	(void)state;
	section(&b);
	interface(&b, 1, 0);
	at = packet_begin(&b, 0, 1, 4, 4, 1);
	put_fill(&b, 0, 17 << 20); /* behind the end of its options */
	end(&b, at);
	packet(&b, 0, 2, 4, 4, 2);
	expect(&b,
	       "start\n" IF0 "damage record 1 at offset 48: impossible length of a block "
	       "(17825828); what follows cannot be read\nend\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcapng_reads_both_orders_and_many_sections),
		cmocka_unit_test(test_pcapng_reads_all_interface_options),
		cmocka_unit_test(test_pcapng_interfaces_inherit_from_their_section),
		cmocka_unit_test(test_pcapng_knows_every_resolution),
		cmocka_unit_test(test_pcapng_clamps_offsets),
		cmocka_unit_test(test_pcapng_reads_packet_options),
		cmocka_unit_test(test_pcapng_reads_simple_and_old_packets),
		cmocka_unit_test(test_pcapng_reads_names_stats_and_secrets),
		cmocka_unit_test(test_pcapng_passes_over_bad_packets),
		cmocka_unit_test(test_pcapng_survives_option_overrun),
		cmocka_unit_test(test_pcapng_stops_where_framing_is_lost),
		cmocka_unit_test(test_pcapng_goes_on_where_the_first_length_fits),
		cmocka_unit_test(test_pcapng_reads_lengths_without_padding),
		cmocka_unit_test(test_pcapng_reads_unknown_versions_and_says_so),
		cmocka_unit_test(
			test_pcapng_refuses_a_block_that_is_too_large_however_it_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
