/* SPDX-License-Identifier: BSD-3-Clause */
/* What `nrtool verify` finds out about a session database, as a list of findings. */
#pragma once

#include "base/err.h"
#include "base/text.h"
#include "recall/recall.h"

#include <sqlite3.h>
#include <stdio.h>

enum nr_proof {
	NR_PROVEN,     /* holds against the captures themselves, or their hashes */
	NR_CONSISTENT, /* fits the rest, which may have been changed with it */
	NR_CHANGED,    /* does not hold */
	NR_UNCHECKED,  /* could not be looked at */
	NR_N_PROOFS,
};

struct nr_finding {
	enum nr_proof proof;
	char *subject; /* "source 1 (http.pcap)" */
	char *text;
};

enum { NR_FINDINGS_MAX = 24 }; /* of what changed or is unchecked; more are counted */

struct nr_report {
	struct nr_finding *v;
	size_t n;
	uint64_t n_of[NR_N_PROOFS];
};

void nr_report_add(struct nr_report *r, enum nr_proof proof, const char *subject,
		   const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What is said of the whole: "changed", "not all could be checked", … */
const char *nr_report_verdict(const struct nr_report *r);
int nr_report_status(const struct nr_report *r); /* enum nr_exit */
void nr_report_print(const struct nr_report *r, const char *path, const char *what,
		     FILE *f);
void nr_report_json(const struct nr_report *r, const char *path, const char *what,
		    FILE *f);
void nr_report_fini(struct nr_report *r);

/* A flow's row, and what its packets add up to. */
struct nr_flow_sum {
	int64_t flow_id;
	uint64_t records, wire_bytes; /* as its row says */
	uint64_t named;               /* packets that flow_packets names */
	uint64_t bytes;               /* their lengths on the wire */
	int64_t next_seq;
};

/* One database being verified. */
struct nr_verify {
	const char *path;
	sqlite3 *db;
	struct nr_recall *recall;
	struct nr_report *report;
	bool no_sources;
	int *found; /* by source: what nr_recall_find() said, before the sandbox */
	struct nr_flow_sum *flow; /* by flow_id */
	size_t n_flows;
	uint32_t **owner; /* by source and record: index into flow + 1; NULL: too many */
	char **lost;      /* by source: why it was not found, before the sandbox */
	bool is_unfinished, was_overloaded, lacks_packets; /* of a capture */
	bool sources_whole; /* every source was read and is what it was */
};

/* verify_rows.c: the database by itself. */
void nr_verify_rows(struct nr_verify *v);
/* verify_sources.c: against the captures; behind nr_verify_rows(). */
void nr_verify_sources(struct nr_verify *v);
/* verify_replay.c: every row against a new replay of the captures. */
void nr_verify_replay(struct nr_verify *v);

/* "the database is damaged: …" or what else SQLite says, under subject. */
void nr_verify_db_fail(struct nr_verify *v, const char *subject);
