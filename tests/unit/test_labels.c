/* SPDX-License-Identifier: BSD-3-Clause */
/* Flows that another announces. */
#include "engine/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

enum { TOKEN = 7 };

static uint64_t renewed(const void *arg, uint64_t id)
{
	return id == *(const uint64_t *)arg ? id + 160 : id;
}

/* A data connection that is open at a rotation has a row in the next file too. */
static void test_labels_follow_flows_that_are_renumbered(void **state)
{
	struct nr_labels *t = nr_labels_new();
	struct nr_join expect = {
		.id = TOKEN,
		.expect.x = { .proto = 6,
			      .ip_version = 4,
			      .dst_ip = { 10, 0, 0, 2 },
			      .dst_port = 2000,
			      .service = "ftp-data" },
	};
	struct nr_join born = {
		.id = 32,
		.born.key = { .proto = 6,
			      .ip_version = 4,
			      .lo = { 10, 0, 0, 1 },
			      .hi = { 10, 0, 0, 2 },
			      .lo_port = 1000,
			      .hi_port = 2000 },
	};
	uint64_t other = 48;

	(void)state;
	nr_labels_renumber(t, renewed, &other); /* none yet */
	nr_labels_expect(t, &expect);
	assert_string_equal(nr_labels_born(t, &born), "ftp-data");
	assert_int_equal(nr_labels_came(t, TOKEN), 32);
	nr_labels_renumber(t, renewed, &other); /* it had ended */
	assert_int_equal(nr_labels_came(t, TOKEN), 32);
	nr_labels_renumber(t, renewed, &born.id);
	assert_int_equal(nr_labels_came(t, TOKEN), 192);
	nr_labels_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels_follow_flows_that_are_renumbered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
