/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two lists in order, set side by side: what is equal, what stands for what, what is
 * missing, what is new. O(n log n) but for short stretches in which nothing is equal.
 */
#pragma once

#include "base/arena.h"

#include <stddef.h>
#include <stdint.h>

struct nr_pair {
	ptrdiff_t want, have; /* positions; -1: nothing stands there */
};

struct nr_aligned {
	struct nr_pair *p; /* in order of both lists */
	size_t n;
};

/*
 * want and have are hashes: equal ones are equal things. like(arg, i, k) says how much
 * want i and have k, which are not equal, have in common; 0: nothing, they are never
 * paired. The result lies in the arena.
 */
struct nr_aligned nr_align(const uint64_t *want, size_t n, const uint64_t *have, size_t m,
			   unsigned (*like)(void *arg, size_t i, size_t k), void *arg,
			   struct nr_arena *a);

/* The hash of n bytes that the lists hold. */
uint64_t nr_align_hash(const void *p, size_t n);
