/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An output file that appears under its name only when it is whole.
 *
 * It is written as .NAME.partial (0600) in the same directory, synced and renamed. What
 * is no regular file (a device, a FIFO) is written into and never replaced, removed or
 * given other rights.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct nr_outfile {
	char *path;    /* the final name, symbolic links followed */
	char *partial; /* NULL: written in place (no regular file) */
	char *dir;
	int fd; /* open for writing; -1: closed */
	bool force, keep_partial;
	bool is_live; /* under its final name from the beginning */
	bool is_mine; /* the partial file is locked by us */
	bool is_done;
};

/*
 * Opens the file for target. -EEXIST where it exists and force is not set; -EINVAL where
 * it is no regular file and must_be_regular is set; -EBUSY where another process is
 * writing the same target; other errors as open(2). On failure f needs no close.
 */
int nr_outfile_open(struct nr_outfile *f, const char *target, bool force,
		    bool must_be_regular, struct nr_err *err);
/*
 * The same for a file that others may read while it grows: it has its final name from
 * the beginning (0600, locked), commit syncs and closes it, and close leaves it there. A
 * regular file that exists is emptied where force is set, else -EEXIST.
 */
int nr_outfile_open_live(struct nr_outfile *f, const char *target, bool force,
			 struct nr_err *err);
/* Syncs and renames. After success the file is closed. */
int nr_outfile_commit(struct nr_outfile *f, struct nr_err *err);
/* Frees; what is half done is removed, unless keep_partial is set. */
void nr_outfile_close(struct nr_outfile *f);
/* write(2) until all is written; 0 or -errno. */
int nr_write_all(int fd, const void *p, size_t n);
