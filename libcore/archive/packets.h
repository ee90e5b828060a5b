/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures as one pcapng file: merged by time, with all that their readers tell. */
#pragma once

#include "archive/pcapng_write.h"
#include "base/text.h"
#include "source/merge.h"

struct nr_repack_stats {
	uint64_t packets, comments, names;
	uint64_t secrets;   /* decryption secrets that were left out */
	unsigned n_damaged; /* sources */
	bool interrupted;
	int write_failed; /* -errno: it was the output, not an input */
};

/* The address callback of struct nr_ngw_options, with its argument. */
struct nr_addresses;
struct nr_addresses *nr_addresses_new(void);
size_t nr_addresses_of(void *arg, const struct nr_packet *v, struct nr_archive_addr *addr,
		       size_t max);
void nr_addresses_free(struct nr_addresses *a);

/*
 * Reads m to its end into w, which the caller finishes. Interfaces keep their order;
 * those of several inputs are told apart by number. Comments stay with their blocks: what
 * belongs to no packet goes to the section, an interface, or a block of its own.
 * Decryption secrets are not copied. damaged, if not NULL, is told each source's damage.
 * 0 or -errno with a sentence.
 */
int nr_repack(struct nr_merge *m, struct nr_ngw *w, const atomic_int *stop,
	      void (*progress)(void *arg, uint64_t packets),
	      void (*damaged)(void *arg, const struct nr_source_info *s, const char *p,
			      size_t n),
	      void *arg, struct nr_repack_stats *st, struct nr_err *err);
/* JSON members that name the sources, for the index's meta: call it behind nr_repack().
 */
void nr_repack_meta(const struct nr_merge *m, struct nr_buf *b);
