/* SPDX-License-Identifier: BSD-3-Clause */
/* Transport headers of which the snap length left a part. */
#include "frames.h"

/* 20 bytes of IP and cap of TCP. */
static void test_decode_cut_tcp_header_says_what_it_can(void **state)
{
	struct nr_decoder *d = new_decoder();
	const struct nr_level *l;
	struct nr_decoded o;
	struct frame f = { .n = 0 };

	(void)state;
	put_tcp4_packet(&f);
	for (uint32_t cap = 4; cap < 20; cap++) {
		free(decode_cut(d, &f, 20 + cap, 228, 0, &o));
		l = &o.level[0];
		assert_int_equal(l->src_port, 1234);
		assert_int_equal(!(l->flags & NR_L_NO_SEQ), cap >= 14);
		assert_int_equal(!!(l->flags & NR_L_NO_WINDOW), cap == 14 || cap == 15);
		assert_int_equal(l->tcp_seq, cap >= 14 ? 1 : 0);
		assert_int_equal(l->tcp_ack, cap >= 14 ? 2 : 0);
		assert_int_equal(l->tcp_flags, cap >= 14 ? 0x18 : 0);
		assert_int_equal(l->tcp_window, cap >= 16 ? 0x2000 : 0);
		assert_int_equal(l->payload_len, 4);
		assert_int_equal(l->payload_cap, 0);
		assert_int_equal(o.anomaly[0].kind, NR_ANOM_TRANSPORT_CUT);
	}
	f.b[32] = 0x60; /* all 24 are header */
	free(decode_cut(d, &f, 34, 228, 0, &o));
	assert_int_equal(o.level[0].payload_len, 0);
	f.b[32] = 0x40;
	free(decode_cut(d, &f, 34, 228, 0, &o));
	assert_true(o.level[0].flags & NR_L_BAD_HDR);
	assert_int_equal(o.level[0].payload_len, 0);
	nr_decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_cut_tcp_header_says_what_it_can),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
