/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/crew.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

struct nr_crew {
	pthread_mutex_t lock;
	pthread_cond_t begin, end;
	pthread_t *thread;
	unsigned n_threads; /* beside the caller */
	bool quit;
	/* of the present run; changed under the lock, while nobody works */
	uint64_t run;
	unsigned busy; /* threads that work on it */
	void (*task)(void *arg, unsigned i);
	void *arg;
	unsigned n;
	atomic_uint next;
	uint64_t waited_ns;
};

static void take_tasks(struct nr_crew *c)
{
	unsigned i;

	while ((i = atomic_fetch_add_explicit(&c->next, 1, memory_order_relaxed)) < c->n)
		c->task(c->arg, i);
}

static void *work(void *arg)
{
	struct nr_crew *c = arg;
	uint64_t seen = 0;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		while (!c->quit && c->run == seen)
			pthread_cond_wait(&c->begin, &c->lock);
		if (c->quit)
			break;
		seen = c->run;
		if (atomic_load_explicit(&c->next, memory_order_relaxed) >= c->n)
			continue; /* woken too late: nothing is left */
		c->busy++;
		pthread_mutex_unlock(&c->lock);
		take_tasks(c);
		pthread_mutex_lock(&c->lock);
		if (!--c->busy)
			pthread_cond_signal(&c->end);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct nr_crew *nr_crew_new(unsigned n)
{
	struct nr_crew *c = nr_xcalloc(1, sizeof(*c));
	sigset_t all, old;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->begin, NULL);
	pthread_cond_init(&c->end, NULL);
	c->thread = nr_xcalloc(n, sizeof(c->thread[0]));
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (c->n_threads + 1 < n &&
	       !pthread_create(&c->thread[c->n_threads], NULL, work, c))
		c->n_threads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return c;
}

void nr_crew_free(struct nr_crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->quit = true;
	pthread_cond_broadcast(&c->begin);
	pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < c->n_threads; i++)
		pthread_join(c->thread[i], NULL);
	pthread_cond_destroy(&c->end);
	pthread_cond_destroy(&c->begin);
	pthread_mutex_destroy(&c->lock);
	nr_free(c->thread);
	nr_free(c);
}

unsigned nr_crew_size(const struct nr_crew *c)
{
	return c->n_threads + 1;
}

void nr_crew_run(struct nr_crew *c, void (*first)(void *arg),
		 void (*task)(void *arg, unsigned i), unsigned n, void *arg)
{
	pthread_mutex_lock(&c->lock);
	c->run++;
	c->task = task;
	c->arg = arg;
	c->n = n;
	atomic_store_explicit(&c->next, 0, memory_order_relaxed);
	pthread_cond_broadcast(&c->begin);
	pthread_mutex_unlock(&c->lock);
	if (first)
		first(arg);
	take_tasks(c);
	pthread_mutex_lock(&c->lock);
	if (c->busy) {
		int64_t from = nr_monotonic_ns();

		while (c->busy)
			pthread_cond_wait(&c->end, &c->lock);
		c->waited_ns += (uint64_t)(nr_monotonic_ns() - from);
	}
	pthread_mutex_unlock(&c->lock);
}

uint64_t nr_crew_waited(const struct nr_crew *c)
{
	return c->waited_ns;
}
