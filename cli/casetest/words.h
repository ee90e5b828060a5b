/* SPDX-License-Identifier: BSD-3-Clause */
/* The file `options` of a case: words as a shell would cut them, and replay's own rows.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#include <stddef.h>

struct nr_words {
	char **v; /* n of them and a NULL */
	unsigned *line;
	int n;
};

enum { NR_WORDS_MAX = 256 };

/*
 * Cuts text at white space; quotes of both kinds and the backslash as in sh; # begins a
 * comment. Nothing is expanded. 0, or -EINVAL with a sentence and *line where.
 */
int nr_words_split(struct nr_words *w, const char *text, size_t len, struct nr_arena *a,
		   unsigned *line, struct nr_err *err);
/*
 * Are they options of replay, and of those that a case may give: those that change
 * records, and few more? 0, or -EINVAL with a sentence and *line.
 */
int nr_words_check(const struct nr_words *w, unsigned *line, struct nr_err *err);
/*
 * The config struct of command replay from words that have been checked, settled; free it
 * with nr_words_config_free(). NULL with a sentence where they do not fit together.
 */
struct nr_engine_config;
void *nr_words_config(char *const *words, int n, struct nr_engine_config **engine,
		      struct nr_err *err);
void nr_words_config_free(void *config);
