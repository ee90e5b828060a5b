/* SPDX-License-Identifier: BSD-3-Clause */
/* The SQLite sink: records are copied into a queue, a thread of its own inserts them. */
#include "sink/queue.h"
#include "sink/sqlite_db.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct sqlite {
	struct nr_db db; /* the thread's while it runs */
	struct nr_queue queue;
	pthread_t thread;
	bool is_running;
	atomic_bool stop;  /* drop what is queued */
	atomic_int failed; /* -errno of the thread, set after error */
	struct nr_err error;
};

static struct sqlite *ctx_of(struct nr_sink *s)
{
	return (struct sqlite *)(void *)s->ctx;
}

static void *writer(void *arg)
{
	struct sqlite *q = arg;
	struct nr_chunk *c;
	int rc = 0;

	while (rc == 0 && !atomic_load(&q->stop) && (c = nr_queue_take(&q->queue))) {
		rc = nr_db_insert(&q->db, c, &q->error);
		nr_queue_give_back(&q->queue, c);
	}
	atomic_store(&q->failed, rc);
	nr_queue_kill(&q->queue);
	return NULL;
}

static int surface(struct sqlite *q, struct nr_err *err)
{
	int rc = atomic_load(&q->failed);

	if (rc < 0 && err)
		*err = q->error;
	return rc;
}

static int sqlite_open(struct nr_sink *s, const char *target,
		       const struct nr_sink_options *o, struct nr_err *err)
{
	struct sqlite *q = ctx_of(s);
	int rc = nr_db_open(&q->db, s->target, o, err);

	s->no_ident = true;
	if (rc < 0) {
		nr_db_close(&q->db);
		return rc;
	}
	nr_queue_init(&q->queue);
	rc = pthread_create(&q->thread, NULL, writer, q);
	if (rc != 0) {
		nr_queue_fini(&q->queue);
		nr_db_close(&q->db);
		return nr_fail(err, -rc, "cannot start a thread: %s", strerror(rc));
	}
	q->is_running = true;
	return 0;
}

static int sqlite_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
			struct nr_err *err)
{
	struct sqlite *q = ctx_of(s);

	for (size_t i = 0; i < n; i++) {
		uint64_t waited = q->queue.waited_ns;
		int t;

		if (r[i]->type->flags & NR_R_JSON_ONLY)
			continue;
		t = nr_db_table(&q->db, r[i]->type);
		if (t < 0)
			return nr_fail(err, -EINVAL, "%s has no table %s", s->target,
				       r[i]->type->name);
		nr_queue_put(&q->queue, r[i], (unsigned)t);
		if (r[i]->order.phase == NR_PHASE_END)
			s->waited_end_ns += q->queue.waited_ns - waited;
		if (atomic_load_explicit(&q->failed, memory_order_relaxed))
			break;
	}
	nr_queue_nudge(&q->queue);
	return surface(q, err);
}

static void join(struct sqlite *q)
{
	if (!q->is_running)
		return;
	nr_queue_close(&q->queue);
	pthread_join(q->thread, NULL);
	q->is_running = false;
}

static int sqlite_finish(struct nr_sink *s, struct nr_err *err)
{
	struct sqlite *q = ctx_of(s);
	int rc;

	join(q);
	s->waited_ns = q->queue.waited_ns;
	rc = surface(q, err);
	q->db.may_lack_rows = s->may_lack_rows;
	if (rc == 0 && s->chain_heads)
		rc = nr_db_chain_heads(&q->db, s->chain_heads, err);
	return rc < 0 ? rc : nr_db_finish(&q->db, err);
}

static void sqlite_close(struct nr_sink *s)
{
	struct sqlite *q = ctx_of(s);

	atomic_store(&q->stop, true);
	join(q);
	nr_queue_fini(&q->queue);
	nr_db_close(&q->db);
}

const struct nr_sink_ops nr_sink_sqlite = {
	.name = "sqlite",
	.ctx_size = sizeof(struct sqlite),
	.open = sqlite_open,
	.write = sqlite_write,
	.finish = sqlite_finish,
	.close = sqlite_close,
};
