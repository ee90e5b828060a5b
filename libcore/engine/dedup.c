/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/dedup.h"

#include "base/cursor.h"
#include "base/hash.h"
#include "base/mem.h"

struct entry {
	uint64_t hash[2];
	int64_t clock_ns;
	uint32_t older, newer; /* neighbours in the chain, as position + 1 */
};

struct nr_dedup {
	struct entry *ring;
	uint32_t *chain; /* heads by hash, as position + 1 */
	uint64_t n;      /* packets compared */
	uint64_t copies;
	uint32_t window, mask;
	int64_t time_ns;
	uint64_t salt[4]; /* secret: nobody makes frames that pass for copies */
};

struct nr_dedup *nr_dedup_new(uint32_t window, int64_t time_ns,
			      struct nr_siphash_key secret)
{
	struct nr_dedup *d = nr_xcalloc(1, sizeof(*d));
	uint32_t buckets = 64;

	d->window = window;
	d->time_ns = time_ns;
	d->salt[0] = secret.k0 ^ 0xa0761d6478bd642f;
	d->salt[1] = secret.k1 ^ 0xe7037ed1a0b428db;
	d->salt[2] = secret.k0 ^ 0x8ebc6af09c88c6e3;
	d->salt[3] = secret.k1 ^ 0x589965cc75374cc3;
	while (buckets < d->window * 2 && buckets < 1u << 30)
		buckets *= 2;
	d->mask = buckets - 1;
	d->ring = nr_xcalloc(d->window, sizeof(d->ring[0]));
	d->chain = nr_xcalloc(buckets, sizeof(d->chain[0]));
	return d;
}

void nr_dedup_free(struct nr_dedup *d)
{
	if (!d)
		return;
	nr_free(d->ring);
	nr_free(d->chain);
	nr_free(d);
}

void nr_dedup_counts(const struct nr_dedup *d, uint64_t *compared, uint64_t *copies)
{
	*compared = d->n;
	*copies = d->copies;
}

static void hash_bytes(const struct nr_dedup *d, uint64_t h[2], const uint8_t *p,
		       size_t n)
{
	uint64_t w[2];

	h[0] = nr_mix(h[0] ^ n, 0x9e3779b97f4a7c15);
	for (; n >= 16; n -= 16, p += 16) {
		memcpy(w, p, 16);
		h[0] = nr_mix(h[0] ^ w[0], w[1] ^ d->salt[0]);
		h[1] = nr_mix(h[1] ^ w[1], w[0] ^ d->salt[1]);
	}
	w[0] = w[1] = 0;
	memcpy(w, p, n);
	h[0] = nr_mix(h[0] ^ w[0], w[1] ^ d->salt[2]);
	h[1] = nr_mix(h[1] ^ w[1], w[0] ^ d->salt[3]);
}

/* Where the outermost IP header of a frame lies; NULL: not found without decoding. */
static const uint8_t *ip_header(const struct nr_packet *p)
{
	struct nr_cursor c = nr_cursor(p->data, p->cap_len);
	unsigned type = 0x0800;

	switch (p->link_type) {
	case 1: /* Ethernet, any VLAN tags */
		nr_get(&c, 12);
		type = nr_get_be16(&c);
		while (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
			nr_get(&c, 2);
			type = nr_get_be16(&c);
		}
		break;
	case 113: /* SLL */
		nr_get(&c, 14);
		type = nr_get_be16(&c);
		break;
	case 12: /* raw IP */
	case 14:
	case 101:
	case 228:
	case 229:
		break;
	default:
		return NULL;
	}
	if (c.bad || !nr_left(&c) || (type != 0x0800 && type != 0x86dd))
		return NULL;
	return c.p;
}

/* The IP header without what a hop changes, then the rest. */
static void hash_frame(const struct nr_dedup *d, uint64_t h[2], const struct nr_packet *p)
{
	const uint8_t *end = p->data + p->cap_len, *l3 = ip_header(p);
	uint8_t head[40] = { 0 };
	size_t n;

	h[0] = p->wire_len;
	h[1] = 0x1d8e4e27c47d124f;
	n = l3 && *l3 >> 4 == 6 ? 40 : 20;
	if (!l3 || (size_t)(end - l3) < n) {
		hash_bytes(d, h, p->data, p->cap_len);
		return;
	}
	h[0] = 0; /* VLAN tags change the length */
	memcpy(head, l3, n);
	if (n == 20)
		head[8] = head[10] = head[11] = 0; /* TTL and with it the checksum */
	else
		head[7] = 0; /* hop limit */
	hash_bytes(d, h, head, n);
	hash_bytes(d, h, l3 + n, (size_t)(end - l3) - n);
}

/* Takes the entry at pos out of its chain. */
static void leave(struct nr_dedup *d, uint32_t pos)
{
	const struct entry *e = &d->ring[pos];

	if (e->newer)
		d->ring[e->newer - 1].older = e->older;
	else
		d->chain[e->hash[0] & d->mask] = e->older;
	if (e->older)
		d->ring[e->older - 1].newer = e->newer;
}

bool nr_dedup_seen(struct nr_dedup *d, const struct nr_packet *p)
{
	uint32_t pos = (uint32_t)(d->n % d->window), *head;
	struct entry *e = &d->ring[pos];
	bool copy = false;
	uint64_t h[2];

	hash_frame(d, h, p);
	if (d->n >= d->window)
		leave(d, pos);
	head = &d->chain[h[0] & d->mask];
	for (uint32_t i = *head; i; i = d->ring[i - 1].older) {
		const struct entry *o = &d->ring[i - 1];

		if (o->hash[0] != h[0] || o->hash[1] != h[1])
			continue;
		/* The newest of its like: if this one is too old, all are. */
		copy = (uint64_t)p->clock_ns - (uint64_t)o->clock_ns <=
		       (uint64_t)d->time_ns;
		break;
	}
	*e = (struct entry){ { h[0], h[1] }, p->clock_ns, *head, 0 };
	if (*head)
		d->ring[*head - 1].newer = pos + 1;
	*head = pos + 1;
	d->n++;
	d->copies += copy;
	return copy;
}
