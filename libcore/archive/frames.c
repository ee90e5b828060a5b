/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/frames.h"

#include "archive/reader.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

enum { THREADS = 4, SLOTS = THREADS + 2, CONTENT_MAX = 8 << 20 };

enum state { FREE, DONE };

struct slot {
	struct nr_archive_buf buf;
	enum state state;
	int rc;
	struct nr_err err;
};

struct nr_frames {
	const struct nr_archive *a;
	void (*stored)(void *arg, const uint8_t *p, size_t n);
	void *arg;
	size_t at, end; /* at: the frame that is handed out */
	size_t given;   /* bytes of it that are gone */
	size_t next;    /* that a thread takes; < at + SLOTS */
	bool closing;
	unsigned n_threads;
	pthread_t thread[THREADS];
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct slot slot[SLOTS]; /* frame i is in slot i % SLOTS */
};

static void *work(void *arg)
{
	struct nr_frames *f = arg;

	pthread_mutex_lock(&f->lock);
	for (;;) {
		struct slot *s;
		size_t i;

		while (!f->closing && f->next < f->end && f->next >= f->at + SLOTS)
			pthread_cond_wait(&f->work, &f->lock);
		if (f->closing || f->next == f->end)
			break;
		i = f->next++;
		s = &f->slot[i % SLOTS];
		pthread_mutex_unlock(&f->lock);
		s->rc = nr_archive_read(f->a, i, &s->buf, &s->err);
		pthread_mutex_lock(&f->lock);
		s->state = DONE;
		pthread_cond_broadcast(&f->done);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static unsigned n_threads(size_t n_frames)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	n = n < 1 ? 1 : n > THREADS ? THREADS : n;
	return (size_t)n < n_frames ? (unsigned)n : (unsigned)n_frames;
}

bool nr_frames_fit(const struct nr_archive *a, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++) {
		const struct nr_ax_place *p = &a->place[i];

		if (p->content_len > CONTENT_MAX ||
		    (i > first && p[-1].offset + p[-1].stored_len != p->offset))
			return false;
	}
	return true;
}

struct nr_frames *nr_frames_new(const struct nr_archive *a, size_t first, size_t end,
				void (*stored)(void *arg, const uint8_t *p, size_t n),
				void *arg)
{
	struct nr_frames *f;
	unsigned n;

	if (!nr_frames_fit(a, first, end))
		return NULL;
	f = nr_xcalloc(1, sizeof(*f));
	f->a = a;
	f->stored = stored;
	f->arg = arg;
	f->at = f->next = first;
	f->end = end;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->work, NULL);
	pthread_cond_init(&f->done, NULL);
	n = n_threads(end - first);
	while (f->n_threads < n &&
	       pthread_create(&f->thread[f->n_threads], NULL, work, f) == 0)
		f->n_threads++;
	return f;
}

/* Until the frame that is next is there. */
static struct slot *wait_for(struct nr_frames *f)
{
	struct slot *s = &f->slot[f->at % SLOTS];

	if (!f->n_threads) { /* none to be had */
		if (s->state != DONE)
			s->rc = nr_archive_read(f->a, f->at, &s->buf, &s->err);
		s->state = DONE;
		return s;
	}
	pthread_mutex_lock(&f->lock);
	while (s->state != DONE)
		pthread_cond_wait(&f->done, &f->lock);
	pthread_mutex_unlock(&f->lock);
	return s;
}

static void release(struct nr_frames *f, struct slot *s)
{
	pthread_mutex_lock(&f->lock);
	s->state = FREE;
	f->at++;
	f->given = 0;
	pthread_cond_signal(&f->work);
	pthread_mutex_unlock(&f->lock);
}

ssize_t nr_frames_read(struct nr_frames *f, uint8_t *to, size_t n, struct nr_err *err)
{
	size_t got = 0;

	while (got < n && f->at < f->end) {
		struct slot *s = wait_for(f);
		size_t k;

		if (s->rc < 0) {
			if (got)
				break;
			if (err)
				*err = s->err;
			return s->rc;
		}
		if (!f->given && f->stored)
			f->stored(f->arg, s->buf.stored, f->a->place[f->at].stored_len);
		k = s->buf.n - f->given < n - got ? s->buf.n - f->given : n - got;
		memcpy(to + got, s->buf.p + f->given, k);
		f->given += k;
		got += k;
		if (f->given == s->buf.n)
			release(f, s);
	}
	return (ssize_t)got;
}

size_t nr_frames_at(const struct nr_frames *f)
{
	return f->at;
}

void nr_frames_free(struct nr_frames *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->closing = true;
	pthread_cond_broadcast(&f->work);
	pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->n_threads; i++)
		pthread_join(f->thread[i], NULL);
	for (unsigned i = 0; i < SLOTS; i++)
		nr_archive_buf_fini(&f->slot[i].buf);
	pthread_cond_destroy(&f->done);
	pthread_cond_destroy(&f->work);
	pthread_mutex_destroy(&f->lock);
	nr_free(f);
}
