/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The outputs of one run: what -o named, each behind a guard that remembers which of them
 * failed (the engine only says that something did) and lets the others go on.
 */
#pragma once

#include "sink/sink.h"

#include <stdbool.h>
#include <stdio.h>

struct nr_output {
	struct nr_sink *sink;  /* the real one */
	struct nr_sink *guard; /* what the engine writes to */
};

struct nr_outputs {
	struct nr_output *o;
	size_t n;
	const char *failed; /* target of the output that failed, NULL: none */
	bool reader_gone;   /* stdout is a pipe whose reader has left */
	/* Set: a failure of one of several outputs is told here, and the run goes on
	   without it; else it ends the run. */
	void (*say)(void *arg, const char *text);
	void *arg;
};

/* 0, or what nr_sink_open() says; those that were opened are closed again. */
int nr_outputs_open(struct nr_outputs *out, const char *const *targets, size_t n,
		    const struct nr_sink_options *opt, struct nr_err *err);
/* Fills list (room for n) with what the engine is to write to; returns how many. */
size_t nr_outputs_sinks(const struct nr_outputs *out, struct nr_sink **list);
/* Finishes all; the first failure is returned, the others are finished nevertheless. */
int nr_outputs_finish(struct nr_outputs *out, struct nr_err *err);
/* The frames and chain head of each archive that was written, a line each. */
void nr_outputs_report_archives(const struct nr_outputs *out, FILE *f);
/* Does -o take it for the name of a database? */
bool nr_outputs_is_database(const char *target);
/*
 * Is the target a regular file that this input is read from? --force must never cost the
 * evidence. "-" is standard input and output; NULL: no input.
 */
bool nr_output_is_input(const char *target, const char *input);
void nr_outputs_close(struct nr_outputs *out);
/* Of a capture that does not begin: closes them, and removes the files that they made. */
void nr_outputs_discard(struct nr_outputs *out);
