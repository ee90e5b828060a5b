/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that traffic can grow, charged to a cap: one account for each shard.
 *
 * What is over the cap is refused: the caller says so in its own way (a parser closes
 * with overflow, a stream gives up its oldest hole) and `refused` counts it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nr_account {
	size_t used, max; /* bytes */
	uint64_t refused; /* requests */
};

enum { NR_ACCOUNT_OVERHEAD = 16 }; /* charged for each block beside its bytes */

/* n zeroed bytes, or NULL at the cap. */
void *nr_account_alloc(struct nr_account *a, size_t n);
/* p had old bytes (0 and NULL: none); NULL at the cap, p is then untouched. New bytes
   are not zeroed. */
void *nr_account_realloc(struct nr_account *a, void *p, size_t old, size_t n);
/* p had n bytes; NULL is fine. */
void nr_account_free(struct nr_account *a, void *p, size_t n);
