/* SPDX-License-Identifier: BSD-3-Clause */
#include "talkers.h"

#include "base/mem.h"

#include <string.h>

enum { SLOTS = 2 * NR_TALKERS }; /* open addressing at half load */

struct nr_talkers {
	size_t n;
	struct nr_talker t[NR_TALKERS];
	uint16_t heap[NR_TALKERS];  /* positions in t, the lightest first */
	uint16_t place[NR_TALKERS]; /* of each t in heap */
	uint16_t slot[SLOTS];       /* position in t + 1, 0: free */
};

struct nr_talkers *nr_talkers_new(void)
{
	return nr_xcalloc(1, sizeof(struct nr_talkers));
}

void nr_talkers_free(struct nr_talkers *t)
{
	free(t);
}

/* FNV-1a with a final mix; the table holds 4096 names, so collisions cost little. */
static size_t home(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 29) % SLOTS;
}

static size_t find_slot(const struct nr_talkers *t, const char *name, size_t len)
{
	size_t i = home(name, len);

	for (; t->slot[i]; i = (i + 1) % SLOTS) {
		const char *have = t->t[t->slot[i] - 1].name;

		if (!memcmp(have, name, len) && !have[len])
			break;
	}
	return i;
}

/* Takes slot i out and closes the gap that look-ups would stop at. */
static void drop_slot(struct nr_talkers *t, size_t i)
{
	size_t j = i;

	for (;;) {
		const char *name;
		size_t h;

		t->slot[i] = 0;
		do {
			j = (j + 1) % SLOTS;
			if (!t->slot[j])
				return;
			name = t->t[t->slot[j] - 1].name;
			h = home(name, strlen(name));
			/* j may stay where it is while its home lies in (i, j] */
		} while (i <= j ? i < h && h <= j : i < h || h <= j);
		t->slot[i] = t->slot[j];
		i = j;
	}
}

static void put(struct nr_talkers *t, size_t at, uint16_t who)
{
	t->heap[at] = who;
	t->place[who] = (uint16_t)at;
}

static void sift_down(struct nr_talkers *t, size_t at)
{
	uint16_t who = t->heap[at];

	for (;;) {
		size_t kid = 2 * at + 1;

		if (kid + 1 < t->n &&
		    t->t[t->heap[kid + 1]].bytes < t->t[t->heap[kid]].bytes)
			kid++;
		if (kid >= t->n || t->t[t->heap[kid]].bytes >= t->t[who].bytes)
			break;
		put(t, at, t->heap[kid]);
		at = kid;
	}
	put(t, at, who);
}

static void sift_up(struct nr_talkers *t, size_t at)
{
	uint16_t who = t->heap[at];

	for (; at && t->t[t->heap[(at - 1) / 2]].bytes > t->t[who].bytes;
	     at = (at - 1) / 2)
		put(t, at, t->heap[(at - 1) / 2]);
	put(t, at, who);
}

/* A place in t for a new name: a free one, or that of the lightest. */
static uint16_t make_room(struct nr_talkers *t)
{
	struct nr_talker *lightest;
	uint16_t who;

	if (t->n < NR_TALKERS) {
		who = (uint16_t)t->n++;
		put(t, who, who);
		sift_up(t, who);
		return who;
	}
	who = t->heap[0];
	lightest = &t->t[who];
	drop_slot(t, find_slot(t, lightest->name, strlen(lightest->name)));
	lightest->error = lightest->bytes;
	lightest->sent = 0;
	lightest->flows = 0;
	return who;
}

void nr_talkers_add(struct nr_talkers *t, const char *name, size_t len, uint64_t bytes,
		    uint64_t sent, uint64_t flows)
{
	struct nr_talker *k;
	uint16_t who;
	size_t i;

	if (len >= NR_TALKER_NAME)
		return; /* no address is that long */
	i = find_slot(t, name, len);
	if (t->slot[i]) {
		who = (uint16_t)(t->slot[i] - 1);
	} else {
		who = make_room(t);
		memcpy(t->t[who].name, name, len);
		t->t[who].name[len] = 0;
		t->slot[find_slot(t, name, len)] = (uint16_t)(who + 1);
	}
	k = &t->t[who];
	k->bytes += bytes;
	k->sent += sent;
	k->flows += flows;
	sift_down(t, t->place[who]);
}

static int heavier_first(const void *a, const void *b)
{
	const struct nr_talker *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->name, y->name);
}

size_t nr_talkers_top(const struct nr_talkers *t, struct nr_talker *out, size_t max)
{
	struct nr_talker *all = nr_xmalloc(t->n * sizeof(*all));
	size_t n = t->n < max ? t->n : max;

	memcpy(all, t->t, t->n * sizeof(*all));
	qsort(all, t->n, sizeof(*all), heavier_first);
	memcpy(out, all, n * sizeof(*out));
	free(all);
	return n;
}
