/* SPDX-License-Identifier: BSD-3-Clause */
#include "message.h"

extern const struct nr_parser nr_parser_dhcp;

enum { FIXED = 240, SNAME = 44, BOOT_FILE = 108 };

struct message {
	uint8_t b[70000];
	size_t n;
};

static void put(struct message *m, const void *p, size_t n)
{
	memcpy(m->b + m->n, p, n);
	m->n += n;
}

static void put_option(struct message *m, uint8_t code, const void *p, size_t n)
{
	put(m, (uint8_t[]){ code, (uint8_t)n }, 2);
	put(m, p, n);
}

#define OPTION(m, code, text) put_option(m, code, text, sizeof(text) - 1)

/* A request from 02:00:00:00:00:01 with id 7, up to the cookie. */
static void start(struct message *m, uint8_t op)
{
	static const uint8_t head[] = { 1, 1, 6, 0, 0, 0, 0, 7, 0, 2, 0x80, 0 };

	memset(m, 0, sizeof(*m));
	memcpy(m->b, head, sizeof(head));
	m->b[0] = op;
	memcpy(m->b + 28, "\2\0\0\0\0\1", 6);
	memcpy(m->b + 236, "\x63\x82\x53\x63", 4);
	m->n = FIXED;
}

#define HEAD                                                                             \
	"dhcp "                                                                          \
	"{\"operation\":\"request\",\"trans_id\":7,%s\"seconds\":2,\"broadcast\":1,"
#define MAC "\"client_mac\":\"02:00:00:00:00:01\""

static void expect(const struct message *m, size_t captured, const char *type,
		   const char *rest, const char *anomalies)
{
	struct nr_buf want = { 0 };
	struct rig r;

	rig_init(&r, &nr_parser_dhcp, NR_UDP_PROTO, 68, 67);
	message_cut(&r, 0, m->b, captured, m->n);
	nr_buf_printf(&want, HEAD, type);
	nr_buf_str(&want, rest);
	assert_string_equal(rig_rows(&r), want.p);
	assert_string_equal(rig_anomalies(&r), anomalies);
	assert_string_equal(r.service, "dhcp");
	rig_free(&r);
	nr_buf_fini(&want);
}

static struct message m, whole;

static void build_whole(void)
{
	start(&whole, 1);
	OPTION(&whole, 53, "\1");
	OPTION(&whole, 61, "\1\2\0\0\0\0\1");
	OPTION(&whole, 12, "host\0\0");
	OPTION(&whole, 50, "\12\0\0\7");
	OPTION(&whole, 51, "\0\0\16\20");
	OPTION(&whole, 60, "MSFT 5.0");
	OPTION(&whole, 55, "\1\3\6\x2a");
	OPTION(&whole, 77, "\3abc\2de");
	OPTION(&whole, 81, "\4\0\0\4host\7example\3net");
	OPTION(&whole, 82, "\1\2p1\2\3\xff\0a\11\0");
	OPTION(&whole, 3, "\12\0\0\1\12\0\0\2");
	put(&whole, "\xff", 1);
}

static void test_dhcp_every_kind_of_option(void **state)
{
	expect(&whole, whole.n, "\"message_type\":\"discover\",",
	       MAC ",\"client_id\":\"02:00:00:00:00:01\",\"host_name\":\"host\","
		   "\"fqdn\":\"host.example.net\",\"requested_ip\":\"10.0.0.7\","
		   "\"lease_s\":3600,\"routers\":[\"10.0.0.1\",\"10.0.0.2\"],"
		   "\"vendor_class\":\"MSFT 5.0\",\"user_class\":[\"abc\",\"de\"],"
		   "\"parameter_list\":[1,3,6,42],\"relay_info\":{\"circuit_id\":\"p1\","
		   "\"remote_id\":\"\\\\xff\\\\x00a\",\"9\":\"\"},\"complete\":1}\n",
	       "");
}

static void test_dhcp_addresses_of_the_header(void **state)
{
	struct rig r;

	start(&m, 2);
	memcpy(m.b + 12, "\12\0\0\1\12\0\0\2\12\0\0\3\12\0\0\4", 16);
	OPTION(&m, 53, "\5");
	OPTION(&m, 54, "\12\0\0\5");
	rig_init(&r, &nr_parser_dhcp, NR_UDP_PROTO, 68, 67);
	rig_datagram(&r, 1, m.b, m.n);
	assert_string_equal(
		rig_rows(&r),
		"dhcp {\"operation\":\"reply\",\"trans_id\":7,\"message_type\":\"ack\","
		"\"seconds\":2,\"broadcast\":1,\"client_ip\":\"10.0.0.1\"," MAC
		",\"assigned_ip\":\"10.0.0.2\",\"server_id\":\"10.0.0.5\","
		"\"next_server_ip\":\"10.0.0.3\",\"relay_ip\":\"10.0.0.4\","
		"\"complete\":1}\n");
	rig_free(&r);
}

static void test_dhcp_overload_reads_file_then_sname(void **state)
{
	start(&m, 1);
	OPTION(&m, 52, "\3");
	OPTION(&m, 12, "ho");
	memcpy(m.b + BOOT_FILE, "\14\1s\xff", 4);
	memcpy(m.b + SNAME, "\14\2t1\x3c\2vc\xff", 9);
	expect(&m, m.n, "",
	       MAC ",\"host_name\":\"host1\",\"vendor_class\":\"vc\",\"complete\":1}\n",
	       "");
}

static void test_dhcp_names_where_nothing_is_overloaded(void **state)
{
	start(&m, 1);
	memcpy(m.b + BOOT_FILE, "pxe.0", 5);
	memcpy(m.b + SNAME, "boot", 4);
	expect(&m, m.n, "",
	       MAC ",\"boot_server\":\"boot\",\"boot_file\":\"pxe.0\",\"complete\":1}\n",
	       "");
}

static void test_dhcp_option_in_parts(void **state)
{
	struct nr_buf rest = { 0 };

	start(&m, 1);
	nr_buf_str(&rest, MAC ",\"host_name\":\"");
	for (int i = 0; i < 3; i++) {
		char part[200];

		memset(part, 'a' + i, sizeof(part));
		put_option(&m, 12, part, sizeof(part));
		nr_buf_add(&rest, part, sizeof(part));
		OPTION(&m, 53, "");
	}
	nr_buf_str(&rest, "\",\"complete\":1}\n");
	expect(&m, m.n, "", rest.p, "");
	nr_buf_fini(&rest);
}

static void test_dhcp_bootp_without_cookie(void **state)
{
	start(&m, 1);
	memcpy(m.b + BOOT_FILE, "x.prm", 5);
	memset(m.b + 236, 0, 4);
	memset(m.b + m.n, 0, 60);
	m.n += 60;
	expect(&m, m.n, "", MAC ",\"boot_file\":\"x.prm\",\"complete\":1}\n", "");
}

static void test_dhcp_option_beyond_the_end(void **state)
{
	start(&m, 1);
	OPTION(&m, 53, "\3");
	put(&m, "\14\12ab", 4);
	expect(&m, m.n, "\"message_type\":\"request\",", MAC ",\"complete\":0}\n",
	       "dhcp_malformed 0 {\"what\":\"option\",\"code\":12}\n");
}

static void test_dhcp_cut_by_the_capture(void **state)
{
	expect(&whole, 60, "", MAC ",\"complete\":0}\n", "");
	expect(&whole, FIXED + 3, "\"message_type\":\"discover\",",
	       MAC ",\"complete\":0}\n", "");
}

static void test_dhcp_user_class_as_some_clients_send_it(void **state)
{
	start(&m, 1);
	OPTION(&m, 77, "MSFT");
	OPTION(&m, 61, "\0me");
	OPTION(&m, 81, "\0\0\0pc.example");
	expect(&m, m.n, "",
	       MAC ",\"client_id\":\"00:6d:65\",\"fqdn\":\"pc.example\","
		   "\"user_class\":[\"MSFT\"],\"complete\":1}\n",
	       "");
}

static void test_dhcp_probe(void **state)
{
	struct nr_probe in = { .data = { whole.b }, .len = { whole.n }, .proto = 17 };

	assert_int_equal(nr_parser_dhcp.probe(&in), NR_PROBE_YES);
	in.len[0] = 100;
	assert_int_equal(nr_parser_dhcp.probe(&in), NR_PROBE_MAYBE);
	in.data[0] = (const uint8_t *)"\3\1\6\0";
	in.len[0] = 4;
	assert_int_equal(nr_parser_dhcp.probe(&in), NR_PROBE_NO);
}

/* As many parts of one option as a datagram holds: the work stays in proportion. */
static void test_dhcp_thousands_of_parts(void **state)
{
	struct rig r;

	start(&m, 1);
	while (m.n < 65000)
		OPTION(&m, 12, "a");
	rig_init(&r, &nr_parser_dhcp, NR_UDP_PROTO, 68, 67);
	for (int i = 0; i < 200; i++)
		rig_datagram(&r, 0, m.b, m.n);
	assert_non_null(strstr(rig_rows(&r), "\"host_name\":\"aaaaaaaa"));
	rig_free(&r);
}

static void test_dhcp_survives_anything(void **state)
{
	message_hostile(&nr_parser_dhcp, NR_UDP_PROTO, 67, whole.b, whole.n);
	start(&m, 1);
	OPTION(&m, 52, "\3");
	memcpy(m.b + BOOT_FILE, "\14\1s\xff", 4);
	memcpy(m.b + SNAME, "\14\2t1\x3c\2vc\xff", 9);
	message_hostile(&nr_parser_dhcp, NR_UDP_PROTO, 67, m.b, m.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dhcp_every_kind_of_option),
		cmocka_unit_test(test_dhcp_addresses_of_the_header),
		cmocka_unit_test(test_dhcp_overload_reads_file_then_sname),
		cmocka_unit_test(test_dhcp_names_where_nothing_is_overloaded),
		cmocka_unit_test(test_dhcp_option_in_parts),
		cmocka_unit_test(test_dhcp_bootp_without_cookie),
		cmocka_unit_test(test_dhcp_option_beyond_the_end),
		cmocka_unit_test(test_dhcp_cut_by_the_capture),
		cmocka_unit_test(test_dhcp_user_class_as_some_clients_send_it),
		cmocka_unit_test(test_dhcp_probe),
		cmocka_unit_test(test_dhcp_thousands_of_parts),
		cmocka_unit_test(test_dhcp_survives_anything),
	};

	build_whole();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
