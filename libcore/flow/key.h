/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The key of a flow: 5-tuple, VLAN ids and tunnel scope, the same for both directions.
 *
 * The endpoints are sorted bytewise (address, then port); which of them sent a packet is
 * told by `src_is_hi`. The scope of a tunnel is its kind and id where the id is the same
 * both ways (VXLAN, VXLAN-GPE, GENEVE, NVGRE), else the kind and the unordered pair of
 * outer addresses (GTP-U, L2TP, GRE, IPIP, …), for Teredo nothing; it enters the key as a
 * SipHash under a secret key, 0 without tunnels. VLAN ids in front of a tunnel belong to
 * its scope, the two outermost of the packet itself to the key, deeper ones to the scope.
 */
#pragma once

#include "base/hash.h"
#include "decode/decode.h"

struct nr_key {
	uint8_t lo[16], hi[16]; /* IPv4: 4 bytes and zeroes */
	uint16_t lo_port, hi_port;
	uint16_t vlan[2]; /* id + 1; 0: none */
	uint8_t proto, ip_version;
	uint8_t one_way; /* ICMP types without a counterpart: 1 from lo, 2 from hi */
	uint8_t unused[5];
	uint64_t scope;
};

struct nr_key_config {
	struct nr_siphash_key secret; /* random for each run */
	bool no_vlan;
};

/*
 * The key of level i of a decoded packet. *src_is_hi: the sender is the hi endpoint
 * (false where both are equal).
 */
void nr_key_make(struct nr_key *k, bool *src_is_hi, const struct nr_key_config *c,
		 const struct nr_decoded *d, unsigned i);

/* The same and nr_key_hash() of it, which is what every packet needs. */
uint64_t nr_key_make_hash(struct nr_key *k, bool *src_is_hi,
			  const struct nr_key_config *c, const struct nr_decoded *d,
			  unsigned i);

/*
 * Where a key belongs: the upper six bits are the shard, an unkeyed symmetric hash of the
 * 5-tuple, the same on every run; the rest is placement inside the shard, mixed with the
 * secret so that nobody can craft collisions.
 */
struct nr_key_words {
	uint64_t w0, w1, w2, w3, w4, w5, w6; /* of struct nr_key */
};

static inline uint64_t nr_key_hash_words(struct nr_key_words k,
					 struct nr_siphash_key secret)
{
	uint64_t shard, place;

	shard = nr_mix(k.w0 ^ k.w2 ^ nr_rotl(k.w1 ^ k.w3, 17) ^ 0x9e3779b97f4a7c15,
		       k.w4 ^ 0xd6e8feb86659fd93);
	k.w0 = nr_mix(k.w0 ^ secret.k0, k.w2 ^ secret.k1);
	k.w1 = nr_mix(k.w1 ^ secret.k1, k.w3 ^ secret.k0);
	k.w4 = nr_mix(k.w4 ^ secret.k0, k.w5 ^ k.w6 ^ secret.k1);
	place = nr_mix(k.w0 ^ nr_rotl(k.w1, 23), k.w4 ^ secret.k0);
	return place >> 6 | shard << 58;
}

static inline uint64_t nr_key_hash(const struct nr_key *k, struct nr_siphash_key secret)
{
	struct nr_key_words w;

	memcpy(&w, k, sizeof(w));
	return nr_key_hash_words(w, secret);
}

static inline unsigned nr_key_shard(uint64_t hash)
{
	return (unsigned)(hash >> 58);
}

static inline bool nr_key_equal(const struct nr_key *a, const struct nr_key *b)
{
	uint64_t x[7], y[7], d = 0;

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	for (int i = 0; i < 7; i++)
		d |= x[i] ^ y[i];
	return !d;
}
_Static_assert(sizeof(struct nr_key) == 56, "nr_key_equal compares seven words");
