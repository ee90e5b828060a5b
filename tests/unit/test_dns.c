/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include "base/cursor.h"
#include "dns_open.h"
#include "dns_wire.h"

#include <stdio.h>

extern const struct nr_parser nr_parser_dns;

/* A message being built, in one of some places that are used in turn. */
struct msg {
	uint8_t *p;
	size_t n;
};

static struct msg empty(void)
{
	static uint8_t places[16][70000];
	static unsigned next;

	return (struct msg){ .p = places[next++ % 16] };
}

static void put(struct msg *m, const void *p, size_t n)
{
	memcpy(m->p + m->n, p, n);
	m->n += n;
}

static void u8(struct msg *m, unsigned v)
{
	m->p[m->n++] = (uint8_t)v;
}

static void u16(struct msg *m, unsigned v)
{
	u8(m, v >> 8);
	u8(m, v & 255);
}

static void u32(struct msg *m, uint32_t v)
{
	u16(m, v >> 16);
	u16(m, v & 0xffff);
}

/* "www.example.com", "" for the root. */
static void name(struct msg *m, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ".");

		u8(m, (unsigned)n);
		put(m, text, n);
		text += n + (text[n] == '.');
	}
	u8(m, 0);
}

static struct msg begin(unsigned id, unsigned flags, unsigned qd, unsigned an,
			unsigned ns, unsigned ar)
{
	struct msg m = empty();

	u16(&m, id);
	u16(&m, flags);
	u16(&m, qd);
	u16(&m, an);
	u16(&m, ns);
	u16(&m, ar);
	return m;
}

static void ask(struct msg *m, const char *qname, unsigned type)
{
	name(m, qname);
	u16(m, type);
	u16(m, 1);
}

static struct msg query(unsigned id, const char *qname, unsigned type)
{
	struct msg m = begin(id, 0x0100, 1, 0, 0, 0);

	ask(&m, qname, type);
	return m;
}

/* A record of the question's name (offset 12). */
static void record(struct msg *m, unsigned type, const void *data, size_t n)
{
	u16(m, 0xc00c);
	u16(m, type);
	u16(m, 1);
	u32(m, 300);
	u16(m, (unsigned)n);
	put(m, data, n);
}

static struct msg answer(unsigned id, const char *qname, unsigned type, const void *data,
			 size_t n)
{
	struct msg m = begin(id, 0x8180, 1, 1, 0, 0);

	ask(&m, qname, type);
	record(&m, type, data, n);
	return m;
}

static enum nr_verdict say(struct rig *r, unsigned side, const struct msg *m)
{
	return rig_datagram(r, side, m->p, m->n);
}

static void rig_udp(struct rig *r, uint16_t port)
{
	rig_init(r, &nr_parser_dns, NR_UDP_PROTO, 40000, port);
}

/* The number of times needle is in text. */
static unsigned times(const char *text, const char *needle)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, needle)); p += strlen(needle))
		n++;
	return n;
}

static void assert_has(const char *text, const char *needle)
{
	if (!strstr(text, needle))
		fail_msg("no %s in %s", needle, text);
}

static const uint8_t addr[4] = { 192, 0, 2, 1 };

static void test_dns_query_and_response_are_a_row(void **state)
{
	struct msg q = query(7, "www.Example.com", 1),
		   a = answer(7, "www.example.com", 1, addr, 4);
	struct rig r;

	rig_udp(&r, 53);
	assert_int_equal(say(&r, 0, &q), NR_MORE);
	assert_int_equal(r.records.n, 0);
	say(&r, 1, &a);
	assert_string_equal(
		rig_rows(&r),
		"dns {\"transport\":\"udp\",\"trans_id\":7,\"query_name\":\"www.Example."
		"com\",\"query_type\":\"A\",\"query_class\":\"IN\",\"rcode\":\"NOERROR\","
		"\"opcode\":\"QUERY\",\"aa\":0,\"tc\":0,\"rd\":1,\"ra\":1,\"ad\":0,"
		"\"cd\":"
		"0,\"answers\":[{\"section\":\"answer\",\"name\":\"www.example.com\","
		"\"type\":\"A\",\"ttl\":300,\"data\":\"192.0.2.1\"}],\"answered\":1,"
		"\"rtt_"
		"ns\":1000000,\"response_only\":0,\"complete\":1,\"query_packet\":2,"
		"\"query_bytes\":33,\"response_bytes\":49}\n");
	assert_string_equal(r.service, "dns");
	assert_int_equal(r.wake_ns, INT64_MAX); /* nothing to wait for */
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
}

static void test_dns_one_query_needs_no_memory_but_its_context(void **state)
{
	struct msg q = query(7, "www.example.com", 1);
	struct rig r;
	size_t before;

	rig_udp(&r, 53);
	before = r.account.used;
	say(&r, 0, &q);
	assert_int_equal(r.account.used, before);
	assert_true(nr_parser_dns.ctx_size <= 256);
	rig_free(&r);
}

static void test_dns_query_times_out(void **state)
{
	struct msg q = query(7, "a.b", 1), a = answer(7, "a.b", 1, addr, 4);
	struct rig r;

	rig_udp(&r, 53);
	say(&r, 0, &q);
	assert_int_equal(r.wake_ns - r.p.clock_ns, 10000000000);
	rig_wait(&r, 9999999999);
	assert_int_equal(r.records.n, 0);
	rig_wait(&r, 1);
	assert_has(rig_rows(&r), "\"answered\":0,\"response_only\":0,\"complete\":1");
	assert_null(strstr(rig_rows(&r), "rcode"));
	assert_int_equal(r.records.r[0]->v[2].i, 2); /* its own packet */
	say(&r, 1, &a);
	assert_int_equal(r.records.n, 2);
	assert_has(rig_rows(&r), "\"answered\":0,\"response_only\":1");
	rig_free(&r);
}

static void test_dns_ids_are_used_again(void **state)
{
	struct rig r;
	char host[32];

	rig_udp(&r, 53);
	for (int i = 0; i < 1000; i++) {
		struct msg q, a;

		snprintf(host, sizeof(host), "h%d.net", i);
		q = query(7, host, 1);
		a = answer(7, host, 1, addr, 4);
		say(&r, 0, &q);
		say(&r, 1, &a);
	}
	assert_int_equal(r.records.n, 1000);
	assert_int_equal(times(rig_rows(&r), "\"answered\":1"), 1000);
	rig_free(&r);
}

/* Answers come in another order, ids equal: the question tells them apart. */
static void test_dns_many_open_with_one_id(void **state)
{
	enum { N = 500 };
	struct rig r;
	char host[32];

	rig_udp(&r, 53);
	for (int i = 0; i < N; i++) {
		struct msg q;

		snprintf(host, sizeof(host), "h%d.net", i);
		q = query(0, host, 28);
		say(&r, 0, &q);
	}
	for (int i = N; i-- > 0;) {
		struct msg a;

		snprintf(host, sizeof(host), "H%d.net", i);
		a = answer(0, host, 28, "0123456789abcdef", 16);
		say(&r, 1, &a);
	}
	assert_int_equal(r.records.n, N);
	assert_int_equal(times(rig_rows(&r), "\"answered\":1"), N);
	for (const char *row = rig_rows(&r); *row; row = strchr(row, '\n') + 1) {
		const char *asked = strstr(row, "\"query_name\":\"h") + 15;
		const char *told = strstr(row, "\"name\":\"H") + 9;

		assert_memory_equal(asked, told, strcspn(asked, "\"") + 1);
	}
	rig_free(&r);
}

static void test_dns_repeated_query_and_response(void **state)
{
	struct msg q = query(9, "a.b", 1), a = answer(9, "a.b", 1, addr, 4);
	struct rig r;
	const char *rows;

	rig_udp(&r, 53);
	for (int i = 0; i < 3; i++)
		say(&r, 0, &q); /* packets 2, 3, 4 */
	for (int i = 0; i < 4; i++)
		say(&r, 1, &a);
	rows = rig_rows(&r);
	assert_int_equal(r.records.n, 4);
	assert_int_equal(times(rows, "\"answered\":1"), 3);
	assert_int_equal(times(rows, "\"repeat_of\":2"), 2);
	assert_int_equal(times(rows, "\"response_only\":1"), 1);
	rig_free(&r);
}

static void test_dns_response_to_another_question(void **state)
{
	struct msg q = query(9, "a.b", 1), a = answer(9, "a.evil", 1, addr, 4);
	struct rig r;

	rig_udp(&r, 53);
	say(&r, 0, &q);
	say(&r, 1, &a);
	rig_end(&r);
	assert_int_equal(times(rig_rows(&r), "\"answered\":0"), 2);
	assert_string_equal(rig_anomalies(&r),
			    "dns_mismatch 1 {\"trans_id\":9,\"query_packet\":2}\n");
	rig_free(&r);
}

/* NetBIOS' responses repeat no question: the id must do. */
static void test_dns_response_without_question(void **state)
{
	struct msg q = query(9, "a.b", 1), a = begin(9, 0x8185, 0, 0, 0, 0);
	struct rig r;

	rig_udp(&r, 53);
	say(&r, 0, &q);
	say(&r, 1, &a);
	assert_has(rig_rows(&r), "\"rcode\":\"REFUSED\"");
	assert_has(rig_rows(&r), "\"answers\":[],\"answered\":1");
	rig_free(&r);
}

/* A response never answers what its own side asked. */
static void test_dns_multicast_announcement_answers_nothing(void **state)
{
	struct msg q = query(0, "me.local", 1), a = answer(0, "me.local", 1, addr, 4);
	struct rig r;

	rig_udp(&r, 5353);
	say(&r, 0, &q);
	say(&r, 0, &a);
	rig_end(&r);
	assert_string_equal(r.service, "mdns");
	assert_int_equal(times(rig_rows(&r), "\"answered\":0"), 2);
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
}

static void test_dns_mdns_bits(void **state)
{
	struct msg q = begin(0, 0, 2, 0, 0, 0), a = begin(0, 0x8400, 0, 1, 0, 0);
	struct rig r;

	name(&q, "_ipp._tcp.local");
	u16(&q, 12);
	u16(&q, 0x8001);
	name(&q, "Bob's B\xc3\xbcro._ipp._tcp.local");
	u16(&q, 33);
	u16(&q, 1);
	name(&a, "x.local");
	u16(&a, 1);
	u16(&a, 0x8001);
	u32(&a, 120);
	u16(&a, 4);
	put(&a, addr, 4);
	rig_udp(&r, 5353);
	say(&r, 0, &q);
	say(&r, 0, &a);
	rig_end(&r);
	assert_has(rig_rows(&r), "\"query_class\":\"IN\"");
	assert_has(rig_rows(&r),
		   "\"unicast_response\":1,\"questions\":[{\"name\":\"Bob's "
		   "B\xc3\xbcro._ipp._tcp.local\",\"type\":\"SRV\"}]");
	assert_has(rig_rows(&r), "\"ttl\":120,\"flush\":true,\"data\":\"192.0.2.1\"");
	rig_free(&r);
}

static void test_dns_netbios_names(void **state)
{
	/* WORKGROUP, padded, 0x1d */
	struct msg q = begin(5, 0x0110, 1, 0, 0, 0), a = begin(5, 0x8500, 0, 1, 0, 0);
	static const char encoded[] = "FHEPFCELEHFCEPFFFACACACACACACABN";
	struct rig r;

	name(&q, encoded);
	u16(&q, 32);
	u16(&q, 1);
	name(&a, encoded);
	u16(&a, 32);
	u16(&a, 1);
	u32(&a, 60);
	u16(&a, 6);
	u16(&a, 0x8000);
	put(&a, addr, 4);
	rig_udp(&r, 137);
	say(&r, 0, &q);
	say(&r, 1, &a);
	assert_string_equal(r.service, "nbns");
	assert_has(rig_rows(&r),
		   "\"query_name\":\"WORKGROUP<1d>\",\"query_type\":\"NB\"");
	assert_has(rig_rows(&r), "\"data\":\"group B 192.0.2.1\"");
	assert_null(strstr(rig_rows(&r), "\"cd\"")); /* there it is the broadcast bit */
	rig_free(&r);
}

struct rdata_case {
	unsigned type;
	const char *bytes;
	size_t n;
	const char *want;
};

#define BYTES(s) s, sizeof(s) - 1

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

static void test_dns_open_queries_have_a_cap(void **state)
{
	enum { N = NR_DNS_OPEN_MAX + 100 };
	struct rig r;

	rig_udp(&r, 53);
	for (unsigned i = 0; i < N; i++) {
		struct msg q = begin(i & 0xffff, 0x0100, 1, 0, 0, 0);
		char host[32];

		snprintf(host, sizeof(host), "h%u", i);
		ask(&q, host, 1);
		r.p.ts_ns -= 1000000; /* all at once */
		say(&r, 0, &q);
	}
	assert_int_equal(r.records.n, 100);
	assert_string_equal(rig_anomalies(&r), "dns_evicted -1 -\n");
	rig_end(&r);
	assert_int_equal(r.records.n, N);
	rig_free(&r);
}

static void test_dns_without_memory_nothing_is_lost(void **state)
{
	struct rig r;

	rig_udp(&r, 53);
	r.account.max = r.account.used + 600;
	for (unsigned i = 0; i < 50; i++) {
		struct msg q = query(i,
				     i % 7 ? "short"
					   : "a.name.that.is.longer.than.what."
					     "fits.into.the.context.of.a.flow."
					     "that.has.one.query.at.a.time.and."
					     "needs.memory",
				     1);

		say(&r, 0, &q);
	}
	rig_end(&r);
	assert_int_equal(r.records.n, 50);
	assert_int_equal(times(rig_rows(&r), "\"complete\":1"), 50);
	rig_free(&r);
}

/* Frames of TCP. */
static struct rig_line framed(struct msg *to, unsigned side, const struct msg *m)
{
	size_t at = to->n;

	u16(to, (unsigned)m->n);
	put(to, m->p, m->n);
	return (struct rig_line){ side, (const char *)to->p + at, to->n - at };
}

/* Numbers of packets depend on the cuts, of course. */
static char *without_packets(char *rows)
{
	rig_strip_times(rows);
	for (char *p = rows; (p = strstr(p, "_packet\":")); p += 9)
		memset(p + 9, '#', strspn(p + 9, "0123456789"));
	for (char *from = rows, *to = rows;; from++) {
		if (*from != '#')
			*to++ = *from;
		if (!*from)
			return rows;
	}
}

static void invariant(const struct rig_line *script, size_t n)
{
	char *whole = without_packets(rig_run(&nr_parser_dns, 53, script, 0, false));

	for (size_t cut = 0; cut < n; cut++) { /* 0: byte by byte */
		char *rows =
			without_packets(rig_run(&nr_parser_dns, 53, script, cut, !cut));

		assert_string_equal(rows, whole);
		nr_free(rows);
	}
	nr_free(whole);
}

static void test_dns_tcp_however_it_is_cut(void **state)
{
	struct msg a = empty(), b = empty(), q1 = query(1, "one", 1),
		   q2 = query(2, "two", 16), r2 = answer(2, "two", 16, "\2hi", 3),
		   r1 = answer(1, "one", 1, addr, 4);
	struct rig_line script[4] = { 0 };

	framed(&a, 0, &q1);
	framed(&a, 0, &q2);
	framed(&b, 1, &r2);
	framed(&b, 1, &r1);
	script[0] = (struct rig_line){ 0, (const char *)a.p, a.n };
	script[1] =
		(struct rig_line){ 1, (const char *)b.p, b.n - 4 }; /* the end is cut */
	invariant(script, a.n + b.n - 4);
}

static void test_dns_tcp_rows(void **state)
{
	struct msg a = empty(), q = query(1, "one", 1), r1 = answer(1, "one", 1, addr, 4);
	struct rig_line l[3] = { 0 };
	char *rows;

	l[0] = framed(&a, 0, &q);
	l[1] = framed(&a, 1, &r1);
	rows = rig_run(&nr_parser_dns, 53, l, 0, false);
	assert_int_equal(times(rows, "\"transport\":\"tcp\""), 1);
	assert_int_equal(times(rows, "\"answered\":1"), 1);
	nr_free(rows);
}

/* A gap inside a message costs this one, a gap over lengths the search for the next. */
static void test_dns_tcp_gaps(void **state)
{
	struct msg m = query(1, "www.example.com", 1);
	uint8_t bytes[64];

	memcpy(bytes, m.p, m.n); /* the place is used again */
	m.p = bytes;
	for (size_t from = 0; from < m.n + 2; from++) {
		for (size_t n = 1; n < 2 * m.n; n += 7) {
			struct msg all = empty();
			struct rig r;

			for (int i = 0; i < 4; i++) {
				m.p[1] = (uint8_t)i;
				framed(&all, 0, &m);
			}
			rig_init(&r, &nr_parser_dns, NR_TCP_PROTO, 40000, 53);
			rig_data(&r, 0, all.p, from);
			rig_gap(&r, 0, n);
			rig_data(&r, 0, all.p + from + n, all.n - from - n);
			rig_end(&r);
			/* At least the last message is there, whole. */
			assert_has(rig_rows(&r), "\"trans_id\":3");
			assert_true(times(rig_rows(&r), "\"complete\":1") >= 1);
			rig_free(&r);
		}
	}
}

static void test_dns_tcp_incomplete_at_the_end(void **state)
{
	struct msg m = answer(1, "www.example.com", 1, addr, 4), a = empty();
	struct rig r;

	framed(&a, 0, &m);
	rig_init(&r, &nr_parser_dns, NR_TCP_PROTO, 40000, 53);
	rig_data(&r, 1, a.p, a.n - 1);
	rig_end(&r);
	assert_has(rig_rows(&r), "\"complete\":0,\"response_bytes\":49");
	assert_has(rig_rows(&r), "\"query_name\":\"www.example.com\"");
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
}

static void test_dns_tcp_lengths_of_nothing(void **state)
{
	struct msg q = query(1, "a.b", 1), a = empty();
	struct rig r;

	put(&a, "\0\0\0\3abc\0\0", 9);
	framed(&a, 0, &q);
	rig_init(&r, &nr_parser_dns, NR_TCP_PROTO, 40000, 53);
	for (size_t i = 0; i < a.n; i++)
		rig_data(&r, 0, a.p + i, 1);
	rig_end(&r);
	assert_int_equal(r.records.n, 1);
	assert_has(rig_rows(&r), "\"query_name\":\"a.b\"");
	assert_int_equal(times(rig_anomalies(&r), "too short for a header"), 3);
	rig_free(&r);
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

static enum nr_probe_result probe(uint8_t proto, uint16_t port, const void *p, size_t n)
{
	struct nr_probe in = { .proto = proto, .port = { 40000, port } };

	in.data[0] = p;
	in.len[0] = n;
	in.begins[0] = true;
	in.port_match = port == 53 || port == 5353 || port == 137 || port == 5355;
	return nr_parser_dns.probe(&in);
}

static void test_dns_probe(void **state)
{
	struct msg q = query(1, "www.example.com", 1), a = answer(1, "z", 1, addr, 4);
	struct msg t = empty();

	assert_int_equal(probe(17, 53, q.p, q.n), NR_PROBE_YES);
	assert_int_equal(probe(17, 12345, q.p, q.n), NR_PROBE_YES);
	assert_int_equal(probe(17, 12345, a.p, a.n), NR_PROBE_YES);
	assert_int_equal(probe(17, 12345, q.p, q.n - 1), NR_PROBE_NO);
	assert_int_equal(probe(17, 53, q.p, 20), NR_PROBE_MAYBE);
	assert_int_equal(probe(17, 53, "GET / HTTP/1.1\r\n\r\n", 18), NR_PROBE_NO);
	assert_int_equal(probe(17, 53, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18),
			 NR_PROBE_NO);
	framed(&t, 0, &q);
	assert_int_equal(probe(6, 53, t.p, 13), NR_PROBE_MORE);
	assert_int_equal(probe(6, 53, t.p, t.n), NR_PROBE_YES);
	assert_int_equal(probe(6, 12345, t.p, t.n), NR_PROBE_YES);
	assert_int_equal(probe(6, 12345, t.p, t.n - 1), NR_PROBE_MORE);
	assert_int_equal(probe(6, 12345, "SSH-2.0-OpenSSH_9.2p1\r\n", 23), NR_PROBE_NO);
	assert_int_equal(probe(6, 53, "\x16\3\1\0\xc8\1\0\0\xc4\3\3abcdefgh", 19),
			 NR_PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_query_and_response_are_a_row),
		cmocka_unit_test(test_dns_one_query_needs_no_memory_but_its_context),
		cmocka_unit_test(test_dns_query_times_out),
		cmocka_unit_test(test_dns_ids_are_used_again),
		cmocka_unit_test(test_dns_many_open_with_one_id),
		cmocka_unit_test(test_dns_repeated_query_and_response),
		cmocka_unit_test(test_dns_response_to_another_question),
		cmocka_unit_test(test_dns_response_without_question),
		cmocka_unit_test(test_dns_multicast_announcement_answers_nothing),
		cmocka_unit_test(test_dns_mdns_bits),
		cmocka_unit_test(test_dns_netbios_names),
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
		cmocka_unit_test(test_dns_open_queries_have_a_cap),
		cmocka_unit_test(test_dns_without_memory_nothing_is_lost),
		cmocka_unit_test(test_dns_tcp_however_it_is_cut),
		cmocka_unit_test(test_dns_tcp_rows),
		cmocka_unit_test(test_dns_tcp_gaps),
		cmocka_unit_test(test_dns_tcp_incomplete_at_the_end),
		cmocka_unit_test(test_dns_tcp_lengths_of_nothing),
		cmocka_unit_test(test_dns_lists_have_a_cap),
		cmocka_unit_test(test_dns_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
