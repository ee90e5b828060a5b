/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether an input runs both ways, which are compared: always, but for seven of eight
 * inputs while libFuzzer explores (NR_FUZZ_EXPLORES), which is to try many. */
#ifndef NR_TESTS_FUZZ_TWICE_H
#define NR_TESTS_FUZZ_TWICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool is_run_twice(const uint8_t *data, size_t n)
{
#ifdef NR_FUZZ_EXPLORES
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + data[i];
	return !(sum >> 16 & 7);
#else
	(void)data;
	(void)n;
	return true;
#endif
}

#endif
