/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for the decoder's tests: bytes from hex, headers with lengths filled in. */
#pragma once

#include "decode/checksum.h"
#include "decode/decode.h"
#include "record/anomaly.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

struct frame {
	uint8_t b[1024];
	uint32_t n;
};

static inline void put(struct frame *f, const void *p, size_t n)
{
	assert_true(sizeof(f->b) - f->n >= n);
	memcpy(f->b + f->n, p, n);
	f->n += (uint32_t)n;
}

/* "08 00 45" with any spaces */
static inline void put_hex(struct frame *f, const char *hex)
{
	for (; *hex; hex++) {
		char two[3] = { hex[0], hex[1], 0 };
		uint8_t v;

		if (*hex == ' ')
			continue;
		v = (uint8_t)strtoul(two, NULL, 16);
		put(f, &v, 1);
		hex++;
	}
}

static inline void put_be16(struct frame *f, unsigned v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(f, b, 2);
}

static inline void put_be32(struct frame *f, uint32_t v)
{
	put_be16(f, v >> 16);
	put_be16(f, v & 0xffff);
}

/* The plainest sum there is: the oracle of the fast one. */
static inline unsigned slow_sum(const uint8_t *p, size_t n, unsigned start)
{
	unsigned long s = start;

	for (size_t i = 0; i < n; i++)
		s += (unsigned long)p[i] << (i % 2 ? 0 : 8);
	while (s >> 16)
		s = (s >> 16) + (s & 0xffff);
	return (unsigned)s;
}

/* IPv4 header, id 0x1234, TTL 64, for n bytes that follow. */
static inline void put_ip4_frag(struct frame *f, uint32_t src, uint32_t dst,
				unsigned proto, size_t n, unsigned id, unsigned frag)
{
	uint32_t at = f->n;
	unsigned sum;

	put_hex(f, "45 00");
	put_be16(f, (unsigned)n + 20);
	put_be16(f, id);
	put_be16(f, frag);
	put_be16(f, 64u << 8 | proto);
	put_be16(f, 0);
	put_be32(f, src);
	put_be32(f, dst);
	sum = ~slow_sum(f->b + at, 20, 0);
	f->b[at + 10] = (uint8_t)(sum >> 8);
	f->b[at + 11] = (uint8_t)sum;
}

static inline void put_ip4(struct frame *f, uint32_t src, uint32_t dst, unsigned proto,
			   size_t n)
{
	put_ip4_frag(f, src, dst, proto, n, 0x1234, 0);
}

/* 2001:db8::a -> 2001:db8::b */
static inline void put_ip6(struct frame *f, unsigned a, unsigned b, unsigned next,
			   size_t n)
{
	put_hex(f, "60 00 00 00");
	put_be16(f, (unsigned)n);
	put_be16(f, next << 8 | 64);
	put_hex(f, "20010db8 0000000000000000 0000");
	put_be16(f, a);
	put_hex(f, "20010db8 0000000000000000 0000");
	put_be16(f, b);
}

static inline void put_udp(struct frame *f, unsigned sport, unsigned dport, size_t n)
{
	put_be16(f, sport);
	put_be16(f, dport);
	put_be16(f, (unsigned)n + 8);
	put_be16(f, 0);
}

/* 10.0.0.1:1234 > 10.0.0.2:80, flags PSH ACK, four bytes of payload: 44 bytes */
static inline void put_tcp4_packet(struct frame *f)
{
	put_ip4(f, 0x0a000001, 0x0a000002, 6, 24);
	put_hex(f, "04d2 0050 00000001 00000002 5018 2000 0000 0000 61626364");
}

static inline void put_tcp6_packet(struct frame *f)
{
	put_ip6(f, 1, 2, 6, 24);
	put_hex(f, "04d2 0050 00000001 00000002 5018 2000 0000 0000 61626364");
}

static const char eth_hdr[] = "020000000002 020000000001 ";

static inline struct nr_decoder *new_decoder(void)
{
	return nr_decoder_new(&(struct nr_decoder_config){
		.frag_timeout_ns = 30000000000,
		.frag_memory = 1 << 20,
		.frag_datagrams = 1024,
		.overlap = NR_OVERLAP_FIRST,
		.judge_ip_checksum = true,
	});
}

/* Every pointer in out lies in [p, p + n], or in a reassembled datagram. */
static inline void check_bounds(const struct nr_decoded *o, const uint8_t *p, size_t n)
{
	assert_true(o->n_levels <= NR_MAX_LEVELS && o->n_tunnels <= NR_MAX_TUNNELS);
	assert_true(o->n_vlans <= NR_MAX_VLANS && o->n_anomalies <= NR_MAX_ANOMALIES);
	assert_true(o->n_levels == 0 || o->bucket == NR_BUCKET_FLOW ||
		    o->bucket == NR_BUCKET_HELD);
	assert_true(o->bucket != NR_BUCKET_FLOW || o->n_levels > 0);
	for (unsigned i = 0; i < o->n_levels; i++) {
		const struct nr_level *l = &o->level[i];

		assert_true(l->l4_cap <= l->l4_len);
		assert_true(l->payload_cap <= l->payload_len);
		assert_true(l->payload_len <= l->l4_len);
		assert_true(l->n_tunnels == l->nesting && l->n_tunnels <= o->n_tunnels);
		assert_true(l->first_vlan + l->n_vlans <= o->n_vlans);
		assert_true(l->payload >= l->l4);
		assert_true(l->payload + l->payload_cap <= l->l4 + l->l4_cap);
		if (l->flags & NR_L_REASSEMBLED)
			continue;
		if (l->l3 >= p && l->l3 < p + n)
			assert_true(l->l4 + l->l4_cap <= p + n);
	}
	for (unsigned i = 0; i < o->n_anomalies; i++)
		assert_true(o->anomaly[i].level < o->n_levels ||
			    o->anomaly[i].level == 255);
}

/* Decodes the first cap bytes out of a block of exactly that size; the caller frees. */
static inline uint8_t *decode_cut(struct nr_decoder *d, const struct frame *f,
				  uint32_t cap, uint16_t link_type, uint8_t flags,
				  struct nr_decoded *o)
{
	uint8_t *p = malloc(cap ? cap : 1);

	memcpy(p, f->b, cap);
	nr_decode(d,
		  &(struct nr_packet){ .data = p,
				       .cap_len = cap,
				       .wire_len = f->n,
				       .link_type = link_type,
				       .flags = flags,
				       .record = 1,
				       .ordinal = 1 },
		  o);
	check_bounds(o, p, cap);
	return p;
}
