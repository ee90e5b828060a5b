/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool test: cases of captures and what they are to give. */
#include "cli.h"

#include "casetest/init.h"
#include "casetest/reduce.h"
#include "casetest/runner.h"

struct test {
	struct nr_test_options o;
	const char *init, *to;
	bool reduce, loose, scrub;
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
	{ "init", 0, NR_OPT_TEXT, "DIR", NR_OPT(test, init),
	  .help = "make DIR a case of the captures that follow, as they are today" },
	{ "reduce", 0, NR_OPT_FLAG, NULL, NR_OPT(test, reduce),
	  .help = "make of the one case DIR, which fails, a smaller one that fails in the "
		  "same way" },
	{ "to", 0, NR_OPT_TEXT, "DIR", NR_OPT(test, to),
	  .help = "where --reduce puts it [the name of the case with -reduced]" },
	{ "loose", 0, NR_OPT_FLAG, NULL, NR_OPT(test, loose),
	  .help = "--reduce: the same expectations fail, with whatever values" },
	{ "scrub", 0, NR_OPT_FLAG, NULL, NR_OPT(test, scrub),
	  .help = "--reduce: zero payload and map addresses where the failure allows" },
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
	const struct nr_reduce_options reduce = { .to = c->to,
						  .timeout_ns = c->o.timeout_ns,
						  .loose = c->loose,
						  .scrub = c->scrub,
						  .quiet = c->o.quiet };

	if (!!c->init + c->reduce + c->o.update + c->o.tap > 1)
		return nr_complain(
			NR_EXIT_USAGE, "test",
			"--init, --reduce, --update and --tap: give one of them");
	if (!c->reduce && (c->to || c->loose || c->scrub))
		return nr_complain(NR_EXIT_USAGE, "test",
				   "--to, --loose and --scrub go with --reduce");
	if (c->init)
		return nr_test_init(c->init, call->operands, call->n, c->o.timeout_ns);
	if (!c->reduce)
		return nr_test_run(&c->o, call->operands, call->n);
	if (call->n != 1)
		return nr_complain(NR_EXIT_USAGE, "test", "--reduce takes one case");
	return nr_test_reduce(&reduce, call->operands[0]);
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
