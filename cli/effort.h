/* SPDX-License-Identifier: BSD-3-Clause */
/* replay --stats: where time and memory of a run went. */
#pragma once

#include "engine/engine.h"
#include "outputs.h"

enum nr_effort_form { NR_EFFORT_NONE, NR_EFFORT_TEXT, NR_EFFORT_JSON };

/* "text" or "json" (NULL: none) into *form; 0 or -EINVAL. */
int nr_effort_form_of(const char *text, enum nr_effort_form *form);
/* spent_ns: wall clock of the run; hashed: a thread computed SHA-256 of inputs. */
void nr_effort_print(const struct nr_engine *e, const struct nr_outputs *out,
		     int64_t spent_ns, bool hashed, enum nr_effort_form form, FILE *f);
