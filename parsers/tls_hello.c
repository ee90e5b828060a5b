/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_hello.h"

enum { EXT_HOST_NAME = 0, EXT_DRAFT_KEY_SHARE = 40 };

/* RFC 8446 §4.1.3: SHA-256 of "HelloRetryRequest". */
static const uint8_t retry_random[32] = {
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
	0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
	0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static struct nr_tls_bytes rest_of(const struct nr_cursor *c)
{
	return (struct nr_tls_bytes){ .p = c->p, .n = nr_left(c) };
}

/* The vector behind a length of one or two bytes, as far as it is there. */
static struct nr_tls_bytes vector8(struct nr_cursor *c)
{
	struct nr_cursor s = nr_sub(c, nr_get_u8(c));

	return rest_of(&s);
}

static struct nr_tls_bytes vector16(struct nr_cursor *c)
{
	struct nr_cursor s = nr_sub(c, nr_get_be16(c));

	return rest_of(&s);
}

static void server_name_read(struct nr_tls_client_hello *out, struct nr_cursor e)
{
	struct nr_cursor list = nr_sub(&e, nr_get_be16(&e));

	out->has_server_name = true;
	while (nr_left(&list)) {
		uint8_t type = nr_get_u8(&list);
		struct nr_tls_bytes name = vector16(&list);

		if (type == EXT_HOST_NAME && !list.bad && !out->server_name.p)
			out->server_name = name;
	}
	/* An empty extension is a server's answer; a client that sends one breaks RFC
	   6066. */
	out->h.is_bad |= e.bad || list.bad;
}

/* supported_versions: DTLS counts backwards, and its 1.3 is above its 1.2. */
static unsigned version_rank(uint16_t v)
{
	return v >> 8 == 0xfe ? 0x10000u - (v & 0xffu) : v;
}

static void versions_read(struct nr_tls_client_hello *out, struct nr_cursor e)
{
	out->versions = vector8(&e);
	out->max_version = out->max_number = 0;
	for (size_t i = 0; i < nr_tls_u16s(out->versions); i++) {
		uint16_t v = nr_tls_u16(out->versions, i);

		if (nr_tls_is_grease(v))
			continue;
		if (v > out->max_number)
			out->max_number = v;
		if (version_rank(v) > version_rank(out->max_version))
			out->max_version = v;
	}
	out->h.is_bad |= e.bad;
}

static void client_extension(struct nr_tls_client_hello *out, uint16_t type,
			     struct nr_cursor e)
{
	switch (type) {
	case NR_TLS_EXT_SERVER_NAME:
		server_name_read(out, e);
		return;
	case NR_TLS_EXT_GROUPS:
		out->groups = vector16(&e);
		break;
	case NR_TLS_EXT_POINT_FORMATS:
		out->point_formats = vector8(&e);
		break;
	case NR_TLS_EXT_SIGNATURES:
		out->signatures = vector16(&e);
		break;
	case NR_TLS_EXT_ALPN:
		out->h.alpn = vector16(&e);
		out->h.has_alpn = true;
		break;
	case NR_TLS_EXT_TICKET:
		out->has_ticket = true;
		out->ticket_is_empty = !nr_left(&e);
		break;
	case NR_TLS_EXT_PSK:
		out->has_psk = true;
		break;
	case NR_TLS_EXT_EARLY_DATA:
		out->has_early_data = true;
		break;
	case NR_TLS_EXT_VERSIONS:
		versions_read(out, e);
		return;
	case NR_TLS_EXT_ECH:
	case NR_TLS_EXT_ESNI:
		out->has_ech = true;
		break;
	default:
		break;
	}
	out->h.is_bad |= e.bad;
}

/* The block of extensions; SSL 3.0 and old TLS go without. */
static struct nr_cursor extensions_open(struct nr_tls_hello *h, struct nr_cursor *c)
{
	struct nr_cursor all = nr_cursor(c->end, 0);

	if (nr_left(c)) {
		size_t n = nr_get_be16(c);

		h->has_extensions = true;
		h->is_bad |= n != nr_left(c);
		all = nr_sub(c, n < nr_left(c) ? n : nr_left(c));
	}
	h->is_bad |= c->bad;
	h->extensions = rest_of(&all);
	return all;
}

bool nr_tls_client_hello_read(struct nr_tls_client_hello *out, const uint8_t *p, size_t n,
			      bool is_dtls)
{
	struct nr_cursor c = nr_cursor(p, n), all;

	*out = (struct nr_tls_client_hello){ 0 };
	out->h.version = nr_get_be16(&c);
	out->h.random = (struct nr_tls_bytes){ .p = nr_get(&c, 32), .n = 32 };
	out->h.session_id = vector8(&c);
	if (is_dtls)
		vector8(&c); /* cookie */
	out->h.ciphers = vector16(&c);
	if (c.bad) {
		*out = (struct nr_tls_client_hello){ 0 };
		return false;
	}
	out->max_version = out->max_number = out->h.version;
	vector8(&c); /* compression methods */
	out->h.is_bad = out->h.session_id.n > 32 || out->h.ciphers.n % 2;
	all = extensions_open(&out->h, &c);
	while (nr_left(&all)) {
		uint16_t type = nr_get_be16(&all);
		struct nr_cursor e = nr_sub(&all, nr_get_be16(&all));

		if (!all.bad)
			client_extension(out, type, e);
	}
	out->h.is_bad |= all.bad;
	return true;
}

static void server_extension(struct nr_tls_server_hello *out, uint16_t type,
			     struct nr_cursor e, uint16_t *draft_group)
{
	switch (type) {
	case NR_TLS_EXT_ALPN:
		out->h.alpn = vector16(&e);
		out->h.has_alpn = true;
		break;
	case NR_TLS_EXT_VERSIONS:
		out->chosen = nr_get_be16(&e);
		break;
	case EXT_DRAFT_KEY_SHARE: /* until draft 23 of TLS 1.3 */
		*draft_group = nr_get_be16(&e);
		break;
	case NR_TLS_EXT_KEY_SHARE:
		out->group = nr_get_be16(&e);
		break;
	case NR_TLS_EXT_PSK:
		out->has_psk = true;
		break;
	case NR_TLS_EXT_TICKET:
		out->has_ticket = true;
		break;
	case NR_TLS_EXT_ECH:
	case NR_TLS_EXT_ESNI:
		out->has_ech = true;
		break;
	default:
		break;
	}
	out->h.is_bad |= e.bad;
}

/*
 * Drafts of TLS 1.3 before 22 have neither session id nor compression in ServerHello.
 * They said so by 0x7f and their number, the first ones by 0x0304, which TLS 1.3 itself
 * has in supported_versions only.
 */
static bool is_short_form(uint16_t version)
{
	return version == 0x0304 || (version >= 0x7f00 && version < 0x7f00 + 22);
}

bool nr_tls_is_13(uint16_t version)
{
	return version == 0x0304 || version == 0xfefc || version >> 8 == 0x7f ||
	       /* Facebook's, and Google's experiments */
	       version >> 8 == 0xfb || version >> 8 == 0x7e;
}

bool nr_tls_server_hello_read(struct nr_tls_server_hello *out, const uint8_t *p, size_t n)
{
	struct nr_cursor c = nr_cursor(p, n), all;
	uint16_t draft_group = 0;
	bool is_short;

	*out = (struct nr_tls_server_hello){ 0 };
	out->h.version = nr_get_be16(&c);
	is_short = is_short_form(out->h.version);
	out->h.random = (struct nr_tls_bytes){ .p = nr_get(&c, 32), .n = 32 };
	if (!is_short)
		out->h.session_id = vector8(&c);
	out->h.ciphers = (struct nr_tls_bytes){ .p = nr_get(&c, 2), .n = 2 };
	if (c.bad) {
		*out = (struct nr_tls_server_hello){ 0 };
		return false;
	}
	out->cipher = nr_be16(out->h.ciphers.p);
	out->chosen = out->h.version;
	out->is_retry = !memcmp(out->h.random.p, retry_random, sizeof(retry_random));
	if (!is_short)
		nr_get_u8(&c); /* compression method */
	out->h.is_bad = out->h.session_id.n > 32;
	all = extensions_open(&out->h, &c);
	while (nr_left(&all)) {
		uint16_t type = nr_get_be16(&all);
		struct nr_cursor e = nr_sub(&all, nr_get_be16(&all));

		if (!all.bad)
			server_extension(out, type, e, &draft_group);
	}
	if (!out->group && nr_tls_is_13(out->chosen))
		out->group = draft_group;
	out->h.is_bad |= all.bad;
	return true;
}

struct nr_tls_bytes nr_tls_alpn_next(struct nr_tls_bytes *list)
{
	struct nr_cursor c = nr_cursor(list->p, list->n);
	struct nr_tls_bytes name = { 0 };

	if (nr_left(&c))
		name = vector8(&c);
	if (c.bad)
		name = (struct nr_tls_bytes){ 0 };
	*list = rest_of(&c);
	return name;
}
