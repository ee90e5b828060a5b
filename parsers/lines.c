/* SPDX-License-Identifier: BSD-3-Clause */
#include "lines.h"

#include "base/text.h"
#include "session/secret.h"

#include <string.h>
#include <strings.h>

bool nr_kept_add(struct nr_kept *t, struct nr_account *a, const void *p, size_t n,
		 size_t max)
{
	size_t room = max > t->len ? max - t->len : 0, keep = n < room ? n : room;

	t->cut += n - keep;
	if (t->cap - t->len < keep) {
		size_t cap = t->cap ? t->cap : 32;
		char *grown;

		while (cap - t->len < keep)
			cap *= 2;
		grown = nr_account_realloc(a, t->p, t->cap, cap);
		if (!grown)
			return false;
		t->p = grown;
		t->cap = (uint32_t)cap;
	}
	if (keep)
		memcpy(t->p + t->len, p, keep);
	t->len += (uint32_t)keep;
	return true;
}

bool nr_kept_set(struct nr_kept *t, struct nr_account *a, const void *p, size_t n,
		 size_t max)
{
	t->len = 0;
	t->cut = 0;
	return nr_kept_add(t, a, p, n, max);
}

void nr_kept_free(struct nr_kept *t, struct nr_account *a)
{
	nr_account_free(a, t->p, t->cap);
	*t = (struct nr_kept){ 0 };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct nr_command nr_command_split(const void *line, size_t n)
{
	const char *p = line, *end = p + n;
	struct nr_command c;

	while (p < end && is_blank(*p))
		p++;
	c.verb = p;
	while (p < end && !is_blank(*p))
		p++;
	c.verb_len = (size_t)(p - c.verb);
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	c.arg = p;
	c.arg_len = (size_t)(end - p);
	return c;
}

bool nr_word_begins(const char *text, size_t n, const char *word)
{
	size_t len = strlen(word);

	return n >= len && !strncasecmp(text, word, len);
}

bool nr_word_in(const char *text, size_t n, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= n; i++) {
		if (!strncasecmp(text + i, word, len))
			return true;
	}
	return false;
}

int nr_word_first(const uint8_t *text, size_t n, const char *const *words)
{
	int verdict = -1;

	for (int i = 0; words[i]; i++) {
		size_t len = strlen(words[i]), some = n < len ? n : len;

		/* most differ in the first letter */
		if (some && (((*text ^ (uint8_t)*words[i]) & 0xdf) ||
			     strncasecmp((const char *)text, words[i], some) != 0))
			continue;
		if (n <= len)
			verdict = -2;
		else if (is_blank((char)text[len]) || text[len] == '\r' ||
			 text[len] == '\n')
			return i;
	}
	return verdict;
}

unsigned nr_reply_code(const uint8_t *line, size_t n)
{
	if (n < 3 || line[0] < '1' || line[0] > '6')
		return 0;
	if (line[1] < '0' || line[1] > '9' || line[2] < '0' || line[2] > '9')
		return 0;
	if (n > 3 && line[3] != ' ' && line[3] != '-')
		return 0;
	return (line[0] - '0') * 100u + (line[1] - '0') * 10u + (line[2] - '0');
}

/* The text of a line goes behind that of the lines before it. */
static bool add_text(struct nr_reply *r, struct nr_account *a,
		     const struct nr_piece *line, size_t skip, size_t max)
{
	if (skip > line->len)
		skip = line->len;
	if (r->lines++ && !nr_kept_add(&r->text, a, "\n", 1, max))
		return false;
	r->text.cut += line->cut;
	return nr_kept_add(&r->text, a, line->p + skip, line->len - skip, max);
}

enum nr_reply_state nr_reply_line(struct nr_reply *r, struct nr_account *a,
				  const struct nr_piece *line, size_t max)
{
	unsigned code = nr_reply_code(line->p, line->len);
	bool last = code && (line->len == 3 || line->p[3] == ' ');

	if (!r->open) {
		if (!code)
			return NR_REPLY_BAD;
		nr_reply_clear(r);
		r->code = code;
	} else if (code && code != r->code) {
		last = last && r->any_code;
		if (last)
			r->code = code;
		else
			code = 0; /* looks like a code, is text */
	}
	if (!add_text(r, a, line, code ? 4 : 0, max))
		return NR_REPLY_NO_MEM;
	r->open = !last;
	if (last)
		r->n_bad = 0;
	return last ? NR_REPLY_WHOLE : NR_REPLY_MORE;
}

enum nr_verdict nr_reply_bad(struct nr_parse *p, struct nr_reply *r,
			     enum nr_anomaly_kind kind, int side,
			     const struct nr_piece *line, const struct nr_kept *secret,
			     unsigned max)
{
	if (!line->len)
		return NR_MORE;
	if (!r->bad_told)
		nr_parse_anomaly(p, kind, side, nr_line_detail(p, line, secret));
	r->bad_told = true;
	return ++r->n_bad > max ? NR_MALFORMED : NR_MORE;
}

void nr_reply_clear(struct nr_reply *r)
{
	r->code = 0;
	r->lines = 0;
	r->open = false;
	r->text.len = 0;
	r->text.cut = 0;
}

const char *nr_line_detail(struct nr_parse *p, const struct nr_piece *line,
			   const struct nr_kept *secret)
{
	enum { SHOWN = 128 };
	size_t n = line->len < SHOWN ? line->len : SHOWN;
	const char *text = nr_secret_echo(p, (const char *)line->p, line->len, secret->p,
					  secret->len);
	struct nr_buf b = { 0 };
	char *detail;

	nr_buf_str(&b, "{\"line\":");
	nr_buf_json(&b, text, n);
	nr_buf_char(&b, '}');
	detail = nr_arena_copy(p->arena, b.p, b.len);
	nr_buf_fini(&b);
	return detail;
}
