/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the protocols of lines share, FTP (RFC 959, 4.2) and SMTP (RFC 5321, 4.2): text
 * that is kept up to a cap, verbs with their arguments, and replies of three digits.
 */
#pragma once

#include "session/gather.h"
#include "session/parser.h"

/* Bytes kept in the account; zeroed at first. */
struct nr_kept {
	char *p;
	uint32_t len, cap;
	uint64_t cut; /* bytes that were over max */
};

/* Adds n bytes, as far as max in all allows, and counts the others. False: the account
   is at its cap. */
bool nr_kept_add(struct nr_kept *t, struct nr_account *a, const void *p, size_t n,
		 size_t max);
/* Forgets what was kept and keeps these n bytes. */
bool nr_kept_set(struct nr_kept *t, struct nr_account *a, const void *p, size_t n,
		 size_t max);
void nr_kept_free(struct nr_kept *t, struct nr_account *a);

/* A command line in its two parts; both point into the line. */
struct nr_command {
	const char *verb, *arg;
	size_t verb_len, arg_len;
};

/* The verb ends at the first blank behind it; blanks before it, which servers pass over
   too, and around the argument are left out. */
struct nr_command nr_command_split(const void *line, size_t n);
/* ASCII only, whatever the locale. */
static inline char nr_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}
/* Whether text begins with word, in any case. */
bool nr_word_begins(const char *text, size_t n, const char *word);
/* Whether text holds word, in any case. Linear: words are short. */
bool nr_word_in(const char *text, size_t n, const char *word);
/* What text begins with of the NULL-terminated words, each followed by a blank or the end
   of its line: its index. -1: with none of them. -2: cannot be told before more bytes
   come.
 */
int nr_word_first(const uint8_t *text, size_t n, const char *const *words);

/* A reply as its lines come; zeroed at first, any_code aside. */
struct nr_reply {
	bool any_code;  /* another code with a blank ends a longer reply as well (SMTP,
			   where each line has one) */
	unsigned code;  /* of the reply that is being read, or was read last */
	uint32_t lines; /* of it */
	bool open;      /* a line "123-" came, "123 " did not yet */
	struct nr_kept text; /* lines without their codes, separated by LF */
	uint32_t n_bad;      /* lines since the last whole reply that are none */
	bool bad_told;
};

enum nr_reply_state {
	NR_REPLY_BAD,    /* no reply begins like this */
	NR_REPLY_MORE,   /* a line of a longer one */
	NR_REPLY_WHOLE,  /* the last line: code and text are there until the next call */
	NR_REPLY_NO_MEM, /* the account is at its cap */
};

/*
 * The next line of a server. Inside a reply of several lines each line counts, with a
 * code or without (RFC 959, 4.2).
 */
enum nr_reply_state nr_reply_line(struct nr_reply *r, struct nr_account *a,
				  const struct nr_piece *line, size_t max);
/* A line with NR_REPLY_BAD: the first is told as an anomaly of that kind, secret masked;
   more than max before a whole reply are NR_MALFORMED. Empty lines are nothing. */
enum nr_verdict nr_reply_bad(struct nr_parse *p, struct nr_reply *r,
			     enum nr_anomaly_kind kind, int side,
			     const struct nr_piece *line, const struct nr_kept *secret,
			     unsigned max);
/* Behind a gap: what was read of a reply is forgotten. */
void nr_reply_clear(struct nr_reply *r);
/* The code of a line that begins like a reply: 100 to 699, 0 where it does not. */
unsigned nr_reply_code(const uint8_t *line, size_t n);
/* {"line": …} for an anomaly: the beginning of a line, in which secret is masked. */
const char *nr_line_detail(struct nr_parse *p, const struct nr_piece *line,
			   const struct nr_kept *secret);
