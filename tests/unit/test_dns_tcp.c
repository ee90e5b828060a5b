/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages over TCP: cut, with gaps, with lengths that lie. */
#include "dns_message.h"

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
	assert_int_equal(rig_count(rows, "\"transport\":\"tcp\""), 1);
	assert_int_equal(rig_count(rows, "\"answered\":1"), 1);
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
			assert_true(rig_count(rig_rows(&r), "\"complete\":1") >= 1);
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
	assert_int_equal(rig_count(rig_anomalies(&r), "too short for a header"), 1);
	rig_free(&r);
}

/* Zeros without end are said once, and what comes behind them is found. */
static void test_dns_tcp_zeros(void **state)
{
	static const uint8_t zeros[14001];

	for (size_t n = 8; n < sizeof(zeros); n = 2 * n + 1) {
		struct msg q = query(1, "a.b", 1), a = empty();
		struct rig r;

		put(&a, zeros, n);
		framed(&a, 0, &q);
		rig_init(&r, &nr_parser_dns, NR_TCP_PROTO, 40000, 53);
		rig_data(&r, 0, a.p, a.n);
		rig_end(&r);
		assert_int_equal(r.records.n, 1);
		assert_has(rig_rows(&r), "\"query_name\":\"a.b\"");
		assert_int_equal(rig_count(rig_anomalies(&r), "dns_"), 1);
		rig_free(&r);
	}
}

/* Five responses behind what is left of something else: at most one is lost with it. */
static void check_found(const uint8_t *left, size_t n)
{
	struct rig r;

	rig_init(&r, &nr_parser_dns, NR_TCP_PROTO, 40000, 53);
	rig_data(&r, 1, left, n);
	for (unsigned i = 1; i <= 5; i++) {
		struct msg q = query(i, "h.example.com", 1), a = empty(), b = empty(),
			   m = answer(i, "h.example.com", 1, addr, 4);

		framed(&a, 0, &q);
		framed(&b, 1, &m);
		rig_data(&r, 0, a.p, a.n);
		rig_data(&r, 1, b.p, b.n);
	}
	rig_end(&r);
	assert_true(rig_count(rig_rows(&r), "\"answered\":1") >= 4);
	assert_has(rig_rows(&r), "\"trans_id\":2,");
	rig_free(&r);
}

static void test_dns_tcp_begins_in_the_middle_of_a_message(void **state)
{
	static const char text[] =
		"\x3fv=spf1 include:_spf.example.com and more of such a "
		"text, which is no message";
	struct msg m = answer(7, "www.example.com", 16, text, sizeof(text)), a = empty();
	uint8_t noise[300];
	uint32_t seed = 1;

	framed(&a, 1, &m);
	for (size_t i = 1; i < a.n; i++)
		check_found(a.p + i, a.n - i);
	for (unsigned round = 0; round < 500; round++) {
		for (size_t i = 0; i < sizeof(noise); i++) {
			seed = seed * 1664525 + 1013904223;
			noise[i] = (uint8_t)(seed >> 24);
		}
		check_found(noise, sizeof(noise) - round % 290);
	}
}

/* The length of one lies: what it runs into is lost, what comes behind is not. */
static void test_dns_tcp_finds_the_lengths_again(void **state)
{
	for (unsigned more = 1; more < 60; more++) {
		struct msg a = empty(), bad = query(1, "bad.example.com", 1);
		struct rig_line script[2] = { 0 };
		char *rows;

		for (unsigned i = 0; i < 6; i++) {
			struct msg q = query(i, "www.example.com", 1);

			framed(&a, 0, i == 1 ? &bad : &q);
			if (i == 1)
				a.p[a.n - bad.n - 1] = (uint8_t)(bad.n + more);
		}
		/* the question of the lying one cannot be read either */
		memset(a.p + 2 + 33 + 2 + 12, 0x80, 4);
		script[0] = (struct rig_line){ 0, (const char *)a.p, a.n };
		rows = rig_run(&nr_parser_dns, 53, script, 0, false);
		assert_has(rows, "\"trans_id\":0,");
		assert_has(rows, "\"trans_id\":4,");
		assert_has(rows, "\"trans_id\":5,");
		nr_free(rows);
		if (more % 13 == 0)
			invariant(script, 90);
	}
}

/* The first message counts though it looks like none, unless there is a better one. */
static void test_dns_tcp_odd_first_message(void **state)
{
	struct msg m = begin(1, 0x0140, 1, 0x1234, 0x5678, 0), q = query(2, "www", 1),
		   a = empty();
	struct rig_line script[2] = { 0 };
	char *rows;

	ask(&m, "odd", 1);
	framed(&a, 0, &m);
	framed(&a, 0, &q);
	script[0] = (struct rig_line){ 0, (const char *)a.p, a.n };
	rows = rig_run(&nr_parser_dns, 53, script, 0, false);
	assert_has(rows, "\"query_name\":\"odd\"");
	assert_has(rows, "\"query_name\":\"www\"");
	assert_int_equal(rig_count(rows, "dns_malformed"), 1);
	nr_free(rows);
	invariant(script, a.n);
}

static enum nr_probe_result probe(const uint8_t *p, size_t n, bool begins, bool port)
{
	struct nr_probe in = {
		.data = { NULL, p },
		.len = { 0, n },
		.side = 1,
		.proto = NR_TCP_PROTO,
		.port = { 40000, (uint16_t)(port ? 53 : 5300) },
		.port_match = port,
		.begins = { begins, begins },
	};

	return nr_parser_dns.probe(&in);
}

static void test_dns_tcp_probe_in_the_middle(void **state)
{
	struct msg a = empty(), m = answer(1, "www.example.com", 1, addr, 4);
	const size_t text = 30;

	put(&a, "?v=spf1 include:_spf.example.c", text);
	assert_int_equal(probe(a.p, a.n, true, true), NR_PROBE_NO);
	assert_int_equal(probe(a.p, a.n, false, true), NR_PROBE_MORE);
	assert_int_equal(probe(a.p, a.n, false, false), NR_PROBE_NO);
	framed(&a, 1, &m);
	assert_int_equal(probe(a.p, a.n, true, true), NR_PROBE_NO);
	assert_int_equal(probe(a.p, text + 14, false, true), NR_PROBE_YES);
	assert_int_equal(probe(a.p, text + 14, false, false), NR_PROBE_MORE);
	assert_int_equal(probe(a.p, a.n, false, false), NR_PROBE_YES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_tcp_however_it_is_cut),
		cmocka_unit_test(test_dns_tcp_rows),
		cmocka_unit_test(test_dns_tcp_gaps),
		cmocka_unit_test(test_dns_tcp_incomplete_at_the_end),
		cmocka_unit_test(test_dns_tcp_lengths_of_nothing),
		cmocka_unit_test(test_dns_tcp_zeros),
		cmocka_unit_test(test_dns_tcp_begins_in_the_middle_of_a_message),
		cmocka_unit_test(test_dns_tcp_finds_the_lengths_again),
		cmocka_unit_test(test_dns_tcp_odd_first_message),
		cmocka_unit_test(test_dns_tcp_probe_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
