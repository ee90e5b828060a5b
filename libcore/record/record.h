/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records: the typed rows that everything in nrtool becomes.
 *
 * A record type is one const table of fields. The SQLite DDL, the JSON keys, the manual
 * page of the schema and `nrtool schema` are made from it (schema.h), so they cannot
 * drift apart. Records live for a batch: values point into packet bytes, the batch arena
 * or static storage until the sinks' write returns.
 */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nr_field_type {
	NR_F_INT,
	NR_F_BOOL, /* 0 or 1 */
	NR_F_TIME, /* ns since 1970 UTC; name ends in _ns; RFC 3339 in views */
	NR_F_TEXT, /* any bytes from the wire; sinks make valid UTF-8 of it */
	NR_F_JSON, /* TEXT holding valid JSON; embedded as it is in JSON lines */
	NR_F_BLOB, /* base64 in JSON lines */
};

enum nr_field_flag {
	NR_F_KEY = 1 << 0, /* part of the primary key */
	NR_F_NOT_NULL = 1 << 1,
};

struct nr_field {
	const char *name;
	enum nr_field_type type;
	unsigned flags;
	const char *references;    /* "source(source_id)" or NULL */
	const char *unit;          /* "ns", "bytes", "packets", … or NULL */
	const char *doc;           /* one sentence for the manual */
	const char *const *values; /* NULL-terminated closed list for an enum, or NULL */
};

enum nr_record_flag {
	NR_R_SESSION = 1 << 0,   /* begins with flow_id, source_id, packet, ts_ns */
	NR_R_CONTAINER = 1 << 1, /* describes the container: may differ between twins */
	NR_R_RUN = 1 << 2,       /* may differ from run to run */
	NR_R_ROWID_KEY = 1 << 3, /* its one key field is INTEGER PRIMARY KEY */
	NR_R_JSON_ONLY = 1 << 4, /* not a table: flow_start */
	NR_R_FIRST = 1 << 5,     /* of rows with the same key only the first is kept */
};

struct nr_record_type {
	const char *name; /* table and JSON "type" */
	const char *doc;
	unsigned flags;
	unsigned n_fields;
	const struct nr_field *fields;
	/* NULL-terminated column lists: "src_ip, dst_port", a condition behind WHERE */
	const char *const *indexes;
};

enum nr_value_kind { NR_V_NULL, NR_V_INT, NR_V_TEXT };

struct nr_value {
	union {
		int64_t i;
		const char *p; /* text, JSON or blob */
	};
	uint32_t len;
	uint8_t kind; /* enum nr_value_kind */
};

/* Where a record stands in the run's one order: ordinal, turn, phase, place, seq. */
struct nr_order {
	uint64_t ordinal; /* packet in merged order at which it arose */
	/* Where timers and the end of input speak: the flow_id, UINT64_MAX behind them;
	   in the packet itself: which of its levels (engine/internal.h). */
	uint64_t place;
	uint32_t turn; /* before the packet: ticks of the host's clock since the last one
			*/
	uint32_t seq;  /* within all of these */
	uint8_t phase; /* enum nr_phase */
};

enum nr_phase {
	NR_PHASE_CONTAINER, /* events of the file, before the packet */
	NR_PHASE_MARK,      /* timers that a clock mark before the packet fired */
	NR_PHASE_PACKET,    /* the packet itself */
	NR_PHASE_END,       /* end of input */
};

#define NR_TURN_PACKET UINT32_MAX /* nr_order.turn of phases PACKET and END */

/* The identity of a flow for JSON lines of its session records. */
struct nr_flow_ident {
	const char *proto, *src_ip, *dst_ip, *community_id; /* NUL-terminated or NULL */
	int32_t src_port, dst_port;                         /* -1: none */
};

struct nr_join; /* engine/internal.h: what the engine adds before sinks see it */

struct nr_record {
	const struct nr_record_type *type;
	const struct nr_flow_ident *ident; /* NULL: none; unused for type flow */
	struct nr_join *join;              /* nothing to sinks; NULL: none */
	struct nr_order order;
	struct nr_value *v; /* type->n_fields values */
};

/* A growing list of one batch's records, all memory in the arena. */
struct nr_records {
	struct nr_arena *arena;
	struct nr_record **r;
	size_t n, cap;
	bool unsorted; /* set by nr_records_add() when an order key falls back */
};

/* A new record with all values NULL, appended. */
struct nr_record *nr_records_add(struct nr_records *rs, const struct nr_record_type *t,
				 struct nr_order order);
/* < 0, 0, > 0: a stands before, beside, behind b. */
int nr_order_cmp(const struct nr_order *a, const struct nr_order *b);
/* Stable sort by order. */
void nr_records_sort(struct nr_records *rs);
/* Forgets the records (the arena is reset by its owner). */
void nr_records_clear(struct nr_records *rs);

static inline void nr_set_int(struct nr_record *r, unsigned field, int64_t v)
{
	r->v[field] = (struct nr_value){ .i = v, .kind = NR_V_INT };
}

/* p must outlive the batch: packet bytes, arena or static. NULL p sets NULL. */
static inline void nr_set_text(struct nr_record *r, unsigned field, const char *p,
			       size_t len)
{
	r->v[field] = (struct nr_value){ .p = p,
					 .len = (uint32_t)len,
					 .kind = p ? NR_V_TEXT : NR_V_NULL };
}

static inline void nr_set_str(struct nr_record *r, unsigned field, const char *s)
{
	nr_set_text(r, field, s, s ? __builtin_strlen(s) : 0);
}
