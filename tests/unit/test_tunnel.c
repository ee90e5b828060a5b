/* SPDX-License-Identifier: BSD-3-Clause */
#include "frames.h"

struct tunnel_case {
	const char *name;
	bool outer6;
	unsigned proto;        /* of the outer packet */
	unsigned sport, dport; /* UDP */
	const char *header; /* between the outer IP or UDP header and the inner packet */
	bool inner6;
	enum nr_tunnel_kind kind;
	bool has_id;
	uint32_t id;
};

#define ETH "020000000004 020000000003 0800"

static const struct tunnel_case tunnels[] = {
	{ "ipip", false, 4, 0, 0, "", false, NR_TUN_IPIP, false, 0 },
	{ "6in4", false, 41, 0, 0, "", true, NR_TUN_6IN4, false, 0 },
	{ "4in6", true, 4, 0, 0, "", false, NR_TUN_4IN6, false, 0 },
	{ "6in6", true, 41, 0, 0, "", true, NR_TUN_6IN6, false, 0 },
	{ "gre", false, 47, 0, 0, "0000 0800", false, NR_TUN_GRE, false, 0 },
	{ "gre, all options", true, 47, 0, 0, "b000 86dd 12340000 0000002a 00000001",
	  true, NR_TUN_GRE, true, 42 },
	{ "gre, routing", false, 47, 0, 0,
	  "4000 0800 00000000 0800 00 04 0a000001 00000000", false, NR_TUN_GRE, false,
	  0 },
	{ "gre, ethernet", false, 47, 0, 0, "0000 6558 " ETH, false, NR_TUN_GRE, false,
	  0 },
	{ "gre, mpls", false, 47, 0, 0, "0000 8847 0001013f", false, NR_TUN_GRE, false,
	  0 },
	{ "gre, wccp 2", false, 47, 0, 0, "0000 883e 00000000", false, NR_TUN_GRE, false,
	  0 },
	{ "nvgre", false, 47, 0, 0, "2000 6558 00123456 " ETH, false, NR_TUN_NVGRE, true,
	  0x1234 },
	{ "gre, ethernet, a key of less than a VSID", false, 47, 0, 0,
	  "2000 6558 000fffff " ETH, false, NR_TUN_GRE, true, 0xfffff },
	{ "gre, ethernet, key and sequence number", false, 47, 0, 0,
	  "3000 6558 00123456 00000001 " ETH, false, NR_TUN_GRE, true, 0x123456 },
	{ "pptp", false, 47, 0, 0, "3081 880b 0030 0007 00000001 00000001 ff03 0021",
	  false, NR_TUN_PPTP, true, 7 },
	{ "erspan I", false, 47, 0, 0, "0000 88be " ETH, false, NR_TUN_ERSPAN, false, 0 },
	{ "erspan II", false, 47, 0, 0, "1000 88be 00000001 1001 0064 00000000 " ETH,
	  false, NR_TUN_ERSPAN, true, 100 },
	{ "erspan III", false, 47, 0, 0,
	  "1000 22eb 00000001 2001 0064 00000000 0000 0001 0000000000000000 " ETH, false,
	  NR_TUN_ERSPAN, true, 100 },
	{ "vxlan", false, 17, 50000, 4789, "08000000 00002a00 " ETH, false, NR_TUN_VXLAN,
	  true, 42 },
	{ "vxlan, group policy", false, 17, 50000, 4789, "88000064 00002a00 " ETH, false,
	  NR_TUN_VXLAN, true, 42 },
	{ "vxlan, reserved bits set", false, 17, 50000, 8472, "0c010203 00002aff " ETH,
	  false, NR_TUN_VXLAN, true, 42 },
	{ "vxlan-gpe", true, 17, 50000, 4790, "0c000001 00002a00", false,
	  NR_TUN_VXLAN_GPE, true, 42 },
	{ "vxlan-gpe, nsh", false, 17, 50000, 4790,
	  "0c000004 00002a00 0fc60102 00000101 00000000 00000000 00000000 00000000", true,
	  NR_TUN_VXLAN_GPE, true, 42 },
	{ "geneve", false, 17, 50000, 6081, "02006558 00002a00 0102 80 01 00000000 " ETH,
	  false, NR_TUN_GENEVE, true, 42 },
	{ "geneve, from its port", false, 17, 6081, 50000, "00006558 00002a00 " ETH,
	  false, NR_TUN_GENEVE, true, 42 },
	{ "vxlan, from its port", false, 17, 4789, 50000, "08000000 00002a00 " ETH, false,
	  NR_TUN_VXLAN, true, 42 },
	{ "gre in udp", false, 17, 50000, 4754, "0000 0800", false, NR_TUN_GRE_UDP, false,
	  0 },
	{ "gre in udp, key, ethernet", true, 17, 50000, 4754, "2000 6558 0000002a " ETH,
	  false, NR_TUN_GRE_UDP, true, 42 },
	{ "capwap, ethernet", false, 17, 50000, 5247, "00 10 02 00 0000 0000 " ETH, false,
	  NR_TUN_CAPWAP, false, 0 },
	{ "capwap, 802.11", false, 17, 5247, 50000,
	  "00 10 03 00 0000 0000 0801 0000 020000000001 020000000002 020000000003 0000 "
	  "aaaa03 000000 0800",
	  false, NR_TUN_CAPWAP, false, 0 },
	{ "capwap, swapped 802.11", false, 17, 50000, 5247,
	  "00 20 03 20 0000 0000 04bf2300 00000000 0108 0000 020000000001 020000000002 "
	  "020000000003 7650 aaaa03 000000 0800",
	  false, NR_TUN_CAPWAP, false, 0 },
	{ "gtpu", false, 17, 2152, 2152, "30ff 002c 00000007", false, NR_TUN_GTPU, true,
	  7 },
	{ "gtpu, extension", false, 17, 2152, 2152,
	  "34ff 0048 00000007 0000 00 85 01 1000 00", true, NR_TUN_GTPU, true, 7 },
	{ "teredo", false, 17, 3544, 50000, "", true, NR_TUN_TEREDO, false, 0 },
	{ "teredo, indications", false, 17, 50000, 3544,
	  "0001 0000 0000000000000000 00 0000 1234 0a000001", true, NR_TUN_TEREDO, false,
	  0 },
	{ "l2tp", false, 17, 1701, 1701, "4002 0038 0001 0002 ff03 0021", false,
	  NR_TUN_L2TP, true, 0x10002 },
	{ "l2tp, sequence and offset", false, 17, 50000, 1701,
	  "0a02 0001 0002 0000 0000 0002 0000 0021", false, NR_TUN_L2TP, true, 0x10002 },
};

enum { N_TUNNELS = sizeof(tunnels) / sizeof(*tunnels) };

static void put_outer(struct frame *f, const struct tunnel_case *c,
		      const struct frame *in)
{
	uint32_t n = in->n + (c->proto == 17 ? 8 : 0);

	if (c->outer6)
		put_ip6(f, 0x101, 0x102, c->proto, n);
	else
		put_ip4(f, 0xc0000201, 0xc0000202, c->proto, n);
	if (c->proto == 17)
		put_udp(f, c->sport, c->dport, in->n);
	put(f, in->b, in->n);
}

static void build(struct frame *f, const struct tunnel_case *c)
{
	struct frame in = { .n = 0 };

	put_hex(&in, c->header);
	if (c->inner6)
		put_tcp6_packet(&in);
	else
		put_tcp4_packet(&in);
	if (!strcmp(c->name, "l2tp")) /* its length counts the header too */
		in.b[3] = (uint8_t)in.n;
	put_outer(f, c, &in);
}

static uint8_t *decode(struct nr_decoder *d, const struct frame *f, uint32_t cap,
		       struct nr_decoded *o)
{
	uint8_t *p = malloc(cap ? cap : 1);

	memcpy(p, f->b, cap);
	nr_decode(d,
		  &(struct nr_packet){
			  .data = p, .cap_len = cap, .wire_len = f->n, .link_type = 101 },
		  o);
	check_bounds(o, p, cap);
	return p;
}

static void test_tunnel_every_kind(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;

	(void)state;
	for (size_t i = 0; i < N_TUNNELS; i++) {
		const struct tunnel_case *c = &tunnels[i];
		struct frame f = { .n = 0 };
		const struct nr_level *l;
		uint8_t *p;

		build(&f, c);
		p = decode(d, &f, f.n, &o);
		if (o.bucket != NR_BUCKET_FLOW || o.n_tunnels != 1 ||
		    o.n_levels != (c->proto == 17 ? 2 : 1))
			fail_msg("%s: bucket %u, %u levels, %u tunnels", c->name,
				 o.bucket, o.n_levels, o.n_tunnels);
		l = &o.level[o.n_levels - 1];
		if (l->dst_port != 80)
			fail_msg("%s: port %u", c->name, l->dst_port);
		assert_int_equal(l->nesting, 1);
		assert_memory_equal(l->payload, "abcd", 4);
		assert_int_equal(l->payload_len, 4);
		assert_int_equal(o.tunnel[0].kind, c->kind);
		assert_int_equal(o.tunnel[0].has_id, c->has_id);
		assert_int_equal(o.tunnel[0].ip_version, c->outer6 ? 6 : 4);
		if (c->has_id)
			assert_int_equal(o.tunnel[0].id, c->id);
		assert_int_equal(o.tunnel[0].src[c->outer6 ? 15 : 3], 1);
		assert_int_equal(nr_tunnel_has_carrier(c->kind), c->proto == 17);
		if (c->proto == 17) {
			assert_int_equal(o.level[0].carries, c->kind + 1);
			assert_int_equal(o.level[0].dst_port, c->dport);
			assert_int_equal(o.level[0].nesting, 0);
		}
		assert_int_equal(l->carries, 0);
		assert_int_equal(o.n_anomalies, 0);
		free(p);
	}
	nr_decoder_free(d);
}

/* Whatever the snap length hides: the carrier is a flow, or the outer packet is. */
static void test_tunnel_cut_at_every_length(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;

	(void)state;
	for (size_t i = 0; i < N_TUNNELS; i++) {
		const struct tunnel_case *c = &tunnels[i];
		struct frame f = { .n = 0 };
		uint32_t l4 = c->outer6 ? 40 : 20;

		build(&f, c);
		for (uint32_t cap = 0; cap < f.n; cap++) {
			uint8_t *p = decode(d, &f, cap, &o);

			assert_int_equal(o.n_levels > 0, cap >= l4);
			if (cap >= f.n - 24 + 4) /* the inner ports */
				assert_int_equal(o.level[o.n_levels - 1].dst_port, 80);
			free(p);
		}
	}
	nr_decoder_free(d);
}

/* A damaged header is no tunnel: the outer packet is a plain flow. */
static void test_tunnel_checks_headers_strictly(void **state)
{
	static const struct tunnel_case bad[] = {
		{ "vxlan without I", false, 17, 50000, 4789, "00000000 00002a00 " ETH },
		{ "vxlan to another port", false, 17, 50000, 4788,
		  "08000000 00002a00 " ETH },
		{ "vxlan, reserved, no frame", false, 17, 50000, 4789,
		  "0c010203 00002aff" },
		{ "vxlan-gpe version", false, 17, 50000, 4790, "3c000001 00002a00" },
		{ "geneve version", false, 17, 50000, 6081, "c2006558 00002a00 " ETH },
		{ "geneve, option overrun", false, 17, 50000, 6081,
		  "01006558 00002a00 0102 80 02 " ETH },
		{ "gtpu version", false, 17, 2152, 2152, "10ff 002c 00000007" },
		{ "gtpu echo", false, 17, 2152, 2152, "3201 002c 00000007" },
		{ "gtpu length", false, 17, 2152, 2152, "30ff 042c 00000007" },
		{ "gtpu, extension of no length", false, 17, 2152, 2152,
		  "34ff 0038 00000007 0000 00 85 00 1000 00" },
		{ "teredo length", false, 17, 3544, 50000, "00" },
		{ "l2tp control", false, 17, 1701, 1701,
		  "c802 0038 0001 0002 ff03 0021" },
		{ "l2tp version", false, 17, 1701, 1701,
		  "4003 0038 0001 0002 ff03 0021" },
		{ "gre version", false, 47, 0, 0, "0002 0800" },
		{ "gre reserved", false, 47, 0, 0, "0080 0800" },
		{ "gre protocol", false, 47, 0, 0, "0000 0101" },
		{ "erspan version", false, 47, 0, 0,
		  "1000 88be 00000001 7001 0064 00000000 " ETH },
		{ "ipip version", false, 4, 0, 0, "00" },
	};
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct frame f = { .n = 0 };
		uint8_t *p;

		build(&f, &bad[i]);
		p = decode(d, &f, f.n, &o);
		if (o.n_levels != 1 || o.n_tunnels || o.level[0].carries)
			fail_msg("%s: %u levels, %u tunnels", bad[i].name, o.n_levels,
				 o.n_tunnels);
		assert_int_equal(o.level[0].proto, bad[i].proto);
		assert_int_equal(o.bucket, NR_BUCKET_FLOW);
		free(p);
	}
	nr_decoder_free(d);
}

static void test_tunnel_without_flow_belongs_to_carrier(void **state)
{
	static const char arp[] =
		"0806 0001 0800 06 04 0001 020000000003 0a000001 000000000000 0a000002";
	struct tunnel_case c = { "", false, 17, 50000, 4789, "" };
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame in = { .n = 0 }, f = { .n = 0 };
	uint8_t *p;

	(void)state;
	/* ARP: the tunnel is one, the carrier has the packet */
	put_hex(&in, "08000000 00002a00 ffffffffffff 020000000003");
	put_hex(&in, arp);
	put_outer(&f, &c, &in);
	p = decode(d, &f, f.n, &o);
	assert_int_equal(o.bucket, NR_BUCKET_FLOW);
	assert_int_equal(o.n_levels, 1);
	assert_int_equal(o.level[0].carries, NR_TUN_VXLAN + 1);
	assert_true(o.has_arp);
	assert_int_equal(o.arp.sender_ip[3], 1);
	free(p);
	/* rubbish: no tunnel after all */
	in.n = f.n = 0;
	put_hex(&in, "08000000 00002a00 ffffffffffff 020000000003 0800 0000000000000000");
	put_outer(&f, &c, &in);
	p = decode(d, &f, f.n, &o);
	assert_int_equal(o.n_levels, 1);
	assert_int_equal(o.n_tunnels, 0);
	assert_int_equal(o.level[0].carries, 0);
	assert_int_equal(o.n_anomalies, 1);
	assert_int_equal(o.anomaly[0].kind, NR_ANOM_TUNNEL_MALFORMED);
	assert_int_equal(o.anomaly[0].level, 0);
	free(p);
	/* GRE around rubbish: the outer packet is the flow */
	in.n = f.n = 0;
	c.proto = 47;
	put_hex(&in, "0000 0800 0000000000000000");
	put_outer(&f, &c, &in);
	p = decode(d, &f, f.n, &o);
	assert_int_equal(o.bucket, NR_BUCKET_FLOW);
	assert_int_equal(o.n_levels, 1);
	assert_int_equal(o.n_tunnels, 0);
	assert_int_equal(o.level[0].proto, 47);
	assert_int_equal(o.level[0].nesting, 0);
	free(p);
	nr_decoder_free(d);
}

/* A Teredo bubble has nothing inside; between clients no port is 3544. */
static void test_tunnel_teredo_peers(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f = { .n = 0 };
	uint8_t *p;

	(void)state;
	put_ip4(&f, 0xc0000201, 0xc0000202, 17, 8 + 40);
	put_udp(&f, 50000, 50001, 40);
	put_hex(&f, "60000000 0000 3b 40 20010000 000000000000000000000001"
		    "20010000 000000000000000000000002");
	p = decode(d, &f, f.n, &o);
	assert_int_equal(o.bucket, NR_BUCKET_FLOW);
	assert_int_equal(o.n_levels, 1);
	assert_int_equal(o.level[0].carries, NR_TUN_TEREDO + 1);
	free(p);
	f.b[28 + 8] = f.b[28 + 24] = 0x30; /* other prefixes: chance */
	p = decode(d, &f, f.n, &o);
	assert_int_equal(o.level[0].carries, 0);
	free(p);
	nr_decoder_free(d);
}

static void test_tunnel_depth_is_bounded(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;

	(void)state;
	for (unsigned depth = 0; depth < 40; depth++) {
		struct frame f = { .n = 0 };
		uint8_t *p;

		for (unsigned i = 0; i < depth; i++)
			put_ip4(&f, 0x0a000100 + i, 0x0a000200 + i, 4,
				(depth - i - 1) * 20 + 44);
		put_tcp4_packet(&f);
		p = decode(d, &f, f.n, &o);
		assert_int_equal(o.bucket, NR_BUCKET_FLOW);
		assert_int_equal(o.n_levels, 1);
		assert_int_equal(o.n_tunnels, depth < 15 ? depth : 15);
		assert_int_equal(o.level[0].nesting, o.n_tunnels);
		assert_int_equal(o.level[0].proto, depth <= 15 ? 6 : 4);
		assert_int_equal(o.n_anomalies, depth > 15);
		if (depth > 15)
			assert_int_equal(o.anomaly[0].kind, NR_ANOM_TUNNEL_DEPTH);
		free(p);
	}
	nr_decoder_free(d);
}

/* Each carrier is a level, each tunnel without ports only counts. */
static void test_tunnel_levels_of_a_stack(void **state)
{
	struct nr_decoder *d = new_decoder();
	static struct nr_decoded o;
	struct frame f = { .n = 0 }, in = { .n = 0 }, mid = { .n = 0 };
	uint8_t *p;

	(void)state;
	put_hex(&in, "08000000 00002a00 020000000004 020000000003 8100 0007 0800");
	put_tcp4_packet(&in);
	put_ip4(&mid, 0x0a010001, 0x0a010002, 17, in.n + 8);
	put_udp(&mid, 50000, 4789, in.n);
	put(&mid, in.b, in.n);
	put_ip4(&f, 0xc0000201, 0xc0000202, 47, mid.n + 4);
	put_hex(&f, "0000 0800");
	put(&f, mid.b, mid.n);
	p = decode(d, &f, f.n, &o);
	assert_int_equal(o.n_levels, 2);
	assert_int_equal(o.n_tunnels, 2);
	assert_int_equal(o.tunnel[0].kind, NR_TUN_GRE);
	assert_int_equal(o.tunnel[1].kind, NR_TUN_VXLAN);
	assert_int_equal(o.level[0].nesting, 1);
	assert_int_equal(o.level[0].n_vlans, 0);
	assert_int_equal(o.level[1].nesting, 2);
	assert_int_equal(o.level[1].n_vlans, 1);
	assert_int_equal(o.vlan[o.level[1].first_vlan], 7);
	assert_int_equal(o.level[1].mac_src[5], 3);
	free(p);
	nr_decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnel_every_kind),
		cmocka_unit_test(test_tunnel_cut_at_every_length),
		cmocka_unit_test(test_tunnel_checks_headers_strictly),
		cmocka_unit_test(test_tunnel_without_flow_belongs_to_carrier),
		cmocka_unit_test(test_tunnel_teredo_peers),
		cmocka_unit_test(test_tunnel_depth_is_bounded),
		cmocka_unit_test(test_tunnel_levels_of_a_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
