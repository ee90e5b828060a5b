/* SPDX-License-Identifier: BSD-3-Clause */
#include "frames.h"

/* Sums in memory order and in network order are byte swaps of each other (RFC 1071). */
static unsigned in_memory_order(unsigned be)
{
	return (be >> 8 | be << 8) & 0xffff;
}

static void test_checksum_equals_plain_sum(void **state)
{
	uint8_t *p = malloc(4096);
	uint32_t r = 12345;

	(void)state;
	for (size_t i = 0; i < 4096; i++) {
		r = r * 1664525 + 1013904223;
		p[i] = (uint8_t)(r >> 24);
	}
	for (size_t n = 0; n < 300; n++) {
		uint8_t *q = malloc(n ? n : 1); /* exact, for the sanitizer */

		memcpy(q, p + n, n);
		assert_int_equal(nr_csum(q, n, 0) % 0xffff,
				 in_memory_order(slow_sum(q, n, 0)) % 0xffff);
		assert_int_equal(nr_csum(q, n, 0x1ffff) % 0xffff,
				 (in_memory_order(slow_sum(q, n, 0)) + 0x1ffffu) %
					 0xffff);
		free(q);
	}
	memset(p, 0xff, 4096);
	for (size_t n = 2; n <= 4096; n += 2)
		assert_int_equal(nr_csum(p, n, 0), 0xffff);
	memset(p, 0, 4096);
	assert_int_equal(nr_csum(p, 4096, 0), 0);
	free(p);
}

/* The example of RFC 1071, section 3: 00 01 f2 03 f4 f5 f6 f7 sum to ddf2. */
static void test_checksum_rfc1071_example(void **state)
{
	static const uint8_t b[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	(void)state;
	assert_int_equal(nr_csum(b, 8, 0), in_memory_order(0xddf2));
}

static enum nr_csum_verdict judge(const struct frame *f, uint32_t cap, uint8_t flags)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	uint8_t *p = malloc(cap);
	enum nr_csum_verdict v;

	memcpy(p, f->b, cap);
	nr_decode(d,
		  &(struct nr_packet){ .data = p,
				       .cap_len = cap,
				       .wire_len = f->n,
				       .link_type = 101,
				       .flags = flags },
		  &o);
	assert_true(o.n_levels > 0);
	v = nr_level_csum(&o.level[o.n_levels - 1]);
	free(p);
	nr_decoder_free(d);
	return v;
}

/* Fills the checksum at f->b[at] of the n transport bytes from l4 on, by RFC 793. */
static void seal(struct frame *f, uint32_t l4, uint32_t at, unsigned proto, bool v6)
{
	uint32_t n = f->n - l4, a = v6 ? 8 : 12, len = v6 ? 32 : 8;
	unsigned s = proto + n;

	if (proto == 1)
		s = 0;
	else
		s = slow_sum(f->b + a, len, s);
	f->b[at] = f->b[at + 1] = 0;
	s = ~slow_sum(f->b + l4, n, s);
	f->b[at] = (uint8_t)(s >> 8);
	f->b[at + 1] = (uint8_t)s;
}

static void test_checksum_judges_transports(void **state)
{
	static const struct {
		unsigned proto, at;
		bool v6;
		const char *l4;
	} cases[] = {
		{ 6, 16, false,
		  "04d2 0050 00000001 00000002 5018 2000 0000 0000 616263" },
		{ 6, 16, true,
		  "04d2 0050 00000001 00000002 5018 2000 0000 0000 61626364" },
		{ 17, 6, false, "04d2 0035 000b 0000 616263" },
		{ 17, 6, true, "04d2 0035 000c 0000 61626364" },
		{ 1, 2, false, "0800 0000 0001 0002 61626364" },
		{ 58, 2, true, "8000 0000 0001 0002 616263" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame f = { .n = 0 }, l4 = { .n = 0 };
		uint32_t hdr = cases[i].v6 ? 40 : 20;

		put_hex(&l4, cases[i].l4);
		if (cases[i].v6)
			put_ip6(&f, 1, 2, cases[i].proto, l4.n);
		else
			put_ip4(&f, 0x0a000001, 0x0a000002, cases[i].proto, l4.n);
		put(&f, l4.b, l4.n);
		seal(&f, hdr, hdr + cases[i].at, cases[i].proto, cases[i].v6);
		assert_int_equal(judge(&f, f.n, 0), NR_CSUM_OK);
		assert_int_equal(judge(&f, f.n - 1, 0), NR_CSUM_UNKNOWN);
		assert_int_equal(judge(&f, f.n, NR_PKT_CSUM_NOT_READY), NR_CSUM_UNKNOWN);
		assert_int_equal(judge(&f, f.n, NR_PKT_TSO), NR_CSUM_UNKNOWN);
		f.b[f.n - 1] ^= 0x10;
		assert_int_equal(judge(&f, f.n, 0), NR_CSUM_BAD);
	}
}

static void test_checksum_udp_zero_is_none(void **state)
{
	struct frame f = { .n = 0 };

	(void)state;
	put_ip4(&f, 0x0a000001, 0x0a000002, 17, 11);
	put_hex(&f, "04d2 0035 000b 0000 616263");
	assert_int_equal(judge(&f, f.n, 0), NR_CSUM_UNKNOWN);
}

/* What an offloading NIC leaves: the sum of the pseudo-header alone. */
static void test_checksum_partial_is_bad(void **state)
{
	struct frame f = { .n = 0 };
	unsigned s;

	(void)state;
	put_ip4(&f, 0x0a000001, 0x0a000002, 6, 24);
	put_hex(&f, "04d2 0050 00000001 00000002 5018 2000 0000 0000 61626364");
	s = slow_sum(f.b + 12, 8, 6 + 24);
	f.b[36] = (uint8_t)(s >> 8);
	f.b[37] = (uint8_t)s;
	assert_int_equal(judge(&f, f.n, 0), NR_CSUM_BAD);
}

/* RFC 8200, 8.1: the pseudo-header has the final destination of a routing header. */
static void test_checksum_uses_final_destination(void **state)
{
	struct frame f = { .n = 0 }, flat = { .n = 0 };

	(void)state;
	put_ip6(&flat, 1, 0x99, 17, 9); /* as the last hop sees it */
	put_hex(&flat, "04d2 0035 0009 0000 61");
	seal(&flat, 40, 46, 17, true);
	put_ip6(&f, 1, 2, 43, 24 + 9);
	put_hex(&f, "11 02 00 01 00000000 20010db8 0000000000000000 00000099");
	put(&f, flat.b + 40, 9);
	assert_int_equal(judge(&f, f.n, 0), NR_CSUM_OK);
	f.b[43] = 0; /* no segments left: the packet is at its destination */
	assert_int_equal(judge(&f, f.n, 0), NR_CSUM_BAD);
}

/* A bit at a time, as RFC 9260's appendix defines the polynomial. */
static uint32_t slow_crc32c(const uint8_t *p, size_t n)
{
	uint32_t c = 0xffffffff;

	for (; n; p++, n--) {
		c ^= *p;
		for (unsigned i = 0; i < 8; i++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
	}
	return ~c;
}

static void test_checksum_sctp(void **state)
{
	uint32_t crc;

	(void)state;
	/* RFC 3720, B.4: 32 bytes of zeroes */
	assert_int_equal(slow_crc32c((const uint8_t[32]){ 0 }, 32), 0x8a9136aa);
	for (unsigned n = 0; n < 40; n++) {
		struct frame f = { .n = 0 };

		put_ip4(&f, 0x0a000001, 0x0a000002, 132, 12 + n);
		put_hex(&f, "2710 2711 01020304 00000000");
		for (unsigned i = 0; i < n; i++)
			put(&f, &(uint8_t){ (uint8_t)(i * 7) }, 1);
		crc = slow_crc32c(f.b + 20, 12 + n);
		memcpy(f.b + 28, &crc, 4);
		assert_int_equal(judge(&f, f.n, 0), NR_CSUM_OK);
		f.b[f.n - 1] ^= 1;
		assert_int_equal(judge(&f, f.n, 0), NR_CSUM_BAD);
	}
}

static void test_checksum_of_ip_header(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;

	(void)state;
	for (unsigned options = 0; options <= 40; options += 4) {
		struct frame f = { .n = 0 };
		struct nr_packet p = { .link_type = 228 };
		unsigned s;

		put_ip4(&f, 0x0a000001, 0x0a000002, 50, options + 4);
		for (unsigned i = 0; i < options; i++)
			put_hex(&f, "01");
		put_hex(&f, "00000001");
		f.b[0] = (uint8_t)(0x45 + options / 4);
		f.b[10] = f.b[11] = 0;
		s = ~slow_sum(f.b, 20 + options, 0);
		f.b[10] = (uint8_t)(s >> 8);
		f.b[11] = (uint8_t)s;
		p.data = f.b;
		p.cap_len = p.wire_len = f.n;
		nr_decode(d, &p, &o);
		assert_int_equal(o.n_anomalies, 0);
		f.b[8] ^= 1;
		nr_decode(d, &p, &o);
		assert_int_equal(o.n_anomalies, 1);
		assert_int_equal(o.anomaly[0].kind, NR_ANOM_IP_BAD_CHECKSUM);
		assert_true(o.level[0].flags & NR_L_IP_CSUM_BAD);
	}
	nr_decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksum_equals_plain_sum),
		cmocka_unit_test(test_checksum_rfc1071_example),
		cmocka_unit_test(test_checksum_judges_transports),
		cmocka_unit_test(test_checksum_udp_zero_is_none),
		cmocka_unit_test(test_checksum_partial_is_bad),
		cmocka_unit_test(test_checksum_uses_final_destination),
		cmocka_unit_test(test_checksum_sctp),
		cmocka_unit_test(test_checksum_of_ip_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
