/* SPDX-License-Identifier: BSD-3-Clause */
/* DHCP for IPv4, and BOOTP (RFC 2131, RFC 2132, RFC 951): one row a message. */
#include "base/cursor.h"
#include "base/ip.h"
#include "base/text.h"
#include "dhcp_options.h"
#include "record/define.h"
#include "session/parser.h"

#include <stdio.h>

/* clang-format off */
static const char *const values_operation[] = { "request", "reply", NULL };

#define FIELDS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, operation, TEXT, NR_NN, NULL, NULL, values_operation, "request: sent by a client or its relay; reply: by a server or a relay to the client") \
	X(T, trans_id, INT, 0, NULL, NULL, NULL, "transaction id, chosen by the client") \
	X(T, message_type, TEXT, 0, NULL, NULL, NULL, "discover, offer, request, decline, ack, nak, release, inform, …, else the number; NULL in BOOTP") \
	X(T, seconds, INT, 0, NULL, "s", NULL, "time since the client began, as it says") \
	X(T, broadcast, BOOL, 0, NULL, NULL, NULL, "1 if the client asks for an answer by broadcast") \
	X(T, client_ip, TEXT, 0, NULL, NULL, NULL, "address that the client has and answers on") \
	X(T, client_mac, TEXT, 0, NULL, NULL, NULL, "hardware address of the client") \
	X(T, client_id, TEXT, 0, NULL, NULL, NULL, "client identifier: an Ethernet address if it is one, else all its bytes in hexadecimal, its type first") \
	X(T, host_name, TEXT, 0, NULL, NULL, NULL, "host name, from the client or given by the server") \
	X(T, fqdn, TEXT, 0, NULL, NULL, NULL, "full domain name of the client (RFC 4702)") \
	X(T, requested_ip, TEXT, 0, NULL, NULL, NULL, "address that the client asks for") \
	X(T, assigned_ip, TEXT, 0, NULL, NULL, NULL, "address that the server gives") \
	X(T, server_id, TEXT, 0, NULL, NULL, NULL, "address by which the server names itself") \
	X(T, next_server_ip, TEXT, 0, NULL, NULL, NULL, "server to boot from") \
	X(T, relay_ip, TEXT, 0, NULL, NULL, NULL, "relay that passed the message on") \
	X(T, lease_s, INT, 0, NULL, "s", NULL, "lease time, asked for or given") \
	X(T, renewal_s, INT, 0, NULL, "s", NULL, "time until the client renews") \
	X(T, rebinding_s, INT, 0, NULL, "s", NULL, "time until the client asks any server") \
	X(T, subnet_mask, TEXT, 0, NULL, NULL, NULL, "subnet mask") \
	X(T, routers, JSON, 0, NULL, NULL, NULL, "list of routers") \
	X(T, dns_servers, JSON, 0, NULL, NULL, NULL, "list of name servers") \
	X(T, domain_name, TEXT, 0, NULL, NULL, NULL, "domain of the client") \
	X(T, vendor_class, TEXT, 0, NULL, NULL, NULL, "vendor class identifier") \
	X(T, user_class, JSON, 0, NULL, NULL, NULL, "list of user classes (RFC 3004)") \
	X(T, parameter_list, JSON, 0, NULL, NULL, NULL, "list of the option codes that the client asks for, in its order") \
	X(T, message, TEXT, 0, NULL, NULL, NULL, "words to a declined or refused request") \
	X(T, boot_server, TEXT, 0, NULL, NULL, NULL, "name of the server to boot from") \
	X(T, boot_file, TEXT, 0, NULL, NULL, NULL, "file to boot from") \
	X(T, relay_info, JSON, 0, NULL, NULL, NULL, "object of the relay's sub-options: circuit_id, remote_id, else by number (RFC 3046)") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if the capture has cut the message short, or an option its end")
/* clang-format on */

NR_TABLE_DECLARE(DHCP, dhcp, FIELDS);
NR_TABLE_DEFINE(DHCP, dhcp, NR_R_SESSION, NULL, "DHCP and BOOTP messages", FIELDS);

enum {
	FIXED = 236, /* bytes before the cookie */
	LEAST = 44,  /* up to the hardware address: what a row needs at least */
	COOKIE = 0x63825363,
	CHADDR_MAX = 16,
	ETHERNET = 1,
	FQDN_WIRE = 4, /* flag E: the name is in DNS's form */
};

static bool is_head(const uint8_t *d, size_t n)
{
	return n >= 4 && (d[0] == 1 || d[0] == 2) && d[2] <= CHADDR_MAX;
}

static enum nr_probe_result dhcp_probe(const struct nr_probe *in)
{
	const uint8_t *d = in->data[in->side];
	size_t n = in->len[in->side];

	if (!is_head(d, n))
		return NR_PROBE_NO;
	return n >= FIXED + 4 && nr_be32(d + FIXED) == COOKIE ? NR_PROBE_YES
							      : NR_PROBE_MAYBE;
}

static void put_ip(struct nr_parse *p, struct nr_record *r, unsigned field,
		   const uint8_t *ip)
{
	if (ip && nr_be32(ip))
		nr_parse_ip(p, r, field, 4, ip);
}

/* Names may be padded with NUL (RFC 2132, 2); an empty one is none. */
static void put_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		     const uint8_t *s, size_t n)
{
	while (s && n && !s[n - 1])
		n--;
	if (s && n)
		nr_parse_text(p, r, field, s, n);
}

/* A field of fixed length that ends at the first NUL. */
static void put_field(struct nr_parse *p, struct nr_record *r, unsigned field,
		      const uint8_t *s, size_t n)
{
	if (s)
		put_text(p, r, field, s, strnlen((const char *)s, n));
}

static void put_hex(struct nr_parse *p, struct nr_record *r, unsigned field,
		    const uint8_t *b, size_t n)
{
	if (n)
		nr_parse_hex(p, r, field, b, n, ':');
}

static void put_json(struct nr_parse *p, struct nr_record *r, unsigned field,
		     struct nr_buf *b)
{
	nr_parse_text(p, r, field, b->p, b->len);
	nr_buf_fini(b);
}

static void put_ip_list(struct nr_parse *p, struct nr_record *r, unsigned field,
			const struct nr_dhcp_value *v)
{
	struct nr_cursor c = nr_cursor(v->p, v->len);
	struct nr_buf b = { 0 };
	const uint8_t *ip;
	const char *sep = "[";

	if (!v->p)
		return;
	while ((ip = nr_take(&c, 4))) {
		char text[NR_IP_TEXT];

		nr_ip_format(text, 4, ip);
		nr_buf_printf(&b, "%s\"%s\"", sep, text);
		sep = ",";
	}
	nr_buf_str(&b, *sep == '[' ? "[]" : "]");
	put_json(p, r, field, &b);
}

static void put_codes(struct nr_parse *p, struct nr_record *r,
		      const struct nr_dhcp_value *v)
{
	struct nr_buf b = { 0 };

	if (!v->p)
		return;
	nr_buf_char(&b, '[');
	for (size_t i = 0; i < v->len; i++)
		nr_buf_printf(&b, "%s%u", i ? "," : "", v->p[i]);
	nr_buf_char(&b, ']');
	put_json(p, r, NR_DHCP_parameter_list, &b);
}

/* Lengths and classes (RFC 3004); what does not add up so is one class without. */
static void put_user_class(struct nr_parse *p, struct nr_record *r,
			   const struct nr_dhcp_value *v)
{
	struct nr_cursor c = nr_cursor(v->p, v->len);
	struct nr_buf b = { 0 };
	const char *sep = "[";

	if (!v->p)
		return;
	while (nr_left(&c) && !c.bad) {
		struct nr_cursor one = nr_sub(&c, nr_get_u8(&c));

		nr_buf_str(&b, sep);
		nr_buf_json(&b, (const char *)one.p, nr_left(&one));
		sep = ",";
	}
	if (c.bad) {
		nr_buf_clear(&b);
		nr_buf_char(&b, '[');
		nr_buf_json(&b, (const char *)v->p, v->len);
	}
	nr_buf_str(&b, v->len ? "]" : "[]");
	put_json(p, r, NR_DHCP_user_class, &b);
}

static void put_relay_info(struct nr_parse *p, struct nr_record *r,
			   const struct nr_dhcp_value *v)
{
	struct nr_cursor c = nr_cursor(v->p, v->len);
	uint8_t seen[32] = { 0 };
	struct nr_buf b = { 0 };
	const char *sep = "";

	if (!v->p)
		return;
	nr_buf_char(&b, '{');
	while (nr_left(&c)) {
		uint8_t code = nr_get_u8(&c);
		struct nr_cursor one = nr_sub(&c, nr_get_u8(&c));

		if (c.bad)
			break;
		if (seen[code / 8] >> code % 8 & 1) /* a key twice is no JSON */
			continue;
		seen[code / 8] |= (uint8_t)(1 << code % 8);
		if (code == 1 || code == 2)
			nr_buf_printf(&b, "%s\"%s\":", sep,
				      code == 1 ? "circuit_id" : "remote_id");
		else
			nr_buf_printf(&b, "%s\"%u\":", sep, code);
		nr_buf_json(&b, (const char *)one.p, nr_left(&one));
		sep = ",";
	}
	nr_buf_char(&b, '}');
	put_json(p, r, NR_DHCP_relay_info, &b);
}

/* Labels without compression; the last may lack its end (RFC 4702, 2.3). */
static void put_wire_name(struct nr_parse *p, struct nr_record *r, struct nr_cursor c)
{
	char *name = nr_arena_alloc(p->arena, nr_left(&c) + 1);
	size_t n = 0;

	while (nr_left(&c)) {
		uint8_t len = nr_get_u8(&c);
		const uint8_t *label = len < 64 ? nr_get(&c, len) : NULL;

		if (!label)
			return;
		if (!len)
			break;
		if (n)
			name[n++] = '.';
		memcpy(name + n, label, len);
		n += len;
	}
	if (n)
		nr_set_text(r, NR_DHCP_fqdn, name, n);
}

/* One byte of flags, two that no longer mean anything, the name. */
static void put_fqdn(struct nr_parse *p, struct nr_record *r,
		     const struct nr_dhcp_value *v)
{
	if (!v->p || v->len < 3)
		return;
	if (v->p[0] & FQDN_WIRE)
		put_wire_name(p, r, nr_cursor(v->p + 3, v->len - 3));
	else
		put_text(p, r, NR_DHCP_fqdn, v->p + 3, v->len - 3);
}

static void put_type(struct nr_parse *p, struct nr_record *r,
		     const struct nr_dhcp_value *v)
{
	static const char *const names[] = {
		NULL,
		"discover",
		"offer",
		"request",
		"decline",
		"ack",
		"nak",
		"release",
		"inform",
		"forcerenew",
		"leasequery",
		"leaseunassigned",
		"leaseunknown",
		"leaseactive",
		"bulkleasequery",
		"leasequerydone",
		"activeleasequery",
		"leasequerystatus",
		"tls",
	};
	const char *name;

	if (!v->p || v->len < 1)
		return;
	name = v->p[0] < sizeof(names) / sizeof(*names) ? names[v->p[0]] : NULL;
	nr_set_str(r, NR_DHCP_message_type,
		   name ? name : nr_arena_printf(p->arena, "%u", v->p[0]));
}

static void put_client_id(struct nr_parse *p, struct nr_record *r,
			  const struct nr_dhcp_value *v)
{
	bool is_mac = v->p && v->len == 7 && v->p[0] == ETHERNET;

	if (v->p)
		put_hex(p, r, NR_DHCP_client_id, v->p + is_mac, v->len - is_mac);
}

/* Options that are one number, one address or one text each. */
static void put_plain(struct nr_parse *p, struct nr_record *r,
		      const struct nr_dhcp_value *value)
{
	static const struct {
		uint8_t code;
		char kind; /* n number, a address, t text */
		uint8_t field;
	} plain[] = {
		{ NR_DHCP_SUBNET_MASK, 'a', NR_DHCP_subnet_mask },
		{ NR_DHCP_HOST_NAME, 't', NR_DHCP_host_name },
		{ NR_DHCP_DOMAIN_NAME, 't', NR_DHCP_domain_name },
		{ NR_DHCP_REQUESTED_IP, 'a', NR_DHCP_requested_ip },
		{ NR_DHCP_LEASE, 'n', NR_DHCP_lease_s },
		{ NR_DHCP_SERVER_ID, 'a', NR_DHCP_server_id },
		{ NR_DHCP_MESSAGE, 't', NR_DHCP_message },
		{ NR_DHCP_RENEWAL, 'n', NR_DHCP_renewal_s },
		{ NR_DHCP_REBINDING, 'n', NR_DHCP_rebinding_s },
		{ NR_DHCP_VENDOR_CLASS, 't', NR_DHCP_vendor_class },
		{ NR_DHCP_BOOT_SERVER, 't', NR_DHCP_boot_server },
		{ NR_DHCP_BOOT_FILE, 't', NR_DHCP_boot_file },
	};

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		const struct nr_dhcp_value *v = &value[plain[i].code];

		if (!v->p)
			continue;
		if (plain[i].kind == 't')
			put_text(p, r, plain[i].field, v->p, v->len);
		else if (v->len < 4)
			continue;
		else if (plain[i].kind == 'n')
			nr_set_int(r, plain[i].field, nr_be32(v->p));
		else
			nr_parse_ip(p, r, plain[i].field, 4, v->p);
	}
}

/* Returns false where an option is cut. */
static bool put_options(struct nr_parse *p, struct nr_record *r, struct nr_cursor *c,
			const uint8_t *sname, const uint8_t *file, unsigned *bad_code)
{
	struct nr_dhcp_options o;
	enum nr_dhcp_read read =
		nr_dhcp_read_options(&o, p->arena, c->p, nr_left(c), file, sname);

	if (!(o.overload & 2))
		put_field(p, r, NR_DHCP_boot_server, sname, 64);
	if (!(o.overload & 1))
		put_field(p, r, NR_DHCP_boot_file, file, 128);
	put_type(p, r, &o.value[NR_DHCP_TYPE]);
	put_plain(p, r, o.value);
	put_client_id(p, r, &o.value[NR_DHCP_CLIENT_ID]);
	put_fqdn(p, r, &o.value[NR_DHCP_FQDN]);
	put_ip_list(p, r, NR_DHCP_routers, &o.value[NR_DHCP_ROUTERS]);
	put_ip_list(p, r, NR_DHCP_dns_servers, &o.value[NR_DHCP_DNS_SERVERS]);
	put_codes(p, r, &o.value[NR_DHCP_PARAMETERS]);
	put_user_class(p, r, &o.value[NR_DHCP_USER_CLASS]);
	put_relay_info(p, r, &o.value[NR_DHCP_RELAY]);
	*bad_code = o.bad_code;
	return read == NR_DHCP_WHOLE;
}

/* The fields before sname; what the capture lacks stays NULL. */
static void put_fixed(struct nr_parse *p, struct nr_record *r, struct nr_cursor *c)
{
	const uint8_t *head = nr_get(c, 4), *chaddr;
	uint16_t flags;

	nr_set_str(r, NR_DHCP_operation, values_operation[head[0] - 1]);
	nr_set_int(r, NR_DHCP_trans_id, nr_get_be32(c));
	nr_set_int(r, NR_DHCP_seconds, nr_get_be16(c));
	flags = nr_get_be16(c);
	nr_set_int(r, NR_DHCP_broadcast, flags >> 15);
	put_ip(p, r, NR_DHCP_client_ip, nr_get(c, 4));
	put_ip(p, r, NR_DHCP_assigned_ip, nr_get(c, 4));
	put_ip(p, r, NR_DHCP_next_server_ip, nr_get(c, 4));
	put_ip(p, r, NR_DHCP_relay_ip, nr_get(c, 4));
	chaddr = nr_get(c, CHADDR_MAX);
	put_hex(p, r, NR_DHCP_client_mac, chaddr, head[2]);
}

static enum nr_verdict malformed(struct nr_parse *p, unsigned side, const char *detail)
{
	nr_parse_anomaly(p, NR_ANOM_DHCP_MALFORMED, (int)side, detail);
	return NR_MORE;
}

static enum nr_verdict dhcp_datagram(struct nr_parse *p, void *ctx, unsigned side,
				     const uint8_t *data, size_t len, size_t wire_len)
{
	struct nr_cursor c = nr_cursor(data, len);
	const uint8_t *sname, *file;
	struct nr_record *r;
	unsigned bad_code;
	bool whole = true;

	if (!is_head(data, len) || wire_len < FIXED)
		return malformed(p, side, "{\"what\":\"header\"}");
	if (len < LEAST)
		return NR_MORE;
	nr_parse_service(p, "dhcp");
	r = nr_parse_record(p, &nr_rt_dhcp);
	put_fixed(p, r, &c);
	sname = nr_get(&c, 64);
	file = nr_get(&c, 128);
	if (nr_get_be32(&c) == COOKIE && !c.bad) {
		whole = put_options(p, r, &c, sname, file, &bad_code);
		if (!whole && len >= wire_len)
			malformed(p, side,
				  nr_arena_printf(p->arena,
						  "{\"what\":\"option\",\"code\":%u}",
						  bad_code));
	} else {
		put_field(p, r, NR_DHCP_boot_server, sname, 64);
		put_field(p, r, NR_DHCP_boot_file, file, 128);
	}
	nr_set_int(r, NR_DHCP_complete, whole && len >= wire_len);
	return NR_MORE;
}

const struct nr_parser nr_parser_dhcp = {
	.name = "dhcp",
	.about = "DHCP for IPv4 and BOOTP (RFC 2131, RFC 951)",
	.transports = NR_ON_UDP,
	.ports = (const uint16_t[]){ 67, 68, 4011, 0 },
	.services = (const char *const[]){ "dhcp", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_dhcp, NULL },
	.probe = dhcp_probe,
	.datagram = dhcp_datagram,
};
