/* SPDX-License-Identifier: BSD-3-Clause */
#include "mutate.h"

#include <string.h>

static uint32_t state = 1;

void draw_from(unsigned seed)
{
	state = seed * 2654435761u | 1;
}

uint32_t draw(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % below;
}

unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void find_pieces(struct pieces *in, const uint8_t *data, size_t size, size_t head,
		 size_t piece_head, size_t (*piece_size)(const uint8_t *p))
{
	size_t at = head;

	in->n = 0;
	in->at[0] = at;
	while (size - at >= piece_head && in->n < MAX_PIECES) {
		size_t len = piece_size(data + at);

		at += len < size - at ? len : size - at;
		in->at[++in->n] = at;
	}
}

size_t replace(uint8_t *data, size_t size, size_t max, size_t at, size_t old,
	       const uint8_t *with, size_t n)
{
	if (size - old + n > max)
		return size;
	memmove(data + at + n, data + at + old, size - at - old);
	memcpy(data + at, with, n);
	return size - old + n;
}

size_t rearrange(uint8_t *data, size_t size, size_t max, const struct pieces *in,
		 unsigned k)
{
	static uint8_t copy[MAX_SIZE];
	size_t from = in->at[k], len = in->at[k + 1] - from, to = in->at[draw(in->n + 1)];
	unsigned how = draw(3);

	memcpy(copy, data + from, len);
	if (how == 0)
		return replace(data, size, max, to, 0, copy, len);
	size = replace(data, size, max, from, len, copy, 0);
	if (how == 1)
		return size;
	if (to > from)
		to -= len;
	return replace(data, size, max, to, 0, copy, len);
}

size_t change_range(uint8_t *data, size_t size, size_t max, size_t from, size_t *n)
{
	static uint8_t room[MAX_SIZE];
	size_t len = *n, rest = size - len;
	size_t most = len + 64 < max - rest ? len + 64 : max - rest;

	if (!len || most < len || most > MAX_SIZE - 1)
		return size;
	memcpy(room, data + from, len);
	*n = LLVMFuzzerMutate(room, len, most);
	return replace(data, size, max, from, len, room, *n);
}

size_t interleave(uint8_t *out, size_t max, size_t head, const uint8_t *a,
		  const struct pieces *in_a, const uint8_t *b, const struct pieces *in_b)
{
	const struct pieces *in[2] = { in_a, in_b };
	const uint8_t *data[2] = { a, b };
	unsigned next[2] = { 0 };
	size_t n = head;

	memcpy(out, a, head);
	while (next[0] < in[0]->n || next[1] < in[1]->n) {
		unsigned w = next[0] == in[0]->n ? 1 : next[1] == in[1]->n ? 0 : draw(2);
		size_t from = in[w]->at[next[w]], len = in[w]->at[next[w] + 1] - from;

		next[w]++;
		if (n + len > max)
			break;
		memcpy(out + n, data[w] + from, len);
		n += len;
	}
	return n;
}
