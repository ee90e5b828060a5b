/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Several inputs as one: merged by clock_ns, ties by order of inputs, then by record.
 *
 * Files and directories: a directory stands for the files below it, sorted bytewise by
 * path; what is no capture is named in `skipped` (a file given by name that is no capture
 * fails the open). Each input is opened once to learn its first time, closed, and opened
 * again when the merge reaches that time, so that a thousand files of one rotation cost
 * neither descriptors nor memory; pipes and stdin stay open. Sources keep the order of
 * the inputs: nr_packet.source counts in it.
 */
#pragma once

#include "source/timeline.h"

struct nr_merge;

struct nr_merge_options {
	int64_t max_jump_ns;
	bool hash;              /* SHA-256 of every input as stored, see nr_source_info */
	size_t block_size;      /* 0: 1 MiB, less where many inputs overlap in time */
	const atomic_int *stop; /* see nr_source_options; may be NULL */
	int64_t from_ns, to_ns; /* see nr_source_options */
};

int nr_merge_open(struct nr_merge **out, const char *const *paths, size_t n_paths,
		  const struct nr_merge_options *opt, struct nr_err *err);

size_t nr_merge_n_sources(const struct nr_merge *m);
/*
 * Valid from open to close; `bytes` of a pipe, sha256 and hash_note are known once its
 * SOURCE_END is out.
 */
const struct nr_source_info *nr_merge_info(const struct nr_merge *m, size_t i);
/* Files below given directories that were no captures, with the reason. */
size_t nr_merge_n_skipped(const struct nr_merge *m);
const char *nr_merge_skipped(const struct nr_merge *m, size_t i);

/*
 * Appends up to max views, ordinals set (frames only, from 1). Returns how many, 0 at
 * the end of all inputs, -errno as nr_source_read().
 */
int nr_merge_read(struct nr_merge *m, struct nr_batch *b, unsigned max,
		  struct nr_err *err);

/* Stored bytes read so far, and in all (0: unknown, a pipe is among the inputs). */
void nr_merge_progress(const struct nr_merge *m, uint64_t *done, uint64_t *total);
void nr_merge_close(struct nr_merge *m);
