/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Archives: one container for packets (.pcapng.zst) and events (.jsonl.zst).
 *
 * Any zstd opens one: independent zstd frames (RFC 8878) with content checksums, each of
 * whole pcapng blocks or lines; then the index, a skippable frame 0x184d2a50 that says
 * for each frame what is in it and its SHA-256, chained; then the seek table of the zstd
 * seekable format, a skippable frame 0x184d2a5e, as the last. nrtool-archive(5) has every
 * byte. Without index or table (the writer was killed, the file was cut) the frames that
 * are whole are found by walking over them.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nr_archive_kind {
	NR_ARCHIVE_UNKNOWN,
	NR_ARCHIVE_PACKETS, /* pcapng; a type is the number of an interface */
	NR_ARCHIVE_EVENTS,  /* JSON lines; a type is a name, "flow" */
};

enum {
	NR_ARCHIVE_LEVEL = 3,
	NR_ARCHIVE_FRAME = 1 << 20, /* content of a frame, unless one record is larger */
	NR_ARCHIVE_FRAME_MAX = 40 << 20, /* content of one frame that is read */
	NR_ARCHIVE_HASH = 32,            /* SHA-256 */
	NR_ARCHIVE_NO_TYPE = 0xffffffff,
};

/* What the index is to know of a piece of content. */
enum nr_archive_fact_flag {
	NR_FACT_RECORD = 1 << 0, /* it is a packet or a line: counted, under `type` */
	NR_FACT_TIME = 1 << 1,   /* ts_ns counts */
	NR_FACT_HEAD = 1 << 2,   /* a section or interface block: copied into the index,
				    so that a reader can begin at any frame */
};

struct nr_archive_fact {
	unsigned flags;
	uint32_t type; /* interface, or what nr_archive_type() gave */
	int64_t ts_ns;
	/* Addresses for the frame's filter: 4 or 16 bytes each; NULL: none. */
	const struct nr_archive_addr *addr;
	size_t n_addr;
};

struct nr_archive_addr {
	uint8_t len; /* 4 or 16; IPv4 as 4 bytes */
	uint8_t b[16];
};

/* ---- writing ------------------------------------------------------------------ */

struct nr_archive_writer;

struct nr_archive_options {
	enum nr_archive_kind kind;
	int level;                /* 1 to 19; 0: NR_ARCHIVE_LEVEL */
	unsigned threads;         /* that compress; 0: as many as CPUs, at most 8 */
	size_t frame_size;        /* 0: NR_ARCHIVE_FRAME */
	bool force, keep_partial; /* as nr_outfile_open() */
	bool live;                /* as nr_outfile_open_live() */
	/* JSON members for the index's "meta" object, without braces (what was archived);
	   NULL: none. Copied. */
	const char *meta;
};

/* What came of it; valid after finish. */
struct nr_archive_result {
	uint64_t n_frames, n_records, content_len, stored_len;
	uint8_t head[NR_ARCHIVE_HASH]; /* the chain behind the last frame */
};

/*
 * Opens target for writing ("-": standard output): 0, or what nr_outfile_open() says.
 * The bytes are the same for the same content, borders, level, frame size and version of
 * libzstd, whatever the number of threads.
 */
int nr_archive_create(struct nr_archive_writer **out, const char *target,
		      const struct nr_archive_options *o, struct nr_err *err);
/* The number of a type of events; the same for the same name. At most 65 536 types. */
uint32_t nr_archive_type(struct nr_archive_writer *w, const char *name);
/*
 * Appends one whole block or line: frames begin and end between such pieces. Waits while
 * the compressors are behind. 0, or -errno (a write failed: the archive cannot be
 * finished), -EFBIG beyond NR_ARCHIVE_FRAME_MAX.
 */
int nr_archive_append(struct nr_archive_writer *w, const void *p, size_t n,
		      const struct nr_archive_fact *f, struct nr_err *err);
/* Ends the frame and writes out everything appended so far (for live capture). */
int nr_archive_flush(struct nr_archive_writer *w, struct nr_err *err);
/* Bytes of whole frames that are out; the descriptor of the file. */
uint64_t nr_archive_stored(const struct nr_archive_writer *w);
int nr_archive_fd(const struct nr_archive_writer *w);
/*
 * After a write that failed, on a regular file: cuts it behind its last whole frame, so
 * that it can be added to and finished. Returns how many records are in it, or -errno.
 */
int64_t nr_archive_salvage(struct nr_archive_writer *w, struct nr_err *err);
/* More members for "meta", as in the options: what is known only at the end. */
void nr_archive_add_meta(struct nr_archive_writer *w, const char *members);
/* Writes index and table, syncs, gives the file its name. */
int nr_archive_finish(struct nr_archive_writer *w, struct nr_archive_result *res,
		      struct nr_err *err);
/* Frees; what is not finished is removed unless keep_partial. NULL is fine. */
void nr_archive_abandon(struct nr_archive_writer *w);

/* ---- reading ------------------------------------------------------------------ */

struct nr_archive;

struct nr_archive_count { /* of one type in one frame */
	uint32_t type;
	uint32_t n;
	int64_t lo_ns, hi_ns; /* of those with a time; lo > hi: none has */
};

struct nr_archive_frame {
	uint64_t offset; /* in the stored file */
	uint64_t stored_len;
	uint64_t content; /* where its content begins in the whole content */
	uint64_t content_len;
	/* The rest comes from the index; without one has_facts is false. */
	bool has_facts;
	uint64_t record; /* records before this frame */
	uint64_t n_records;
	int64_t lo_ns, hi_ns; /* lo > hi: nothing in it has a time */
	size_t n_counts;      /* of nr_archive_count() */
	const uint8_t *counts;
	const uint8_t *filter; /* see nr_archive_may_hold() */
	size_t filter_len;
	const uint8_t *stored_sha, *content_sha, *chain; /* NR_ARCHIVE_HASH bytes */
};

/* A section or interface block that stands in the content at `content`. */
struct nr_archive_head {
	uint64_t content;
	const uint8_t *p;
	size_t n;
};

struct nr_archive_info {
	const char *path;
	enum nr_archive_kind kind; /* UNKNOWN without an index: look at the content */
	bool has_table;            /* a seek table that fits the file */
	bool has_index;            /* an index whose hash holds and that fits it too */
	/* What is wrong with either, as a sentence; "": nothing. Such a file is read by
	   walking over its frames. */
	char wrong[256];
	uint64_t bytes;          /* stored size of the file */
	uint64_t whole;          /* stored bytes up to the end of the last whole frame */
	size_t n_frames;         /* of content */
	bool seeks;              /* heads has all of them: one can begin at any frame */
	uint64_t content_len;    /* of all frames */
	uint64_t n_records;      /* 0 without an index */
	const uint8_t *head;     /* chain behind the last frame, NULL without an index */
	const char *meta;        /* JSON object, NUL-terminated; NULL without an index */
	int level;               /* 0: not known */
	const char *zstd;        /* version of libzstd that wrote it, NULL: not known */
	size_t n_types;          /* of events */
	const char *const *type; /* their names */
	const struct nr_archive_head *heads;
	size_t n_heads;
};

/*
 * 0 where the file begins with a zstd frame, with or without index and table (see info);
 * -EINVAL where it does not, or a frame is larger than NR_ARCHIVE_FRAME_MAX, or
 * its size is not stated: then it is some other zstd file, to be streamed; -EIO …
 */
int nr_archive_open(struct nr_archive **out, const char *path, struct nr_err *err);
const struct nr_archive_info *nr_archive_info(const struct nr_archive *a);
/* Fills *f with frame i < n_frames; what it points to lives until close. */
void nr_archive_frame(const struct nr_archive *a, size_t i, struct nr_archive_frame *f);
/* Count i < n_counts of a frame; in the order in which the types first came. */
struct nr_archive_count nr_archive_count(const struct nr_archive_frame *f, size_t i);
/* The frame that holds byte `content` of the content / record number `record` (from 1);
   n_frames: none does, or it is not known. O(log n). */
size_t nr_archive_find_content(const struct nr_archive *a, uint64_t content);
size_t nr_archive_find_record(const struct nr_archive *a, uint64_t record);
/* Can the frame hold a time in [from, to)? True where the index does not say. */
bool nr_archive_in_time(const struct nr_archive_frame *f, int64_t from, int64_t to);
/* Can the frame hold the address? True where the index does not say. */
bool nr_archive_may_hold(const struct nr_archive_frame *f,
			 const struct nr_archive_addr *addr);

/* Room for one frame; zeroed it is ready. One for each thread that reads. */
struct nr_archive_buf {
	uint8_t *p; /* the content */
	size_t n;
	size_t room, stored_room;
	uint8_t *stored;
	void *zstd;
};

/*
 * Reads and decompresses frame i into b, checked against the frame's own checksum and
 * size. Any number of threads may read one archive. 0; -EBADMSG where the frame is
 * damaged (the sentence names frame and time range); -EIO, ….
 */
int nr_archive_read(const struct nr_archive *a, size_t i, struct nr_archive_buf *b,
		    struct nr_err *err);
void nr_archive_buf_fini(struct nr_archive_buf *b);
void nr_archive_close(struct nr_archive *a); /* NULL is fine */

/* ---- checking ----------------------------------------------------------------- */

enum nr_archive_verdict {
	NR_ARCHIVE_WHOLE,   /* everything proven */
	NR_ARCHIVE_CHANGED, /* a byte differs from what was written */
	NR_ARCHIVE_CUT,     /* its end is missing: frames whole as far as they go */
};

struct nr_archive_check {
	enum nr_archive_verdict verdict;
	uint64_t n_frames, n_good, n_bad; /* of content */
	uint64_t n_records, content_len, bytes;
	bool has_index, has_table;
	uint8_t head[NR_ARCHIVE_HASH]; /* computed anew; valid where has_index */
	char finding[512];             /* the first thing that is wrong; "": nothing */
	uint64_t n_findings;
};

/*
 * Re-hashes every frame, stored and content, walks the chain, rebuilds and compares seek
 * table and index. Each finding, a sentence naming frame and time range, goes to `say`
 * (may be NULL) as it is found. 0 with *c filled whatever the verdict; -errno where the
 * file cannot be read or is no zstd file at all.
 */
int nr_archive_verify(const char *path, struct nr_archive_check *c,
		      void (*say)(void *arg, const char *finding), void *arg,
		      struct nr_err *err);
/*
 * Writes what is missing: a file beside it with the whole frames and a new index and
 * table, which takes its name. `said` gets what is lost as a sentence. 0 also where
 * nothing was missing; -EBADMSG where a frame in the middle is damaged and `drop` is not
 * set, which leaves such frames out; -EINVAL where the first one is (nothing can be read
 * without it).
 */
int nr_archive_repair(const char *path, bool drop, char *said, size_t n_said,
		      struct nr_err *err);
