/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames go round in a ring of slots: the caller fills one, threads compress and hash
 * those before it, and the caller writes the oldest when it comes round to it. So the
 * file is written by one thread, in order, and errors reach the caller.
 */
#include "archive/index.h"

#include "base/mem.h"
#include "sink/outfile.h"

#include <errno.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { THREADS_DEFAULT = 8, THREADS_MAX = 64, SLOTS_MAX = 2 * THREADS_MAX + 2 };

enum slot_state { FREE, QUEUED, IN_WORK, DONE };

struct slot {
	enum slot_state state;
	uint8_t *content, *stored;
	size_t n, room, stored_len, stored_room;
	struct nr_ax_entry entry;
	uint8_t content_sha[NR_ARCHIVE_HASH], stored_sha[NR_ARCHIVE_HASH];
	const char *failed; /* what libzstd says */
};

struct nr_archive_writer {
	struct nr_outfile file;
	bool is_stdout, finished;
	int failed;
	int level;
	size_t frame_size;
	struct nr_ax_build build;
	ZSTD_CCtx *zstd; /* of the caller's thread, where no other runs */

	unsigned n_slots, cur; /* the slot being filled */
	unsigned n_out;        /* slots between the oldest not written and cur */
	struct slot slot[SLOTS_MAX];

	pthread_mutex_t lock;
	pthread_cond_t work, done;
	unsigned next; /* the slot that the next free thread takes */
	unsigned n_queued;
	bool closing;
	unsigned max_threads, n_threads;
	pthread_t thread[THREADS_MAX];
};

static ZSTD_CCtx *new_compressor(int level)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	if (!z)
		return NULL;
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 1);
	return z;
}

static void compress(ZSTD_CCtx *z, struct slot *s)
{
	size_t need = ZSTD_compressBound(s->n), rc;

	if (s->stored_room < need) {
		nr_free(s->stored);
		s->stored = nr_xmalloc(need);
		s->stored_room = need;
	}
	s->failed = NULL;
	if (!z) {
		s->failed = "no memory for a compressor";
		return;
	}
	SHA256(s->content, s->n, s->content_sha);
	rc = ZSTD_compress2(z, s->stored, s->stored_room, s->content, s->n);
	if (ZSTD_isError(rc)) {
		s->failed = ZSTD_getErrorName(rc);
		return;
	}
	s->stored_len = rc;
	SHA256(s->stored, s->stored_len, s->stored_sha);
}

static void *work(void *arg)
{
	struct nr_archive_writer *w = arg;
	ZSTD_CCtx *z = new_compressor(w->level);

	pthread_mutex_lock(&w->lock);
	for (;;) {
		struct slot *s;

		while (!w->n_queued && !w->closing)
			pthread_cond_wait(&w->work, &w->lock);
		if (!w->n_queued)
			break;
		s = &w->slot[w->next];
		w->next = (w->next + 1) % w->n_slots;
		w->n_queued--;
		s->state = IN_WORK;
		pthread_mutex_unlock(&w->lock);
		compress(z, s);
		pthread_mutex_lock(&w->lock);
		s->state = DONE;
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
	ZSTD_freeCCtx(z);
	return NULL;
}

static unsigned n_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return n < 1 ? 1 : n > THREADS_DEFAULT ? THREADS_DEFAULT : (unsigned)n;
}

int nr_archive_create(struct nr_archive_writer **out, const char *target,
		      const struct nr_archive_options *o, struct nr_err *err)
{
	struct nr_archive_writer *w = nr_xcalloc(1, sizeof(*w));
	int rc = 0;

	*out = NULL;
	w->is_stdout = !strcmp(target, "-");
	w->level = o->level ? o->level : NR_ARCHIVE_LEVEL;
	w->frame_size = o->frame_size ? o->frame_size : NR_ARCHIVE_FRAME;
	w->max_threads = o->threads ? o->threads : n_cpus();
	if (w->max_threads > THREADS_MAX)
		w->max_threads = THREADS_MAX;
	w->n_slots = 2 * w->max_threads + 1;
	if (w->is_stdout)
		w->file = (struct nr_outfile){ .fd = STDOUT_FILENO };
	else
		rc = nr_outfile_open(&w->file, target, o->force, false, err);
	if (rc < 0) {
		nr_free(w);
		return rc;
	}
	w->file.keep_partial = o->keep_partial;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->work, NULL);
	pthread_cond_init(&w->done, NULL);
	nr_ax_build_init(&w->build, o->kind, w->level, (uint32_t)w->frame_size, o->meta);
	*out = w;
	return 0;
}

uint32_t nr_archive_type(struct nr_archive_writer *w, const char *name)
{
	return nr_ax_build_type(&w->build, name, strlen(name));
}

void nr_archive_add_meta(struct nr_archive_writer *w, const char *members)
{
	if (w->build.meta.len)
		nr_buf_char(&w->build.meta, ',');
	nr_buf_str(&w->build.meta, members);
}

static int write_bytes(struct nr_archive_writer *w, const void *p, size_t n,
		       struct nr_err *err)
{
	int rc = nr_write_all(w->file.fd, p, n);

	if (rc == 0)
		return 0;
	w->failed = rc;
	return nr_fail(err, rc, "cannot write %s: %s",
		       w->is_stdout ? "standard output" : w->file.path, strerror(-rc));
}

/* Waits for the oldest frame that is under way and writes it. */
static int write_oldest(struct nr_archive_writer *w, struct nr_err *err)
{
	struct slot *s = &w->slot[(w->cur + w->n_slots - w->n_out) % w->n_slots];
	int rc;

	pthread_mutex_lock(&w->lock);
	while (s->state != DONE)
		pthread_cond_wait(&w->done, &w->lock);
	s->state = FREE;
	pthread_mutex_unlock(&w->lock);
	w->n_out--;
	if (s->failed) {
		w->failed = -ENOMEM;
		return nr_fail(err, w->failed, "cannot compress for %s: %s",
			       w->is_stdout ? "standard output" : w->file.path,
			       s->failed);
	}
	rc = write_bytes(w, s->stored, s->stored_len, err);
	if (rc < 0)
		return rc;
	nr_ax_build_add(&w->build, &s->entry, (uint32_t)s->stored_len, (uint32_t)s->n,
			s->stored_sha, s->content_sha);
	s->n = 0;
	return 0;
}

/* One thread more for each frame that finds none idle. */
static void hire(struct nr_archive_writer *w)
{
	if (w->n_threads == w->max_threads)
		return;
	if (pthread_create(&w->thread[w->n_threads], NULL, work, w) == 0)
		w->n_threads++;
	else
		w->max_threads = w->n_threads; /* those that there are do it */
}

/* Hands the current frame to the threads and moves to the next slot. */
static int submit(struct nr_archive_writer *w, bool is_last, struct nr_err *err)
{
	struct slot *s = &w->slot[w->cur];

	if (!s->n)
		return 0;
	s->entry = nr_ax_build_end(&w->build);
	if (!is_last || w->n_threads)
		hire(w);
	if (w->n_threads) {
		pthread_mutex_lock(&w->lock);
		s->state = QUEUED;
		w->n_queued++;
		pthread_cond_signal(&w->work);
		pthread_mutex_unlock(&w->lock);
	} else { /* nothing else to do meanwhile, or no threads to be had */
		if (!w->zstd)
			w->zstd = new_compressor(w->level);
		compress(w->zstd, s);
		s->state = DONE;
		w->next = (w->next + 1) % w->n_slots;
	}
	w->cur = (w->cur + 1) % w->n_slots;
	w->n_out++;
	return w->n_out == w->n_slots ? write_oldest(w, err) : 0;
}

static int failed_before(const struct nr_archive_writer *w, struct nr_err *err)
{
	return nr_fail(err, w->failed, "cannot write %s: an earlier write failed",
		       w->is_stdout ? "standard output" : w->file.path);
}

static uint8_t *make_room(struct nr_archive_writer *w, size_t n)
{
	struct slot *s = &w->slot[w->cur];

	if (s->room < s->n + n) {
		s->room = s->n + n > w->frame_size ? s->n + n : w->frame_size;
		s->content = nr_xrealloc(s->content, s->room);
	}
	return s->content + s->n;
}

int nr_archive_append(struct nr_archive_writer *w, const void *p, size_t n,
		      const struct nr_archive_fact *f, struct nr_err *err)
{
	int rc;

	if (w->failed)
		return failed_before(w, err);
	if (n > NR_ARCHIVE_FRAME_MAX) {
		w->failed = -EFBIG;
		return nr_fail(err, -EFBIG,
			       "a record of %zu bytes is too large for an archive", n);
	}
	if (w->slot[w->cur].n && w->slot[w->cur].n + n > w->frame_size) {
		rc = submit(w, false, err);
		if (rc < 0)
			return rc;
	}
	memcpy(make_room(w, n), p, n);
	w->slot[w->cur].n += n;
	nr_ax_build_fact(&w->build, p, n, f);
	return 0;
}

int nr_archive_flush(struct nr_archive_writer *w, struct nr_err *err)
{
	int rc;

	if (w->failed)
		return failed_before(w, err);
	rc = submit(w, true, err);
	while (rc == 0 && w->n_out)
		rc = write_oldest(w, err);
	return rc;
}

static void stop_threads(struct nr_archive_writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->thread[i], NULL);
	w->n_threads = 0;
}

int nr_archive_finish(struct nr_archive_writer *w, struct nr_archive_result *res,
		      struct nr_err *err)
{
	struct nr_buf tail = { 0 };
	int rc = nr_archive_flush(w, err);

	if (rc == 0)
		rc = nr_ax_build_encode(&w->build, &tail, err);
	if (rc == 0)
		rc = write_bytes(w, tail.p, tail.len, err);
	if (rc == 0 && res) {
		*res = (struct nr_archive_result){
			.n_frames = w->build.n_frames,
			.n_records = w->build.n_records,
			.content_len = w->build.content_len,
			.stored_len = w->build.stored_len + tail.len,
		};
		memcpy(res->head, w->build.chain, sizeof(res->head));
	}
	nr_buf_fini(&tail);
	if (rc == 0 && !w->is_stdout)
		rc = nr_outfile_commit(&w->file, err);
	if (rc < 0)
		w->failed = rc;
	return rc;
}

void nr_archive_abandon(struct nr_archive_writer *w)
{
	if (!w)
		return;
	/* what is queued still is compressed: at most a few frames */
	stop_threads(w);
	for (unsigned i = 0; i < w->n_slots; i++) {
		nr_free(w->slot[i].content);
		nr_free(w->slot[i].stored);
		nr_free(w->slot[i].entry.p);
	}
	ZSTD_freeCCtx(w->zstd);
	pthread_cond_destroy(&w->done);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	nr_ax_build_fini(&w->build);
	if (!w->is_stdout)
		nr_outfile_close(&w->file);
	nr_free(w);
}
