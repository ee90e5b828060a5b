/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/key.h"

static bool id_is_symmetric(unsigned kind)
{
	return kind == NR_TUN_VXLAN || kind == NR_TUN_VXLAN_GPE ||
	       kind == NR_TUN_GENEVE || kind == NR_TUN_NVGRE;
}

/* What identifies one encapsulation, appended to buf; returns bytes written (<= 40). */
static size_t put_tunnel(uint8_t *buf, const struct nr_tunnel *t)
{
	size_t n = t->ip_version == 6 ? 16 : 4;
	bool swap;

	if (t->kind == NR_TUN_TEREDO)
		return 0;
	buf[0] = t->kind;
	if (id_is_symmetric(t->kind)) {
		memcpy(buf + 1, &t->id, 4);
		return 5;
	}
	swap = memcmp(t->src, t->dst, n) > 0;
	memcpy(buf + 1, swap ? t->dst : t->src, n);
	memcpy(buf + 1 + n, swap ? t->src : t->dst, n);
	return 1 + 2 * n;
}

static uint64_t scope_of(const struct nr_key_config *c, const struct nr_decoded *d,
			 const struct nr_level *l)
{
	uint8_t buf[NR_MAX_TUNNELS * 40 + 2 * NR_MAX_VLANS];
	size_t n = 0;
	uint64_t h;

	for (unsigned i = 0; i < l->n_tunnels; i++)
		n += put_tunnel(buf + n, &d->tunnel[i]);
	if (!c->no_vlan) {
		for (unsigned i = 0; i < d->n_vlans; i++) {
			bool own = i >= l->first_vlan;

			if (i >= (unsigned)l->first_vlan + l->n_vlans)
				break;
			if (own && i < (unsigned)l->first_vlan + 2)
				continue;
			memcpy(buf + n, &d->vlan[i], 2);
			n += 2;
		}
	}
	if (!n)
		return 0;
	h = nr_siphash(c->secret, buf, n);
	return h ? h : 1;
}

static inline void put_v4(uint8_t *o, const uint8_t *address)
{
	uint32_t w[4] = { 0 };

	memcpy(w, address, 4);
	memcpy(o, w, 16);
}

void nr_key_make(struct nr_key *k, bool *src_is_hi, const struct nr_key_config *c,
		 const struct nr_decoded *d, unsigned i)
{
	const struct nr_level *l = &d->level[i];
	int order;
	bool one_way = false, hi;
	uint16_t sport = l->src_port, dport = l->dst_port;

	if (l->proto == 1 || l->proto == 58) {
		if (l->l4_cap >= 2)
			nr_icmp_ports(l->proto, l->l4[0], l->l4[1], &sport, &dport,
				      &one_way);
	}
	if (l->ip_version != 6) {
		uint32_t src = nr_be32(l->src), dst = nr_be32(l->dst);

		order = (src > dst) - (src < dst);
		hi = order > 0 || (order == 0 && sport > dport);
		put_v4(k->lo, hi ? l->dst : l->src);
		put_v4(k->hi, hi ? l->src : l->dst);
	} else {
		order = memcmp(l->src, l->dst, 16);
		hi = order > 0 || (order == 0 && sport > dport);
		memcpy(k->lo, hi ? l->dst : l->src, 16);
		memcpy(k->hi, hi ? l->src : l->dst, 16);
	}
	k->lo_port = hi ? dport : sport;
	k->hi_port = hi ? sport : dport;
	k->vlan[0] = k->vlan[1] = 0;
	if (l->n_vlans && !c->no_vlan) {
		k->vlan[0] = (uint16_t)(d->vlan[l->first_vlan] + 1);
		if (l->n_vlans > 1)
			k->vlan[1] = (uint16_t)(d->vlan[l->first_vlan + 1] + 1);
	}
	k->proto = l->proto;
	k->ip_version = l->ip_version;
	k->one_way = !one_way ? 0 : hi ? 2 : 1;
	memset(k->unused, 0, sizeof(k->unused));
	k->scope =
		l->n_tunnels || l->first_vlan || l->n_vlans > 2 ? scope_of(c, d, l) : 0;
	*src_is_hi = hi;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static inline void put(void *to, uint64_t word)
{
	memcpy(to, &word, sizeof(word));
}

/*
 * TCP or UDP over IPv4 in the frame itself, the most frequent by far: the words of the
 * key are made in registers and go into the hash from there. Read back from memory that
 * was just written in smaller pieces they would be waited for.
 */
static inline uint64_t plain_key(struct nr_key *k, bool *src_is_hi,
				 const struct nr_key_config *c, const struct nr_level *l,
				 uint64_t vlan)
{
	uint64_t a = (uint64_t)nr_be32(l->src) << 16 | l->src_port;
	uint64_t b = (uint64_t)nr_be32(l->dst) << 16 | l->dst_port;
	bool hi = a > b;
	uint64_t swap = (a ^ b) & -(uint64_t)hi; /* a branch would be guessed wrong */
	struct nr_key_words w = { 0 };

	a ^= swap;
	b ^= swap;
	w.w0 = __builtin_bswap32((uint32_t)(a >> 16));
	w.w2 = __builtin_bswap32((uint32_t)(b >> 16));
	w.w4 = (a & 0xffff) | (b & 0xffff) << 16 | vlan << 32;
	w.w5 = (uint64_t)l->proto | 4 << 8;
	put(k->lo, w.w0);
	put(k->lo + 8, 0);
	put(k->hi, w.w2);
	put(k->hi + 8, 0);
	put(&k->lo_port, w.w4);
	put(&k->proto, w.w5);
	k->scope = 0;
	*src_is_hi = hi;
	return nr_key_hash_words(w, c->secret);
}
#endif

static __attribute__((noinline)) uint64_t any_key(struct nr_key *k, bool *src_is_hi,
						  const struct nr_key_config *c,
						  const struct nr_decoded *d, unsigned i)
{
	nr_key_make(k, src_is_hi, c, d, i);
	return nr_key_hash(k, c->secret);
}

uint64_t nr_key_make_hash(struct nr_key *k, bool *src_is_hi,
			  const struct nr_key_config *c, const struct nr_decoded *d,
			  unsigned i)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	const struct nr_level *l = &d->level[i];

	if (l->ip_version == 4 && (l->proto == 6 || l->proto == 17) && !l->n_tunnels &&
	    !l->first_vlan && l->n_vlans < 2)
		return plain_key(k, src_is_hi, c, l,
				 l->n_vlans && !c->no_vlan ? d->vlan[0] + 1u : 0);
#endif
	return any_key(k, src_is_hi, c, d, i);
}
