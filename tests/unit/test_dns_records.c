/* SPDX-License-Identifier: BSD-3-Clause */
/* What a message holds: names, records, their data as text. */
#include "dns_message.h"

#include "dns_wire.h"

#include <stdio.h>

struct rdata_case {
	unsigned type;
	const char *bytes;
	size_t n;
	const char *want;
};

/* The texts are those of BIND's and Knot's tools for the same bytes, without final dots.
 */
static const struct rdata_case rdata[] = {
	{ 1, BYTES("\xc0\x00\x02\x01"), "192.0.2.1" },
	{ 28, BYTES("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), "2001:db8::1" },
	{ 5, BYTES("\3foo\xc0\x0c"), "foo.z" },
	{ 2, BYTES("\0"), "." },
	{ 15, BYTES("\0\x0a\4mail\xc0\x0c"), "10 mail.z" },
	{ 16, BYTES("\3a\"b\0\2c\\"), "\\\"a\\\\\\\"b\\\" \\\"\\\" \\\"c\\\\\\\\\\\"" },
	{ 16, BYTES("\2\x01\x7f"), "\\\"\\\\001\\\\127\\\"" },
	{ 6, BYTES("\xc0\x0c\1h\xc0\x0c\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\xff\xff\xff\xff"),
	  "z h.z 1 2 3 4 4294967295" },
	{ 33, BYTES("\0\1\0\2\x01\xbb\xc0\x0c"), "1 2 443 z" },
	{ 35, BYTES("\0\x64\0\x0a\1U\7E2U+sip\0\xc0\x0c"),
	  "100 10 \\\"U\\\" \\\"E2U+sip\\\" \\\"\\\" z" },
	{ 257, BYTES("\0\5issueletsencrypt.org"), "0 issue \\\"letsencrypt.org\\\"" },
	{ 43, BYTES("\x30\x39\x08\x02\xab\xcd"), "12345 8 2 abcd" },
	{ 48, BYTES("\1\1\3\x08\1\2\3\4"), "257 3 8 AQIDBA==" },
	{ 46,
	  BYTES("\0\1\x08\2\0\0\x0e\x10\x65\x92\0\x80\x65\x69\x22\0\x30\x39\xc0\x0c\1\2"
		"\3"),
	  "A 8 2 3600 20240101000000 20231201000000 12345 z AQID" },
	{ 47, BYTES("\xc0\x0c\0\6\x40\1\0\0\0\3"), "z A MX RRSIG NSEC" },
	{ 50, BYTES("\1\0\0\x0a\2\xaa\xbb\5\0\x44\x32\x14\xc7\0\1\x40"),
	  "1 0 10 aabb 01234567 A" },
	{ 50, BYTES("\1\1\0\0\0\5\0\x44\x32\x14\xc7"), "1 1 0 - 01234567" },
	{ 52, BYTES("\3\1\1\xde\xad"), "3 1 1 dead" },
	{ 65,
	  BYTES("\0\1\0\0\1\0\6\2h2\2h3\0\3\0\2\x01\xbb\0\4\0\x08\1\2\3\4\5\6\7\x08\0\5\0"
		"\2"
		"\1\2\0\6\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xff\0\0\1x"),
	  "1 . alpn=h2,h3 port=443 ipv4hint=1.2.3.4,5.6.7.8 ech=AQI= "
	  "ipv6hint=2001:db8::1 key65280=\\\"x\\\"" },
	{ 64, BYTES("\0\0\xc0\x0c"), "0 z" },
	{ 65280, BYTES("\1\2\xff"), "\\\\# 3 0102ff" },
	{ 44, BYTES("\4\2\xab"), "4 2 ab" },
	{ 256, BYTES("\0\1\0\2http://x/"), "1 2 \\\"http://x/\\\"" },
};

static void test_dns_rdata_of_each_type(void **state)
{
	for (size_t i = 0; i < sizeof(rdata) / sizeof(*rdata); i++) {
		struct msg a = answer(1, "z", rdata[i].type, rdata[i].bytes, rdata[i].n);
		struct rig r;
		char want[512];

		rig_udp(&r, 53);
		say(&r, 1, &a);
		snprintf(want, sizeof(want), "\"data\":\"%s\"}]", rdata[i].want);
		assert_has(rig_rows(&r), want);
		assert_string_equal(rig_anomalies(&r), "");
		rig_free(&r);
	}
}

/* Cut anywhere, the data is bytes and the row says so; nothing is read beyond. */
static void test_dns_rdata_cut(void **state)
{
	for (size_t i = 0; i < sizeof(rdata) / sizeof(*rdata); i++) {
		for (size_t n = 1; n < rdata[i].n; n++) {
			struct msg a = answer(1, "z", rdata[i].type, rdata[i].bytes, n);
			struct rig r;

			rig_udp(&r, 53);
			say(&r, 1, &a);
			assert_has(rig_rows(&r), "\"complete\":1");
			rig_free(&r);
		}
	}
}

static void test_dns_rdata_that_does_not_fit(void **state)
{
	struct msg a = answer(1, "z", 1, "abc", 3);
	struct rig r;

	rig_udp(&r, 53);
	say(&r, 1, &a);
	assert_has(rig_rows(&r), "\"data\":\"\\\\# 3 616263\"");
	assert_has(rig_anomalies(&r), "data of a record does not fit its type");
	rig_free(&r);
	a = answer(1, "z", 1, "abcde", 5);
	rig_udp(&r, 53);
	say(&r, 1, &a);
	assert_has(rig_rows(&r), "\"data\":\"\\\\# 5 6162636465\"");
	rig_free(&r);
}

static void test_dns_edns(void **state)
{
	struct msg q = begin(1, 0x0100, 1, 0, 0, 1), a = begin(1, 0x8180, 1, 0, 0, 1);
	struct rig r;

	ask(&q, "z", 1);
	put(&q, BYTES("\0\0\x29\x04\xd0\0\0\x80\0\0\x0b\0\x08\0\7\0\1\x18\0\xc0\0\2"));
	ask(&a, "z", 1);
	put(&a, BYTES("\0\0\x29\x02\0\1\0\0\0\0\x0a\0\x0f\0\6\0\x12"
		      "Blah"));
	rig_udp(&r, 53);
	say(&r, 0, &q);
	say(&r, 1, &a);
	assert_has(
		rig_rows(&r),
		"\"edns\":{\"query\":{\"udp_size\":1232,\"version\":0,\"do\":true,"
		"\"options\":[{\"code\":8,\"name\":\"ECS\",\"length\":7,\"data\":\"192.0."
		"2.0/24/0\"}]},\"response\":{\"udp_size\":512,\"version\":0,\"do\":false,"
		"\"options\":[{\"code\":15,\"name\":\"EDE\",\"length\":6,\"data\":\"18 "
		"Blah\"}]}}");
	assert_has(rig_rows(&r), "\"rcode\":\"BADVERS\""); /* 1 << 4 */
	rig_free(&r);
}

static void expect_bad(const struct msg *m, const char *what)
{
	struct rig r;

	rig_udp(&r, 53);
	assert_int_equal(say(&r, 1, m), NR_MORE);
	rig_end(&r);
	assert_int_equal(r.records.n, 1);
	assert_has(rig_rows(&r), "\"complete\":0");
	assert_has(rig_anomalies(&r), what);
	rig_free(&r);
}

static void test_dns_compression_loops_are_refused(void **state)
{
	struct msg m = begin(1, 0x8180, 1, 0, 0, 0);

	put(&m, BYTES("\xc0\x0c\0\1\0\1")); /* to itself */
	expect_bad(&m, "pointers of a name do not end");
	m = begin(1, 0x8180, 1, 0, 0, 0);
	put(&m, BYTES("\1a\xc0\x0c\0\1\0\1")); /* to its own beginning */
	expect_bad(&m, "longer than 255 bytes");
	m = begin(1, 0x8180, 2, 0, 0, 0);
	put(&m, BYTES("\xc0\x12\0\1\0\1\xc0\x0c\0\1\0\1")); /* two of them */
	expect_bad(&m, "pointers of a name do not end");
	m = begin(1, 0x8180, 1, 0, 0, 0);
	put(&m, BYTES("\xc0\0\0\1\0\1")); /* into the header */
	expect_bad(&m, "leads out of the message");
	m = begin(1, 0x8180, 1, 0, 0, 0);
	put(&m, BYTES("\xff\xff\0\1\0\1"));
	expect_bad(&m, "leads out of the message");
}

/* Servers answer such queries, so the name must be seen. */
static void test_dns_forward_pointers_are_read_and_said(void **state)
{
	struct msg m = begin(1, 0x0100, 2, 0, 0, 0);
	struct rig r;

	put(&m, BYTES("\xc0\x12\0\1\0\1\2ab\1c\0\0\1\0\1"));
	rig_udp(&r, 53);
	say(&r, 0, &m);
	rig_end(&r);
	assert_has(rig_rows(&r), "\"query_name\":\"ab.c\"");
	assert_has(rig_rows(&r), "\"complete\":1");
	assert_has(rig_anomalies(&r), "does not point backwards");
	rig_free(&r);
}

static void test_dns_names_have_limits(void **state)
{
	struct msg m = begin(1, 0x8180, 1, 0, 0, 0);

	for (int i = 0; i < 4; i++) { /* 4 × 64 + 1 > 255 */
		u8(&m, 63);
		for (int k = 0; k < 63; k++)
			u8(&m, 'x');
	}
	put(&m, BYTES("\0\0\1\0\1"));
	expect_bad(&m, "longer than 255 bytes");
	m = begin(1, 0x8180, 1, 0, 0, 0);
	put(&m, BYTES("\x40x\0\0\1\0\1"));
	expect_bad(&m, "label of unknown kind");
	m = begin(1, 0x8180, 400, 0, 0, 0);
	name(&m, "");
	u32(&m, 0x00010001);
	for (unsigned i = 1; i < 200; i++) { /* each points to the one before */
		u16(&m, 0xc000 | (unsigned)(i == 1 ? 12 : m.n - 6));
		u32(&m, 0x00010001);
	}
	expect_bad(&m, "pointers of a name do not end");
}

static void test_dns_counts_that_lie(void **state)
{
	struct msg m = begin(1, 0x8180, 1, 65535, 65535, 65535);

	ask(&m, "z", 1);
	record(&m, 1, addr, 4);
	expect_bad(&m, "ends before what it announces");
}

static void test_dns_names_are_escaped(void **state)
{
	struct msg q = begin(1, 0x0100, 1, 0, 0, 0);
	struct rig r;

	put(&q, BYTES("\6a.b\\\0c\2\xff\"\0\0\1\0\1"));
	rig_udp(&r, 53);
	say(&r, 0, &q);
	rig_end(&r);
	/* JSON's escapes above those of RFC 1035, and \xff as everywhere */
	assert_has(rig_rows(&r),
		   "\"query_name\":\"a\\\\.b\\\\\\\\\\\\000c.\\\\xff\\\"\"");
	rig_free(&r);
}

static void test_dns_trailing_bytes_are_said(void **state)
{
	struct msg q = query(1, "z", 1);
	struct rig r;

	u8(&q, 0xaa);
	rig_udp(&r, 53);
	say(&r, 0, &q);
	assert_string_equal(rig_anomalies(&r), "dns_trailing 0 {\"bytes\":1}\n");
	rig_free(&r);
}

/* What the snap length took is no fault of the message. */
static void test_dns_cut_by_the_capture(void **state)
{
	struct msg a = answer(1, "www.example.com", 1, addr, 4);
	struct rig r;

	for (size_t n = 12; n < a.n; n++) {
		rig_udp(&r, 53);
		rig_next_packet(&r, 1);
		r.parser->datagram(&r.p, r.ctx, 1, a.p, n, a.n);
		assert_has(rig_rows(&r), "\"complete\":0");
		assert_has(rig_rows(&r), "\"response_bytes\":49");
		assert_string_equal(rig_anomalies(&r), "");
		rig_free(&r);
	}
}

/* 64 KiB that would become many times that as text. */
static void test_dns_lists_have_a_cap(void **state)
{
	struct msg m = begin(1, 0x8180, 1, 4000, 0, 0);
	struct rig r;

	for (int i = 0; i < 3; i++) {
		u8(&m, 63);
		for (int k = 0; k < 63; k++)
			u8(&m, 1); /* four characters each */
	}
	put(&m, BYTES("\0\0\1\0\1"));
	for (int i = 0; i < 4000; i++)
		record(&m, 5, "\xc0\x0c", 2);
	rig_udp(&r, 53);
	say(&r, 1, &m);
	assert_has(rig_rows(&r), "\"left_out\":3");
	assert_true(strlen(rig_rows(&r)) < NR_DNS_JSON_MAX + 8192);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_rdata_of_each_type),
		cmocka_unit_test(test_dns_rdata_cut),
		cmocka_unit_test(test_dns_rdata_that_does_not_fit),
		cmocka_unit_test(test_dns_edns),
		cmocka_unit_test(test_dns_compression_loops_are_refused),
		cmocka_unit_test(test_dns_forward_pointers_are_read_and_said),
		cmocka_unit_test(test_dns_names_have_limits),
		cmocka_unit_test(test_dns_counts_that_lie),
		cmocka_unit_test(test_dns_names_are_escaped),
		cmocka_unit_test(test_dns_trailing_bytes_are_said),
		cmocka_unit_test(test_dns_cut_by_the_capture),
		cmocka_unit_test(test_dns_lists_have_a_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
