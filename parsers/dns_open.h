/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queries of one flow that wait for their response.
 *
 * The usual flow has one at a time, which lives in the parser's context and costs no
 * allocation. Once two are open they move into a table that finds them by id and
 * question, and by id alone, in constant time: its hashes have a key that the sender
 * cannot know.
 */
#pragma once

#include "base/hash.h"
#include "session/account.h"

#include <stdbool.h>

enum {
	NR_DNS_INLINE = 96,        /* bytes of a query that need no memory of their own */
	NR_DNS_OPEN_MAX = 1 << 14, /* open at once in a flow */
	NR_DNS_OPEN_BYTES = 1 << 20, /* of those longer than NR_DNS_INLINE: one flow must
					not use up what all share */
};

struct nr_dns_query {
	int64_t ts_ns, clock_ns;
	uint64_t packet;
	uint64_t repeat_of; /* packet, 0: none */
	uint64_t hash;      /* of the question; 0: none */
	uint8_t *far;       /* the message where it is longer than NR_DNS_INLINE */
	int64_t source_id;
	uint32_t wire_len;
	uint16_t len, id;
	uint8_t side;
	bool complete;
	uint8_t near[NR_DNS_INLINE];
};

struct nr_dns_table;

/* Ready for use when zeroed, but for the key. */
struct nr_dns_open {
	struct nr_siphash_key key;  /* anything the sender cannot know; rows do not depend
				       on it */
	struct nr_dns_table *table; /* NULL: at most `one` is open */
	struct nr_dns_query one;
	uint32_t far_bytes; /* of all queries that are open */
	bool has_one;
};

static inline const uint8_t *nr_dns_query_bytes(const struct nr_dns_query *q)
{
	return q->far ? q->far : q->near;
}

/* Pointers to queries hold until the next add, remove or free. */

/* The oldest open query of side with id and hash, or NULL. */
struct nr_dns_query *nr_dns_open_find(struct nr_dns_open *o, unsigned side, uint16_t id,
				      uint64_t hash);
/* The oldest open query of side with id, or NULL. */
struct nr_dns_query *nr_dns_open_find_id(struct nr_dns_open *o, unsigned side,
					 uint16_t id);
/* The oldest one, or NULL. */
struct nr_dns_query *nr_dns_open_oldest(struct nr_dns_open *o);
/*
 * Adds q, whose message of q->len bytes at msg is copied. False, and nothing happened,
 * when NR_DNS_OPEN_MAX are open, or NR_DNS_OPEN_BYTES would be, or the account has no
 * more memory.
 */
bool nr_dns_open_add(struct nr_dns_open *o, struct nr_account *a,
		     const struct nr_dns_query *q, const uint8_t *msg);
void nr_dns_open_remove(struct nr_dns_open *o, struct nr_account *a,
			struct nr_dns_query *q);
void nr_dns_open_free(struct nr_dns_open *o, struct nr_account *a);
