/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/reader.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct nr_format *const formats[] = {
	&nr_format_pcap,
	&nr_format_pcapng,
	&nr_format_snoop,
};

enum { PROBE_LEN = 512 };

void nr_source_damage(struct nr_source *s, uint64_t offset, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->damage_noted)
		return;
	n = snprintf(s->damage, sizeof(s->damage),
		     "record %llu at offset %llu: ", (unsigned long long)s->record + 1,
		     (unsigned long long)offset);
	va_start(ap, fmt);
	vsnprintf(s->damage + n, sizeof(s->damage) - (size_t)n, fmt, ap);
	va_end(ap);
	s->damage_noted = true;
}

void nr_source_bad(struct nr_source *s, uint64_t offset, const char *fmt, ...)
{
	va_list ap;
	int n;

	s->n_bad++;
	s->last_bad = offset;
	if (s->n_bad > 1 || s->damage_noted)
		return;
	n = snprintf(s->damage, sizeof(s->damage),
		     "record %llu at offset %llu: ", (unsigned long long)s->record + 1,
		     (unsigned long long)offset);
	va_start(ap, fmt);
	vsnprintf(s->damage + n, sizeof(s->damage) - (size_t)n, fmt, ap);
	va_end(ap);
	s->damage_noted = true;
}

void nr_source_cut(struct nr_source *s, const char *what)
{
	uint64_t at = nr_window_offset(&s->win, s->win.p);

	s->ended = true;
	if (s->stream.is_stopped) /* the rest was not waited for */
		return;
	if (s->stream.damage[0])
		nr_source_damage(s, at, "%s", s->stream.damage);
	else
		nr_source_damage(s, at, "%s is cut short: %zu bytes are left", what,
				 nr_window_left(&s->win));
	s->stream.damage[0] = '\0';
}

struct nr_block *nr_event_new(struct nr_event **e, size_t n_text, char **text)
{
	struct nr_block *block = nr_block_new(sizeof(**e) + n_text);

	*e = (struct nr_event *)(void *)nr_block_data(block);
	memset(*e, 0, sizeof(**e));
	if (text)
		*text = (char *)(*e + 1);
	return block;
}

void nr_source_emit(struct nr_source *s, struct nr_batch *b, struct nr_block *block,
		    const struct nr_event *e, uint64_t offset)
{
	struct nr_packet view = {
		.record = s->record,
		.offset = offset,
		.event = e,
		.block = block,
		.source = s->index,
		.interface_id = e->interface_id,
	};

	nr_batch_add(b, &view);
	nr_block_unref(block);
}

static void emit_plain(struct nr_source *s, struct nr_batch *b, enum nr_event_kind kind,
		       const char *text)
{
	size_t n = text ? strlen(text) : 0;
	struct nr_event *e;
	char *room;
	struct nr_block *block = nr_event_new(&e, n, &room);

	e->kind = kind;
	if (text) {
		memcpy(room, text, n);
		e->text = (struct nr_text){ room, n };
	}
	nr_source_emit(s, b, block, e,
		       s->win.block ? nr_window_offset(&s->win, s->win.p) : 0);
}

static int no_capture(struct nr_source *s, struct nr_err *err)
{
	const uint8_t *p = s->win.p;
	size_t n = nr_window_left(&s->win);
	const char *looks = nr_looks_like(p, n);
	const char *inside = s->stream.codec ? " inside" : "";
	char hex[3 * 8 + 1] = "";

	if (n == 0 && s->stream.damage[0])
		return nr_fail(err, -EINVAL, "%s cannot be decompressed: %s",
			       s->info.path, s->stream.damage);
	if (n == 0)
		return nr_fail(err, -EINVAL, "%s is empty%s", s->info.path, inside);
	for (size_t i = 0; i < n && i < 8; i++)
		snprintf(hex + 3 * i, 4, "%02x ", p[i]);
	hex[3 * (n < 8 ? n : 8) - 1] = '\0';
	return nr_fail(err, -EINVAL, "%s is no capture%s%s: it begins with %s%s%s%s",
		       s->info.path, s->stream.codec ? " inside its " : "",
		       s->stream.codec ? s->stream.codec->name : "", hex,
		       looks ? " (" : "", looks ? looks : "", looks ? ")" : "");
}

static int find_codec(struct nr_source *s, const struct nr_source_options *opt,
		      struct nr_err *err)
{
	struct nr_window *w = &s->win;
	int rc = nr_window_need(w, PROBE_LEN, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; nr_codecs[i]; i++) {
		if (!nr_codecs[i]->probe(w->p, nr_window_left(w)))
			continue;
		rc = nr_stream_decode(&s->stream, nr_codecs[i], w->block, w->p,
				      nr_window_left(w), err);
		if (rc < 0)
			return rc;
		s->info.compression = nr_codecs[i]->name;
		if (!strcmp(nr_codecs[i]->name, "zstd"))
			nr_source_archive(s, opt);
		nr_block_unref(w->block);
		*w = (struct nr_window){ .stream = &s->stream };
		nr_source_next_piece(s);
		rc = nr_window_need(w, PROBE_LEN, err);
		return rc < 0 ? rc : 0;
	}
	return 0;
}

static int find_format(struct nr_source *s, struct nr_err *err)
{
	int rc;

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (!formats[i]->probe(s->win.p, nr_window_left(&s->win)))
			continue;
		s->format = formats[i];
		s->info.format = formats[i]->name;
		s->ctx = nr_xcalloc(1, formats[i]->ctx_size);
		rc = s->format->open(s, s->ctx, err);
		return rc;
	}
	return no_capture(s, err);
}

int nr_source_open(struct nr_source **out, const char *path,
		   const struct nr_source_options *opt, struct nr_err *err)
{
	struct nr_source *s = nr_xcalloc(1, sizeof(*s));
	const char *slash;
	int rc;

	*out = NULL;
	s->win.stream = &s->stream;
	s->index = opt ? opt->index : 0;
	s->secrets = opt && opt->secrets;
	s->failure_is_damage = opt && opt->failure_is_damage;
	rc = nr_stream_open(&s->stream, path, opt, err);
	s->info.path = strcmp(path, "-") ? s->stream.path : "-";
	slash = strrchr(s->stream.path, '/');
	s->info.name = slash ? slash + 1 : s->stream.path;
	s->info.bytes = s->stream.is_regular ? s->stream.size : -1;
	s->info.is_regular = s->stream.is_regular;
	s->info.hash_note = !opt || !opt->hash  ? "hashing was off"
			    : !s->stream.hasher ? "libcrypto failed"
						: "it was not read to its end";
	if (rc == 0)
		rc = find_codec(s, opt, err);
	if (rc == 0)
		rc = find_format(s, err);
	if (rc < 0) {
		nr_source_close(s);
		return rc;
	}
	*out = s;
	return 0;
}

/*
 * Behind the last record: what is still to be said. What a decoder noticed behind the
 * place where a reader gave up is not: that depends on how far it had looked ahead.
 */
static bool tail_damage(struct nr_source *s)
{
	if (s->n_bad > 1)
		nr_source_damage(s, s->last_bad,
				 "%llu more blocks were passed over, the last one here",
				 (unsigned long long)s->n_bad - 1);
	s->n_bad = 0;
	return s->damage_noted;
}

static void finish_hash(struct nr_source *s)
{
	struct nr_source_info *info = &s->info;
	struct nr_err err;

	if (!s->stream.hasher)
		return;
	info->hash_note = NULL;
	if (nr_stream_drain(&s->stream, &err) < 0)
		info->hash_note = "the rest of the file could not be read";
	else if (s->stream.is_stopped)
		info->hash_note = "it was not read to its end";
	else if (!nr_hasher_finish(s->stream.hasher, info->sha256))
		info->hash_note = "libcrypto failed";
	else if (info->is_regular && (uint64_t)info->bytes != s->stream.position)
		info->hash_note = "the file's size changed while it was read";
}

static int fail(struct nr_source *s, int rc, unsigned added, struct nr_err *err)
{
	s->failed = rc;
	if (err)
		s->failure = *err;
	return added ? (int)added : rc;
}

/* A failure as damage, behind which nothing is read, where the caller wants it so. */
static bool pardon(struct nr_source *s, int rc, const struct nr_err *err)
{
	if (!s->failure_is_damage || rc == -ENOMEM || rc == -EINTR)
		return false;
	s->damage_noted = false;
	nr_source_damage(s, nr_window_offset(&s->win, s->win.p), "%s", err->text);
	s->ended = true;
	return true;
}

int nr_source_read(struct nr_source *s, struct nr_batch *b, unsigned max,
		   struct nr_err *err)
{
	unsigned start = b->n;
	unsigned end = max < NR_BATCH_MAX - start ? start + max : NR_BATCH_MAX;
	struct nr_err local;
	int rc;

	if (!err)
		err = &local;
	if (s->failed) {
		*err = s->failure;
		return s->failed;
	}
	while (b->n < end) {
		if (s->state == NR_SRC_START) {
			emit_plain(s, b, NR_EVENT_SOURCE_START, NULL);
			s->state = NR_SRC_BODY;
		} else if (s->damage_noted) {
			s->damage_noted = false;
			emit_plain(s, b, NR_EVENT_DAMAGE, s->damage);
		} else if (s->state == NR_SRC_BODY && !s->ended) {
			rc = s->format->next(s, s->ctx, b, end - b->n, err);
			if (rc < 0 && !pardon(s, rc, err))
				return fail(s, rc, b->n - start, err);
			/* What is there goes out before a pipe is waited for. */
			if (rc > 0 && !s->damage_noted)
				break;
		} else if (s->state == NR_SRC_BODY) {
			if (nr_source_next_piece(s))
				s->ended = false;
			else if (!tail_damage(s))
				s->state = NR_SRC_TAIL;
		} else if (s->state == NR_SRC_TAIL) {
			finish_hash(s);
			if (!s->stream.is_regular)
				s->info.bytes = (int64_t)s->stream.position;
			s->state = NR_SRC_DONE;
			emit_plain(s, b, NR_EVENT_SOURCE_END, NULL);
			break;
		} else {
			break;
		}
	}
	return (int)(b->n - start);
}

static int seek(struct nr_source *s, uint64_t stored, uint64_t content, uint64_t offset,
		uint64_t record, struct nr_err *err)
{
	int rc = -ESPIPE;

	if (s->stream.is_regular && !s->stream.frames && !s->pieces && !s->failed &&
	    content <= offset)
		rc = nr_stream_seek(&s->stream, stored, err);
	else
		nr_fail(err, rc, "%s cannot be entered at offset %llu", s->info.path,
			(unsigned long long)offset);
	if (rc < 0)
		return rc;
	nr_block_unref(s->win.block);
	s->win = (struct nr_window){ .stream = &s->stream, .base = content };
	rc = nr_window_skip(&s->win, offset - content, err);
	if (rc < 0)
		return rc;
	if (s->format->seek)
		s->format->seek(s->ctx);
	s->state = NR_SRC_BODY;
	s->ended = false;
	s->damage_noted = false;
	s->record = record - 1;
	return 0;
}

int nr_source_seek(struct nr_source *s, uint64_t offset, uint64_t record,
		   struct nr_err *err)
{
	if (s->stream.codec)
		return nr_fail(err, -ESPIPE, "%s is compressed: no place in it is known",
			       s->info.path);
	return seek(s, offset, offset, offset, record, err);
}

int nr_source_seek_frame(struct nr_source *s, uint64_t stored, uint64_t content,
			 uint64_t offset, uint64_t record, struct nr_err *err)
{
	if (!s->stream.codec)
		return nr_fail(err, -ESPIPE, "%s is not compressed", s->info.path);
	return seek(s, stored, content, offset, record, err);
}

int nr_source_finish(struct nr_source *s, char sha256[65], struct nr_err *err)
{
	if (s->state != NR_SRC_DONE)
		finish_hash(s);
	s->ended = true;
	s->state = NR_SRC_DONE;
	memcpy(sha256, s->info.sha256, sizeof(s->info.sha256));
	if (sha256[0])
		return 0;
	return nr_fail(err, -EIO, "the SHA-256 of %s is not known: %s", s->info.path,
		       s->info.hash_note ? s->info.hash_note : "it was not asked for");
}

const struct nr_source_info *nr_source_info(const struct nr_source *s)
{
	return &s->info;
}

uint64_t nr_source_position(const struct nr_source *s)
{
	return s->stream.position;
}

void nr_source_close(struct nr_source *s)
{
	if (!s)
		return;
	if (s->format)
		s->format->close(s->ctx);
	nr_free(s->ctx);
	nr_block_unref(s->win.block);
	nr_stream_close(&s->stream);
	nr_source_archive_close(s);
	nr_free(s);
}
