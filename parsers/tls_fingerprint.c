/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JA3, JA3S and JA4. A hello may list 32 767 numbers: text goes through a small buffer
 * into the digest, and what JA4 sorts is held for the call only.
 */
#include "tls_hello.h"

#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

/* Text on its way into a digest. */
struct feed {
	EVP_MD_CTX *md;
	bool failed;
	size_t n;
	char text[256];
};

static const char digits[] = "0123456789abcdef";

static void feed_open(struct feed *f, const EVP_MD *type)
{
	f->n = 0;
	f->md = EVP_MD_CTX_new();
	f->failed = !f->md || !type || EVP_DigestInit_ex(f->md, type, NULL) != 1;
}

static void feed_flush(struct feed *f)
{
	if (!f->failed && f->n && EVP_DigestUpdate(f->md, f->text, f->n) != 1)
		f->failed = true;
	f->n = 0;
}

static void feed_char(struct feed *f, char c)
{
	if (f->n == sizeof(f->text))
		feed_flush(f);
	f->text[f->n++] = c;
}

static void feed_decimal(struct feed *f, unsigned v)
{
	char t[5];
	size_t n = 0;

	do {
		t[n++] = digits[v % 10];
		v /= 10;
	} while (v && n < sizeof(t));
	while (n)
		feed_char(f, t[--n]);
}

static void feed_hex(struct feed *f, uint16_t v)
{
	for (int shift = 12; shift >= 0; shift -= 4)
		feed_char(f, digits[v >> shift & 15]);
}

/* The first n_hex digits of the digest, and a NUL. */
static bool feed_close(struct feed *f, char *out, size_t n_hex)
{
	uint8_t md[EVP_MAX_MD_SIZE];

	feed_flush(f);
	if (!f->failed && EVP_DigestFinal_ex(f->md, md, NULL) != 1)
		f->failed = true;
	EVP_MD_CTX_free(f->md);
	nr_hex_format(out, md, f->failed ? 0 : n_hex / 2);
	return !f->failed;
}

static void feed_numbers(struct feed *f, struct nr_tls_bytes list)
{
	const char *sep = "";

	for (size_t i = 0; i < nr_tls_u16s(list); i++) {
		uint16_t v = nr_tls_u16(list, i);

		if (nr_tls_is_grease(v))
			continue;
		if (*sep)
			feed_char(f, '-');
		feed_decimal(f, v);
		sep = "-";
	}
}

static void feed_bytes(struct feed *f, struct nr_tls_bytes list)
{
	for (size_t i = 0; i < list.n; i++) {
		if (i)
			feed_char(f, '-');
		feed_decimal(f, list.p[i]);
	}
}

/* The type of the next extension of a block; false at its end. */
static bool next_type(struct nr_cursor *c, uint16_t *type)
{
	*type = nr_get_be16(c);
	nr_get(c, nr_get_be16(c));
	return !c->bad;
}

static void feed_types(struct feed *f, struct nr_tls_bytes extensions, bool keep_grease)
{
	struct nr_cursor c = nr_cursor(extensions.p, extensions.n);
	const char *sep = "";
	uint16_t type;

	while (next_type(&c, &type)) {
		if (nr_tls_is_grease(type) && !keep_grease)
			continue;
		if (*sep)
			feed_char(f, '-');
		feed_decimal(f, type);
		sep = "-";
	}
}

bool nr_tls_ja3(char out[NR_JA3_TEXT], const struct nr_tls_client_hello *c)
{
	struct feed f;

	feed_open(&f, EVP_md5());
	feed_decimal(&f, c->h.version);
	feed_char(&f, ',');
	feed_numbers(&f, c->h.ciphers);
	feed_char(&f, ',');
	feed_types(&f, c->h.extensions, false);
	feed_char(&f, ',');
	feed_numbers(&f, c->groups);
	feed_char(&f, ',');
	feed_bytes(&f, c->point_formats);
	return feed_close(&f, out, NR_JA3_TEXT - 1);
}

bool nr_tls_ja3s(char out[NR_JA3_TEXT], const struct nr_tls_server_hello *s)
{
	struct feed f;

	feed_open(&f, EVP_md5());
	feed_decimal(&f, s->h.version);
	feed_char(&f, ',');
	feed_decimal(&f, s->cipher);
	feed_char(&f, ',');
	feed_types(&f, s->h.extensions, true);
	return feed_close(&f, out, NR_JA3_TEXT - 1);
}

static const char *ja4_version(uint16_t v)
{
	static const struct {
		uint16_t v;
		char name[3];
	} names[] = {
		{ 0x0304, "13" }, { 0x0303, "12" }, { 0x0302, "11" },
		{ 0x0301, "10" }, { 0x0300, "s3" }, { 0x0002, "s2" },
		{ 0xfeff, "d1" }, { 0xfefd, "d2" }, { 0xfefc, "d3" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names[i].v == v)
			return names[i].name;
	}
	return "00";
}

static bool is_alnum(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* First and last character of the first ALPN value, or of its hexadecimal form. */
static void ja4_alpn(char out[2], const struct nr_tls_client_hello *c)
{
	struct nr_tls_bytes list = c->h.alpn, first = nr_tls_alpn_next(&list);

	out[0] = out[1] = '0';
	if (!first.n)
		return;
	if (is_alnum(first.p[0]) && is_alnum(first.p[first.n - 1])) {
		out[0] = (char)first.p[0];
		out[1] = (char)first.p[first.n - 1];
	} else {
		out[0] = digits[first.p[0] >> 4];
		out[1] = digits[first.p[first.n - 1] & 15];
	}
}

static int by_value(const void *a, const void *b)
{
	uint16_t x = *(const uint16_t *)a, y = *(const uint16_t *)b;

	return (x > y) - (x < y);
}

/* Twelve digits of the hash of the sorted numbers and, behind an underscore, of sigs in
   their order; zeros where there are no numbers. */
static bool ja4_hash(char out[13], uint16_t *v, size_t n, struct nr_tls_bytes sigs)
{
	struct feed f;
	char sep = '_';

	if (!n) {
		memcpy(out, "000000000000", 13);
		return true;
	}
	qsort(v, n, sizeof(*v), by_value);
	feed_open(&f, EVP_sha256());
	for (size_t i = 0; i < n; i++) {
		if (i)
			feed_char(&f, ',');
		feed_hex(&f, v[i]);
	}
	for (size_t i = 0; i < nr_tls_u16s(sigs); i++) {
		if (nr_tls_is_grease(nr_tls_u16(sigs, i)))
			continue;
		feed_char(&f, sep);
		feed_hex(&f, nr_tls_u16(sigs, i));
		sep = ',';
	}
	return feed_close(&f, out, 12);
}

static size_t ja4_ciphers(uint16_t *v, const struct nr_tls_client_hello *c)
{
	size_t n = 0;

	for (size_t i = 0; i < nr_tls_u16s(c->h.ciphers); i++) {
		uint16_t cipher = nr_tls_u16(c->h.ciphers, i);

		if (!nr_tls_is_grease(cipher))
			v[n++] = cipher;
	}
	return n;
}

/* All but server_name and ALPN into v; counts those too. */
static size_t ja4_types(uint16_t *v, const struct nr_tls_client_hello *c, size_t *count)
{
	struct nr_cursor e = nr_cursor(c->h.extensions.p, c->h.extensions.n);
	uint16_t type;
	size_t n = 0;

	*count = 0;
	while (next_type(&e, &type)) {
		if (nr_tls_is_grease(type))
			continue;
		++*count;
		if (type != NR_TLS_EXT_SERVER_NAME && type != NR_TLS_EXT_ALPN)
			v[n++] = type;
	}
	return n;
}

static unsigned at_most_99(size_t n)
{
	return n < 99 ? (unsigned)n : 99;
}

bool nr_tls_ja4(char out[NR_JA4_TEXT], const struct nr_tls_client_hello *c,
		enum nr_tls_transport transport)
{
	/* as many numbers as ciphers, or as extensions of four bytes, can be */
	size_t max = c->h.ciphers.n / 2 + c->h.extensions.n / 4 + 1;
	uint16_t *v = nr_xmalloc(max * sizeof(*v));
	size_t n_ciphers, n_types, n_counted;
	char sni = c->has_server_name ? 'd' : 'i';
	char alpn[2], b[13], d[13];
	bool ok;

	n_ciphers = ja4_ciphers(v, c);
	ok = ja4_hash(b, v, n_ciphers, (struct nr_tls_bytes){ 0 });
	n_types = ja4_types(v, c, &n_counted);
	ok &= ja4_hash(d, v, n_types, c->signatures);
	nr_free(v);
	ja4_alpn(alpn, c);
	snprintf(out, NR_JA4_TEXT, "%c%s%c%02u%02u%c%c_%s_%s", "tdq"[transport],
		 ja4_version(c->max_number), sni, at_most_99(n_ciphers),
		 at_most_99(n_counted), alpn[0], alpn[1], b, d);
	if (!ok)
		out[0] = '\0';
	return ok;
}
