/* SPDX-License-Identifier: BSD-3-Clause */
/* One number for many records: tests compare runs by it. */
#pragma once

#include "record/record.h"

#include <string.h>

/* FNV-1a of 64 bits, from h on. */
static inline uint64_t sum_bytes(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* The name of its table and all values. What a run says of itself counts nothing. */
static inline uint64_t sum_record(uint64_t h, const struct nr_record *r)
{
	if (r->type->flags & NR_R_RUN)
		return h;
	h = sum_bytes(h, r->type->name, strlen(r->type->name));
	for (unsigned f = 0; f < r->type->n_fields; f++) {
		const struct nr_value *v = &r->v[f];

		h = sum_bytes(h, &v->kind, 1);
		if (v->kind == NR_V_INT)
			h = sum_bytes(h, &v->i, 8);
		else if (v->kind == NR_V_TEXT)
			h = sum_bytes(h, v->p, v->len);
	}
	return h;
}
