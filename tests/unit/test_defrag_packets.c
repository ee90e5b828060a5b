/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments through the decoder: what comes of a packet that carries one. */
#include "frames.h"

static void decode(struct nr_decoder *d, const struct frame *f, uint64_t record,
		   struct nr_decoded *o)
{
	static uint8_t *last;
	struct nr_packet p = { .cap_len = f->n,
			       .wire_len = f->n,
			       .link_type = 101,
			       .record = record,
			       .ordinal = record };

	free(last); /* a block of the exact size, gone with the next packet */
	last = malloc(f->n ? f->n : 1);
	memcpy(last, f->b, f->n);
	p.data = last;
	nr_decode(d, &p, o);
	check_bounds(o, last, f->n);
	if (!f->n) {
		free(last);
		last = NULL;
	}
}

static void put_fragment(struct frame *f, unsigned off, unsigned len, bool more,
			 const uint8_t *l4)
{
	f->n = 0;
	put_ip4_frag(f, 0x0a000001, 0x0a000002, 17, len, 7,
		     off / 8 | (more ? 0x2000 : 0));
	put(f, l4 + off, len);
}

static void test_defrag_gives_a_level(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f, l4 = { .n = 0 };
	const struct nr_level *l = &o.level[0];

	(void)state;
	put_udp(&l4, 1234, 53, 32);
	for (unsigned i = 0; i < 32; i++)
		put(&l4, &(uint8_t){ (uint8_t)i }, 1);
	put_fragment(&f, 16, 24, false, l4.b);
	decode(d, &f, 1, &o);
	assert_int_equal(o.bucket, NR_BUCKET_HELD);
	assert_int_equal(o.n_levels, 0);
	put_fragment(&f, 0, 16, true, l4.b);
	decode(d, &f, 2, &o);
	assert_int_equal(o.bucket, NR_BUCKET_FLOW);
	assert_int_equal(o.n_levels, 1);
	assert_int_equal(l->src_port, 1234);
	assert_int_equal(l->dst_port, 53);
	assert_int_equal(l->flags & NR_L_REASSEMBLED, NR_L_REASSEMBLED);
	assert_int_equal(l->payload_len, 32);
	assert_int_equal(l->payload[31], 31);
	assert_int_equal(l->ip_len, 60);
	assert_int_equal(l->ttl, 64);
	assert_int_equal(o.n_frags, 1);
	assert_int_equal(o.frags[0].record, 1);
	nr_decoder_release(d);
	/* the second fragment does not meet the same id of another protocol or VLAN */
	put_fragment(&f, 0, 16, true, l4.b);
	decode(d, &f, 3, &o);
	put_fragment(&f, 16, 24, false, l4.b);
	f.b[9] = 6;
	decode(d, &f, 4, &o);
	assert_int_equal(o.bucket, NR_BUCKET_HELD);
	f.n = 0;
	decode(d, &f, 5, &o); /* frees the last block */
	nr_decoder_free(d);
}

static void test_defrag_keeps_vlans_apart(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f, in, l4 = { .n = 0 };

	(void)state;
	put_udp(&l4, 1234, 53, 32);
	put_hex(&l4, "00000000000000000000000000000000 00000000000000000000000000000000");
	for (unsigned i = 0; i < 3; i++) {
		struct nr_packet p = { .link_type = 1 };

		put_fragment(&in, i ? 16 : 0, i ? 24 : 16, !i, l4.b);
		f.n = 0;
		put_hex(&f, eth_hdr);
		put_hex(&f, i == 1 ? "8100 0002 0800" : "8100 0001 0800");
		put(&f, in.b, in.n);
		p.data = f.b;
		p.cap_len = p.wire_len = f.n;
		nr_decode(d, &p, &o);
		assert_int_equal(o.bucket, i == 2 ? NR_BUCKET_FLOW : NR_BUCKET_HELD);
	}
	nr_decoder_free(d);
}

static void test_defrag_inside_a_carrier(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f, in, l4 = { .n = 0 };

	(void)state;
	put_udp(&l4, 1234, 53, 32);
	put_hex(&l4, "00000000000000000000000000000000 00000000000000000000000000000000");
	for (unsigned i = 0; i < 3; i++) {
		/* VNI 1, 2, then 1 again: only the third completes the first */
		put_fragment(&in, i ? 16 : 0, i ? 24 : 16, !i, l4.b);
		f.n = 0;
		put_ip4(&f, 0xc0000201, 0xc0000202, 17, 8 + 8 + 14 + in.n);
		put_udp(&f, 50000, 4789, 8 + 14 + in.n);
		put_hex(&f, i == 1 ? "08000000 00000200" : "08000000 00000100");
		put_hex(&f, "020000000002 020000000001 0800");
		put(&f, in.b, in.n);
		decode(d, &f, i + 1, &o);
		assert_int_equal(o.bucket, i == 2 ? NR_BUCKET_FLOW : NR_BUCKET_HELD);
		assert_int_equal(o.n_levels, i == 2 ? 2 : 1);
		assert_int_equal(o.level[0].carries, NR_TUN_VXLAN + 1);
	}
	assert_int_equal(o.level[1].dst_port, 53);
	assert_int_equal(o.level[1].nesting, 1);
	assert_int_equal(o.n_frags, 1);
	assert_int_equal(o.frags[0].record, 1);
	f.n = 0;
	decode(d, &f, 5, &o);
	nr_decoder_free(d);
}

/* Headers in front of the fragment header name the final destination. */
static void test_defrag_ip6_behind_routing_header(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < 2; i++) { /* the last fragment first */
		f.n = 0;
		put_ip6(&f, 1, 2, 43, 24 + 8 + 16);
		put_hex(&f, "2c 02 00 01 00000000 20010db8 0000000000000000 00000099");
		put_hex(&f, i ? "3c 00 0001 00000001" : "3c 00 0010 00000001");
		put_hex(&f, i ? "11 00 0104 00000000 04d2 0035 0018 0000"
			      : "0102030405060708 0102030405060708");
		decode(d, &f, i + 1, &o);
	}
	assert_int_equal(o.bucket, NR_BUCKET_FLOW);
	assert_int_equal(o.n_anomalies, 0);
	assert_int_equal(o.level[0].proto, 17);
	assert_int_equal(o.level[0].dst_port, 53);
	assert_int_equal(o.level[0].dst[15], 0x99);
	assert_int_equal(o.level[0].payload_len, 16);
	assert_int_equal(o.level[0].ip_len, 40 + 24 + 32);
	f.n = 0;
	decode(d, &f, 5, &o);
	nr_decoder_free(d);
}

/* A regression of the fuzzer: the header of a fragment has options that were cut. */
static void test_defrag_header_cut_in_options(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p = malloc(22);

	(void)state;
	put_hex(&f, "4f00 0064 0001 2000 4011 0000 0a000001 0a000002 0101");
	memcpy(p, f.b, 22);
	nr_decode(d,
		  &(struct nr_packet){
			  .data = p, .cap_len = 22, .wire_len = 100, .link_type = 101 },
		  &o);
	assert_int_equal(o.bucket, NR_BUCKET_MALFORMED);
	assert_int_equal(o.detail, NR_ANOM_TRANSPORT_CUT);
	free(p);
	nr_decoder_free(d);
}

/* Fragments of fragments: no record may be lost between the two datagrams. */
static void test_defrag_within_a_reassembled_tunnel(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f, in[2], l4 = { .n = 0 };

	(void)state;
	put_udp(&l4, 1234, 53, 32);
	put_hex(&l4, "00000000000000000000000000000000 00000000000000000000000000000000");
	put_fragment(&in[0], 0, 16, true, l4.b);
	put_fragment(&in[1], 16, 24, false, l4.b);
	for (unsigned i = 0; i < 4; i++) { /* each half of IPIP in two, 16 bytes first */
		const struct frame *half = &in[i / 2];
		unsigned off = i % 2 ? 16 : 0, len = i % 2 ? half->n - 16 : 16;

		f.n = 0;
		put_ip4_frag(&f, 0xc0000201, 0xc0000202, 4, len, 100 + i / 2,
			     off / 8 | (i % 2 ? 0 : 0x2000));
		put(&f, half->b + off, len);
		decode(d, &f, i + 1, &o);
		assert_int_equal(o.bucket, i == 3 ? NR_BUCKET_FLOW : NR_BUCKET_HELD);
		if (i < 3)
			assert_int_equal(o.n_frags, 0);
	}
	assert_int_equal(o.n_levels, 1);
	assert_int_equal(o.level[0].dst_port, 53);
	assert_int_equal(o.n_frags, 3);
	assert_int_equal(o.frags[0].record, 1);
	assert_int_equal(o.frags[1].record, 2);
	assert_int_equal(o.frags[2].record, 3);
	f.n = 0;
	decode(d, &f, 5, &o);
	nr_decoder_free(d);
}

static void test_defrag_notes_tiny_and_excess(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	static const uint8_t l4[64];
	struct frame f = { .n = 0 };

	(void)state;
	put_ip4_frag(&f, 0x0a000001, 0x0a000002, 6, 16, 7, 0x2000);
	put(&f, l4, 16);
	decode(d, &f, 1, &o);
	assert_int_equal(o.bucket, NR_BUCKET_HELD);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_FRAGMENT_TINY);
	assert_int_equal(o.anomaly[0].level, 255);
	f.n = 0;
	put_ip4_frag(&f, 0x0a000001, 0x0a000002, 6, 16, 8, 0x1fff);
	put(&f, l4, 16);
	decode(d, &f, 2, &o);
	assert_int_equal(o.bucket, NR_BUCKET_MALFORMED);
	assert_int_equal(o.detail, NR_ANOM_FRAGMENT_EXCESS);
	/* IPv6: only the last may end off a multiple of 8 (RFC 8200, 4.5) */
	f.n = 0;
	put_ip6(&f, 1, 2, 44, 8 + 12);
	put_hex(&f, "11 00 0001 00000001");
	put(&f, l4, 12);
	decode(d, &f, 3, &o);
	assert_int_equal(o.bucket, NR_BUCKET_MALFORMED);
	f.n = 0;
	decode(d, &f, 5, &o);
	nr_decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defrag_gives_a_level),
		cmocka_unit_test(test_defrag_keeps_vlans_apart),
		cmocka_unit_test(test_defrag_inside_a_carrier),
		cmocka_unit_test(test_defrag_within_a_reassembled_tunnel),
		cmocka_unit_test(test_defrag_header_cut_in_options),
		cmocka_unit_test(test_defrag_ip6_behind_routing_header),
		cmocka_unit_test(test_defrag_notes_tiny_and_excess),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
