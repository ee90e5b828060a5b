/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ip.h"
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
