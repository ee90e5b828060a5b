/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reader of archives. The first byte of the input says what becomes of the rest:
 * 0 a file as it is; 1 an index (without its hash) that is put behind a frame of content
 * with hash and seek table as they should be; 2 lines of JSON. Every fact of the index is
 * looked at, every frame read, the file verified, its lines parsed.
 */
#include "archive/index.h"
#include "archive/lines.h"
#include "record/row_json.h"
#include "record/tables.h"
#include "source/merge.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

enum { LIMIT = 32 << 20, FRAMES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static volatile uint8_t sink;

static void look_at(const struct nr_archive *a)
{
	const struct nr_archive_info *info = nr_archive_info(a);
	static const struct nr_archive_addr addr = { .len = 4, .b = { 10, 0, 0, 1 } };
	struct nr_archive_buf buf = { 0 };
	uint8_t sum = 0;
	size_t total = 0;

	for (size_t i = 0; i < info->n_heads; i++)
		for (size_t k = 0; k < info->heads[i].n; k++)
			sum ^= info->heads[i].p[k];
	for (size_t i = 0; i < info->n_types; i++)
		sum ^= (uint8_t)strlen(info->type[i]);
	for (size_t i = 0; i < info->n_frames && i < FRAMES && total < LIMIT; i++) {
		struct nr_archive_frame f;

		nr_archive_frame(a, i, &f);
		for (size_t k = 0; k < f.n_counts; k++)
			sum ^= (uint8_t)nr_archive_count(&f, k).n;
		for (size_t k = 0; k < f.filter_len; k++)
			sum ^= f.filter[k];
		sum ^= nr_archive_may_hold(&f, &addr);
		if (nr_archive_find_content(a, f.content) != i && f.content_len)
			abort();
		nr_archive_find_record(a, f.record + 1);
		total += f.content_len;
		if (nr_archive_read(a, i, &buf, NULL) == 0)
			for (size_t k = 0; k < buf.n; k++)
				sum ^= buf.p[k];
	}
	sink = sum;
	nr_archive_buf_fini(&buf);
}

static void read_packets(const char *path)
{
	static struct nr_batch b;
	struct nr_merge_options opt = { .from_ns = 1, .to_ns = 1 << 30 };
	struct nr_merge *m;
	struct nr_err err;
	size_t total = 0;

	if (nr_merge_open(&m, &path, 1, &opt, &err) < 0)
		return;
	while (total < LIMIT && nr_merge_read(m, &b, NR_BATCH_MAX, &err) > 0) {
		for (unsigned i = 0; i < b.n; i++)
			total += b.pkt[i].cap_len + 64;
		nr_batch_release(&b);
	}
	nr_merge_close(m);
}

static void parse_line(const char *p, size_t n)
{
	struct nr_arena arena = { 0 };
	struct nr_records rs = { .arena = &arena };
	struct nr_record *r;
	char *copy = malloc(n + !n); /* exact, so that a read too far is seen */

	if (n)
		memcpy(copy, p, n);
	if (nr_row_parse(copy, n, nr_record_types, nr_n_record_types, &rs, &r, NULL) ==
	    NR_ROW_OK)
		for (unsigned i = 0; i < r->type->n_fields; i++)
			if (r->v[i].kind == NR_V_TEXT)
				for (uint32_t k = 0; k < r->v[i].len; k++)
					*(volatile const char *)&r->v[i].p[k];
	free(copy);
	nr_arena_fini(&arena);
}

static void read_lines(const char *path)
{
	struct nr_lines *l;
	const char *p;
	size_t n, total = 0;
	struct nr_err err;

	if (nr_lines_open(&l, path, NULL, NULL, NULL, &err) < 0)
		return;
	while (total < LIMIT && nr_lines_next(l, &p, &n, &err) > 0) {
		parse_line(p, n);
		total += n + 64;
	}
	nr_lines_close(l);
}

static void put32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/* A frame, the index with its hash, a table: what only the index can get wrong. */
static size_t wrap(const uint8_t *index, size_t n, uint8_t *out)
{
	static const char content[] = "{\"type\":\"flow\"}\n";
	size_t at = ZSTD_compress(out, 64, content, sizeof(content) - 1, 1), frame = at;
	uint8_t *body;

	put32(out + at, NR_AX_INDEX_MAGIC);
	put32(out + at + 4, (uint32_t)n + NR_ARCHIVE_HASH);
	body = out + at + 8;
	memcpy(body, index, n);
	if (n >= NR_AX_HEAD + NR_AX_FRAME) { /* what would be refused at once */
		memcpy(body, nr_ax_magic, sizeof(nr_ax_magic));
		put32(body + NR_AX_AT_FRAMES, 1);
		put32(body + NR_AX_AT_CONTENT, sizeof(content) - 1);
		put32(body + NR_AX_AT_CONTENT + 4, 0);
	}
	SHA256(body, n, body + n);
	at += 8 + n + NR_ARCHIVE_HASH;
	put32(out + at, NR_AX_TABLE_MAGIC);
	put32(out + at + 4, 2 * 8 + NR_AX_FOOTER);
	put32(out + at + 8, (uint32_t)frame);
	put32(out + at + 12, sizeof(content) - 1);
	put32(out + at + 16, (uint32_t)(8 + n + NR_ARCHIVE_HASH));
	put32(out + at + 20, 0);
	put32(out + at + 24, 2);
	out[at + 28] = 0;
	put32(out + at + 29, nr_ax_seekable_magic);
	return at + 33;
}

static void file(const uint8_t *data, size_t n)
{
	struct nr_archive_check c;
	struct nr_archive *a;
	char path[40];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, n) != (ssize_t)n)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (nr_archive_open(&a, path, NULL) == 0) {
		bool small = nr_archive_info(a)->content_len < LIMIT;

		look_at(a);
		nr_archive_close(a);
		if (small)
			nr_archive_verify(path, &c, NULL, NULL, NULL);
	}
	read_packets(path);
	read_lines(path);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *out;

	if (n < 2)
		return 0;
	if (data[0] % 3 == 2) {
		parse_line((const char *)data + 1, n - 1);
		return 0;
	}
	if (data[0] % 3 == 0) {
		file(data + 1, n - 1);
		return 0;
	}
	out = malloc(n + 512);
	file(out, wrap(data + 1, n - 1, out));
	free(out);
	return 0;
}
