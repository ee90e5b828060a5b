/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/reader.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { ALIGN = 64, POOL_KEEP = 16 };

struct nr_block {
	_Alignas(ALIGN) atomic_uint refs;
	size_t size;
	struct nr_pool *pool; /* NULL: freed by its last user */
	struct nr_block *next;
	/* of a lent one: not NULL */
	uint8_t *lent;
	void (*release)(void *arg, struct nr_block *b);
	void *arg;
};

struct nr_pool {
	pthread_mutex_t lock;
	size_t block_size;
	struct nr_block *free;
	unsigned n_free;
	atomic_uint refs; /* the owner and every block that is out */
};

static struct nr_block *block_alloc(size_t size)
{
	size_t total =
		(sizeof(struct nr_block) + size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct nr_block *b;
	void *p;

	if (size > SIZE_MAX / 2 || posix_memalign(&p, ALIGN, total))
		return nr_xmalloc(SIZE_MAX / 2); /* says so and ends */
	b = p;
	b->size = size;
	b->pool = NULL;
	b->next = NULL;
	b->lent = NULL;
	atomic_init(&b->refs, 1);
	return b;
}

struct nr_block *nr_block_lent_new(void *data, size_t size,
				   void (*release)(void *arg, struct nr_block *b),
				   void *arg)
{
	struct nr_block *b = block_alloc(0);

	b->size = size;
	b->lent = data;
	b->release = release;
	b->arg = arg;
	atomic_init(&b->refs, 0);
	return b;
}

void nr_block_lend(struct nr_block *b)
{
	atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
}

void nr_block_lent_free(struct nr_block *b)
{
	nr_free(b);
}

struct nr_block *nr_block_new(size_t size)
{
	return block_alloc(size);
}

uint8_t *nr_block_data(struct nr_block *b)
{
	return b->lent ? b->lent : (uint8_t *)(b + 1);
}

size_t nr_block_size(const struct nr_block *b)
{
	return b->size;
}

void nr_block_ref(struct nr_block *b)
{
	atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
}

void nr_pool_unref(struct nr_pool *p)
{
	struct nr_block *b;

	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	while ((b = p->free) != NULL) {
		p->free = b->next;
		NR_UNPOISON(nr_block_data(b), b->size);
		nr_free(b);
	}
	pthread_mutex_destroy(&p->lock);
	nr_free(p);
}

static void pool_put(struct nr_pool *p, struct nr_block *b)
{
	bool keep;

	pthread_mutex_lock(&p->lock);
	keep = p->n_free < POOL_KEEP;
	if (keep) {
		NR_POISON(nr_block_data(b), b->size);
		b->next = p->free;
		p->free = b;
		p->n_free++;
	}
	pthread_mutex_unlock(&p->lock);
	if (!keep)
		nr_free(b);
	nr_pool_unref(p);
}

void nr_block_unref(struct nr_block *b)
{
	if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (b->lent)
		b->release(b->arg, b);
	else if (b->pool)
		pool_put(b->pool, b);
	else
		nr_free(b);
}

struct nr_pool *nr_pool_new(size_t block_size)
{
	struct nr_pool *p = nr_xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	p->block_size = block_size;
	atomic_init(&p->refs, 1);
	return p;
}

struct nr_block *nr_pool_get(struct nr_pool *p)
{
	struct nr_block *b;

	pthread_mutex_lock(&p->lock);
	b = p->free;
	if (b) {
		p->free = b->next;
		p->n_free--;
	}
	pthread_mutex_unlock(&p->lock);
	if (b) {
		NR_UNPOISON(nr_block_data(b), b->size);
		atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
	} else {
		b = block_alloc(p->block_size);
		b->pool = p;
	}
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return b;
}

struct nr_packet *nr_batch_add(struct nr_batch *b, const struct nr_packet *view)
{
	struct nr_packet *p = &b->pkt[b->n];

	if (view->block)
		nr_batch_pin(b, view->block);
	*p = *view;
	b->n++;
	return p;
}

struct nr_event *nr_batch_event(struct nr_batch *b, enum nr_event_kind kind,
				uint32_t source, size_t n_text, char **text)
{
	struct nr_event *e;
	struct nr_block *block = nr_event_new(&e, n_text, text);

	e->kind = kind;
	nr_batch_add(b,
		     &(struct nr_packet){ .event = e, .block = block, .source = source });
	nr_block_unref(block);
	return e;
}

void nr_batch_release(struct nr_batch *b)
{
	for (unsigned i = 0; i < b->n_blocks; i++)
		nr_block_unref(b->blocks[i]);
	b->n = 0;
	b->n_blocks = 0;
}

/* The pins of b stand in the order of its views, one per run of views in one block. */
static unsigned pins_of(const struct nr_batch *b, unsigned from, unsigned to,
			unsigned pin)
{
	for (unsigned i = from; i < to; i++)
		if (b->pkt[i].block &&
		    (pin == 0 || b->blocks[pin - 1] != b->pkt[i].block))
			pin++;
	return pin;
}

void nr_batch_cut(struct nr_batch *b, unsigned start, unsigned n, unsigned n_blocks)
{
	unsigned pins = pins_of(b, start, start + n, n_blocks);

	while (b->n_blocks > pins)
		nr_block_unref(b->blocks[--b->n_blocks]);
	b->n = start + n;
}

void nr_batch_drop(struct nr_batch *b, unsigned n)
{
	unsigned first; /* the pin of the first view that stays */

	if (n == b->n) {
		nr_batch_release(b);
		return;
	}
	first = pins_of(b, 0, n + 1, 0) - 1;
	for (unsigned i = 0; i < first; i++)
		nr_block_unref(b->blocks[i]);
	b->n_blocks -= first;
	memmove(b->blocks, b->blocks + first, b->n_blocks * sizeof(*b->blocks));
	b->n -= n;
	memmove(b->pkt, b->pkt + n, b->n * sizeof(*b->pkt));
}
