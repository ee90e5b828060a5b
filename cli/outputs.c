/* SPDX-License-Identifier: BSD-3-Clause */
#include "outputs.h"

#include "cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The private part of a guard. */
struct guard {
	struct nr_outputs *out;
	struct nr_sink *inner;
	bool is_gone; /* it failed, or nobody reads it, and the others go on */
};

static struct guard *guard_of(struct nr_sink *s)
{
	return (struct guard *)s->ctx;
}

static bool others_go_on(const struct nr_outputs *out)
{
	for (size_t i = 0; i < out->n; i++)
		if (!guard_of(out->o[i].guard)->is_gone)
			return true;
	return false;
}

/* What its result means for the run: 0 where it goes on without this output. */
static int judge(struct nr_sink *s, int rc, struct nr_err *err)
{
	struct guard *g = guard_of(s);
	struct nr_outputs *out = g->out;

	if (!rc)
		return 0;
	g->is_gone = true;
	if (!strcmp(s->target, "-") && rc == -EPIPE) {
		out->reader_gone = true;
		return others_go_on(out) ? 0 : rc;
	}
	if (!out->failed)
		out->failed = s->target;
	if (!out->say || !others_go_on(out))
		return rc;
	out->say(out->arg, err->text);
	return 0;
}

static int guard_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		       struct nr_err *err)
{
	struct guard *g = guard_of(s);

	return g->is_gone ? 0 : judge(s, nr_sink_write(g->inner, r, n, err), err);
}

static int guard_flush(struct nr_sink *s, struct nr_err *err)
{
	struct guard *g = guard_of(s);

	return g->is_gone ? 0 : judge(s, nr_sink_flush(g->inner, err), err);
}

static int nothing_to_finish(struct nr_sink *s, struct nr_err *err)
{
	(void)s;
	(void)err;
	return 0;
}

static void free_guard(struct nr_sink *s)
{
	free(s);
}

static const struct nr_sink_ops guard_ops = {
	.name = "guard",
	.ctx_size = sizeof(struct guard),
	.write = guard_write,
	.flush = guard_flush,
	.finish = nothing_to_finish,
	.close = free_guard,
};

static struct nr_sink *new_guard(struct nr_outputs *out, struct nr_sink *inner,
				 const char *target)
{
	struct nr_sink *s = nr_xcalloc(1, sizeof(*s) + sizeof(struct guard));

	s->ops = &guard_ops;
	s->target = target;
	s->inner = inner;
	s->no_index = inner->no_index;
	s->no_ident = inner->no_ident;
	s->no_values = inner->no_values;
	*guard_of(s) = (struct guard){ .out = out, .inner = inner };
	return s;
}

int nr_outputs_open(struct nr_outputs *out, const char *const *targets, size_t n,
		    const struct nr_sink_options *opt, struct nr_err *err)
{
	*out = (struct nr_outputs){ .o = nr_xcalloc(n, sizeof(*out->o)) };
	for (size_t i = 0; i < n; i++) {
		struct nr_sink *s;
		int rc = nr_sink_open(&s, targets[i], opt, err);

		if (rc) {
			(opt->live ? nr_outputs_discard : nr_outputs_close)(out);
			return rc;
		}
		out->o[i].sink = s;
		out->o[i].guard = new_guard(out, s, targets[i]);
		out->n = i + 1;
	}
	return 0;
}

size_t nr_outputs_sinks(const struct nr_outputs *out, struct nr_sink **list)
{
	for (size_t i = 0; i < out->n; i++)
		list[i] = out->o[i].guard;
	return out->n;
}

static void finish_one(struct nr_outputs *out, size_t i, int *first, struct nr_err *err)
{
	const char *target = out->o[i].guard->target;
	struct nr_err e = { "" };
	int rc;

	if (guard_of(out->o[i].guard)->is_gone)
		return;
	rc = nr_sink_finish(out->o[i].sink, &e);

	if (rc == -EPIPE && !strcmp(target, "-")) {
		out->reader_gone = true;
		return;
	}
	if (rc && !*first) {
		*first = rc;
		out->failed = target;
		if (err)
			*err = e;
	}
}

/* What column run.chain_heads says; NULL: no archive was written. Caller frees. */
static char *chain_heads(const struct nr_outputs *out)
{
	struct nr_buf b = { 0 };

	for (size_t i = 0; i < out->n; i++) {
		const struct nr_sink *s = out->o[i].sink;
		const char *slash = strrchr(s->target, '/');
		const char *name = slash ? slash + 1 : s->target;

		if (!s->is_archive)
			continue;
		nr_buf_str(&b, b.len ? ",{\"name\":" : "[{\"name\":");
		nr_buf_json(&b, name, strlen(name));
		nr_buf_printf(&b, ",\"frames\":%llu,\"head\":\"",
			      (unsigned long long)s->archive.n_frames);
		nr_buf_hex(&b, s->archive.head, NR_ARCHIVE_HASH);
		nr_buf_str(&b, "\"}");
	}
	if (b.len)
		nr_buf_char(&b, ']');
	return b.p;
}

static bool is_database(const struct nr_sink *s)
{
	return s->ops == &nr_sink_sqlite || s->ops == &nr_sink_sqlite_live;
}

int nr_outputs_finish(struct nr_outputs *out, struct nr_err *err)
{
	char *heads;
	int first = 0;

	/* archives before databases, which say what they were; then what may wait for a
	   reader */
	for (size_t i = 0; i < out->n; i++)
		if (out->o[i].sink->is_archive)
			finish_one(out, i, &first, err);
	heads = first ? NULL : chain_heads(out);
	for (size_t i = 0; i < out->n; i++) {
		struct nr_sink *s = out->o[i].sink;

		if (!is_database(s))
			continue;
		s->chain_heads = heads ? nr_xstrdup(heads) : NULL;
		finish_one(out, i, &first, err);
	}
	nr_free(heads);
	for (size_t i = 0; i < out->n; i++)
		if (!out->o[i].sink->is_archive && !is_database(out->o[i].sink))
			finish_one(out, i, &first, err);
	return first;
}

void nr_outputs_report_archives(const struct nr_outputs *out, FILE *f)
{
	for (size_t i = 0; i < out->n; i++) {
		const struct nr_sink *s = out->o[i].sink;
		char head[2 * NR_ARCHIVE_HASH + 1];

		if (!s->is_archive)
			continue;
		nr_hex_format(head, s->archive.head, NR_ARCHIVE_HASH);
		fprintf(f, "%s: %llu frames, chain head %s\n", s->target,
			(unsigned long long)s->archive.n_frames, head);
	}
}

bool nr_outputs_is_database(const char *target)
{
	return strcmp(target, "-") != 0 && strncmp(target, "null:", 5) != 0 &&
	       !nr_ends_with(target, ".jsonl") && !nr_ends_with(target, ".jsonl.zst");
}

bool nr_output_is_input(const char *target, const char *input)
{
	struct stat out, in;
	int rc;

	if (!input || !strcmp(target, "-") || stat(target, &out) || !S_ISREG(out.st_mode))
		return false;
	rc = strcmp(input, "-") ? stat(input, &in) : fstat(STDIN_FILENO, &in);
	return !rc && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

/* What it makes beside its target goes with it. */
static void remove_file(const char *path)
{
	static const char *const more[] = { "", "-wal", "-shm" };
	struct nr_buf b = { 0 };
	struct stat st;

	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
		nr_buf_clear(&b);
		nr_buf_printf(&b, "%s%s", path, more[i]);
		if (!lstat(b.p, &st) && S_ISREG(st.st_mode))
			unlink(b.p);
	}
	nr_buf_fini(&b);
}

/* An archive has its name when it is finished. */
static char *name_meanwhile(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	struct nr_buf b = { 0 };

	nr_buf_printf(&b, "%.*s.%s.partial", (int)(name - path), path, name);
	return b.p;
}

void nr_outputs_discard(struct nr_outputs *out)
{
	for (size_t i = 0; i < out->n; i++) {
		struct nr_sink *s = out->o[i].sink;
		char *path = s->is_archive ? name_meanwhile(s->target)
					   : nr_xstrdup(nr_sink_path(s));

		nr_sink_close(s);
		out->o[i].sink = NULL;
		remove_file(path);
		nr_free(path);
	}
	nr_outputs_close(out);
}

void nr_outputs_close(struct nr_outputs *out)
{
	for (size_t i = 0; i < out->n; i++) {
		nr_sink_close(out->o[i].sink);
		free(out->o[i].guard);
	}
	free(out->o);
	out->o = NULL;
	out->n = 0;
}
