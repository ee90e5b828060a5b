/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/merge.h"

#include "base/mem.h"
#include "source/paths.h"
#include "source/reader.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	KEEP_OPEN = 8,   /* so few inputs stay open between probing and reading */
	PARK_FROM = 200, /* open inputs from which on files give up descriptors */
	PROBE_BLOCK = 64 << 10,
	SMALL_READ = 32,          /* views at a time where many inputs overlap */
	BLOCKS_IN_ALL = 64 << 20, /* bytes of read blocks that overlapping inputs share */
	BATCH_BYTES =
		32 << 20, /* blocks that one batch may hold before it is cut short */
};

struct input {
	struct nr_source_info info;   /* a copy; path is owned */
	struct nr_timeline *timeline; /* NULL: not open */
	struct nr_batch
		*queue; /* views that wait for their turn, from head on; or NULL */
	unsigned head;
	int64_t key; /* no later than the clock of its next view */
	bool gone;   /* it could not be opened again: its queue is all there is of it */
};

struct nr_merge {
	struct nr_merge_options opt;
	struct input *in;
	size_t n_in;
	uint32_t *heap; /* inputs that are not done, the next one first */
	size_t n_heap;
	size_t n_open;
	struct nr_paths paths;
	uint64_t ordinal;
	int64_t clock;
	uint64_t done_bytes;
};

static bool before(const struct nr_merge *m, uint32_t a, uint32_t b)
{
	int64_t ka = m->in[a].key, kb = m->in[b].key;

	return ka < kb || (ka == kb && a < b);
}

static void sift_down(struct nr_merge *m, size_t i)
{
	for (;;) {
		size_t c = 2 * i + 1;
		uint32_t t = m->heap[i];

		if (c >= m->n_heap)
			return;
		if (c + 1 < m->n_heap && before(m, m->heap[c + 1], m->heap[c]))
			c++;
		if (!before(m, m->heap[c], t))
			return;
		m->heap[i] = m->heap[c];
		m->heap[c] = t;
		i = c;
	}
}

static struct nr_batch *queue_new(void)
{
	struct nr_batch *q = nr_xmalloc(sizeof(*q));

	q->n = 0;
	q->n_blocks = 0;
	return q;
}

static void drop_queue(struct input *in)
{
	if (!in->queue)
		return;
	nr_batch_release(in->queue);
	nr_free(in->queue);
	in->queue = NULL;
	in->head = 0;
}

static void close_input(struct nr_merge *m, struct input *in)
{
	drop_queue(in);
	if (!in->timeline)
		return;
	nr_timeline_free(in->timeline);
	in->timeline = NULL;
	m->n_open--;
}

static size_t block_size(const struct nr_merge *m)
{
	size_t share;

	if (m->opt.block_size)
		return m->opt.block_size;
	assert(m->n_open < SIZE_MAX);
	share = BLOCKS_IN_ALL / (m->n_open + 1);
	if (share < PROBE_BLOCK)
		share = PROBE_BLOCK;
	return share < NR_BLOCK_SIZE ? share : NR_BLOCK_SIZE;
}

static int open_input(struct nr_merge *m, size_t i, const char *path, size_t block,
		      bool hash, struct nr_err *err)
{
	struct nr_source_options opt = {
		.block_size = block,
		.index = (uint32_t)i,
		.hash = hash && m->opt.hash,
		.park = m->n_open >= PARK_FROM,
		.stop = m->opt.stop,
		.failure_is_damage = true,
		.parallel = m->paths.n <= KEEP_OPEN,
		.from_ns = m->opt.from_ns,
		.to_ns = m->opt.to_ns,
	};
	struct nr_source *s;
	int rc = nr_source_open(&s, path, &opt, err);

	if (rc < 0)
		return rc;
	m->in[i].timeline = nr_timeline_new(s, m->opt.max_jump_ns);
	m->n_open++;
	return 0;
}

static void keep_info(const struct nr_merge *m, struct input *in)
{
	const struct nr_source_info *info =
		nr_source_info(nr_timeline_source(in->timeline));
	char *path = nr_xstrdup(info->path);
	const char *slash = strrchr(path, '/');

	in->info = *info;
	if (m->opt.hash)
		in->info.hash_note = "it was not read to its end";
	in->info.path = path;
	in->info.name = !strcmp(path, "-") ? "stdin" : slash ? slash + 1 : path;
}

/* Reads the first view, which has the clock of the first packet. */
static int learn_key(struct input *in, struct nr_err *err)
{
	int rc;

	in->queue = queue_new();
	in->head = 0;
	rc = nr_timeline_read(in->timeline, in->queue, 1, err);
	if (rc < 0)
		return rc;
	in->key = in->queue->pkt[0].clock_ns;
	return 0;
}

static int probe(struct nr_merge *m, const char *path, size_t n_all, struct nr_err *err)
{
	struct input *in = &m->in[m->n_in];
	bool few = n_all <= KEEP_OPEN;
	int rc;

	*in = (struct input){ .key = INT64_MIN };
	rc = open_input(m, m->n_in, path, few ? block_size(m) : PROBE_BLOCK,
			few || !nr_paths_is_regular(path), err);
	if (rc < 0)
		return rc;
	keep_info(m, in);
	if (n_all > 1) /* with one input there is nothing to wait for */
		rc = learn_key(in, err);
	if (rc < 0 || (!few && in->info.is_regular))
		close_input(m, in);
	if (rc < 0) {
		nr_free((char *)(uintptr_t)in->info.path);
		return rc;
	}
	m->heap[m->n_heap++] = (uint32_t)m->n_in++;
	return 0;
}

static int probe_all(struct nr_merge *m, struct nr_err *err)
{
	int rc = 0;

	m->in = nr_xcalloc(m->paths.n, sizeof(*m->in));
	m->heap = nr_xcalloc(m->paths.n, sizeof(*m->heap));
	for (size_t i = 0; rc == 0 && i < m->paths.n; i++) {
		const struct nr_path *p = &m->paths.path[i];

		rc = probe(m, p->path, m->paths.n, err);
		if (rc < 0 && rc != -ENOMEM && p->from_dir) {
			nr_paths_skip(&m->paths, err->text);
			rc = 0;
		}
	}
	for (size_t i = m->n_heap / 2 + 1; i-- > 0;)
		sift_down(m, i);
	return rc;
}

int nr_merge_open(struct nr_merge **out, const char *const *paths, size_t n_paths,
		  const struct nr_merge_options *opt, struct nr_err *err)
{
	struct nr_merge *m = nr_xcalloc(1, sizeof(*m));
	struct nr_err local;
	int rc;

	*out = NULL;
	if (!err)
		err = &local;
	if (opt)
		m->opt = *opt;
	m->clock = INT64_MIN;
	rc = nr_paths_collect(&m->paths, paths, n_paths, err);
	if (rc == 0)
		rc = probe_all(m, err);
	if (rc == 0 && m->n_in == 0)
		rc = nr_fail(err, -EINVAL, "there is no capture below %s%s",
			     n_paths ? paths[0] : "(no path given)",
			     n_paths > 1 ? " and the others" : "");
	if (rc < 0) {
		nr_merge_close(m);
		return rc;
	}
	*out = m;
	return 0;
}

size_t nr_merge_n_sources(const struct nr_merge *m)
{
	return m->n_in;
}

const struct nr_source_info *nr_merge_info(const struct nr_merge *m, size_t i)
{
	return &m->in[i].info;
}

size_t nr_merge_n_skipped(const struct nr_merge *m)
{
	return m->paths.n_skipped;
}

const char *nr_merge_skipped(const struct nr_merge *m, size_t i)
{
	return m->paths.skipped[i];
}

/* The input that would be next if the first one were not there; -1: none. */
static int64_t runner_up(const struct nr_merge *m)
{
	if (m->n_heap < 2)
		return -1;
	if (m->n_heap > 2 && before(m, m->heap[2], m->heap[1]))
		return m->heap[2];
	return m->heap[1];
}

/*
 * How many of n views of input i come before input `other`; they get their clock in the
 * merge and their ordinals.
 */
static unsigned hand_out(struct nr_merge *m, uint32_t i, int64_t other,
			 struct nr_packet *v, unsigned n)
{
	int64_t bound = other < 0 ? INT64_MAX : m->in[other].key;
	bool tie = other < 0 || i < other;
	uint64_t ordinal = m->ordinal;
	int64_t clock = m->clock;
	unsigned k;

	for (k = 0; k < n; k++, v++) {
		if (v->clock_ns >= bound && (v->clock_ns > bound || !tie))
			break;
		/* A file that changed since it was probed must not turn time back. */
		clock = v->clock_ns > clock ? v->clock_ns : clock;
		v->clock_ns = clock;
		v->ordinal = v->event ? 0 : ++ordinal;
	}
	m->ordinal = ordinal;
	m->clock = clock;
	return k;
}

/* From the queue of the first input to b. */
static void from_queue(struct nr_merge *m, struct nr_batch *b, unsigned room)
{
	uint32_t i = m->heap[0];
	struct input *in = &m->in[i];
	struct nr_batch *q = in->queue;
	unsigned n = q->n - in->head;
	unsigned k = hand_out(m, i, runner_up(m), &q->pkt[in->head], n < room ? n : room);

	for (unsigned j = 0; j < k; j++)
		nr_batch_add(b, &q->pkt[in->head + j]);
	in->head += k;
	if (in->head < q->n) {
		in->key = q->pkt[in->head].clock_ns;
	} else {
		in->key = m->clock;
		drop_queue(in);
	}
}

/* What is known of an input only when all of it was read. */
static void keep_facts(struct input *in)
{
	const struct nr_source_info *info =
		nr_source_info(nr_timeline_source(in->timeline));

	in->info.bytes = info->bytes;
	memcpy(in->info.sha256, info->sha256, sizeof(info->sha256));
	in->info.hash_note = info->hash_note;
}

static void finish_input(struct nr_merge *m, struct input *in)
{
	/* Behind damage the rest may be unread; for a person it is done. */
	m->done_bytes += in->info.is_regular || !in->timeline
				 ? (uint64_t)in->info.bytes
				 : nr_source_position(nr_timeline_source(in->timeline));
	close_input(m, in);
	m->heap[0] = m->heap[--m->n_heap];
}

/* A file that was there when it was probed and is not now: its damage, none of others. */
static void lose_input(struct nr_merge *m, uint32_t i, const struct nr_err *err)
{
	struct input *in = &m->in[i];
	size_t n = strlen(err->text);
	struct nr_event *e;
	char *text;

	in->gone = true;
	in->info.hash_note = "it could not be opened again";
	in->queue = queue_new();
	in->head = 0;
	nr_batch_event(in->queue, NR_EVENT_SOURCE_START, i, 0, NULL);
	e = nr_batch_event(in->queue, NR_EVENT_DAMAGE, i, n, &text);
	memcpy(text, err->text, n);
	e->text = (struct nr_text){ text, n };
	nr_batch_event(in->queue, NR_EVENT_SOURCE_END, i, 0, NULL);
	for (unsigned k = 0; k < in->queue->n; k++)
		in->queue->pkt[k].clock_ns = in->key;
}

/* Straight from the first input into b; what is not yet due goes to its queue. */
static int from_source(struct nr_merge *m, struct nr_batch *b, unsigned room,
		       struct nr_err *err)
{
	uint32_t i = m->heap[0];
	struct input *in = &m->in[i];
	unsigned start = b->n, n_blocks = b->n_blocks;
	unsigned max = m->n_open > KEEP_OPEN && room > SMALL_READ ? SMALL_READ : room;
	const struct nr_packet *last;
	unsigned k;
	int rc;

	if (in->gone) {
		finish_input(m, in);
		return 0;
	}
	if (!in->timeline) {
		rc = open_input(m, i, in->info.path, block_size(m), true, err);
		if (rc == -ENOMEM || rc == -EINTR)
			return rc;
		if (rc < 0) {
			lose_input(m, i, err);
			return 0;
		}
	}
	rc = nr_timeline_read(in->timeline, b, max, err);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		finish_input(m, in);
		return 0;
	}
	last = &b->pkt[b->n - 1];
	if (last->event && last->event->kind == NR_EVENT_SOURCE_END)
		keep_facts(in);
	k = hand_out(m, i, runner_up(m), &b->pkt[start], (unsigned)rc);
	if (k == (unsigned)rc) {
		in->key = m->clock;
		return 0;
	}
	in->queue = queue_new();
	in->head = 0;
	for (unsigned j = start + k; j < b->n; j++)
		nr_batch_add(in->queue, &b->pkt[j]);
	nr_batch_cut(b, start, k, n_blocks);
	in->key = in->queue->pkt[0].clock_ns;
	return 0;
}

static bool is_heavy(const struct nr_batch *b)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < b->n_blocks; i++)
		bytes += nr_block_size(b->blocks[i]);
	return bytes > BATCH_BYTES;
}

int nr_merge_read(struct nr_merge *m, struct nr_batch *b, unsigned max,
		  struct nr_err *err)
{
	unsigned start = b->n;
	unsigned end = max < NR_BATCH_MAX - start ? start + max : NR_BATCH_MAX;
	int rc = 0;

	while (m->n_heap && b->n < end) {
		bool queued = m->in[m->heap[0]].queue != NULL;

		if (queued)
			from_queue(m, b, end - b->n);
		else
			rc = from_source(m, b, end - b->n, err);
		if (rc < 0)
			break;
		sift_down(m, 0);
		/* One read a call where one input is left: a pipe is not waited for. */
		if (b->n > start && ((!queued && m->n_heap == 1) || is_heavy(b)))
			break;
	}
	return b->n > start ? (int)(b->n - start) : rc;
}

void nr_merge_progress(const struct nr_merge *m, uint64_t *done, uint64_t *total)
{
	bool known = true;

	*done = m->done_bytes;
	*total = 0;
	for (size_t i = 0; i < m->n_in; i++) {
		const struct input *in = &m->in[i];

		if (in->timeline)
			*done += nr_source_position(nr_timeline_source(in->timeline));
		known &= in->info.is_regular;
		*total += in->info.bytes > 0 ? (uint64_t)in->info.bytes : 0;
	}
	if (!known)
		*total = 0;
}

void nr_merge_close(struct nr_merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_in; i++) {
		close_input(m, &m->in[i]);
		nr_free((char *)(uintptr_t)m->in[i].info.path);
	}
	nr_paths_fini(&m->paths);
	nr_free(m->in);
	nr_free(m->heap);
	nr_free(m);
}
