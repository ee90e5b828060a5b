/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes of one flow, put in order again from its packets, and shown.
 *
 * The packets go through the engine as in replay, with somebody who reads along. Secrets
 * are masked as in tables: a first pass asks the parsers which there are, a second finds
 * each place where they stand, a third shows.
 *
 * Sides are those of the row. The engine may see them exchanged, because the row goes on
 * from an earlier file, or packets that came first were not kept.
 */
#pragma once

#include "base/err.h"
#include "engine/engine.h"
#include "recall/recall.h"

#include <stdio.h>

enum nr_follow_format { NR_FOLLOW_TEXT, NR_FOLLOW_HEX, NR_FOLLOW_RAW };

struct nr_follow_end {
	uint8_t ip[16]; /* IPv4: 4 bytes and zeroes */
	int port;       /* -1: the row has none */
	char text[80];  /* "10.0.0.1:4000" */
};

struct nr_follow {
	int64_t flow_id;
	enum nr_follow_format format;
	int side;                       /* 0 src, 1 dst, -1 both */
	bool store_secrets;             /* show them */
	struct nr_engine_config config; /* as the run had it */
	struct nr_follow_end ends[2];   /* src and dst of the row */
	/* A recall of the flow's packets, located, for each pass; the callee closes it.
	 */
	int (*open)(void *arg, struct nr_recall **out, struct nr_err *err);
	void *arg;
	FILE *out;
};

struct nr_follow_result {
	uint64_t bytes[2], gaps, gap_bytes, conflicts, secrets, unverified;
};

/* 0; -errno with a sentence where the packets cannot be read. Failures of out are the
   caller's to see (ferror). */
int nr_follow_run(const struct nr_follow *f, struct nr_follow_result *res,
		  struct nr_err *err);
