/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a person wants to know after a replay, gathered from the records as they pass (a
 * sink beside the outputs), so that it is the same for every -o.
 */
#pragma once

#include "engine/engine.h"

#include <stdio.h>

/* A sink that only counts. */
struct nr_sink *nr_summary_new(void);
void nr_summary_free(struct nr_sink *s); /* NULL is fine */
/* Tables of flows by protocol, top talkers, anomalies by kind, ledger. */
/* So many there were; one that goes on through files of a set counts once. */
uint64_t nr_summary_flows(const struct nr_sink *sink);
void nr_summary_print(struct nr_sink *s, const struct nr_engine_stats *st, FILE *f);
