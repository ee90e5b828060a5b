/* SPDX-License-Identifier: BSD-3-Clause */
/* Secrets that parsers named, and where they stand in two streams of bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nr_secret_list;

struct nr_secret_list *nr_secret_list_new(void);
void nr_secret_list_free(struct nr_secret_list *l);
/* A secret of n bytes; known ones are not added again. */
void nr_secret_list_add(struct nr_secret_list *l, const uint8_t *p, size_t n);
size_t nr_secret_list_count(const struct nr_secret_list *l);
/* Bytes of a stream in order, for the search; a gap begins anew. */
void nr_secret_list_search(struct nr_secret_list *l, unsigned side, const uint8_t *p,
			   size_t n);
void nr_secret_list_gap(struct nr_secret_list *l, unsigned side);
/*
 * After the search, the same bytes again in the same calls: masks in place what was found
 * in the n bytes at p.
 */
void nr_secret_list_mask(struct nr_secret_list *l, unsigned side, uint8_t *p, size_t n);
