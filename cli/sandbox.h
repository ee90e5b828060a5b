/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a hostile capture could do with a hole in a parser: nothing beyond reading the
 * inputs and writing beside the outputs.
 *
 * no_new_privs, seccomp (no sockets, programs, processes, tracing, namespaces, mounts,
 * memory that becomes executable; EPERM) and Landlock (files), each where the kernel has
 * it. Descriptors that are open already stay as they are.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { NR_SANDBOX_TEXT = 40 };

struct nr_sandbox {
	const char *const
		*reads; /* files and directories; "-" and missing ones are fine */
	size_t n_reads;
	const char *const *targets; /* as -o takes them: what lies in their directories
				       may be read, made, changed and removed */
	size_t n_targets;
};

/*
 * Confines this thread and those that it starts, for good: call it before the first
 * thread, and after everything that opens files of the system (locale, time zone, name
 * lookups of a filter). `applied` gets what column run.sandbox says:
 * "no_new_privs,seccomp,landlock" without what the kernel refuses, or "none" (a sanitizer
 * build: LeakSanitizer traces its process). 0, or -ENOMEM and the like with a sentence.
 */
int nr_sandbox_enter(const struct nr_sandbox *s, char applied[NR_SANDBOX_TEXT],
		     struct nr_err *err);
