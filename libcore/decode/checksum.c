/* SPDX-License-Identifier: BSD-3-Clause */
#include "decode/checksum.h"

#include <string.h>

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static inline uint64_t load_tail(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;
	uint16_t v;

	if (n & 4) {
		sum += load32(p);
		p += 4;
	}
	if (n & 2) {
		memcpy(&v, p, 2);
		sum += v;
		p += 2;
	}
	if (n & 1) {
		const uint8_t last[2] = { *p };

		memcpy(&v, last, 2);
		sum += v;
	}
	return sum;
}

/* Two 64-bit sums at once: what every x86-64 and arm64 has. */
typedef uint64_t lanes __attribute__((vector_size(16)));

/*
 * The words of memory added up, not folded: one's complement sums are the same for any
 * word size (RFC 1071). 32-bit halves into 64 bits need no carry below 16 GiB.
 */
#if defined(__x86_64__)
typedef uint64_t wide_lanes __attribute__((vector_size(32)));

/* The same, 32 bytes at a time, of all but the last n % 64 bytes. */
static __attribute__((target("avx2"))) uint64_t add_up_avx2(const uint8_t *p, size_t n)
{
	wide_lanes low = { 0 }, high = { 0 }, v, w;

	for (; n >= 64; p += 64, n -= 64) {
		memcpy(&v, p, 32);
		memcpy(&w, p + 32, 32);
		low += (v & 0xffffffff) + (w & 0xffffffff);
		high += (v >> 32) + (w >> 32);
	}
	low += high;
	return low[0] + low[1] + low[2] + low[3];
}
#endif

static inline uint64_t add_up(const uint8_t *p, size_t n, uint64_t sum)
{
#if defined(__x86_64__)
	if (n >= 128 && __builtin_cpu_supports("avx2")) {
		sum += add_up_avx2(p, n);
		p += n & ~(size_t)63;
		n &= 63;
	}
#endif
	if (n >= 32) {
		lanes low = { 0 }, high = { 0 }, v, w;

		for (; n >= 32; p += 32, n -= 32) {
			memcpy(&v, p, 16);
			memcpy(&w, p + 16, 16);
			low += (v & 0xffffffff) + (w & 0xffffffff);
			high += (v >> 32) + (w >> 32);
		}
		low += high;
		sum += low[0] + low[1];
	}
	for (; n >= 8; p += 8, n -= 8) {
		uint64_t v = load64(p);

		sum += (v & 0xffffffff) + (v >> 32);
	}
	return sum + load_tail(p, n);
}

static inline uint16_t fold(uint64_t a)
{
	a = (a >> 32) + (a & 0xffffffff);
	a = (a >> 32) + (a & 0xffffffff);
	a = (a >> 16) + (a & 0xffff);
	return (uint16_t)((a >> 16) + (a & 0xffff));
}

uint16_t nr_csum(const void *data, size_t n, uint32_t start)
{
	return fold(add_up(data, n, start));
}

/* CRC32c, reflected polynomial 0x82f63b78, four bits a step. */
static const uint32_t crc_nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

static uint32_t crc32c_table(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n; p++, n--) {
		crc ^= *p;
		crc = crc >> 4 ^ crc_nibble[crc & 15];
		crc = crc >> 4 ^ crc_nibble[crc & 15];
	}
	return crc;
}

#if defined(__x86_64__)
static __attribute__((target("sse4.2"))) uint32_t crc32c_sse42(uint32_t crc,
							       const uint8_t *p, size_t n)
{
	uint64_t c = crc;

	for (; n >= 8; p += 8, n -= 8)
		c = __builtin_ia32_crc32di(c, load64(p));
	crc = (uint32_t)c;
	for (; n; p++, n--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, p, n);
#endif
	return crc32c_table(crc, p, n);
}

/* RFC 9260, appendix A: over the packet with the checksum field as zero. */
static enum nr_csum_verdict judge_sctp(const struct nr_level *l)
{
	static const uint8_t zero[4];
	uint32_t crc;

	if (l->l4_len < 12)
		return NR_CSUM_BAD;
	crc = crc32c(0xffffffff, l->l4, 8);
	crc = crc32c(crc, zero, 4);
	crc = ~crc32c(crc, l->l4 + 12, l->l4_len - 12);
	return crc == nr_le32(l->l4 + 8) ? NR_CSUM_OK : NR_CSUM_BAD;
}

enum nr_csum_verdict nr_level_csum(const struct nr_level *l)
{
	uint32_t len = l->l4_len;
	uint64_t pseudo;

	if (l->flags & (NR_L_CSUM_SKIP | NR_L_NO_PORTS) || l->l4_cap < len)
		return NR_CSUM_UNKNOWN;
	switch (l->proto) {
	case 1:
		if (l->ip_version != 4)
			return NR_CSUM_UNKNOWN;
		if (len < 4)
			return NR_CSUM_BAD;
		return nr_csum(l->l4, len, 0) == 0xffff ? NR_CSUM_OK : NR_CSUM_BAD;
	case 58:
		if (l->ip_version != 6)
			return NR_CSUM_UNKNOWN;
		if (len < 4)
			return NR_CSUM_BAD;
		break;
	case 6:
		if (len < 18)
			return NR_CSUM_BAD;
		break;
	case 17:
		if (len < 8)
			return NR_CSUM_BAD;
		if (l->l4[6] == 0 && l->l4[7] == 0) /* RFC 6936 lets tunnels do so */
			return NR_CSUM_UNKNOWN;
		if (nr_be16(l->l4 + 4) >= 8 && nr_be16(l->l4 + 4) < len)
			len = nr_be16(l->l4 + 4); /* what UDP itself covers */
		break;
	case 132:
		return judge_sctp(l);
	default:
		return NR_CSUM_UNKNOWN;
	}
	/* the pseudo-header: addresses, length, protocol; sums are in memory order */
	if (l->ip_version == 4)
		pseudo = (uint64_t)load32(l->src) + load32(l->dst);
	else
		pseudo = nr_csum(l->src, 16, nr_csum(l->dst, 16, 0));
	pseudo += __builtin_bswap32(len);
	pseudo += (uint32_t)l->proto << 8;
	return fold(add_up(l->l4, len, pseudo)) == 0xffff ? NR_CSUM_OK : NR_CSUM_BAD;
}
