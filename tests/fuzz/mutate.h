/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inputs that are lists of pieces (packets, operations), and what is done to any list:
 * the parts that mutate_packets.c and mutate_messages.c share. An input is a head of a
 * fixed size, then pieces, each with a head that tells its length; the last may be cut
 * short.
 */
#ifndef NR_TESTS_FUZZ_MUTATE_H
#define NR_TESTS_FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

enum { MAX_PIECES = 512, MAX_SIZE = 1 << 16 };

/* libFuzzer's: its own changes, and what it calls in their place. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *a, size_t an, const uint8_t *b, size_t bn,
				 uint8_t *out, size_t max, unsigned seed);

struct pieces {
	size_t at[MAX_PIECES + 1]; /* of each, and behind the last */
	unsigned n;
};

/* Numbers that depend on nothing but the seed; draw(n) is 0 to n - 1. */
void draw_from(unsigned seed);
uint32_t draw(uint32_t below);

unsigned get16(const uint8_t *p);
void put16(uint8_t *p, unsigned v);

/* The pieces behind `head` bytes. piece_size tells from a piece's head how long it is. */
void find_pieces(struct pieces *in, const uint8_t *data, size_t size, size_t head,
		 size_t piece_head, size_t (*piece_size)(const uint8_t *p));

/* Puts n bytes in place of `old` ones; the new size, the same where there is no room. */
size_t replace(uint8_t *data, size_t size, size_t max, size_t at, size_t old,
	       const uint8_t *with, size_t n);

/* Piece k comes once more, elsewhere, or no longer. */
size_t rearrange(uint8_t *data, size_t size, size_t max, const struct pieces *in,
		 unsigned k);

/* The n bytes from `from`, as libFuzzer would change them; n is then how many they are.
 */
size_t change_range(uint8_t *data, size_t size, size_t max, size_t from, size_t *n);

/* a's head, then the pieces of both, each in its order; how many bytes that are. */
size_t interleave(uint8_t *out, size_t max, size_t head, const uint8_t *a,
		  const struct pieces *in_a, const uint8_t *b, const struct pieces *in_b);

#endif
