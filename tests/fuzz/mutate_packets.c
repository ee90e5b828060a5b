/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How libFuzzer changes the inputs of fuzz_engine.c: by packets. Bytes changed at random
 * mostly make frames that belong to nothing; a conversation's other states are reached by
 * packets that come twice, in another order, from the other side, with other flags or
 * sequence numbers, in pieces.
 */
#include "mutate.h"

#include <stdbool.h>
#include <string.h>

enum { HEAD = 2, PACKET_HEAD = 6 };

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static size_t packet_size(const uint8_t *p)
{
	return PACKET_HEAD + get16(p + 4);
}

static void find_packets(struct pieces *in, const uint8_t *data, size_t size)
{
	find_pieces(in, data, size, HEAD, PACKET_HEAD, packet_size);
}

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

struct ip {
	uint8_t *h, *l4;
	size_t l4_len;
	unsigned proto;
	bool is_v6;
};

/* The IP packet in a frame, wherever it begins. */
static bool find_ip(struct ip *ip, uint8_t *p, size_t len)
{
	static const uint8_t places[] = { 14, 0, 4, 16, 18, 22, 20, 24, 8 };

	for (unsigned i = 0; i < sizeof(places); i++) {
		uint8_t *h = p + places[i];
		size_t left, head;

		if (len < places[i] + 40u)
			continue;
		left = len - places[i];
		ip->is_v6 = h[0] >> 4 == 6;
		head = ip->is_v6 ? 40 : (h[0] & 15) * 4u;
		if ((h[0] >> 4 != 4 && !ip->is_v6) || head < 20 || head + 20 > left)
			continue;
		ip->h = h;
		ip->proto = h[ip->is_v6 ? 6 : 9];
		ip->l4 = h + head;
		ip->l4_len = left - head;
		if (ip->proto == 6 || ip->proto == 17 || ip->proto == 132)
			return true;
	}
	return false;
}

/* Both ends of a packet. */
static void turn_round(const struct ip *ip)
{
	if (ip->is_v6)
		swap(ip->h + 8, ip->h + 24, 16);
	else
		swap(ip->h + 12, ip->h + 16, 4);
	swap(ip->l4, ip->l4 + 2, 2);
	if (ip->proto == 6 && draw(2))
		swap(ip->l4 + 4, ip->l4 + 8, 4);
}

static uint32_t distance(size_t len)
{
	static const uint32_t near[] = { 1, 2, 100, 1460, 65535, 1u << 20, 1u << 31 };
	uint32_t d = draw(2) ? (uint32_t)len : near[draw(sizeof(near) / sizeof(near[0]))];

	return draw(2) ? d : 0 - d;
}

static void change_tcp(const struct ip *ip, const struct ip *other)
{
	static const uint8_t flags[] = {
		0x02, 0x12, 0x10, 0x18, 0x11, 0x04, 0x14, 0x01, 0
	};
	uint8_t *t = ip->l4, *o = other ? other->l4 : NULL;

	switch (draw(8)) {
	case 0:
		t[13] = flags[draw(sizeof(flags))];
		break;
	case 1:
		t[13] ^= (uint8_t)(1u << draw(8));
		break;
	case 2:
		put32(t + 4, get32(t + 4) + distance(ip->l4_len - 20));
		break;
	case 3:
		put32(t + 8, get32(t + 8) + distance(ip->l4_len - 20));
		break;
	case 4:
		put16(t + 14, draw(2) ? 0 : draw(65536));
		break;
	case 5: /* answers the other one */
		if (o) {
			put32(t + 4, get32(o + 8));
			put32(t + 8, get32(o + 4) + (uint32_t)(other->l4_len - 20) +
					     (o[13] & 3 ? 1 : 0));
		}
		break;
	case 6: /* follows it */
		if (o) {
			put32(t + 4, get32(o + 4) + (uint32_t)(other->l4_len - 20));
			put32(t + 8, get32(o + 8));
		}
		break;
	default:
		if (o) /* of the same connection */
			memcpy(t, o, 4);
	}
}

/* Both addresses and ports become those of the other one. */
static void join(const struct ip *ip, const struct ip *other)
{
	if (ip->is_v6 != other->is_v6)
		return;
	if (ip->is_v6)
		memcpy(ip->h + 8, other->h + 8, 32);
	else
		memcpy(ip->h + 12, other->h + 12, 8);
	memcpy(ip->l4, other->l4, 4);
}

static void change_frame(uint8_t *data, const struct pieces *in, unsigned k)
{
	uint8_t *p = data + in->at[k], *q;
	size_t len = in->at[k + 1] - in->at[k] - PACKET_HEAD;
	struct ip ip, other;
	unsigned j = draw(in->n);
	bool has_other;

	if (!find_ip(&ip, p + PACKET_HEAD, len))
		return;
	q = data + in->at[j];
	has_other = j != k && find_ip(&other, q + PACKET_HEAD,
				      in->at[j + 1] - in->at[j] - PACKET_HEAD);
	switch (draw(6)) {
	case 0:
		turn_round(&ip);
		break;
	case 1:
		if (has_other)
			join(&ip, &other);
		break;
	case 2: /* a fragment */
		if (!ip.is_v6)
			put16(ip.h + 6,
			      draw(2) ? draw(4) << 13 : get16(ip.h + 6) + draw(200));
		break;
	default:
		if (ip.proto == 6)
			change_tcp(&ip, has_other && other.proto == 6 ? &other : NULL);
		else
			turn_round(&ip);
	}
}

/* One packet's bytes, as libFuzzer would change them. */
static size_t change_bytes(uint8_t *data, size_t size, size_t max,
			   const struct pieces *in, unsigned k)
{
	size_t from = in->at[k] + PACKET_HEAD, len = in->at[k + 1] - from, n = len;

	size = change_range(data, size, max, from, &n);
	if (n != len)
		put16(data + from - 2, (unsigned)n);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct pieces in;
	unsigned k;

	draw_from(seed);
	if (size < HEAD + PACKET_HEAD || size > MAX_SIZE || !draw(6))
		return LLVMFuzzerMutate(data, size, max);
	find_packets(&in, data, size);
	k = draw(in.n);
	switch (draw(8)) {
	case 0:
	case 1:
	case 2:
		return rearrange(data, size, max, &in, k);
	case 3: /* another time, another length on the wire */
		put16(data + in.at[k] + 2 * draw(2), draw(65536));
		return size;
	case 4:
		return change_bytes(data, size, max, &in, k);
	case 5: /* the options */
		data[draw(HEAD)] = (uint8_t)draw(256);
		return size;
	default:
		change_frame(data, &in, k);
		return size;
	}
}

/* Packets of both, in their order. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
				 uint8_t *out, size_t max, unsigned seed)
{
	static struct pieces in[2];

	if (an < HEAD || bn < HEAD || max < HEAD)
		return 0;
	draw_from(seed);
	find_packets(&in[0], a, an);
	find_packets(&in[1], b, bn);
	return interleave(out, max, HEAD, a, &in[0], b, &in[1]);
}
