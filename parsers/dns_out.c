/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of names, strings and numbers, growing in the arena. */
#include "dns_wire.h"

#include "base/ip.h"
#include "base/text.h"

static char *room(struct nr_dns_out *o, size_t n)
{
	if (o->cap - o->len < n) {
		size_t cap = o->cap ? o->cap * 2 : 128;
		char *p;

		while (cap - o->len < n)
			cap *= 2;
		p = nr_arena_alloc(o->arena, cap);
		if (o->len)
			memcpy(p, o->p, o->len);
		o->p = p;
		o->cap = cap;
	}
	return o->p + o->len;
}

void nr_dns_out_raw(struct nr_dns_out *o, const char *p, size_t n)
{
	if (!o->arena || !n)
		return;
	memcpy(room(o, n), p, n);
	o->len += n;
}

void nr_dns_out_uint(struct nr_dns_out *o, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	nr_dns_out_raw(o, digits + at, sizeof(digits) - at);
}

void nr_dns_out_hex(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	char *to;

	if (!o->arena)
		return;
	to = room(o, 2 * n);
	for (size_t i = 0; i < n; i++) {
		*to++ = digit[p[i] >> 4];
		*to++ = digit[p[i] & 15];
	}
	o->len += 2 * n;
}

/* Groups of `bits` from n bytes, most significant first, the last one filled with 0. */
static void out_groups(struct nr_dns_out *o, const uint8_t *p, size_t n, unsigned bits,
		       const char *digit)
{
	size_t len = (8 * n + bits - 1) / bits;
	unsigned have = 0;
	uint32_t acc = 0;
	char *to;

	if (!o->arena)
		return;
	to = room(o, len);
	for (size_t i = 0; i < n; i++) {
		acc = acc << 8 | p[i];
		for (have += 8; have >= bits; have -= bits)
			*to++ = digit[acc >> (have - bits) & ((1u << bits) - 1)];
	}
	if (have)
		*to++ = digit[acc << (bits - have) & ((1u << bits) - 1)];
	o->len += len;
}

void nr_dns_out_base64(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	out_groups(o, p, n, 6,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	nr_dns_out_raw(o, "==", (3 - n % 3) % 3);
}

void nr_dns_out_base32hex(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	out_groups(o, p, n, 5, "0123456789abcdefghijklmnopqrstuv");
}

void nr_dns_out_ip(struct nr_dns_out *o, unsigned version, const uint8_t *addr)
{
	char text[NR_IP_TEXT];
	size_t n = nr_ip_format(text, version, addr);

	nr_dns_out_raw(o, text, n);
}

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* What needs care inside a JSON string: nr_buf_json() has the rule. */
static void out_json(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	struct nr_buf b = { 0 };

	nr_buf_json(&b, (const char *)p, n);
	nr_dns_out_raw(o, b.p + 1, b.len - 2);
	nr_buf_fini(&b);
}

/* Bytes that RFC 1035's text form leaves as they are. */
static void out_bytes(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	size_t plain = 0;

	while (plain < n && is_plain(p[plain]))
		plain++;
	nr_dns_out_raw(o, (const char *)p, plain);
	if (plain == n)
		return;
	if (o->json)
		out_json(o, p + plain, n - plain);
	else
		nr_dns_out_raw(o, (const char *)p + plain, n - plain);
}

/* A backslash and c. */
static void out_escaped(struct nr_dns_out *o, char c)
{
	nr_dns_out_str(o, o->json ? "\\\\" : "\\");
	if (o->json && (c == '"' || c == '\\'))
		nr_dns_out_raw(o, "\\", 1);
	nr_dns_out_raw(o, &c, 1);
}

static void out_decimal(struct nr_dns_out *o, uint8_t c)
{
	char text[3] = { (char)('0' + c / 100), (char)('0' + c / 10 % 10),
			 (char)('0' + c % 10) };

	nr_dns_out_str(o, o->json ? "\\\\" : "\\");
	nr_dns_out_raw(o, text, 3);
}

void nr_dns_out_text(struct nr_dns_out *o, const uint8_t *p, size_t n, char special)
{
	size_t from = 0;

	if (!o->arena)
		return;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i];
		bool escape = c == (uint8_t)special || c == '\\';

		if (!escape && c >= 0x20 && c != 0x7f)
			continue;
		out_bytes(o, p + from, i - from);
		from = i + 1;
		if (escape)
			out_escaped(o, (char)c);
		else
			out_decimal(o, c);
	}
	out_bytes(o, p + from, n - from);
}

static void out_quote(struct nr_dns_out *o)
{
	nr_dns_out_str(o, o->json ? "\\\"" : "\"");
}

void nr_dns_out_quoted(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	out_quote(o);
	nr_dns_out_text(o, p, n, '"');
	out_quote(o);
}

/* The half bytes of a NetBIOS name are the letters A to P. */
static bool is_nbns_label(const uint8_t *label)
{
	if (label[0] != 32)
		return false;
	for (int i = 1; i <= 32; i++) {
		if (label[i] < 'A' || label[i] > 'P')
			return false;
	}
	return true;
}

static void out_nbns_label(struct nr_dns_out *o, const uint8_t *label)
{
	uint8_t name[16];
	size_t n = 15;

	for (int i = 0; i < 16; i++)
		name[i] = (uint8_t)((label[1 + 2 * i] - 'A') << 4 |
				    (label[2 + 2 * i] - 'A'));
	while (n && (name[n - 1] == ' ' || !name[n - 1]))
		n--;
	nr_dns_out_text(o, name, n, '\\');
	nr_dns_out_str(o, "<");
	nr_dns_out_hex(o, name + 15, 1);
	nr_dns_out_str(o, ">");
}

void nr_dns_out_name(struct nr_dns_out *o, const struct nr_dns_name *name, bool nbns)
{
	const uint8_t *p = name->wire;

	if (!o->arena)
		return;
	if (!*p)
		nr_dns_out_str(o, ".");
	if (nbns && is_nbns_label(p)) {
		out_nbns_label(o, p);
		p += 33;
		if (*p)
			nr_dns_out_str(o, ".");
	}
	while (*p) {
		nr_dns_out_text(o, p + 1, *p, '.');
		p += 1 + *p;
		if (*p)
			nr_dns_out_str(o, ".");
	}
}
