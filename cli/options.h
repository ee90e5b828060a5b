/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options as data. A command's options are rows that name a member of its config struct;
 * parsing, --help, shell completions and the check of the manual pages come from the same
 * rows, so they cannot drift apart.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum nr_option_kind {
	NR_OPT_FLAG, /* bool; takes no argument */
	NR_OPT_U64,  /* uint64_t: "4096", "4_000_000" */
	NR_OPT_SIZE, /* uint64_t bytes: "4096", "64K", "256M", "2GiB" (powers of 1024) */
	NR_OPT_DURATION, /* int64_t ns: "300s" "5min" "100ms" "1h30min"; bare numbers: s
			  */
	NR_OPT_TIME, /* int64_t ns since 1970 UTC: RFC 3339, or seconds with fraction */
	NR_OPT_TEXT, /* const char *, points into argv */
	NR_OPT_LIST, /* struct nr_list; may be given several times */
	NR_OPT_ENUM, /* int: position in `values` */
};

struct nr_list {
	const char **v;
	size_t n;
};

struct nr_option {
	const char *name; /* without the dashes */
	char letter;      /* short form, 0: none */
	enum nr_option_kind kind;
	const char *arg; /* what its argument is called in help; NULL for a flag */
	size_t offset;   /* of the member in the config struct */
	const char *def; /* default as one would type it; NULL: the member as it is */
	const char *
		bare; /* argument meant by the option alone (--dedup); NULL: one needed */
	uint64_t min, max;         /* U64 and SIZE; max 0: no upper limit */
	const char *const *values; /* ENUM: NULL-terminated */
	bool is_record_option; /* changes records: kept in column source.record_options */
	const char *help;
};

/* A row's offset and kind in one go, so that help, struct and type stay on one line. */
#define NR_OPT(cfg, member) .offset = offsetof(struct cfg, member)

struct nr_options {
	const struct nr_option *rows;
	size_t n;
};

/*
 * Parses argv[0 … argc) into config. Operands (what is no option) are moved to the front
 * of argv, their count in *n_operands; "--" ends the options, "-" is an operand. Sets
 * *help and returns at once at --help or -h. 0 or -EINVAL with a sentence that says what
 * is wrong and, for an unknown option, which is the nearest.
 */
int nr_options_parse(const struct nr_options *o, void *config, int argc, char **argv,
		     int *n_operands, bool *help, struct nr_err *err);
/* Sets every member that has a default in its row; parse calls it first. */
int nr_options_defaults(const struct nr_options *o, void *config, struct nr_err *err);
/* Frees the lists that parse allocated. */
void nr_options_fini(const struct nr_options *o, void *config);

/* The options' part of a --help text, at most 80 columns wide, --help row included. */
void nr_options_help(const struct nr_options *o, FILE *f);

/* The values behind the kinds; 0, or -EINVAL where s is none. */
int nr_parse_u64(const char *s, uint64_t *out);
int nr_parse_size(const char *s, uint64_t *out);
int nr_parse_duration(const char *s, int64_t *ns);
int nr_parse_time(const char *s, int64_t *ns);

/* Of n names the nearest to word by edit distance, NULL where none is near. */
const char *nr_nearest(const char *word, const char *(*name)(const void *arg, size_t i),
		       const void *arg, size_t n);
