/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the engine share; nobody else includes this.
 *
 * The intake (intake.c) reads, decodes, and cuts packets into items: one for each level,
 * for the shard that its key belongs to. A part (part.c) is the engine's half of a shard:
 * it takes its items and clock marks in order, and shares nothing with other parts. The
 * ordered merge (ordered.c) brings the records of all together, adds what flows say of
 * each other (joins.c) and hands them to the sinks.
 *
 * With one thread all of that happens in order of packets, into one list of records. With
 * more, in steps of some thousand packets (pipeline.c): while the parts work on one step,
 * the next is read, and the records of the one before are merged.
 */
#pragma once

#include "engine/dedup.h"
#include "engine/engine.h"
#include "engine/filter.h"
#include "engine/firsts.h"
#include "engine/ledger.h"
#include "flow/community_id.h"
#include "flow/flow.h"
#include "flow/way_back.h"
#include "record/anomaly.h"
#include "record/tables.h"
#include "session/session.h"

enum {
	NR_WORK = 32,             /* packets decoded before the first is processed */
	NR_FLUSH_RECORDS = 4096,  /* at so many records they go to the sinks … */
	NR_FLUSH_BYTES = 8 << 20, /* … or at so many bytes */
	NR_NO_LEVEL = 255,
	NR_THREADS_MAX = 64,
};

/* nr_order.place in phase PACKET: the intake before all levels and behind them, then of
   each level what was asked for it, and itself. */
enum nr_place { NR_PLACE_FIRST = 0, NR_PLACE_LAST = 255 };

static inline uint64_t nr_place_asked(unsigned level)
{
	return 1 + 2 * level;
}

static inline uint64_t nr_place_level(unsigned level)
{
	return 2 + 2 * level;
}

/* Where records arise, in order; a thread's own while it works on it. */
struct nr_out {
	struct nr_arena arena;
	struct nr_records records;
	struct nr_order order;       /* of the next record */
	const struct nr_packet *now; /* being processed; NULL at marks and the end */
	size_t merged;               /* records that have left */
};

enum nr_item_flag {
	NR_ITEM_HI = 1 << 0,   /* the sender is the key's hi endpoint */
	NR_ITEM_BAD = 1 << 1,  /* a checksum was judged wrong */
	NR_ITEM_DROP = 1 << 2, /* --checksums=verify: the flow counts it, no more */
	NR_ITEM_OWNS = 1 << 3, /* the record is this flow's: the innermost level */
	NR_ITEM_TELL = 1 << 4, /* others want to know which flow it is in */
	NR_ITEM_ASK = 1 << 5,  /* no level: which flow is under that key? */
};

/* What a shard has to do for one level of a packet. */
struct nr_item {
	const struct nr_packet *pkt;
	const struct nr_decoded *dec; /* of level, vlan, tunnel, anomaly: what counts */
	uint64_t hash;
	struct nr_key key;
	uint32_t guess; /* of nr_flow_prefetch_hit(); 0: none */
	uint8_t level;
	uint8_t flags; /* enum nr_item_flag */
};

enum { NR_MAX_ITEMS = NR_MAX_LEVELS * 2 }; /* of a packet */

/* A clock mark, or the end of input: before the packet `ordinal`. */
struct nr_step_mark {
	uint64_t ordinal;
	int64_t mark_ns;
	uint32_t turn;
	bool is_end;
};

/* A packet between decoding and processing. */
struct nr_work {
	const struct nr_packet *pkt;
	uint8_t bucket; /* enum nr_bucket */
	uint32_t detail;
	struct nr_decoded *dec;
	struct nr_item *items; /* room for NR_MAX_ITEMS */
	unsigned n_items;
};

/* Bytes of what was decoded that were filled. */
static inline size_t nr_work_decoded(const struct nr_work *w)
{
	size_t n = offsetof(struct nr_decoded, level) +
		   w->dec->n_levels * sizeof(w->dec->level[0]);

	return w->dec->n_tunnels || w->dec->n_anomalies ? sizeof(*w->dec) : n;
}

/* What the engine keeps of one input until its rows are written at the end. */
struct nr_source_state {
	uint64_t packets, wire_bytes, captured_bytes;
	int64_t first_ns, last_ns;
	uint64_t time_backwards, time_jumps, time_bogus, times_clamped;
	uint64_t next_block; /* offset from which the next source_block row is due */
	char *damage;        /* NULL: none */
	unsigned n_damages;
	bool started, ended;
	struct nr_interface_row *interfaces;
	size_t n_interfaces;
};

struct nr_step;

/* The engine's half of a shard. */
struct nr_part {
	struct nr_engine *e;
	struct nr_out *out;
	struct nr_sessions *sessions; /* NULL: --no-sessions */
	unsigned shard;
	unsigned level; /* being worked on */
	struct nr_way_backs way_backs;
	struct nr_community_hasher *community;
	uint64_t n_expected; /* flows announced */
	uint64_t spent_ns;   /* see struct nr_effort */
	/* As written. */
	uint64_t flows, flows_evicted, flow_records, flow_bytes;
	/* The walk through a step. */
	const struct nr_step *step;
	size_t at_item, at_mark;
	struct nr_order until; /* it pauses before what stands there or behind */
	bool done;
	char apart[64]; /* from what other threads write */
};

struct nr_tunnels;
struct nr_arp_state;
struct nr_joins;
struct nr_pipeline;
struct nr_live_state;

struct nr_engine {
	struct nr_engine_config cfg;
	struct nr_sink *const *sinks;
	size_t n_sinks;
	bool wants_ident;  /* some sink writes the 5-tuple with each record */
	bool wants_values; /* … looks at what rows hold */
	struct nr_key_config key;
	struct nr_flow_table *flows;
	struct nr_part parts[NR_N_SHARDS];
	struct nr_pipeline *pipeline; /* NULL: one thread */
	/* of the intake */
	struct nr_arena work_arena; /* what items point to, with one thread */
	struct nr_decoder *decoder;
	struct nr_ledger *ledger;
	struct nr_filter *filter; /* NULL: none */
	struct nr_dedup *dedup;
	uint64_t n_watched; /* packets that it might have looked at */
	struct nr_tunnels *tunnels;
	struct nr_arp_state *arp;
	struct nr_source_state *sources;
	size_t n_sources;
	struct nr_work *work; /* NR_WORK of them; with one thread */
	struct nr_item *work_items;
	uint8_t *work_decoded;
	struct nr_batch *batch;
	struct nr_out *out; /* where the intake's records go */
	int64_t mark_ns;    /* the last clock mark passed */
	uint32_t turn;      /* nr_order.turn of what comes before the next packet */
	int64_t decoder_mark_ns;
	struct nr_live_state *live; /* rotate.c; NULL: no capture */
	uint64_t rows_arp;          /* as written */
	/* of the merge */
	struct nr_out single; /* with one thread, and behind the last step: all records */
	struct nr_joins *joins;
	struct nr_firsts *firsts;
	bool expecting;                  /* a flow was announced; with one thread */
	uint64_t n_records, n_anomalies; /* to the sinks */
	int error;                       /* of a sink; everything stops */
	struct nr_err *err;
	struct nr_engine_stats stats;
	struct nr_effort effort; /* the parts' share is with them */
};

/* engine.c */
/* With nr_engine_config.timing adds what passed since *since, which is set anew, to *sum.
 */
void nr_engine_lap(const struct nr_engine *e, uint64_t *since, uint64_t *sum);
/* Gives a packet its ordinal in the case; false: it lies beyond --count. Asked when it is
   met and not before, so that what the file says behind the last packet is heard for
   every size of batches. */
bool nr_engine_number(const struct nr_engine *e, struct nr_packet *p);
/* The ledger against what went into the tables: 0 or -EBADMSG. */
int nr_engine_check_ledger(struct nr_engine *e, struct nr_err *err);

/* rows.c */
struct nr_record *nr_out_row(struct nr_out *o, const struct nr_record_type *t);
int64_t nr_engine_source_id(const struct nr_engine *e, uint32_t source);
/* An anomaly without a flow, of the intake; detail is JSON or NULL. */
struct nr_record *nr_engine_anomaly(struct nr_engine *e, unsigned kind,
				    const char *detail);
void nr_engine_decode_anomaly(struct nr_engine *e, const struct nr_decode_anomaly *a);
/* Callbacks of the flow table; arg is the engine. */
void nr_part_flow_started(void *engine, struct nr_flow *f);
void nr_part_flow_discarded(void *engine, struct nr_flow *f);
void nr_part_flow_ended(void *engine, struct nr_flow *f, enum nr_end_reason why);
void nr_part_flow_anomaly(void *engine, struct nr_flow *f, unsigned kind, int side,
			  int64_t a, int64_t b);
/* An anomaly of the session layer: at may be NULL, detail is JSON or NULL. */
void nr_part_session_anomaly(struct nr_part *p, struct nr_flow *f, unsigned kind,
			     int side, const struct nr_stamp *at, const char *detail);
/* Sets r->ident, if a sink wants it. */
void nr_part_identify(struct nr_part *p, struct nr_record *r, const struct nr_flow *f);
/* The row of f as it is now; why: of its end, NULL while it is open. f is laid out. */
struct nr_record *nr_part_flow_row(struct nr_part *p, struct nr_flow *f, const char *why);
/* The last row of f, with its packets; the session is the caller's. */
void nr_part_flow_done(struct nr_part *p, struct nr_flow *f, enum nr_end_reason why);
/* Writes the open chunk of f and empties it. */
void nr_part_flow_packets(struct nr_part *p, struct nr_flow *f);

/* part.c */
void nr_parts_init(struct nr_engine *e);
void nr_parts_fini(struct nr_engine *e);
/* Everything that arises in the part goes to o. */
void nr_part_into(struct nr_part *p, struct nr_out *o);
void nr_part_item(struct nr_part *p, const struct nr_item *it);
/* Sets the place of what a timer or the end of input does for f. */
void nr_part_place(struct nr_part *p, const struct nr_flow *f);

/* Whether a flow that begins now may have been announced by another. */
static inline bool nr_part_may_be_expected(const struct nr_part *p)
{
	return p->e->pipeline ? p->sessions != NULL : p->e->expecting;
}

/* sessions.c */
struct nr_sessions *nr_part_sessions_new(struct nr_part *p);
void nr_part_mark(void *engine, unsigned shard, int64_t mark_ns);
void nr_part_woken(void *engine, struct nr_flow *f, int64_t mark_ns);

/* intake.c */
/* Fills w, whose room is set, with what is to be done for a packet or event. */
void nr_intake_prepare(struct nr_engine *e, struct nr_work *w, const struct nr_packet *p,
		       struct nr_arena *frags);
/*
 * Whether a packet that is in the range of times wanted, or a tick of the host's clock,
 * crosses a clock mark: *m then is it.
 */
bool nr_intake_clock(struct nr_engine *e, const struct nr_packet *p,
		     struct nr_step_mark *m);
/* Whether it cannot: packet time lies in the 100 ms behind the last mark. */
static inline bool nr_intake_no_mark(int64_t mark, int64_t clock_ns)
{
	return (uint64_t)clock_ns - (uint64_t)mark < NR_MARK_NS;
}

/* What the intake itself says of a packet or event: rows, ledger. */
void nr_intake_tell(struct nr_engine *e, const struct nr_work *w);
/* The same behind what its levels say. */
void nr_intake_tell_last(struct nr_engine *e, const struct nr_work *w);
/* The fragments that were lost so far become lines of the ledger. */
void nr_intake_lost(struct nr_engine *e);
/* The same at the end of input: all that are not whole. */
void nr_intake_end(struct nr_engine *e);

/* ordered.c */
/* Adds the joins of n records, leaves out notes and what is not first, and hands the rest
   to the sinks. The array is used up. */
void nr_ordered_write(struct nr_engine *e, struct nr_record **r, size_t n,
		      struct nr_arena *a);
/* The same of e->single, which is emptied. */
void nr_engine_flush(struct nr_engine *e);
/* The same where many have gathered: called where no row is half made. In a step nothing:
   its records are merged when it has ended. */
static inline void nr_engine_breathe(struct nr_engine *e)
{
	const struct nr_out *o = &e->single;

	if (e->out != o)
		return; /* a step ends soon enough */
	if (o->records.n >= NR_FLUSH_RECORDS || o->arena.handed >= NR_FLUSH_BYTES)
		nr_engine_flush(e);
}
/*
 * Merges n lists, each in order, up to what stands before `until`; what was merged leaves
 * the lists.
 */
void nr_ordered_merge(struct nr_engine *e, struct nr_out *const *outs, unsigned n,
		      const struct nr_order *until);
void nr_out_reset(struct nr_out *o);

/* pipeline.c */

struct nr_step_list {
	uint32_t *item; /* indices into items */
	size_t n, cap;
};

/* Some thousand packets on their way. What a stage has done with one is over before the
   next stage begins with it, so nothing in it is locked. */
struct nr_step {
	struct nr_batch **batch; /* hold the packets */
	unsigned n_batches, batches_cap;
	size_t n_packets, block_bytes;
	const struct nr_block *last_block;
	struct nr_arena arena; /* what was decoded */
	uint8_t **datagrams;   /* reassembled ones */
	size_t n_datagrams;
	struct nr_item *items;
	size_t n_items, items_cap;
	struct nr_step_list list[NR_N_SHARDS];
	struct nr_step_mark *marks;
	size_t n_marks, marks_cap;
	struct nr_out out[NR_N_SHARDS + 1]; /* of the shards; of the intake */
};

struct nr_pipeline *nr_pipeline_new(struct nr_engine *e, unsigned n_threads);
void nr_pipeline_free(struct nr_pipeline *p);
/* Threads, steps, pauses, waiting. */
void nr_pipeline_effort(const struct nr_pipeline *p, struct nr_effort *out);
/* As nr_engine_run() without what comes behind the last packet; 0 or what the merge
   failed with. */
int nr_pipeline_run(struct nr_pipeline *p, struct nr_merge *m, const atomic_int *stop,
		    void (*progress)(void *arg), void *arg);
/* A batch, through to the sinks. */
void nr_pipeline_feed(struct nr_pipeline *p, struct nr_batch *b);
/* All flows end. */
void nr_pipeline_end(struct nr_pipeline *p);

/* part.c: the walk through a step, see pipeline.c */
void nr_part_begin(struct nr_part *p, const struct nr_step *s, struct nr_out *o);
/* Goes on, to p->until or until its records have had enough room; sets p->done. */
void nr_part_walk(struct nr_part *p);
/* What it would do next. */
struct nr_order nr_part_next(const struct nr_part *p);
/* The same some flows later, where it has paused among flows that are due; else the end
   of all orders. */
struct nr_order nr_part_ahead(const struct nr_part *p);

/* sources.c */
void nr_engine_event(struct nr_engine *e, const struct nr_packet *p);
/* What is not of every packet: the block it lies in, its direction, its time. */
void nr_engine_source_packet(struct nr_engine *e, const struct nr_packet *p);
void nr_engine_source_rows(struct nr_engine *e, const struct nr_merge *m,
			   const struct nr_run_info *run);
void nr_engine_sources_free(struct nr_engine *e);
/* Frees what s holds; its counters stay. */
void nr_engine_source_forget(struct nr_source_state *s);
void nr_engine_source_row(struct nr_engine *e, uint32_t source,
			  const struct nr_source_info *info,
			  const struct nr_run_info *run);
void nr_engine_interface_rows(struct nr_engine *e, uint32_t source);
void nr_engine_ledger_rows(struct nr_engine *e);
/* status: of the end; negative while the run lasts. */
void nr_engine_run_row(struct nr_engine *e, const struct nr_run_info *run, int status);

/* rotate.c: what a capture has beside; NULL: it is none */
struct nr_live_state;
void nr_engine_live_free(struct nr_engine *e);

/* live.c: what only a capture says */
void nr_engine_loss(struct nr_engine *e, const struct nr_packet *p);

/* tunnels.c: rows of table tunnel */
struct nr_tunnels *nr_tunnels_new(void);
void nr_tunnels_free(struct nr_tunnels *t);
void nr_tunnels_packet(struct nr_engine *e, const struct nr_work *w);
void nr_tunnels_flush(struct nr_engine *e);

/* arp.c: rows of table arp */
struct nr_arp_state *nr_arp_new(void);
void nr_arp_free(struct nr_arp_state *a);
void nr_arp_packet(struct nr_engine *e, const struct nr_work *w);

/* joins.c: what only the ordered merge can tell, see there */
enum nr_join_kind {
	/* of notes */
	NR_JOIN_FLOW,   /* level `level` of this packet is in flow `id` */
	NR_JOIN_ANSWER, /* what level `level` asked for (hash) is flow `id`; 0: none */
	NR_JOIN_BORN,   /* flow `id` begins, at level `level`; born */
	NR_JOIN_EXPECT, /* a flow is announced: id is its token; expect */
	/* of rows */
	NR_JOIN_CARRIER,  /* field: the flow of level `level` of this packet */
	NR_JOIN_QUOTED,   /* field: what level `level` asked for, if it is hash */
	NR_JOIN_EXPECTED, /* field: the flow that came as announced under token id */
	NR_JOIN_HOSTS,    /* the flow's hosts, whose checksums were wrong; hosts */
};

struct nr_join {
	struct nr_join *next; /* of the same record */
	uint8_t kind;         /* enum nr_join_kind */
	uint8_t level;
	uint8_t field;
	uint64_t id, hash;
	union {
		struct {
			struct nr_key key;
			int64_t clock_ns;
			bool src_is_hi;
		} born;
		struct {
			struct nr_expectation x;
			int64_t clock_ns;
		} expect;
		struct {
			uint8_t ip[2][16]; /* by side */
			uint8_t ip_version;
			uint64_t packets[2], bad[2];
		} hosts;
	};
};

extern const struct nr_record_type nr_rt_note; /* no sink sees it */

struct nr_joins *nr_joins_new(struct nr_siphash_key secret);
void nr_joins_free(struct nr_joins *j);
/* A join of r, zeroed but for its kind. */
struct nr_join *nr_join_add(struct nr_out *o, struct nr_record *r,
			    enum nr_join_kind kind);
/* The same of a new note. */
struct nr_join *nr_join_note(struct nr_out *o, enum nr_join_kind kind);
/* r is next in the run's order: does what its joins say. a: for texts. */
void nr_joins_pass(struct nr_engine *e, struct nr_record *r, struct nr_arena *a);

/* While it is set, flow rows that pass are not the last of their flow. */
void nr_joins_keep(struct nr_joins *j, bool keep);
/* All open flows have new ids: new_id says which. */
void nr_joins_renumber(struct nr_joins *j,
		       uint64_t (*new_id)(const void *arg, uint64_t id), const void *arg);

/* labels.c: flows that others announce */
struct nr_labels;
struct nr_labels *nr_labels_new(void);
void nr_labels_free(struct nr_labels *t);
void nr_labels_expect(struct nr_labels *t, const struct nr_join *j);
/* A flow begins: the service it was announced for, or NULL. */
const char *nr_labels_born(struct nr_labels *t, const struct nr_join *j);
/* The flow that came as announced under the token; 0: none. */
uint64_t nr_labels_came(const struct nr_labels *t, uint64_t token);
/* As nr_joins_renumber(). */
void nr_labels_renumber(struct nr_labels *t,
			uint64_t (*new_id)(const void *arg, uint64_t id),
			const void *arg);
/* The key of a packet quoted in a packet with key k: VLAN and tunnel are the same. */
struct nr_key nr_quoted_key(const struct nr_key *k, const struct nr_tuple *q);

/* offload.c: hosts whose checksums are wrong throughout */
struct nr_offload;
struct nr_offload *nr_offload_new(void);
void nr_offload_free(struct nr_offload *o);
void nr_offload_flow(struct nr_offload *o, const struct nr_join *j);
void nr_offload_report(struct nr_engine *e, const struct nr_offload *o);
struct nr_offload *nr_joins_offload(struct nr_joins *j);
