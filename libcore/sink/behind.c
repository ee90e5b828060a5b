/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON lines of a capture: whoever reads them, a pipe, a terminal or a disk, may be slow,
 * and the capture does not wait for it. Records are copied into a queue; a thread writes
 * them. Where the queue is full records are left out and counted: sessions first, flows
 * and what describes the capture last. When the capture ends it waits for all.
 */
#include "sink/queue.h"
#include "sink/sink.h"

#include "record/tables.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHUNKS = 64, /* of NR_CHUNK_SIZE */
	BUSY = 48,   /* as many for everything */
	AT_ONCE = 64,
};

struct behind {
	struct nr_sink *inner; /* the thread's while it runs */
	struct nr_queue queue;
	pthread_t thread;
	bool is_file;
	bool is_joined;
	atomic_bool is_given_up; /* what is queued is not to be written any more */
	atomic_int failed;       /* -errno, set after error */
	struct nr_err error;
};

static struct behind *ctx_of(struct nr_sink *s)
{
	return (struct behind *)(void *)s->ctx;
}

/* All records are of one table to the queue: that is their order. */
static int write_chunk(struct behind *b, const struct nr_chunk *c)
{
	struct nr_record r[AT_ONCE], *list[AT_ONCE];
	size_t n = 0;
	int rc = 0;

	for (struct nr_stored *s = c->of[0].first; s && rc == 0; s = s->next) {
		const struct nr_origin *o = s->origin;

		r[n] = (struct nr_record){ .type = o->type,
					   .ident = o->has_ident ? &o->ident : NULL,
					   .v = s->v };
		list[n] = &r[n];
		n++;
		if (n < AT_ONCE && s->next)
			continue;
		rc = nr_sink_write(b->inner, list, n, &b->error);
		n = 0;
	}
	if (rc == 0 && c->is_flushed)
		rc = nr_sink_flush(b->inner, &b->error);
	return rc;
}

static void *writer(void *arg)
{
	struct behind *b = arg;
	struct nr_chunk *c;
	int rc = 0;

	while (rc == 0 && (c = nr_queue_take(&b->queue)) != NULL) {
		if (!atomic_load(&b->is_given_up))
			rc = write_chunk(b, c);
		nr_queue_give_back(&b->queue, c);
	}
	if (rc < 0) {
		atomic_store(&b->failed, rc);
		nr_queue_kill(&b->queue);
	}
	return NULL;
}

static int behind_open(struct nr_sink *s, const char *target,
		       const struct nr_sink_options *o, struct nr_err *err)
{
	struct behind *b = ctx_of(s);
	int rc = nr_sink_open_as(&b->inner, &nr_sink_jsonl, target, o, err);
	struct stat st;

	if (rc < 0)
		return rc;
	b->is_file = (strcmp(target, "-") == 0 ? fstat(STDOUT_FILENO, &st)
					       : stat(target, &st)) == 0 &&
		     S_ISREG(st.st_mode);
	s->no_ident = b->inner->no_ident;
	s->no_index = b->inner->no_index;
	s->is_archive = b->inner->is_archive;
	nr_queue_init(&b->queue);
	b->queue.max_chunks = CHUNKS;
	b->queue.with_origin = true;
	rc = pthread_create(&b->thread, NULL, writer, b);
	if (rc == 0)
		return 0;
	nr_queue_fini(&b->queue);
	nr_sink_close(b->inner);
	return nr_fail(err, -rc, "cannot start a thread: %s", strerror(rc));
}

static int surface(const struct behind *b, struct nr_err *err)
{
	int rc = atomic_load(&b->failed);

	if (rc < 0 && err)
		*err = b->error;
	return rc;
}

/* Few, or what the others hang from. */
static bool is_wanted_more(const struct nr_record *r)
{
	return r->type == &nr_rt_flow || nr_sink_is_frame(r);
}

/*
 * Who reads from a pipe may have stopped: that is waited for at the end alone, and not
 * for good, as other outputs get the same rows.
 */
static bool offer(struct nr_sink *s, const struct nr_record *r)
{
	struct behind *b = ctx_of(s);

	if (s->wait_until_ns && (b->is_file || s->is_over))
		return nr_queue_offer_until(&b->queue, r, 0, CHUNKS,
					    b->is_file && s->is_over ? INT64_MAX
								     : s->wait_until_ns);
	return nr_queue_offer(&b->queue, r, 0, is_wanted_more(r) ? CHUNKS : BUSY);
}

static int behind_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
			struct nr_err *err)
{
	struct behind *b = ctx_of(s);

	for (size_t i = 0; i < n; i++)
		if (!offer(s, r[i]))
			s->dropped++;
	nr_queue_nudge(&b->queue);
	return surface(b, err);
}

static int behind_flush(struct nr_sink *s, struct nr_err *err)
{
	nr_queue_flush(&ctx_of(s)->queue);
	return surface(ctx_of(s), err);
}

static void join(struct behind *b)
{
	if (b->is_joined)
		return;
	nr_queue_close(&b->queue);
	pthread_join(b->thread, NULL);
	nr_queue_fini(&b->queue);
	b->is_joined = true;
}

static int behind_finish(struct nr_sink *s, struct nr_err *err)
{
	struct behind *b = ctx_of(s);
	int rc;

	join(b);
	rc = surface(b, err);
	if (rc == 0)
		rc = nr_sink_finish(b->inner, err);
	s->archive = b->inner->archive;
	return rc;
}

static void behind_close(struct nr_sink *s)
{
	struct behind *b = ctx_of(s);

	atomic_store(&b->is_given_up, true);
	join(b);
	nr_sink_close(b->inner);
}

const struct nr_sink_ops nr_sink_behind = {
	.name = "jsonl",
	.ctx_size = sizeof(struct behind),
	.open = behind_open,
	.write = behind_write,
	.finish = behind_finish,
	.close = behind_close,
	.flush = behind_flush,
};
