/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool test --init: a case to begin with. */
#pragma once

#include <stdint.h>

/*
 * Makes the folder dir with the captures, an expect.sql and, if there are messages of
 * session protocols, an expect.jsonl, both as the captures are today. Returns enum
 * nr_exit, complaints said.
 */
int nr_test_init(const char *dir, char *const *captures, int n, int64_t timeout_ns);
