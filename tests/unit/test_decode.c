/* SPDX-License-Identifier: BSD-3-Clause */
/* Link types, network and transport headers; encapsulations are in test_tunnel. */
#include "frames.h"

struct link_case {
	const char *name;
	uint16_t link_type;
	const char *header;
	bool v6;
	uint8_t tail; /* bytes behind the packet that must be ignored */
};

static const struct link_case links[] = {
	{ "ethernet", 1, "020000000002 020000000001 0800", false, 0 },
	{ "ethernet, padded", 1, "020000000002 020000000001 0800", false, 16 },
	{ "ethernet, IPv6", 1, "020000000002 020000000001 86dd", true, 0 },
	{ "vlan", 1, "020000000002 020000000001 8100 e00a 0800", false, 0 },
	{ "qinq", 1, "020000000002 020000000001 88a8 0064 8100 000a 0800", false, 0 },
	{ "old qinq", 1, "020000000002 020000000001 9100 0064 9200 000a 86dd", true, 0 },
	{ "fabricpath", 1,
	  "020000000004 020000000003 8903 0040 020000000002 020000000001 0800", false,
	  0 },
	{ "vn-tag", 1, "020000000002 020000000001 8926 00010002 0800", false, 0 },
	{ "cisco metadata", 1, "020000000002 020000000001 8909 0101 00010002 0800", false,
	  0 },
	{ "cisco metadata, two options", 1,
	  "020000000002 020000000001 8909 0102 00010002 00020003 0800", false, 0 },
	{ "snap in 802.3", 1, "020000000002 020000000001 0034 aaaa03 000000 0800", false,
	  4 },
	{ "802.1ah", 1,
	  "020000000002 020000000001 88a8 0001 88e7 00000001 020000000004 020000000003 "
	  "0800",
	  false, 0 },
	{ "mpls", 1, "020000000002 020000000001 8847 0001013f", false, 0 },
	{ "pseudo-wire", 1,
	  "020000000002 020000000001 8847 0001013f 001b21aabbcc 020000000003 0800", false,
	  0 },
	{ "pseudo-wire, VLAN", 1,
	  "020000000002 020000000001 8847 0001013f 001b21aabbcc 020000000003 8100 004d "
	  "0800",
	  false, 0 },
	{ "pseudo-wire, control word", 1,
	  "020000000002 020000000001 8847 0001013f 00001234 001b21aabbcc 020000000003 "
	  "86dd",
	  true, 0 },
	{ "pppoe", 1, "020000000002 020000000001 8864 1100 0001 002e 0021", false, 6 },
	{ "raw 12", 12, "", false, 0 },
	{ "raw 14", 14, "", true, 0 },
	{ "raw 101", 101, "", true, 0 },
	{ "ipv4", 228, "", false, 0 },
	{ "ipv6", 229, "", true, 0 },
	{ "null, little", 0, "02000000", false, 0 },
	{ "null, big", 0, "00000002", false, 0 },
	{ "null, BSD's IPv6", 0, "1c000000", true, 0 },
	{ "null, Darwin's IPv6", 0, "0000001e", true, 0 },
	{ "null, ethertype", 0, "0f000800", false, 0 },
	{ "loop", 108, "00000018", true, 0 },
	{ "sll", 113, "0000 0001 0006 0200000000010000 0800", false, 0 },
	{ "sll2", 276, "86dd 0000 00000002 0001 04 06 0200000000010000", true, 0 },
	{ "ppp", 9, "ff03 0021", false, 0 },
	{ "ppp, no address", 9, "0057", true, 0 },
	{ "ppp, one byte", 9, "21", false, 0 },
	{ "ppp_hdlc", 50, "ff03 0057", true, 0 },
	{ "cisco under ppp_hdlc", 50, "0f00 0800", false, 0 },
	{ "ppp_ether", 51, "1100 0001 002e 0021", false, 0 },
	{ "c_hdlc", 104, "8f00 86dd", true, 0 },
	{ "frelay", 107, "1841 03 cc", false, 0 },
	{ "frelay, cisco", 107, "1841 0800", false, 0 },
	{ "frelay, snap", 107, "1841 03 00 80 000000 86dd", true, 0 },
	{ "fddi", 10, "50 020000000002 020000000001 aaaa03 000000 0800", false, 0 },
	{ "token ring", 6, "1040 020000000002 020000000001 aaaa03 000000 0800", false,
	  0 },
	{ "token ring, routed", 6,
	  "1040 020000000002 820000000001 0610 0011 0012 aaaa03 000000 0800", false, 0 },
	{ "arcnet", 7, "01 02 d4 00 0001", false, 0 },
	{ "arcnet, exception", 7, "01 02 d4 ff ffff d4 00 0001", false, 0 },
	{ "arcnet, RFC 1051", 7, "01 02 f0", false, 0 },
	{ "arcnet_linux", 129, "01 02 0000 d4 00 0001", false, 0 },
	{ "atm", 100, "aaaa03 000000 0800", false, 0 },
	{ "atm, NLPID", 100, "fefe03 8e", true, 0 },
	{ "atm, bridged", 100, "aaaa03 0080c2 0007 0000 020000000002 020000000001 0800",
	  false, 0 },
	{ "atm, routed", 100, "", false, 0 },
	{ "atm, old number", 11, "aaaa03 000000 0800", false, 0 },
	{ "ipoib", 242,
	  "0000000000000000000000000000000000000000 80000550 fe80000000000000 "
	  "0010e000664ab451 0800 0000",
	  false, 0 },
	{ "pktap", 258,
	  "6c000000 01000000 01000000 656e3000 00000000 00000000 00000000 00000000 "
	  "00000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
	  "0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
	  "0000000000000000 020000000002 020000000001 0800",
	  false, 0 },
	{ "pktap, user2", 149,
	  "6c000000 01000000 01000000 656e3000 00000000 00000000 00000000 00000000 "
	  "00000000 0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
	  "0000000000000000 0000000000000000 0000000000000000 0000000000000000 "
	  "0000000000000000 020000000002 020000000001 0800",
	  false, 0 },
	{ "sunatm", 123, "02 00 0020 aaaa03 000000 0800", false, 0 },
	{ "sunatm, lane", 123, "01 00 0020 0001 020000000002 020000000001 0800", false,
	  0 },
	{ "ppp with direction", 204, "01 ff03 0021", false, 0 },
	{ "c_hdlc with direction", 205, "00 0f00 0800", false, 0 },
	{ "frelay with direction", 206, "00 1841 03 cc", false, 0 },
	{ "slip", 8, "00 45000000000000000000000000 0000", false, 0 },
	{ "802.11, to the AP", 105,
	  "0801 0000 020000000009 020000000001 020000000002 0000 aaaa03 000000 0800",
	  false, 0 },
	{ "802.11, QoS from the AP", 105,
	  "8802 0000 020000000002 020000000009 020000000001 0000 0000 aaaa03 000000 0800",
	  false, 0 },
	{ "802.11, four addresses", 105,
	  "0803 0000 020000000008 020000000009 020000000002 0000 020000000001 aaaa03 "
	  "000000 86dd",
	  true, 0 },
	{ "802.11, A-MSDU", 105,
	  "8801 0000 020000000009 020000000001 020000000002 0000 8000 "
	  "020000000002 020000000001 0034 aaaa03 000000 0800",
	  false, 0 },
	{ "radiotap, FCS", 127,
	  "00 00 0900 02000000 10 0801 0000 020000000009 020000000001 020000000002 0000 "
	  "aaaa03 000000 0800",
	  false, 4 },
	{ "radiotap, TSFT, padded, two maps", 127,
	  "00 00 1900 03000080 00000000 00000000 0000000000000000 20 "
	  "8801 0000 020000000009 020000000001 020000000002 0000 0000 0000 "
	  "aaaa03 000000 0800",
	  false, 0 },
	{ "ppi", 192,
	  "00 00 0800 69000000 0801 0000 020000000009 020000000001 020000000002 0000 "
	  "aaaa03 000000 0800",
	  false, 0 },
	{ "nflog", 239, "02 00 0000 0800 0100 08000000 3000 0900", false, 0 },
	{ "nflog, big", 239, "0a 00 0000 0008 0001 08000000 0044 0009", true, 0 },
	{ "pflog", 117,
	  "3d 02 000000 000000000000000000000000 00000000000000000000000000000000"
	  "000000000000000000000000 00000000000000000000000000000000 000000",
	  false, 0 },
};

static void build_link(struct frame *f, const struct link_case *c)
{
	f->n = 0;
	put_hex(f, c->header);
	if (c->v6)
		put_tcp6_packet(f);
	else
		put_tcp4_packet(f);
	for (unsigned i = 0; i < c->tail; i++)
		put_hex(f, "ee");
}

static void check_inner_tcp(const struct nr_decoded *o, const char *name)
{
	const struct nr_level *l;

	if (o->bucket != NR_BUCKET_FLOW || !o->n_levels)
		fail_msg("%s: bucket %u, detail %x", name, o->bucket, o->detail);
	l = &o->level[o->n_levels - 1];
	if (l->proto != 6 || l->src_port != 1234 || l->dst_port != 80)
		fail_msg("%s: proto %u ports %u %u", name, l->proto, l->src_port,
			 l->dst_port);
	assert_int_equal(l->l4_len, 24);
	assert_int_equal(l->payload_len, 4);
	assert_int_equal(l->payload_cap, 4);
	assert_memory_equal(l->payload, "abcd", 4);
	assert_int_equal(l->tcp_flags, 0x18);
	assert_int_equal(l->tcp_seq, 1);
	assert_int_equal(l->tcp_ack, 2);
	assert_int_equal(l->tcp_window, 0x2000);
	assert_int_equal(l->ip_len, l->ip_version == 4 ? 44 : 64);
	assert_int_equal(l->ttl, 64);
	assert_int_equal(l->flags, 0);
}

static void test_decode_every_link_type(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		uint8_t *p;

		build_link(&f, &links[i]);
		p = decode_cut(d, &f, f.n, links[i].link_type, 0, &o);
		check_inner_tcp(&o, links[i].name);
		assert_int_equal(o.level[0].ip_version, links[i].v6 ? 6 : 4);
		assert_int_equal(o.n_anomalies, 0);
		free(p);
	}
	nr_decoder_free(d);
}

static void test_decode_cut_at_every_length(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		build_link(&f, &links[i]);
		for (uint32_t cap = 0; cap < f.n; cap++) {
			uint32_t ip = f.n - links[i].tail - (links[i].v6 ? 64 : 44);
			uint32_t l4 = ip + (links[i].v6 ? 40 : 20);
			uint8_t *p = decode_cut(d, &f, cap, links[i].link_type, 0, &o);

			if (cap >= l4 + 4) { /* ports are there: the flow is */
				assert_int_equal(o.n_levels, 1);
				assert_int_equal(o.level[0].src_port, 1234);
				assert_int_equal(o.level[0].payload_len, 4);
				assert_int_equal(o.level[0].l4_len, 24);
			} else if (cap >= l4) {
				assert_int_equal(o.n_levels, 1);
				assert_true(o.level[0].flags & NR_L_NO_PORTS);
			} else {
				assert_int_equal(o.n_levels, 0);
			}
			free(p);
		}
	}
	nr_decoder_free(d);
}

static void test_decode_finds_macs(void **state)
{
	static const char *const names[] = { "ethernet",
					     "802.11, to the AP",
					     "802.11, QoS from the AP",
					     "802.11, four addresses",
					     "802.11, A-MSDU",
					     "fddi",
					     "token ring, routed" };
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(*names); k++) {
			uint8_t *p;

			if (strcmp(names[k], links[i].name))
				continue;
			build_link(&f, &links[i]);
			p = decode_cut(d, &f, f.n, links[i].link_type, 0, &o);
			assert_int_equal(o.level[0].mac_src[5], 1);
			assert_int_equal(o.level[0].mac_dst[5], 2);
			free(p);
		}
	nr_decoder_free(d);
}

/* One frame of hex behind an Ethernet header (without type). */
static uint8_t *decode_hex(struct nr_decoder *d, const char *hex, struct nr_decoded *o)
{
	struct frame f = { .n = 0 };

	put_hex(&f, eth_hdr);
	put_hex(&f, hex);
	return decode_cut(d, &f, f.n, 1, 0, o);
}

static void test_decode_keeps_vlan_stack(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p;

	(void)state;
	put_hex(&f, eth_hdr);
	put_hex(&f, "88a8 0064 8100 e000 8100 f00a 0800");
	put_tcp4_packet(&f);
	p = decode_cut(d, &f, f.n, 1, 0, &o);
	assert_int_equal(o.level[0].n_vlans, 2); /* id 0 is a priority */
	assert_int_equal(o.vlan[0], 100);
	assert_int_equal(o.vlan[1], 10);
	free(p);

	f.n = 0;
	put_hex(&f, eth_hdr);
	for (unsigned i = 1; i <= 9; i++) {
		put_be16(&f, 0x8100);
		put_be16(&f, i);
	}
	put_be16(&f, 0x0800);
	put_tcp4_packet(&f);
	p = decode_cut(d, &f, f.n, 1, 0, &o);
	assert_int_equal(o.level[0].n_vlans, 8);
	assert_int_equal(o.vlan[7], 8);
	assert_int_equal(o.n_anomalies, 1);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_VLAN_DEPTH);
	free(p);
	nr_decoder_free(d);
}

static void test_decode_sorts_into_buckets(void **state)
{
	static const struct {
		const char *hex;
		uint8_t bucket;
		uint32_t detail;
		const char *name;
	} cases[] = {
		{ "88cc 0000", NR_BUCKET_OTHER_L2, 0x88cc, "lldp" },
		{ "88b5 0000", NR_BUCKET_OTHER_L2, 0x88b5, "0x88b5" },
		{ "0003 424203", NR_BUCKET_OTHER_L2, 0x10042, "llc:stp" },
		{ "0008 aaaa03 00000c 2000", NR_BUCKET_OTHER_L2, 0x100aa, "llc:snap" },
		{ "8864 1100 0001 0002 c021", NR_BUCKET_OTHER_L2, 0x3c021, "ppp:lcp" },
		{ "0002 4242 0300", NR_BUCKET_MALFORMED, NR_ANOM_LINK_MALFORMED, NULL },
		{ "0800 4400001400000000400600000a0000010a000002", NR_BUCKET_MALFORMED,
		  NR_ANOM_IP_MALFORMED, NULL },
		{ "0800 4500001300000000400600000a0000010a000002", NR_BUCKET_MALFORMED,
		  NR_ANOM_IP_MALFORMED, NULL },
		{ "0800 6500001400000000400600000a0000010a000002", NR_BUCKET_MALFORMED,
		  NR_ANOM_IP_MALFORMED, NULL },
		/* a TCP packet in which IP leaves no room for ports */
		{ "0800 4500001600000000400600000a0000010a0000020000",
		  NR_BUCKET_MALFORMED, NR_ANOM_TCP_MALFORMED, NULL },
		{ "0806 0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
		  NR_BUCKET_ARP, 0, NULL },
		{ "0806 0001 86dd 06 10 0001 020000000001 0a000001 000000000000 0a000002",
		  NR_BUCKET_OTHER_L2, 0x0806, "arp" },
	};
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t *p = decode_hex(d, cases[i].hex, &o);

		if (o.bucket != cases[i].bucket || o.detail != cases[i].detail)
			fail_msg("%s: bucket %u detail %x", cases[i].hex, o.bucket,
				 o.detail);
		if (cases[i].name)
			assert_string_equal(nr_l2_detail_name(text, o.detail),
					    cases[i].name);
		assert_int_equal(o.has_arp, cases[i].bucket == NR_BUCKET_ARP);
		free(p);
	}
	nr_decoder_free(d);
}

static void test_decode_reads_arp(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	uint8_t *p = decode_hex(d,
				"8100 0005 0806 0001 0800 06 04 0002 020000000001 "
				"0a000001 020000000002 0a000002",
				&o);

	(void)state;
	assert_true(o.has_arp);
	assert_int_equal(o.arp.operation, 2);
	assert_int_equal(o.arp.sender_mac[5], 1);
	assert_int_equal(o.arp.sender_ip[3], 1);
	assert_int_equal(o.arp.target_mac[5], 2);
	assert_int_equal(o.arp.target_ip[3], 2);
	free(p);
	nr_decoder_free(d);
}

static void test_decode_names_unsupported_link_type(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 10 };
	uint8_t *p = decode_cut(d, &f, 10, 147, 0, &o);

	(void)state;
	assert_int_equal(o.bucket, NR_BUCKET_UNSUPPORTED_LINKTYPE);
	assert_int_equal(o.detail, 147);
	assert_string_equal(nr_link_type_name(147), "USER0");
	assert_string_equal(nr_link_type_name(276), "LINUX_SLL2");
	assert_null(nr_link_type_name(65000));
	free(p);
	nr_decoder_free(d);
}

/* What IP says of lengths against what the frame has. */
static void test_decode_trusts_ip_length(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p;

	(void)state;
	/* larger than the wire */
	put_hex(&f, eth_hdr);
	put_hex(&f, "0800");
	put_tcp4_packet(&f);
	f.b[14 + 2] = 0x05; /* 1324 */
	p = decode_cut(d, &f, f.n, 1, 0, &o);
	assert_int_equal(o.level[0].ip_len, 0x052c);
	assert_int_equal(o.level[0].payload_len, 0x052c - 40);
	assert_int_equal(o.level[0].payload_cap, 4);
	assert_true(o.level[0].flags & NR_L_CUT);
	assert_true(o.level[0].flags & NR_L_IP_CSUM_BAD);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_IP_LENGTH);
	assert_int_equal(o.anomaly[1].kind, NR_ANOM_IP_BAD_CHECKSUM);
	free(p);
	/* zero: cut by the NIC later */
	f.b[14 + 2] = f.b[14 + 3] = 0;
	p = decode_cut(d, &f, f.n, 1, NR_PKT_TSO, &o);
	assert_int_equal(o.level[0].ip_len, 44);
	assert_int_equal(o.level[0].payload_len, 4);
	assert_int_equal(o.level[0].flags, NR_L_CSUM_SKIP);
	assert_int_equal(o.n_anomalies, 0);
	free(p);
	nr_decoder_free(d);
}

/* Some files say a wire length below the captured one: the bytes are there. */
static void test_decode_believes_captured_bytes(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };

	(void)state;
	put_tcp4_packet(&f);
	nr_decode(d,
		  &(struct nr_packet){
			  .data = f.b, .cap_len = f.n, .wire_len = 10, .link_type = 228 },
		  &o);
	check_inner_tcp(&o, "captured more than the wire had");
	assert_int_equal(o.n_anomalies, 0);
	nr_decoder_free(d);
}

static void test_decode_says_which_checksums_not_to_judge(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };

	(void)state;
	put_tcp4_packet(&f);
	free(decode_cut(d, &f, f.n, 228, 0, &o));
	assert_int_equal(o.level[0].flags, 0);
	free(decode_cut(d, &f, f.n, 228, NR_PKT_CSUM_NOT_READY, &o));
	assert_int_equal(o.level[0].flags, NR_L_CSUM_SKIP);
	free(decode_cut(d, &f, f.n - 1, 228, 0, &o));
	assert_int_equal(o.level[0].flags, NR_L_CSUM_SKIP | NR_L_CUT);
	free(decode_cut(d, &f, 30, 228, 0, &o));
	assert_int_equal(o.level[0].flags, NR_L_CSUM_SKIP | NR_L_CUT | NR_L_NO_SEQ);
	assert_int_equal(o.level[0].tcp_flags, 0);
	f.n = 0;
	put_ip4(&f, 0x0a000001, 0x0a000002, 17, 9);
	put_hex(&f, "04d2 0050 0009 0000 61");
	free(decode_cut(d, &f, f.n, 228, 0, &o));
	assert_int_equal(o.level[0].flags, NR_L_CSUM_SKIP);
	nr_decoder_free(d);
}

static void test_decode_flags_bad_transport_headers(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p;

	(void)state;
	put_tcp4_packet(&f);
	f.b[32] = 0x40; /* data offset 16 */
	p = decode_cut(d, &f, f.n, 101, 0, &o);
	assert_true(o.level[0].flags & NR_L_BAD_HDR);
	assert_int_equal(o.level[0].payload_len, 0);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_TCP_MALFORMED);
	free(p);
	f.b[32] = 0xf0; /* 60 bytes of 24 */
	p = decode_cut(d, &f, f.n, 101, 0, &o);
	assert_true(o.level[0].flags & NR_L_BAD_HDR);
	free(p);

	f.n = 0;
	put_ip4(&f, 0x0a000001, 0x0a000002, 17, 12);
	put_hex(&f, "04d2 0050 0007 0000 61626364");
	p = decode_cut(d, &f, f.n, 101, 0, &o);
	assert_true(o.level[0].flags & NR_L_BAD_HDR);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_UDP_MALFORMED);
	free(p);
	f.b[25] = 10; /* UDP smaller than IP: its own length counts */
	p = decode_cut(d, &f, f.n, 101, 0, &o);
	assert_int_equal(o.level[0].payload_len, 2);
	assert_int_equal(o.level[0].payload_cap, 2);
	assert_int_equal(o.n_anomalies, 0);
	free(p);
	nr_decoder_free(d);
}

static void test_decode_notes_land(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p;

	(void)state;
	put_ip4(&f, 0x0a000001, 0x0a000001, 6, 20);
	put_hex(&f, "0050 0050 00000001 00000002 5002 2000 0000 0000");
	p = decode_cut(d, &f, f.n, 101, 0, &o);
	assert_int_equal(o.n_anomalies, 1);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_LAND);
	assert_int_equal(o.anomaly[0].level, 0);
	free(p);
	nr_decoder_free(d);
}

struct v6_case {
	const char *name;
	unsigned next;
	const char *chain; /* extension headers in front of TCP */
	uint8_t dst;       /* last byte of the destination address expected */
	uint8_t src;
};

static const struct v6_case chains[] = {
	{ "none", 6, "", 2, 1 },
	{ "hop by hop", 0, "06 00 0104 00000000", 2, 1 },
	{ "hop, destination, destination", 0,
	  "3c 00 0104 00000000 3c 00 0104 00000000 06 00 0104 00000000", 2, 1 },
	{ "routing 0, to go", 43,
	  "06 02 00 01 00000000 20010db8 0000000000000000 00000099", 0x99, 1 },
	{ "routing 2, done", 43,
	  "06 02 02 00 00000000 20010db8 0000000000000000 00000099", 2, 1 },
	{ "segment routing", 43,
	  "06 04 04 01 01000000 20010db8 0000000000000000 00000099"
	  "20010db8 0000000000000000 00000098",
	  0x99, 1 },
	{ "home address", 60, "06 02 0102 0000 c910 20010db8 0000000000000000 00000077",
	  2, 0x77 },
	{ "atomic fragment", 44, "06 00 0000 00000001", 2, 1 },
	{ "authentication", 51, "06 04 0000 00000001 00000001 000000000000000000000000",
	  2, 1 },
};

static void test_decode_walks_ip6_headers(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;

	(void)state;
	for (size_t i = 0; i < sizeof(chains) / sizeof(*chains); i++) {
		struct frame f = { .n = 0 }, ext = { .n = 0 };
		uint32_t full;
		uint8_t *p;

		put_hex(&ext, chains[i].chain);
		put_ip6(&f, 1, 2, chains[i].next, ext.n + 24);
		put(&f, ext.b, ext.n);
		put_hex(&f, "04d2 0050 00000001 00000002 5018 2000 0000 0000 61626364");
		p = decode_cut(d, &f, f.n, 101, 0, &o);
		if (!o.n_levels || o.level[0].dst_port != 80)
			fail_msg("%s", chains[i].name);
		assert_int_equal(o.level[0].dst[15], chains[i].dst);
		assert_int_equal(o.level[0].src[15], chains[i].src);
		assert_int_equal(o.level[0].ip_len, f.n);
		assert_int_equal(o.level[0].l4_len, 24);
		free(p);
		for (full = f.n; full-- > 0;)
			free(decode_cut(d, &f, full, 101, 0, &o));
	}
	nr_decoder_free(d);
}

static void test_decode_refuses_endless_ip6_chain(void **state)
{
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p;

	(void)state;
	put_ip6(&f, 1, 2, 60, 17 * 8);
	for (unsigned i = 0; i < 17; i++)
		put_hex(&f, "3c 00 0104 00000000");
	p = decode_cut(d, &f, f.n, 101, 0, &o);
	assert_int_equal(o.bucket, NR_BUCKET_MALFORMED);
	assert_int_equal(o.detail, NR_ANOM_IP6_EXT_CHAIN);
	free(p);
	nr_decoder_free(d);
}

static void test_decode_other_protocols(void **state)
{
	static const struct {
		unsigned proto;
		const char *l4;
		uint16_t src_port, dst_port;
		uint32_t payload_len;
	} cases[] = {
		{ 132, "2710 2711 00000001 00000000 61", 10000, 10001, 1 },
		{ 33, "2710 2711 0300 0000 00000000 61", 10000, 10001, 1 },
		{ 136, "2710 2711 0008 0000 61", 10000, 10001, 1 },
		{ 50, "00000001 00000001 61", 0, 0, 9 },
		{ 89, "0201002c", 0, 0, 4 },
		{ 1, "0800 0000 0001 0001 61", 8, 0, 1 },
		{ 1, "0000 0000 0001 0001", 0, 8, 0 },
		{ 1, "0303 0000 00000000 45", 3, 3, 1 },
		{ 51,
		  "1104 0000 00000001 00000001 000000000000000000000000 2710 2711 0009 "
		  "0000 61",
		  10000, 10001, 1 },
	};
	struct nr_decoder *d = new_decoder();
	struct nr_decoded o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame f = { .n = 0 }, l4 = { .n = 0 };
		uint8_t *p;

		put_hex(&l4, cases[i].l4);
		put_ip4(&f, 0x0a000001, 0x0a000002, cases[i].proto, l4.n);
		put(&f, l4.b, l4.n);
		p = decode_cut(d, &f, f.n, 101, 0, &o);
		assert_int_equal(o.n_levels, 1);
		assert_int_equal(o.level[0].src_port, cases[i].src_port);
		assert_int_equal(o.level[0].dst_port, cases[i].dst_port);
		assert_int_equal(o.level[0].payload_len, cases[i].payload_len);
		assert_int_equal(o.level[0].proto,
				 cases[i].proto == 51 ? 17 : cases[i].proto);
		free(p);
		for (uint32_t cap = f.n; cap-- > 0;)
			free(decode_cut(d, &f, cap, 101, 0, &o));
	}
	nr_decoder_free(d);
}

/* The pairs as Zeek's conn.log shows them and the Community ID specification lists. */
static void test_decode_maps_icmp_ports(void **state)
{
	static const uint8_t four[][2] = {
		{ 8, 0 }, { 10, 9 }, { 13, 14 }, { 15, 16 }, { 17, 18 }
	};
	static const uint8_t six[][2] = { { 128, 129 }, { 130, 131 }, { 133, 134 },
					  { 135, 136 }, { 139, 140 }, { 144, 145 } };
	uint16_t s, t;
	bool one_way;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		nr_icmp_ports(1, four[i][0], 7, &s, &t, &one_way);
		assert_true(s == four[i][0] && t == four[i][1] && !one_way);
		nr_icmp_ports(1, four[i][1], 7, &s, &t, &one_way);
		assert_true(s == four[i][1] && t == four[i][0] && !one_way);
	}
	for (size_t i = 0; i < 6; i++) {
		nr_icmp_ports(58, six[i][0], 7, &s, &t, &one_way);
		assert_true(s == six[i][0] && t == six[i][1] && !one_way);
		nr_icmp_ports(58, six[i][1], 7, &s, &t, &one_way);
		assert_true(s == six[i][1] && t == six[i][0] && !one_way);
	}
	nr_icmp_ports(1, 3, 4, &s, &t, &one_way);
	assert_true(s == 3 && t == 4 && one_way);
	nr_icmp_ports(58, 8, 0, &s, &t, &one_way);
	assert_true(s == 8 && t == 0 && one_way);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_every_link_type),
		cmocka_unit_test(test_decode_cut_at_every_length),
		cmocka_unit_test(test_decode_finds_macs),
		cmocka_unit_test(test_decode_keeps_vlan_stack),
		cmocka_unit_test(test_decode_sorts_into_buckets),
		cmocka_unit_test(test_decode_reads_arp),
		cmocka_unit_test(test_decode_names_unsupported_link_type),
		cmocka_unit_test(test_decode_trusts_ip_length),
		cmocka_unit_test(test_decode_believes_captured_bytes),
		cmocka_unit_test(test_decode_says_which_checksums_not_to_judge),
		cmocka_unit_test(test_decode_flags_bad_transport_headers),
		cmocka_unit_test(test_decode_notes_land),
		cmocka_unit_test(test_decode_walks_ip6_headers),
		cmocka_unit_test(test_decode_refuses_endless_ip6_chain),
		cmocka_unit_test(test_decode_other_protocols),
		cmocka_unit_test(test_decode_maps_icmp_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
