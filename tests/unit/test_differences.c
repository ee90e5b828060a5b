/* SPDX-License-Identifier: BSD-3-Clause */
/* Differences gathered and said: in which words, whatever their order, in bounded memory.
 */
#include "diff/differences.h"

#include "record/tables.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct nr_value number(int64_t i)
{
	return (struct nr_value){ .i = i, .kind = NR_V_INT };
}

static struct nr_value text(const char *s)
{
	return (struct nr_value){ .p = s, .len = (uint32_t)strlen(s), .kind = NR_V_TEXT };
}

static const struct nr_value null;

static struct nr_diff_place packet(int64_t n)
{
	return (struct nr_diff_place){ .source_id = number(1), .packet = number(n) };
}

static void change(struct nr_differences *d, unsigned column, struct nr_value from,
		   struct nr_value to, int64_t at)
{
	struct nr_diff_place p = packet(at);

	nr_differences_changed(d, &nr_rt_flow, &column, &from, &to, 1, &p);
}

/* What is said of d, which is freed. */
static void said(struct nr_differences *d, const char *want)
{
	struct nr_buf b = { 0 };

	nr_differences_text(d, "", &b);
	assert_string_equal(b.p ? b.p : "", want);
	nr_buf_fini(&b);
	nr_differences_free(d);
}

static void test_differences_none_say_nothing(void **state)
{
	struct nr_differences *d = nr_differences_new(1);

	(void)state;
	assert_false(nr_differences_any(d));
	said(d, "");
	nr_differences_free(NULL);
}

static void test_differences_equal_changes_are_one_sentence(void **state)
{
	struct nr_differences *d = nr_differences_new(1);
	struct nr_diff_place p = { .packet = number(7),
				   .source_id = number(2),
				   .flow = "udp a → b",
				   .row = "kind x" };

	(void)state;
	for (int i = 9; i > 5; i--)
		change(d, NR_FLOW_service, null, text("dns"), i);
	change(d, NR_FLOW_service, text("tls"), null, 3);
	nr_differences_missing(d, &nr_rt_anomaly, &p);
	nr_differences_new_row(d, &nr_rt_arp, &p);
	p.packet = number(4);
	nr_differences_new_row(d, &nr_rt_arp, &p);
	said(d,
	     "4 flows changed service: - → dns (first: packet 6)\n"
	     "1 flow changed service: tls → - (packet 3)\n"
	     "1 anomaly missing (packet 7 of source 2 of udp a → b: kind x)\n"
	     "2 messages new in arp (first: packet 4 of source 2 of udp a → b: kind x)\n"
	     "\n"
	     "flow: service 5\n"
	     "anomaly: missing 1\n"
	     "arp: new 2\n");
}

static void test_differences_many_ways_are_one_sentence(void **state)
{
	struct nr_differences *d = nr_differences_new(1);

	(void)state;
	for (int i = NR_DIFF_WAYS; i >= 0; i--)
		change(d, NR_FLOW_src_ttl, number(i), number(100 + i), 10 + i);
	said(d, "9 flows changed src_ttl: 0 → 100 and others (first: packet 10)\n"
		"\n"
		"flow: src_ttl 9\n");
}

static void test_differences_null_and_texts_that_look_like_it(void **state)
{
	struct nr_differences *d = nr_differences_new(1);

	(void)state;
	change(d, NR_FLOW_service, null, text("-"), 1);
	change(d, NR_FLOW_parser, text(""), null, 1);
	change(d, NR_FLOW_last_ns, number(0), number(-1), 1);
	said(d, "1 flow changed last_ns: 1970-01-01T00:00:00.000000000Z →"
		" 1969-12-31T23:59:59.999999999Z (packet 1)\n"
		"1 flow changed service: - → \"-\" (packet 1)\n"
		"1 flow changed parser: \"\" → - (packet 1)\n"
		"\n"
		"flow: last_ns 1, service 1, parser 1\n");
}

/* Long values from a little before where they differ, and never half a code point. */
static void test_differences_long_values_are_windows(void **state)
{
	struct nr_differences *d = nr_differences_new(1);
	char a[700] = "", b[700] = "", want[512];

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(a, "é→");
	strcpy(b, a);
	strcat(a, "ü!");
	strcat(b, "\x1b");
	change(d, NR_FLOW_history, text(a), text(b), 1);
	snprintf(want, sizeof(want),
		 "1 flow changed history: …é→é→é→é→ü! → …é→é→é→é→\\x1b (packet 1)\n\n"
		 "flow: history 1\n");
	said(d, want);

	d = nr_differences_new(1);
	memset(a, 'x', 200);
	a[200] = '\0';
	change(d, NR_FLOW_history, text(a), text("y"), 1);
	said(d, "1 flow changed history: "
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… → y (packet 1)\n\n"
		"flow: history 1\n");
}

/* The text of n changes handed over in one of many orders. */
static char *in_order(unsigned seed, size_t limit)
{
	struct nr_differences *d = nr_differences_new(limit);
	unsigned order[60];
	struct nr_buf b = { 0 };

	for (unsigned i = 0; i < 60; i++)
		order[i] = i;
	srand(seed);
	for (unsigned i = 59; i; i--) {
		unsigned k = (unsigned)rand() % (i + 1), x = order[i];

		order[i] = order[k];
		order[k] = x;
	}
	for (unsigned i = 0; i < 60; i++) {
		unsigned n = order[i];
		struct nr_diff_place p = packet(n);

		p.ts_ns = n % 2 ? number(n) : null;
		if (n % 3 == 0)
			nr_differences_missing(d, &nr_rt_anomaly, &p);
		else if (n % 3 == 1)
			change(d, NR_FLOW_src_tos, number(n % 4), number(9), n);
		else
			change(d, NR_FLOW_dst_tos, number(n), number(1), n);
	}
	nr_differences_text(d, "# ", &b);
	nr_differences_free(d);
	return b.p;
}

static void test_differences_order_does_not_matter(void **state)
{
	(void)state;
	for (size_t limit = 1; limit < 30; limit += 9) {
		char *want = in_order(0, limit);

		for (unsigned seed = 1; seed < 40; seed++) {
			char *got = in_order(seed, limit);

			assert_string_equal(got, want);
			free(got);
		}
		free(want);
	}
}

static void test_differences_examples_are_the_first(void **state)
{
	struct nr_differences *d = nr_differences_new(3);

	(void)state;
	for (int i = 20; i; i--) {
		struct nr_diff_place p = packet(i % 10);

		p.at = number(i);
		nr_differences_missing(d, &nr_rt_flow, &p);
	}
	said(d, "20 flows missing\n    packet 0\n    packet 0\n    packet 1\n\n"
		"flow: missing 20\n");
}

static void test_differences_are_counted(void **state)
{
	struct nr_differences *d = nr_differences_new(1);
	unsigned columns[] = { NR_FLOW_service, NR_FLOW_parser };
	struct nr_value from[] = { null, null }, to[] = { text("a"), text("b") };
	struct nr_diff_place p = packet(1);
	uint64_t missing, new, changed;

	(void)state;
	nr_differences_changed(d, &nr_rt_flow, columns, from, to, 2, &p);
	nr_differences_missing(d, &nr_rt_arp, &p);
	nr_differences_count(d, &missing, &new, &changed);
	assert_true(nr_differences_any(d));
	assert_int_equal(missing, 1);
	assert_int_equal(new, 0);
	assert_int_equal(changed, 2);
	nr_differences_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_differences_none_say_nothing),
		cmocka_unit_test(test_differences_equal_changes_are_one_sentence),
		cmocka_unit_test(test_differences_many_ways_are_one_sentence),
		cmocka_unit_test(test_differences_null_and_texts_that_look_like_it),
		cmocka_unit_test(test_differences_long_values_are_windows),
		cmocka_unit_test(test_differences_order_does_not_matter),
		cmocka_unit_test(test_differences_examples_are_the_first),
		cmocka_unit_test(test_differences_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
