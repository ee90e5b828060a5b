/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ip.h"

#include <stdio.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

static char *put_dec(char *o, unsigned v)
{
	if (v >= 100)
		*o++ = (char)('0' + v / 100);
	if (v >= 10)
		*o++ = (char)('0' + v / 10 % 10);
	*o++ = (char)('0' + v % 10);
	return o;
}

static char *put_v4(char *o, const uint8_t *b)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*o++ = '.';
		o = put_dec(o, b[i]);
	}
	return o;
}

static char *put_group(char *o, unsigned g)
{
	int shift = g >= 0x1000 ? 12 : g >= 0x100 ? 8 : g >= 0x10 ? 4 : 0;

	for (; shift >= 0; shift -= 4)
		*o++ = hex[g >> shift & 15];
	return o;
}

size_t nr_ip_format(char out[NR_IP_TEXT], unsigned version, const uint8_t *b)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	int best = -1, best_len = 1, run = 0;
	char *o = out;

	if (version == 4) {
		o = put_v4(o, b);
		*o = '\0';
		return (size_t)(o - out);
	}
	if (!memcmp(b, mapped, sizeof(mapped))) {
		memcpy(o, "::ffff:", 7);
		o = put_v4(o + 7, b + 12);
		*o = '\0';
		return (size_t)(o - out);
	}
	for (int i = 0; i < 8; i++) {
		run = b[2 * i] | b[2 * i + 1] ? 0 : run + 1;
		if (run > best_len) {
			best_len = run;
			best = i - run + 1;
		}
	}
	for (int i = 0; i < 8; i++) {
		if (i == best) {
			*o++ = ':';
			*o++ = ':';
			i += best_len - 1;
			continue;
		}
		if (i && i != best + best_len)
			*o++ = ':';
		o = put_group(o, (unsigned)b[2 * i] << 8 | b[2 * i + 1]);
	}
	*o = '\0';
	return (size_t)(o - out);
}

size_t nr_mac_format(char out[18], const uint8_t *mac)
{
	for (int i = 0; i < 6; i++) {
		out[3 * i] = hex[mac[i] >> 4];
		out[3 * i + 1] = hex[mac[i] & 15];
		out[3 * i + 2] = i < 5 ? ':' : '\0';
	}
	return 17;
}
