/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SHA-256 of files as stored, computed on a thread of its own beside the reading: the
 * kernel's page cache makes one disk read of both.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

struct nr_hasher;

/*
 * Starts hashing paths in order. A NULL path stands for what cannot be read twice (a
 * pipe). The strings must live until nr_hasher_free(). NULL where no thread could be had.
 */
struct nr_hasher *nr_hasher_new(const char *const *paths, size_t n);

/*
 * Waits for path i. 64 lower-case hexadecimal digits, or NULL with *note saying why there
 * is none ("a pipe", "cannot read: …", "interrupted"). Both live as long as the hasher.
 */
const char *nr_hasher_get(struct nr_hasher *h, size_t i, const char **note);

/* The rest is not wanted any more: what is not finished is noted as interrupted. */
void nr_hasher_stop(struct nr_hasher *h);
void nr_hasher_free(struct nr_hasher *h); /* NULL is fine */
