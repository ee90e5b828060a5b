/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One AF_XDP socket on one queue of an interface, with memory (UMEM) of its own.
 *
 * The kernel takes empty chunks from the fill ring and gives them back, full, on the
 * receive ring. What a read takes from there belongs to a lease: a block that every view
 * into its chunks refers to. When its last user lets go, on any thread, the chunks go
 * back to the fill ring, which has a place for each chunk there is. Fragments of a frame
 * longer than a chunk are joined by copying into blocks of a pool.
 */
#pragma once

#include "base/err.h"
#include "source/packet.h"
#include "source/xdp_shared.h"

struct nr_xdp_ring;

enum {
	NR_XDP_READ_MAX = 64, /* frames of one lease */
	NR_XDP_FRONT = 16,    /* bytes in front of a frame that may be written */
};

struct nr_xdp_ring_options {
	const char *name; /* of the interface */
	uint32_t queue;
	size_t bytes; /* of memory for frames, at most; at least 64 chunks are made */
	uint32_t mtu; /* of the interface: sets the size of a chunk */
	bool native;  /* the program runs in the driver: zero-copy may be possible */
};

struct nr_xdp_ring_info {
	int fd; /* readable where frames wait */
	bool zero_copy;
	bool fragments;               /* frames longer than a chunk come, in pieces */
	uint32_t chunk, chunks, room; /* bytes, number, bytes of a frame in one */
};

/* One frame; block as in struct nr_packet, held by the ring until the next read. */
struct nr_xdp_frame {
	const uint8_t *data;
	uint32_t cap_len, wire_len;
	struct nr_xdp_meta meta; /* what stands in front of it */
	struct nr_block *block;
};

/* As the kernel counts them since the socket is; 64-bit, cumulative. */
struct nr_xdp_ring_stats {
	uint64_t frames;    /* taken from the ring */
	uint64_t dropped;   /* all of the next two, each frame once */
	uint64_t no_chunk;  /* no empty chunk, or longer than a chunk without fragments */
	uint64_t ring_full; /* no place in the receive ring */
	uint64_t fill_empty; /* times the fill ring was empty; not frames of their own */
	uint64_t invalid;    /* entries of the fill ring that the kernel refused */
	uint64_t joined;     /* frames put together from fragments */
};

/*
 * 0; -EBUSY where the queue has a socket; -ENODEV (-EINVAL for queue > 0 that is not
 * there); -ENOBUFS where memory may not be locked; -EPERM; with a sentence.
 */
int nr_xdp_ring_open(struct nr_xdp_ring **out, const struct nr_xdp_ring_options *opt,
		     struct nr_err *err);
const struct nr_xdp_ring_info *nr_xdp_ring_info(const struct nr_xdp_ring *r);
/*
 * Takes up to max (at most NR_XDP_READ_MAX) frames that wait; 0: none. References of the
 * read before are given back, so views have to be pinned by then.
 */
unsigned nr_xdp_ring_read(struct nr_xdp_ring *r, struct nr_xdp_frame *f, unsigned max);
/* How far the receive ring is filled now, and has a read come so far? */
uint32_t nr_xdp_ring_end(const struct nr_xdp_ring *r);
bool nr_xdp_ring_reached(const struct nr_xdp_ring *r, uint32_t end);
void nr_xdp_ring_stats(const struct nr_xdp_ring *r, struct nr_xdp_ring_stats *s);
/* Closes the socket; the memory goes when the last view into it is given back. */
void nr_xdp_ring_close(struct nr_xdp_ring *r);
