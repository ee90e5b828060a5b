/* SPDX-License-Identifier: BSD-3-Clause */
/* What the index says of content, found in the content itself: for a repair. */
#pragma once

#include "archive/index.h"

struct nr_facts;

struct nr_facts *nr_facts_new(enum nr_archive_kind kind);
/* PACKETS, EVENTS or UNKNOWN by how content begins. */
enum nr_archive_kind nr_facts_kind(const uint8_t *p, size_t n);
/*
 * The next frame's content, which begins and ends between blocks or lines. False where it
 * does not, or is none of its kind.
 */
bool nr_facts_feed(struct nr_facts *f, struct nr_ax_build *b, const uint8_t *p, size_t n);
void nr_facts_free(struct nr_facts *f);
