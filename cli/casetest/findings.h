/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a child found out about its case, as bytes that its parent can read even where the
 * child died in the middle: frames of a kind, a length and a text.
 */
#pragma once

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum nr_finding {
	NR_FOUND_DIFFERENCE = 'd', /* a sentence: what differs, FILE:LINE where known */
	NR_FOUND_DETAIL = 'l',     /* a line below it; "- " expected, "+ " what is */
	NR_FOUND_LEFT_OUT = 'n',   /* number of differences that were not told */
	NR_FOUND_BROKEN = 'b',     /* the case is wrong: a sentence with FILE:LINE */
	NR_FOUND_FILE = 'f',       /* path, NUL, what it is to hold now (--update) */
	NR_FOUND_KEY = 'k',        /* what makes the failure the same: keys.h */
	NR_FOUND_END = 'e',        /* the child came to its end */
};

struct nr_findings {
	struct nr_buf out;
	unsigned max; /* differences that are told */
	unsigned n;   /* differences */
	bool is_broken;
};

void nr_found(struct nr_findings *f, enum nr_finding kind, const char *p, size_t n);
/* A difference; details that follow belong to it. */
void nr_found_difference(struct nr_findings *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void nr_found_detail(struct nr_findings *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void nr_found_broken(struct nr_findings *f, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The frames that end it. */
void nr_found_end(struct nr_findings *f);
void nr_findings_fini(struct nr_findings *f);

/* One frame as it is read; text is NUL-terminated and lies in what was given. */
struct nr_frame {
	enum nr_finding kind;
	const char *text;
	size_t len;
};

/* The frame at *at of n bytes, and *at behind it; false at the end or where it is cut. */
bool nr_frame_next(struct nr_frame *f, const char *p, size_t n, size_t *at);
