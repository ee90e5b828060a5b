/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/reader.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room before a block's data for the piece of a record that the last block ended with. */
enum {
	HEADROOM = 64 << 10,
	MIN_BLOCK = 4 << 10,
	HASH_INLINE = 256 << 10, /* a thread costs more than hashing so little */
	LOOK_UP_MS = 250,        /* for a stop whose signal came just before the wait */
};

static int cannot_open(const char *path, int e, struct nr_err *err)
{
	return nr_fail(err, -e, "cannot open %s: %s", path, strerror(e));
}

static int adopt_fd(struct nr_stream *st, int fd, struct nr_err *err)
{
	struct stat sb;

	if (fstat(fd, &sb) < 0)
		return nr_fail(err, -errno, "cannot look at %s: %s", st->path,
			       strerror(errno));
	if (S_ISDIR(sb.st_mode))
		return nr_fail(err, -EISDIR, "%s is a directory, not a capture",
			       st->path);
	st->fd = fd;
	st->is_regular = S_ISREG(sb.st_mode);
	st->size = st->is_regular ? (int64_t)sb.st_size : -1;
	st->dev = sb.st_dev;
	st->ino = sb.st_ino;
	if (st->is_regular)
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* A small file needs no large block: thousands may be open at a time. */
static size_t fit_block(const struct nr_stream *st, size_t size)
{
	if (st->is_regular && st->size < (int64_t)size) {
		size_t small = ((size_t)st->size + 1 + 4095) & ~(size_t)4095;

		size = small < size ? small : size;
	}
	return size < MIN_BLOCK ? MIN_BLOCK : size;
}

static bool stopped(const struct nr_stream *st)
{
	return st->stop && atomic_load(st->stop);
}

/* A FIFO's open waits for its writer. */
static int open_path(const struct nr_stream *st, const char *path)
{
	int fd;

	do {
		fd = open(path, O_RDONLY | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR && !stopped(st));
	return fd;
}

/* Until a pipe has something to say; false where the run is to stop. */
static bool wait_for_pipe(const struct nr_stream *st)
{
	struct pollfd pfd = { .fd = st->fd, .events = POLLIN };

	while (!stopped(st)) {
		int rc = poll(&pfd, 1, st->stop ? LOOK_UP_MS : -1);

		if (rc > 0 || (rc < 0 && errno != EINTR))
			return true; /* read() will say what is the matter */
	}
	return false;
}

int nr_stream_open(struct nr_stream *st, const char *path,
		   const struct nr_source_options *opt, struct nr_err *err)
{
	bool is_stdin = !strcmp(path, "-");
	int fd, rc;

	st->path = nr_xstrdup(is_stdin ? "stdin" : path);
	st->fd = -1;
	st->owns_fd = !is_stdin;
	st->stop = opt ? opt->stop : NULL;
	fd = is_stdin ? STDIN_FILENO : open_path(st, path);
	if (fd < 0)
		return cannot_open(path, errno, err);
	rc = adopt_fd(st, fd, err);
	if (rc < 0) {
		if (!is_stdin)
			close(fd);
		return rc;
	}
	if (is_stdin)
		st->is_regular = false; /* its offset is shared: never read it again */
	st->park = opt && opt->park && st->is_regular;
	st->block_size =
		fit_block(st, opt && opt->block_size ? opt->block_size : NR_BLOCK_SIZE);
	st->pool = nr_pool_new(st->block_size + HEADROOM);
	if (opt && opt->hash)
		st->hasher = nr_hasher_new(!st->is_regular ||
					   (st->size > HASH_INLINE && !st->park));
	return 0;
}

static void park(struct nr_stream *st)
{
	if (st->fd >= 0 && st->owns_fd)
		close(st->fd);
	st->fd = -1;
}

static int unpark(struct nr_stream *st, struct nr_err *err)
{
	dev_t dev = st->dev;
	ino_t ino = st->ino;
	int fd = open(st->path, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return cannot_open(st->path, errno, err);
	rc = adopt_fd(st, fd, err);
	if (rc == 0 && (st->dev != dev || st->ino != ino))
		rc = nr_fail(err, -ESTALE,
			     "%s was replaced by another file while it was read; "
			     "start again when it is complete",
			     st->path);
	if (rc == 0 && lseek(fd, (off_t)st->position, SEEK_SET) < 0)
		rc = nr_fail(err, -errno, "cannot seek in %s: %s", st->path,
			     strerror(errno));
	if (rc < 0) {
		close(fd);
		st->fd = -1;
	}
	return rc;
}

ssize_t nr_stream_read_raw(struct nr_stream *st, struct nr_block *block, uint8_t *room,
			   size_t n, struct nr_err *err)
{
	ssize_t got;
	int rc;

	if (st->raw_eof)
		return 0;
	if (st->fd < 0 && (rc = unpark(st, err)) < 0)
		return rc;
	for (;;) {
		if (!st->is_regular && !wait_for_pipe(st)) {
			st->is_stopped = true;
			got = 0;
			break;
		}
		got = read(st->fd, room, n);
		if (got >= 0)
			break;
		/* EAGAIN: somebody made stdin non-blocking */
		if (errno != EINTR && errno != EAGAIN)
			return nr_fail(err, -errno, "cannot read %s: %s", st->path,
				       strerror(errno));
	}
	if (st->park)
		park(st);
	if (got == 0)
		st->raw_eof = true;
	else if (st->hasher)
		nr_hasher_feed(st->hasher, block, room, (size_t)got);
	st->position += (uint64_t)got;
	return got;
}

int nr_stream_decode(struct nr_stream *st, const struct nr_codec *codec,
		     struct nr_block *block, const uint8_t *in, size_t n,
		     struct nr_err *err)
{
	st->codec_ctx = nr_xcalloc(1, codec->ctx_size);
	if (codec->open(st->codec_ctx) < 0) {
		nr_free(st->codec_ctx);
		st->codec_ctx = NULL;
		return nr_fail(err, -ENOMEM, "no memory to decode %s in %s", codec->name,
			       st->path);
	}
	st->codec = codec;
	st->raw = block;
	nr_block_ref(block);
	st->in = in;
	st->in_len = n;
	st->frame_base = st->position - n;
	return 0;
}

/* The hasher's queue holds blocks: the bytes are copied into one. */
static void hash_stored(void *arg, const uint8_t *p, size_t n)
{
	struct nr_stream *st = arg;

	st->position += n;
	while (st->hasher && n) {
		struct nr_block *block = nr_pool_get(st->pool);
		size_t k = n < st->block_size ? n : st->block_size;

		memcpy(nr_block_data(block), p, k);
		nr_hasher_feed(st->hasher, block, nr_block_data(block), k);
		nr_block_unref(block);
		p += k;
		n -= k;
	}
}

bool nr_stream_frames(struct nr_stream *st, const struct nr_archive *a, size_t first,
		      size_t end)
{
	struct nr_archive_frame f;

	st->frames = nr_frames_new(a, first, end, hash_stored, st);
	if (!st->frames)
		return false;
	nr_archive_frame(a, first, &f);
	st->archive = a;
	st->first_frame = first;
	st->position = f.offset;
	st->in_len = 0;
	st->raw_eof = false;
	if (st->hasher) { /* it has had the block that was looked at */
		nr_hasher_free(st->hasher);
		st->hasher = nr_hasher_new(true);
	}
	return true;
}

void nr_stream_memory(struct nr_stream *st, const uint8_t *p, size_t n)
{
	st->mem = p;
	st->mem_len = n;
}

/* From the stored byte st->position on the file is read in one piece again. */
static int end_frames(struct nr_stream *st, struct nr_err *err)
{
	nr_frames_free(st->frames);
	st->frames = NULL;
	st->in_len = 0;
	st->raw_eof = false;
	if (lseek(st->fd, (off_t)st->position, SEEK_SET) >= 0)
		return 0;
	return nr_fail(err, -errno, "cannot seek in %s: %s", st->path, strerror(errno));
}

/*
 * Content of an archive: > 0, 0 at the end of the frames; -EAGAIN: a frame is damaged,
 * and the decoder for any zstd file is to say what can be had of it; -errno.
 */
static ssize_t read_frames(struct nr_stream *st, uint8_t *room, size_t n,
			   struct nr_err *err)
{
	struct nr_archive_frame f;
	ssize_t got = nr_frames_read(st->frames, room, n, err);
	size_t at = nr_frames_at(st->frames);
	int rc;

	if (got > 0 || (got < 0 && got != -EBADMSG))
		return got;
	if (got < 0) {
		nr_archive_frame(st->archive, at, &f);
		st->position = st->frame_base = f.offset;
	}
	rc = end_frames(st, err);
	if (rc < 0)
		return rc;
	st->decoder_done = got == 0;
	return got < 0 ? -EAGAIN : 0;
}

static int refill_raw(struct nr_stream *st, struct nr_err *err)
{
	ssize_t got;

	nr_block_unref(st->raw); /* others may still hold it: never write into it again */
	st->raw = nr_pool_get(st->pool);
	st->in = nr_block_data(st->raw);
	got = nr_stream_read_raw(st, st->raw, nr_block_data(st->raw), st->block_size,
				 err);
	st->in_len = got > 0 ? (size_t)got : 0;
	return got < 0 ? (int)got : 0;
}

static uint64_t decoded_to(const struct nr_stream *st)
{
	return st->position - st->in_len;
}

static void damaged(struct nr_stream *st, const char *where, uint64_t at, const char *why)
{
	snprintf(st->damage, sizeof(st->damage),
		 "%s data of the stored file, %s byte %llu: %s", st->codec->name, where,
		 (unsigned long long)at, why);
	st->decoder_done = true;
}

ssize_t nr_stream_read(struct nr_stream *st, struct nr_block *block, uint8_t *room,
		       size_t n, struct nr_err *err)
{
	struct nr_codec_io io = { .out = room, .out_len = n };
	enum nr_codec_verdict v;
	size_t before;
	int rc;

	if (st->mem_len) {
		size_t k = st->mem_len < n ? st->mem_len : n;

		memcpy(room, st->mem, k);
		st->mem += k;
		st->mem_len -= k;
		return (ssize_t)k;
	}
	if (st->frames) {
		ssize_t got = read_frames(st, room, n, err);

		if (got != -EAGAIN)
			return got;
	}
	if (!st->codec)
		return nr_stream_read_raw(st, block, room, n, err);
	while (io.out_len == n && !st->decoder_done) {
		if (!st->in_len && !st->raw_eof && (rc = refill_raw(st, err)) < 0)
			return rc;
		io.in = st->in;
		io.in_len = before = st->in_len;
		io.last = st->raw_eof;
		if (io.last && !io.in_len && !st->in_frame) {
			st->decoder_done = true;
			break;
		}
		v = st->codec->decode(st->codec_ctx, &io);
		st->in = io.in;
		st->in_len = io.in_len;
		/* Where a decoder notices depends on how its input was cut. */
		if (v == NR_CODEC_BAD)
			damaged(st, "in the frame at", st->frame_base, io.why);
		else
			st->in_frame = v == NR_CODEC_MORE;
		if (v == NR_CODEC_FRAME)
			st->frame_base = decoded_to(st);
		if (v == NR_CODEC_MORE && io.last && !io.in_len && io.out_len == n)
			damaged(st, "at", decoded_to(st), "it is cut short");
		if (v == NR_CODEC_MORE && before && io.in_len == before &&
		    io.out_len == n)
			damaged(st, "in the frame at", st->frame_base,
				"the decoder makes no progress");
	}
	return (ssize_t)(n - io.out_len);
}

int nr_stream_drain(struct nr_stream *st, struct nr_err *err)
{
	int rc = 0;

	while (!st->raw_eof && rc == 0)
		rc = refill_raw(st, err);
	return rc;
}

int nr_stream_seek(struct nr_stream *st, uint64_t offset, struct nr_err *err)
{
	if (offset > INT64_MAX ||
	    (st->fd >= 0 && lseek(st->fd, (off_t)offset, SEEK_SET) < 0))
		return nr_fail(err, -EINVAL, "cannot seek in %s to byte %llu", st->path,
			       (unsigned long long)offset);
	nr_hasher_free(st->hasher);
	st->hasher = NULL;
	st->position = st->frame_base = offset;
	st->raw_eof = false;
	st->in_len = 0;
	st->in_frame = st->decoder_done = false;
	st->damage[0] = '\0';
	if (!st->codec)
		return 0;
	st->codec->close(st->codec_ctx);
	memset(st->codec_ctx, 0, st->codec->ctx_size);
	return st->codec->open(st->codec_ctx) < 0
		       ? nr_fail(err, -ENOMEM, "no memory to decode %s", st->path)
		       : 0;
}

void nr_stream_close(struct nr_stream *st)
{
	nr_frames_free(st->frames);
	nr_hasher_free(st->hasher);
	if (st->codec)
		st->codec->close(st->codec_ctx);
	nr_free(st->codec_ctx);
	nr_block_unref(st->raw);
	park(st);
	nr_pool_unref(st->pool);
	nr_free(st->path);
}

/*
 * Moves the unread bytes into a new block with room for need bytes. They end where the
 * headroom ends, so that file data keeps its alignment.
 */
static void move_on(struct nr_window *w, size_t need)
{
	size_t left = nr_window_left(w);
	size_t size = w->stream->block_size;
	struct nr_block *block;
	uint64_t offset = w->block ? nr_window_offset(w, w->p) : w->base;
	uint8_t *to;

	if (left > HEADROOM || need > left + size) {
		size = need > size ? need : size;
		block = nr_block_new(left + HEADROOM + size);
		to = nr_block_data(block);
	} else {
		block = nr_pool_get(w->stream->pool);
		to = nr_block_data(block) + HEADROOM - left;
	}
	if (left)
		memcpy(to, w->p, left);
	nr_block_unref(w->block);
	w->block = block;
	w->p = to;
	w->end = to + left;
	w->base = offset - (uint64_t)(to - nr_block_data(block));
}

int nr_window_need(struct nr_window *w, size_t n, struct nr_err *err)
{
	while (nr_window_left(w) < n) {
		uint8_t *data = w->block ? nr_block_data(w->block) : NULL;
		size_t room = 0;
		ssize_t got;

		if (w->eof)
			return 0;
		if (w->block)
			room = nr_block_size(w->block) - (size_t)(w->end - data);
		if (room < n - nr_window_left(w)) {
			move_on(w, n);
			data = nr_block_data(w->block);
			room = nr_block_size(w->block) - (size_t)(w->end - data);
		}
		got = nr_stream_read(w->stream, w->block, data + (w->end - data), room,
				     err);
		if (got < 0)
			return (int)got;
		if (got == 0)
			w->eof = true;
		w->end += got;
	}
	return 1;
}

int nr_window_skip(struct nr_window *w, uint64_t n, struct nr_err *err)
{
	while (n) {
		size_t left = nr_window_left(w);
		int rc;

		if (left >= n) {
			w->p += n;
			return 1;
		}
		n -= left;
		w->p = w->end;
		rc = nr_window_need(w, 1, err);
		if (rc <= 0)
			return rc;
	}
	return 1;
}
