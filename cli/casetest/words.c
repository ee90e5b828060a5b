/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/words.h"

#include "cli.h"
#include "replay_config.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

struct cutter {
	const char *p, *end;
	unsigned line;
	struct nr_buf word;
};

static void skip_blank(struct cutter *c)
{
	for (; c->p < c->end; c->p++) {
		if (*c->p == '#')
			while (c->p + 1 < c->end && c->p[1] != '\n')
				c->p++;
		else if (*c->p == '\n')
			c->line++;
		else if (!strchr(" \t\r", *c->p))
			return;
	}
}

/* One word into c->word; false where a quote is not closed. */
static bool take_word(struct cutter *c)
{
	char quote = '\0';

	nr_buf_clear(&c->word);
	nr_buf_str(&c->word, "");
	for (; c->p < c->end; c->p++) {
		char k = *c->p;

		if (!quote && strchr(" \t\r\n", k))
			return true;
		if (k == '\n')
			c->line++;
		if (k == quote) {
			quote = '\0';
		} else if (!quote && (k == '\'' || k == '"')) {
			quote = k;
		} else if (k == '\\' && quote != '\'' && c->end - c->p > 1) {
			c->p++;
			nr_buf_char(&c->word, *c->p);
		} else {
			nr_buf_char(&c->word, k);
		}
	}
	return !quote;
}

int nr_words_split(struct nr_words *w, const char *text, size_t len, struct nr_arena *a,
		   unsigned *line, struct nr_err *err)
{
	struct cutter c = { text, text + len, 1, { 0 } };
	int rc = 0;

	*w = (struct nr_words){ nr_arena_zalloc(a, (NR_WORDS_MAX + 1) * sizeof(*w->v)),
				nr_arena_zalloc(a, NR_WORDS_MAX * sizeof(*w->line)), 0 };
	for (skip_blank(&c); !rc && c.p < c.end; skip_blank(&c)) {
		*line = c.line;
		if (w->n == NR_WORDS_MAX) {
			rc = nr_fail(err, -EINVAL, "more than %d words", NR_WORDS_MAX);
		} else if (!take_word(&c)) {
			rc = nr_fail(err, -EINVAL, "a quote is not closed");
		} else {
			w->line[w->n] = *line;
			w->v[w->n++] = nr_arena_copy(a, c.word.p, c.word.len);
		}
	}
	nr_buf_fini(&c.word);
	return rc;
}

/* Options that change no row of a table, and may stand in a case nevertheless. */
static bool is_allowed(const struct nr_option *r)
{
	static const char *const more[] = { "flow-start", "batch", "no-hash", "threads" };

	if (r->is_record_option)
		return true;
	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++)
		if (!strcmp(r->name, more[i]))
			return true;
	return false;
}

/* replay's rows without those that a case must not give; caller frees rows. */
static struct nr_options allowed(void)
{
	const struct nr_options *all = &nr_cmd_replay.options;
	struct nr_option *rows = nr_xcalloc(all->n, sizeof(*rows));
	struct nr_options o = { .rows = rows };

	for (size_t i = 0; i < all->n; i++)
		if (is_allowed(&all->rows[i]))
			rows[o.n++] = all->rows[i];
	return o;
}

/* The first n words as options; parse moves words, so it gets a list of its own. */
static int parse(const struct nr_options *o, void *config, char *const *words, int n,
		 struct nr_err *err)
{
	char **v = nr_xcalloc((size_t)n + 1, sizeof(*v));
	int n_operands, rc;
	bool help;

	for (int i = 0; i < n; i++)
		v[i] = words[i];
	rc = nr_options_parse(o, config, n, v, &n_operands, &help, err);
	if (!rc && help)
		rc = nr_fail(err, -EINVAL, "--help is no option of a case");
	if (!rc && n_operands)
		rc = nr_fail(err, -EINVAL,
			     "'%.80s' is no option; captures stand in the file captures",
			     v[0]);
	nr_free(v);
	return rc;
}

static int try_words(char *const *words, int n, struct nr_err *err)
{
	void *config = nr_xcalloc(1, nr_cmd_replay.config_size);
	struct nr_options o = allowed();
	int rc;

	nr_cmd_replay.defaults(config);
	rc = parse(&o, config, words, n, err);
	if (!rc && !nr_replay_settle(config, err))
		rc = -EINVAL;
	nr_words_config_free(config);
	nr_free((void *)o.rows);
	return rc;
}

int nr_words_check(const struct nr_words *w, unsigned *line, struct nr_err *err)
{
	struct nr_err other;
	int n = w->n;

	if (!try_words(w->v, n, err))
		return 0;
	while (n && try_words(w->v, n - 1, &other))
		n--;
	*line = n ? w->line[n - 1] : 1;
	return -EINVAL;
}

void *nr_words_config(char *const *words, int n, struct nr_engine_config **engine,
		      struct nr_err *err)
{
	/* cases run side by side, so each takes one CPU unless it says otherwise */
	static char one_thread[] = "--threads=1";
	void *config = nr_xcalloc(1, nr_cmd_replay.config_size);
	char **v = nr_xcalloc((size_t)n + 1, sizeof(*v));

	v[0] = one_thread;
	for (int i = 0; i < n; i++)
		v[i + 1] = words[i];
	nr_cmd_replay.defaults(config);
	*engine = NULL;
	if (!parse(&nr_cmd_replay.options, config, v, n + 1, err))
		*engine = nr_replay_settle(config, err);
	nr_free(v);
	if (*engine)
		return config;
	nr_words_config_free(config);
	return NULL;
}

void nr_words_config_free(void *config)
{
	if (!config)
		return;
	nr_options_fini(&nr_cmd_replay.options, config);
	nr_free(config);
}
