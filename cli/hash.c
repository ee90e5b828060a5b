/* SPDX-License-Identifier: BSD-3-Clause */
#include "hash.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

struct item {
	const char *path;
	bool done;
	char hex[65];
	char note[128];
};

struct nr_hasher {
	pthread_t thread;
	pthread_mutex_t lock; /* of the items' done */
	pthread_cond_t changed;
	atomic_bool stop;
	uint8_t *block;
	size_t n;
	struct item items[];
};

static void to_hex(char *out, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", b[i]);
}

static bool feed(struct nr_hasher *h, struct item *it, int fd, EVP_MD_CTX *md)
{
	for (;;) {
		ssize_t n = read(fd, h->block, BLOCK);

		if (n == 0)
			return true;
		if (atomic_load(&h->stop)) {
			snprintf(it->note, sizeof(it->note), "interrupted");
			return false;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			snprintf(it->note, sizeof(it->note), "cannot read: %s",
				 strerror(errno));
			return false;
		}
		if (EVP_DigestUpdate(md, h->block, (size_t)n) != 1) {
			snprintf(it->note, sizeof(it->note), "libcrypto failed");
			return false;
		}
	}
}

static void hash_item(struct nr_hasher *h, struct item *it)
{
	EVP_MD_CTX *md = NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int fd;

	if (!it->path) {
		snprintf(it->note, sizeof(it->note), "a pipe: read once only");
		return;
	}
	if (atomic_load(&h->stop)) {
		snprintf(it->note, sizeof(it->note), "interrupted");
		return;
	}
	fd = open(it->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		snprintf(it->note, sizeof(it->note), "cannot open: %s", strerror(errno));
		return;
	}
	md = EVP_MD_CTX_new();
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		snprintf(it->note, sizeof(it->note), "libcrypto has no SHA-256");
	else if (feed(h, it, fd, md) && EVP_DigestFinal_ex(md, digest, &len) == 1)
		to_hex(it->hex, digest, 32);
	EVP_MD_CTX_free(md);
	close(fd);
}

static void *work(void *arg)
{
	struct nr_hasher *h = arg;

	for (size_t i = 0; i < h->n; i++) {
		hash_item(h, &h->items[i]);
		pthread_mutex_lock(&h->lock);
		h->items[i].done = true;
		pthread_cond_broadcast(&h->changed);
		pthread_mutex_unlock(&h->lock);
	}
	return NULL;
}

struct nr_hasher *nr_hasher_new(const char *const *paths, size_t n)
{
	struct nr_hasher *h = nr_xcalloc(1, sizeof(*h) + n * sizeof(struct item));
	sigset_t all, old;
	int rc;

	h->n = n;
	h->block = nr_xmalloc(BLOCK);
	for (size_t i = 0; i < n; i++)
		h->items[i].path = paths[i];
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	/* signals are the main thread's: its reads are what they interrupt */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&h->thread, NULL, work, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!rc)
		return h;
	free(h->block);
	free(h);
	return NULL;
}

const char *nr_hasher_get(struct nr_hasher *h, size_t i, const char **note)
{
	struct item *it = &h->items[i];

	pthread_mutex_lock(&h->lock);
	while (!it->done)
		pthread_cond_wait(&h->changed, &h->lock);
	pthread_mutex_unlock(&h->lock);
	*note = it->note[0] ? it->note : NULL;
	return it->hex[0] ? it->hex : NULL;
}

void nr_hasher_stop(struct nr_hasher *h)
{
	atomic_store(&h->stop, true);
}

void nr_hasher_free(struct nr_hasher *h)
{
	if (!h)
		return;
	nr_hasher_stop(h);
	pthread_join(h->thread, NULL);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h->block);
	free(h);
}
