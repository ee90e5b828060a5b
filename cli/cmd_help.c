/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool help, nrtool version */
#include "cli.h"

#include <errno.h>

static int help_run(const struct nr_call *call)
{
	if (call->n) {
		const struct nr_command *c = nr_command_find(call->operands[0]);

		if (!c)
			return nr_complain(
				NR_EXIT_USAGE, "help",
				"there is no command '%s'; `nrtool help` lists them",
				call->operands[0]);
		nr_command_help(c, stdout);
		return nr_stdout_finish("help");
	}
	fputs("usage: nrtool COMMAND [OPTION…] [ARGUMENT…]\n\n"
	      "Turns packet captures into a session database that you can question.\n\n",
	      stdout);
	for (size_t i = 0; nr_commands[i]; i++)
		printf("  %-12s%s\n", nr_commands[i]->name, nr_commands[i]->summary);
	fputs("\n`nrtool COMMAND --help` lists a command's options; manual pages: "
	      "nrtool(1),\n"
	      "nrtool-replay(1), nrtool-schema(5).\n",
	      stdout);
	return nr_stdout_finish("help");
}

static int version_run(const struct nr_call *call)
{
	(void)call;
	printf("nrtool %s\n", nr_version);
	return nr_stdout_finish("version");
}

const struct nr_command nr_cmd_help = {
	.name = "help",
	.operands = "[COMMAND]",
	.operand_kind = "command",
	.summary = "lists the commands, or one command's options",
	.about = "Lists the commands, or the options of one of them.",
	.max_operands = 1,
	.run = help_run,
};

const struct nr_command nr_cmd_version = {
	.name = "version",
	.operands = "",
	.summary = "says which version this is",
	.about = "Says which version this is.",
	.run = version_run,
};
