/* SPDX-License-Identifier: BSD-3-Clause */
#include "way_back/follow.h"

#include "way_back/follow_secrets.h"
#include "text.h"

#include "base/mem.h"
#include "session/session.h"
#include "sink/sink.h"

#include <errno.h>
#include <string.h>

enum {
	BATCH = 256,
	HISTORY = 4 << 20, /* bytes of each side kept to compare what is sent again */
	HEX_WIDTH = 16,
};

enum pass { ASK, FIND, SHOW };

/* The last HISTORY bytes of a side, by offset. */
struct history {
	uint8_t *p;
	uint64_t end;   /* offset behind the last byte */
	uint64_t begin; /* of the oldest without a gap behind it */
};

struct follow {
	const struct nr_follow *f;
	struct nr_follow_result *res;
	enum pass pass;
	struct nr_secret_list *secrets;
	struct history history[2];
	int shown; /* side that was shown last; -1: none */
	uint64_t shown_packet;
	bool line_open; /* the last character was no line feed */
};

static bool is_wanted(const struct follow *w, const struct nr_flow *f)
{
	return (int64_t)(f->flow_id & 15) == (w->f->flow_id & 15);
}

static bool is_end(const struct nr_follow_end *e, const uint8_t ip[16], uint16_t port)
{
	return (e->port < 0 || e->port == port) && !memcmp(e->ip, ip, 16);
}

/* Of the row, for a side of the engine's flow, which may be turned around later. Two ends
   that are the same cannot be told apart. */
static unsigned row_side(const struct follow *w, const struct nr_flow *f, unsigned side)
{
	const struct nr_follow_end *src = &w->f->ends[0], *dst = &w->f->ends[1];
	struct nr_key k = nr_flow_key(f);
	bool src_is_lo = is_end(src, k.lo, k.lo_port) && is_end(dst, k.hi, k.hi_port);
	bool src_is_hi = is_end(src, k.hi, k.hi_port) && is_end(dst, k.lo, k.lo_port);

	if (src_is_lo == src_is_hi)
		return side;
	return side ^ (src_is_hi != f->src_is_hi);
}

static bool is_shown(const struct follow *w, unsigned side)
{
	return w->pass == SHOW && (w->f->side < 0 || (unsigned)w->f->side == side);
}

static void end_line(struct follow *w)
{
	if (w->line_open)
		fputc('\n', w->f->out);
	w->line_open = false;
}

static void note(struct follow *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A word that is none of the flow's bytes; raw output has no place for it. */
static void note(struct follow *w, const char *fmt, ...)
{
	va_list ap;

	if (w->f->format == NR_FOLLOW_RAW)
		return;
	end_line(w);
	fputc('[', w->f->out);
	va_start(ap, fmt);
	vfprintf(w->f->out, fmt, ap);
	va_end(ap);
	fputs("]\n", w->f->out);
}

static void show_turn(struct follow *w, unsigned side, const struct nr_stamp *at)
{
	char time[NR_TEXT_MAX];

	if (w->f->format == NR_FOLLOW_RAW || w->shown == (int)side)
		return;
	end_line(w);
	fprintf(w->f->out, "%s== %s: %s > %s, packet %llu, %s\n",
		w->shown < 0 ? "" : "\n", side ? "dst" : "src", w->f->ends[side].text,
		w->f->ends[!side].text, (unsigned long long)at->packet,
		nr_text_time(time, at->ts_ns, 9));
	w->shown = (int)side;
}

/* Line feeds and tabs as they are; what a terminal would obey, and no UTF-8, as \xNN. */
static void show_text(struct follow *w, const uint8_t *p, size_t n)
{
	while (n) {
		const uint8_t *lf = memchr(p, '\n', n);
		size_t line = lf ? (size_t)(lf - p) : n, text = line;

		if (lf && text && p[text - 1] == '\r')
			text--;
		if (text)
			nr_text_safe(w->f->out, (const char *)p, text);
		w->line_open = !lf;
		if (!lf)
			return;
		fputc('\n', w->f->out);
		p += line + 1;
		n -= line + 1;
	}
}

static void show_hex(struct follow *w, uint64_t offset, const uint8_t *p, size_t n)
{
	FILE *out = w->f->out;

	for (size_t at = 0; at < n; at += HEX_WIDTH) {
		size_t k = n - at < HEX_WIDTH ? n - at : HEX_WIDTH;

		fprintf(out, "%08llx ", (unsigned long long)offset + at);
		for (size_t i = 0; i < HEX_WIDTH; i++) {
			if (i < k)
				fprintf(out, "%s%02x", i == 8 ? "  " : " ", p[at + i]);
			else
				fputs(i == 8 ? "    " : "   ", out);
		}
		fputs("  |", out);
		for (size_t i = 0; i < k; i++)
			fputc(p[at + i] >= 32 && p[at + i] < 127 ? p[at + i] : '.', out);
		fputs("|\n", out);
	}
}

static void remember(struct history *h, uint64_t offset, const uint8_t *p, size_t n)
{
	if (!h->p)
		h->p = nr_xmalloc(HISTORY);
	if (offset != h->end)
		h->begin = offset;
	for (size_t i = n > HISTORY ? n - HISTORY : 0; i < n; i++)
		h->p[(offset + i) % HISTORY] = p[i];
	h->end = offset + n;
	if (h->end - h->begin > HISTORY)
		h->begin = h->end - HISTORY;
}

static void on_data(void *arg, const struct nr_flow *f, unsigned side, uint64_t offset,
		    const uint8_t *p, size_t n, const struct nr_stamp *at)
{
	struct follow *w = arg;
	uint8_t *copy;

	if (!is_wanted(w, f) || !n)
		return;
	side = row_side(w, f, side);
	if (w->pass == FIND)
		nr_secret_list_search(w->secrets, side, p, n);
	if (w->pass != SHOW)
		return;
	w->res->bytes[side] += n;
	if (nr_flow_proto(f) == 6)
		remember(&w->history[side], offset, p, n);
	copy = nr_xmalloc(n);
	memcpy(copy, p, n);
	if (w->secrets)
		nr_secret_list_mask(w->secrets, side, copy, n);
	if (is_shown(w, side)) {
		if (nr_flow_proto(f) != 6)
			w->shown = w->shown < 0 ? -1 : 2; /* each datagram by itself */
		show_turn(w, side, at);
		switch (w->f->format) {
		case NR_FOLLOW_TEXT:
			show_text(w, copy, n);
			break;
		case NR_FOLLOW_HEX:
			show_hex(w, offset, copy, n);
			break;
		case NR_FOLLOW_RAW:
			fwrite(copy, 1, n, w->f->out);
			break;
		}
	}
	nr_free(copy);
}

static void on_gap(void *arg, const struct nr_flow *f, unsigned side, uint64_t offset,
		   uint64_t n, enum nr_gap_reason why, const struct nr_stamp *at)
{
	static const char *const reasons[] = {
		[NR_GAP_ACKED] = "the receiver has them, the capture has not",
		[NR_GAP_TIMEOUT] = "they never came",
		[NR_GAP_FULL] = "too much came after them",
		[NR_GAP_END] = "the flow ended before they came",
		[NR_GAP_CUT] = "the capture's snap length cut them off",
	};
	struct follow *w = arg;

	if (!is_wanted(w, f))
		return;
	side = row_side(w, f, side);
	if (w->pass == FIND)
		nr_secret_list_gap(w->secrets, side);
	if (w->pass != SHOW)
		return;
	w->res->gaps++;
	w->res->gap_bytes += n;
	if (!is_shown(w, side))
		return;
	show_turn(w, side, at);
	note(w, "gap: %llu byte%s missing at offset %llu: %s", (unsigned long long)n,
	     n == 1 ? "" : "s", (unsigned long long)offset, reasons[why]);
}

static void tell_conflict(struct follow *w, unsigned side, uint64_t offset, uint64_t n,
			  const char *which)
{
	w->res->conflicts++;
	if (is_shown(w, side))
		note(w,
		     "conflict: %llu byte%s of %s at offset %llu came twice with "
		     "different content; %s",
		     (unsigned long long)n, n == 1 ? "" : "s", side ? "dst" : "src",
		     (unsigned long long)offset, which);
}

static void on_conflict(void *arg, const struct nr_flow *f, unsigned side,
			uint64_t offset, uint64_t n)
{
	struct follow *w = arg;

	if (w->pass != SHOW || !is_wanted(w, f))
		return;
	side = row_side(w, f, side);
	/* What was shown before is compared byte by byte in on_segment(). */
	if (offset >= w->history[side].end)
		tell_conflict(w, side, offset, n, "the policy of --overlap decides");
}

/* What comes again with what was shown. */
static void compare(struct follow *w, unsigned side, const struct nr_stream_segment *g)
{
	const struct history *h = &w->history[side];
	uint64_t from = g->offset, to = from + g->cap, differ = UINT64_MAX, last = 0;

	if (from >= h->end)
		return;
	if (g->len <= 1 && from + 1 == h->end)
		return; /* a keep-alive: its byte means nothing */
	if (to > h->end)
		to = h->end;
	if (from < h->begin) {
		w->res->unverified++;
		from = h->begin;
	}
	for (uint64_t i = from; i < to; i++) {
		if (g->data[i - g->offset] == h->p[i % HISTORY])
			continue;
		differ = differ == UINT64_MAX ? i : differ;
		last = i;
	}
	if (differ != UINT64_MAX)
		tell_conflict(w, side, differ, last - differ + 1, "the first are shown");
}

static void on_segment(void *arg, const struct nr_flow *f, unsigned side,
		       const struct nr_stream_segment *g)
{
	struct follow *w = arg;

	if (w->pass != SHOW || !is_wanted(w, f))
		return;
	compare(w, row_side(w, f, side), g);
}

static void on_secret(void *arg, uint64_t flow_id, const uint8_t *p, size_t n)
{
	struct follow *w = arg;

	(void)flow_id;
	if (w->pass == ASK)
		nr_secret_list_add(w->secrets, p, n);
}

static int read_packets(struct follow *w, struct nr_engine *e, struct nr_recall *r,
			struct nr_err *err)
{
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	int n, rc = 0;

	nr_engine_begin(e, nr_recall_n_sources(r), err);
	while (!rc && (n = nr_recall_read(r, b, BATCH, err)) != 0) {
		rc = n < 0 ? n : nr_engine_feed(e, b);
		nr_batch_release(b);
	}
	nr_free(b);
	return rc ? rc : nr_engine_end(e);
}

static int run_pass(struct follow *w, enum pass pass, struct nr_err *err)
{
	const struct nr_session_tap tap = { .arg = w,
					    .data = on_data,
					    .gap = on_gap,
					    .conflict = on_conflict,
					    .segment = on_segment };
	const struct nr_sink_options no = { 0 };
	struct nr_engine_config c = w->f->config;
	struct nr_recall *r = NULL;
	struct nr_engine *e = NULL;
	struct nr_sink *sink;
	int rc = nr_sink_open(&sink, "null:", &no, err);

	if (rc)
		return rc;
	w->pass = pass;
	c.tap = &tap;
	c.parse.store_secrets = false;
	c.parse.secret_seen = on_secret;
	c.parse.secret_arg = w;
	rc = nr_engine_new(&e, &c, &sink, 1, err);
	if (!rc)
		rc = w->f->open(w->f->arg, &r, err);
	if (!rc)
		rc = read_packets(w, e, r, err);
	nr_engine_free(e);
	nr_recall_close(r);
	nr_sink_close(sink);
	return rc;
}

int nr_follow_run(const struct nr_follow *f, struct nr_follow_result *res,
		  struct nr_err *err)
{
	struct follow w = { .f = f, .res = res, .shown = -1 };
	int rc = 0;

	*res = (struct nr_follow_result){ 0 };
	if (!f->store_secrets) {
		w.secrets = nr_secret_list_new();
		rc = run_pass(&w, ASK, err);
		res->secrets = nr_secret_list_count(w.secrets);
		if (!rc && res->secrets)
			rc = run_pass(&w, FIND, err);
	}
	if (!rc)
		rc = run_pass(&w, SHOW, err);
	end_line(&w);
	nr_secret_list_free(w.secrets);
	nr_free(w.history[0].p);
	nr_free(w.history[1].p);
	return rc;
}
