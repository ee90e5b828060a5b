/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside a packet source: stored bytes (stream) -> content in blocks (window) -> views
 * (format). Private to libcore/source.
 */
#pragma once

#include "archive/frames.h"
#include "source/hash.h"
#include "source/source.h"

#include <sys/types.h>

enum {
	NR_BLOCK_SIZE = 1 << 20,
	NR_RECORD_MAX = 16 << 20,    /* bytes of one packet; more is damage */
	NR_CODEC_MEMORY = 128 << 20, /* a decoder's window and tables */
};

/* Blocks of one size that come back for reuse. Counted: every block out holds it. */
struct nr_pool;

struct nr_pool *nr_pool_new(size_t block_size);
struct nr_block *nr_pool_get(struct nr_pool *p); /* one reference, held by the caller */
void nr_pool_unref(struct nr_pool *p);

/* Makes the batch hold `block`; to be followed by adding a view that lies in it. */
static inline void nr_batch_pin(struct nr_batch *b, struct nr_block *block)
{
	if (b->n_blocks && b->blocks[b->n_blocks - 1] == block)
		return;
	nr_block_ref(block);
	b->blocks[b->n_blocks++] = block;
}

enum nr_codec_verdict {
	NR_CODEC_MORE,  /* wants input or room for output; went as far as it could */
	NR_CODEC_FRAME, /* a member, frame or stream is complete */
	NR_CODEC_BAD,   /* *why says so; nothing more can be decoded */
};

struct nr_codec_io {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t out_len;
	bool last;     /* no input behind in */
	char why[128]; /* of NR_CODEC_BAD */
};

struct nr_codec {
	const char *name;
	size_t ctx_size;
	bool (*probe)(const uint8_t *p, size_t n);
	int (*open)(void *ctx); /* 0 or -ENOMEM */
	enum nr_codec_verdict (*decode)(void *ctx, struct nr_codec_io *io);
	void (*close)(void *ctx);
};

extern const struct nr_codec *const nr_codecs[]; /* ends with NULL */

struct nr_stream {
	char *path;
	int fd; /* -1: parked or closed */
	bool is_regular;
	bool owns_fd;
	bool park; /* open the file for each read only: very many inputs at once */
	bool raw_eof;
	bool is_stopped; /* raw_eof, but the pipe has not ended: the run is to */
	int64_t size;    /* as stored, -1 unknown */
	dev_t dev;
	ino_t ino;
	uint64_t position; /* stored bytes read */
	size_t block_size;
	struct nr_pool *pool;
	const struct nr_codec *codec;
	void *codec_ctx;
	bool in_frame;       /* the decoder is inside a frame */
	uint64_t frame_base; /* stored byte where the present frame begins */
	bool decoder_done;
	struct nr_block *raw; /* compressed input */
	const uint8_t *in;
	size_t in_len;
	char damage[256];         /* what ended a compressed stream early; "" = nothing */
	const atomic_int *stop;   /* see nr_source_options; NULL: none */
	struct nr_hasher *hasher; /* gets every stored byte; NULL: none */
	/* an archive: its content comes from here while either is there */
	struct nr_frames *frames;
	size_t first_frame;
	const uint8_t *mem;
	size_t mem_len;
	const struct nr_archive *archive;
};

int nr_stream_open(struct nr_stream *st, const char *path,
		   const struct nr_source_options *opt, struct nr_err *err);
/*
 * Stored bytes into room[0..n), which lies in `block`: > 0 how many, 0 at the end,
 * -errno.
 */
ssize_t nr_stream_read_raw(struct nr_stream *st, struct nr_block *block, uint8_t *room,
			   size_t n, struct nr_err *err);
/*
 * The content goes on with frames [first, end) of an archive (which is this file), or
 * with n bytes of memory. False: not in this way, see nr_frames_new().
 */
bool nr_stream_frames(struct nr_stream *st, const struct nr_archive *a, size_t first,
		      size_t end);
void nr_stream_memory(struct nr_stream *st, const uint8_t *p, size_t n);
/* Decodes from now on, beginning with the stored bytes in[0..n) in block. */
int nr_stream_decode(struct nr_stream *st, const struct nr_codec *codec,
		     struct nr_block *block, const uint8_t *in, size_t n,
		     struct nr_err *err);
/* Content: as nr_stream_read_raw(); at the end look at st->damage. */
ssize_t nr_stream_read(struct nr_stream *st, struct nr_block *block, uint8_t *room,
		       size_t n, struct nr_err *err);
/* Reads the rest of the stored file for the hasher. 0 or -errno. */
int nr_stream_drain(struct nr_stream *st, struct nr_err *err);
/*
 * The next read is of the stored byte at offset, where a decoder begins anew; the hasher
 * is given up. 0 or -errno.
 */
int nr_stream_seek(struct nr_stream *st, uint64_t offset, struct nr_err *err);
void nr_stream_close(struct nr_stream *st);

/* The content that is in memory: [p, end) in `block`, unread. */
struct nr_window {
	struct nr_stream *stream;
	struct nr_block *block;
	const uint8_t *p;
	const uint8_t *end;
	uint64_t base; /* content offset of the block's first byte, or without a block of
			  the next byte */
	bool eof;
};

/*
 * At least n unread bytes at w->p, in one piece: 1; 0 where the content ends before (then
 * [p, end) is what is left); -errno. p and block may change.
 */
int nr_window_need(struct nr_window *w, size_t n, struct nr_err *err);
/* Passes over n bytes: 1, 0 where the content ends before, -errno. */
int nr_window_skip(struct nr_window *w, uint64_t n, struct nr_err *err);

static inline size_t nr_window_left(const struct nr_window *w)
{
	return (size_t)(w->end - w->p);
}

static inline uint64_t nr_window_offset(const struct nr_window *w, const uint8_t *p)
{
	return w->base + (w->block ? (uint64_t)(p - nr_block_data(w->block)) : 0);
}

struct nr_format {
	const char *name;
	size_t ctx_size;
	bool (*probe)(const uint8_t *p, size_t n);
	/* 0; -EINVAL with a sentence where the file header cannot be used. ctx is zeroed
	 */
	int (*open)(struct nr_source *s, void *ctx, struct nr_err *err);
	/*
	 * Appends up to max views and returns how many. Sets s->ended behind the last
	 * one. Returns early with damage noted (nr_source_damage()), which the source
	 * hands out before it calls again. May return 0 without either. -errno.
	 */
	int (*next)(struct nr_source *s, void *ctx, struct nr_batch *b, unsigned max,
		    struct nr_err *err);
	void (*close)(void *ctx);
	/* The window has moved: forgets what of a block is still to tell. May be NULL. */
	void (*seek)(void *ctx);
};

extern const struct nr_format nr_format_pcap, nr_format_pcapng, nr_format_snoop;

enum nr_source_state {
	NR_SRC_START,
	NR_SRC_BODY,
	NR_SRC_TAIL,
	NR_SRC_DRAIN,
	NR_SRC_DONE
};

/* Pieces of an archive of which not all is read: archived.c. */
struct nr_pieces;

struct nr_source {
	struct nr_archive *archive; /* NULL: none, or read as any zstd file */
	struct nr_pieces *pieces;   /* NULL: all of it is read */
	struct nr_source_info info;
	struct nr_stream stream;
	struct nr_window win;
	const struct nr_format *format;
	void *ctx;
	enum nr_source_state state;
	bool ended;
	bool secrets, failure_is_damage; /* see nr_source_options */
	uint32_t index;
	uint64_t record;   /* packets handed out */
	uint64_t n_bad;    /* blocks passed over */
	uint64_t last_bad; /* offset of the last one */
	int failed;        /* -errno that stays */
	struct nr_err failure;
	char damage[384]; /* waits to be handed out */
	bool damage_noted;
};

/*
 * Where the file is an archive of packets, and the options say so: sets it up to be read
 * by threads, or in part. Leaves the source as it is otherwise.
 */
void nr_source_archive(struct nr_source *s, const struct nr_source_options *opt);
/* The next piece of what is read in part: true where there is one. */
bool nr_source_next_piece(struct nr_source *s);
void nr_source_archive_close(struct nr_source *s);

/* Notes damage at a content offset; the sentence says what. */
void nr_source_damage(struct nr_source *s, uint64_t offset, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * As nr_source_damage() for one record that is passed over while reading goes on: the
 * first is told at once, the others as a number at the end.
 */
void nr_source_bad(struct nr_source *s, uint64_t offset, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * The content ended inside a record: damage that names the cause, and the end. Where a
 * signal ended it, it is the end alone.
 */
void nr_source_cut(struct nr_source *s, const char *what);

/* A block with an event and n_text bytes behind it; *text is where they go. */
struct nr_block *nr_event_new(struct nr_event **e, size_t n_text, char **text);
/* Appends the event and gives the caller's reference away. */
void nr_source_emit(struct nr_source *s, struct nr_batch *b, struct nr_block *block,
		    const struct nr_event *e, uint64_t offset);

/* What the bytes look like, for a person: "ELF program", "text", … or NULL. */
const char *nr_looks_like(const uint8_t *p, size_t n);

/*
 * Takes views start+n … off the end of b again, with the references that only they need;
 * n_blocks is what b->n_blocks was when view `start` was added.
 */
void nr_batch_cut(struct nr_batch *b, unsigned start, unsigned n, unsigned n_blocks);
/* Takes the first n views off b; the others move to its front. */
void nr_batch_drop(struct nr_batch *b, unsigned n);
