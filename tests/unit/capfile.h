/* SPDX-License-Identifier: BSD-3-Clause */
/* For the reader tests: capture files built byte by byte, and what was read as text. */
#pragma once

#include "source/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct buf {
	uint8_t *p;
	size_t n, room;
	bool big; /* byte order of what follows */
};

__attribute__((unused)) static void put(struct buf *b, const void *p, size_t n)
{
	if (b->room - b->n < n) {
		b->room = 2 * b->room + n + 64;
		b->p = realloc(b->p, b->room);
		assert_non_null(b->p);
	}
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
}

__attribute__((unused)) static void put_int(struct buf *b, uint64_t v, unsigned len)
{
	uint8_t out[8];

	for (unsigned i = 0; i < len; i++)
		out[b->big ? len - 1 - i : i] = (uint8_t)(v >> 8 * i);
	put(b, out, len);
}

__attribute__((unused)) static void put8(struct buf *b, uint64_t v)
{
	put_int(b, v, 1);
}

__attribute__((unused)) static void put16(struct buf *b, uint64_t v)
{
	put_int(b, v, 2);
}

__attribute__((unused)) static void put32(struct buf *b, uint64_t v)
{
	put_int(b, v, 4);
}

__attribute__((unused)) static void put64(struct buf *b, uint64_t v)
{
	put_int(b, v, 8);
}

__attribute__((unused)) static void put_fill(struct buf *b, uint8_t v, size_t n)
{
	while (n--)
		put8(b, v);
}

__attribute__((unused)) static void pcap_header(struct buf *b, uint32_t magic,
						unsigned major, unsigned minor,
						uint32_t network)
{
	put32(b, magic);
	put16(b, major);
	put16(b, minor);
	put64(b, 0);
	put32(b, 65535);
	put32(b, network);
}

/* A record of n bytes, all of value `fill`. */
__attribute__((unused)) static void pcap_record(struct buf *b, uint32_t sec,
						uint32_t frac, uint32_t n, uint32_t wire,
						uint8_t fill)
{
	put32(b, sec);
	put32(b, frac);
	put32(b, n);
	put32(b, wire);
	put_fill(b, fill, n);
}

/* The text of all that was read grows here. */
struct text {
	char *p;
	size_t n, room;
};

__attribute__((unused, format(printf, 2, 3))) static void add(struct text *t,
							      const char *fmt, ...)
{
	va_list ap;
	size_t left;
	int n;

	if (t->room - t->n < 4096) {
		t->room = 2 * t->room + 8192;
		t->p = realloc(t->p, t->room);
		assert_non_null(t->p);
	}
	left = t->room - t->n;
	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, left, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < left);
	t->n += (size_t)n;
}

#define TEXT(t) (int)(t).len, (t).p ? (t).p : ""

__attribute__((unused)) static void add_event(struct text *t, const struct nr_packet *v)
{
	const struct nr_event *e = v->event;
	const struct nr_interface *i = &e->interface;

	switch (e->kind) {
	case NR_EVENT_SOURCE_START:
		add(t, "start");
		break;
	case NR_EVENT_INTERFACE:
		assert_int_equal(i->interface_id, v->interface_id);
		add(t, "interface %u section %u link %u snap %u res %llu off %lld",
		    i->interface_id, i->section, i->link_type, i->snap_len,
		    (unsigned long long)i->tsresol, (long long)i->tsoffset_s);
		add(t, " [%.*s|%.*s|%.*s|%.*s|%.*s]", TEXT(i->name), TEXT(i->description),
		    TEXT(i->filter), TEXT(i->os), TEXT(i->hardware));
		break;
	case NR_EVENT_INTERFACE_STATS:
		add(t, "stats %u %lld %lld", e->interface_id, (long long)e->received,
		    (long long)e->dropped);
		break;
	case NR_EVENT_COMMENT:
		add(t, "comment %llu %.*s", (unsigned long long)e->record, TEXT(e->text));
		break;
	case NR_EVENT_NAME:
		add(t, "name %.*s %.*s", TEXT(e->address), TEXT(e->text));
		break;
	case NR_EVENT_SECRETS:
		add(t, "secrets");
		break;
	case NR_EVENT_TICK:
	case NR_EVENT_LOSS:
		fail(); /* of live captures */
		break;
	case NR_EVENT_DAMAGE:
		add(t, "damage %.*s", TEXT(e->text));
		break;
	case NR_EVENT_SOURCE_END:
		add(t, "end");
		break;
	}
	add(t, "\n");
}

/* "1 @24 if0 link1 1.000002000 4/4 aa" and marks; a frame is of one value throughout. */
__attribute__((unused)) static void add_view(struct text *t, const struct nr_packet *v)
{
	if (v->event) {
		assert_null(v->data);
		add_event(t, v);
		return;
	}
	assert_non_null(v->block);
	for (uint32_t i = 1; i < v->cap_len; i++)
		assert_int_equal(v->data[i], v->data[0]);
	add(t, "%llu @%llu if%u link%u %lld.%09lld %u/%u", (unsigned long long)v->record,
	    (unsigned long long)v->offset, v->interface_id, v->link_type,
	    (long long)(v->ts_ns / 1000000000), (long long)(v->ts_ns % 1000000000),
	    v->cap_len, v->wire_len);
	if (v->cap_len)
		add(t, " %02x", v->data[0]);
	if (v->fcs_len)
		add(t, " fcs%u", v->fcs_len);
	if (v->flags)
		add(t, " flags%02x", v->flags);
	if (v->time_clamped)
		add(t, " clamped");
	add(t, "\n");
}

__attribute__((unused)) static char *tmp_file(const struct buf *b)
{
	const char *dir = getenv("TMPDIR");
	char *path;
	int fd;

	assert_true(asprintf(&path, "%s/nrtool-test-XXXXXX", dir ? dir : "/tmp") > 0);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	if (b->n)
		assert_int_equal(write(fd, b->p, b->n), b->n);
	close(fd);
	return path;
}

/* Everything that is in the file; to be freed. */
__attribute__((unused)) static char *read_all(const char *path, unsigned max,
					      size_t block_size)
{
	struct nr_source_options opt = { .block_size = block_size };
	struct nr_batch *b = calloc(1, sizeof(*b));
	struct text t = { 0 };
	struct nr_source *s;
	struct nr_err err;
	int rc = nr_source_open(&s, path, &opt, &err);

	if (rc < 0) {
		add(&t, "%s\n", err.text);
		free(b);
		return t.p;
	}
	while ((rc = nr_source_read(s, b, max, &err)) > 0) {
		assert_true((unsigned)rc <= max);
		assert_int_equal(b->n, rc);
		for (unsigned i = 0; i < b->n; i++)
			add_view(&t, &b->pkt[i]);
		nr_batch_release(b);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(nr_source_read(s, b, max, &err), 0);
	nr_source_close(s);
	free(b);
	return t.p;
}

/* The same for every batch and block size. Frees the content. */
__attribute__((unused)) static void expect(struct buf *b, const char *want)
{
	static const unsigned batches[] = { 1, 3, 256 };
	static const size_t blocks[] = { 0, 1, 5000, 64 << 20 };
	char *path = tmp_file(b);

	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 4; j++) {
			char *got = read_all(path, batches[i], blocks[j]);

			assert_string_equal(got, want);
			free(got);
		}
	unlink(path);
	free(path);
	free(b->p);
	*b = (struct buf){ 0 };
}

/* As expect() for a file that cannot be opened: the sentence behind its path. */
__attribute__((unused)) static void expect_refused(struct buf *b, const char *want)
{
	char *path = tmp_file(b);
	char *got = read_all(path, 1, 0);

	got[strcspn(got, "\n")] = '\0';
	assert_memory_equal(got, path, strlen(path));
	assert_string_equal(got + strlen(path) + 1, want);
	free(got);
	unlink(path);
	free(path);
	free(b->p);
	*b = (struct buf){ 0 };
}
