/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of the files of a rotated set. */
#pragma once

#include <stdint.h>

/*
 * "dir/x.pcapng.zst" at a time -> "dir/x-20261123T121951Z.pcapng.zst": the time, UTC, is
 * put before the endings (.pcapng .db .jsonl, with .zst or without), else at the end. n,
 * if not 0, tells files of the same second apart and sorts behind those before it:
 * "x-20261123T121951Z_0001.pcapng". Caller frees.
 */
char *nr_keep_name(const char *target, int64_t ns, unsigned n);
/* A shell's pattern for all of them: "dir/x-*.pcapng.zst". Caller frees. */
char *nr_keep_pattern(const char *target);
