/* SPDX-License-Identifier: BSD-3-Clause */
#include "keep/closer.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct nr_closer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct nr_closing *first, *last; /* to be closed */
	struct nr_closing *done, *done_last;
	int sync_fd; /* -1: none asked for */
	int sync_failed;
	bool is_busy, stop;
};

/* A file that cannot be finished is cut where it is whole, and finished there. */
static void mend(struct nr_closing *c)
{
	struct nr_err err;
	int64_t lost = nr_ngw_salvage(c->w, &err);

	if (lost < 0)
		return;
	c->lost += (uint64_t)lost;
	if (nr_ngw_finish(c->w, NULL, &err) < 0)
		nr_ngw_salvage(c->w, &err);
}

static void finish(struct nr_closing *c)
{
	struct nr_ngw_result res = { 0 };
	struct nr_err err = { "" };
	struct stat st;
	int rc = nr_ngw_finish(c->w, &res, &err);

	if (rc < 0) {
		mend(c);
		if (!c->failed) {
			c->failed = rc;
			c->said = err;
		}
	}
	nr_ngw_close(c->w);
	c->w = NULL;
	if (stat(c->path, &st) == 0)
		c->bytes = (uint64_t)st.st_size;
}

static void append(struct nr_closing **first, struct nr_closing **last,
		   struct nr_closing *c)
{
	c->next = NULL;
	if (*first)
		(*last)->next = c;
	else
		*first = c;
	*last = c;
}

static void one_sync(struct nr_closer *x)
{
	int fd = x->sync_fd, rc;

	x->sync_fd = -1;
	x->is_busy = true;
	pthread_mutex_unlock(&x->lock);
	rc = fdatasync(fd) < 0 ? -errno : 0;
	close(fd);
	pthread_mutex_lock(&x->lock);
	x->is_busy = false;
	if (rc < 0 && rc != -EINVAL && rc != -EROFS && !x->sync_failed)
		x->sync_failed = rc;
}

static void one_close(struct nr_closer *x)
{
	struct nr_closing *c = x->first;

	x->first = c->next;
	x->is_busy = true;
	pthread_mutex_unlock(&x->lock);
	finish(c);
	pthread_mutex_lock(&x->lock);
	x->is_busy = false;
	append(&x->done, &x->done_last, c);
}

static void *run(void *arg)
{
	struct nr_closer *x = arg;

	pthread_mutex_lock(&x->lock);
	for (;;) {
		if (x->sync_fd >= 0)
			one_sync(x);
		else if (x->first)
			one_close(x);
		else if (x->stop)
			break;
		else
			pthread_cond_wait(&x->work, &x->lock);
		if (x->sync_fd < 0 && !x->first)
			pthread_cond_broadcast(&x->idle);
	}
	pthread_mutex_unlock(&x->lock);
	return NULL;
}

int nr_closer_new(struct nr_closer **out, struct nr_err *err)
{
	struct nr_closer *x = nr_xcalloc(1, sizeof(*x));
	int rc;

	*out = NULL;
	x->sync_fd = -1;
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->work, NULL);
	pthread_cond_init(&x->idle, NULL);
	rc = pthread_create(&x->thread, NULL, run, x);
	if (rc) {
		nr_free(x);
		return nr_fail(err, -rc, "cannot start a thread: %s", strerror(rc));
	}
	*out = x;
	return 0;
}

void nr_closer_close(struct nr_closer *x, struct nr_closing *c)
{
	pthread_mutex_lock(&x->lock);
	append(&x->first, &x->last, c);
	pthread_cond_signal(&x->work);
	pthread_mutex_unlock(&x->lock);
}

void nr_closer_sync(struct nr_closer *x, int fd)
{
	pthread_mutex_lock(&x->lock);
	if (x->sync_fd < 0) {
		x->sync_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		pthread_cond_signal(&x->work);
	}
	pthread_mutex_unlock(&x->lock);
}

int nr_closer_sync_failed(struct nr_closer *x)
{
	int rc;

	pthread_mutex_lock(&x->lock);
	rc = x->sync_failed;
	x->sync_failed = 0;
	pthread_mutex_unlock(&x->lock);
	return rc;
}

struct nr_closing *nr_closer_done(struct nr_closer *x, bool wait_for_all)
{
	struct nr_closing *c;

	pthread_mutex_lock(&x->lock);
	while (wait_for_all && (x->first || x->is_busy || x->sync_fd >= 0))
		pthread_cond_wait(&x->idle, &x->lock);
	c = x->done;
	if (c)
		x->done = c->next;
	pthread_mutex_unlock(&x->lock);
	return c;
}

void nr_closing_free(struct nr_closing *c)
{
	if (!c)
		return;
	nr_ngw_close(c->w);
	nr_free(c->path);
	nr_free(c);
}

void nr_closer_free(struct nr_closer *x)
{
	struct nr_closing *c;

	if (!x)
		return;
	pthread_mutex_lock(&x->lock);
	x->stop = true;
	pthread_cond_signal(&x->work);
	pthread_mutex_unlock(&x->lock);
	pthread_join(x->thread, NULL);
	while ((c = nr_closer_done(x, false)) != NULL)
		nr_closing_free(c);
	pthread_cond_destroy(&x->idle);
	pthread_cond_destroy(&x->work);
	pthread_mutex_destroy(&x->lock);
	nr_free(x);
}
