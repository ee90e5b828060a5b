/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/shard.h"

#include "base/clock.h"
#include "base/mem.h"

#include <assert.h>
#include <sys/mman.h>

enum {
	FIRST_BUCKETS = 16,
	HUGE_FROM = 16384, /* slots in small pages */
	HUGE_PAGE = 2 << 20,
	AHEAD_BUCKET = 16, /* flows that are moved at once */
};

/* Thousands of flows are worth large pages; a few are not. */
static void use_huge_pages(void *slab, size_t size, size_t n)
{
	uintptr_t from = (uintptr_t)slab + HUGE_FROM * size;
	uintptr_t to = (uintptr_t)slab + n * size;

	from = (from + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	if (to > from)
		madvise((void *)from, to - from, MADV_HUGEPAGE); /* a hint: may fail */
}

/* Address space only: pages become memory when flows first use them. */
static void *slab_new(size_t size, size_t n)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p;

	/* cppcheck-suppress invalidFunctionArg */
	p = mmap(NULL, n * size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		return nr_xmalloc(SIZE_MAX); /* says so and ends */
	use_huge_pages(p, size, n);
	return p;
}

/* Of n flows so many buckets are too few. */
static bool is_crowded(uint64_t n, uint64_t buckets)
{
	return n * 4 > buckets * NR_BUCKET_WAYS * 3;
}

void nr_slabs_init(struct nr_slabs *b, const struct nr_flow_config *c)
{
	size_t per_shard = c->max_flows / NR_N_SHARDS + NR_CHUNK_FLOWS;
	size_t buckets = FIRST_BUCKETS;

	while (is_crowded(c->max_flows / NR_N_SHARDS, buckets))
		buckets *= 2;
	b->n_buckets = buckets * NR_N_SHARDS;
	b->buckets = slab_new(sizeof(b->buckets[0]), b->n_buckets);

	b->n_slots = per_shard * NR_N_SHARDS;
	b->hot = slab_new(sizeof(b->hot[0]), b->n_slots);
	b->cold = slab_new(sizeof(b->cold[0]), b->n_slots);
	atomic_init(&b->n_chunks, 0);
	b->idle[NR_TIMER_TCP] = c->tcp_timeout;
	b->idle[NR_TIMER_HALF_CLOSED] = c->half_closed_timeout;
	b->idle[NR_TIMER_UDP] = c->udp_timeout;
	b->idle[NR_TIMER_ICMP] = c->icmp_timeout;
	b->idle[NR_TIMER_OTHER] = c->other_timeout;
	b->idle[NR_TIMER_ATTEMPT] = c->attempt_timeout;
}

void nr_slabs_fini(struct nr_slabs *b)
{
	NR_UNPOISON(b->cold, b->n_slots * sizeof(b->cold[0]));
	munmap(b->hot, b->n_slots * sizeof(b->hot[0]));
	munmap(b->cold, b->n_slots * sizeof(b->cold[0]));
	munmap(b->buckets, b->n_buckets * sizeof(b->buckets[0]));
}

void nr_shard_init(struct nr_shard *s, uint32_t id, struct nr_slabs *b,
		   const struct nr_flow_config *c)
{
	s->id = id;
	s->general_only = c->general_only;
	s->secret = c->key.secret;
	s->max_flows = (uint32_t)(c->max_flows / NR_N_SHARDS);
	s->mask = FIRST_BUCKETS - 1;
	s->buckets = &b->buckets[id];
	s->slabs = b;
	s->hot = b->hot;
	s->cold = b->cold;
}

/* Calls fn for each slot that was ever used. */
static void each_slot(struct nr_shard *s,
		      void (*fn)(struct nr_shard *s, uint32_t index, void *arg),
		      void *arg)
{
	for (uint32_t k = 0; k < s->n_chunks; k++) {
		uint32_t end = s->chunks[k] + NR_CHUNK_FLOWS;

		if (k + 1 == s->n_chunks)
			end = s->fresh;
		for (uint32_t i = s->chunks[k]; i < end; i++)
			fn(s, i, arg);
	}
}

struct each {
	void (*fini)(struct nr_shard *s, struct nr_flow *f);
	void (*fn)(void *arg, struct nr_flow *f);
	void *arg;
};

static void fini_slot(struct nr_shard *s, uint32_t i, void *arg)
{
	const struct each *a = arg;

	if (s->hot[i].in_use)
		a->fini(s, &s->cold[i]);
}

void nr_shard_fini(struct nr_shard *s,
		   void (*fini)(struct nr_shard *s, struct nr_flow *f))
{
	struct each a = { .fini = fini };

	each_slot(s, fini_slot, &a);
	nr_free(s->chunks);
}

static struct nr_flow_hot *find(struct nr_shard *s, const struct nr_key *k, uint64_t hash,
				uint32_t *at, unsigned *way)
{
	const struct nr_hot_key want = nr_hot_key(k);
	uint16_t tag = nr_bucket_tag(hash);
	uint32_t b = (uint32_t)hash & s->mask;

	for (;; b = (b + 1) & s->mask) {
		struct nr_bucket_line *l = nr_shard_bucket(s, b);

		for (uint32_t m = nr_bucket_matches(l, tag); m; m &= m - 1) {
			unsigned i = (unsigned)__builtin_ctz(m);
			struct nr_flow_hot *h = &s->hot[l->index[i]];

			if (!nr_hot_is(h, &s->cold[l->index[i]], &want, k))
				continue;
			*at = b;
			*way = i;
			return h;
		}
		if (!l->overflowed)
			return NULL;
	}
}

struct nr_flow_hot *nr_shard_find(struct nr_shard *s, const struct nr_key *k,
				  uint64_t hash)
{
	uint32_t b;
	unsigned way;

	return find(s, k, hash, &b, &way);
}

static void table_insert(struct nr_shard *s, uint64_t hash, uint32_t index)
{
	uint32_t b = (uint32_t)hash & s->mask;

	for (;; b = (b + 1) & s->mask) {
		struct nr_bucket_line *l = nr_shard_bucket(s, b);

		for (unsigned i = 0; i < NR_BUCKET_WAYS; i++) {
			if (!l->tag[i]) {
				l->tag[i] = nr_bucket_tag(hash);
				l->index[i] = index;
				return;
			}
		}
		l->overflowed++;
	}
}

/* Flows on their way into a table that has grown: their buckets have been asked for. */
struct moving {
	uint64_t hash[AHEAD_BUCKET];
	uint32_t index[AHEAD_BUCKET];
	uint32_t n; /* in all; the last AHEAD_BUCKET are here */
};

static void insert_slot(struct nr_shard *s, uint32_t i, void *arg)
{
	struct moving *m = arg;
	unsigned at = m->n % AHEAD_BUCKET;
	struct nr_key k;

	if (!s->hot[i].in_use)
		return;
	if (m->n >= AHEAD_BUCKET)
		table_insert(s, m->hash[at], m->index[at]);
	k = nr_hot_to_key(&s->hot[i], &s->cold[i]);
	m->hash[at] = nr_key_hash(&k, s->secret);
	m->index[at] = i;
	m->n++;
	nr_shard_prefetch(s, m->hash[at]);
}

static void grow(struct nr_shard *s)
{
	struct moving m = { .n = 0 };

	for (uint32_t b = 0; b <= s->mask; b++)
		*nr_shard_bucket(s, b) = (struct nr_bucket_line){ 0 };
	s->mask = s->mask * 2 + 1;
	each_slot(s, insert_slot, &m);
	for (unsigned i = 0; i < AHEAD_BUCKET && i < m.n; i++)
		table_insert(s, m.hash[i], m.index[i]);
}

static void take_chunk(struct nr_shard *s)
{
	unsigned chunk =
		atomic_fetch_add_explicit(&s->slabs->n_chunks, 1, memory_order_relaxed);

	if (s->n_chunks == s->chunks_cap) {
		s->chunks_cap = s->chunks_cap ? s->chunks_cap * 2 : 16;
		s->chunks = nr_xrealloc(s->chunks, s->chunks_cap * sizeof(s->chunks[0]));
	}
	s->fresh = s->chunks[s->n_chunks++] = chunk * NR_CHUNK_FLOWS;
	s->fresh_end = s->fresh + NR_CHUNK_FLOWS;
}

/* The slot that the next flow will have: its memory is asked for while there is time. */
static void prefetch_slot(const struct nr_shard *s, uint32_t i)
{
	const char *f = (const char *)&s->cold[i];

	__builtin_prefetch(&s->hot[i], 1);
	for (size_t at = 0; at < sizeof(struct nr_flow); at += 64)
		__builtin_prefetch(f + at, 1);
}

static uint32_t slot_new(struct nr_shard *s)
{
	uint32_t i = s->free_head;

	if (i) {
		s->free_head = s->hot[i - 1].free_next;
		if (s->free_head)
			prefetch_slot(s, s->free_head - 1);
		return i - 1;
	}
	if (s->fresh == s->fresh_end)
		take_chunk(s);
	if (s->fresh + 1 < s->fresh_end)
		prefetch_slot(s, s->fresh + 1);
	return s->fresh++;
}

static void set_key(struct nr_flow_hot *h, struct nr_flow *f, const struct nr_key *k)
{
	struct nr_hot_key w = nr_hot_key(k);

	h->ports = w.ports;
	h->rest = w.rest;
	if (k->ip_version == 6) {
		h->ip6 = nr_xmalloc(sizeof(*h->ip6));
		memcpy(h->ip6->lo, k->lo, 16);
		memcpy(h->ip6->hi, k->hi, 16);
	} else {
		memcpy(h->ip, &w.ip, 8);
	}
	memcpy(f->vlan, k->vlan, sizeof(f->vlan));
	if (k->scope) {
		f->extra = nr_xcalloc(1, sizeof(*f->extra));
		f->extra->scope = k->scope;
	}
}

struct nr_flow *nr_shard_add(struct nr_shard *s, const struct nr_key *k, uint64_t hash)
{
	struct nr_flow_hot *h;
	struct nr_flow *f;
	uint32_t index;

	assert(s->n_flows < s->max_flows);
	if (is_crowded(s->n_flows + 1, (uint64_t)s->mask + 1))
		grow(s);
	index = slot_new(s);
	h = &s->hot[index];
	f = &s->cold[index];
	NR_UNPOISON(f, sizeof(*f));
	memset(h, 0, sizeof(*h));
	memset(f, 0, sizeof(*f));
	h->in_use = true;
	f->hot = h;
	f->shard = (uint8_t)s->id;
	f->timer_slot = NR_NO_SLOT;
	set_key(h, f, k);
	table_insert(s, hash, index);
	s->n_flows++;
	return f;
}

static void table_remove(struct nr_shard *s, const struct nr_flow *f)
{
	struct nr_key k = nr_flow_key(f);
	uint64_t hash = nr_key_hash(&k, s->secret);
	uint32_t home = (uint32_t)hash & s->mask, at = 0;
	unsigned way = 0;
	struct nr_flow_hot *h = find(s, &k, hash, &at, &way);

	assert(h == f->hot);
	(void)h;
	nr_shard_bucket(s, at)->tag[way] = 0;
	for (uint32_t b = home; b != at; b = (b + 1) & s->mask)
		nr_shard_bucket(s, b)->overflowed--;
}

/* The time at which the wheel looks at f again. */
static int64_t tick_of(const struct nr_shard *s, const struct nr_flow *f)
{
	uint32_t ahead =
		(uint32_t)(f->timer_slot - (uint64_t)s->now_tick) & (NR_WHEEL_SLOTS - 1);

	return s->now_tick + ahead;
}

static void wheel_remove(struct nr_shard *s, struct nr_flow *f)
{
	uint32_t slot = f->timer_slot;

	if (slot == NR_NO_SLOT)
		return;
	if (f->timer_prev)
		s->cold[f->timer_prev - 1].timer_next = f->timer_next;
	else
		s->wheel[slot] = f->timer_next;
	if (f->timer_next)
		s->cold[f->timer_next - 1].timer_prev = f->timer_prev;
	if (!s->wheel[slot])
		s->busy[slot / 64] &= ~(1ull << slot % 64);
	f->timer_slot = NR_NO_SLOT;
}

void nr_shard_unlink(struct nr_shard *s, struct nr_flow *f)
{
	table_remove(s, f);
	wheel_remove(s, f);
	s->n_flows--;
}

void nr_shard_release(struct nr_shard *s, struct nr_flow *f)
{
	struct nr_flow_hot *h = f->hot;

	h->in_use = false;
	h->free_next = s->free_head;
	s->free_head = nr_shard_index(s, h) + 1;
	f->flow_id = 0;
	/* Not what stands in front: who kept a pointer asks for the flow_id first. */
	NR_POISON(f->packed, sizeof(f->packed));
}

int64_t nr_flow_deadline(const struct nr_shard *s, const struct nr_flow *f)
{
	const struct nr_flow_hot *h = f->hot;
	int64_t from = h->timer == NR_TIMER_ATTEMPT ? f->limit_ns : h->clock_ns;

	if (h->timer == NR_TIMER_CLOSING)
		return f->limit_ns;
	return nr_time_after(from, s->slabs->idle[h->timer]);
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
	int64_t t = tick_after(nr_flow_deadline(s, f));
	uint32_t slot, me = nr_shard_index(s, f->hot) + 1;

	if (t <= s->now_tick)
		t = s->now_tick + 1;
	if (t > s->now_tick + NR_WHEEL_SLOTS - 1)
		t = s->now_tick + NR_WHEEL_SLOTS - 1;
	slot = (uint32_t)t & (NR_WHEEL_SLOTS - 1);
	f->timer_slot = (uint16_t)slot;
	f->timer_prev = 0;
	f->timer_next = s->wheel[slot];
	if (f->timer_next)
		s->cold[f->timer_next - 1].timer_prev = me;
	s->wheel[slot] = me;
	s->busy[slot / 64] |= 1ull << slot % 64;
}

void nr_shard_arm(struct nr_shard *s, struct nr_flow *f)
{
	if (!s->ticking) {
		s->now_tick = tick_before(f->hot->clock_ns);
		s->ticking = true;
	}
	wheel_put(s, f);
}

void nr_shard_rearm(struct nr_shard *s, struct nr_flow *f)
{
	if (f->timer_slot == NR_NO_SLOT ||
	    tick_after(nr_flow_deadline(s, f)) >= tick_of(s, f))
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
		struct nr_flow *f = &s->cold[i - 1];

		i = f->timer_next;
		f->timer_slot = NR_NO_SLOT;
		if (nr_flow_deadline(s, f) <= mark_ns)
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
		f = &s->cold[s->wheel[(uint32_t)t & (NR_WHEEL_SLOTS - 1)] - 1];
		if (tick_after(nr_flow_deadline(s, f)) <= tick_of(s, f) ||
		    tick_of(s, f) == s->now_tick + NR_WHEEL_SLOTS - 1)
			return f;
		wheel_remove(s, f); /* its deadline has moved on: so does it */
		wheel_put(s, f);
	}
}

static void visit_slot(struct nr_shard *s, uint32_t i, void *arg)
{
	const struct each *a = arg;

	if (s->hot[i].in_use)
		a->fn(a->arg, &s->cold[i]);
}

void nr_shard_each(struct nr_shard *s, void (*fn)(void *arg, struct nr_flow *f),
		   void *arg)
{
	struct each a = { .fn = fn, .arg = arg };

	each_slot(s, visit_slot, &a);
}
