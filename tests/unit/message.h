/* SPDX-License-Identifier: BSD-3-Clause */
/* Datagrams for the rig from hexadecimal text, cut and damaged in every way. */
#pragma once

#include "rig.h"

/* Bytes of hexadecimal digits, blanks between them are skipped. Returns how many. */
static inline size_t message_bytes(uint8_t *out, size_t max, const char *hex)
{
	size_t n = 0;
	unsigned nibbles = 0, value = 0;

	for (; *hex; hex++) {
		if (*hex == ' ')
			continue;
		value = value << 4 |
			(unsigned)(*hex <= '9' ? *hex - '0' : *hex - 'a' + 10);
		if (++nibbles % 2 == 0) {
			assert_true(n < max);
			out[n++] = (uint8_t)value;
		}
	}
	return n;
}

/* Of wire_len bytes the first n were captured. */
static inline void message_cut(struct rig *r, unsigned side, const uint8_t *data,
			       size_t n, size_t wire_len)
{
	uint8_t *exact = nr_xmalloc(n ? n : 1);

	memcpy(exact, data, n);
	rig_next_packet(r, side);
	assert_int_equal(r->parser->datagram(&r->p, r->ctx, side, exact, n, wire_len),
			 NR_MORE);
	nr_free(exact);
}

/*
 * Every length, captured or on the wire, and every byte with several values: nothing
 * reads beyond the end (the bytes lie in a block of their size), all JSON is valid.
 */
static inline void message_hostile(const struct nr_parser *parser, uint8_t proto,
				   uint16_t port, const uint8_t *data, size_t n)
{
	static const uint8_t values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	uint8_t *copy = nr_xmalloc(n);
	struct rig r;

	rig_init(&r, parser, proto, port, port);
	for (size_t len = 1; len <= n; len++) {
		message_cut(&r, 0, data, len, n);
		message_cut(&r, 1, data, len, len);
	}
	rig_rows(&r);
	rig_free(&r);
	rig_init(&r, parser, proto, port, port);
	memcpy(copy, data, n);
	for (size_t at = 0; at < n; at++) {
		for (size_t i = 0; i < sizeof(values); i++) {
			copy[at] = values[i];
			message_cut(&r, 0, copy, n, n);
		}
		copy[at] = data[at];
	}
	rig_rows(&r);
	rig_free(&r);
	nr_free(copy);
}
