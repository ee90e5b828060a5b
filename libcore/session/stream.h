/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One direction of a TCP connection put in order: bytes, once, and the gaps between them.
 *
 * Offsets are 64 bits and count from the byte behind the SYN (of a flow seen midstream:
 * from the first byte seen). What comes in order goes to the reader straight from the
 * frame; what comes early waits in a store (a treap of pieces) that is bounded by
 * nr_stream_config.max_memory and by the account of the shard.
 *
 * The two directions of a connection wait for each other: what a side said after it had
 * acknowledged bytes of its peer is not told before those bytes, or the gap in their
 * place (captures swap packets of the two directions, and lose them). It waits in the
 * same store.
 *
 * A hole is given up, and told as a gap, when the peer's ACK has covered it for
 * ack_grace; else when it has stood 1 s with two segments or the FIN beyond it, else 4 s;
 * else when the store is full; else with nr_stream_flush(). Two later segments alone
 * release nothing.
 *
 * Overlaps that are not delivered yet are decided by a policy (Novak and Sturges,
 * Target-Based TCP Stream Reassembly, 2007). Segments that were delivered are remembered
 * as offset, length and hash until they are acknowledged, NR_REMEMBERED at most: a
 * retransmission of one is compared with it, others are counted as unverified.
 */
#pragma once

#include "decode/decode.h"
#include "session/account.h"

enum { NR_REMEMBERED = 64 };

struct nr_stream_config {
	enum nr_overlap overlap;
	size_t max_memory; /* of the store of one direction */
	int64_t ack_grace; /* ns */
	uint32_t seed; /* of the treaps' priorities: nothing of what is told depends on it
			*/
};

/* The packet that brought bytes. */
struct nr_stamp {
	int64_t ts_ns;
	uint64_t packet;
	uint32_t source;
};

enum nr_gap_reason {
	NR_GAP_ACKED,   /* the receiver has it, the capture has not */
	NR_GAP_TIMEOUT, /* it stood too long */
	NR_GAP_FULL,    /* the store, or all of them, were full */
	NR_GAP_END,     /* the flow ended */
	NR_GAP_CUT,     /* the snap length cut it off */
};

const char *nr_gap_reason_name(enum nr_gap_reason r);

struct nr_stream;

/* Who reads the stream. false: no more is wanted, and no more is told. The stream must
   not be freed from within. */
struct nr_stream_reader {
	void *arg;
	bool (*data)(void *arg, uint64_t offset, const uint8_t *p, size_t n,
		     const struct nr_stamp *at);
	bool (*gap)(void *arg, uint64_t offset, uint64_t n, enum nr_gap_reason why,
		    const struct nr_stamp *at);
	/* All bytes were told, and the FIN is next. */
	bool (*fin)(void *arg, const struct nr_stamp *at);
	/* n bytes at offset were sent twice with different content. */
	void (*conflict)(void *arg, uint64_t offset, uint64_t n, uint64_t old_hash,
			 uint64_t new_hash);
	const struct nr_stream *peer; /* the other direction; NULL: is not waited for */
};

struct nr_stream_piece;

/* A segment that was delivered; offset: its low 32 bits. */
struct nr_remembered {
	uint32_t offset, len;
	uint64_t hash;
};

/* Bytes beyond a hole. Most streams have none, and none of this. */
struct nr_stream_store {
	struct nr_stream_piece *root; /* by offset */
	struct nr_stream_piece *first, *last;
	size_t stored;     /* bytes charged to the account for pieces */
	int64_t hole_ns;   /* clock when the hole at `next` was first noticed */
	uint32_t n_beyond; /* segments that came beyond the hole */
	uint32_t seed;
};

struct nr_stream {
	uint64_t next;      /* offset of the next byte to deliver */
	uint64_t acked;     /* by the peer */
	uint64_t end;       /* offset behind the last byte; UINT64_MAX: no FIN seen */
	int64_t covered_ns; /* clock when an ACK first covered the hole at `next` */
	struct nr_stream_store *store;   /* NULL: empty */
	struct nr_remembered one, *more; /* a ring: of one while more is NULL, else of */
	uint8_t cap_more;
	uint8_t n_remembered, first_remembered;
	bool fin_told;
	uint32_t n_unverified; /* overlaps with bytes delivered and forgotten */
};

/* One segment as it came. */
struct nr_stream_segment {
	uint64_t offset;
	uint64_t needs; /* bytes of the peer that its sender had acknowledged */
	const uint8_t *data;
	uint32_t len, cap; /* on the wire; captured */
	struct nr_stamp at;
	int64_t clock_ns;
};

void nr_stream_init(struct nr_stream *s);
void nr_stream_fini(struct nr_stream *s, struct nr_account *a);

/* All return false where the reader said so (see above), else true. */
bool nr_stream_segment(struct nr_stream *s, const struct nr_stream_config *c,
		       struct nr_account *a, const struct nr_stream_segment *g,
		       const struct nr_stream_reader *r);
/* The side sent a FIN behind `end`. */
bool nr_stream_fin(struct nr_stream *s, uint64_t end, const struct nr_stamp *at,
		   const struct nr_stream_reader *r);
/* The peer has acknowledged all below `acked`. */
void nr_stream_ack(struct nr_stream *s, uint64_t acked, int64_t clock_ns);
/* Gives up the hole at `next` if its time has come. at: when no stored packet knows. */
bool nr_stream_tick(struct nr_stream *s, const struct nr_stream_config *c,
		    struct nr_account *a, int64_t clock_ns, const struct nr_stamp *at,
		    const struct nr_stream_reader *r);
static inline bool nr_stream_has_more(const struct nr_stream *s)
{
	return s->store && s->store->first;
}

/*
 * Of both directions of a connection, s[i] read by r[i]. After either has got something:
 * tells in turn what need not wait for the other any longer.
 */
bool nr_streams_release(struct nr_stream s[2], struct nr_account *a, int64_t clock_ns,
			const struct nr_stream_reader r[2]);
/* The flow ends; at: its last packet. Tells all that is stored, gaps between, what is
   known to be missing at the end, and the FINs. */
bool nr_streams_flush(struct nr_stream s[2], struct nr_account *a,
		      const struct nr_stamp *at, const struct nr_stream_reader r[2]);
/* When nr_stream_tick() has something to do: engine time, INT64_MAX: never. */
int64_t nr_stream_wake(const struct nr_stream *s, const struct nr_stream_config *c);

/* The 64-bit hash of remembered segments; the same on every machine. */
uint64_t nr_stream_hash(const void *p, size_t n);
