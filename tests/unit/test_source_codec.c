/* SPDX-License-Identifier: BSD-3-Clause */
/* Compressed captures: the files are made by the libraries' own encoders. */
#include "capfile.h"

#include <lz4frame.h>
#include <lzma.h>
#include <pthread.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

enum { N_RECORDS = 2000, RECORD = 16 + 500 };

typedef void encoder(struct buf *out, const uint8_t *p, size_t n);

static void gzip(struct buf *out, const uint8_t *p, size_t n)
{
	z_stream z = { 0 };
	uint8_t *room = malloc(n + 1000);

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, 0), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = room;
	z.avail_out = (uInt)n + 1000;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	put(out, room, z.total_out);
	deflateEnd(&z);
	free(room);
}

static void zstd(struct buf *out, const uint8_t *p, size_t n)
{
	size_t room = ZSTD_compressBound(n);
	void *to = malloc(room);
	size_t len = ZSTD_compress(to, room, p, n, 3);

	assert_false(ZSTD_isError(len));
	put(out, to, len);
	free(to);
}

static void zstd_skippable(struct buf *out, const uint8_t *p, size_t n)
{
	out->big = false;
	put32(out, 0x184d2a53);
	put32(out, 5);
	put(out, "hello", 5);
	zstd(out, p, n);
}

static void xz(struct buf *out, const uint8_t *p, size_t n)
{
	size_t room = lzma_stream_buffer_bound(n), len = 0;
	uint8_t *to = malloc(room);

	assert_int_equal(
		lzma_easy_buffer_encode(3, LZMA_CHECK_CRC64, NULL, p, n, to, &len, room),
		LZMA_OK);
	put(out, to, len);
	free(to);
}

static void lz4(struct buf *out, const uint8_t *p, size_t n)
{
	/* the checksum makes damage visible */
	LZ4F_preferences_t pref = {
		.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled,
		.frameInfo.blockChecksumFlag = LZ4F_blockChecksumEnabled,
	};
	size_t room = LZ4F_compressFrameBound(n, &pref);
	void *to = malloc(room);
	size_t len = LZ4F_compressFrame(to, room, p, n, &pref);

	assert_false(LZ4F_isError(len));
	put(out, to, len);
	free(to);
}

static const struct {
	const char *name;
	encoder *encode;
} codecs[] = {
	{ "gzip", gzip }, { "zstd", zstd }, { "zstd", zstd_skippable },
	{ "xz", xz },     { "lz4", lz4 },
};

enum { N_CODECS = sizeof(codecs) / sizeof(*codecs) };

static void capture(struct buf *b)
{
	uint32_t x = 1;

	pcap_header(b, 0xa1b2c3d4, 2, 4, 1);
	for (uint32_t i = 0; i < N_RECORDS; i++) {
		uint8_t data[RECORD - 16];

		for (size_t j = 0; j < sizeof(data); j++) { /* half of it compresses */
			x = x * 1103515245 + 12345;
			data[j] = j & 1 ? (uint8_t)(x >> 16) : 0;
		}
		put32(b, i);
		put32(b, 0);
		put32(b, sizeof(data));
		put32(b, sizeof(data));
		put(b, data, sizeof(data));
	}
}

struct result {
	uint64_t packets;
	char damage[300]; /* the last */
	unsigned n_damage;
	char codec[8];
	int64_t bytes;
	int open;
	struct nr_err err;
};

/*
 * Reads the file and compares every frame with its place in the plain content, of which
 * the first `sure` bytes must be right.
 */
static size_t block_size; /* 0: the usual one */

static struct result read_sure(const char *path, const struct buf *plain, unsigned max,
			       size_t sure)
{
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct result r = { 0 };
	struct nr_source *s;

	r.open = nr_source_open(&s, path,
				&(struct nr_source_options){ .block_size = block_size },
				&r.err);
	if (r.open < 0) {
		free(b);
		return r;
	}
	if (nr_source_info(s)->compression)
		strcpy(r.codec, nr_source_info(s)->compression);
	while (nr_source_read(s, b, max, NULL) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_packet *v = &b->pkt[i];

			if (v->data) {
				if (v->offset + RECORD <= sure)
					assert_memory_equal(v->data,
							    plain->p + v->offset + 16,
							    v->cap_len);
				assert_int_equal(v->record, ++r.packets);
			} else if (v->event->kind == NR_EVENT_DAMAGE) {
				r.n_damage++;
				snprintf(r.damage, sizeof(r.damage), "%.*s",
					 (int)v->event->text.len, v->event->text.p);
			}
		}
		nr_batch_release(b);
	}
	r.bytes = nr_source_info(s)->bytes;
	nr_source_close(s);
	free(b);
	return r;
}

static struct result read_it(const char *path, const struct buf *plain, unsigned max)
{
	return read_sure(path, plain, max, SIZE_MAX);
}

static struct result read_buf(const struct buf *b, const struct buf *plain, unsigned max)
{
	char *path = tmp_file(b);
	struct result r = read_it(path, plain, max);

	unlink(path);
	free(path);
	return r;
}

static void test_codec_reads_one_frame_and_many(void **state)
{
	struct buf plain = { 0 };

	(void)state;
	capture(&plain);
	for (size_t i = 0; i < N_CODECS; i++)
		for (size_t parts = 1; parts < 4; parts++) {
			struct buf b = { 0 };
			size_t done = 0;
			struct result r;

			for (size_t k = 1; k <= parts; k++) {
				size_t end = plain.n * k / parts;

				codecs[i].encode(&b, plain.p + done, end - done);
				done = end;
			}
			r = read_buf(&b, &plain, 100);
			assert_string_equal(r.codec, codecs[i].name);
			assert_string_equal(r.damage, "");
			assert_int_equal(r.packets, N_RECORDS);
			assert_int_equal(r.bytes, b.n);
			free(b.p);
		}
	free(plain.p);
}

static void test_codec_keeps_what_decodes_before_a_cut(void **state)
{
	struct buf plain = { 0 };

	(void)state;
	capture(&plain);
	for (size_t i = 0; i < N_CODECS; i++) {
		struct buf b = { 0 };
		struct result r;

		codecs[i].encode(&b, plain.p, plain.n);
		b.n = b.n * 3 / 4;
		r = read_buf(&b, &plain, 100);
		assert_int_equal(r.open, 0);
		assert_true(r.packets > 1000 && r.packets < N_RECORDS);
		assert_non_null(strstr(r.damage, codecs[i].name));
		assert_non_null(strstr(r.damage, "it is cut short"));
		assert_int_equal(r.n_damage, 1);
		free(b.p);
	}
	free(plain.p);
}

static void test_codec_keeps_what_decodes_before_damage(void **state)
{
	struct buf plain = { 0 };

	(void)state;
	capture(&plain);
	for (size_t i = 0; i < N_CODECS; i++) {
		struct buf b = { 0 };
		struct result r;
		char *path;

		/* xz may hold all back until the check of a block: damage the second */
		codecs[i].encode(&b, plain.p, plain.n / 2);
		codecs[i].encode(&b, plain.p + plain.n / 2, plain.n - plain.n / 2);
		for (size_t k = 0; k < 40; k++)
			b.p[b.n * 7 / 10 + k] ^= 0x5a;
		path = tmp_file(&b);
		r = read_sure(path, &plain, 100, plain.n / 2);
		unlink(path);
		free(path);
		assert_int_equal(r.open, 0);
		/* what decodes wrongly may end the records before the decoder notices */
		assert_true(r.packets >= N_RECORDS / 2 - 1 && r.packets < N_RECORDS);
		assert_true(r.n_damage >= 1);
		free(b.p);
	}
	free(plain.p);
}

/* However the stored file was cut into blocks. */
static void test_codec_says_the_same_place_of_damage(void **state)
{
	struct buf plain = { 0 };

	(void)state;
	capture(&plain);
	for (size_t i = 0; i < N_CODECS; i++) {
		struct buf b = { 0 };
		struct result r, cut;
		char *path;

		codecs[i].encode(&b, plain.p, plain.n);
		for (size_t k = 0; k < 40; k++)
			b.p[b.n * 7 / 10 + k] ^= 0x5a;
		path = tmp_file(&b);
		r = read_sure(path, &plain, 100, 0);
		if (!strcmp(codecs[i].name, "zstd"))
			assert_non_null(
				strstr(r.damage, codecs[i].encode == zstd
							 ? "in the frame at byte 0: "
							 : "in the frame at byte 13: "));
		for (block_size = 4096; block_size < 1 << 16; block_size *= 2) {
			cut = read_sure(path, &plain, 100, 0);
			assert_string_equal(cut.damage, r.damage);
			assert_int_equal(cut.packets, r.packets);
		}
		block_size = 0;
		unlink(path);
		free(path);
		free(b.p);
	}
	free(plain.p);
}

static void test_codec_names_trailing_garbage(void **state)
{
	struct buf plain = { 0 };

	(void)state;
	capture(&plain);
	for (size_t i = 0; i < N_CODECS; i++) {
		struct buf b = { 0 };
		struct result r;

		codecs[i].encode(&b, plain.p, plain.n);
		put(&b, "this is no frame of any kind", 28);
		r = read_buf(&b, &plain, 1);
		assert_int_equal(r.packets, N_RECORDS);
		assert_non_null(strstr(r.damage, codecs[i].name));
		free(b.p);
	}
	free(plain.p);
}

static void test_codec_ignores_zero_padding_of_gzip(void **state)
{
	struct buf plain = { 0 }, b = { 0 };
	struct result r;

	(void)state;
	capture(&plain);
	gzip(&b, plain.p, plain.n);
	put_fill(&b, 0, 1000);
	r = read_buf(&b, &plain, 100);
	assert_int_equal(r.packets, N_RECORDS);
	assert_string_equal(r.damage, "");
	free(b.p);
	free(plain.p);
}

/* Also where a block ends in the middle of it. */
static void test_codec_goes_on_behind_zero_padding_of_gzip(void **state)
{
	struct buf plain = { 0 }, b = { 0 };

	(void)state;
	capture(&plain);
	gzip(&b, plain.p, plain.n / 2);
	put_fill(&b, 0, 10000);
	gzip(&b, plain.p + plain.n / 2, plain.n - plain.n / 2);
	for (block_size = 1; block_size <= 1 << 20; block_size *= 32) {
		struct result r = read_buf(&b, &plain, 100);

		assert_int_equal(r.packets, N_RECORDS);
		assert_string_equal(r.damage, "");
	}
	block_size = 0;
	free(b.p);
	free(plain.p);
}

static void test_codec_says_what_is_inside(void **state)
{
	struct buf b = { 0 };

	(void)state;
	gzip(&b, (const uint8_t *)"just text", 9);
	expect_refused(&b, "is no capture inside its gzip: it begins with "
			   "6a 75 73 74 20 74 65 78 (text)");
	zstd(&b, (const uint8_t *)"", 0);
	expect_refused(&b, "is empty inside");
}

static void test_codec_refuses_windows_over_128_mib(void **state)
{
	/* A zstd frame header that asks for a window of 2 GiB, then one raw block. */
	static const uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00,
					 0xa8, 0x09, 0x00, 0x00, 'x' };
	struct buf plain = { 0 }, b = { 0 };
	struct result r;

	(void)state;
	put(&b, frame, sizeof(frame));
	r = read_buf(&b, &plain, 1);
	assert_true(r.open < 0);
	assert_non_null(strstr(r.err.text, "128 MiB"));
	free(b.p);
}

/* 64 MiB of zeros as one record header each 16 bytes: memory must not grow with it. */
static void test_codec_streams_a_bomb(void **state)
{
	struct buf plain = { 0 }, b = { 0 };
	struct nr_batch *batch = calloc(1, sizeof(*batch));
	struct nr_source *s;
	uint8_t *zeros = calloc(1, 32 << 20);
	uint64_t n = 0;
	char *path;

	(void)state;
	pcap_header(&plain, 0xa1b2c3d4, 2, 4, 1);
	zstd(&b, plain.p, plain.n);
	for (int i = 0; i < 2; i++)
		zstd(&b, zeros, 32 << 20);
	path = tmp_file(&b);
	assert_int_equal(nr_source_open(&s, path, NULL, NULL), 0);
	while (nr_source_read(s, batch, NR_BATCH_MAX, NULL) > 0) {
		assert_true(batch->n_blocks <= 4);
		n += batch->n;
		nr_batch_release(batch);
	}
	assert_int_equal(n, (64 << 20) / 16 + 3);
	nr_source_close(s);
	unlink(path);
	free(path);
	free(zeros);
	free(batch);
	free(b.p);
	free(plain.p);
}

struct feeder {
	const struct buf *b;
	const char *path;
};

/* Writes in odd pieces, as a program at the other end of a pipe does. */
static void *feed(void *arg)
{
	struct feeder *f = arg;
	int fd = open(f->path, O_WRONLY);
	size_t done = 0, piece = 1;

	while (done < f->b->n) {
		size_t n = f->b->n - done < piece ? f->b->n - done : piece;
		ssize_t got = write(fd, f->b->p + done, n);

		if (got <= 0)
			break;
		done += (size_t)got;
		piece = piece * 7 % 9973 + 1;
	}
	close(fd);
	return NULL;
}

static void test_codec_reads_fifos(void **state)
{
	struct buf plain = { 0 };

	(void)state;
	capture(&plain);
	for (size_t i = 0; i <= N_CODECS; i++) {
		struct buf b = { 0 };
		char *path = tmp_file(&b);
		struct feeder f = { &b, path };
		struct result r;
		pthread_t t;

		if (i < N_CODECS)
			codecs[i].encode(&b, plain.p, plain.n);
		else
			put(&b, plain.p, plain.n);
		unlink(path);
		assert_int_equal(mkfifo(path, 0600), 0);
		assert_int_equal(pthread_create(&t, NULL, feed, &f), 0);
		r = read_it(path, &plain, 256);
		pthread_join(t, NULL);
		assert_string_equal(r.codec, i < N_CODECS ? codecs[i].name : "");
		assert_int_equal(r.packets, N_RECORDS);
		assert_string_equal(r.damage, "");
		assert_int_equal(r.bytes, b.n);
		unlink(path);
		free(path);
		free(b.p);
	}
	free(plain.p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codec_reads_one_frame_and_many),
		cmocka_unit_test(test_codec_keeps_what_decodes_before_a_cut),
		cmocka_unit_test(test_codec_keeps_what_decodes_before_damage),
		cmocka_unit_test(test_codec_names_trailing_garbage),
		cmocka_unit_test(test_codec_ignores_zero_padding_of_gzip),
		cmocka_unit_test(test_codec_goes_on_behind_zero_padding_of_gzip),
		cmocka_unit_test(test_codec_says_the_same_place_of_damage),
		cmocka_unit_test(test_codec_says_what_is_inside),
		cmocka_unit_test(test_codec_refuses_windows_over_128_mib),
		cmocka_unit_test(test_codec_streams_a_bomb),
		cmocka_unit_test(test_codec_reads_fifos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
