/* SPDX-License-Identifier: BSD-3-Clause */
/* Compressions: gzip (RFC 1952), zstd (RFC 8878), xz, lz4 frames. */
#include "source/reader.h"

#include "base/cursor.h"

#include <errno.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

static enum nr_codec_verdict bad(struct nr_codec_io *io, const char *why)
{
	snprintf(io->why, sizeof(io->why), "%s", why ? why : "the data is damaged");
	return NR_CODEC_BAD;
}

static void advance(struct nr_codec_io *io, size_t in, size_t out)
{
	io->in += in;
	io->in_len -= in;
	io->out += out;
	io->out_len -= out;
}

struct gzip {
	z_stream z;
	bool between; /* members */
};

static bool gzip_probe(const uint8_t *p, size_t n)
{
	return n >= 3 && p[0] == 0x1f && p[1] == 0x8b && p[2] == 8;
}

static int gzip_open(void *ctx)
{
	struct gzip *g = ctx;

	return inflateInit2(&g->z, 15 + 16) == Z_OK ? 0 : -ENOMEM;
}

/* Zero bytes behind a member are padding, as gzip(1) has it. */
static size_t zeros(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && !p[i])
		i++;
	return i;
}

static enum nr_codec_verdict gzip_decode(void *ctx, struct nr_codec_io *io)
{
	struct gzip *g = ctx;
	size_t in = io->in_len < UINT32_MAX ? io->in_len : UINT32_MAX;
	size_t out = io->out_len < UINT32_MAX ? io->out_len : UINT32_MAX;
	int rc;

	if (g->between) {
		size_t padding = zeros(io->in, io->in_len);

		if (padding) {
			advance(io, padding, 0);
			return NR_CODEC_FRAME;
		}
		if (inflateReset(&g->z) != Z_OK)
			return bad(io, "the decoder cannot go on");
		g->between = false;
	}
	g->z.next_in = (Bytef *)(uintptr_t)io->in;
	g->z.avail_in = (uInt)in;
	g->z.next_out = io->out;
	g->z.avail_out = (uInt)out;
	rc = inflate(&g->z, Z_NO_FLUSH);
	advance(io, in - g->z.avail_in, out - g->z.avail_out);
	if (rc == Z_STREAM_END) {
		g->between = true;
		return NR_CODEC_FRAME;
	}
	if (rc == Z_OK || rc == Z_BUF_ERROR)
		return NR_CODEC_MORE;
	return bad(io, rc == Z_MEM_ERROR ? "out of memory" : g->z.msg);
}

static void gzip_close(void *ctx)
{
	struct gzip *g = ctx;

	inflateEnd(&g->z);
}

/*
 * Skippable frames (RFC 8878, 3.1.2) may come before the first frame of zstd and of lz4:
 * what follows them decides. Past the end of p they count as zstd's.
 */
static uint32_t frame_magic(const uint8_t *p, size_t n)
{
	while (n >= 8 && (nr_le32(p) & 0xfffffff0) == 0x184d2a50) {
		uint32_t len = nr_le32(p + 4);

		if (n - 8 < (size_t)len + 4)
			return ZSTD_MAGICNUMBER;
		p += 8 + (size_t)len;
		n -= 8 + (size_t)len;
	}
	return n < 4 ? 0 : nr_le32(p);
}

static bool zstd_probe(const uint8_t *p, size_t n)
{
	return frame_magic(p, n) == ZSTD_MAGICNUMBER;
}

/*
 * A call that fails gives nothing, not even what it had decoded before: so one block at a
 * time, as large as the decoder says but for the header of the next, which it counts too,
 * and no input while output waits.
 */
struct blockwise {
	void *d;
	size_t want; /* input that the decoder asks for */
	bool full;   /* the last call filled its output: there may be more of it */
};

enum { ZSTD_FIRST = 5, LZ4_FIRST = 7, ZSTD_HEADER = 3, LZ4_HEADER = 4 };

/* Input of the next call. */
static size_t input_of(const struct blockwise *c, const struct nr_codec_io *io,
		       size_t header)
{
	size_t n = c->want > header ? c->want - header : c->want;

	return n < io->in_len ? n : io->in_len;
}

static int zstd_open(void *ctx)
{
	struct blockwise *c = ctx;

	c->d = ZSTD_createDCtx();
	if (!c->d)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(c->d, ZSTD_d_windowLogMax, 27);
	c->want = ZSTD_FIRST;
	return 0;
}

static size_t zstd_step(struct blockwise *c, struct nr_codec_io *io, size_t n)
{
	ZSTD_inBuffer in = { io->in, n, 0 };
	ZSTD_outBuffer out = { io->out, io->out_len, 0 };
	size_t rc = ZSTD_decompressStream(c->d, &out, &in);

	advance(io, in.pos, out.pos);
	c->full = !io->out_len;
	return rc;
}

static enum nr_codec_verdict zstd_decode(void *ctx, struct nr_codec_io *io)
{
	struct blockwise *c = ctx;
	size_t room = io->out_len;
	size_t rc = c->full ? zstd_step(c, io, 0) : 1;

	if (!ZSTD_isError(rc) && io->out_len == room)
		rc = zstd_step(c, io, input_of(c, io, ZSTD_HEADER));
	if (!ZSTD_isError(rc)) {
		c->want = rc ? rc : ZSTD_FIRST;
		return rc ? NR_CODEC_MORE : NR_CODEC_FRAME;
	}
	if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
		return bad(io, "its window is larger than the 128 MiB that are allowed");
	return bad(io, ZSTD_getErrorName(rc));
}

static void zstd_close(void *ctx)
{
	struct blockwise *c = ctx;

	ZSTD_freeDCtx(c->d);
}

static bool xz_probe(const uint8_t *p, size_t n)
{
	return n >= 6 && !memcmp(p,
				 "\xfd"
				 "7zXZ",
				 6);
}

static int xz_open(void *ctx)
{
	lzma_stream *z = ctx;

	return lzma_stream_decoder(z, NR_CODEC_MEMORY, LZMA_CONCATENATED) == LZMA_OK
		       ? 0
		       : -ENOMEM;
}

static enum nr_codec_verdict xz_decode(void *ctx, struct nr_codec_io *io)
{
	lzma_stream *z = ctx;
	lzma_ret rc;

	z->next_in = io->in;
	z->avail_in = io->in_len;
	z->next_out = io->out;
	z->avail_out = io->out_len;
	rc = lzma_code(z, io->last ? LZMA_FINISH : LZMA_RUN);
	advance(io, io->in_len - z->avail_in, io->out_len - z->avail_out);
	if (rc == LZMA_STREAM_END)
		return NR_CODEC_FRAME;
	if (rc == LZMA_OK || rc == LZMA_BUF_ERROR)
		return NR_CODEC_MORE;
	if (rc == LZMA_MEMLIMIT_ERROR)
		return bad(io,
			   "its dictionary needs more than the 128 MiB that are allowed");
	if (rc == LZMA_FORMAT_ERROR)
		return bad(io, "what follows is no xz stream");
	if (rc == LZMA_OPTIONS_ERROR)
		return bad(io, "it uses options that liblzma does not know");
	return bad(io, rc == LZMA_MEM_ERROR ? "out of memory" : NULL);
}

static void xz_close(void *ctx)
{
	lzma_end(ctx);
}

static bool lz4_probe(const uint8_t *p, size_t n)
{
	return frame_magic(p, n) == 0x184d2204;
}

static int lz4_open(void *ctx)
{
	struct blockwise *c = ctx;
	LZ4F_dctx *d;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&d, LZ4F_VERSION)))
		return -ENOMEM;
	c->d = d;
	c->want = LZ4_FIRST;
	return 0;
}

static size_t lz4_step(struct blockwise *c, struct nr_codec_io *io, size_t n)
{
	size_t out = io->out_len;
	size_t rc = LZ4F_decompress(c->d, io->out, &out, io->in, &n, NULL);

	if (LZ4F_isError(rc))
		return rc;
	advance(io, n, out);
	c->full = !io->out_len;
	return rc;
}

static enum nr_codec_verdict lz4_decode(void *ctx, struct nr_codec_io *io)
{
	struct blockwise *c = ctx;
	size_t room = io->out_len;
	size_t rc = c->full ? lz4_step(c, io, 0) : 1;

	if (!LZ4F_isError(rc) && io->out_len == room)
		rc = lz4_step(c, io, input_of(c, io, LZ4_HEADER));
	if (LZ4F_isError(rc))
		return bad(io, LZ4F_getErrorName(rc));
	c->want = rc ? rc : LZ4_FIRST;
	return rc ? NR_CODEC_MORE : NR_CODEC_FRAME;
}

static void lz4_close(void *ctx)
{
	struct blockwise *c = ctx;

	LZ4F_freeDecompressionContext(c->d);
}

const struct nr_codec *const nr_codecs[] = {
	&(const struct nr_codec){ .name = "gzip",
				  .ctx_size = sizeof(struct gzip),
				  .probe = gzip_probe,
				  .open = gzip_open,
				  .decode = gzip_decode,
				  .close = gzip_close },
	&(const struct nr_codec){ .name = "zstd",
				  .ctx_size = sizeof(struct blockwise),
				  .probe = zstd_probe,
				  .open = zstd_open,
				  .decode = zstd_decode,
				  .close = zstd_close },
	&(const struct nr_codec){ .name = "xz",
				  .ctx_size = sizeof(lzma_stream),
				  .probe = xz_probe,
				  .open = xz_open,
				  .decode = xz_decode,
				  .close = xz_close },
	&(const struct nr_codec){ .name = "lz4",
				  .ctx_size = sizeof(struct blockwise),
				  .probe = lz4_probe,
				  .open = lz4_open,
				  .decode = lz4_decode,
				  .close = lz4_close },
	NULL,
};
