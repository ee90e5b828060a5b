/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SQLite sink of a capture: a database that is read while it grows, or a set of them,
 * one after the other. Each has a queue and a thread, which commits twice a second, and
 * finishes the file when it is told that no more comes; meanwhile the next one is filled.
 *
 * While packets come nobody waits for a database. Where the queue is full to BUSY chunks,
 * records are left out; the rest of it is for flows and for what describes the capture,
 * and where it is full altogether flows are left out too. Session records of flows
 * without a row go when the file is finished. What is left out is counted, but for rows
 * of flows that are open: those come again.
 *
 * The last rows of a file are those of all its open flows, more than the queue has room
 * for: it grows, and then they are waited for while the ring takes packets.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "keep/names.h"
#include "record/tables.h"
#include "sink/queue.h"
#include "sink/sqlite_live.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	CHUNKS = 64, /* of NR_CHUNK_SIZE */
	BUSY = 48,   /* as many for everything */
	BEHIND = 16, /* more: what can come later should */
	LAST = 256,  /* for the last rows of a file */
	BUSY_S = 60,
	POLL_US = 10000,
	COMMIT_MS = 1000,
	UNFINISHED_MAX = 8,
	NAMES_TRIED = 10000, /* of one second */
};

/* One database. */
struct file {
	struct file *next;
	char *path;
	struct nr_db db; /* the thread's while it runs */
	struct nr_queue queue;
	pthread_t thread;
	bool to_finish; /* set before the queue is closed */
	bool lost_flows;
	char *chain_heads;
	bool may_lack_rows;
	int64_t sync_ns;
	uint64_t orphans;
	atomic_uint_least64_t bytes;   /* at the last commit */
	uint64_t unsaved;              /* records taken and not committed */
	atomic_int_least64_t ended_ns; /* monotonic; 0: it is being filled */
	atomic_bool is_over;
	atomic_int failed; /* -errno, set after error */
	struct nr_err error;
};

struct set {
	struct file *cur;
	struct file *old; /* being finished, the newest first */
	struct nr_sink_options opt;
	struct nr_retain *retain; /* NULL: no limits */
	unsigned n_files;
	int64_t named_s; /* second of the last name given, and how many it has given */
	unsigned named_n;
	bool may_lack_rows;
	int failed; /* the first failure of an old one */
	struct nr_err error;
};

/* How far apart nr_sink_flush() is called. */
#define FLUSH_NS INT64_C(500000000)

static struct set *ctx_of(struct nr_sink *s)
{
	return (struct set *)(void *)s->ctx;
}

/*
 * Takes and commits until nothing more comes. A commit comes behind what was flushed:
 * there the rows of open flows are, to which the others refer; without, after a second.
 */
static int fill(struct file *f)
{
	int64_t committed = nr_monotonic_ns(), synced = committed;
	bool is_dirty = false, at_end = false;
	int rc = 0;

	while (rc == 0 && !at_end) {
		struct nr_chunk *c = nr_queue_take_for(&f->queue, COMMIT_MS, &at_end);
		int64_t now = nr_monotonic_ns();
		bool is_due = now - committed >= COMMIT_MS * INT64_C(1000000);

		if (c) {
			f->unsaved += c->n;
			rc = nr_db_insert(&f->db, c, &f->error);
			is_due |= c->is_flushed;
			nr_queue_give_back(&f->queue, c);
			is_dirty = true;
		}
		if (rc < 0 || !is_dirty || !is_due)
			continue;
		now = nr_monotonic_ns();
		/* the next one is synced: it comes when the time is full */
		if (f->db.is_synced)
			synced = now;
		/* before: behind it, reading would begin the next transaction as a reader
		 */
		atomic_store(&f->bytes, nr_db_bytes(&f->db));
		rc = nr_db_commit(&f->db,
				  f->sync_ns && now - synced >= f->sync_ns - FLUSH_NS,
				  &f->error);
		committed = now;
		is_dirty = false;
		if (rc == 0)
			f->unsaved = 0;
	}
	return rc;
}

static int finish(struct file *f)
{
	int rc = 0;

	f->db.may_lack_rows = f->may_lack_rows;
	if (f->lost_flows)
		rc = nr_db_drop_orphans(&f->db, &f->orphans, &f->error);
	if (rc == 0 && f->chain_heads)
		rc = nr_db_chain_heads(&f->db, f->chain_heads, &f->error);
	return rc ? rc : nr_db_finish(&f->db, &f->error);
}

static void *writer(void *arg)
{
	struct file *f = arg;
	int rc = fill(f);

	if (rc < 0) {
		atomic_store(&f->failed, rc);
		nr_queue_kill(&f->queue);
	} else if (f->to_finish) {
		atomic_store(&f->failed, finish(f));
	}
	atomic_store(&f->is_over, true);
	return NULL;
}

static void file_free(struct file *f)
{
	nr_db_close(&f->db);
	nr_free(f->path);
	nr_free(f->chain_heads);
	nr_free(f);
}

/* A free name, behind those that the set has given: retention may have taken one away. */
static char *free_name(struct set *set, const char *target, int64_t ns)
{
	if (ns / 1000000000 != set->named_s)
		set->named_n = 0;
	set->named_s = ns / 1000000000;
	for (unsigned i = 0; i < NAMES_TRIED; i++) {
		char *path = nr_keep_name(target, ns, set->named_n++);
		struct stat st;

		if (lstat(path, &st) < 0)
			return path;
		nr_free(path);
	}
	return nr_keep_name(target, ns, 0); /* opening it says what is wrong */
}

/*
 * Another program writes into the database. While it is being filled it is waited for,
 * and what does not fit into the queue is dropped; then it has a minute to come to an
 * end.
 */
static int be_patient(void *arg, int n)
{
	struct file *f = arg;
	int64_t ended = atomic_load(&f->ended_ns);

	(void)n;
	if (ended && nr_monotonic_ns() - ended > BUSY_S * INT64_C(1000000000))
		return 0;
	usleep(POLL_US);
	return 1;
}

static int file_new(struct file **out, struct nr_sink *s, int64_t ns, struct nr_err *err)
{
	struct set *set = ctx_of(s);
	struct file *f = nr_xcalloc(1, sizeof(*f));
	struct nr_sink_options o = set->opt;
	int rc;

	f->path = o.is_set ? free_name(set, s->target, ns) : nr_xstrdup(s->target);
	f->sync_ns = o.sync_ns;
	o.continues = set->n_files > 0;
	rc = nr_db_open(&f->db, f->path, &o, err);
	if (rc < 0) {
		file_free(f);
		return rc;
	}
	sqlite3_busy_handler(f->db.db, be_patient, f);
	nr_queue_init(&f->queue);
	f->queue.max_chunks = LAST + 2; /* what must not be lost is waited for */
	rc = pthread_create(&f->thread, NULL, writer, f);
	if (rc != 0) {
		nr_queue_fini(&f->queue);
		file_free(f);
		return nr_fail(err, -rc, "cannot start a thread: %s", strerror(rc));
	}
	if (set->retain)
		nr_retain_add(set->retain, f->path, f->db.file.fd);
	set->n_files++;
	s->path = f->path;
	*out = f;
	return 0;
}

/* Waits for the thread and keeps what is to be known. */
static void join(struct nr_sink *s, struct file *f)
{
	struct set *set = ctx_of(s);
	int rc;

	pthread_join(f->thread, NULL);
	s->dropped += f->orphans;
	rc = atomic_load(&f->failed);
	if (rc < 0) {
		s->dropped += f->unsaved + nr_queue_left(&f->queue);
		snprintf(s->news, sizeof(s->news), "%s", f->error.text);
	}
	if (rc < 0 && !set->failed) {
		set->failed = rc;
		set->error = f->error;
	}
	nr_queue_fini(&f->queue);
	if (f->db.left_as_wal)
		snprintf(s->note, sizeof(s->note),
			 "%s is left with its log beside it, because another program "
			 "is reading it; sqlite3 %s 'PRAGMA journal_mode = DELETE' makes "
			 "one file of them",
			 f->path, f->path);
	if (set->retain)
		nr_retain_closed(set->retain, f->path);
	if (s->path == f->path)
		s->path = NULL;
	file_free(f);
}

static void reap(struct nr_sink *s, bool all)
{
	struct file **at = &ctx_of(s)->old;

	while (*at) {
		struct file *f = *at;

		if (!all && !atomic_load(&f->is_over)) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		join(s, f);
	}
}

static int live_open(struct nr_sink *s, const char *target,
		     const struct nr_sink_options *o, struct nr_err *err)
{
	const struct nr_retain_limits *l = &o->retain;
	struct set *set = ctx_of(s);
	int rc;

	s->no_ident = true;
	s->wants_open = true;
	set->opt = *o;
	if (l->files || l->bytes || l->free)
		set->retain = nr_retain_new(l);
	rc = file_new(&set->cur, s, o->now_ns, err);
	if (rc < 0)
		nr_retain_free(set->retain);
	return rc;
}

static bool is_flow(const struct nr_record_type *t)
{
	return t == &nr_rt_flow;
}

/* It will be renewed. */
static bool is_open_flow(const struct nr_record *r)
{
	return is_flow(r->type) && r->v[NR_FLOW_end_reason].kind == NR_V_NULL;
}

static void put(struct nr_sink *s, struct file *f, const struct nr_record *r, unsigned t)
{
	bool done;

	if (nr_sink_is_frame(r)) {
		nr_queue_put(&f->queue, r, t);
		return;
	}
	if (s->wait_until_ns)
		done = nr_queue_offer_until(&f->queue, r, t, LAST,
					    s->is_over ? INT64_MAX : s->wait_until_ns);
	else if (is_flow(r->type) && !is_open_flow(r))
		done = nr_queue_offer(&f->queue, r, t, CHUNKS);
	else
		done = nr_queue_offer(&f->queue, r, t, BUSY);
	if (done || is_open_flow(r))
		return;
	s->dropped++;
	f->lost_flows |= is_flow(r->type);
}

static int surface(const struct file *f, struct nr_err *err)
{
	int rc = atomic_load(&f->failed);

	if (rc < 0 && err)
		*err = f->error;
	return rc;
}

static int live_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		      struct nr_err *err)
{
	struct file *f = ctx_of(s)->cur;

	for (size_t i = 0; i < n; i++) {
		int t;

		if (r[i]->type->flags & NR_R_JSON_ONLY)
			continue;
		t = nr_db_table(&f->db, r[i]->type);
		if (t < 0)
			return nr_fail(err, -EINVAL, "%s has no table %s", f->path,
				       r[i]->type->name);
		put(s, f, r[i], (unsigned)t);
	}
	nr_queue_nudge(&f->queue);
	return surface(f, err);
}

static int live_flush(struct nr_sink *s, struct nr_err *err)
{
	struct set *set = ctx_of(s);

	nr_queue_flush(&set->cur->queue);
	s->bytes = atomic_load(&set->cur->bytes);
	reap(s, false);
	if (set->retain)
		nr_retain_enforce(set->retain);
	return surface(set->cur, err);
}

static bool live_is_behind(const struct nr_sink *s)
{
	const struct set *set = (const struct set *)(const void *)s->ctx;

	return atomic_load(&set->cur->queue.n_used) > BEHIND;
}

static void end(struct file *f, bool to_finish)
{
	f->to_finish = to_finish;
	atomic_store(&f->ended_ns, nr_monotonic_ns());
	nr_queue_close(&f->queue);
}

static int live_rotate(struct nr_sink *s, int64_t ns, struct nr_err *err)
{
	struct set *set = ctx_of(s);
	struct file *f = set->cur;
	unsigned n = 0;
	int rc;

	if (!set->opt.is_set)
		return 0;
	reap(s, false);
	for (const struct file *o = set->old; o; o = o->next)
		n++;
	if (n >= UNFINISHED_MAX)
		return nr_fail(err, -EAGAIN,
			       "%u databases are still being finished: the next one must "
			       "wait",
			       n);
	rc = file_new(&set->cur, s, ns, err);
	if (rc < 0) {
		set->cur = f;
		return rc;
	}
	s->bytes = 0;
	f->may_lack_rows = s->may_lack_rows;
	f->next = set->old;
	set->old = f;
	end(f, true);
	if (set->retain)
		nr_retain_enforce(set->retain);
	return 0;
}

static int live_finish(struct nr_sink *s, struct nr_err *err)
{
	struct set *set = ctx_of(s);
	struct file *f = set->cur;

	set->cur = NULL;
	if (f) {
		f->chain_heads = s->chain_heads ? nr_xstrdup(s->chain_heads) : NULL;
		f->may_lack_rows = s->may_lack_rows;
		f->next = set->old;
		set->old = f;
		end(f, true);
	}
	reap(s, true);
	if (set->retain)
		nr_retain_enforce(set->retain);
	if (set->failed && err)
		*err = set->error;
	return set->failed;
}

static void live_close(struct nr_sink *s)
{
	struct set *set = ctx_of(s);

	if (set->cur) {
		end(set->cur, false);
		join(s, set->cur);
	}
	reap(s, true);
	nr_retain_free(set->retain);
}

const struct nr_sink_ops nr_sink_sqlite_live = {
	.name = "sqlite",
	.ctx_size = sizeof(struct set),
	.open = live_open,
	.write = live_write,
	.finish = live_finish,
	.close = live_close,
	.flush = live_flush,
	.rotate = live_rotate,
	.is_behind = live_is_behind,
};
