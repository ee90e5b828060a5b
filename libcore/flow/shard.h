/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One of the 64 virtual shards: hash table, chunks of the slabs of flows (hot and cold
 * parts apart), lazy timer wheel, cap.
 *
 * The table has buckets of one cache line: ten 16-bit tags and ten indices; a full bucket
 * overflows into the next and counts how many did, so that look-ups stop early. Bucket b
 * of all shards lies side by side: their tables grow together in one piece of memory,
 * which large pages can hold. The wheel holds a flow in the slot of a time at or before
 * its deadline; when the slot comes up, flows whose deadline has moved are put back: one
 * move per timeout, not per packet.
 */
#pragma once

#include "flow/hot.h"

#include <stdatomic.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
	NR_BUCKET_WAYS = 10,
	NR_WHEEL_SLOTS = 4096,
	NR_SYN_IDS = 256,
	NR_CHUNK_FLOWS = 64, /* a shard takes so many slots at once */
};

struct nr_bucket_line {
	uint16_t tag[NR_BUCKET_WAYS]; /* 0: free */
	uint16_t overflowed;          /* entries whose probe went past this bucket */
	uint16_t unused;
	uint32_t index[NR_BUCKET_WAYS];
};
_Static_assert(sizeof(struct nr_bucket_line) == 64, "a bucket is one cache line");

/* Address space for all flows there may be. Shards take chunks of it, from any thread. */
struct nr_slabs {
	struct nr_flow_hot *hot;
	struct nr_flow *cold;
	struct nr_bucket_line *buckets; /* bucket b of shard s: b * NR_N_SHARDS + s */
	size_t n_slots, n_buckets;
	int64_t idle[NR_N_TIMERS]; /* by enum nr_timer; CLOSING: unused */
	atomic_uint n_chunks;      /* taken */
};

void nr_slabs_init(struct nr_slabs *b, const struct nr_flow_config *c);
void nr_slabs_fini(struct nr_slabs *b);

struct nr_shard {
	/* What every packet looks at is one cache line; another thread may own the next
	   shard. */
	_Alignas(64) struct nr_bucket_line *buckets; /* of the slabs, from its first on */
	uint32_t mask;                               /* buckets - 1 */
	struct nr_flow_hot *hot; /* the slabs; an index counts from their start */
	struct nr_flow *cold;
	uint32_t n_flows, max_flows;
	uint32_t free_head;        /* index + 1, linked through free_next */
	uint32_t fresh, fresh_end; /* indices of the last chunk never used */
	uint32_t *chunks;          /* index of the first slot of each */
	uint32_t n_chunks, chunks_cap;
	struct nr_slabs *slabs;
	uint32_t id;
	bool general_only; /* nr_flow_config */
	struct nr_siphash_key secret;
	struct nr_flow_wide scratch; /* of the flow that is laid out just now */
	int64_t now_tick;
	bool ticking;                   /* now_tick is set */
	uint32_t wheel[NR_WHEEL_SLOTS]; /* index + 1 */
	uint64_t busy[NR_WHEEL_SLOTS / 64];
	unsigned n_syns;
	struct nr_syn_options syn[NR_SYN_IDS]; /* by syn_id, from 1 */
};

/* b outlives the shard. */
void nr_shard_init(struct nr_shard *s, uint32_t id, struct nr_slabs *b,
		   const struct nr_flow_config *c);
/* fini is called for each flow still there. */
void nr_shard_fini(struct nr_shard *s,
		   void (*fini)(struct nr_shard *s, struct nr_flow *f));

static inline struct nr_bucket_line *nr_shard_bucket(const struct nr_shard *s, uint32_t b)
{
	return &s->buckets[(size_t)b * NR_N_SHARDS];
}

/* NULL: none. */
struct nr_flow_hot *nr_shard_find(struct nr_shard *s, const struct nr_key *k,
				  uint64_t hash);
/* The same; guess: what nr_shard_prefetch_hit() said before. */
static inline struct nr_flow_hot *nr_shard_find_guess(struct nr_shard *s,
						      const struct nr_key *k,
						      uint64_t hash, uint32_t guess)
{
	const struct nr_hot_key want = nr_hot_key(k);

	if (guess && s->hot[guess - 1].in_use &&
	    nr_hot_is(&s->hot[guess - 1], &s->cold[guess - 1], &want, k))
		return &s->hot[guess - 1];
	return nr_shard_find(s, k, hash);
}

/* A zeroed flow under k (which sets scope in a struct nr_flow_extra, if it has one); the
   shard must be below its cap and k not in it. */
struct nr_flow *nr_shard_add(struct nr_shard *s, const struct nr_key *k, uint64_t hash);
/* Out of table and wheel, memory still there until released. */
void nr_shard_unlink(struct nr_shard *s, struct nr_flow *f);
void nr_shard_release(struct nr_shard *s, struct nr_flow *f);

/* When a flow ends unless something happens. */
int64_t nr_flow_deadline(const struct nr_shard *s, const struct nr_flow *f);
/* First entry into the wheel; after a change of the deadline. */
void nr_shard_arm(struct nr_shard *s, struct nr_flow *f);
void nr_shard_rearm(struct nr_shard *s, struct nr_flow *f);
/* Calls fn for each flow with a deadline <= mark_ns; they are not in the wheel then. */
void nr_shard_due(struct nr_shard *s, int64_t mark_ns,
		  void (*fn)(void *arg, struct nr_flow *f), void *arg);
/* The flow with the nearest deadline (to a tick). The shard must not be empty. */
struct nr_flow *nr_shard_nearest(struct nr_shard *s);
void nr_shard_each(struct nr_shard *s, void (*fn)(void *arg, struct nr_flow *f),
		   void *arg);

static inline uint16_t nr_bucket_tag(uint64_t hash)
{
	uint16_t t = (uint16_t)(hash >> 40);

	return t ? t : 1;
}

static inline void nr_shard_prefetch(const struct nr_shard *s, uint64_t hash)
{
	__builtin_prefetch(nr_shard_bucket(s, (uint32_t)hash & s->mask));
}

/* The ways of a bucket whose tag is this one, a bit each. */
static inline uint32_t nr_bucket_matches(const struct nr_bucket_line *b, uint16_t tag)
{
	uint32_t m = 0;
#ifdef __SSE2__
	__m128i t = _mm_loadu_si128((const __m128i *)(const void *)b->tag);

	t = _mm_cmpeq_epi16(t, _mm_set1_epi16((short)tag));
	m = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(t, _mm_setzero_si128()));
	m |= (uint32_t)(b->tag[8] == tag) << 8 | (uint32_t)(b->tag[9] == tag) << 9;
#else
	for (unsigned i = 0; i < NR_BUCKET_WAYS; i++)
		m |= (uint32_t)(b->tag[i] == tag) << i;
#endif
	return m;
}

/* Asks for the hot line; returns its index + 1, or 0: none; a guess. */
static inline uint32_t nr_shard_prefetch_hit(const struct nr_shard *s, uint64_t hash)
{
	const struct nr_bucket_line *b = nr_shard_bucket(s, (uint32_t)hash & s->mask);
	uint32_t m = nr_bucket_matches(b, nr_bucket_tag(hash));
	uint32_t i;

	if (!m)
		return 0;
	i = b->index[__builtin_ctz(m)];
	__builtin_prefetch(&s->hot[i], 1);
	return i + 1;
}

static inline struct nr_flow *nr_shard_flow(struct nr_shard *s, uint32_t index)
{
	return &s->cold[index];
}

static inline uint32_t nr_shard_index(const struct nr_shard *s,
				      const struct nr_flow_hot *h)
{
	return (uint32_t)(h - s->hot);
}
