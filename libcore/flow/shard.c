/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/shard.h"

#include "base/mem.h"

#include <assert.h>
#include <stddef.h>
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

/* Address space only: pages become memory when flows first use them. */
static void *slab_new(const struct nr_shard *s, size_t size)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *p;

	/* cppcheck-suppress invalidFunctionArg */
	p = mmap(NULL, s->max_flows * size, PROT_READ | PROT_WRITE, flags, -1, 0);
	return p == MAP_FAILED ? nr_xmalloc(SIZE_MAX) : p; /* says so and ends */
}

void nr_shard_init(struct nr_shard *s, uint32_t id, const struct nr_flow_config *c)
{
	s->id = id;
	s->general_only = c->general_only;
	s->secret = c->key.secret;
	s->max_flows = (uint32_t)(c->max_flows / NR_N_SHARDS);
	s->idle[NR_TIMER_TCP] = c->tcp_timeout;
	s->idle[NR_TIMER_HALF_CLOSED] = c->half_closed_timeout;
	s->idle[NR_TIMER_UDP] = c->udp_timeout;
	s->idle[NR_TIMER_ICMP] = c->icmp_timeout;
	s->idle[NR_TIMER_OTHER] = c->other_timeout;
	s->idle[NR_TIMER_ATTEMPT] = c->attempt_timeout;
	s->mask = FIRST_BUCKETS - 1;
	s->buckets = buckets_new(FIRST_BUCKETS);
	s->hot = slab_new(s, sizeof(s->hot[0]));
	s->cold = slab_new(s, sizeof(s->cold[0]));
}

void nr_shard_fini(struct nr_shard *s,
		   void (*fini)(struct nr_shard *s, struct nr_flow *f))
{
	NR_UNPOISON(s->cold, s->max_flows * sizeof(s->cold[0]));
	for (uint32_t i = 0; i < s->slab_used; i++) {
		if (s->hot[i].in_use)
			fini(s, &s->cold[i]);
	}
	munmap(s->hot, s->max_flows * sizeof(s->hot[0]));
	munmap(s->cold, s->max_flows * sizeof(s->cold[0]));
	free(s->buckets);
}

void nr_shard_prefetch(const struct nr_shard *s, uint64_t hash)
{
	__builtin_prefetch(&s->buckets[(uint32_t)hash & s->mask]);
}

/*
 * The ways of a bucket whose tag matches, four tags a word: for word w, a bit at 15 of
 * each 16. Above a match there may be one too many; the key tells.
 */
static inline uint64_t matches(const struct nr_bucket_line *b, unsigned w, uint16_t tag)
{
	const uint64_t ones = 0x0001000100010001, tops = 0x8000800080008000;
	uint64_t x;

	memcpy(&x, (const uint8_t *)b + 8 * w, 8);
	x ^= tag * ones;
	return (x - ones) & ~x & (w < 2 ? tops : tops & UINT32_MAX);
}
_Static_assert(offsetof(struct nr_bucket_line, tag) == 0 && NR_BUCKET_WAYS == 10,
	       "the tags of a bucket are two words and a half");

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "matches() counts from the low end"
#endif

void nr_shard_prefetch_hit(const struct nr_shard *s, uint64_t hash)
{
	const struct nr_bucket_line *b = &s->buckets[(uint32_t)hash & s->mask];
	uint16_t tag = tag_of(hash);

	for (unsigned w = 0; w < 3; w++) {
		uint64_t m = matches(b, w, tag);

		if (m) {
			unsigned i = w * 4 + (unsigned)__builtin_ctzll(m) / 16;

			__builtin_prefetch(&s->hot[b->index[i]], 1);
			return;
		}
	}
}

static struct nr_flow_hot *find(struct nr_shard *s, const struct nr_key *k, uint64_t hash,
				uint32_t *at, unsigned *way)
{
	const struct nr_hot_key want = nr_hot_key(k);
	uint16_t tag = tag_of(hash);
	uint32_t b = (uint32_t)hash & s->mask;

	for (;; b = (b + 1) & s->mask) {
		struct nr_bucket_line *l = &s->buckets[b];

		for (unsigned w = 0; w < 3; w++) {
			for (uint64_t m = matches(l, w, tag); m; m &= m - 1) {
				unsigned i = w * 4 + (unsigned)__builtin_ctzll(m) / 16;
				struct nr_flow_hot *h = &s->hot[l->index[i]];

				if (l->tag[i] != tag ||
				    !nr_hot_is(h, &s->cold[l->index[i]], &want, k))
					continue;
				*at = b;
				*way = i;
				return h;
			}
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
		struct nr_key k;

		if (!s->hot[i].in_use)
			continue;
		k = nr_flow_key(&s->cold[i]);
		table_insert(s, nr_key_hash(&k, s->secret), i);
	}
}

/* A shard with thousands of flows is worth large pages; a small one is not. */
static void use_huge_pages(const struct nr_shard *s, void *slab, size_t size)
{
	uintptr_t from = (uintptr_t)slab + HUGE_FROM * size;
	uintptr_t to = (uintptr_t)slab + s->max_flows * size;

	from = (from + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
	if (to > from)
		madvise((void *)from, to - from, MADV_HUGEPAGE); /* a hint: may fail */
}

static uint32_t slot_new(struct nr_shard *s)
{
	uint32_t i;

	if (s->free_head) {
		i = s->free_head - 1;
		s->free_head = s->hot[i].free_next;
		return i;
	}
	i = s->slab_used++;
	if (i == HUGE_FROM) {
		use_huge_pages(s, s->hot, sizeof(s->hot[0]));
		use_huge_pages(s, s->cold, sizeof(s->cold[0]));
	}
	return i;
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
	if ((uint64_t)(s->n_flows + 1) * 4 > (uint64_t)(s->mask + 1) * NR_BUCKET_WAYS * 3)
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
	s->buckets[at].tag[way] = 0;
	for (uint32_t b = home; b != at; b = (b + 1) & s->mask)
		s->buckets[b].overflowed--;
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
	int64_t from = h->timer == NR_TIMER_ATTEMPT ? f->limit_ns : h->clock_ns, r;

	if (h->timer == NR_TIMER_CLOSING)
		return f->limit_ns;
	return __builtin_add_overflow(from, s->idle[h->timer], &r) ? INT64_MAX : r;
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

void nr_shard_each(struct nr_shard *s, void (*fn)(void *arg, struct nr_flow *f),
		   void *arg)
{
	for (uint32_t i = 0; i < s->slab_used; i++) {
		if (s->hot[i].in_use)
			fn(arg, &s->cold[i]);
	}
}
