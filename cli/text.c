/* SPDX-License-Identifier: BSD-3-Clause */
#include "text.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *nr_text_count(char out[NR_TEXT_MAX], uint64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *p = out;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*p++ = ' ';
		*p++ = digits[i];
	}
	*p = 0;
	return out;
}

const char *nr_text_bytes(char out[NR_TEXT_MAX], uint64_t n)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	double v = (double)n;
	unsigned u = 0;

	for (; v >= 1024 && u < 6; u++)
		v /= 1024;
	snprintf(out, NR_TEXT_MAX, u ? "%.1f %s" : "%.0f %s", v, units[u]);
	return out;
}

const char *nr_text_duration(char out[NR_TEXT_MAX], int64_t ns)
{
	const char *sign = ns < 0 ? "-" : "";
	uint64_t v = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	uint64_t s = v / 1000000000;

	if (s >= 2 * 86400)
		snprintf(out, NR_TEXT_MAX, "%s%llu d %02llu h", sign,
			 (unsigned long long)(s / 86400),
			 (unsigned long long)(s % 86400 / 3600));
	else if (s >= 3600)
		snprintf(out, NR_TEXT_MAX, "%s%llu h %02llu min", sign,
			 (unsigned long long)(s / 3600),
			 (unsigned long long)(s % 3600 / 60));
	else if (s >= 60)
		snprintf(out, NR_TEXT_MAX, "%s%llu min %02llu s", sign,
			 (unsigned long long)(s / 60), (unsigned long long)(s % 60));
	else if (v >= 1000000000)
		snprintf(out, NR_TEXT_MAX, "%s%.2f s", sign, (double)v / 1e9);
	else if (v >= 1000000)
		snprintf(out, NR_TEXT_MAX, "%s%.2f ms", sign, (double)v / 1e6);
	else if (v >= 1000)
		snprintf(out, NR_TEXT_MAX, "%s%.2f µs", sign, (double)v / 1e3);
	else
		snprintf(out, NR_TEXT_MAX, "%s%llu ns", sign, (unsigned long long)v);
	return out;
}

const char *nr_text_time(char out[NR_TEXT_MAX], int64_t ns, unsigned digits)
{
	enum { SECONDS = sizeof("1970-01-01T00:00:00") - 1 };

	nr_time_format(out, ns);
	memcpy(out + SECONDS + (digits ? 1 + digits : 0), "Z", 2);
	return out;
}

/* C0, DEL, C1 (U+0080 … U+009F), and the marks that turn the direction of writing. */
static bool is_control(const char *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s;

	if (n == 1)
		return p[0] < 0x20 || p[0] == 0x7f;
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80)
		return p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae);
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x81)
		return p[2] >= 0xa6 && p[2] <= 0xa9;
	return false;
}

/* Length of the code point at s, which begins valid UTF-8. */
static size_t point_len(const char *s)
{
	uint8_t c = (uint8_t)*s;

	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static size_t add_hex(struct nr_buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		nr_buf_printf(b, "\\x%02x", (uint8_t)s[i]);
	return 4 * n;
}

size_t nr_text_safe_add(struct nr_buf *b, const char *s, size_t len)
{
	size_t columns = 0;

	while (len) {
		size_t span = nr_utf8_span(s, len), n;

		for (len -= span; span; s += n, span -= n) {
			n = point_len(s);
			if (is_control(s, n)) {
				columns += add_hex(b, s, n);
				continue;
			}
			nr_buf_add(b, s, n);
			columns++;
		}
		if (len) {
			columns += add_hex(b, s, 1);
			s++;
			len--;
		}
	}
	return columns;
}

size_t nr_text_safe(FILE *f, const char *s, size_t len)
{
	struct nr_buf b = { 0 };
	size_t columns = nr_text_safe_add(&b, s, len);

	if (b.len)
		fwrite(b.p, 1, b.len, f);
	nr_buf_fini(&b);
	return columns;
}

struct nr_colours nr_colours_for(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (!isatty(fileno(f)) || (no && *no) || (term && !strcmp(term, "dumb")))
		return (struct nr_colours){ "", "", "", "", "", "" };
	return (struct nr_colours){ "\033[1m",  "\033[2m",  "\033[31m",
				    "\033[33m", "\033[32m", "\033[0m" };
}
