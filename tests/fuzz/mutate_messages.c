/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How libFuzzer changes the inputs of fuzz_parser.c: by operations, lines and elements.
 * Bytes changed at random mostly break the first length or the first word, so that what
 * lies behind is never read. A parser's other states are reached by messages that come
 * twice, in another order, from the other side, in pieces, with gaps between them; by
 * lines and elements of theirs that are added, left out and repeated; and by the lengths
 * around those being right all the same.
 */
#include "mutate.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { HEAD = 2, OPERATION_HEAD = 3, MAX_LINES = 256 };

static bool has_bytes(const uint8_t *op)
{
	return (op[0] >> 1 & 7) <= 4;
}

static size_t operation_size(const uint8_t *p)
{
	return OPERATION_HEAD + (has_bytes(p) ? get16(p + 1) : 0);
}

static void find_operations(struct pieces *in, const uint8_t *data, size_t size)
{
	find_pieces(in, data, size, HEAD, OPERATION_HEAD, operation_size);
}

/* One operation's bytes, somewhere in the input. */
struct message {
	uint8_t *data;
	size_t size, max;
	size_t from, len;
};

static struct message message_of(uint8_t *data, size_t size, size_t max,
				 const struct pieces *in, unsigned k)
{
	size_t from = in->at[k] + OPERATION_HEAD;

	return (struct message){ data, size, max, from, in->at[k + 1] - from };
}

/* Puts n bytes in place of `old` ones of the message. */
static void put(struct message *m, size_t at, size_t old, const void *with, size_t n)
{
	size_t size;

	if (m->len - old + n > 65535 || m->size - old + n > m->max)
		return;
	size = replace(m->data, m->size, m->max, m->from + at, old, with, n);
	m->len += size - m->size;
	m->size = size;
	put16(m->data + m->from - 2, (unsigned)m->len);
}

/* A big-endian number of w bytes. */
static size_t number(const uint8_t *p, unsigned w)
{
	size_t v = 0;

	while (w--)
		v = v << 8 | *p++;
	return v;
}

static void put_number(uint8_t *p, unsigned w, size_t v)
{
	while (w--) {
		p[w] = (uint8_t)v;
		v >>= 8;
	}
}

/* Numbers before x that tell of something that ends at `end` are to tell of more. */
static void lengthen(uint8_t *p, size_t x, size_t end, size_t by)
{
	for (unsigned w = 1; w <= 3; w++) {
		for (size_t at = 0; at + w <= x; at++) {
			if (at + w + number(p + at, w) == end)
				put_number(p + at, w, number(p + at, w) + by);
		}
	}
}

/* As put(); the lengths of what encloses these bytes grow or shrink with them. */
static void put_enclosed(struct message *m, size_t at, size_t old, const void *with,
			 size_t n)
{
	uint8_t *p = m->data + m->from;
	size_t end = at + old, ends[8], len = m->len;
	unsigned n_ends = 0;

	/* outwards, as it is nested: the nearest length whose end is further out */
	for (size_t x = at; x > 0 && n_ends < 7; x--) {
		for (unsigned w = 3; w > 0; w--) {
			size_t e;

			if (x < w)
				continue;
			e = x + number(p + x - w, w);
			if (e < end || e >= len || (n_ends && e <= ends[n_ends - 1]) ||
			    draw(w == 1 ? 4 : 2))
				continue;
			ends[n_ends++] = e;
			break;
		}
	}
	ends[n_ends++] = len;
	put(m, at, old, with, n);
	if (m->len == len - old + n) {
		for (unsigned i = 0; i < n_ends; i++)
			lengthen(p, at, ends[i], n - old);
	}
}

/* Bytes of this message or of another one, into room; how many. */
static size_t borrow(const struct message *m, const struct message *other, uint8_t *room,
		     size_t most)
{
	const struct message *of = draw(2) ? m : other;
	size_t at, n;

	if (!of->len)
		return 0;
	at = draw((uint32_t)of->len);
	n = 1 + draw((uint32_t)(of->len - at));
	if (n > most)
		n = most;
	memcpy(room, of->data + of->from + at, n);
	return n;
}

/* Something with its length before it, perhaps with a type before that: its size. */
static size_t element_at(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t head, w;
	} shapes[] = { { 2, 2 }, { 0, 2 }, { 0, 1 }, { 1, 1 },
		       { 1, 3 }, { 0, 3 }, { 3, 2 } };
	unsigned s = draw(sizeof(shapes) / sizeof(shapes[0]));
	size_t n = shapes[s].head + shapes[s].w;

	if (n > left)
		return 0;
	n += number(p + shapes[s].head, shapes[s].w);
	return n <= left ? n : 0;
}

static void change_elements(struct message *m, const struct message *other)
{
	static uint8_t room[MAX_SIZE];
	static const uint32_t near[] = { 0, 1, 2, 3, 4, 0x7f, 0x80, 0xff, 0x100, 0xffff };
	uint8_t *p = m->data + m->from;
	size_t at = draw((uint32_t)m->len), n = element_at(p + at, m->len - at);

	switch (draw(6)) {
	case 0: /* once more */
		memcpy(room, p + at, n);
		put_enclosed(m, at + n, 0, room, n);
		break;
	case 1:
		put_enclosed(m, at, n, room, 0);
		break;
	case 2: /* something else, of any length */
		put_enclosed(m, at, draw(2) ? 0 : n, room,
			     borrow(m, other, room, 1 + draw(64)));
		break;
	case 3: /* changed as libFuzzer would, the lengths around it right */
		if (n && n < 512) {
			memcpy(room, p + at, n);
			put_enclosed(m, at, n, room, LLVMFuzzerMutate(room, n, n + 16));
		}
		break;
	case 4:
		if (m->len - at >= 3)
			put_number(p + at, 1 + draw(3),
				   near[draw(sizeof(near) / sizeof(near[0]))]);
		break;
	default: /* ends here, or goes on beyond */
		if (m->len - at >= 2)
			put16(p + at, get16(p + at) + (draw(2) ? 1 : -1));
	}
}

/* Where lines begin, and the end. */
static unsigned find_lines(const struct message *m, size_t *at)
{
	const uint8_t *p = m->data + m->from;
	unsigned n = 0;

	at[0] = 0;
	for (size_t i = 0; i < m->len && n < MAX_LINES - 1; i++) {
		if (p[i] == '\n')
			at[++n] = i + 1;
	}
	if (at[n] < m->len)
		at[++n] = m->len;
	return n;
}

static void change_number(struct message *m, size_t at, size_t end)
{
	static const char *const numbers[] = { "0",
					       "1",
					       "9",
					       "-1",
					       "00",
					       "ff",
					       "100",
					       "250",
					       "65536",
					       "4294967296",
					       "9223372036854775807",
					       "99999999999999999999999" };
	const uint8_t *p = m->data + m->from;
	const char *with = numbers[draw(sizeof(numbers) / sizeof(numbers[0]))];
	size_t n = 0;
	char text[16];

	while (at < end && !isdigit(p[at]))
		at++;
	while (at + n < end && isdigit(p[at + n]))
		n++;
	if (!n)
		return;
	if (n < 6 && draw(2)) { /* nearly the same */
		int v = 0;

		for (size_t i = 0; i < n; i++)
			v = v * 10 + p[at + i] - '0';
		snprintf(text, sizeof(text), "%d", v + (int)draw(5) - 2);
		with = text;
	}
	put(m, at, n, with, strlen(with));
}

/* The end of a line, or the blanks in it. */
static void change_blanks(struct message *m, size_t at, size_t end)
{
	static const char *const ends[] = { "\r\n",   "\n",      "\r",     "",
					    " \r\n",  "\r\n ",   "\r\n\t", "\n\n",
					    "\r\r\n", "\r\n\r\n" };
	static const char *const blanks[] = { "", "  ", "\t", ":", ";", ",", "\"", "=" };
	const uint8_t *p = m->data + m->from;
	size_t x = end;

	if (draw(2)) {
		const char *with = ends[draw(sizeof(ends) / sizeof(ends[0]))];

		while (x > at && (p[x - 1] == '\n' || p[x - 1] == '\r'))
			x--;
		put(m, x, end - x, with, strlen(with));
	} else {
		const char *with = blanks[draw(sizeof(blanks) / sizeof(blanks[0]))];

		x = at + draw((uint32_t)(end - at));
		while (x < end && !strchr(" :;,=\"", p[x]))
			x++;
		put(m, x, x < end, with, strlen(with));
	}
}

static void change_lines(struct message *m, const struct message *other)
{
	static uint8_t room[MAX_SIZE];
	static size_t at[MAX_LINES + 1];
	const uint8_t *p = m->data + m->from;
	unsigned n = find_lines(m, at), k = draw(n);
	size_t len = at[k + 1] - at[k], to = at[draw(n + 1)];

	memcpy(room, p + at[k], len);
	switch (draw(8)) {
	case 0:
		put(m, to, 0, room, len);
		break;
	case 1:
		put(m, at[k], len, room, 0);
		break;
	case 2: /* elsewhere */
		put(m, at[k], len, room, 0);
		put(m, to > at[k] ? to - len : to, 0, room, len);
		break;
	case 3: /* another message's */
		n = other->len ? find_lines(other, at) : 0;
		if (n) {
			k = draw(n);
			len = at[k + 1] - at[k];
			memcpy(room, other->data + other->from + at[k], len);
			put(m, to, 0, room, len);
		}
		break;
	case 4:
		change_number(m, at[k] + draw((uint32_t)len), at[k + 1]);
		break;
	case 5:
		change_blanks(m, at[k], at[k + 1]);
		break;
	case 6: /* ends in the middle */
		len = draw((uint32_t)len);
		put(m, at[k] + len, at[k + 1] - at[k] - len, room, 0);
		break;
	default: /* changed as libFuzzer would */
		if (len < 1024)
			put(m, at[k], len, room, LLVMFuzzerMutate(room, len, len + 16));
	}
}

static bool is_text(const struct message *m)
{
	const uint8_t *p = m->data + m->from;
	unsigned odd = 0;

	for (size_t i = 0; i < m->len && i < 64; i++)
		odd += p[i] >= 0x7f || (p[i] < ' ' && !isspace(p[i]));
	return odd < 4;
}

static size_t change_message(uint8_t *data, size_t size, size_t max,
			     const struct pieces *in, unsigned k)
{
	struct message m = message_of(data, size, max, in, k);
	unsigned j = draw(in->n);
	struct message other = message_of(data, size, max, in, j);

	if (!has_bytes(data + in->at[j]))
		other.len = 0;
	if (!m.len || !has_bytes(data + in->at[k])) /* a gap's length, or the time's */
		put16(data + in->at[k] + 1, draw(2) ? draw(16) : draw(65536));
	else if (!draw(4)) {
		size_t n = m.len;

		m.size = change_range(data, size, max, m.from, &n);
		put16(data + m.from - 2, (unsigned)n);
	} else if (is_text(&m) == !!draw(8))
		change_lines(&m, &other);
	else
		change_elements(&m, &other);
	return m.size;
}

/* One operation becomes two. */
static size_t part(uint8_t *data, size_t size, size_t max, const struct pieces *in,
		   unsigned k)
{
	size_t from = in->at[k], len = in->at[k + 1] - from - OPERATION_HEAD, at;
	uint8_t head[OPERATION_HEAD];

	if (len < 2 || !has_bytes(data + from) || size + OPERATION_HEAD > max)
		return size;
	at = 1 + draw((uint32_t)(len - 1));
	head[0] = data[from];
	put16(head + 1, (unsigned)(len - at));
	put16(data + from + 1, (unsigned)at);
	return replace(data, size, max, from + OPERATION_HEAD + at, 0, head,
		       sizeof(head));
}

/* An operation and the next, where they are of one side, become one. */
static size_t unite(uint8_t *data, size_t size, size_t max, const struct pieces *in,
		    unsigned k)
{
	size_t a = in->at[k], b, len;

	if (k + 1 >= in->n)
		return size;
	b = in->at[k + 1];
	len = in->at[k + 2] - a - 2 * OPERATION_HEAD;
	if (!has_bytes(data + a) || !has_bytes(data + b) || (data[a] ^ data[b]) & 1 ||
	    len > 65535)
		return size;
	put16(data + a + 1, (unsigned)len);
	return replace(data, size, max, b, OPERATION_HEAD, data, 0);
}

/* A gap, an end or a pause comes between. */
static size_t disturb(uint8_t *data, size_t size, size_t max, const struct pieces *in)
{
	uint8_t op[OPERATION_HEAD] = { (uint8_t)(draw(2) | (5 + draw(3)) << 1) };

	put16(op + 1, draw(2) ? draw(8) : draw(65536));
	return replace(data, size, max, in->at[draw(in->n + 1)], 0, op, sizeof(op));
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct pieces in;
	unsigned k;

	draw_from(seed);
	if (size < HEAD + OPERATION_HEAD || size > MAX_SIZE || !draw(12))
		return LLVMFuzzerMutate(data, size, max);
	find_operations(&in, data, size);
	k = draw(in.n);
	switch (draw(16)) {
	case 0:
	case 1:
		return rearrange(data, size, max, &in, k);
	case 2: /* from the other side */
		data[in.at[k]] ^= 1;
		return size;
	case 3: /* the options */
		data[draw(HEAD)] = (uint8_t)draw(256);
		return size;
	case 4:
		data[1] ^= (uint8_t)(1u << draw(8));
		return size;
	case 5:
		return part(data, size, max, &in, k);
	case 6:
		return unite(data, size, max, &in, k);
	case 7:
		return disturb(data, size, max, &in);
	default:
		return change_message(data, size, max, &in, k);
	}
}

/* Operations of both, in their order. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
				 uint8_t *out, size_t max, unsigned seed)
{
	static struct pieces in[2];

	if (an < HEAD || bn < HEAD || max < HEAD)
		return 0;
	draw_from(seed);
	find_operations(&in[0], a, an);
	find_operations(&in[1], b, bn);
	return interleave(out, max, HEAD, a, &in[0], b, &in[1]);
}
