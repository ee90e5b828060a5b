/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/sink.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "record/tables.h"

#include <errno.h>
#include <string.h>

/* How long the last rows of a file are waited for while a ring takes the packets. */
static const int64_t PATIENCE_NS = INT64_C(10000000000);

static const struct nr_sink_ops *ops_for(const char *target, bool live)
{
	if (strcmp(target, "null:") == 0)
		return &nr_sink_null;
	if (strcmp(target, "-") == 0 || nr_ends_with(target, ".jsonl") ||
	    nr_ends_with(target, ".jsonl.zst"))
		return live ? &nr_sink_behind : &nr_sink_jsonl;
	return live ? &nr_sink_sqlite_live : &nr_sink_sqlite;
}

int nr_sink_open_as(struct nr_sink **out, const struct nr_sink_ops *ops,
		    const char *target, const struct nr_sink_options *o,
		    struct nr_err *err)
{
	static const struct nr_sink_options none;
	struct nr_sink *s;
	int rc;

	*out = NULL;
	if (posix_memalign((void **)&s, 16, sizeof(*s) + ops->ctx_size) != 0)
		return nr_fail(err, -ENOMEM, "out of memory");
	memset(s, 0, sizeof(*s) + ops->ctx_size);
	s->ops = ops;
	s->target = nr_xstrdup(target);
	rc = ops->open(s, target, o ? o : &none, err);
	if (rc < 0) {
		nr_free((char *)s->target);
		nr_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

int nr_sink_open(struct nr_sink **out, const char *target,
		 const struct nr_sink_options *o, struct nr_err *err)
{
	*out = NULL;
	if (!target[0])
		return nr_fail(err, -EINVAL, "an output has an empty name");
	if (strstr(target, ".jsonl.") && !nr_ends_with(target, ".jsonl.zst"))
		return nr_fail(
			err, -EINVAL,
			"%s: JSON lines are written plain or as an archive; name it "
			"*.jsonl or *.jsonl.zst, or pipe -o - into a compressor",
			target);
	return nr_sink_open_as(out, ops_for(target, o && o->live), target, o, err);
}

int nr_sink_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		  struct nr_err *err)
{
	return s->ops->write(s, r, n, err);
}

int nr_sink_finish(struct nr_sink *s, struct nr_err *err)
{
	int64_t from = nr_monotonic_ns();
	int rc = s->ops->finish(s, err);

	s->finish_ns = (uint64_t)(nr_monotonic_ns() - from);
	return rc;
}

static struct nr_sink *innermost(const struct nr_sink *s)
{
	while (s->inner)
		s = s->inner;
	return (struct nr_sink *)s;
}

int nr_sink_flush(struct nr_sink *s, struct nr_err *err)
{
	return s->ops->flush ? s->ops->flush(s, err) : 0;
}

int nr_sink_rotate(struct nr_sink *s, int64_t ns, struct nr_err *err)
{
	int rc;

	s = innermost(s);
	rc = s->ops->rotate ? s->ops->rotate(s, ns, err) : 0;
	s->wait_until_ns = 0;
	return rc;
}

uint64_t nr_sink_dropped(const struct nr_sink *s)
{
	return innermost(s)->dropped;
}

void nr_sink_last_rows(struct nr_sink *s, bool at_end)
{
	s = innermost(s);
	s->is_over = at_end;
	s->wait_until_ns = nr_monotonic_ns() + PATIENCE_NS;
}

bool nr_sink_is_behind(const struct nr_sink *s)
{
	s = innermost(s);
	return s->ops->is_behind && s->ops->is_behind(s);
}

bool nr_sink_is_frame(const struct nr_record *r)
{
	static const char overload[] = "sink_overload";
	const struct nr_value *kind = &r->v[NR_ANOMALY_kind];

	if (r->type == &nr_rt_anomaly)
		return kind->len == sizeof(overload) - 1 &&
		       memcmp(kind->p, overload, kind->len) == 0;
	return r->type == &nr_rt_run || r->type == &nr_rt_source ||
	       r->type == &nr_rt_interface || r->type == &nr_rt_ledger ||
	       r->type == &nr_rt_capture_stats;
}

bool nr_sink_wants_open(const struct nr_sink *s)
{
	return innermost(s)->wants_open;
}

const char *nr_sink_path(const struct nr_sink *s)
{
	s = innermost(s);
	return s->path ? s->path : s->target;
}

void nr_sink_close(struct nr_sink *s)
{
	if (!s)
		return;
	s->ops->close(s);
	nr_free((char *)s->target);
	nr_free(s->chain_heads);
	nr_free(s);
}

static int null_open(struct nr_sink *s, const char *target,
		     const struct nr_sink_options *o, struct nr_err *err)
{
	s->no_index = s->no_ident = s->no_values = true;
	return 0;
}

static int null_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		      struct nr_err *err)
{
	return 0;
}

static int null_finish(struct nr_sink *s, struct nr_err *err)
{
	return 0;
}

static void null_close(struct nr_sink *s)
{
}

const struct nr_sink_ops nr_sink_null = {
	.name = "null",
	.open = null_open,
	.write = null_write,
	.finish = null_finish,
	.close = null_close,
};
