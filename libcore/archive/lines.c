/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/lines.h"

#include "base/mem.h"
#include "source/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_LEN = NR_ARCHIVE_FRAME_MAX, PROBE = 512, STEP = 64 << 10 };

struct nr_lines {
	struct nr_lines_stats st;
	bool (*want)(void *arg, const struct nr_archive *a,
		     const struct nr_archive_frame *f);
	void *arg;
	/* of an archive */
	struct nr_archive *a;
	size_t next; /* frame */
	struct nr_archive_buf buf;
	const char *p, *end; /* the rest of the frame */
	/* of anything else */
	struct nr_stream stream;
	struct nr_window win;
	size_t searched; /* bytes of the window that hold no line feed */
	bool is_stream, ended;
};

static void damaged(struct nr_lines *l, const char *what)
{
	if (!l->st.n_damages++)
		snprintf(l->st.damage, sizeof(l->st.damage), "%s", what);
}

static int open_stream(struct nr_lines *l, const char *path, const atomic_int *stop,
		       struct nr_err *err)
{
	const struct nr_source_options opt = { .stop = stop };
	struct nr_window *w = &l->win;
	int rc = nr_stream_open(&l->stream, path, &opt, err);

	l->is_stream = true;
	w->stream = &l->stream;
	if (rc == 0)
		rc = nr_window_need(w, PROBE, err);
	for (size_t i = 0; rc >= 0 && nr_codecs[i]; i++) {
		if (!nr_codecs[i]->probe(w->p, nr_window_left(w)))
			continue;
		rc = nr_stream_decode(&l->stream, nr_codecs[i], w->block, w->p,
				      nr_window_left(w), err);
		nr_block_unref(w->block);
		*w = (struct nr_window){ .stream = &l->stream };
		break;
	}
	return rc < 0 ? rc : 0;
}

int nr_lines_open(struct nr_lines **out, const char *path,
		  bool (*want)(void *arg, const struct nr_archive *a,
			       const struct nr_archive_frame *f),
		  void *arg, const atomic_int *stop, struct nr_err *err)
{
	struct nr_lines *l = nr_xcalloc(1, sizeof(*l));
	int rc = strcmp(path, "-") ? nr_archive_open(&l->a, path, err) : -EINVAL;

	*out = NULL;
	l->want = want;
	l->arg = arg;
	l->stream.fd = -1;
	if (rc == 0) {
		const struct nr_archive_info *info = nr_archive_info(l->a);

		l->st.frames = info->n_frames;
		if (info->wrong[0])
			damaged(l, info->wrong);
		if (info->kind == NR_ARCHIVE_PACKETS)
			rc = nr_fail(err, -EINVAL,
				     "%s is an archive of packets, not of events: replay "
				     "it",
				     path);
	} else if (rc == -EINVAL) {
		rc = open_stream(l, path, stop, err);
	}
	if (rc < 0) {
		nr_lines_close(l);
		return rc;
	}
	*out = l;
	return 0;
}

/* The next frame that is wanted and whole: 1, 0 at the end. */
static int next_frame(struct nr_lines *l, struct nr_err *err)
{
	while (l->next < l->st.frames) {
		struct nr_archive_frame f;
		size_t i = l->next++;
		int rc;

		nr_archive_frame(l->a, i, &f);
		if (l->want && !l->want(l->arg, l->a, &f))
			continue;
		l->st.frames_read++;
		rc = nr_archive_read(l->a, i, &l->buf, err);
		if (rc == -EBADMSG) {
			damaged(l, err->text);
			continue;
		}
		if (rc < 0)
			return rc;
		l->p = (const char *)l->buf.p;
		l->end = l->p + l->buf.n;
		return 1;
	}
	return 0;
}

static int from_archive(struct nr_lines *l, const char **p, size_t *n, struct nr_err *err)
{
	const char *lf;
	int rc;

	while (l->p == l->end) {
		rc = next_frame(l, err);
		if (rc <= 0)
			return rc;
	}
	lf = memchr(l->p, '\n', (size_t)(l->end - l->p));
	*p = l->p;
	*n = (size_t)((lf ? lf : l->end) - l->p);
	l->p = lf ? lf + 1 : l->end;
	return 1;
}

static int from_stream(struct nr_lines *l, const char **p, size_t *n, struct nr_err *err)
{
	struct nr_window *w = &l->win;

	while (!l->ended) {
		size_t left = nr_window_left(w);
		const uint8_t *lf = left > l->searched ? memchr(w->p + l->searched, '\n',
								left - l->searched)
						       : NULL;
		int rc;

		if (lf) {
			*p = (const char *)w->p;
			*n = (size_t)(lf - w->p);
			w->p = lf + 1;
			l->searched = 0;
			return 1;
		}
		l->searched = left;
		if (left > LINE_MAX_LEN) {
			damaged(l, "a line is longer than 40 MiB");
			break;
		}
		/* twice as much, so that a long line is not copied again and again */
		rc = nr_window_need(w, left + (left > STEP ? left : 1), err);
		if (rc < 0)
			return rc;
		if (rc == 0 && nr_window_left(w) == left) {
			l->ended = true;
			if (l->stream.is_stopped) /* the line was not waited for */
				break;
			if (l->stream.damage[0])
				damaged(l, l->stream.damage);
			else if (left) {
				*p = (const char *)w->p;
				*n = left;
				w->p = w->end;
				return 1;
			}
		}
	}
	l->ended = true;
	return 0;
}

int nr_lines_next(struct nr_lines *l, const char **p, size_t *n, struct nr_err *err)
{
	return l->is_stream ? from_stream(l, p, n, err) : from_archive(l, p, n, err);
}

const struct nr_lines_stats *nr_lines_stats(const struct nr_lines *l)
{
	return &l->st;
}

void nr_lines_close(struct nr_lines *l)
{
	if (!l)
		return;
	nr_archive_close(l->a);
	nr_archive_buf_fini(&l->buf);
	if (l->is_stream) {
		nr_block_unref(l->win.block);
		nr_stream_close(&l->stream);
	}
	nr_free(l);
}
