/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of a run of replay, from what the run kept of them. */
#pragma once

#include "base/err.h"
#include "engine/engine.h"

struct nr_replay_config;

/*
 * From column source.record_options. 0; -EINVAL with a sentence where it is none, or has
 * an option that this version does not know.
 */
int nr_replay_config_of(struct nr_replay_config **out, const char *record_options,
			struct nr_err *err);
/* Valid until the free; ids and the like are the caller's to set. */
struct nr_engine_config *nr_replay_engine_config(struct nr_replay_config *c);
void nr_replay_config_free(struct nr_replay_config *c); /* NULL is fine */

/*
 * Of cmd_replay.c: completes the config struct of command replay after its options were
 * parsed, and gives the engine's part of it; NULL with a sentence where they do not fit.
 */
struct nr_engine_config *nr_replay_settle(void *config, struct nr_err *err);
