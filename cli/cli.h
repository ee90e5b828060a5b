/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The front: commands as const rows. Only cli/ prints to a person or decides how the
 * process exits.
 */
#pragma once

#include "options.h"

#include <stdatomic.h>

enum nr_exit {
	NR_EXIT_OK = 0,
	NR_EXIT_FAILED = 1,
	NR_EXIT_USAGE = 2,
	NR_EXIT_DAMAGED = 3,    /* done; input damaged or interrupted, results written */
	NR_EXIT_INCOMPLETE = 4, /* output incomplete; results as told */
	NR_EXIT_DIFFERENT = 5,
	NR_EXIT_LOST = 6, /* packets lost, with --strict */
};

enum { NR_ANY = 1 << 30 };

/* One command line, parsed. */
struct nr_call {
	void *config; /* the command's config struct, filled from its options */
	int n;
	char **operands;       /* n of them, NULL-terminated */
	const char *argv_text; /* the whole command line, quoted as for a shell */
};

struct nr_command {
	const char *name;
	const char *operands; /* "FILE…" as in the usage line */
	const char *summary;  /* one line for `nrtool help` */
	const char *about;    /* a paragraph above the options in --help */
	const char
		*operand_kind; /* for completion: "file", "table", "shell", "command" */
	unsigned min_operands, max_operands; /* max may be NR_ANY */
	struct nr_options options;
	size_t config_size;             /* of the config struct, which arrives zeroed */
	void (*defaults)(void *config); /* what no row's default says; may be NULL */
	int (*run)(const struct nr_call *call); /* returns enum nr_exit */
};

extern const struct nr_command nr_cmd_archive;
extern const struct nr_command nr_cmd_capture;
extern const struct nr_command nr_cmd_diff;
extern const struct nr_command nr_cmd_export;
extern const struct nr_command nr_cmd_extract;
extern const struct nr_command nr_cmd_follow;
extern const struct nr_command nr_cmd_import;
extern const struct nr_command nr_cmd_manifest;
extern const struct nr_command nr_cmd_test;
extern const struct nr_command nr_cmd_verify;
extern const struct nr_command nr_cmd_keygen;
extern const struct nr_command nr_cmd_replay, nr_cmd_query, nr_cmd_info, nr_cmd_schema,
	nr_cmd_protocols, nr_cmd_completion, nr_cmd_help, nr_cmd_version;

extern const struct nr_command nr_cmd_interfaces;
extern const struct nr_command nr_cmd_doctor;

/* All commands, in the order of help; NULL-terminated. */
extern const struct nr_command *const nr_commands[];
const struct nr_command *nr_command_find(const char *name);
void nr_command_help(const struct nr_command *c, FILE *f);

/* "nrtool replay: sentence" on stderr; returns status so that one can return it. */
int nr_complain(int status, const char *verb, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The stop flag that the first SIGINT or SIGTERM sets to the signal's number; the second
 * ends the process with 128 + signal at once. Valid after nr_signals_init().
 */
extern atomic_int nr_stop;
void nr_signals_init(void);

/*
 * Flushes stdout. 0 where all was written or the reader of the pipe has gone (which is no
 * failure); NR_EXIT_INCOMPLETE with a complaint where it could not be written.
 */
int nr_stdout_finish(const char *verb);

extern const char *const nr_version;

/* Finds the command that argv[1] names and runs it; returns the exit status. */
int nr_main(int argc, char **argv);
