/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bounded queue of copied records between the engine and a sink's thread.
 *
 * One thread puts, one takes. The copies lie in chunks of fixed size, recycled; a record
 * larger than a chunk gets one of its own. When all chunks are in use nr_queue_put()
 * waits: replay's pressure on the reader.
 */
#pragma once

#include "record/record.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	NR_CHUNK_SIZE = 1 << 20,
	NR_QUEUE_TABLES = 64,
	NR_QUEUE_CHUNKS = 12, /* 12 MiB at most, and what a single larger record needs */
};

struct nr_chunk {
	struct nr_chunk *next;
	size_t used, size; /* bytes of data */
	unsigned n;        /* records */
	bool is_flushed;   /* handed over by nr_queue_flush() */
	struct {
		struct nr_stored *first, *last;
	} of[NR_QUEUE_TABLES]; /* its records by table, in order */
	_Alignas(16) uint8_t data[];
};

/* What a sink of records of many types in one order has to know besides. */
struct nr_origin {
	const struct nr_record_type *type;
	bool has_ident;
	struct nr_flow_ident ident;
};

/* A copied record: values, then the bytes they point to. */
struct nr_stored {
	struct nr_stored *next;         /* of the same table in the same chunk */
	const struct nr_origin *origin; /* with_origin alone, else NULL */
	_Alignas(16) struct nr_value v[];
};

struct nr_queue {
	pthread_mutex_t lock;
	pthread_cond_t not_empty, not_full;
	struct nr_chunk *first, *last; /* filled, oldest first */
	struct nr_chunk *spare;
	struct nr_chunk *open; /* the one being filled; only its owner looks at it */
	unsigned max_chunks;
	unsigned n_chunks;  /* alive, the open one too */
	atomic_uint n_used; /* alive and not spare */
	uint64_t waited_ns; /* nr_queue_put() found it full; the putter's */
	bool is_idle;       /* the taker waits */
	bool is_closed;     /* nothing more comes */
	bool is_dead;       /* nobody takes any more: puts are dropped */
	bool with_origin;   /* set behind init: nr_stored.origin is filled */
};

void nr_queue_init(struct nr_queue *q);
void nr_queue_fini(struct nr_queue *q);
/* Copies the record, of that table. Waits while the queue is full. */
void nr_queue_put(struct nr_queue *q, const struct nr_record *r, unsigned table);
/*
 * The same without waiting: false, and nothing is copied, where more than `chunks` would
 * be in use then. The queue takes what the caller lets it take, up to max_chunks.
 */
bool nr_queue_offer(struct nr_queue *q, const struct nr_record *r, unsigned table,
		    unsigned chunks);
/* The same, waiting for room until the monotonic clock says so; false also where nobody
   takes any more. */
bool nr_queue_offer_until(struct nr_queue *q, const struct nr_record *r, unsigned table,
			  unsigned chunks, int64_t until_ns);
/* Hands over what is in the open chunk, unless the taker is far behind. */
void nr_queue_flush(struct nr_queue *q);
/* Hands over what is in the open chunk if it is worth it: the taker waits. */
void nr_queue_nudge(struct nr_queue *q);
/* Hands over everything; nr_queue_take() returns NULL when that is taken. */
void nr_queue_close(struct nr_queue *q);
/* The oldest chunk; waits; NULL at the end. Give it back. */
struct nr_chunk *nr_queue_take(struct nr_queue *q);
/* The same, at most for ms; NULL also then: *at_end tells. */
struct nr_chunk *nr_queue_take_for(struct nr_queue *q, unsigned ms, bool *at_end);
void nr_queue_give_back(struct nr_queue *q, struct nr_chunk *c);
/* Records that nobody has taken; neither side works any more. */
uint64_t nr_queue_left(const struct nr_queue *q);
/* Called by the taker when it stops early. */
void nr_queue_kill(struct nr_queue *q);
