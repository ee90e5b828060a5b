/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From the rows of a session database back to the packets: opens the captures that the
 * database was made from and hands out the frames of chosen flows and records.
 *
 * Order of calls:
 *
 *	nr_recall_open(&r, db, "case.db", &opt, &err);
 *	nr_recall_add_flow(r, flow_id, &err);      any number of flows and packets
 *	nr_recall_locate(r, &err);                 finds the files; opens nothing
 *	... a sandbox: nr_recall_path() of each source that nr_recall_is_used() ...
 *	while ((n = nr_recall_read(r, batch, 256, &err)) > 0)
 *		...; nr_batch_release(batch);
 *	nr_recall_close(r);
 *
 * Plain files are read only where the packets lie (source_block leads there), compressed
 * ones are decompressed once for all flows, as far as the last packet wanted. A source
 * that is not there, whose size, hash or packets are not what the database says, or that
 * was a pipe, is refused with a sentence. The hash is computed of files up to 8 MiB, of
 * compressed ones, and of all with `check`; of larger plain files the size is compared,
 * and offset and time of the first packet of each stretch that is read.
 */
#pragma once

#include "base/err.h"
#include "source/packet.h"

#include <sqlite3.h>
#include <stdatomic.h>

struct nr_recall;

struct nr_recall_options {
	/* Where the captures lie now: files, and directories to look through. Beside
	   these the command line in table run and the database's own directory are tried.
	   They need to live until nr_recall_locate() has returned. */
	const char *const *sources;
	size_t n_sources;
	bool check;             /* hash every source in use before its packets are read */
	bool secrets;           /* hand out decryption secrets too: NR_EVENT_SECRETS */
	const atomic_int *stop; /* not 0: reading ends with -EINTR; may be NULL */
};

/* What table source says of one input; texts live as long as the recall. */
struct nr_recall_source {
	int64_t source_id, run_id;
	const char *name;        /* base name */
	const char *format;      /* "pcap" "pcapng" "snoop"; NULL: not known */
	const char *compression; /* NULL: none */
	const char *sha256;      /* NULL: not known */
	const char *hash_note;   /* why; or NULL */
	int64_t bytes;           /* -1: not known */
	uint64_t packets;
	uint64_t last_record; /* the highest number that a packet can have */
	bool not_kept;        /* of a capture, and nothing wrote them */
	bool is_part;         /* read in part: the database does not know all packets */
	int64_t first_ns, last_ns; /* valid if packets */
	const char *argv, *cwd;    /* of the run that read it; NULL: not known */
	uint64_t n_selected;       /* packets chosen so far */
};

/*
 * db stays the caller's and must outlive the recall; db_path is the name it was opened
 * by. 0, or -errno with a sentence where its tables cannot be read.
 */
int nr_recall_open(struct nr_recall **out, sqlite3 *db, const char *db_path,
		   const struct nr_recall_options *opt, struct nr_err *err);
void nr_recall_close(struct nr_recall *r);
/* Packets of the chosen flows that a capture did not keep, or has not numbered yet. */
uint64_t nr_recall_lacking(const struct nr_recall *r);

/*
 * All packets of flow_packets of one flow (the frames whose innermost flow it is). 0;
 * -ENOENT where there is no such flow; -EBADMSG where its rows are damaged; -E2BIG beyond
 * NR_RECALL_MAX packets in all.
 */
int nr_recall_add_flow(struct nr_recall *r, int64_t flow_id, struct nr_err *err);
/* One packet; flow_id 0: not known, looked up when reading begins. -ENOENT, -E2BIG. */
int nr_recall_add_packet(struct nr_recall *r, int64_t source_id, uint64_t record,
			 int64_t flow_id, struct nr_err *err);
/* Every packet of every source, those of no flow too. */
int nr_recall_add_all(struct nr_recall *r, struct nr_err *err);

enum { NR_RECALL_MAX = 1 << 28 };

/*
 * Finds the files of the sources in use. -ENOENT: one is not there; -ESTALE: it is not
 * what was read; -ESPIPE: it was a pipe and cannot be read again. The sentence names all
 * that was tried, and --source.
 */
int nr_recall_locate(struct nr_recall *r, struct nr_err *err);

/* Takes over the files that another recall of the same database has located. */
void nr_recall_adopt(struct nr_recall *r, const struct nr_recall *from);
/* The same for source i alone, used or not. */
int nr_recall_find(struct nr_recall *r, size_t i, struct nr_err *err);

/* SHA-256 of a file as text. 0; -EINTR where stop (may be NULL) is set; -errno. */
int nr_recall_hash(const char *path, const atomic_int *stop, char out[65],
		   struct nr_err *err);

/* Sources in order of source_id: nr_packet.source counts in this. */
size_t nr_recall_n_sources(const struct nr_recall *r);
const struct nr_recall_source *nr_recall_source(const struct nr_recall *r, size_t i);
bool nr_recall_is_used(const struct nr_recall *r, size_t i);
/* The file that stands for it; NULL before locate and where it is not used. */
const char *nr_recall_path(const struct nr_recall *r, size_t i);
/* Is there a file that has the name and size of a source, used or not? */
bool nr_recall_may_be_source(const struct nr_recall *r, const char *path);

/*
 * Appends up to max views to b: the frames chosen, those of one source in order of
 * records, the sources merged by time (ties: order of sources), each frame followed by
 * its comments (NR_EVENT_COMMENT with its record), with `secrets` preceded by the
 * decryption secrets that the file holds before it (NR_EVENT_SECRETS). No other events.
 * ts_ns is the packet's own time; clock_ns never decreases; ordinal counts the frames
 * handed out, from 1. Returns how many; 0 at the end; -ESTALE with a sentence where a
 * source turns out to be another than was read (then what was handed out is not to be
 * trusted); -EINTR; -errno of the host.
 */
int nr_recall_read(struct nr_recall *r, struct nr_batch *b, unsigned max,
		   struct nr_err *err);
/* The flow that a frame handed out belongs to; 0: none (ARP and the like). */
int64_t nr_recall_flow(const struct nr_recall *r, const struct nr_packet *p);
/*
 * The interface of a frame handed out, as its file describes it; NULL where the file says
 * nothing. Lives as long as the recall.
 */
const struct nr_interface *nr_recall_interface(const struct nr_recall *r,
					       const struct nr_packet *p);
