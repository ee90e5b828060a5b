/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chunks of content go round in a ring of slots: the caller fills one, threads compress
 * and hash those before it, and the caller writes the oldest when it comes round to it.
 * So the file is written by one thread, in order, and errors reach the caller.
 */
#include "archive/chunk.h"

#include "base/mem.h"
#include "sink/outfile.h"

#include <errno.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	THREADS_DEFAULT = 8,
	THREADS_MAX = 64,
	SLOTS_MAX = THREADS_MAX + 2,
	CHUNK_FRAMES = 8 /* of packets: what is left of its last page is lost */
};

enum slot_state { FREE, QUEUED, IN_WORK, DONE };

struct slot {
	enum slot_state state;
	struct nr_ax_chunk chunk;
};

struct nr_archive_writer {
	struct nr_outfile file;
	bool is_stdout, finished;
	int failed;
	int level;
	size_t frame_size, chunk_size;
	struct nr_ax_build build;
	void *zstd; /* of the caller's thread, where no other runs */

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

static void *work(void *arg)
{
	struct nr_archive_writer *w = arg;
	void *z = nr_ax_compressor(w->level, (uint32_t)w->frame_size);

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
		nr_ax_chunk_compress(&s->chunk, z);
		pthread_mutex_lock(&w->lock);
		s->state = DONE;
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->lock);
	nr_ax_compressor_free(z);
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
	w->n_slots = w->max_threads + 2;
	w->chunk_size = o->kind == NR_ARCHIVE_PACKETS ? CHUNK_FRAMES * w->frame_size
						      : w->frame_size;
	if (w->is_stdout)
		w->file = (struct nr_outfile){ .fd = STDOUT_FILENO };
	else if (o->live)
		rc = nr_outfile_open_live(&w->file, target, o->force, err);
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

/* What the index is to know of the chunk's frames, in order. */
static void note_frames(struct nr_archive_writer *w, struct nr_ax_chunk *c)
{
	size_t begin = 0, rec = 0, at = 0, out = 0;

	for (size_t i = 0; i < c->n_frames; i++) {
		struct nr_ax_done *d = &c->frame[i];
		struct nr_ax_entry e;

		if (c->leaves_hash)
			SHA256(c->stored + out, d->stored_len, d->stored_sha);
		out += d->stored_len;

		for (begin += d->content_len; rec < c->n_rec && c->rec[rec].end <= begin;
		     rec++) {
			const struct nr_ax_record *r = &c->rec[rec];
			const struct nr_archive_fact f = {
				.flags = r->flags,
				.type = r->type,
				.ts_ns = r->ts_ns,
				.addr = c->addr + r->addr,
				.n_addr = r->n_addr,
			};

			nr_ax_build_fact(&w->build, c->content + at, r->end - at, &f);
			at = r->end;
		}
		e = nr_ax_build_end(&w->build);
		nr_ax_build_add(&w->build, &e, d->stored_len, d->content_len,
				d->stored_sha, d->content_sha);
	}
}

/* Waits for the oldest chunk that is under way and writes it. */
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
	if (s->chunk.failed) {
		w->failed = -ENOMEM;
		return nr_fail(err, w->failed, "cannot compress for %s: %s",
			       w->is_stdout ? "standard output" : w->file.path,
			       s->chunk.failed);
	}
	rc = write_bytes(w, s->chunk.stored, s->chunk.stored_len, err);
	if (rc < 0)
		return rc;
	note_frames(w, &s->chunk);
	nr_ax_chunk_clear(&s->chunk);
	return 0;
}

/* One thread more for each chunk that finds none idle. */
static void hire(struct nr_archive_writer *w)
{
	if (w->n_threads == w->max_threads)
		return;
	if (pthread_create(&w->thread[w->n_threads], NULL, work, w) == 0)
		w->n_threads++;
	else
		w->max_threads = w->n_threads; /* those that there are do it */
}

/* Hands the current chunk to the threads and moves to the next slot. */
static int submit(struct nr_archive_writer *w, bool is_last, struct nr_err *err)
{
	struct slot *s = &w->slot[w->cur];

	if (!s->chunk.n)
		return 0;
	s->chunk.frame_size = (uint32_t)w->frame_size;
	s->chunk.is_paged = w->build.kind == NR_ARCHIVE_PACKETS;
	s->chunk.ends_page = !is_last;
	s->chunk.leaves_hash = w->max_threads == 1; /* this thread has time */
	/* where nothing is written yet of what is before it, that ends with a page */
	s->chunk.page_off = w->n_out ? 0 : (uint32_t)(w->build.stored_len % NR_AX_PAGE);
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
			w->zstd = nr_ax_compressor(w->level, (uint32_t)w->frame_size);
		nr_ax_chunk_compress(&s->chunk, w->zstd);
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
	if (w->slot[w->cur].chunk.n && w->slot[w->cur].chunk.n + n > w->chunk_size) {
		rc = submit(w, false, err);
		if (rc < 0)
			return rc;
	}
	nr_ax_chunk_add(&w->slot[w->cur].chunk, p, n, f);
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

uint64_t nr_archive_stored(const struct nr_archive_writer *w)
{
	return w->build.stored_len;
}

int nr_archive_fd(const struct nr_archive_writer *w)
{
	return w->file.fd;
}

/* Waits for what the threads still hold and forgets it. */
static void forget_chunks(struct nr_archive_writer *w)
{
	for (; w->n_out; w->n_out--) {
		struct slot *s = &w->slot[(w->cur + w->n_slots - w->n_out) % w->n_slots];

		pthread_mutex_lock(&w->lock);
		while (s->state != DONE)
			pthread_cond_wait(&w->done, &w->lock);
		s->state = FREE;
		pthread_mutex_unlock(&w->lock);
	}
	for (unsigned i = 0; i < w->n_slots; i++)
		nr_ax_chunk_clear(&w->slot[i].chunk);
}

int64_t nr_archive_salvage(struct nr_archive_writer *w, struct nr_err *err)
{
	off_t end = (off_t)w->build.stored_len;

	/* what failed was taken from the ring already, or lies before those in it */
	forget_chunks(w);
	if (ftruncate(w->file.fd, end) < 0 || lseek(w->file.fd, end, SEEK_SET) < 0)
		return nr_fail(err, -errno, "cannot mend %s: %s", w->file.path,
			       strerror(errno));
	w->failed = 0;
	return (int64_t)w->build.n_records;
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
	for (unsigned i = 0; i < w->n_slots; i++)
		nr_ax_chunk_fini(&w->slot[i].chunk);
	nr_ax_compressor_free(w->zstd);
	pthread_cond_destroy(&w->done);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->lock);
	nr_ax_build_fini(&w->build);
	if (!w->is_stdout)
		nr_outfile_close(&w->file);
	nr_free(w);
}
