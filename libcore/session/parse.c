/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ip.h"
#include "base/text.h"
#include "session/parser.h"

void nr_parse_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		   const void *text, size_t n)
{
	if (text)
		text = nr_arena_copy(p->arena, text, n);
	nr_set_text(r, field, text, n);
}

void nr_parse_ip(struct nr_parse *p, struct nr_record *r, unsigned field,
		 unsigned version, const uint8_t *addr)
{
	char *s = nr_arena_alloc(p->arena, NR_IP_TEXT);
	size_t n = nr_ip_format(s, version, addr);

	nr_set_text(r, field, s, n);
}

void nr_parse_hex(struct nr_parse *p, struct nr_record *r, unsigned field,
		  const void *bytes, size_t n, char separator)
{
	const uint8_t *b = bytes;
	char *text = nr_arena_alloc(p->arena, n * 3 + 1), *to = text;

	for (size_t i = 0; i < n; i++) {
		if (i && separator)
			*to++ = separator;
		nr_hex_format(to, b + i, 1);
		to += 2;
	}
	nr_set_text(r, field, text, (size_t)(to - text));
}
