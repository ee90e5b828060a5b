/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Archives of packets as sources: frames decompressed by threads; and where only a time
 * range is wanted, the frames that can hold it, with the section and interface blocks
 * that stand before them (the index has them). Record numbers and offsets stay what they
 * are in the whole file.
 */
#include "source/reader.h"

#include "archive/archive.h"
#include "base/mem.h"

#include <string.h>
#include <sys/stat.h>

enum { PARALLEL_FROM = 256 << 10 }; /* stored bytes: a thread costs more than less */

struct piece { /* frames [first, end), or a head block where end is 0 */
	size_t first, end;
};

struct nr_pieces {
	struct piece *piece;
	size_t n, at, room;
};

static struct piece *add_piece(struct nr_pieces *p)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 16;
		p->piece = nr_xrealloc(p->piece, p->room * sizeof(*p->piece));
	}
	return &p->piece[p->n++];
}

/* Frames in [from, to), and the heads that stand outside of them and before one. */
static struct nr_pieces *choose(const struct nr_archive *a, int64_t from, int64_t to)
{
	const struct nr_archive_info *info = nr_archive_info(a);
	struct nr_pieces *p = nr_xcalloc(1, sizeof(*p));
	size_t head = 0, chosen = 0;

	for (size_t i = 0; i < info->n_frames; i++) {
		struct nr_archive_frame f;

		nr_archive_frame(a, i, &f);
		if (i && !nr_archive_in_time(&f, from, to))
			continue;
		for (; head < info->n_heads && info->heads[head].content < f.content;
		     head++)
			*add_piece(p) = (struct piece){ .first = head };
		while (head < info->n_heads &&
		       info->heads[head].content < f.content + f.content_len)
			head++;
		chosen++;
		if (p->n && p->piece[p->n - 1].end == i && i)
			p->piece[p->n - 1].end = i + 1;
		else
			*add_piece(p) = (struct piece){ i, i + 1 };
	}
	if (chosen < info->n_frames)
		return p;
	nr_free(p->piece);
	nr_free(p);
	return NULL;
}

static bool same_file(const struct nr_source *s)
{
	struct stat st;

	return stat(s->stream.path, &st) == 0 && st.st_dev == s->stream.dev &&
	       st.st_ino == s->stream.ino;
}

static void read_in_part(struct nr_source *s)
{
	nr_hasher_free(s->stream.hasher);
	s->stream.hasher = NULL;
	s->info.hash_note = "partial_read";
}

void nr_source_archive(struct nr_source *s, const struct nr_source_options *opt)
{
	const struct nr_archive_info *info;
	bool in_part = opt && (opt->from_ns || opt->to_ns);

	if (!opt || !s->stream.is_regular || s->stream.park ||
	    (!in_part && (!opt->parallel || s->stream.size < PARALLEL_FROM)) ||
	    !same_file(s) || nr_archive_open(&s->archive, s->stream.path, NULL))
		return;
	info = nr_archive_info(s->archive);
	if (in_part && info->has_index && info->seeks &&
	    info->kind == NR_ARCHIVE_PACKETS &&
	    nr_frames_fit(s->archive, 0, info->n_frames))
		s->pieces = choose(s->archive, opt->from_ns, opt->to_ns);
	if (s->pieces) {
		read_in_part(s);
		return;
	}
	if (opt->parallel && info->has_table && info->n_frames > 1 &&
	    s->stream.size >= PARALLEL_FROM)
		nr_stream_frames(&s->stream, s->archive, 0, info->n_frames);
}

bool nr_source_next_piece(struct nr_source *s)
{
	struct nr_pieces *p = s->pieces;
	struct nr_window *w = &s->win;
	const struct piece *piece;
	struct nr_archive_frame f;

	if (!p || p->at == p->n || s->stream.damage[0])
		return false;
	if (p->at && (!w->eof || nr_window_left(w))) /* framing was lost in the last */
		return false;
	piece = &p->piece[p->at++];
	nr_block_unref(w->block);
	*w = (struct nr_window){ .stream = &s->stream };
	if (!piece->end) {
		const struct nr_archive_head *h =
			&nr_archive_info(s->archive)->heads[piece->first];

		w->base = h->content;
		nr_stream_memory(&s->stream, h->p, h->n);
		s->stream.decoder_done = true; /* nothing behind it */
		return true;
	}
	nr_archive_frame(s->archive, piece->first, &f);
	w->base = f.content;
	s->record = f.record;
	s->stream.decoder_done = false;
	return nr_stream_frames(&s->stream, s->archive, piece->first, piece->end);
}

void nr_source_archive_close(struct nr_source *s)
{
	if (s->pieces)
		nr_free(s->pieces->piece);
	nr_free(s->pieces);
	nr_archive_close(s->archive);
}
