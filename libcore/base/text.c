/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/text.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void nr_buf_fini(struct nr_buf *b)
{
	nr_free(b->p);
	*b = (struct nr_buf){ 0 };
}

void nr_buf_clear(struct nr_buf *b)
{
	b->len = 0;
	if (b->p)
		b->p[0] = '\0';
}

char *nr_buf_room(struct nr_buf *b, size_t n)
{
	if (b->cap - b->len <= n) {
		size_t cap = b->cap ? b->cap : 256;

		while (cap - b->len <= n)
			cap *= 2;
		b->p = nr_xrealloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->len;
}

void nr_buf_add(struct nr_buf *b, const void *p, size_t n)
{
	char *to = nr_buf_room(b, n);

	if (n)
		memcpy(to, p, n);
	to[n] = '\0';
	b->len += n;
}

void nr_buf_str(struct nr_buf *b, const char *s)
{
	nr_buf_add(b, s, strlen(s));
}

void nr_buf_char(struct nr_buf *b, char c)
{
	nr_buf_add(b, &c, 1);
}

void nr_buf_printf(struct nr_buf *b, const char *fmt, ...)
{
	char *to = nr_buf_room(b, 128);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, 128, fmt, ap);
	va_end(ap);
	if (n >= 128) {
		to = nr_buf_room(b, (size_t)n);
		va_start(ap, fmt);
		vsnprintf(to, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	b->len += n < 0 ? 0 : (size_t)n;
}

void nr_buf_int(struct nr_buf *b, int64_t v)
{
	b->len += nr_int_format(nr_buf_room(b, NR_INT_TEXT), v);
}

void nr_buf_time(struct nr_buf *b, int64_t ns)
{
	b->len += nr_time_format(nr_buf_room(b, NR_TIME_TEXT), ns);
}

/* Two digits at a time. */
static char *put_digits(char *end, uint64_t v)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return end;
}

size_t nr_int_format(char out[NR_INT_TEXT], int64_t v)
{
	char tmp[NR_INT_TEXT];
	char *end = tmp + sizeof(tmp);
	char *p = put_digits(end, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);

	if (v < 0)
		*--p = '-';
	memcpy(out, p, (size_t)(end - p));
	out[end - p] = '\0';
	return (size_t)(end - p);
}

static void put_fixed(char *out, unsigned width, uint64_t v)
{
	while (width--) {
		out[width] = (char)('0' + v % 10);
		v /= 10;
	}
}

size_t nr_time_format(char out[NR_TIME_TEXT], int64_t ns)
{
	const int64_t day_ns = 86400LL * 1000000000LL;
	int64_t days = ns / day_ns, rest = ns % day_ns;
	uint64_t z, era, doe, yoe, doy, mp, day, month, year, s;

	if (rest < 0) {
		rest += day_ns;
		days--;
	}
	/* Days since 0000-03-01, where leap days end the year and eras of 400 years are
	   alike; int64 ns never reach back before it. */
	z = (uint64_t)(days + 719468);
	era = z / 146097;
	doe = z % 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	day = doy - (153 * mp + 2) / 5 + 1;
	month = mp < 10 ? mp + 3 : mp - 9;
	year = yoe + era * 400 + (month <= 2);
	s = (uint64_t)rest / 1000000000;
	memcpy(out, "0000-00-00T00:00:00.000000000Z", NR_TIME_TEXT);
	put_fixed(out, 4, year);
	put_fixed(out + 5, 2, month);
	put_fixed(out + 8, 2, day);
	put_fixed(out + 11, 2, s / 3600);
	put_fixed(out + 14, 2, s / 60 % 60);
	put_fixed(out + 17, 2, s % 60);
	put_fixed(out + 20, 9, (uint64_t)rest % 1000000000);
	return NR_TIME_TEXT - 1;
}

/* Length of the UTF-8 sequence at p (RFC 3629, section 4), 0 where there is none. */
static unsigned utf8_len(const uint8_t *p, size_t n)
{
	uint8_t lo = 0x80, hi = 0xbf;
	unsigned len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (n < len)
		return 0;
	if (p[0] == 0xe0)
		lo = 0xa0;
	else if (p[0] == 0xed)
		hi = 0x9f;
	else if (p[0] == 0xf0)
		lo = 0x90;
	else if (p[0] == 0xf4)
		hi = 0x8f;
	if (p[1] < lo || p[1] > hi)
		return 0;
	for (unsigned i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* Whether any of 8 bytes is NUL or above 0x7f. */
static bool plain8(const char *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return !(((v - 0x0101010101010101) | v) & 0x8080808080808080);
}

size_t nr_utf8_span(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		unsigned len;

		if (n - i >= 8 && plain8(p + i)) {
			i += 8;
			continue;
		}
		while (i < n && (uint8_t)p[i] - 1u < 0x7f)
			i++;
		if (i == n)
			break;
		if (!p[i])
			return i;
		len = utf8_len((const uint8_t *)p + i, n - i);
		if (!len)
			return i;
		i += len;
	}
	return i;
}

static const char hex[] = "0123456789abcdef";

void nr_hex_format(char *out, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		*out++ = hex[b[i] >> 4];
		*out++ = hex[b[i] & 15];
	}
	*out = '\0';
}

void nr_buf_hex(struct nr_buf *b, const void *p, size_t n)
{
	nr_hex_format(nr_buf_room(b, 2 * n), p, n);
	b->len += 2 * n;
}

void nr_buf_utf8(struct nr_buf *b, const char *p, size_t n)
{
	for (;;) {
		size_t good = nr_utf8_span(p, n);
		uint8_t bad;

		nr_buf_add(b, p, good);
		if (good == n)
			return;
		bad = (uint8_t)p[good];
		nr_buf_add(b, (char[]){ '\\', 'x', hex[bad >> 4], hex[bad & 15] }, 4);
		p += good + 1;
		n -= good + 1;
	}
}

/* Bytes that a JSON string holds as they are: printable ASCII but " and \. */
static bool json_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* Writes the character at p (len bytes of it) and returns behind it. */
static char *json_escape(char *to, const uint8_t *p, unsigned len)
{
	static const char shorts[] = "\bb\ff\nn\rr\tt\"\"\\\\";
	unsigned code = p[0];

	if (!len || !code) { /* no UTF-8, or NUL: \xNN, its backslash escaped */
		memcpy(to, (char[]){ '\\', '\\', 'x', hex[code >> 4], hex[code & 15] },
		       5);
		return to + 5;
	}
	for (const char *s = shorts; len == 1 && *s; s += 2) {
		if ((uint8_t)*s == code) {
			*to++ = '\\';
			*to++ = s[1];
			return to;
		}
	}
	if (len == 2)
		code = (code & 0x1f) << 6 | (p[1] & 0x3f);
	if (len > 2 || code > 0x9f) {
		memcpy(to, p, len);
		return to + len;
	}
	memcpy(to, (char[]){ '\\', 'u', '0', '0', hex[code >> 4], hex[code & 15] }, 6);
	return to + 6;
}

void nr_buf_json(struct nr_buf *b, const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;
	char *to;

	nr_buf_char(b, '"');
	while (n) {
		/* In slices, so that the room for the worst case stays small. */
		size_t slice = n < 4096 ? n : 4096, i = 0;
		char *from = to = nr_buf_room(b, slice * 6 + 8);

		while (i < slice) {
			unsigned len;

			if (json_plain(p[i])) {
				*to++ = (char)p[i++];
				continue;
			}
			len = utf8_len(p + i, n - i); /* may end behind the slice */
			to = json_escape(to, p + i, len);
			i += len ? len : 1;
		}
		b->len += (size_t)(to - from);
		p += i;
		n -= i;
	}
	nr_buf_char(b, '"');
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ptrdiff_t nr_base64_decode(void *out, size_t cap, const char *p, size_t n)
{
	uint8_t *to = out;
	uint32_t bits = 0;
	unsigned have = 0;
	size_t len = 0;

	while (n && p[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++) {
		int d = base64_digit(p[i]);

		if (d < 0 || len == cap)
			return -1;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[len++] = (uint8_t)(bits >> have);
		}
	}
	return (ptrdiff_t)len;
}

void nr_buf_base64(struct nr_buf *b, const void *data, size_t n)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;
	char *to = nr_buf_room(b, (n + 2) / 3 * 4);

	b->len += (n + 2) / 3 * 4;
	while (n) {
		unsigned have = n < 3 ? (unsigned)n : 3;
		uint32_t v = (uint32_t)p[0] << 16 | (have > 1 ? p[1] << 8 : 0) |
			     (have > 2 ? p[2] : 0);

		to[0] = digits[v >> 18];
		to[1] = digits[v >> 12 & 63];
		to[2] = have > 1 ? digits[v >> 6 & 63] : '=';
		to[3] = have > 2 ? digits[v & 63] : '=';
		to += 4;
		p += have;
		n -= have;
	}
	*to = '\0';
}

char *nr_utf8_put(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
		*to++ = (char)(0x80 | (c & 63));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | c >> 12);
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	} else {
		*to++ = (char)(0xf0 | c >> 18);
		*to++ = (char)(0x80 | (c >> 12 & 63));
		*to++ = (char)(0x80 | (c >> 6 & 63));
		*to++ = (char)(0x80 | (c & 63));
	}
	return to;
}
