/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Retention: which files of a run go when there are too many.
 *
 * Only files that were added go, the oldest first, never the newest; one that somebody
 * has replaced under its name meanwhile (another inode) is left alone and forgotten.
 */
#pragma once

#include <stdint.h>

struct nr_retain_limits {
	uint64_t files, bytes; /* at most; 0: no limit */
	uint64_t free;         /* bytes that stay free on the file system; 0: no limit */
};

struct nr_retain;

struct nr_retain *nr_retain_new(const struct nr_retain_limits *l);
/* A file that the run has just made, open on fd; it is the newest now. */
void nr_retain_add(struct nr_retain *r, const char *path, int fd);
/* Takes it back: it was not made after all. */
void nr_retain_forget(struct nr_retain *r, const char *path);
/* It has been finished, by now or long after others were added, and grows no more. */
void nr_retain_closed(struct nr_retain *r, const char *path);
/*
 * Removes what is beyond the limits, with `-wal` and `-shm` of a database; the sizes are
 * those that the newest file has now, others had when they were closed, or when the next
 * one was added. Returns how many went.
 */
unsigned nr_retain_enforce(struct nr_retain *r);
uint64_t nr_retain_removed(const struct nr_retain *r);       /* files, in all */
uint64_t nr_retain_removed_bytes(const struct nr_retain *r); /* their sizes */
/* Files that could not be removed, and are no longer counted. */
uint64_t nr_retain_refused(const struct nr_retain *r);
void nr_retain_free(struct nr_retain *r); /* NULL is fine; the files stay */
