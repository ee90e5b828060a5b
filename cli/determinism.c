/* SPDX-License-Identifier: BSD-3-Clause */
#include "determinism.h"

#include "base/mem.h"
#include "base/text.h"
#include "cli.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

enum { PART_RECORDS = 1024, HASH = 32 };

struct way {
	unsigned threads, batch;
};

/* The first one is what the others are held against. */
static const struct way ways[] = { { 1, 256 }, { 1, 1 }, { 2, 7 },
				   { 3, 256 }, { 4, 1 }, { 8, 256 } };

enum { N_WAYS = sizeof(ways) / sizeof(ways[0]) };
_Static_assert((int)N_WAYS + 2 <= (int)NR_DETERMINISM_RUNS, "and two to look closer");

/* A sink that keeps a hash for each PART_RECORDS records, and the lines of one part. */
struct digest {
	struct nr_sink *sink; /* its context is a pointer back here */
	EVP_MD_CTX *ctx;
	uint8_t (*part)[HASH];
	size_t n_parts, cap;
	uint64_t n;   /* records */
	size_t keep;  /* part whose lines are kept; SIZE_MAX: none */
	char **lines; /* PART_RECORDS, NULL: not there */
	struct nr_buf line;
	bool damaged;
};

static void put_line(struct nr_buf *b, const struct nr_record *r)
{
	nr_buf_clear(b);
	nr_buf_str(b, r->type->name);
	for (unsigned i = 0; i < r->type->n_fields; i++) {
		const struct nr_value *v = &r->v[i];

		if (v->kind == NR_V_NULL)
			continue;
		nr_buf_printf(b, " %s=", r->type->fields[i].name);
		if (v->kind == NR_V_INT)
			nr_buf_printf(b, "%lld", (long long)v->i);
		else
			nr_buf_json(b, v->p, v->len);
	}
	if (r->ident)
		nr_buf_printf(b, " (%s %s %d %s %d %s)", r->ident->proto,
			      r->ident->src_ip, r->ident->src_port, r->ident->dst_ip,
			      r->ident->dst_port, r->ident->community_id);
	nr_buf_char(b, '\n');
}

static void end_part(struct digest *d)
{
	if (d->n_parts == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 64;
		d->part = nr_xrealloc(d->part, d->cap * sizeof(d->part[0]));
	}
	EVP_DigestFinal_ex(d->ctx, d->part[d->n_parts++], NULL);
	EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL);
}

static int take(struct nr_sink *s, struct nr_record *const *r, size_t n,
		struct nr_err *err)
{
	struct digest *d = *(struct digest **)(void *)s->ctx;

	for (size_t i = 0; i < n; i++) {
		if (r[i]->type->flags & NR_R_RUN)
			continue;
		put_line(&d->line, r[i]);
		EVP_DigestUpdate(d->ctx, d->line.p, d->line.len);
		for (unsigned k = 0; k < r[i]->type->n_fields; k++) {
			const struct nr_value *v = &r[i]->v[k];

			if (v->kind == NR_V_TEXT) /* the line has valid UTF-8 of it */
				EVP_DigestUpdate(d->ctx, v->p, v->len);
		}
		if (d->n_parts == d->keep)
			d->lines[d->n % PART_RECORDS] = nr_xstrdup(d->line.p);
		if (++d->n % PART_RECORDS == 0)
			end_part(d);
	}
	(void)err;
	return 0;
}

static const struct nr_sink_ops ops = {
	.name = "digest",
	.ctx_size = sizeof(struct digest *),
	.write = take,
};

static void digest_init(struct digest *d, size_t keep)
{
	*d = (struct digest){ .keep = keep };
	d->sink = nr_xcalloc(1, sizeof(*d->sink) + ops.ctx_size);
	d->sink->ops = &ops;
	*(struct digest **)(void *)d->sink->ctx = d;
	d->ctx = EVP_MD_CTX_new();
	EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL);
	if (keep != SIZE_MAX)
		d->lines = nr_xcalloc(PART_RECORDS, sizeof(d->lines[0]));
}

static void digest_fini(struct digest *d)
{
	for (size_t i = 0; d->lines && i < PART_RECORDS; i++)
		nr_free(d->lines[i]);
	nr_free(d->lines);
	EVP_MD_CTX_free(d->ctx);
	nr_free(d->sink);
	nr_free(d->part);
	nr_buf_fini(&d->line);
}

struct check {
	const struct nr_engine_config *c;
	struct nr_filter **filters;
	char *const *files;
	int n;
};

/* One replay into d. 0 or -errno. */
static int run(struct check *k, const struct way *w, struct digest *d, struct nr_err *err)
{
	const struct nr_run_info info = { .argv = "replay",
					  .cwd = "",
					  .host = "",
					  .libraries = "{}",
					  .sandbox = "",
					  .record_options = "{}",
					  .threads = w->threads };
	struct nr_merge_options mo = { .max_jump_ns = k->c->max_jump, .stop = &nr_stop };
	struct nr_engine_config c = *k->c;
	struct nr_sink *sink = d->sink;
	struct nr_engine *e = NULL;
	struct nr_merge *m = NULL;
	int rc;

	c.threads = w->threads;
	c.batch = w->batch;
	if (k->filters) {
		c.compiled_filter = *k->filters;
		*k->filters++ = NULL;
	}
	if (c.from != INT64_MIN || c.to != INT64_MAX) {
		mo.from_ns = c.from;
		mo.to_ns = c.to;
	}
	rc = nr_engine_new(&e, &c, &sink, 1, err);
	if (!rc)
		rc = nr_merge_open(&m, (const char *const *)k->files, (size_t)k->n, &mo,
				   err);
	if (!rc)
		rc = nr_engine_run(e, m, &info, &nr_stop, NULL, NULL, err);
	if (!rc && nr_stop)
		rc = nr_fail(err, -EINTR, "interrupted");
	if (!rc) {
		d->damaged = nr_engine_stats(e)->n_damaged > 0;
		end_part(d);
	}
	nr_engine_free(e);
	nr_merge_close(m);
	return rc;
}

/* The first part that is not the same in both; SIZE_MAX: none. */
static size_t differs(const struct digest *a, const struct digest *b)
{
	size_t n = a->n_parts < b->n_parts ? a->n_parts : b->n_parts;

	for (size_t i = 0; i < n; i++) {
		if (memcmp(a->part[i], b->part[i], HASH) != 0)
			return i;
	}
	return a->n_parts == b->n_parts ? SIZE_MAX : n;
}

/* Texts in it are JSON, which no terminal obeys. */
static void say_line(const char *who, const char *line)
{
	fprintf(stderr, "%s: %s", who, line ? line : "nothing more\n");
}

/* Runs both once more and shows the first record of the part that differs. */
static int look_closer(struct check *k, const struct way *w, size_t part,
		       struct nr_err *err)
{
	struct digest a, b;
	size_t i = 0;
	int rc;

	digest_init(&a, part);
	digest_init(&b, part);
	rc = run(k, &ways[0], &a, err);
	if (!rc)
		rc = run(k, w, &b, err);
	while (!rc && i < PART_RECORDS && a.lines[i] && b.lines[i] &&
	       !strcmp(a.lines[i], b.lines[i]))
		i++;
	if (!rc && i < PART_RECORDS && (a.lines[i] || b.lines[i])) {
		fprintf(stderr, "record %llu is the first that differs\n",
			(unsigned long long)part * PART_RECORDS + i + 1);
		say_line("1 thread", a.lines[i]);
		say_line("more", b.lines[i]);
	} else if (!rc) {
		fprintf(stderr,
			"records %llu to %llu differed, and did not the next "
			"time\n",
			(unsigned long long)part * PART_RECORDS + 1,
			(unsigned long long)(part + 1) * PART_RECORDS);
	}
	digest_fini(&a);
	digest_fini(&b);
	return rc;
}

static void say_equal(const struct digest *d)
{
	uint8_t all[HASH];

	EVP_Digest(d->part, d->n_parts * HASH, all, NULL, EVP_sha256(), NULL);
	printf("%llu records are the same in %d replays (1, 2, 3, 4, 8 threads; batches "
	       "of 1, 7, 256): ",
	       (unsigned long long)d->n, N_WAYS);
	for (unsigned i = 0; i < HASH; i++)
		printf("%02x", all[i]);
	putchar('\n');
}

int nr_determinism(const struct nr_engine_config *c, struct nr_filter **filters,
		   char *const *files, int n, bool quiet)
{
	struct check k = { c, filters, files, n };
	struct nr_err err = { "" };
	struct digest first, d;
	size_t part = SIZE_MAX;
	int rc, i;

	digest_init(&first, SIZE_MAX);
	rc = run(&k, &ways[0], &first, &err);
	for (i = 1; !rc && i < N_WAYS && part == SIZE_MAX; i++) {
		digest_init(&d, SIZE_MAX);
		rc = run(&k, &ways[i], &d, &err);
		part = rc ? SIZE_MAX : differs(&first, &d);
		digest_fini(&d);
	}
	if (!rc && part != SIZE_MAX) {
		fprintf(stderr,
			"the records differ with %u threads and batches of %u: this is a "
			"bug in nrtool, please report it\n",
			ways[i - 1].threads, ways[i - 1].batch);
		rc = look_closer(&k, &ways[i - 1], part, &err);
	} else if (!rc && !quiet) {
		say_equal(&first);
	}
	digest_fini(&first);
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "replay", "%s", err.text);
	if (part != SIZE_MAX)
		return NR_EXIT_DIFFERENT;
	return first.damaged ? NR_EXIT_DAMAGED : NR_EXIT_OK;
}
