/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/queue.h"

#include "base/clock.h"
#include "base/mem.h"

#include <string.h>

enum { WORTH_HANDING_OVER = 64 * 1024, FLUSHED_MAX = 8, POLL_MS = 100 };

void nr_queue_init(struct nr_queue *q)
{
	pthread_condattr_t a;

	*q = (struct nr_queue){ .max_chunks = NR_QUEUE_CHUNKS };
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&a);
	pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	pthread_cond_init(&q->not_empty, &a);
	pthread_cond_init(&q->not_full, &a);
	pthread_condattr_destroy(&a);
}

static void free_list(struct nr_chunk *c)
{
	for (struct nr_chunk *next; c; c = next) {
		next = c->next;
		nr_free(c);
	}
}

void nr_queue_fini(struct nr_queue *q)
{
	free_list(q->first);
	free_list(q->spare);
	nr_free(q->open);
	pthread_cond_destroy(&q->not_full);
	pthread_cond_destroy(&q->not_empty);
	pthread_mutex_destroy(&q->lock);
}

static void hand_over(struct nr_queue *q)
{
	struct nr_chunk *c = q->open;

	q->open = NULL;
	pthread_mutex_lock(&q->lock);
	c->next = NULL;
	if (q->last)
		q->last->next = c;
	else
		q->first = c;
	q->last = c;
	pthread_cond_signal(&q->not_empty);
	pthread_mutex_unlock(&q->lock);
}

static struct nr_chunk *chunk_new(size_t size)
{
	struct nr_chunk *c = nr_xmalloc(sizeof(*c) + size);

	c->size = size;
	return c;
}

static bool is_full(const struct nr_queue *q)
{
	return q->n_chunks >= q->max_chunks && !q->spare && !q->is_dead;
}

static struct nr_chunk *chunk_get(struct nr_queue *q, size_t size)
{
	struct nr_chunk *c = NULL;

	pthread_mutex_lock(&q->lock);
	if (is_full(q)) {
		int64_t from = nr_monotonic_ns();

		while (is_full(q))
			pthread_cond_wait(&q->not_full, &q->lock);
		q->waited_ns += (uint64_t)(nr_monotonic_ns() - from);
	}
	if (q->spare) {
		c = q->spare;
		q->spare = c->next;
	} else {
		q->n_chunks++;
	}
	q->n_used++;
	pthread_mutex_unlock(&q->lock);
	if (c && c->size < size) {
		nr_free(c);
		c = NULL;
	}
	if (!c)
		c = chunk_new(size > NR_CHUNK_SIZE ? size : NR_CHUNK_SIZE);
	c->next = NULL;
	c->is_flushed = false;
	c->used = 0;
	c->n = 0;
	memset(c->of, 0, sizeof(c->of));
	return c;
}

static size_t text_size(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static size_t origin_size(const struct nr_flow_ident *f)
{
	return sizeof(struct nr_origin) +
	       (f ? text_size(f->proto) + text_size(f->src_ip) + text_size(f->dst_ip) +
				text_size(f->community_id)
		  : 0);
}

static char *copy_text(char *to, const char **s)
{
	size_t n = text_size(*s);

	if (!n)
		return to;
	memcpy(to, *s, n);
	*s = to;
	return to + n;
}

/* To where there is room for it; what is behind it. */
static char *copy_origin(char *to, const struct nr_record *r, struct nr_stored *s)
{
	struct nr_origin *o = (struct nr_origin *)(void *)to;

	*o = (struct nr_origin){ .type = r->type, .has_ident = r->ident != NULL };
	s->origin = o;
	to += sizeof(*o);
	if (!r->ident)
		return to;
	o->ident = *r->ident;
	to = copy_text(to, &o->ident.proto);
	to = copy_text(to, &o->ident.src_ip);
	to = copy_text(to, &o->ident.dst_ip);
	return copy_text(to, &o->ident.community_id);
}

static size_t size_of(const struct nr_queue *q, const struct nr_record *r)
{
	unsigned n = r->type->n_fields;
	size_t size = sizeof(struct nr_stored) + n * sizeof(struct nr_value);

	if (q->with_origin)
		size += origin_size(r->ident);
	for (unsigned i = 0; i < n; i++)
		size += r->v[i].kind == NR_V_TEXT ? r->v[i].len : 0;
	return (size + 15) & ~(size_t)15;
}

bool nr_queue_offer(struct nr_queue *q, const struct nr_record *r, unsigned table,
		    unsigned chunks)
{
	bool fits = q->open && q->open->size - q->open->used >= size_of(q, r);

	if (atomic_load_explicit(&q->n_used, memory_order_relaxed) + !fits > chunks)
		return false;
	nr_queue_put(q, r, table);
	return true;
}

static struct timespec after(unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000l;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return until;
}

bool nr_queue_offer_until(struct nr_queue *q, const struct nr_record *r, unsigned table,
			  unsigned chunks, int64_t until_ns)
{
	struct timespec until;
	bool is_dead = false;

	while (!nr_queue_offer(q, r, table, chunks)) {
		if (is_dead || nr_monotonic_ns() >= until_ns)
			return false;
		until = after(POLL_MS);
		pthread_mutex_lock(&q->lock);
		if (!q->is_dead && atomic_load(&q->n_used) >= chunks)
			pthread_cond_timedwait(&q->not_full, &q->lock, &until);
		is_dead = q->is_dead;
		pthread_mutex_unlock(&q->lock);
	}
	return true;
}

void nr_queue_put(struct nr_queue *q, const struct nr_record *r, unsigned table)
{
	unsigned n = r->type->n_fields;
	size_t size = size_of(q, r);
	struct nr_stored *s;
	char *text;

	if (q->open && q->open->size - q->open->used < size)
		hand_over(q);
	if (!q->open)
		q->open = chunk_get(q, size);
	s = (struct nr_stored *)(void *)(q->open->data + q->open->used);
	q->open->used += size;
	q->open->n++;
	s->next = NULL;
	s->origin = NULL;
	if (q->open->of[table].first)
		q->open->of[table].last->next = s;
	else
		q->open->of[table].first = s;
	q->open->of[table].last = s;
	memcpy(s->v, r->v, n * sizeof(struct nr_value));
	text = (char *)(s->v + n);
	if (q->with_origin)
		text = copy_origin(text, r, s);
	for (unsigned i = 0; i < n; i++) {
		if (s->v[i].kind != NR_V_TEXT)
			continue;
		memcpy(text, r->v[i].p, r->v[i].len);
		s->v[i].p = text;
		text += r->v[i].len;
	}
}

void nr_queue_nudge(struct nr_queue *q)
{
	bool idle;

	if (!q->open || q->open->used < WORTH_HANDING_OVER)
		return;
	pthread_mutex_lock(&q->lock);
	idle = q->is_idle;
	pthread_mutex_unlock(&q->lock);
	if (idle)
		hand_over(q);
}

void nr_queue_flush(struct nr_queue *q)
{
	/* chunks that are hardly used would fill a queue that is behind */
	if (!q->open || !q->open->used || atomic_load(&q->n_used) > FLUSHED_MAX)
		return;
	q->open->is_flushed = true;
	hand_over(q);
}

void nr_queue_close(struct nr_queue *q)
{
	if (q->open)
		hand_over(q);
	pthread_mutex_lock(&q->lock);
	q->is_closed = true;
	pthread_cond_signal(&q->not_empty);
	pthread_mutex_unlock(&q->lock);
}

/* Behind the waiting, with the lock held; NULL: there is none. */
static struct nr_chunk *take_first(struct nr_queue *q)
{
	struct nr_chunk *c = q->first;

	q->is_idle = false;
	if (c) {
		q->first = c->next;
		if (!q->first)
			q->last = NULL;
	}
	return c;
}

struct nr_chunk *nr_queue_take(struct nr_queue *q)
{
	struct nr_chunk *c;

	pthread_mutex_lock(&q->lock);
	q->is_idle = true;
	while (!q->first && !q->is_closed)
		pthread_cond_wait(&q->not_empty, &q->lock);
	c = take_first(q);
	pthread_mutex_unlock(&q->lock);
	return c;
}

struct nr_chunk *nr_queue_take_for(struct nr_queue *q, unsigned ms, bool *at_end)
{
	struct timespec until = after(ms);
	struct nr_chunk *c;
	int rc = 0;

	pthread_mutex_lock(&q->lock);
	q->is_idle = true;
	while (!q->first && !q->is_closed && rc == 0)
		rc = pthread_cond_timedwait(&q->not_empty, &q->lock, &until);
	c = take_first(q);
	*at_end = !c && q->is_closed;
	pthread_mutex_unlock(&q->lock);
	return c;
}

void nr_queue_give_back(struct nr_queue *q, struct nr_chunk *c)
{
	bool large = c->size > NR_CHUNK_SIZE;

	pthread_mutex_lock(&q->lock);
	q->n_used--;
	if (large) {
		q->n_chunks--;
	} else {
		c->next = q->spare;
		q->spare = c;
	}
	pthread_cond_signal(&q->not_full);
	pthread_mutex_unlock(&q->lock);
	if (large)
		nr_free(c);
}

uint64_t nr_queue_left(const struct nr_queue *q)
{
	uint64_t n = q->open ? q->open->n : 0;

	for (const struct nr_chunk *c = q->first; c; c = c->next)
		n += c->n;
	return n;
}

void nr_queue_kill(struct nr_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->is_dead = true;
	pthread_cond_signal(&q->not_full);
	pthread_mutex_unlock(&q->lock);
}
