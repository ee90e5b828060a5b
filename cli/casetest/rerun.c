/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/rerun.h"

#include "casetest/words.h"
#include "cli.h"
#include "replay.h"
#include "sandbox.h"
#include "database/sqlfunc.h"

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/filter.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RECORDS_MAX = 256 << 20 }; /* bytes of records kept for comparison */

/* Lets records of the wanted types through to the sink of JSON lines. */
struct sieve {
	const struct nr_case_want *want;
	struct nr_sink *inner;
	struct nr_record **kept; /* grows with the batch */
	size_t room;
	uint64_t n;
};

static struct sieve *sieve_of(struct nr_sink *s)
{
	return (struct sieve *)(void *)s->ctx;
}

static bool is_wanted(const struct nr_case_want *w, const struct nr_record_type *t)
{
	if (!w->types)
		return !(t->flags & NR_R_RUN);
	for (size_t i = 0; i < w->n_types; i++)
		if (!strcmp(w->types[i], t->name))
			return true;
	return false;
}

static int sieve_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		       struct nr_err *err)
{
	struct sieve *v = sieve_of(s);
	size_t kept = 0;

	if (n > v->room) {
		v->room = n;
		v->kept = nr_xrealloc(v->kept, n * sizeof(struct nr_record *));
	}
	for (size_t i = 0; i < n; i++)
		if (is_wanted(v->want, r[i]->type))
			v->kept[kept++] = r[i];
	if (!kept)
		return 0;
	if (lseek(STDOUT_FILENO, 0, SEEK_CUR) > RECORDS_MAX)
		return nr_fail(err, -EFBIG,
			       "more than %d MiB of records: compare fewer types of them",
			       RECORDS_MAX >> 20);
	return nr_sink_write(v->inner, v->kept, kept, err);
}

static const struct nr_sink_ops sieve_ops = {
	.name = "sieve",
	.ctx_size = sizeof(struct sieve),
	.write = sieve_write,
};

struct job {
	const struct nr_case *c;
	const struct nr_case_want *want;
	struct nr_case_got *got;
	void *config;
	struct nr_engine_config *ec;
	struct nr_merge *merge;
	struct nr_engine *engine;
	struct nr_sink *sieve, *lines, *database;
	char *db_path;
};

static int open_sinks(struct job *j, struct nr_sink **list, size_t *n, struct nr_err *err)
{
	struct nr_sink_options so = { .force = true };
	int rc = 0;

	if (j->want->records) {
		rc = nr_sink_open(&j->lines, "-", &so, err);
		if (rc)
			return rc;
		j->sieve = nr_xcalloc(1, sizeof(*j->sieve) + sizeof(struct sieve));
		j->sieve->ops = &sieve_ops;
		j->sieve->target = "-";
		*sieve_of(j->sieve) =
			(struct sieve){ .want = j->want, .inner = j->lines };
		list[(*n)++] = j->sieve;
	}
	if (j->want->dir) {
		rc = nr_sink_open(&j->database, j->db_path, &so, err);
		if (!rc)
			list[(*n)++] = j->database;
	}
	return rc;
}

static int run_engine(struct job *j, struct nr_err *err)
{
	struct nr_run_info info = { .argv = "nrtool test",
				    .cwd = "",
				    .host = "",
				    .libraries = "{}",
				    .sandbox = "",
				    .threads = 1 };
	struct nr_buf options = { 0 };
	int rc;

	nr_record_options_json(&options, &nr_cmd_replay.options, j->config);
	info.record_options = options.p;
	rc = nr_engine_run(j->engine, j->merge, &info, &nr_stop, NULL, NULL, err);
	nr_buf_fini(&options);
	if (!rc && j->lines)
		rc = nr_sink_finish(j->lines, err);
	if (!rc && j->database)
		rc = nr_sink_finish(j->database, err);
	return rc;
}

/* Whose fault: a sink's is the machine's, all else is what replay would end with. */
static int replay(struct job *j, struct nr_err *err)
{
	struct nr_merge_options mo = { .max_jump_ns = j->ec->max_jump,
				       .hash = true,
				       .stop = &nr_stop };
	struct nr_sink *list[2];
	size_t n = 0;
	int rc;

	if (j->ec->from != INT64_MIN || j->ec->to != INT64_MAX) {
		mo.from_ns = j->ec->from;
		mo.to_ns = j->ec->to;
	}
	if (nr_merge_open(&j->merge, j->c->captures, j->c->n_captures, &mo,
			  &j->got->why)) {
		j->got->status = NR_EXIT_FAILED;
		return 0;
	}
	rc = open_sinks(j, list, &n, err);
	if (rc)
		return rc;
	rc = nr_engine_new(&j->engine, j->ec, list, n, err);
	j->ec->compiled_filter = NULL;
	if (!rc)
		rc = run_engine(j, err);
	if (rc)
		return rc;
	if (nr_engine_stats(j->engine)->n_damaged) {
		j->got->status = NR_EXIT_DAMAGED;
		for (size_t i = 0; i < nr_merge_n_sources(j->merge); i++)
			if (nr_engine_damage(j->engine, i))
				snprintf(j->got->why.text, sizeof(j->got->why.text),
					 "%.200s: %.300s",
					 nr_merge_info(j->merge, i)->path,
					 nr_engine_damage(j->engine, i));
	}
	return 0;
}

/* The lines on standard output, a memory file, taken apart. */
static int read_lines(struct nr_case_got *got, struct nr_err *err)
{
	off_t size = lseek(STDOUT_FILENO, 0, SEEK_END);
	struct nr_expect_span at = { 0 };
	char *text;

	if (size < 0)
		return nr_fail(err, -errno, "cannot read the records back: %s",
			       strerror(errno));
	text = nr_arena_alloc(&got->arena, (size_t)size + 1);
	for (off_t n = 0; n < size;) {
		ssize_t r = pread(STDOUT_FILENO, text + n, (size_t)(size - n), n);

		if (r <= 0)
			return nr_fail(err, -EIO, "cannot read the records back: %s",
				       strerror(errno));
		n += r;
	}
	text[size] = '\0';
	for (off_t i = 0; i < size; i++)
		got->n += text[i] == '\n';
	got->line = nr_arena_zalloc(&got->arena, (got->n + 1) * sizeof(*got->line));
	for (size_t i = 0; nr_expect_next_line(&at, text, (size_t)size); i++) {
		struct nr_case_line *l = &got->line[i];
		int rc;

		l->text = text + at.at;
		text[at.at + at.len] = '\0';
		rc = nr_json_line_parse(&l->json, &got->arena, l->text, at.len, err);
		if (rc)
			return rc;
		l->type = nr_json_text(&l->json, "type", &got->arena);
	}
	return 0;
}

static int open_database(struct job *j, struct nr_err *err)
{
	int rc = sqlite3_open_v2(j->db_path, &j->got->db, SQLITE_OPEN_READONLY, NULL);

	if (!rc)
		rc = sqlite3_exec(j->got->db,
				  "PRAGMA temp_store = 2; PRAGMA query_only = 1", NULL,
				  NULL, NULL);
	if (!rc)
		rc = nr_sqlfunc_register(j->got->db);
	if (rc)
		return nr_fail(err, -EIO, "cannot open the database: %s",
			       sqlite3_errmsg(j->got->db));
	sqlite3_db_config(j->got->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_limit(j->got->db, SQLITE_LIMIT_ATTACHED, 0);
	return 0;
}

static int confine(struct job *j, struct nr_err *err)
{
	char applied[NR_SANDBOX_TEXT];
	struct nr_sandbox s = { .reads = j->c->captures,
				.n_reads = j->c->n_captures,
				.targets = (const char *const *)&j->db_path,
				.n_targets = j->want->dir ? 1 : 0 };

	if (j->ec->filter &&
	    nr_filter_new(&j->ec->compiled_filter, j->ec->filter, &j->got->why)) {
		j->got->status = NR_EXIT_USAGE;
		return 0;
	}
	return nr_sandbox_enter(&s, applied, err);
}

int nr_case_replay(const struct nr_case *c, const struct nr_case_want *want,
		   struct nr_case_got *got, struct nr_err *err)
{
	struct job j = { .c = c, .want = want, .got = got };
	int rc, fd = memfd_create("records", MFD_CLOEXEC);

	*got = (struct nr_case_got){ 0 };
	if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0)
		return nr_fail(err, -errno, "cannot make a file in memory: %s",
			       strerror(errno));
	close(fd);
	j.db_path =
		nr_arena_printf(&got->arena, "%s/case.db", want->dir ? want->dir : ".");
	j.config = nr_words_config(c->words, c->n_words, &j.ec, err);
	if (!j.config)
		return -EINVAL;
	rc = confine(&j, err);
	if (!rc && !got->status)
		rc = replay(&j, err);
	nr_engine_free(j.engine);
	nr_merge_close(j.merge);
	nr_sink_close(j.lines);
	nr_sink_close(j.database);
	if (j.sieve)
		nr_free(sieve_of(j.sieve)->kept);
	nr_free(j.sieve);
	nr_filter_free(j.ec->compiled_filter);
	nr_words_config_free(j.config);
	if (!rc && want->records)
		rc = read_lines(got, err);
	if (!rc && want->dir && (!got->status || got->status == NR_EXIT_DAMAGED))
		rc = open_database(&j, err);
	return rc;
}

void nr_case_got_fini(struct nr_case_got *got)
{
	sqlite3_close(got->db);
	nr_arena_fini(&got->arena);
}
