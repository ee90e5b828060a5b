/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, times and foreign text as a person reads them. */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { NR_TEXT_MAX = 48 };

/* All return out, so that they can stand in an argument list. */
const char *nr_text_count(char out[NR_TEXT_MAX], uint64_t n); /* "1 234 567" */
const char *nr_text_bytes(char out[NR_TEXT_MAX], uint64_t n); /* "12.3 MiB" */
const char *nr_text_duration(char out[NR_TEXT_MAX],
			     int64_t ns); /* "1 h 02 min", "35.2 s" */
/* RFC 3339 in UTC with `digits` (0, 3, 6 or 9) of the second's fraction; any int64. */
const char *nr_text_time(char out[NR_TEXT_MAX], int64_t ns, unsigned digits);

/*
 * Writes text from the wire or a file so that no terminal obeys it: control characters
 * and broken UTF-8 as \x1b, a backslash as itself. Returns the columns used, counting a
 * code point as one.
 */
size_t nr_text_safe(FILE *f, const char *s, size_t len);
size_t nr_text_safe_add(struct nr_buf *b, const char *s, size_t len);

/* Colour: escape sequences, or "" where f is no terminal or NO_COLOR is set. */
struct nr_colours {
	const char *bold, *dim, *red, *yellow, *green, *reset;
};
struct nr_colours nr_colours_for(FILE *f);
