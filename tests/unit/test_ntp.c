/* SPDX-License-Identifier: BSD-3-Clause */
#include "message.h"

extern const struct nr_parser nr_parser_ntp;

/* A server's answer from a capture; the values below are tshark's. */
static const char answer[] =
	"240406e8 00000c81 00001244 69edcf1c e09ab29cb8c778eb e09ab59607050baa"
	"e09ab5960c625ccb e09ab5960c64646b";

static void expect(const char *hex, const char *rows, const char *anomalies)
{
	uint8_t bytes[512];
	size_t n = message_bytes(bytes, sizeof(bytes), hex);
	struct rig r;

	rig_init(&r, &nr_parser_ntp, NR_UDP_PROTO, 40000, 123);
	rig_datagram(&r, 1, bytes, n);
	assert_string_equal(rig_rows(&r), rows);
	assert_string_equal(rig_anomalies(&r), anomalies);
	if (*rows)
		assert_string_equal(r.service, "ntp");
	else
		assert_null(r.service);
	rig_free(&r);
}

static void test_ntp_answer_has_every_column(void **state)
{
	expect(answer,
	       "ntp {\"mode\":4,\"version\":4,\"leap\":0,\"stratum\":4,"
	       "\"ref_id\":\"105.237.207.28\",\"poll\":6,\"precision\":-24,"
	       "\"root_delay_ns\":48843383,\"root_dispersion_ns\":71350097,"
	       "\"reference_ns\":1559245852721793706,\"origin_ns\":1559246614027420739,"
	       "\"receive_ns\":1559246614048375892,\"transmit_ns\":1559246614048406864,"
	       "\"trailer_bytes\":0,\"complete\":1}\n",
	       "");
}

static void test_ntp_first_stratum_is_letters_and_zero_times_are_none(void **state)
{
	expect("1c010300 ffff8000 00008000 47505300 0000000000000000 0000000000000000"
	       "0000000000000000 0000000080000000 00000001"
	       "00112233445566778899aabbccddeeff",
	       "ntp "
	       "{\"mode\":4,\"version\":3,\"leap\":0,\"stratum\":1,\"ref_id\":\"GPS\","
	       "\"poll\":3,\"precision\":0,\"root_delay_ns\":-500000000,"
	       "\"root_dispersion_ns\":500000000,\"transmit_ns\":2085978496500000000,"
	       "\"trailer_bytes\":20,\"complete\":1}\n",
	       "");
}

static void test_ntp_control_and_private(void **state)
{
	expect("16820044 06180000 00000000",
	       "ntp {\"mode\":6,\"version\":2,\"response\":1,\"operation\":2,"
	       "\"trailer_bytes\":0,\"complete\":1}\n",
	       "");
	expect("d70e032a 00050048 0000",
	       "ntp {\"mode\":7,\"version\":2,\"response\":1,\"operation\":42,"
	       "\"trailer_bytes\":2,\"complete\":1}\n",
	       "");
}

static void test_ntp_what_is_none_is_an_anomaly(void **state)
{
	expect("2c000000", "", "ntp_malformed 1 -\n"); /* version 5 */
	expect("24040600", "", "ntp_malformed 1 -\n"); /* too short */
	expect("20000000", "", "ntp_malformed 1 -\n"); /* mode 0 is version 1's */
}

static void test_ntp_cut_by_the_capture(void **state)
{
	uint8_t bytes[64];
	size_t n = message_bytes(bytes, sizeof(bytes), answer);
	struct rig r;

	rig_init(&r, &nr_parser_ntp, NR_UDP_PROTO, 40000, 123);
	message_cut(&r, 1, bytes, 10, n);
	assert_string_equal(rig_rows(&r),
			    "ntp {\"mode\":4,\"version\":4,\"leap\":0,\"stratum\":4,"
			    "\"poll\":6,\"precision\":-24,\"root_delay_ns\":48843383,"
			    "\"trailer_bytes\":0,\"complete\":0}\n");
	rig_free(&r);
}

static void test_ntp_probe_needs_its_port(void **state)
{
	uint8_t bytes[64];
	struct nr_probe in = { .data = { bytes }, .proto = 17 };

	in.len[0] = message_bytes(bytes, sizeof(bytes), answer);
	assert_int_equal(nr_parser_ntp.probe(&in), NR_PROBE_MAYBE);
	bytes[0] = 0x2c;
	assert_int_equal(nr_parser_ntp.probe(&in), NR_PROBE_NO);
	in.len[0] = 0;
	assert_int_equal(nr_parser_ntp.probe(&in), NR_PROBE_NO);
}

static void test_ntp_survives_anything(void **state)
{
	uint8_t bytes[64];
	size_t n = message_bytes(bytes, sizeof(bytes), answer);

	message_hostile(&nr_parser_ntp, NR_UDP_PROTO, 123, bytes, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ntp_answer_has_every_column),
		cmocka_unit_test(
			test_ntp_first_stratum_is_letters_and_zero_times_are_none),
		cmocka_unit_test(test_ntp_control_and_private),
		cmocka_unit_test(test_ntp_what_is_none_is_an_anomaly),
		cmocka_unit_test(test_ntp_cut_by_the_capture),
		cmocka_unit_test(test_ntp_probe_needs_its_port),
		cmocka_unit_test(test_ntp_survives_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
