/* SPDX-License-Identifier: BSD-3-Clause */
/* What `nrtool replay` says: to the person at the end, and about the run in the tables.
 */
#pragma once

#include "options.h"

#include "base/text.h"
#include "engine/engine.h"

/* "captures/x.pcap.gz" -> "x.db": base name, without endings of captures; caller frees.
 */
char *nr_default_target(const char *path);

/* Append the JSON objects for run.libraries and source.record_options. */
void nr_libraries_json(struct nr_buf *b);
void nr_record_options_json(struct nr_buf *b, const struct nr_options *o,
			    const void *config);

/* Names files of directories that were no captures, ten unless all are wanted. */
void nr_report_skipped(const struct nr_merge *m, bool all);
/* A line for each damaged source. */
void nr_report_damage(const struct nr_merge *m, const struct nr_engine *e);
/* The summary on stderr; summary is the sink of summary.h. */
void nr_replay_report(const struct nr_merge *m, const struct nr_engine *e,
		      struct nr_sink *summary, const struct nr_list *outputs,
		      int64_t spent_ns);
