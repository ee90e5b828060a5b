/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes of single lines of a text; all else stays byte for byte. */
#pragma once

#include "base/text.h"

#include <stddef.h>

struct nr_edits {
	struct nr_buf list; /* private */
};

/* In any order, never overlapping; where several begin at one place: in order given. */
void nr_edits_add(struct nr_edits *e, size_t at, size_t len, const char *with);
/* Is there none? */
bool nr_edits_empty(const struct nr_edits *e);
/* The changed text into out. */
void nr_edits_apply(const struct nr_edits *e, const char *text, size_t len,
		    struct nr_buf *out);
/* Calls for each change, in order of the text, after nr_edits_apply(). */
void nr_edits_tell(const struct nr_edits *e, const char *text,
		   void (*tell)(void *arg, unsigned line, const char *old, size_t n,
				const char *with),
		   void *arg);
void nr_edits_fini(struct nr_edits *e);
