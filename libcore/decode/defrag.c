/* SPDX-License-Identifier: BSD-3-Clause */
#include "decode/defrag.h"

#include "base/mem.h"

#include <string.h>
#include <sys/random.h>

enum {
	UNIT = 8, /* offsets are multiples of this */
	MAX_DATA = 65536,
	BUCKETS_MIN = 256,
	BUCKETS_MAX = 65536,
	NO_TOTAL = 0x7fffffff,
};

/* Who gave a unit its bytes: the extent of that fragment, in units. */
struct owner {
	uint16_t start, end;
};

struct dgram {
	struct dgram *hash_next;
	struct dgram *older, *newer;
	uint64_t hash;
	uint8_t src[16], dst[16];
	uint64_t context;
	uint32_t id;
	uint8_t proto, ip_version;
	uint8_t first_proto; /* of the fragment with offset 0 */
	bool dead;           /* IPv6 with an overlap: nothing of it is kept */
	int64_t first_ns;
	uint32_t total; /* bytes in all, NO_TOTAL until the last is here */
	uint32_t max_end;
	uint32_t n_covered; /* units */
	uint32_t cut_at;    /* first byte that was not captured */
	uint8_t *hdr;       /* NULL until offset 0 is here */
	uint32_t hdr_len;
	uint8_t *buf;
	uint32_t units;                    /* room in buf and the maps */
	uint64_t *covered, *starts, *ends; /* bit maps over units, one allocation */
	struct owner *owner;               /* only from the first overlap on */
	struct nr_frag_record *records;
	uint32_t n_records, room_records;
	size_t memory;
};

struct lost {
	struct nr_frag_record record;
	const char *why;
	uint8_t ip_version;
};

struct nr_defrag {
	struct nr_decoder_config config;
	struct dgram **buckets;
	uint32_t n_buckets, n;
	uint64_t seed;
	struct dgram *oldest, *newest;
	size_t memory;
	struct lost *lost;
	size_t n_lost, room_lost;
	uint8_t **done; /* handed out since the last release */
	size_t n_done, room_done;
	struct nr_frag_record *done_records; /* of the last one */
};

struct nr_defrag *nr_defrag_new(const struct nr_decoder_config *c)
{
	struct nr_defrag *d = nr_xcalloc(1, sizeof(*d));

	d->config = *c;
	d->n_buckets = BUCKETS_MIN;
	d->buckets = nr_xcalloc(d->n_buckets, sizeof(*d->buckets));
	/* against crafted collisions; the order in a bucket reaches no record */
	if (getrandom(&d->seed, sizeof(d->seed), GRND_NONBLOCK) < 0)
		d->seed = (uintptr_t)d;
	return d;
}

size_t nr_defrag_memory(const struct nr_defrag *d)
{
	return d->memory;
}

uint32_t nr_defrag_count(const struct nr_defrag *d)
{
	return d->n;
}

static void charge(struct nr_defrag *d, struct dgram *g, size_t n)
{
	g->memory += n;
	d->memory += n;
}

static void free_data(struct nr_defrag *d, struct dgram *g)
{
	nr_free(g->hdr);
	nr_free(g->buf);
	nr_free(g->covered);
	nr_free(g->owner);
	nr_free(g->records);
	g->hdr = NULL;
	g->buf = NULL;
	g->covered = g->starts = g->ends = NULL;
	g->owner = NULL;
	g->records = NULL;
	g->units = g->n_records = g->room_records = 0;
	d->memory -= g->memory;
	g->memory = 0;
}

/* Out of the table and the list of ages, with all it holds. */
static void drop(struct nr_defrag *d, struct dgram *g)
{
	struct dgram **p = &d->buckets[g->hash & (d->n_buckets - 1)];

	while (*p != g)
		p = &(*p)->hash_next;
	*p = g->hash_next;
	if (g->older)
		g->older->newer = g->newer;
	else
		d->oldest = g->newer;
	if (g->newer)
		g->newer->older = g->older;
	else
		d->newest = g->older;
	d->n--;
	free_data(d, g);
	nr_free(g);
}

static void lose_record(struct nr_defrag *d, const struct nr_frag_record *r,
			const char *why, uint8_t ip_version)
{
	if (d->n_lost == d->room_lost) {
		d->room_lost = d->room_lost ? d->room_lost * 2 : 64;
		d->lost = nr_xrealloc(d->lost, d->room_lost * sizeof(*d->lost));
	}
	d->lost[d->n_lost++] = (struct lost){ *r, why, ip_version };
}

/* The records that come with a fragment which is not kept. */
static void lose_fragment(struct nr_defrag *d, const struct nr_fragment *f,
			  const char *why)
{
	for (uint32_t i = 0; i < f->n_before; i++)
		lose_record(d, &f->before[i], why, (uint8_t)f->ip_version);
	lose_record(d, &f->record, why, (uint8_t)f->ip_version);
}

static void lose(struct nr_defrag *d, const struct dgram *g, const char *why)
{
	for (uint32_t i = 0; i < g->n_records; i++)
		lose_record(d, &g->records[i], why, g->ip_version);
}

static void pass_on(struct nr_defrag *d, nr_frag_lost_fn *lost, void *arg)
{
	if (lost)
		for (size_t i = 0; i < d->n_lost; i++)
			lost(arg, &d->lost[i].record, d->lost[i].why,
			     d->lost[i].ip_version);
	d->n_lost = 0;
}

static bool expired(const struct nr_defrag *d, const struct dgram *g, int64_t clock_ns)
{
	return clock_ns >= g->first_ns && (uint64_t)clock_ns - (uint64_t)g->first_ns >=
						  (uint64_t)d->config.frag_timeout_ns;
}

static void drop_expired(struct nr_defrag *d, int64_t clock_ns)
{
	for (struct dgram *g = d->oldest, *newer; g; g = newer) {
		newer = g->newer;
		if (!expired(d, g, clock_ns))
			break;
		lose(d, g, "timeout");
		drop(d, g);
	}
}

void nr_defrag_expire(struct nr_defrag *d, int64_t clock_ns, nr_frag_lost_fn *lost,
		      void *arg)
{
	nr_free(d->done_records);
	d->done_records = NULL;
	drop_expired(d, clock_ns);
	pass_on(d, lost, arg);
}

void nr_defrag_flush(struct nr_defrag *d, nr_frag_lost_fn *lost, void *arg)
{
	while (d->oldest) {
		lose(d, d->oldest, "end");
		drop(d, d->oldest);
	}
	pass_on(d, lost, arg);
}

void nr_defrag_release(struct nr_defrag *d)
{
	for (size_t i = 0; i < d->n_done; i++)
		nr_free(d->done[i]);
	d->n_done = 0;
}

uint8_t **nr_defrag_take(struct nr_defrag *d, size_t *n)
{
	uint8_t **done = d->n_done ? d->done : NULL;

	*n = d->n_done;
	if (!done)
		return NULL;
	d->done = NULL;
	d->n_done = d->room_done = 0;
	return done;
}

void nr_defrag_free(struct nr_defrag *d)
{
	if (!d)
		return;
	while (d->oldest)
		drop(d, d->oldest);
	nr_defrag_release(d);
	nr_free(d->done);
	nr_free(d->done_records);
	nr_free(d->lost);
	nr_free(d->buckets);
	nr_free(d);
}

static uint64_t mix(uint64_t h, const uint8_t *p, size_t n)
{
	for (; n; p += 4, n -= 4) {
		h = (h ^ nr_be32(p)) * 0x9e3779b97f4a7c15u;
		h ^= h >> 32;
	}
	return h;
}

static uint64_t hash_key(const struct nr_defrag *d, const struct nr_fragment *f)
{
	size_t n = f->ip_version == 4 ? 4 : 16;
	uint64_t h = d->seed ^ f->context;

	h = mix(h, f->src, n);
	h = mix(h, f->dst, n);
	h = (h ^ f->id ^ (f->ip_version == 4 ? (uint64_t)f->proto << 32 : 1ull << 40)) *
	    0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static void grow_table(struct nr_defrag *d)
{
	uint32_t n = d->n_buckets * 2;
	struct dgram **b = nr_xcalloc(n, sizeof(*b));

	for (struct dgram *g = d->oldest; g; g = g->newer) {
		g->hash_next = b[g->hash & (n - 1)];
		b[g->hash & (n - 1)] = g;
	}
	nr_free(d->buckets);
	d->buckets = b;
	d->n_buckets = n;
}

static struct dgram *find(struct nr_defrag *d, const struct nr_fragment *f, uint64_t hash)
{
	size_t n = f->ip_version == 4 ? 4 : 16;

	for (struct dgram *g = d->buckets[hash & (d->n_buckets - 1)]; g; g = g->hash_next)
		if (g->hash == hash && g->id == f->id && g->context == f->context &&
		    g->ip_version == f->ip_version &&
		    (f->ip_version == 6 || g->proto == f->proto) &&
		    !memcmp(g->src, f->src, n) && !memcmp(g->dst, f->dst, n))
			return g;
	return NULL;
}

static struct dgram *create(struct nr_defrag *d, const struct nr_fragment *f,
			    uint64_t hash)
{
	size_t n = f->ip_version == 4 ? 4 : 16;
	struct dgram *g = nr_xcalloc(1, sizeof(*g));

	if (d->n >= d->n_buckets && d->n_buckets < BUCKETS_MAX)
		grow_table(d);
	g->hash = hash;
	memcpy(g->src, f->src, n);
	memcpy(g->dst, f->dst, n);
	g->context = f->context;
	g->id = f->id;
	g->proto = f->proto;
	g->ip_version = (uint8_t)f->ip_version;
	g->first_ns = f->clock_ns;
	g->total = NO_TOTAL;
	g->cut_at = NO_TOTAL;
	g->hash_next = d->buckets[hash & (d->n_buckets - 1)];
	d->buckets[hash & (d->n_buckets - 1)] = g;
	g->older = d->newest;
	if (d->newest)
		d->newest->newer = g;
	else
		d->oldest = g;
	d->newest = g;
	d->n++;
	charge(d, g, sizeof(*g));
	return g;
}

static bool bit(const uint64_t *map, uint32_t i)
{
	return map[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *map, uint32_t i)
{
	map[i / 64] |= 1ull << (i % 64);
}

/* The bits a … b - 1 of word w of a map: all ones where they are. */
static uint64_t span_mask(uint32_t w, uint32_t a, uint32_t b)
{
	uint64_t m = ~0ull;

	if (w == a / 64)
		m &= ~0ull << (a % 64);
	if (w == b / 64)
		m &= (1ull << (b % 64)) - 1;
	return m;
}

/* How many of the bits a … b - 1 are set; which is the first, and the last. */
static uint32_t count_bits(const uint64_t *map, uint32_t a, uint32_t b, uint32_t *first,
			   uint32_t *last)
{
	uint32_t n = 0;

	for (uint32_t w = a / 64; w * 64 < b; w++) {
		uint64_t x = map[w] & span_mask(w, a, b);

		if (!x)
			continue;
		if (!n)
			*first = w * 64 + (uint32_t)__builtin_ctzll(x);
		*last = w * 64 + 63 - (uint32_t)__builtin_clzll(x);
		n += (uint32_t)__builtin_popcountll(x);
	}
	return n;
}

static void set_bits(uint64_t *map, uint32_t a, uint32_t b)
{
	for (uint32_t w = a / 64; w * 64 < b; w++)
		map[w] |= span_mask(w, a, b);
}

/* Room for data up to byte end. */
static void make_room(struct nr_defrag *d, struct dgram *g, uint32_t end)
{
	uint32_t need = (end + UNIT - 1) / UNIT, room = g->units ? g->units : 256;
	uint32_t words, old_words = g->units / 64;
	uint64_t *maps;

	if (need <= g->units)
		return;
	while (room < need)
		room *= 2;
	words = room / 64;
	g->buf = nr_xrealloc(g->buf, (size_t)room * UNIT);
	maps = nr_xcalloc((size_t)words * 3, 8);
	if (g->covered) {
		memcpy(maps, g->covered, old_words * 8u);
		memcpy(maps + words, g->starts, old_words * 8u);
		memcpy(maps + 2 * words, g->ends, old_words * 8u);
		nr_free(g->covered);
	}
	g->covered = maps;
	g->starts = maps + words;
	g->ends = maps + 2 * words;
	charge(d, g, (size_t)(room - g->units) * UNIT + (words - old_words) * 24u);
	if (g->owner) {
		g->owner = nr_xrealloc(g->owner, room * sizeof(*g->owner));
		charge(d, g, (room - g->units) * sizeof(*g->owner));
	}
	g->units = room;
}

static void add_record(struct nr_defrag *d, struct dgram *g,
		       const struct nr_frag_record *r)
{
	if (g->n_records == g->room_records) {
		uint32_t room = g->room_records ? g->room_records * 2 : 4;

		g->records = nr_xrealloc(g->records, room * sizeof(*r));
		charge(d, g, (room - g->room_records) * sizeof(*r));
		g->room_records = room;
	}
	g->records[g->n_records++] = *r;
}

/* Until the first overlap extents are disjoint, so the maps say who owns what. */
static void make_owners(struct nr_defrag *d, struct dgram *g)
{
	uint16_t start = 0;

	g->owner = nr_xcalloc(g->units, sizeof(*g->owner));
	charge(d, g, g->units * sizeof(*g->owner));
	for (uint32_t i = 0; i < g->units; i++) {
		if (!bit(g->covered, i))
			continue;
		if (bit(g->starts, i))
			start = (uint16_t)i;
		g->owner[i].start = start;
	}
	for (uint32_t i = g->units, end = 0; i-- > 0;) {
		if (!bit(g->covered, i))
			continue;
		if (bit(g->ends, i))
			end = i + 1;
		g->owner[i].end = (uint16_t)end;
	}
}

/*
 * Whether the bytes of a new fragment [a, b) win over those of an old one [c, d) where
 * they overlap. The names and rules of Novak, Target-Based Fragmentation Reassembly
 * (2005), with Solaris and Windows as later engines that follow it tell them apart.
 * Offsets are those the fragments were sent with, in units of 8.
 */
static bool new_wins(enum nr_overlap policy, uint32_t a, uint32_t b, struct owner o)
{
	switch (policy) {
	case NR_OVERLAP_FIRST:
		return false;
	case NR_OVERLAP_LAST:
		return true;
	case NR_OVERLAP_BSD: /* an old one that begins no later stays */
		return o.start > a;
	case NR_OVERLAP_LINUX: /* an old one that begins earlier stays */
		return o.start >= a;
	case NR_OVERLAP_WINDOWS: /* only what surrounds an old one replaces it */
		return a < o.start && b > o.end;
	case NR_OVERLAP_SOLARIS: /* … or ends with it */
		return a < o.start && b >= o.end;
	default:
		return false;
	}
}

/* Copies the data where it is new or wins, and says what it met. */
static void place(struct nr_defrag *d, struct dgram *g, const struct nr_fragment *f,
		  struct nr_frag_oddity *odd, bool *duplicate)
{
	uint32_t a = f->off / UNIT, b = (f->off + f->len + UNIT - 1) / UNIT;
	uint32_t with_bytes =
		a + (f->cap + UNIT - 1) / UNIT; /* behind it: lengths only */
	uint32_t i, first_old = 0, last_old = 0, first = 0, last = 0;
	uint32_t n_old = count_bits(g->covered, a, b, &first_old, &last_old);
	bool split = n_old && b > a && count_bits(g->starts, a + 1, b, &first, &last);

	*duplicate = false;
	if (n_old)
		odd->overlap_off = first_old * UNIT;
	for (i = n_old ? first_old : b; i <= last_old && i < with_bytes; i++) {
		uint32_t at = i * UNIT, in = at - f->off, n;

		n = f->len - in < UNIT ? f->len - in : UNIT;
		if (!bit(g->covered, i) || at >= g->cut_at)
			continue;
		if (n > f->cap - in)
			n = f->cap - in;
		if (n > g->cut_at - at)
			n = g->cut_at - at;
		if (memcmp(g->buf + at, f->data + in, n) != 0)
			odd->conflict = true;
	}
	if (n_old) {
		odd->overlap_len = n_old * UNIT;
		if (last_old == b - 1 && f->len % UNIT)
			odd->overlap_len -= UNIT - f->len % UNIT;
		if (n_old == b - a && !odd->conflict && !split && bit(g->starts, a) &&
		    bit(g->ends, b - 1)) {
			*duplicate = true;
			odd->overlap_off = odd->overlap_len = 0;
			return;
		}
		if (g->ip_version == 6)
			return;
		if (!g->owner)
			make_owners(d, g);
	}
	if (f->cap < f->len && f->off + f->cap < g->cut_at)
		g->cut_at = f->off + f->cap;
	if (!n_old) {
		memcpy(g->buf + f->off, f->data, f->cap);
	} else {
		for (i = a; i < b; i++) {
			uint32_t in = i * UNIT - f->off;

			if (bit(g->covered, i) &&
			    !new_wins(d->config.overlap, a, b, g->owner[i]))
				continue;
			if (in < f->cap)
				memcpy(g->buf + i * UNIT, f->data + in,
				       f->cap - in < UNIT ? f->cap - in : UNIT);
			g->owner[i] = (struct owner){ (uint16_t)a, (uint16_t)b };
		}
	}
	if (g->owner && !n_old)
		for (i = a; i < b; i++)
			g->owner[i] = (struct owner){ (uint16_t)a, (uint16_t)b };
	g->n_covered += b - a - n_old;
	set_bits(g->covered, a, b);
	if (b > a) {
		set_bit(g->starts, a);
		set_bit(g->ends, b - 1);
	}
}

/* Makes room under the caps; true where g itself had to go. */
static bool evict(struct nr_defrag *d, const struct dgram *g, struct nr_frag_oddity *odd)
{
	bool self = false;

	while (d->oldest &&
	       (d->memory > d->config.frag_memory || d->n > d->config.frag_datagrams)) {
		self = self || d->oldest == g;
		lose(d, d->oldest, "evicted");
		drop(d, d->oldest);
		odd->evicted = true;
	}
	return self;
}

static void finish(struct nr_defrag *d, struct dgram *g, struct nr_datagram *done)
{
	uint32_t cap = g->cut_at < g->total ? g->cut_at : g->total;
	uint8_t *out = nr_xmalloc((size_t)g->hdr_len + cap);

	memcpy(out, g->hdr, g->hdr_len);
	if (cap)
		memcpy(out + g->hdr_len, g->buf, cap);
	if (d->n_done == d->room_done) {
		d->room_done = d->room_done ? d->room_done * 2 : 64;
		d->done = nr_xrealloc(d->done, d->room_done * sizeof(*d->done));
	}
	d->done[d->n_done++] = out;
	*done = (struct nr_datagram){
		.hdr = out,
		.hdr_len = g->hdr_len,
		.len = g->total,
		.cap = cap,
		.proto = g->first_proto,
		.records = g->records,
		.n_records = g->n_records,
	};
	d->done_records = g->records;
	d->memory -= g->room_records * sizeof(*g->records);
	g->memory -= g->room_records * sizeof(*g->records);
	g->records = NULL;
	drop(d, g);
}

static void forget_done(struct nr_defrag *d)
{
	nr_free(d->done_records);
	d->done_records = NULL;
}

enum nr_frag_verdict nr_defrag_add(struct nr_defrag *d, const struct nr_fragment *f,
				   struct nr_datagram *done, struct nr_frag_oddity *odd)
{
	uint64_t hash = hash_key(d, f);
	uint32_t end = f->off + f->len;
	uint32_t fixed = f->ip_version == 4 ? f->hdr_len : f->hdr_len - 40;
	struct dgram *g;
	bool duplicate;

	*odd = (struct nr_frag_oddity){ 0 };
	/* a datagram's last moment must not depend on when the caller looks */
	drop_expired(d, f->clock_ns);
	if (f->len > 65535 || end > 65535 || fixed > 65535 - end)
		return NR_FRAG_REFUSED;
	g = find(d, f, hash);
	if (g && g->dead) {
		lose_fragment(d, f, "overlap");
		forget_done(d);
		return NR_FRAG_HELD;
	}
	if (g &&
	    (end > g->total || (!f->more && (end < g->max_end ||
					     (g->total != NO_TOTAL && end != g->total)))))
		return NR_FRAG_REFUSED;
	if (!g)
		g = create(d, f, hash);
	make_room(d, g, end);
	place(d, g, f, odd, &duplicate);
	if (odd->overlap_len && g->ip_version == 6) {
		lose(d, g, "overlap");
		lose_fragment(d, f, "overlap");
		forget_done(d);
		free_data(d, g);
		g->dead = true;
		charge(d, g, sizeof(*g));
		return NR_FRAG_HELD;
	}
	if (!duplicate) {
		if (end > g->max_end)
			g->max_end = end;
		if (!f->more)
			g->total = end;
		if (f->off == 0 &&
		    (!g->hdr || !odd->overlap_len ||
		     (g->owner && g->owner[0].end == (end + UNIT - 1) / UNIT &&
		      new_wins(d->config.overlap, 0, (end + UNIT - 1) / UNIT,
			       g->owner[0])))) {
			if (g->hdr) {
				nr_free(g->hdr);
				d->memory -= g->hdr_len;
				g->memory -= g->hdr_len;
			}
			g->hdr = nr_xmalloc(f->hdr_len);
			memcpy(g->hdr, f->hdr, f->hdr_len);
			g->hdr_len = f->hdr_len;
			g->first_proto = f->proto;
			charge(d, g, f->hdr_len);
		}
	}
	for (uint32_t i = 0; i < f->n_before; i++)
		add_record(d, g, &f->before[i]);
	forget_done(d); /* f->before may have been its */
	if (g->hdr && g->total != NO_TOTAL &&
	    g->n_covered == (g->total + UNIT - 1) / UNIT) {
		finish(d, g, done);
		return NR_FRAG_DONE;
	}
	add_record(d, g, &f->record);
	evict(d, g, odd);
	return NR_FRAG_HELD;
}
