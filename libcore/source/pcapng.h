/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the pcapng reader: what pcapng.c (blocks) and pcapng_text.c (options) share. */
#pragma once

#include "base/cursor.h"
#include "source/reader.h"

enum {
	NR_NG_INTERFACES = 65536, /* of one section; more is damage */
	NR_NG_INHERIT = 256,      /* bytes of a section's text that its interfaces take
				     over; a longer one would be multiplied by them */
};

struct nr_ng_if {
	int64_t max_fast; /* units up to which ts * mult fits; -1: always the long way */
	int64_t offset_s;
	uint32_t mult;
	uint32_t snap_len;
	uint16_t link_type;
	uint8_t fcs_len;
	uint8_t resol;
};

enum nr_ng_pending { NR_NG_NOTHING, NR_NG_COMMENTS, NR_NG_NAMES };

struct nr_ng {
	bool swapped; /* the section's byte order is not this machine's */
	bool in_section;
	uint32_t section; /* of the current one, from 0 */
	/* What the section says of the capturing host, for interfaces that do not say it
	   themselves; owned, NULL: nothing. */
	struct nr_text os, hardware;
	uint32_t first_if; /* interface_id of the section's interface 0 */
	uint32_t n_if;
	uint32_t room_if;
	struct nr_ng_if *ifs;
	/* what the block at the window's start still has to tell, piece by piece */
	enum nr_ng_pending pending;
	struct nr_cursor rest;
	const uint8_t *name; /* further names of one address record: [name, name_end) */
	const uint8_t *name_end;
	const uint8_t *address;
	uint16_t address_kind;
	bool of_packet;
	uint64_t offset;
	size_t block_len; /* to pass over when all is told */
};

struct nr_ng_option {
	uint16_t code;
	uint16_t len;
	const uint8_t *p;
};

/* 1, 0 at the end, -1 where an option overruns the list. */
int nr_ng_option(const struct nr_ng *g, struct nr_cursor *c, struct nr_ng_option *o);

/* ts units of interface i as ns, clamped. */
int64_t nr_ng_time(const struct nr_ng_if *i, uint64_t ts, bool *clamped);
void nr_ng_if_resolution(struct nr_ng_if *i, uint8_t resol);
uint64_t nr_ng_units(uint8_t resol); /* units per second; 0: does not fit */

/* An interface block's options into i and an event, which the caller emits. */
struct nr_block *nr_ng_interface(const struct nr_ng *g, struct nr_ng_if *i,
				 struct nr_cursor options, uint32_t id,
				 struct nr_event **e, bool *bad);
/* The section header's os and hardware into g. */
void nr_ng_section(struct nr_ng *g, struct nr_cursor options);
void nr_ng_section_fini(struct nr_ng *g);
/* A statistics block's counters. */
struct nr_block *nr_ng_stats(const struct nr_ng *g, struct nr_cursor options, uint32_t id,
			     struct nr_event **e, bool *bad);
/*
 * The next comment or name of what is pending as an event in a block; NULL when there is
 * none left. *bad where an option or record overruns.
 */
struct nr_block *nr_ng_tell(struct nr_ng *g, uint64_t record, struct nr_event **e,
			    bool *bad);

static inline uint16_t nr_ng_16(const struct nr_ng *g, const uint8_t *p)
{
	return g->swapped ? nr_be16(p) : nr_le16(p);
}

static inline uint32_t nr_ng_32(const struct nr_ng *g, const uint8_t *p)
{
	return g->swapped ? nr_be32(p) : nr_le32(p);
}

static inline uint64_t nr_ng_64(const struct nr_ng *g, const uint8_t *p)
{
	return g->swapped ? nr_be64(p) : nr_le64(p);
}
