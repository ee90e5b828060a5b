/* SPDX-License-Identifier: BSD-3-Clause */
/* Conversations of tls_conversations.h as scripts for the rig. */
#pragma once

#include "rig.h"
#include "tls_conversations.h"
#include "tls_samples.h"

enum { SCRIPT_MAX = 16 };

struct script {
	struct rig_line line[SCRIPT_MAX + 1];
	size_t n;
	uint8_t bytes[16384];
	size_t used;
};

static inline void script_add(struct script *s, unsigned side, const void *p, size_t n)
{
	assert_true(s->n < SCRIPT_MAX && sizeof(s->bytes) - s->used >= n);
	memcpy(s->bytes + s->used, p, n);
	s->line[s->n++] = (struct rig_line){ side, (char *)s->bytes + s->used, n };
	s->used += n;
	s->line[s->n] = (struct rig_line){ 0 };
}

static inline void script_hex(struct script *s, unsigned side, const char *hex)
{
	size_t n = strlen(hex) / 2;

	assert_true(s->n < SCRIPT_MAX && sizeof(s->bytes) - s->used >= n);
	unhex(s->bytes + s->used, hex);
	s->line[s->n++] = (struct rig_line){ side, (char *)s->bytes + s->used, n };
	s->used += n;
	s->line[s->n] = (struct rig_line){ 0 };
}

static inline struct script *script_of(const struct said *c)
{
	struct script *s = nr_xcalloc(1, sizeof(*s));

	for (; c->hex; c++)
		script_hex(s, c->side, c->hex);
	return s;
}

/* Plays it and leaves the rig open. */
static inline void script_play(struct rig *r, const struct script *s)
{
	for (size_t i = 0; i < s->n; i++)
		rig_data(r, s->line[i].side, s->line[i].text, s->line[i].n);
}
