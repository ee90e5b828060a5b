/* SPDX-License-Identifier: BSD-3-Clause */
/* Queries and the responses they get. */
#include "dns_message.h"

#include "dns_open.h"

#include <stdio.h>

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
	assert_int_equal(rig_count(rig_rows(&r), "\"answered\":1"), 1000);
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
	assert_int_equal(rig_count(rig_rows(&r), "\"answered\":1"), N);
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
	assert_int_equal(rig_count(rows, "\"answered\":1"), 3);
	assert_int_equal(rig_count(rows, "\"repeat_of\":2"), 2);
	assert_int_equal(rig_count(rows, "\"response_only\":1"), 1);
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
	assert_int_equal(rig_count(rig_rows(&r), "\"answered\":0"), 2);
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
	assert_int_equal(rig_count(rig_rows(&r), "\"answered\":0"), 2);
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

/* Long ones are counted in bytes: one flow must not take what all flows share. */
static void test_dns_open_queries_have_a_cap_of_bytes(void **state)
{
	enum { N = 4000, LONG = 1400 };
	static const uint8_t zeros[LONG];
	struct rig r;

	rig_udp(&r, 53);
	for (unsigned i = 0; i < N; i++) {
		struct msg q = query(i, "a", 1);

		put(&q, zeros, LONG - q.n);
		r.p.ts_ns -= 1000000; /* all at once */
		say(&r, 0, &q);
		assert_true(r.account.used < NR_DNS_OPEN_BYTES + (1 << 20));
	}
	assert_int_equal(r.records.n, N - NR_DNS_OPEN_BYTES / LONG);
	assert_int_equal(rig_count(rig_anomalies(&r), "dns_evicted"), 1);
	/* what is answered makes room */
	for (unsigned i = N - 700; i < N; i++) {
		struct msg a = answer(i, "a", 1, addr, 4);

		say(&r, 1, &a);
	}
	assert_int_equal(rig_count(rig_rows(&r), "\"answered\":1"), 700);
	assert_true(r.account.used < NR_DNS_OPEN_BYTES);
	rig_end(&r);
	rig_free(&r);
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
	assert_int_equal(rig_count(rig_rows(&r), "\"complete\":1"), 50);
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
		cmocka_unit_test(test_dns_open_queries_have_a_cap),
		cmocka_unit_test(test_dns_open_queries_have_a_cap_of_bytes),
		cmocka_unit_test(test_dns_without_memory_nothing_is_lost),
		cmocka_unit_test(test_dns_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
