/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static const struct nr_option help_row = {
	.name = "help",
	.letter = 'h',
	.help = "show this text",
};

static const char *option_name(const void *arg, size_t i)
{
	const struct nr_options *o = arg;

	return i < o->n ? o->rows[i].name : help_row.name;
}

static const struct nr_option *find_long(const struct nr_options *o, const char *s,
					 size_t n)
{
	for (size_t i = 0; i < o->n; i++)
		if (strlen(o->rows[i].name) == n && !memcmp(o->rows[i].name, s, n))
			return &o->rows[i];
	return n == 4 && !memcmp(s, "help", 4) ? &help_row : NULL;
}

static const struct nr_option *find_letter(const struct nr_options *o, char c)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->rows[i].letter == c)
			return &o->rows[i];
	return c == 'h' ? &help_row : NULL;
}

static int set_number(const struct nr_option *r, uint64_t v, uint64_t *out,
		      struct nr_err *err)
{
	if (v < r->min)
		return nr_fail(err, -EINVAL, "--%s must be at least %llu", r->name,
			       (unsigned long long)r->min);
	if (r->max && v > r->max)
		return nr_fail(err, -EINVAL, "--%s must be at most %llu", r->name,
			       (unsigned long long)r->max);
	*out = v;
	return 0;
}

static int set_enum(const struct nr_option *r, const char *s, int *out,
		    struct nr_err *err)
{
	char all[256] = "";

	for (int i = 0; r->values[i]; i++) {
		if (!strcmp(r->values[i], s)) {
			*out = i;
			return 0;
		}
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s",
			 i ? ", " : "", r->values[i]);
	}
	return nr_fail(err, -EINVAL, "--%s does not know '%s'; it takes one of: %s",
		       r->name, s, all);
}

static void list_add(struct nr_list *l, const char *s)
{
	l->v = nr_xrealloc(l->v, (l->n + 1) * sizeof(*l->v));
	l->v[l->n++] = s;
}

static int set_value(const struct nr_option *r, void *config, const char *s,
		     struct nr_err *err)
{
	void *at = (char *)config + r->offset;
	uint64_t v;

	switch (r->kind) {
	case NR_OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case NR_OPT_U64:
		if (nr_parse_u64(s, &v))
			return nr_fail(err, -EINVAL, "--%s needs a number, not '%s'",
				       r->name, s);
		return set_number(r, v, at, err);
	case NR_OPT_SIZE:
		if (nr_parse_size(s, &v))
			return nr_fail(err, -EINVAL,
				       "--%s needs a size such as 64K or 256M, not '%s'",
				       r->name, s);
		return set_number(r, v, at, err);
	case NR_OPT_DURATION:
		if (nr_parse_duration(s, at))
			return nr_fail(
				err, -EINVAL,
				"--%s needs a duration such as 300s, 5min or 100ms, "
				"not '%s'",
				r->name, s);
		return 0;
	case NR_OPT_TIME:
		if (nr_parse_time(s, at))
			return nr_fail(
				err, -EINVAL,
				"--%s needs a time such as 2026-01-31T12:00:00Z or "
				"1769860800.5, not '%s'",
				r->name, s);
		return 0;
	case NR_OPT_TEXT:
		*(const char **)at = s;
		return 0;
	case NR_OPT_LIST:
		list_add(at, s);
		return 0;
	case NR_OPT_ENUM:
		return set_enum(r, s, at, err);
	}
	return -EINVAL;
}

int nr_options_defaults(const struct nr_options *o, void *config, struct nr_err *err)
{
	for (size_t i = 0; i < o->n; i++) {
		const struct nr_option *r = &o->rows[i];
		int rc = r->def && r->kind != NR_OPT_FLAG
				 ? set_value(r, config, r->def, err)
				 : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int unknown_long(const struct nr_options *o, const char *s, size_t n,
			struct nr_err *err)
{
	char word[64];
	const char *near;

	snprintf(word, sizeof(word), "%.*s", n > 63 ? 63 : (int)n, s);
	near = nr_nearest(word, option_name, o, o->n + 1);
	if (near)
		return nr_fail(err, -EINVAL,
			       "there is no option --%s; did you mean --%s?", word, near);
	return nr_fail(err, -EINVAL, "there is no option --%s", word);
}

/* The parser's place in argv. */
struct args {
	char **v;
	int n, i;
};

static int parse_long(const struct nr_options *o, void *config, struct args *a,
		      bool *help, struct nr_err *err)
{
	const char *s = a->v[a->i] + 2, *eq = strchr(s, '=');
	size_t n = eq ? (size_t)(eq - s) : strlen(s);
	const struct nr_option *r = find_long(o, s, n);

	if (!r)
		return unknown_long(o, s, n, err);
	if (r == &help_row) {
		*help = true;
		return 0;
	}
	if (r->kind == NR_OPT_FLAG) {
		if (eq)
			return nr_fail(err, -EINVAL, "--%s takes no argument", r->name);
		return set_value(r, config, NULL, err);
	}
	if (eq)
		return set_value(r, config, eq + 1, err);
	if (r->bare)
		return set_value(r, config, r->bare, err);
	if (a->i + 1 >= a->n)
		return nr_fail(err, -EINVAL, "--%s needs its argument %s", r->name,
			       r->arg);
	return set_value(r, config, a->v[++a->i], err);
}

/* -qv, -c 10, -c10: letters of flags in a row, the last may take an argument. */
static int parse_letters(const struct nr_options *o, void *config, struct args *a,
			 bool *help, struct nr_err *err)
{
	for (const char *s = a->v[a->i] + 1; *s; s++) {
		const struct nr_option *r = find_letter(o, *s);
		int rc;

		if (!r)
			return nr_fail(err, -EINVAL, "there is no option -%c", *s);
		if (r == &help_row) {
			*help = true;
			return 0;
		}
		if (r->kind != NR_OPT_FLAG) {
			if (s[1])
				return set_value(r, config, s + 1, err);
			if (r->bare)
				return set_value(r, config, r->bare, err);
			if (a->i + 1 >= a->n)
				return nr_fail(err, -EINVAL, "-%c needs its argument %s",
					       *s, r->arg);
			return set_value(r, config, a->v[++a->i], err);
		}
		rc = set_value(r, config, NULL, err);
		if (rc)
			return rc;
	}
	return 0;
}

int nr_options_parse(const struct nr_options *o, void *config, int argc, char **argv,
		     int *n_operands, bool *help, struct nr_err *err)
{
	struct args a = { argv, argc, 0 };
	bool only_operands = false;
	int rc = nr_options_defaults(o, config, err);

	*n_operands = 0;
	*help = false;
	for (; !rc && !*help && a.i < a.n; a.i++) {
		char *s = argv[a.i];

		if (only_operands || s[0] != '-' || !s[1])
			argv[(*n_operands)++] = s;
		else if (!strcmp(s, "--"))
			only_operands = true;
		else if (s[1] == '-')
			rc = parse_long(o, config, &a, help, err);
		else
			rc = parse_letters(o, config, &a, help, err);
	}
	return rc;
}

void nr_options_fini(const struct nr_options *o, void *config)
{
	for (size_t i = 0; i < o->n; i++) {
		struct nr_list *l = (void *)((char *)config + o->rows[i].offset);

		if (o->rows[i].kind == NR_OPT_LIST) {
			free(l->v);
			*l = (struct nr_list){ 0 };
		}
	}
}

enum { HELP_COLUMN = 28, HELP_WIDTH = 79 };

/* Writes text from column HELP_COLUMN on, broken between words. */
static void put_wrapped(FILE *f, size_t column, const char *text)
{
	if (column + 2 > HELP_COLUMN) {
		fputc('\n', f);
		column = 0;
	}
	fprintf(f, "%*s", (int)(HELP_COLUMN - column), "");
	column = HELP_COLUMN;
	while (*text) {
		size_t n = strcspn(text, " ");

		if (column > HELP_COLUMN && column + 1 + n > HELP_WIDTH) {
			fprintf(f, "\n%*s", HELP_COLUMN, "");
			column = HELP_COLUMN;
		} else if (column > HELP_COLUMN) {
			fputc(' ', f);
			column++;
		}
		fwrite(text, 1, n, f);
		column += n;
		text += n + (text[n] == ' ');
	}
	fputc('\n', f);
}

static void help_of(const struct nr_option *r, FILE *f)
{
	char left[128], text[1024];
	int n;

	n = snprintf(left, sizeof(left), "  %c%c%c --%s", r->letter ? '-' : ' ',
		     r->letter ? r->letter : ' ', r->letter ? ',' : ' ', r->name);
	if (r->arg)
		n += snprintf(left + n, sizeof(left) - (size_t)n,
			      r->bare ? "[=%s]" : "=%s", r->arg);
	fputs(left, f);
	snprintf(text, sizeof(text), "%s", r->help);
	if (r->kind == NR_OPT_ENUM) {
		for (int i = 0; r->values[i]; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 i ? ", " : ": ", r->values[i]);
	}
	if (r->bare)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " [alone: %s]",
			 r->bare);
	else if (r->def)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " [%s]",
			 r->def);
	put_wrapped(f, (size_t)n, text);
}

void nr_options_help(const struct nr_options *o, FILE *f)
{
	for (size_t i = 0; i < o->n; i++)
		help_of(&o->rows[i], f);
	help_of(&help_row, f);
}

static size_t min3(size_t a, size_t b, size_t c)
{
	a = a < b ? a : b;
	return a < c ? a : c;
}

/* Levenshtein; words of more than 31 letters count as far away. */
static size_t distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b), row[32];

	if (na > 31 || nb > 31)
		return 32;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[nb];
}

const char *nr_nearest(const char *word, const char *(*name)(const void *arg, size_t i),
		       const void *arg, size_t n)
{
	size_t best = strlen(word) / 3 + 2;
	const char *found = NULL;

	for (size_t i = 0; i < n; i++) {
		const char *s = name(arg, i);
		size_t d = distance(word, s);

		/* a word that begins the name is meant, however much is left out */
		if (strlen(word) >= 3 && !strncmp(s, word, strlen(word)))
			d = 1;
		if (d < best) {
			best = d;
			found = s;
		}
	}
	return found;
}
