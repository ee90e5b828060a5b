/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a packet source hands out: batches of views into memory that the source owns.
 *
 * A view is a frame or an event (something the file says beside its packets). Events
 * travel in their place among the packets, so that what they become is in the same order
 * for every batch size. Views and everything they point to live until the batch is
 * released: each batch holds a reference on every block that its views touch.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory with a count of its users. Counting is atomic: other threads may release. */
struct nr_block;

struct nr_block *nr_block_new(size_t size); /* one reference, held by the caller */
uint8_t *nr_block_data(struct nr_block *b); /* 64-byte aligned */
size_t nr_block_size(const struct nr_block *b);
void nr_block_ref(struct nr_block *b);
void nr_block_unref(
	struct nr_block *b); /* NULL is fine; the last one frees or pools it */

/*
 * Memory that somebody else owns, a block of a live ring: made once, handed out many
 * times. When its last user lets go, `release` is called, in whatever thread that is; it
 * gives the memory back to where it came from, or frees the block with
 * nr_block_lent_free(). nr_block_lend() makes one reference anew, for the caller.
 */
struct nr_block *nr_block_lent_new(void *data, size_t size,
				   void (*release)(void *arg, struct nr_block *b),
				   void *arg);
void nr_block_lend(struct nr_block *b);
void nr_block_lent_free(struct nr_block *b); /* NULL is fine; nobody may hold it */

enum nr_packet_flag { /* pcapng epb_flags and what live rings say */
		      NR_PKT_INBOUND = 1 << 0,
		      NR_PKT_OUTBOUND = 1 << 1,
		      NR_PKT_CSUM_NOT_READY =
			      1 << 2, /* the NIC was to compute it: do not judge */
		      NR_PKT_CSUM_VALID = 1 << 3, /* the NIC has checked it */
		      NR_PKT_TSO =
			      1 << 4, /* a giant that the NIC was to cut: do not judge */
};

struct nr_event;

struct nr_packet {
	const uint8_t *data; /* cap_len bytes; NULL for an event */
	uint32_t cap_len;
	uint32_t wire_len; /* what was on the wire; may be below cap_len in odd files */
	int64_t ts_ns;    /* the packet's own time, ns since 1970 UTC, clamped to int64 */
	int64_t clock_ns; /* engine time of this packet: never decreases (timeline.h) */
	uint64_t record;  /* counted from 1 in its source; events carry the last one */
	uint64_t offset;  /* of its record or block in the uncompressed content */
	uint64_t ordinal; /* counted from 1 over the merged inputs; 0 for events */
	const struct nr_event *event; /* NULL for a frame */
	struct nr_block *block;       /* memory that data or event lies in */
	uint32_t source;              /* index of the input, from 0, in the order given */
	uint32_t
		interface_id; /* runs on through all sections of the source; 0 for pcap */
	uint16_t link_type;   /* LINKTYPE_ number as in a pcap file */
	uint8_t fcs_len;      /* bytes of frame check sequence at the end of data */
	uint8_t flags;        /* enum nr_packet_flag */
	bool time_clamped;    /* ts_ns did not fit and is INT64_MIN or INT64_MAX */
	bool time_bogus;      /* far ahead of its neighbours: processed at the clock */
	bool time_backwards;  /* older than the clock: processed at the clock */
	bool time_jump;       /* the first packet after a jump that is believed */
};

enum nr_event_kind {
	NR_EVENT_SOURCE_START,    /* first of a source; before anything else of it */
	NR_EVENT_INTERFACE,       /* `interface` filled */
	NR_EVENT_INTERFACE_STATS, /* interface_id, received, dropped (UINT64_MAX: unknown)
				   */
	NR_EVENT_COMMENT,    /* text; record 0: of the file or section, else the packet */
	NR_EVENT_NAME,       /* address text and name text (name resolution block) */
	NR_EVENT_SECRETS,    /* a decryption secrets block; its content only where it was
				asked for (nr_source_options), else text.p is NULL */
	NR_EVENT_DAMAGE,     /* text: what and where; reading ends or goes on behind it */
	NR_EVENT_SOURCE_END, /* last of a source */
	/* of a live capture alone */
	NR_EVENT_TICK, /* every link is silent: the engine's clock goes to clock_ns */
	NR_EVENT_LOSS, /* `loss` filled: a row of capture_stats */
};

/* One row of table capture_stats; UINT64_MAX: not known. */
struct nr_loss {
	int64_t from_ns, to_ns;
	uint64_t received, dropped_kernel, dropped_interface, dropped_disk;
	uint64_t records_dropped, ring_freezes;
	const char *detail; /* a JSON object, NUL-terminated; NULL: none */
};

struct nr_text { /* not NUL-terminated, any bytes; p NULL: not known */
	const char *p;
	size_t len;
};

/* One row of table `interface`; texts live as long as the event. */
struct nr_interface {
	uint32_t interface_id;
	uint32_t section; /* from 0 */
	uint16_t link_type;
	uint32_t snap_len; /* 0: no limit */
	uint64_t tsresol;  /* units per second; 0 where it does not fit */
	int64_t tsoffset_s;
	struct nr_text name, description, filter, os, hardware;
};

/* With texts of its own, each with a NUL behind it that len does not count. */
void nr_interface_copy(struct nr_interface *to, const struct nr_interface *from);
void nr_interface_fini(struct nr_interface *i); /* frees the texts of a copy */

struct nr_event {
	enum nr_event_kind kind;
	uint64_t record; /* COMMENT: the packet it belongs to, 0 for file or section */
	uint32_t interface_id;
	uint64_t received, dropped;
	struct nr_interface interface;
	struct nr_text text;    /* comment; damage; the name of NR_EVENT_NAME; secrets */
	uint32_t secrets_type;  /* of a decryption secrets block */
	struct nr_text address; /* NR_EVENT_NAME: canonical text */
	struct nr_loss loss;    /* NR_EVENT_LOSS, of interface_id */
};

enum { NR_BATCH_MAX = 1024 };

struct nr_batch {
	unsigned n; /* views in pkt */
	unsigned n_blocks;
	struct nr_packet pkt[NR_BATCH_MAX];
	struct nr_block *blocks[NR_BATCH_MAX]; /* references held, one per run of views */
};

/* Appends a view (the batch must have room) and takes a reference on its block. */
struct nr_packet *nr_batch_add(struct nr_batch *b, const struct nr_packet *view);
/*
 * Appends an event and returns it to be filled: zeroed but for `kind`, with n_text bytes
 * behind it for its texts, which *text (may be NULL) points to. The batch must have room
 * and holds its memory.
 */
struct nr_event *nr_batch_event(struct nr_batch *b, enum nr_event_kind kind,
				uint32_t source, size_t n_text, char **text);
/* Gives back every reference; the views are gone. */
void nr_batch_release(struct nr_batch *b);
