/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A line of JSON taken apart into its members, each value in a form in which equal values
 * are equal texts: no white space, keys of objects sorted, escapes resolved and written
 * anew, numbers with a fraction or an exponent as the nearest double.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>

struct nr_json_member {
	const char *key;        /* decoded, NUL-terminated */
	const char *value;      /* canonical, NUL-terminated */
	size_t raw_at, raw_len; /* of the value in the line, as it was written */
};

struct nr_json_line {
	struct nr_json_member *m; /* in the order of the line */
	size_t n;
};

/*
 * Parses one object (RFC 8259, at most 64 deep, no key twice on the first level) that is
 * all of p[0 … n). Results lie in the arena. 0, or -EINVAL with a sentence.
 */
int nr_json_line_parse(struct nr_json_line *out, struct nr_arena *a, const char *p,
		       size_t n, struct nr_err *err);

/* Canonical value of a key; NULL where it is absent or null. */
const char *nr_json_get(const struct nr_json_line *l, const char *key);
/* The same as it is meant: the decoded text of a string, else as nr_json_get(). */
const char *nr_json_text(const struct nr_json_line *l, const char *key,
			 struct nr_arena *a);

static inline bool nr_json_is_null(const char *value)
{
	return !value || !__builtin_strcmp(value, "null");
}
