/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861, 2710, 3810): one row a message, echoes
 * included: who pinged whom is evidence, and a flood of them costs no more rows than one
 * of anything else. A flow without parser state, so nothing grows.
 */
#include "base/cursor.h"
#include "base/ip.h"
#include "base/text.h"
#include "flow/proto.h"
#include "icmp_parts.h"
#include "record/define.h"

/* clang-format off */
static const char *const values_side[] = { "src", "dst", NULL };

#define FIELDS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, side, TEXT, NR_NN, NULL, NULL, values_side, "which side of the flow sent it") \
	X(T, icmp_type, INT, NR_NN, NULL, NULL, NULL, "type of the message") \
	X(T, icmp_code, INT, NR_NN, NULL, NULL, NULL, "code, which narrows the type down") \
	X(T, meaning, TEXT, 0, NULL, NULL, NULL, "type and code in words") \
	X(T, quoted_flow_id, INT, 0, "flow(flow_id)", NULL, NULL, "the flow whose packet an error quotes, where that is open") \
	X(T, quoted_proto, TEXT, 0, NULL, NULL, NULL, "protocol of the packet that an error quotes, as in flow") \
	X(T, quoted_src_ip, TEXT, 0, NULL, NULL, NULL, "who had sent that packet") \
	X(T, quoted_src_port, INT, 0, NULL, NULL, NULL, "its port; of ICMP the type") \
	X(T, quoted_dst_ip, TEXT, 0, NULL, NULL, NULL, "whom that packet was for") \
	X(T, quoted_dst_port, INT, 0, NULL, NULL, NULL, "its port; of ICMP the type of the answer") \
	X(T, mtu, INT, 0, NULL, "bytes", NULL, "largest packet that fits: where fragmentation is needed, a packet too big, or a router says so") \
	X(T, identifier, INT, 0, NULL, NULL, NULL, "identifier of an echo or of another request with its answer") \
	X(T, sequence, INT, 0, NULL, NULL, NULL, "its sequence number") \
	X(T, target_ip, TEXT, 0, NULL, NULL, NULL, "address that the message is about: the neighbour, the better gateway, the multicast group") \
	X(T, link_address, TEXT, 0, NULL, NULL, NULL, "link-layer address that neighbour discovery gives for it or for the sender") \
	X(T, router_lifetime_s, INT, 0, NULL, "s", NULL, "how long a router says it may be used; 0 no longer") \
	X(T, prefixes, JSON, 0, NULL, NULL, NULL, "list of the prefixes that a router announces") \
	X(T, groups, JSON, 0, NULL, NULL, NULL, "list of the multicast groups of a listener report, version 2") \
	X(T, payload_bytes, INT, 0, NULL, "bytes", NULL, "bytes behind the first 8 of the message, on the wire") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if the capture has cut the message short, or it ends too early")
/* clang-format on */

NR_TABLE_DECLARE(ICMP, icmp, FIELDS);
NR_TABLE_DEFINE(ICMP, icmp, NR_R_SESSION, NULL, "ICMP and ICMPv6 messages", FIELDS);

enum { HEADER = 8 };

enum option {
	SOURCE_LINK = 1,
	TARGET_LINK = 2,
	PREFIX = 3,
	REDIRECTED = 4,
	MTU = 5,
};

static enum nr_probe_result icmp_probe(const struct nr_probe *in)
{
	return NR_PROBE_YES;
}

static void put_quoted(struct nr_parse *p, struct nr_record *r, unsigned version,
		       struct nr_cursor c)
{
	struct nr_icmp_quoted q;

	if (!nr_icmp_read_quoted(&q, version, c.p, nr_left(&c)))
		return;
	nr_set_str(r, NR_ICMP_quoted_proto, nr_proto_name(q.tuple.proto));
	nr_parse_ip(p, r, NR_ICMP_quoted_src_ip, version, q.tuple.src_ip);
	nr_parse_ip(p, r, NR_ICMP_quoted_dst_ip, version, q.tuple.dst_ip);
	if (q.has_ports) {
		nr_set_int(r, NR_ICMP_quoted_src_port, q.tuple.src_port);
		nr_set_int(r, NR_ICMP_quoted_dst_port, q.tuple.dst_port);
	}
	if (q.is_flow)
		nr_parse_link_quoted(p, r, NR_ICMP_quoted_flow_id, &q.tuple);
}

static void put_echo(struct nr_record *r, const uint8_t *rest)
{
	nr_set_int(r, NR_ICMP_identifier, nr_be16(rest));
	nr_set_int(r, NR_ICMP_sequence, nr_be16(rest + 2));
}

/* All bytes that the option has: 6 for Ethernet; others are padded. */
static void put_link(struct nr_parse *p, struct nr_record *r, struct nr_cursor c)
{
	if (nr_left(&c))
		nr_parse_hex(p, r, NR_ICMP_link_address, c.p, nr_left(&c), ':');
}

static void add_prefix(struct nr_buf *b, const struct nr_cursor *c)
{
	char text[NR_IP_TEXT];

	if (nr_left(c) < 30)
		return;
	nr_ip_format(text, 6, c->p + 14);
	nr_buf_printf(b, "%s\"%s/%u\"", b->len ? "," : "[", text, c->p[0]);
}

/* One option behind its type and length. */
static void put_option(struct nr_parse *p, struct nr_record *r, unsigned type,
		       struct nr_cursor c, struct nr_buf *prefixes)
{
	switch (type) {
	case SOURCE_LINK:
	case TARGET_LINK:
		put_link(p, r, c);
		break;
	case PREFIX:
		add_prefix(prefixes, &c);
		break;
	case REDIRECTED:
		nr_get(&c, 6);
		put_quoted(p, r, 6, c);
		break;
	case MTU:
		if (nr_left(&c) >= 6)
			nr_set_int(r, NR_ICMP_mtu, nr_be32(c.p + 2));
		break;
	default:
		break;
	}
}

/* Options of neighbour discovery (RFC 4861, 4.6): false where one is impossible. */
static bool put_options(struct nr_parse *p, struct nr_record *r, struct nr_cursor c)
{
	struct nr_buf prefixes = { 0 };
	bool fine = true;

	while (nr_left(&c)) {
		uint8_t type = nr_get_u8(&c), units = nr_get_u8(&c);
		struct nr_cursor one = nr_sub(&c, units ? (size_t)units * 8 - 2 : 0);

		if (c.bad || !units) {
			fine = false;
			break;
		}
		put_option(p, r, type, one, &prefixes);
	}
	if (prefixes.len) {
		nr_buf_char(&prefixes, ']');
		nr_parse_text(p, r, NR_ICMP_prefixes, prefixes.p, prefixes.len);
	}
	nr_buf_fini(&prefixes);
	return fine;
}

/* Behind the first 8 bytes of neighbour discovery: `fixed` bytes, then options. */
static bool put_neighbour(struct nr_parse *p, struct nr_record *r, struct nr_cursor c,
			  size_t fixed, bool has_target)
{
	const uint8_t *d = nr_get(&c, fixed);

	if (!d)
		return false;
	if (has_target)
		nr_parse_ip(p, r, NR_ICMP_target_ip, 6, d);
	return put_options(p, r, c);
}

/* Groups of a report (RFC 3810, 5.2): type, words behind, sources, address, sources. */
static bool put_groups(struct nr_parse *p, struct nr_record *r, unsigned n,
		       struct nr_cursor c)
{
	struct nr_buf b = { 0 };
	unsigned i;

	for (i = 0; i < n; i++) {
		const uint8_t *d = nr_get(&c, 20);
		char text[NR_IP_TEXT];

		if (!d)
			break;
		nr_ip_format(text, 6, d + 4);
		nr_buf_printf(&b, "%s\"%s\"", i ? "," : "[", text);
		nr_get(&c, (size_t)nr_be16(d + 2) * 16 + (size_t)d[1] * 4);
	}
	nr_buf_str(&b, i ? "]" : "[]");
	nr_parse_text(p, r, NR_ICMP_groups, b.p, b.len);
	nr_buf_fini(&b);
	return i == n && !c.bad;
}

/* head: 8 bytes; c: what follows. False where the message ends too early. */
static bool put_v4(struct nr_parse *p, struct nr_record *r, const uint8_t *head,
		   struct nr_cursor c)
{
	switch (head[0]) {
	case 3: /* unreachable; next-hop MTU, 0 of routers before RFC 1191 */
		if (head[1] == 4 && nr_be16(head + 6))
			nr_set_int(r, NR_ICMP_mtu, nr_be16(head + 6));
		put_quoted(p, r, 4, c);
		return nr_left(&c) >= 20;
	case 5: /* redirect */
		nr_parse_ip(p, r, NR_ICMP_target_ip, 4, head + 4);
		put_quoted(p, r, 4, c);
		return nr_left(&c) >= 20;
	case 4:
	case 11:
	case 12:
		put_quoted(p, r, 4, c);
		return nr_left(&c) >= 20;
	case 9: /* router advertisement (RFC 1256) */
		nr_set_int(r, NR_ICMP_router_lifetime_s, nr_be16(head + 6));
		if (nr_left(&c) >= 4)
			nr_parse_ip(p, r, NR_ICMP_target_ip, 4, c.p);
		return true;
	case 0:
	case 8:
	case 13:
	case 14:
	case 15:
	case 16:
	case 17:
	case 18:
		put_echo(r, head + 4);
		return true;
	default:
		return true;
	}
}

static bool put_v6(struct nr_parse *p, struct nr_record *r, const uint8_t *head,
		   struct nr_cursor c)
{
	switch (head[0]) {
	case 2: /* packet too big */
		nr_set_int(r, NR_ICMP_mtu, nr_be32(head + 4));
		put_quoted(p, r, 6, c);
		return nr_left(&c) >= 40;
	case 1:
	case 3:
	case 4:
		put_quoted(p, r, 6, c);
		return nr_left(&c) >= 40;
	case 128:
	case 129:
		put_echo(r, head + 4);
		return true;
	case 130: /* multicast listeners (RFC 2710); a query of version 2 goes on */
	case 131:
	case 132:
		if (nr_left(&c) < 16)
			return false;
		nr_parse_ip(p, r, NR_ICMP_target_ip, 6, c.p);
		return true;
	case 133:
		return put_neighbour(p, r, c, 0, false);
	case 134: /* router advertisement: reachable time, retransmission timer */
		nr_set_int(r, NR_ICMP_router_lifetime_s, nr_be16(head + 6));
		return put_neighbour(p, r, c, 8, false);
	case 135:
	case 136:
		return put_neighbour(p, r, c, 16, true);
	case 137: /* redirect: target and destination */
		return put_neighbour(p, r, c, 32, true);
	case 143:
		return put_groups(p, r, nr_be16(head + 6), c);
	default:
		return true;
	}
}

static enum nr_verdict icmp_datagram(struct nr_parse *p, void *ctx, unsigned side,
				     const uint8_t *data, size_t len, size_t wire_len)
{
	bool is_v6 = p->proto == 58, whole;
	struct nr_cursor c = nr_cursor(data, len);
	const uint8_t *head;
	struct nr_record *r;

	if (len < 2)
		return NR_MORE;
	r = nr_parse_record(p, &nr_rt_icmp);
	nr_set_str(r, NR_ICMP_side, values_side[side]);
	nr_set_int(r, NR_ICMP_icmp_type, data[0]);
	nr_set_int(r, NR_ICMP_icmp_code, data[1]);
	nr_set_str(r, NR_ICMP_meaning, nr_icmp_meaning(p->proto, data[0], data[1]));
	nr_set_int(r, NR_ICMP_payload_bytes,
		   wire_len > HEADER ? (int64_t)(wire_len - HEADER) : 0);
	head = nr_take(&c, HEADER);
	whole = head && (is_v6 ? put_v6(p, r, head, c) : put_v4(p, r, head, c));
	nr_set_int(r, NR_ICMP_complete, whole && len >= wire_len);
	if (!whole && len >= wire_len)
		nr_parse_anomaly(p, NR_ANOM_ICMP_MALFORMED, (int)side,
				 nr_arena_printf(p->arena, "{\"type\":%u,\"code\":%u}",
						 data[0], data[1]));
	return NR_MORE;
}

static bool icmp_quotes(unsigned proto, const uint8_t *data, size_t len,
			struct nr_tuple *out)
{
	struct nr_icmp_quoted q;

	if (!nr_icmp_find_quoted(&q, proto, data, len) || !q.is_flow)
		return false;
	*out = q.tuple;
	return true;
}

const struct nr_parser nr_parser_icmp = {
	.name = "icmp",
	.about = "ICMP and ICMPv6 (RFC 792, RFC 4443), neighbour discovery",
	.transports = NR_ON_ICMP,
	.services = (const char *const[]){ "icmp", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_icmp, NULL },
	.probe = icmp_probe,
	.datagram = icmp_datagram,
	.quotes = icmp_quotes,
};
