/* SPDX-License-Identifier: BSD-3-Clause */
/* What a capture says about itself and what its packets add up to. */
#pragma once

#include "source/source.h"

#include <stdatomic.h>
#include <stdio.h>

enum { NR_INFO_TEXT = 160, NR_INFO_DAMAGES = 16, NR_INFO_INTERFACES = 1024 };

struct nr_info_interface {
	uint32_t id, section, snap_len;
	uint16_t link_type;
	uint64_t tsresol;
	int64_t tsoffset_s;
	char name[NR_INFO_TEXT], description[NR_INFO_TEXT], filter[NR_INFO_TEXT],
		os[NR_INFO_TEXT], hardware[NR_INFO_TEXT]; /* "" = not said; cut to fit */
	uint64_t packets;
	uint64_t received, dropped; /* UINT64_MAX: not said */
};

struct nr_capture_info {
	char *path, *format, *compression; /* compression may be NULL */
	int64_t bytes;                     /* as stored; -1 unknown */
	char sha256[65];                   /* "": not known, hash_note says why */
	const char *hash_note;             /* static; may be NULL */
	bool interrupted;
	uint64_t packets, wire_bytes, captured_bytes;
	uint64_t cut_packets;      /* captured shorter than on the wire */
	uint64_t backwards;        /* packets older than the one before */
	uint32_t min_len, max_len; /* on the wire */
	int64_t first_ns, last_ns; /* lowest and highest */
	uint64_t comments, names, secrets;
	uint64_t by_link_type[65536 / 64];    /* a bit for each one seen */
	struct nr_info_interface *interfaces; /* the first NR_INFO_INTERFACES */
	size_t n_interfaces;
	uint64_t all_interfaces;
	char damage[NR_INFO_DAMAGES][NR_INFO_TEXT]; /* the first of n_damages */
	uint64_t n_damages;
};

/* Reads path to its end or until *stop into i, zeroed heap memory. 0, or as
   nr_source_open() and nr_source_read(). */
int nr_capture_info_read(struct nr_capture_info *i, const char *path, bool hash,
			 const atomic_int *stop, struct nr_err *err);
void nr_capture_info_free(struct nr_capture_info *i);

void nr_capture_info_text(const struct nr_capture_info *i, bool first, FILE *f);
void nr_capture_info_json(const struct nr_capture_info *i, FILE *f);
