/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of recall/ share; nobody else includes this. */
#pragma once

#include "recall/recall.h"

#include "archive/archive.h"
#include "base/text.h"
#include "source/source.h"

#include <sys/types.h>

enum {
	NR_RECALL_HASH_SMALL = 8 << 20, /* files so small are hashed before use */
	NR_RECALL_MANY = 200,           /* sources at once that may hold a descriptor */
};

/* One packet chosen. */
struct nr_pick {
	uint64_t record;
	int64_t flow_id; /* 0: not known, or none */
};

struct nr_picks {
	struct nr_pick *v;
	size_t n, room;
};

void nr_picks_add(struct nr_picks *p, uint64_t record, int64_t flow_id);
/* Sorts by record; of two of one record the one that knows its flow stays. */
void nr_picks_sort(struct nr_picks *p);
/* In sorted picks; NULL: not chosen. */
struct nr_pick *nr_picks_find(const struct nr_picks *p, uint64_t record);

/*
 * The record numbers of one chunk of flow_packets (flow/way_back.h) to fn. False where
 * the chunk is cut, empty, or leads outside 1 … max.
 */
bool nr_chunk_walk(const uint8_t *p, size_t n, uint64_t max,
		   void (*fn)(void *arg, uint64_t record), void *arg);

struct nr_recall_block { /* a row of source_block */
	uint64_t record, offset;
	int64_t ts_ns;
};

/* One source of the database. */
struct nr_recall_input {
	struct nr_recall_source s;
	char *path; /* NULL: not located */
	dev_t dev;
	ino_t ino;
	bool is_hashed; /* path holds what the database says, as its hash proves */
	bool all;       /* every packet is chosen */
	struct nr_picks picks;
	/* reading */
	struct nr_recall_block *blocks;
	size_t n_blocks;
	uint64_t n_interfaces; /* rows of table interface */
	bool has_sections;     /* more than one */
	struct nr_interface *ifs;
	size_t n_ifs;
	struct nr_source *src;      /* NULL: not open */
	struct nr_archive *archive; /* NULL: none, or none with frames to seek */
	struct nr_batch *in;
	unsigned at;      /* next view of in */
	unsigned max;     /* views read at once */
	size_t next_pick; /* picks before it are handed out */
	size_t next_block;
	uint64_t last;                /* record handed out last */
	uint64_t n_out;               /* frames handed out */
	bool can_seek;                /* from block to block */
	bool hash_at_end;             /* the hash is computed while it is read */
	const struct nr_packet *head; /* next to hand out; in `in` */
	int64_t key;                  /* its time; before opening not above its first */
};

struct nr_recall {
	sqlite3 *db;
	char *db_path;
	struct nr_recall_options opt;
	struct nr_recall_input *in;
	size_t n;
	uint64_t n_picked;
	bool all, sorted, wants_flows;
	bool may_lack; /* flows may have packets that no row leads to */
	uint64_t n_lacking;
	sqlite3_stmt *flow_row, *chunks;
	/* reading */
	bool started;
	size_t *heap; /* inputs by key, then number */
	size_t n_heap, n_used;
	int64_t clock;
	uint64_t ordinal;
};

/* "cannot read case.db: …"; -EIO. */
int nr_recall_db_fail(const struct nr_recall *r, struct nr_err *err);

/* recall.c: the lists of packets in order, each packet with its flow. 0 or -errno. */
int nr_recall_settle(struct nr_recall *r, struct nr_err *err);

/* reader.c: one input */
int nr_recall_input_open(struct nr_recall *r, struct nr_recall_input *in,
			 struct nr_err *err);
/* Finds the next view to hand out: 1 and in->head; 0 at the end; -errno. */
int nr_recall_input_next(struct nr_recall *r, struct nr_recall_input *in,
			 struct nr_err *err);
void nr_recall_input_close(struct nr_recall_input *in);
void nr_recall_input_free(struct nr_recall_input *in);
