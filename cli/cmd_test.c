/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool test: cases of captures and what they are to give. */
#include "cli.h"

#include "casetest/runner.h"

struct test {
	struct nr_test_options o;
};

#define O(member) NR_OPT(test, o.member)

/* clang-format off */
static const struct nr_option test_options[] = {
	{ "jobs", 'j', NR_OPT_U64, "N", O(jobs), .min = 1, .max = 256,
	  .help = "cases that run at the same time [one for each CPU]" },
	{ "filter", 'f', NR_OPT_LIST, "WORD", O(filters),
	  .help = "only cases with WORD in their name, or whose name fits it, with * and ?; "
		  "may be given several times" },
	{ "update", 0, NR_OPT_FLAG, NULL, O(update),
	  .help = "rewrite what is expected where it differs, and show the lines" },
	{ "tap", 0, NR_OPT_FLAG, NULL, O(tap),
	  .help = "report as TAP (Test Anything Protocol)" },
	{ "junit", 0, NR_OPT_TEXT, "FILE", O(junit),
	  .help = "also write a report as JUnit's XML" },
	{ "timeout", 0, NR_OPT_DURATION, "TIME", O(timeout_ns), "60s",
	  .help = "a case that takes longer is killed and has failed" },
	{ "max-differences", 0, NR_OPT_U64, "N", O(max_differences), "20", .min = 1,
	  .max = 1000000, .help = "differences of a case that are shown" },
	{ "no-skip", 0, NR_OPT_FLAG, NULL, O(no_skip),
	  .help = "a case whose capture is not here is broken, not skipped" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, O(quiet), .help = "do not name cases that pass" },
};
/* clang-format on */

static int test_run(const struct nr_call *call)
{
	const struct test *c = call->config;

	if (c->o.tap && c->o.update)
		return nr_complain(NR_EXIT_USAGE, "test",
				   "--tap reports and --update rewrites: give one");
	return nr_test_run(&c->o, call->operands, call->n);
}

const struct nr_command nr_cmd_test = {
	.name = "test",
	.operands = "DIR…",
	.operand_kind = "file",
	.summary = "runs cases: captures and the rows that they are to give",
	.about = "Finds the cases below each DIR (a folder with captures and expect.sql "
		 "or\n"
		 "expect.jsonl, see nrtool-test(5)), replays their captures, and says in "
		 "what\n"
		 "rows and fields the results differ from what is expected. Status 0: "
		 "nothing\n"
		 "differs; 5: something does; 2: a case is broken.",
	.min_operands = 1,
	.max_operands = NR_ANY,
	.options = { test_options, sizeof(test_options) / sizeof(*test_options) },
	.config_size = sizeof(struct test),
	.run = test_run,
};
