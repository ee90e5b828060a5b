/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses exchanged for those of examples: 192.0.2.0/24, 198.51.100.0/24 and
 * 203.0.113.0/24 (RFC 5737), 2001:db8::/32 (RFC 3849), 02:00:… for MAC addresses.
 * Broadcast, multicast, loopback, unspecified and link-local ones mean something and
 * stay; so do those for which nothing is left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nr_address {
	uint8_t from[16], to[16];
	size_t len; /* 4, 6 or 16 */
};

struct nr_addresses {
	struct nr_address *v;
	size_t n, room;
	unsigned n_of[17]; /* by length */
};

/* Exchanges the address at p, of len bytes. */
void nr_address_map(struct nr_addresses *a, uint8_t *p, size_t len);
/* The text with each word that is a mapped address exchanged; caller frees. out_len may
   be NULL. */
char *nr_addresses_rename(const struct nr_addresses *a, const char *text, size_t len,
			  size_t *out_len);
void nr_addresses_fini(struct nr_addresses *a);
