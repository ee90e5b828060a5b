/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The batch lifetime: memory that is handed out piece by piece and taken back at once.
 *
 * Everything allocated lives until nr_arena_reset(), which keeps some blocks for the next
 * batch and poisons their bytes under AddressSanitizer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct nr_arena_block;

struct nr_arena {
	struct nr_arena_block *first;
	struct nr_arena_block *cur;
	size_t used;      /* bytes handed out of cur */
	size_t in_blocks; /* bytes held from malloc in all */
	size_t handed;    /* bytes handed out since the last reset */
	size_t block;     /* bytes to ask malloc for at a time; 0: 256 KiB */
};

/* A zeroed struct nr_arena is ready for use. */
void nr_arena_fini(struct nr_arena *a);
void nr_arena_reset(struct nr_arena *a);

/*
 * n bytes aligned to 16, not zeroed. Never NULL: nrtool cannot go on without memory for
 * a batch, so exhaustion aborts with a sentence on stderr.
 */
void *nr_arena_alloc(struct nr_arena *a, size_t n);
/* Of the newest allocation, p of `old` bytes, only the first n are kept. */
void nr_arena_shrink(struct nr_arena *a, void *p, size_t old, size_t n);
void *nr_arena_zalloc(struct nr_arena *a, size_t n);
char *nr_arena_copy(struct nr_arena *a, const void *p, size_t n); /* adds a final NUL */
char *nr_arena_printf(struct nr_arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull));
