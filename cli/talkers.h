/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The heaviest of many hosts in bounded memory: Space-Saving (Metwally, Agrawal, El
 * Abbadi 2005) with weights. Any host with more than 1/NR_TALKERS of all bytes is
 * certainly in the table; a count is too high by at most `error`.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { NR_TALKERS = 4096, NR_TALKER_NAME = 48 };

struct nr_talker {
	char name[NR_TALKER_NAME];
	uint64_t bytes; /* sent and received: what the order goes by */
	uint64_t sent;  /* since it came into the table */
	uint64_t flows; /* since then */
	uint64_t error; /* bytes may be too high by this much */
};

struct nr_talkers;

struct nr_talkers *nr_talkers_new(void);
void nr_talkers_free(struct nr_talkers *t);
void nr_talkers_add(struct nr_talkers *t, const char *name, size_t len, uint64_t bytes,
		    uint64_t sent, uint64_t flows);
/* Copies the heaviest up to max, heaviest first (ties by name); returns how many. */
size_t nr_talkers_top(const struct nr_talkers *t, struct nr_talker *out, size_t max);
