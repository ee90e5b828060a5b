/* SPDX-License-Identifier: BSD-3-Clause */
#include "replay_config.h"

#include "cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

enum { WORDS = 64 };

/* The command line that would say the same, parsed by replay's own rows. */
struct nr_replay_config {
	char *word[WORDS + 1];
	int n;
	void *config;
	struct nr_engine_config *engine;
};

/* "tcp_timeout_ns" is said by --tcp-timeout. */
static const struct nr_option *row_of(const char *key)
{
	const struct nr_options *o = &nr_cmd_replay.options;

	for (size_t i = 0; i < o->n; i++) {
		const char *a = o->rows[i].name, *b = key;

		while (*a && *b && (*a == *b || (*a == '-' && *b == '_'))) {
			a++;
			b++;
		}
		if (!*a && (!*b || !strcmp(b, "_ns")) && o->rows[i].is_record_option)
			return &o->rows[i];
	}
	return NULL;
}

static int add_word(struct nr_replay_config *c, const char *key, sqlite3_stmt *st,
		    struct nr_err *err)
{
	const struct nr_option *r = row_of(key);
	const char *value = (const char *)sqlite3_column_text(st, 1);
	struct nr_buf b = { 0 };

	if (!r || c->n == WORDS)
		return nr_fail(err, -EINVAL, "this nrtool has no option for '%.40s'",
			       key);
	nr_buf_printf(&b, "--%s", r->name);
	if (r->kind == NR_OPT_TIME) {
		nr_buf_char(&b, '=');
		nr_buf_time(&b, sqlite3_column_int64(st, 1));
	} else if (r->kind != NR_OPT_FLAG) {
		nr_buf_printf(&b, "=%s%s", value ? value : "",
			      r->kind == NR_OPT_DURATION ? "ns" : "");
	}
	c->word[c->n++] = b.p;
	return 0;
}

static int read_words(struct nr_replay_config *c, const char *json, struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	int rc = 0, step = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL);

	if (!step)
		step = sqlite3_prepare_v2(db, "SELECT key, value FROM json_each(?)", -1,
					  &st, NULL);
	if (!step)
		sqlite3_bind_text(st, 1, json, -1, SQLITE_STATIC);
	while (!step && !rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 0);

		step = 0;
		rc = add_word(c, key ? key : "", st, err);
	}
	if (!rc && step != SQLITE_DONE)
		rc = nr_fail(err, -EINVAL, "the options of the run cannot be read: %s",
			     sqlite3_errmsg(db));
	sqlite3_finalize(st);
	sqlite3_close(db);
	return rc;
}

int nr_replay_config_of(struct nr_replay_config **out, const char *record_options,
			struct nr_err *err)
{
	struct nr_replay_config *c = nr_xcalloc(1, sizeof(*c));
	bool help;
	int rc, n;

	c->config = nr_xcalloc(1, nr_cmd_replay.config_size);
	nr_cmd_replay.defaults(c->config);
	rc = read_words(c, record_options, err);
	if (!rc)
		rc = nr_options_parse(&nr_cmd_replay.options, c->config, c->n, c->word,
				      &n, &help, err);
	if (!rc) {
		c->engine = nr_replay_settle(c->config, err);
		rc = c->engine ? 0 : -EINVAL;
	}
	if (rc) {
		nr_replay_config_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

struct nr_engine_config *nr_replay_engine_config(struct nr_replay_config *c)
{
	return c->engine;
}

void nr_replay_config_free(struct nr_replay_config *c)
{
	if (!c)
		return;
	nr_options_fini(&nr_cmd_replay.options, c->config);
	nr_free(c->config);
	for (int i = 0; i < c->n; i++)
		nr_free(c->word[i]);
	nr_free(c);
}
