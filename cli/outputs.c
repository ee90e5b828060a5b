/* SPDX-License-Identifier: BSD-3-Clause */
#include "outputs.h"

#include "cli.h"

#include "base/mem.h"
#include "record/tables.h"

#include <errno.h>
#include <string.h>

/* The private part of a guard, and of the hash sink. */
struct guard {
	struct nr_outputs *out;
	struct nr_sink *inner;
};

static struct guard *guard_of(struct nr_sink *s)
{
	return (struct guard *)s->ctx;
}

static int guard_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		       struct nr_err *err)
{
	struct guard *g = guard_of(s);
	bool is_stdout = !strcmp(s->target, "-");
	int rc;

	if (is_stdout && g->out->reader_gone)
		return 0;
	rc = nr_sink_write(g->inner, r, n, err);
	if (!rc)
		return 0;
	if (is_stdout && rc == -EPIPE) {
		g->out->reader_gone = true;
		if (g->out->n > 1)
			return 0; /* the other outputs go on */
	} else {
		g->out->failed = s->target;
	}
	return rc;
}

/* The first signal ended standard input before its end (nr_signals_init()). */
static void mark_cut_stdin(struct nr_record *r)
{
	const struct nr_value *name = &r->v[NR_SOURCE_name];

	if (atomic_load(&nr_stop) && name->len == 5 && !memcmp(name->p, "stdin", 5))
		nr_set_int(r, NR_SOURCE_interrupted, 1);
}

static void set_hash(const struct nr_outputs *out, struct nr_record *r)
{
	uint64_t id = (uint64_t)r->v[NR_SOURCE_source_id].i;
	const struct nr_source_info *info =
		nr_merge_info(out->merge, id - out->first_source_id);
	const char *hex = info->sha256[0] ? info->sha256 : NULL, *note = info->hash_note;

	mark_cut_stdin(r);
	if (out->no_hash) {
		note = "--no-hash";
	} else if (r->v[NR_SOURCE_interrupted].i) {
		hex = NULL;
		note = "interrupted";
	}
	nr_set_str(r, NR_SOURCE_sha256, hex);
	nr_set_str(r, NR_SOURCE_hash_note, note);
}

/* The row of a source gets its hash just before the outputs see it. */
static int hash_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		      struct nr_err *err)
{
	struct nr_outputs *out = guard_of(s)->out;

	(void)err;
	for (size_t i = 0; i < n; i++)
		if (r[i]->type == &nr_rt_source)
			set_hash(out, r[i]);
	return 0;
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
	.finish = nothing_to_finish,
	.close = free_guard,
};

static const struct nr_sink_ops hash_ops = {
	.name = "hash",
	.ctx_size = sizeof(struct guard),
	.write = hash_write,
	.finish = nothing_to_finish,
	.close = free_guard,
};

static struct nr_sink *new_guard(const struct nr_sink_ops *ops, struct nr_outputs *out,
				 struct nr_sink *inner, const char *target)
{
	struct nr_sink *s = nr_xcalloc(1, sizeof(*s) + sizeof(struct guard));

	s->ops = ops;
	s->target = target;
	*guard_of(s) = (struct guard){ out, inner };
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
			nr_outputs_close(out);
			return rc;
		}
		out->o[i].sink = s;
		out->o[i].guard = new_guard(&guard_ops, out, s, targets[i]);
		out->n = i + 1;
	}
	out->hash_sink = new_guard(&hash_ops, out, NULL, "hash");
	return 0;
}

size_t nr_outputs_sinks(const struct nr_outputs *out, struct nr_sink **list)
{
	list[0] = out->hash_sink;
	for (size_t i = 0; i < out->n; i++)
		list[i + 1] = out->o[i].guard;
	return out->n + 1;
}

int nr_outputs_finish(struct nr_outputs *out, struct nr_err *err)
{
	int first = 0;

	for (size_t i = 0; i < out->n; i++) {
		const char *target = out->o[i].guard->target;
		struct nr_err e = { "" };
		int rc = nr_sink_finish(out->o[i].sink, &e);

		if (rc == -EPIPE && !strcmp(target, "-")) {
			out->reader_gone = true;
			continue;
		}
		if (rc && !first) {
			first = rc;
			out->failed = target;
			if (err)
				*err = e;
		}
	}
	return first;
}

void nr_outputs_close(struct nr_outputs *out)
{
	for (size_t i = 0; i < out->n; i++) {
		nr_sink_close(out->o[i].sink);
		free(out->o[i].guard);
	}
	free(out->hash_sink);
	free(out->o);
	out->o = NULL;
	out->hash_sink = NULL;
	out->n = 0;
}
