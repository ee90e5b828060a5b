/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of real captures; the values are tshark's. */
#include "message.h"

extern const struct nr_parser nr_parser_icmp;

enum { ICMP = 1, ICMP6 = 58 };

static const char redirect[] =
	"8900e3c6 00000000 fe80000000000000000000000000cafe"
	"fe80000000000000000000000000babe 0408000000000000 6000000000101140"
	"fe80000000000000000000000000aaaa fe80000000000000000000000000bbbb"
	"753032c8 0010930c 5858585858585858";
static const char advertisement[] = "8600b6cd 0db80708 00000e74 00000514"
				    "0101 020000000001"
				    "0501 0000 000005dc"
				    "0304 40c0 00000e10 00000e10 00000000"
				    "20010db8000000010000000000000000"
				    "0304 30c0 00000e10 00000e10 00000000"
				    "20010db8000000000000000000000000";
static const char listeners[] =
	"8f00bd8c 00000004"
	"01000002 ff0200000000000000000000480e413c fe800000000000000000f16d08916486"
	"fe800000000000000000794d737e8532"
	"02000001 ff0200000000000000000000e78533ce fe800000000000000000f16d08916486"
	"03000000 ff02000000000000000000003c05cd57"
	"04000001 ff0200000000000000000000a8c95e9c fe800000000000000000794d737e8532";
static const char port_unreachable[] =
	"030303bb 00000000 450000a3371100004011bf81c0a80101c0a80166"
	"0035e747 008f76d2 98a48180";
static const char behind_options[] =
	"0100f1a6 00000000 6000000000140040 fe80000000000000000000000000beef"
	"fe80000000000000000000000000dead 1100010400000000 753032c8 000c0c8e 58585858";

static void begin(struct rig *r, uint8_t proto, const char *hex)
{
	uint8_t bytes[512];
	size_t n = message_bytes(bytes, sizeof(bytes), hex);

	rig_init(r, &nr_parser_icmp, proto, 3, 3);
	rig_datagram(r, 0, bytes, n);
}

static void expect(uint8_t proto, const char *hex, const char *row, const char *anomalies)
{
	struct rig r;

	begin(&r, proto, hex);
	assert_string_equal(rig_rows(&r), row);
	assert_string_equal(rig_anomalies(&r), anomalies);
	assert_null(r.service);
	rig_free(&r);
}

static void test_icmp_echo(void **state)
{
	expect(ICMP, "08000000 04ca 0001 6162",
	       "icmp {\"side\":\"src\",\"icmp_type\":8,\"icmp_code\":0,"
	       "\"meaning\":\"echo request\",\"identifier\":1226,\"sequence\":1,"
	       "\"payload_bytes\":2,\"complete\":1}\n",
	       "");
	expect(ICMP6, "81000000 04ca 0002",
	       "icmp {\"side\":\"src\",\"icmp_type\":129,\"icmp_code\":0,"
	       "\"meaning\":\"echo reply\",\"identifier\":1226,\"sequence\":2,"
	       "\"payload_bytes\":0,\"complete\":1}\n",
	       "");
}

static void test_icmp_error_joins_the_flow_it_quotes(void **state)
{
	struct rig r;

	begin(&r, ICMP, port_unreachable);
	assert_string_equal(rig_rows(&r),
			    "icmp {\"side\":\"src\",\"icmp_type\":3,\"icmp_code\":3,"
			    "\"meaning\":\"port unreachable\",\"quoted_flow_id\":2000,"
			    "\"quoted_proto\":\"udp\",\"quoted_src_ip\":\"192.168.1.1\","
			    "\"quoted_src_port\":53,\"quoted_dst_ip\":\"192.168.1.102\","
			    "\"quoted_dst_port\":59207,\"payload_bytes\":32,"
			    "\"complete\":1}\n");
	assert_int_equal(r.quoted.proto, 17);
	assert_int_equal(r.quoted.ip_version, 4);
	assert_int_equal(r.quoted.src_port, 53);
	assert_int_equal(r.quoted.dst_port, 59207);
	assert_int_equal(r.quoted.src_ip[3], 1);
	assert_int_equal(r.quoted.dst_ip[3], 102);
	assert_int_equal(r.quoted.dst_ip[4], 0);
	rig_free(&r);
}

static void test_icmp_quoted_echo_has_the_ports_of_its_flow(void **state)
{
	expect(ICMP,
	       "0b000000 00000000 4500001c000100000101000 00a0000010a000002 0800f7fe"
	       "00010000",
	       "icmp {\"side\":\"src\",\"icmp_type\":11,\"icmp_code\":0,"
	       "\"meaning\":\"time exceeded in transit\",\"quoted_flow_id\":2000,"
	       "\"quoted_proto\":\"icmp\",\"quoted_src_ip\":\"10.0.0.1\","
	       "\"quoted_src_port\":8,\"quoted_dst_ip\":\"10.0.0.2\","
	       "\"quoted_dst_port\":0,\"payload_bytes\":28,\"complete\":1}\n",
	       "");
}

static void test_icmp_quoted_fragment_has_no_ports(void **state)
{
	expect(ICMP,
	       "0b010000 00000000 4500001c000100064011000 00a0000010a000002 00350035",
	       "icmp {\"side\":\"src\",\"icmp_type\":11,\"icmp_code\":1,"
	       "\"meaning\":\"time exceeded in reassembly\",\"quoted_proto\":\"udp\","
	       "\"quoted_src_ip\":\"10.0.0.1\",\"quoted_dst_ip\":\"10.0.0.2\","
	       "\"payload_bytes\":24,\"complete\":1}\n",
	       "");
}

/* ESP, GRE, OSPF and the like have no ports: their flows are known without. */
static void test_icmp_error_joins_a_flow_without_ports(void **state)
{
	struct rig r;

	expect(ICMP,
	       "03020000 00000000 4500001c00010000402f000 00a0000010a000002 00000800"
	       "00000000",
	       "icmp {\"side\":\"src\",\"icmp_type\":3,\"icmp_code\":2,"
	       "\"meaning\":\"protocol unreachable\",\"quoted_flow_id\":2000,"
	       "\"quoted_proto\":\"gre\",\"quoted_src_ip\":\"10.0.0.1\","
	       "\"quoted_dst_ip\":\"10.0.0.2\",\"payload_bytes\":28,\"complete\":1}\n",
	       "");
	begin(&r, ICMP6,
	      "0104000000000000 6000000000103240 fe80000000000000000000000000beef"
	      "fe80000000000000000000000000dead 000000010000000100000000");
	assert_has(rig_rows(&r), "\"quoted_flow_id\":2000,\"quoted_proto\":\"esp\"");
	assert_int_equal(r.quoted.proto, 50);
	assert_int_equal(r.quoted.src_port, 0);
	assert_int_equal(r.quoted.dst_port, 0);
	rig_free(&r);
}

/* A later fragment, headers that are cut short, and ICMP that nobody answers. */
static void test_icmp_what_tells_no_flow_joins_none(void **state)
{
	static const struct {
		uint8_t proto;
		const char *hex;
	} cases[] = {
		{ ICMP, "03020000 00000000 4500001c000100064032000 00a0000010a000002"
			"00000001" },
		{ ICMP,
		  "03030000 00000000 4500001c00010000401100000a0000010a000002 0035" },
		{ ICMP, "0b000000 00000000 4500001c00010000400100000a0000010a000002"
			"04000000" },
		{ ICMP6,
		  "0104000000000000 6000000000203c40 fe80000000000000000000000000beef"
		  "fe80000000000000000000000000dead 32010000" },
		{ ICMP6,
		  "0104000000000000 6000000000203c40 fe80000000000000000000000000beef"
		  "fe80000000000000000000000000dead 3201000000000000" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rig r;

		begin(&r, cases[i].proto, cases[i].hex);
		assert_has(rig_rows(&r), "\"quoted_proto\":");
		assert_has_not(rig_rows(&r), "\"quoted_flow_id\":");
		rig_free(&r);
	}
}

static void test_icmp_quoted_behind_extension_headers(void **state)
{
	expect(ICMP6, behind_options,
	       "icmp {\"side\":\"src\",\"icmp_type\":1,\"icmp_code\":0,"
	       "\"meaning\":\"no route to destination\",\"quoted_flow_id\":2000,"
	       "\"quoted_proto\":\"udp\",\"quoted_src_ip\":\"fe80::beef\","
	       "\"quoted_src_port\":30000,\"quoted_dst_ip\":\"fe80::dead\","
	       "\"quoted_dst_port\":13000,\"payload_bytes\":60,\"complete\":1}\n",
	       "");
}

static void test_icmp_mtu(void **state)
{
	expect(ICMP,
	       "03040000 000005a8 45000028000100000106000 00a0000010a000002 04d20050",
	       "icmp {\"side\":\"src\",\"icmp_type\":3,\"icmp_code\":4,"
	       "\"meaning\":\"fragmentation needed\",\"quoted_flow_id\":2000,"
	       "\"quoted_proto\":\"tcp\",\"quoted_src_ip\":\"10.0.0.1\","
	       "\"quoted_src_port\":1234,\"quoted_dst_ip\":\"10.0.0.2\","
	       "\"quoted_dst_port\":80,\"mtu\":1448,\"payload_bytes\":24,"
	       "\"complete\":1}\n",
	       "");
}

/* A router from before RFC 1191 does not say it. */
static void test_icmp_mtu_that_is_not_said(void **state)
{
	struct rig r;

	begin(&r, ICMP,
	      "03040000 00000000 45000028000100000106000 00a0000010a000002 04d20050");
	assert_has(rig_rows(&r), "\"meaning\":\"fragmentation needed\"");
	assert_has_not(rig_rows(&r), "\"mtu\"");
	rig_free(&r);
}

static void test_icmp_neighbours(void **state)
{
	expect(ICMP6, redirect,
	       "icmp {\"side\":\"src\",\"icmp_type\":137,\"icmp_code\":0,"
	       "\"meaning\":\"redirect\",\"quoted_flow_id\":2000,"
	       "\"quoted_proto\":\"udp\",\"quoted_src_ip\":\"fe80::aaaa\","
	       "\"quoted_src_port\":30000,\"quoted_dst_ip\":\"fe80::bbbb\","
	       "\"quoted_dst_port\":13000,\"target_ip\":\"fe80::cafe\","
	       "\"payload_bytes\":96,\"complete\":1}\n",
	       "");
	expect(ICMP6,
	       "88000000 e0000000 fe800000000000000000000000000001 0201 020000000001",
	       "icmp {\"side\":\"src\",\"icmp_type\":136,\"icmp_code\":0,"
	       "\"meaning\":\"neighbour advertisement\",\"target_ip\":\"fe80::1\","
	       "\"link_address\":\"02:00:00:00:00:01\",\"payload_bytes\":24,"
	       "\"complete\":1}\n",
	       "");
	expect(ICMP6, advertisement,
	       "icmp {\"side\":\"src\",\"icmp_type\":134,\"icmp_code\":0,"
	       "\"meaning\":\"router advertisement\",\"mtu\":1500,"
	       "\"link_address\":\"02:00:00:00:00:01\",\"router_lifetime_s\":1800,"
	       "\"prefixes\":[\"2001:db8:0:1::/64\",\"2001:db8::/48\"],"
	       "\"payload_bytes\":88,\"complete\":1}\n",
	       "");
}

static void test_icmp_listeners(void **state)
{
	expect(ICMP6, listeners,
	       "icmp {\"side\":\"src\",\"icmp_type\":143,\"icmp_code\":0,"
	       "\"meaning\":\"multicast listener report, version 2\","
	       "\"groups\":[\"ff02::480e:413c\",\"ff02::e785:33ce\","
	       "\"ff02::3c05:cd57\",\"ff02::a8c9:5e9c\"],\"payload_bytes\":144,"
	       "\"complete\":1}\n",
	       "");
}

static void test_icmp_option_without_length_ends_the_options(void **state)
{
	expect(ICMP6,
	       "87000000 00000000 fe800000000000000000000000000001 0100 020000000001",
	       "icmp {\"side\":\"src\",\"icmp_type\":135,\"icmp_code\":0,"
	       "\"meaning\":\"neighbour solicitation\",\"target_ip\":\"fe80::1\","
	       "\"payload_bytes\":24,\"complete\":0}\n",
	       "icmp_malformed 0 {\"type\":135,\"code\":0}\n");
}

static void test_icmp_cut_by_the_capture_is_no_anomaly(void **state)
{
	uint8_t bytes[512];
	size_t n = message_bytes(bytes, sizeof(bytes), port_unreachable);
	struct rig r;

	rig_init(&r, &nr_parser_icmp, ICMP, 3, 3);
	message_cut(&r, 0, bytes, 20, n);
	assert_string_equal(rig_rows(&r),
			    "icmp {\"side\":\"src\",\"icmp_type\":3,\"icmp_code\":3,"
			    "\"meaning\":\"port unreachable\",\"payload_bytes\":32,"
			    "\"complete\":0}\n");
	assert_string_equal(rig_anomalies(&r), "");
	rig_free(&r);
}

static void test_icmp_survives_anything(void **state)
{
	static const char *const all[] = { redirect, advertisement, listeners,
					   behind_options, port_unreachable };
	uint8_t bytes[512];

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		size_t n = message_bytes(bytes, sizeof(bytes), all[i]);

		message_hostile(&nr_parser_icmp, ICMP6, 1, bytes, n);
		message_hostile(&nr_parser_icmp, ICMP, 1, bytes, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_icmp_echo),
		cmocka_unit_test(test_icmp_error_joins_the_flow_it_quotes),
		cmocka_unit_test(test_icmp_quoted_echo_has_the_ports_of_its_flow),
		cmocka_unit_test(test_icmp_quoted_fragment_has_no_ports),
		cmocka_unit_test(test_icmp_error_joins_a_flow_without_ports),
		cmocka_unit_test(test_icmp_what_tells_no_flow_joins_none),
		cmocka_unit_test(test_icmp_quoted_behind_extension_headers),
		cmocka_unit_test(test_icmp_mtu),
		cmocka_unit_test(test_icmp_mtu_that_is_not_said),
		cmocka_unit_test(test_icmp_neighbours),
		cmocka_unit_test(test_icmp_listeners),
		cmocka_unit_test(test_icmp_option_without_length_ends_the_options),
		cmocka_unit_test(test_icmp_cut_by_the_capture_is_no_anomaly),
		cmocka_unit_test(test_icmp_survives_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
