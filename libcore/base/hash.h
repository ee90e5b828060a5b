/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two hashes: a multiply-mix for tables that hold nothing an attacker can slow down, and
 * SipHash-1-3 (Aumasson, Bernstein 2012) with a secret key for what must not collide.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t nr_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

struct nr_siphash_key {
	uint64_t k0, k1;
};

static inline uint64_t nr_rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void nr_sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = nr_rotl(v[1], 13) ^ v[0];
	v[0] = nr_rotl(v[0], 32);
	v[2] += v[3];
	v[3] = nr_rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = nr_rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = nr_rotl(v[1], 17) ^ v[2];
	v[2] = nr_rotl(v[2], 32);
}

/* SipHash-1-3 of n bytes. */
static inline uint64_t nr_siphash(struct nr_siphash_key key, const void *data, size_t n)
{
	const uint8_t *p = data;
	uint64_t v[4] = { key.k0 ^ 0x736f6d6570736575, key.k1 ^ 0x646f72616e646f6d,
			  key.k0 ^ 0x6c7967656e657261, key.k1 ^ 0x7465646279746573 };
	uint64_t last = (uint64_t)n << 56, m;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&m, p, 8);
		v[3] ^= m;
		nr_sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)p[i] << (8 * i);
	v[3] ^= last;
	nr_sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	nr_sip_round(v);
	nr_sip_round(v);
	nr_sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
