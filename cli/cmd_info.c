/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool info: what a capture holds, and whether it is whole. */
#include "cli.h"

#include "base/mem.h"
#include "capture_info.h"
#include "sandbox.h"

#include <string.h>

struct info {
	bool json, no_hash, no_sandbox;
};

static const struct nr_option info_options[] = {
	{ "json", 0, NR_OPT_FLAG, NULL, NR_OPT(info, json),
	  .help = "one JSON object a file" },
	{ "no-hash", 0, NR_OPT_FLAG, NULL, NR_OPT(info, no_hash),
	  .help = "do not compute the SHA-256" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(info, no_sandbox),
	  .help = "read without seccomp and Landlock" },
};

/* One file; returns its exit status. */
static int info_of(const struct info *c, const char *path, bool first)
{
	struct nr_capture_info *i =
		nr_xcalloc(1, sizeof(*i)); /* too large for the stack */
	struct nr_err err = { "" };
	int rc = nr_capture_info_read(i, path, !c->no_hash, &nr_stop, &err);

	if (rc) {
		nr_capture_info_free(i);
		return nr_complain(NR_EXIT_FAILED, "info", "%s", err.text);
	}
	if (c->json)
		nr_capture_info_json(i, stdout);
	else
		nr_capture_info_text(i, first, stdout);
	rc = i->n_damages || i->interrupted ? NR_EXIT_DAMAGED : NR_EXIT_OK;
	nr_capture_info_free(i);
	return rc;
}

static int info_run(const struct nr_call *call)
{
	const struct info *c = call->config;
	const struct nr_sandbox box = { .reads = (const char *const *)call->operands,
					.n_reads = (size_t)call->n };
	char applied[NR_SANDBOX_TEXT];
	int worst = NR_EXIT_OK, rc;
	struct nr_err err;

	nr_signals_init();
	if (!c->no_sandbox && nr_sandbox_enter(&box, applied, &err))
		return nr_complain(NR_EXIT_FAILED, "info", "%s", err.text);
	for (int k = 0; k < call->n && !nr_stop; k++) {
		rc = info_of(c, call->operands[k], !k);
		/* a file that failed outweighs one that is damaged */
		if (rc == NR_EXIT_FAILED || worst == NR_EXIT_OK)
			worst = rc;
	}
	rc = nr_stdout_finish("info");
	return rc ? rc : worst;
}

const struct nr_command nr_cmd_info = {
	.name = "info",
	.operands = "FILE…",
	.operand_kind = "file",
	.summary = "says what a capture holds, and whether it is whole",
	.about = "Says what captures hold: format, packets, times, rates, link types,\n"
		 "interfaces, comments, names, damage. Status 3 where one is damaged.",
	.min_operands = 1,
	.max_operands = NR_ANY,
	.options = { info_options, sizeof(info_options) / sizeof(*info_options) },
	.config_size = sizeof(struct info),
	.run = info_run,
};
