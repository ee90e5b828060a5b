/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool diff: what two session databases or archives of events say differently. */
#include "cli.h"

#include "diff/compare.h"
#include "diff/side.h"
#include "record/tables.h"
#include "sandbox.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct diff {
	int format;
	struct nr_list ignore;
	int64_t tolerance;
	uint64_t limit;
	bool containers, runs, no_sandbox;
};

static const struct nr_option diff_options[] = {
	{ "format", 0, NR_OPT_ENUM, "FORMAT", NR_OPT(diff, format), "table",
	  .values = nr_diff_formats, .help = "how to say it" },
	{ "ignore-column", 'i', NR_OPT_LIST, "COLUMN", NR_OPT(diff, ignore),
	  .help = "do not compare COLUMN of any table, TABLE.COLUMN or TABLE.*; may be "
		  "given several times" },
	{ "time-tolerance", 0, NR_OPT_DURATION, "TIME", NR_OPT(diff, tolerance), "0",
	  .help = "times and durations that are no further apart are equal" },
	{ "limit", 'n', NR_OPT_U64, "N", NR_OPT(diff, limit), "1", .min = 1,
	  .max = 100000, .help = "rows to name for each difference" },
	{ "containers", 0, NR_OPT_FLAG, NULL, NR_OPT(diff, containers),
	  .help = "compare the tables that describe the capture files too" },
	{ "runs", 0, NR_OPT_FLAG, NULL, NR_OPT(diff, runs),
	  .help = "compare table run too" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(diff, no_sandbox),
	  .help = "run without seccomp and Landlock" },
};

/* Where SQLite makes its temporary files (sqlite.org/tempfiles.html, section 5). */
static const char *temporary_directory(void)
{
	const char *const dirs[] = { getenv("SQLITE_TMPDIR"),
				     getenv("TMPDIR"),
				     "/var/tmp",
				     "/usr/tmp",
				     "/tmp",
				     "." };
	struct stat st;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++)
		if (dirs[i] && !stat(dirs[i], &st) && S_ISDIR(st.st_mode) &&
		    !access(dirs[i], W_OK | X_OK))
			return dirs[i];
	return ".";
}

static int confine(const struct diff *c, const struct nr_diff_side *s)
{
	const char *reads[] = { s[0].path, s[1].path };
	struct nr_buf target = { 0 };
	const char *targets[1];
	char applied[NR_SANDBOX_TEXT];
	struct nr_err err = { "" };
	int rc = 0;

	nr_buf_printf(&target, "%s/nrtool-diff", temporary_directory());
	targets[0] = target.p;
	if (!c->no_sandbox)
		rc = nr_sandbox_enter(&(struct nr_sandbox){ reads, 2, targets, 1 },
				      applied, &err);
	nr_buf_fini(&target);
	return rc ? nr_complain(NR_EXIT_FAILED, "diff", "%s", err.text) : 0;
}

static void say_skipped(void *arg, const struct nr_record_type *t,
			const struct nr_field *f, bool only_in_a)
{
	const struct nr_diff_side *s = arg;

	fprintf(stderr, "not compared: %s%s%s, which only %s has\n", t->name,
		f ? "." : "", f ? f->name : "", s[!only_in_a].path);
}

static int compare(const struct diff *c, struct nr_diff_side *s)
{
	const struct nr_compare_options o = {
		.ignore = c->ignore.v,
		.n_ignore = c->ignore.n,
		.tolerance_ns = c->tolerance,
		.containers = c->containers,
		.runs = c->runs,
		.skipped = say_skipped,
		.arg = s,
		.stop = &nr_stop,
	};
	struct nr_differences *d = nr_differences_new(c->limit);
	struct nr_err err = { "" };
	int rc = nr_compare(s[0].db, s[1].db, &o, d, &err);
	int status = s[0].is_damaged || s[1].is_damaged ? NR_EXIT_DAMAGED : 0;

	if (rc)
		status = nr_complain(NR_EXIT_FAILED, "diff", "%s", err.text);
	else if (nr_differences_any(d))
		status = NR_EXIT_DIFFERENT;
	if (!rc)
		nr_differences_print(d, (enum nr_diff_format)c->format, stdout);
	nr_differences_free(d);
	return status;
}

static int diff_run(const struct nr_call *call)
{
	const struct diff *c = call->config;
	struct nr_diff_side s[2] = { 0 };
	struct nr_err err = { "" };
	int status = 0, rc;

	for (size_t i = 0; i < c->ignore.n; i++)
		if (nr_compare_check_ignore(c->ignore.v[i], &err))
			return nr_complain(NR_EXIT_USAGE, "diff", "%s", err.text);
	nr_signals_init();
	for (int i = 0; i < 2 && !status; i++)
		status = nr_diff_side_open(&s[i], call->operands[i]);
	if (!status)
		status = confine(c, s);
	for (int i = 0; i < 2 && !status; i++)
		status = nr_diff_side_load(&s[i]);
	if (!status)
		status = compare(c, s);
	nr_diff_side_close(&s[0]);
	nr_diff_side_close(&s[1]);
	rc = nr_stdout_finish("diff");
	return rc ? rc : status;
}

const struct nr_command nr_cmd_diff = {
	.name = "diff",
	.operands = "A B",
	.operand_kind = "file",
	.summary = "says what two databases or archives say differently",
	.about =
		"Compares two session databases, archives of events (FILE.jsonl.zst) or\n"
		"directories of these: flows by key and time, what belongs to them "
		"under\n"
		"them, not by the number of a row. Nothing is printed where they say "
		"the\n"
		"same; status 5 where they do not.",
	.min_operands = 2,
	.max_operands = 2,
	.options = { diff_options, sizeof(diff_options) / sizeof(*diff_options) },
	.config_size = sizeof(struct diff),
	.run = diff_run,
};
