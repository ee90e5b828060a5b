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
	assert_int_equal(rig_count(rig_anomalies(&r), "too short for a header"), 3);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dns_tcp_however_it_is_cut),
		cmocka_unit_test(test_dns_tcp_rows),
		cmocka_unit_test(test_dns_tcp_gaps),
		cmocka_unit_test(test_dns_tcp_incomplete_at_the_end),
		cmocka_unit_test(test_dns_tcp_lengths_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
