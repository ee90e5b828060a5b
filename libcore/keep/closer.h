/* SPDX-License-Identifier: BSD-3-Clause */
/* A thread that syncs and closes packet files, so that capture never waits for a disk. */
#pragma once

#include "archive/pcapng_write.h"

struct nr_closer;

/* A file on its way to be closed, and what became of it. */
struct nr_closing {
	struct nr_closing *next;
	struct nr_ngw *w; /* NULL once it is closed */
	char *path;
	uint32_t source;
	uint64_t packets, bytes, lost;
	uint64_t lost_before; /* by the caller, which has counted them */
	int failed;           /* -errno */
	struct nr_err said;   /* of the failure; "": none */
};

int nr_closer_new(struct nr_closer **out, struct nr_err *err);
/* Finishes c->w in its turn; c comes back through nr_closer_done(). */
void nr_closer_close(struct nr_closer *x, struct nr_closing *c);
/* fdatasync(2) of what fd names (a copy is taken), unless one is under way. */
void nr_closer_sync(struct nr_closer *x, int fd);
/* The first failure of a sync since the last call: 0 or -errno. */
int nr_closer_sync_failed(struct nr_closer *x);
/* One that is closed, for the caller to free with nr_closing_free(); NULL: none. */
struct nr_closing *nr_closer_done(struct nr_closer *x, bool wait_for_all);
void nr_closing_free(struct nr_closing *c);
/* Waits for everything. NULL is fine. */
void nr_closer_free(struct nr_closer *x);
