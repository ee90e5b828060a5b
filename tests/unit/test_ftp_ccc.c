/* SPDX-License-Identifier: BSD-3-Clause */
/* FTP's control connection that leaves TLS again (CCC: RFC 4217, 12). */
#include "tls_script.h"

extern const struct nr_parser nr_parser_tls;

static const char tail[] = "\x17\x03\x03\0\5abcde\x15\x03\x03\0\2\1\0";
enum { TAIL = sizeof(tail) - 1 };

/* A handshake behind AUTH TLS. */
static void begin(struct rig *r, uint16_t port, uint64_t offset)
{
	struct script *s = script_of(tls12);

	rig_init(r, &nr_parser_tls, NR_TCP_PROTO, 40000, port);
	r->offset[0] = r->offset[1] = offset;
	script_play(r, s);
	nr_free(s);
}

static void test_ftp_ccc_hands_back_wherever_it_is_cut(void **state)
{
	static const char said[] = "PASV\r\n";

	for (size_t cut = 0; cut <= TAIL; cut++) {
		struct rig r;

		begin(&r, 21, 10);
		assert_int_equal(r.verdict, NR_MORE);
		rig_data(&r, 0, tail, cut);
		rig_data(&r, 1, tail, TAIL);
		assert_int_equal(r.verdict, NR_MORE);
		if (cut == TAIL) {
			assert_int_equal(rig_say(&r, 0, said), NR_HAND_OVER);
		} else {
			char rest[TAIL + sizeof(said)];

			memcpy(rest, tail + cut, TAIL - cut);
			memcpy(rest + TAIL - cut, said, sizeof(said) - 1);
			assert_int_equal(rig_data(&r, 0, rest, TAIL - cut + 6),
					 NR_HAND_OVER);
		}
		assert_string_equal(r.next, "ftp");
		assert_int_equal(r.p.rest_len, sizeof(said) - 1);
		rig_end(&r);
		assert_int_equal(r.records.n, 2); /* the certificate, once, and tls */
		rig_free(&r);
	}
}

static void test_ftp_ccc_is_ftps_alone(void **state)
{
	struct rig r;

	begin(&r, 25, 10);
	assert_int_equal(r.verdict, NR_DONE);
	rig_free(&r);
	begin(&r, 21, 0); /* TLS from its first byte: nothing to go back to */
	assert_int_equal(r.verdict, NR_DONE);
	rig_free(&r);
}

static void test_ftp_ccc_what_is_neither_ends_it(void **state)
{
	struct rig r;

	begin(&r, 21, 10);
	assert_int_equal(rig_data(&r, 0, "\0\0", 2), NR_DONE);
	rig_free(&r);
	begin(&r, 21, 10);
	assert_int_equal(rig_data(&r, 0, "\x17\x03\x03\xff\xff", 5), NR_DONE);
	rig_free(&r);
}

static void test_ftp_ccc_gap_within_a_record_is_no_loss(void **state)
{
	struct rig r;

	begin(&r, 21, 10);
	rig_data(&r, 0, tail, 6);
	assert_int_equal(rig_gap(&r, 0, 4), NR_MORE);
	rig_data(&r, 0, tail + 10, TAIL - 10);
	assert_int_equal(rig_say(&r, 0, "PASV\r\n"), NR_HAND_OVER);
	rig_free(&r);
	begin(&r, 21, 10);
	rig_data(&r, 0, tail, 6);
	assert_int_equal(rig_gap(&r, 0, 5), NR_DONE);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ftp_ccc_hands_back_wherever_it_is_cut),
		cmocka_unit_test(test_ftp_ccc_is_ftps_alone),
		cmocka_unit_test(test_ftp_ccc_what_is_neither_ends_it),
		cmocka_unit_test(test_ftp_ccc_gap_within_a_record_is_no_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
