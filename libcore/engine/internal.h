/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the engine share; nobody else includes this. */
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
	NR_WORK = 16,             /* packets decoded before the first is processed */
	NR_FLUSH_RECORDS = 4096,  /* at so many records they go to the sinks … */
	NR_FLUSH_BYTES = 8 << 20, /* … or at so many bytes */
	NR_NO_LEVEL = 255,
};

/* A packet between decoding and processing. */
struct nr_work {
	const struct nr_packet *pkt;
	uint8_t bucket; /* enum nr_bucket before the flow table has spoken */
	uint32_t detail;
	uint16_t bad; /* bit per level: transport or IP checksum judged wrong */
	struct nr_key key[NR_MAX_LEVELS];
	uint64_t hash[NR_MAX_LEVELS];
	bool src_is_hi[NR_MAX_LEVELS];
	struct nr_frag_record *frags; /* copy of dec.frags */
	struct nr_decoded dec;
};

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

struct nr_tunnels;
struct nr_arp_state;
struct nr_offload;
struct nr_labels;

struct nr_engine {
	struct nr_engine_config cfg;
	struct nr_sink *const *sinks;
	size_t n_sinks;
	struct nr_arena arena;      /* what records point to */
	struct nr_arena work_arena; /* what struct nr_work points to */
	struct nr_records records;
	struct nr_decoder *decoder;
	struct nr_flow_table *flows;
	struct nr_way_backs way_backs[NR_N_SHARDS];
	struct nr_key_config key;
	struct nr_community_hasher *community;
	struct nr_ledger *ledger;
	struct nr_filter *filter; /* NULL: none */
	struct nr_dedup *dedup;
	struct nr_tunnels *tunnels;
	struct nr_arp_state *arp;
	struct nr_offload *offload;
	struct nr_sessions *sessions; /* NULL: --no-sessions */
	struct nr_labels *labels;
	struct nr_firsts *firsts;
	bool wants_ident; /* some sink writes the 5-tuple with each record */
	struct nr_source_state *sources;
	size_t n_sources;
	struct nr_engine_stats stats;
	struct nr_work *work; /* NR_WORK of them */
	struct nr_batch *batch;
	struct nr_order order;       /* of the next record */
	const struct nr_packet *now; /* being processed; NULL at marks and the end */
	int64_t mark_ns;             /* the last clock mark passed */
	int64_t decoder_mark_ns;
	bool clock_runs;
	int64_t clock_ns;
	struct nr_live_state *live; /* NULL: no capture */
	uint64_t rows_flow_records, rows_flow_bytes, rows_arp; /* as written */
	int error; /* of a sink; everything stops */
	struct nr_err *err;
};

/* engine.c */
void nr_engine_fragment_lost(void *engine, const struct nr_frag_record *r,
			     const char *why, unsigned ip_version);
/* The ledger against what went into the tables: 0 or -EBADMSG. */
int nr_engine_check_ledger(struct nr_engine *e, struct nr_err *err);

/* rows.c */
struct nr_record *nr_engine_row(struct nr_engine *e, const struct nr_record_type *t,
				uint64_t flow_id);
void nr_engine_flow_started(void *engine, struct nr_flow *f);
void nr_engine_flow_discarded(void *engine, struct nr_flow *f);
void nr_engine_flow_ended(void *engine, struct nr_flow *f, enum nr_end_reason why);
/* The row of f as it is now; why: of its end, NULL while it is open. */
void nr_engine_flow_row(struct nr_engine *e, struct nr_flow *f, const char *why);
/* The last row of f, with its packets; the session is the caller's. */
void nr_engine_flow_done(struct nr_engine *e, struct nr_flow *f, enum nr_end_reason why);
void nr_engine_flow_anomaly(void *engine, struct nr_flow *f, unsigned kind, int side,
			    int64_t a, int64_t b);
void nr_engine_decode_anomaly(struct nr_engine *e, const struct nr_decode_anomaly *a);
/* The same, of the session layer: at may be NULL, detail is JSON or NULL. */
void nr_engine_session_anomaly(struct nr_engine *e, struct nr_flow *f, unsigned kind,
			       int side, const struct nr_stamp *at, const char *detail);
/* Sets r->ident, if a sink wants it. */
void nr_engine_identify(struct nr_engine *e, struct nr_record *r,
			const struct nr_flow *f);
/* An anomaly without a flow; detail is JSON or NULL. */
void nr_engine_anomaly(struct nr_engine *e, unsigned kind, const char *detail);
/* Writes the open chunk of f and empties it. */
void nr_engine_flow_packets(struct nr_engine *e, struct nr_flow *f);
int64_t nr_engine_source_id(const struct nr_engine *e, uint32_t source);
/* Hands the records to the sinks and resets the arena. */
void nr_engine_flush(struct nr_engine *e);
/* The same where many have gathered: called where no row is half made. */
void nr_engine_breathe(struct nr_engine *e);

/* sources.c */
void nr_engine_event(struct nr_engine *e, const struct nr_packet *p);
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
/* flow_id of the carrier, or 0. */
void nr_arp_packet(struct nr_engine *e, const struct nr_work *w, uint64_t flow_id);

/* offload.c: hosts whose checksums are wrong throughout */
struct nr_offload *nr_offload_new(void);
void nr_offload_free(struct nr_offload *o);
void nr_offload_flow(struct nr_engine *e, const struct nr_flow *f);
void nr_offload_report(struct nr_engine *e);

/* sessions.c */
struct nr_sessions *nr_engine_sessions_new(struct nr_engine *e);
void nr_engine_mark(void *engine, int64_t mark_ns);
void nr_engine_woken(void *engine, struct nr_flow *f, int64_t mark_ns);

/* labels.c: what one flow says of another */
struct nr_labels *nr_labels_new(void);
void nr_labels_free(struct nr_labels *t);
uint64_t nr_labels_expect(struct nr_labels *t, const struct nr_expectation *x,
			  int64_t clock_ns);
/* A flow begins: was it announced? */
void nr_labels_flow(struct nr_labels *t, struct nr_flow *f);
void nr_labels_link(struct nr_labels *t, struct nr_record *r, unsigned field,
		    uint64_t token);
void nr_labels_link_quoted(struct nr_engine *e, const struct nr_flow *f,
			   struct nr_record *r, unsigned field, const struct nr_tuple *q);
