/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ip.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

static void text_of(const char *in, const char *want)
{
	uint8_t b[16];
	char out[NR_IP_TEXT];
	int v6 = strchr(in, ':') != NULL;

	assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, in, b), 1);
	assert_int_equal(nr_ip_format(out, v6 ? 6 : 4, b), strlen(want));
	assert_string_equal(out, want);
}

static void test_ip_formats_v4(void **state)
{
	(void)state;
	text_of("0.0.0.0", "0.0.0.0");
	text_of("10.20.100.255", "10.20.100.255");
}

/* The examples of RFC 5952, sections 4 and 5. */
static void test_ip_formats_v6_canonically(void **state)
{
	(void)state;
	text_of("2001:db8:0:0:0:0:2:1", "2001:db8::2:1");
	text_of("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
	text_of("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");
	text_of("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
	text_of("::", "::");
	text_of("::1", "::1");
	text_of("1::", "1::");
	text_of("::ffff:192.0.2.1", "::ffff:192.0.2.1");
	text_of("FE80::ABCD", "fe80::abcd");
}

static void test_ip_formats_mac(void **state)
{
	char out[18];

	(void)state;
	nr_mac_format(out, (const uint8_t[]){ 0x02, 0, 0x5e, 0x10, 0xff, 1 });
	assert_string_equal(out, "02:00:5e:10:ff:01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip_formats_v4),
		cmocka_unit_test(test_ip_formats_v6_canonically),
		cmocka_unit_test(test_ip_formats_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
