/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/hash.h"

#include "base/mem.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <pthread.h>

enum { QUEUE = 8 };

struct piece {
	struct nr_block *block;
	const uint8_t *p;
	size_t n;
};

struct nr_hasher {
	EVP_MD_CTX *md;
	bool failed;
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece queue[QUEUE];
	unsigned first, n;
	bool closing;
};

static void take(struct nr_hasher *h, const uint8_t *p, size_t n)
{
	if (EVP_DigestUpdate(h->md, p, n) != 1)
		h->failed = true;
}

static void *work(void *arg)
{
	struct nr_hasher *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		struct piece piece;

		while (!h->n && !h->closing)
			pthread_cond_wait(&h->changed, &h->lock);
		if (!h->n)
			break;
		piece = h->queue[h->first];
		pthread_mutex_unlock(&h->lock);
		take(h, piece.p, piece.n);
		nr_block_unref(piece.block);
		pthread_mutex_lock(&h->lock);
		h->first = (h->first + 1) % QUEUE;
		h->n--;
		pthread_cond_broadcast(&h->changed);
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

struct nr_hasher *nr_hasher_new(bool threaded)
{
	struct nr_hasher *h = nr_xcalloc(1, sizeof(*h));

	h->md = EVP_MD_CTX_new();
	if (!h->md || EVP_DigestInit_ex(h->md, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(h->md);
		nr_free(h);
		return NULL;
	}
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	/* Without a thread to be had the reader does it. */
	h->threaded = threaded && pthread_create(&h->thread, NULL, work, h) == 0;
	return h;
}

void nr_hasher_feed(struct nr_hasher *h, struct nr_block *block, const uint8_t *p,
		    size_t n)
{
	if (!h->threaded) {
		take(h, p, n);
		return;
	}
	nr_block_ref(block);
	pthread_mutex_lock(&h->lock);
	while (h->n == QUEUE)
		pthread_cond_wait(&h->changed, &h->lock);
	h->queue[(h->first + h->n++) % QUEUE] = (struct piece){ block, p, n };
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
}

/* The thread hashes what is queued, and ends. */
static void join(struct nr_hasher *h)
{
	if (!h->threaded)
		return;
	pthread_mutex_lock(&h->lock);
	h->closing = true;
	pthread_cond_broadcast(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->threaded = false;
}

bool nr_hasher_finish(struct nr_hasher *h, char out[65])
{
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	join(h);
	out[0] = '\0';
	if (h->failed || EVP_DigestFinal_ex(h->md, md, &n) != 1 || n != 32)
		return false;
	nr_hex_format(out, md, n);
	return true;
}

void nr_hasher_free(struct nr_hasher *h)
{
	if (!h)
		return;
	join(h);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	EVP_MD_CTX_free(h->md);
	nr_free(h);
}
