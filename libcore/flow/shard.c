/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/shard.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>

enum {
	FIRST_BUCKETS = 16,
	HUGE_FROM = 512, /* flows of a shard in small pages */
	HUGE_PAGE = 2 << 20,
};

static uint16_t tag_of(uint64_t hash)
{
	uint16_t t = (uint16_t)(hash >> 40);

	return t ? t : 1;
}

static struct nr_bucket_line *buckets_new(uint32_t n)
{
	struct nr_bucket_line *b = aligned_alloc(64, (size_t)n * sizeof(*b));

	if (!b)
		b = nr_xmalloc(SIZE_MAX); /* says so and ends */
	return memset(b, 0, (size_t)n * sizeof(*b));
}

static size_t slab_bytes(const struct nr_shard *s)
{
	return (size_t)s->max_flows * sizeof(struct nr_flow);
}

void nr_shard_init(struct nr_shard *s, uint32_t id, uint32_t max_flows,
		   struct nr_siphash_key secret)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p;

	s->id = id;
	s->secret = secret;
	s->max_flows = max_flows;
	s->mask = FIRST_BUCKETS - 1;
	s->buckets = buckets_new(FIRST_BUCKETS);
	/* Address space only: pages become memory when flows first use them. */
	/* cppcheck-suppress invalidFunctionArg */
	p = mmap(NULL, slab_bytes(s), PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		p = nr_xcalloc(max_flows, SIZE_MAX / 2); /* says so and ends */
	s->slab = p;
}

void nr_shard_fini(struct nr_shard *s, void (*fini)(struct nr_flow *f))
{
	NR_UNPOISON(s->slab, slab_bytes(s));
	for (uint32_t i = 0; i < s->slab_used; i++) {
		if (s->slab[i].in_use)
			fini(&s->slab[i]);
	}
	munmap(s->slab, slab_bytes(s));
	free(s->buckets);
}

void nr_shard_prefetch(const struct nr_shard *s, uint64_t hash)
{
	__builtin_prefetch(&s->buckets[(uint32_t)hash & s->mask]);
}

void nr_shard_prefetch_hit(const struct nr_shard *s, uint64_t hash)
{
	const struct nr_bucket_line *b = &s->buckets[(uint32_t)hash & s->mask];
	uint16_t tag = tag_of(hash);

	for (unsigned i = 0; i < NR_BUCKET_WAYS; i++) {
		if (b->tag[i] == tag) {
			const char *f = (const char *)&s->slab[b->index[i]];

			for (size_t at = 0; at < sizeof(struct nr_flow); at += 64)
				__builtin_prefetch(f + at, 1);
			return;
		}
	}
}

static struct nr_flow *find(struct nr_shard *s, const struct nr_key *k, uint64_t hash,
			    uint32_t *at, unsigned *way)
{
	uint16_t tag = tag_of(hash);
	uint32_t b = (uint32_t)hash & s->mask;

	for (;; b = (b + 1) & s->mask) {
		struct nr_bucket_line *l = &s->buckets[b];

		for (unsigned i = 0; i < NR_BUCKET_WAYS; i++) {
			if (l->tag[i] != tag)
				continue;
			if (nr_key_equal(&s->slab[l->index[i]].key, k)) {
				*at = b;
				*way = i;
				return &s->slab[l->index[i]];
			}
		}
		if (!l->overflowed)
			return NULL;
	}
}

struct nr_flow *nr_shard_find(struct nr_shard *s, const struct nr_key *k, uint64_t hash)
{
	uint32_t b;
	unsigned way;

	return find(s, k, hash, &b, &way);
}

static void table_insert(struct nr_shard *s, uint64_t hash, uint32_t index)
{
	uint32_t b = (uint32_t)hash & s->mask;

	for (;; b = (b + 1) & s->mask) {
		struct nr_bucket_line *l = &s->buckets[b];

		for (unsigned i = 0; i < NR_BUCKET_WAYS; i++) {
			if (!l->tag[i]) {
				l->tag[i] = tag_of(hash);
				l->index[i] = index;
				return;
			}
		}
		l->overflowed++;
	}
}

static void grow(struct nr_shard *s)
{
	uint32_t n = (s->mask + 1) * 2;

	free(s->buckets);
	s->buckets = buckets_new(n);
	s->mask = n - 1;
	for (uint32_t i = 0; i < s->slab_used; i++) {
		if (s->slab[i].in_use)
			table_insert(s, nr_key_hash(&s->slab[i].key, s->secret), i);
	}
}

/* A shard with thousands of flows is worth large pages; a small one is not. */
static void use_huge_pages(struct nr_shard *s)
{
	uintptr_t from = (uintptr_t)&s->slab[HUGE_FROM], to = (uintptr_t)s->slab;

	from = (from + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	to += slab_bytes(s);
	if (to > from)
		madvise((void *)from, to - from, MADV_HUGEPAGE); /* a hint: may fail */
}

struct nr_flow *nr_shard_add(struct nr_shard *s, const struct nr_key *k, uint64_t hash)
{
	struct nr_flow *f;
	uint32_t index;

	assert(s->n_flows < s->max_flows);
	if ((uint64_t)(s->n_flows + 1) * 4 > (uint64_t)(s->mask + 1) * NR_BUCKET_WAYS * 3)
		grow(s);
	if (s->free_head) {
		index = s->free_head - 1;
		s->free_head = s->slab[index].timer_next;
	} else {
		index = s->slab_used++;
		if (index == HUGE_FROM)
			use_huge_pages(s);
	}
	f = &s->slab[index];
	NR_UNPOISON(f, sizeof(*f));
	memset(f, 0, sizeof(*f));
	f->in_use = true;
	f->key = *k;
	f->index = index;
	f->shard = (uint8_t)s->id;
	table_insert(s, hash, index);
	s->n_flows++;
	return f;
}

static void table_remove(struct nr_shard *s, const struct nr_flow *f)
{
	uint64_t hash = nr_key_hash(&f->key, s->secret);
	uint32_t home = (uint32_t)hash & s->mask, at = 0;
	unsigned way = 0;
	struct nr_flow *g = find(s, &f->key, hash, &at, &way);

	assert(g == f);
	(void)g;
	s->buckets[at].tag[way] = 0;
	for (uint32_t b = home; b != at; b = (b + 1) & s->mask)
		s->buckets[b].overflowed--;
}

static void wheel_remove(struct nr_shard *s, struct nr_flow *f)
{
	uint32_t slot = (uint32_t)f->timer_tick & (NR_WHEEL_SLOTS - 1);

	if (f->timer_tick == INT64_MIN)
		return;
	if (f->timer_prev)
		s->slab[f->timer_prev - 1].timer_next = f->timer_next;
	else
		s->wheel[slot] = f->timer_next;
	if (f->timer_next)
		s->slab[f->timer_next - 1].timer_prev = f->timer_prev;
	if (!s->wheel[slot])
		s->busy[slot / 64] &= ~(1ull << slot % 64);
	f->timer_tick = INT64_MIN;
}

void nr_shard_unlink(struct nr_shard *s, struct nr_flow *f)
{
	table_remove(s, f);
	wheel_remove(s, f);
	s->n_flows--;
}

void nr_shard_release(struct nr_shard *s, struct nr_flow *f)
{
	f->in_use = false;
	f->timer_next = s->free_head;
	s->free_head = f->index + 1;
	/* All but the list link and the flag, which sit in the same object: the whole
	   key is what a stale pointer reads first. */
	NR_POISON(&f->key, sizeof(f->key));
}

/* The first mark at or after t. */
static int64_t tick_after(int64_t t)
{
	int64_t q = t / NR_MARK_NS;

	return q + (t % NR_MARK_NS > 0);
}

static int64_t tick_before(int64_t t)
{
	int64_t q = t / NR_MARK_NS;

	return q - (t % NR_MARK_NS < 0);
}

static void wheel_put(struct nr_shard *s, struct nr_flow *f)
{
	int64_t t = tick_after(f->deadline_ns);
	uint32_t slot;

	if (t <= s->now_tick)
		t = s->now_tick + 1;
	if (t > s->now_tick + NR_WHEEL_SLOTS - 1)
		t = s->now_tick + NR_WHEEL_SLOTS - 1;
	slot = (uint32_t)t & (NR_WHEEL_SLOTS - 1);
	f->timer_tick = t;
	f->timer_prev = 0;
	f->timer_next = s->wheel[slot];
	if (f->timer_next)
		s->slab[f->timer_next - 1].timer_prev = f->index + 1;
	s->wheel[slot] = f->index + 1;
	s->busy[slot / 64] |= 1ull << slot % 64;
}

void nr_shard_arm(struct nr_shard *s, struct nr_flow *f)
{
	if (!s->ticking) {
		s->now_tick = tick_before(f->last_clock_ns);
		s->ticking = true;
	}
	wheel_put(s, f);
}

void nr_shard_rearm(struct nr_shard *s, struct nr_flow *f)
{
	if (tick_after(f->deadline_ns) >= f->timer_tick)
		return; /* the wheel will look again in time */
	wheel_remove(s, f);
	wheel_put(s, f);
}

static void drain(struct nr_shard *s, uint32_t slot, int64_t mark_ns,
		  void (*fn)(void *arg, struct nr_flow *f), void *arg)
{
	uint32_t i = s->wheel[slot];

	s->wheel[slot] = 0;
	s->busy[slot / 64] &= ~(1ull << slot % 64);
	while (i) {
		struct nr_flow *f = &s->slab[i - 1];

		i = f->timer_next;
		f->timer_tick = INT64_MIN;
		if (f->deadline_ns <= mark_ns)
			fn(arg, f);
		else
			wheel_put(s, f);
	}
}

void nr_shard_due(struct nr_shard *s, int64_t mark_ns,
		  void (*fn)(void *arg, struct nr_flow *f), void *arg)
{
	int64_t from = s->now_tick + 1, to = tick_before(mark_ns);

	if (!s->ticking || to < from)
		return;
	if (to - from >= NR_WHEEL_SLOTS)
		from = to - NR_WHEEL_SLOTS + 1;
	s->now_tick = to;
	for (int64_t t = from; t <= to;) {
		uint32_t slot = (uint32_t)t & (NR_WHEEL_SLOTS - 1);
		uint64_t word = s->busy[slot / 64] >> slot % 64;
		int64_t skip;

		if (!word) {
			t += 64 - slot % 64;
			continue;
		}
		skip = __builtin_ctzll(word);
		t += skip;
		if (t > to)
			break;
		drain(s, slot + (uint32_t)skip, mark_ns, fn, arg);
		t++;
	}
}

struct nr_flow *nr_shard_nearest(struct nr_shard *s)
{
	for (int64_t t = s->now_tick + 1;;) {
		uint32_t slot = (uint32_t)t & (NR_WHEEL_SLOTS - 1);
		uint64_t word = s->busy[slot / 64] >> slot % 64;
		struct nr_flow *f;

		assert(t <= s->now_tick + 2 * NR_WHEEL_SLOTS);
		if (!word) {
			t += 64 - slot % 64;
			continue;
		}
		t += __builtin_ctzll(word);
		f = &s->slab[s->wheel[(uint32_t)t & (NR_WHEEL_SLOTS - 1)] - 1];
		if (tick_after(f->deadline_ns) <= f->timer_tick ||
		    f->timer_tick == s->now_tick + NR_WHEEL_SLOTS - 1)
			return f;
		wheel_remove(s, f); /* its deadline has moved on: so does it */
		wheel_put(s, f);
	}
}

void nr_shard_each(struct nr_shard *s, void (*fn)(void *arg, struct nr_flow *f),
		   void *arg)
{
	for (uint32_t i = 0; i < s->slab_used; i++) {
		if (s->slab[i].in_use)
			fn(arg, &s->slab[i]);
	}
}
