/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool completion SHELL: what the shells complete, made from the option rows. */
#include "cli.h"

#include "record/tables.h"

#include <string.h>

static void put_escaped(const char *s, const char *special)
{
	for (; *s; s++) {
		if (strchr(special, *s))
			putchar('\\');
		putchar(*s);
	}
}

static bool is_kind(const struct nr_command *c, const char *kind)
{
	return c->operand_kind && !strcmp(c->operand_kind, kind);
}

/* The words that an operand may be; false where it is a file or nothing. */
static bool put_operand_words(const struct nr_command *c)
{
	if (is_kind(c, "table")) {
		for (size_t i = 0; i < nr_n_record_types; i++)
			printf("%s ", nr_record_types[i]->name);
	} else if (is_kind(c, "shell")) {
		fputs("bash zsh fish ", stdout);
	} else if (is_kind(c, "command")) {
		for (size_t i = 0; nr_commands[i]; i++)
			printf("%s ", nr_commands[i]->name);
	} else {
		return false;
	}
	return true;
}

static void bash_values(const struct nr_command *c)
{
	for (size_t i = 0; i < c->options.n; i++) {
		const struct nr_option *r = &c->options.rows[i];

		if (r->kind != NR_OPT_ENUM)
			continue;
		printf("\t%s:--%s) words=\"", c->name, r->name);
		for (size_t k = 0; r->values[k]; k++)
			printf("%s ", r->values[k]);
		puts("\" ;;");
	}
}

static void put_bash(void)
{
	puts("# bash completion of nrtool: nrtool completion bash");
	puts("_nrtool() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
	     "words=\n"
	     "\tlocal verb=${COMP_WORDS[1]}\n"
	     "\tCOMPREPLY=()\n"
	     "\t[ \"$cur\" = = ] && cur=\n"
	     "\t[ \"$prev\" = = ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	     "\tif [ \"$COMP_CWORD\" = 1 ]; then");
	fputs("\t\tCOMPREPLY=($(compgen -W \"", stdout);
	for (size_t i = 0; nr_commands[i]; i++)
		printf("%s ", nr_commands[i]->name);
	puts("\" -- \"$cur\"))\n\t\treturn\n\tfi\n\tcase $verb:$prev in");
	for (size_t i = 0; nr_commands[i]; i++)
		bash_values(nr_commands[i]);
	puts("\t*) case $verb:$cur in");
	for (size_t i = 0; nr_commands[i]; i++) {
		const struct nr_command *c = nr_commands[i];

		printf("\t\t%s:-*) words=\"--help ", c->name);
		for (size_t k = 0; k < c->options.n; k++)
			printf("--%s ", c->options.rows[k].name);
		puts("\" ;;");
		if (!c->operand_kind || is_kind(c, "file"))
			continue;
		printf("\t\t%s:*) words=\"", c->name);
		put_operand_words(c);
		if (is_kind(c, "interface"))
			fputs("$(ls /sys/class/net)", stdout);
		puts("\" ;;");
	}
	puts("\t\tesac ;;\n\tesac\n"
	     "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	     "}\n"
	     "complete -o default -F _nrtool nrtool");
}

static void put_zsh_option(const struct nr_option *r)
{
	static const char special[] = "[]:'\\";

	printf("\t\t'%s--%s%s[", r->kind == NR_OPT_LIST ? "*" : "", r->name,
	       r->arg ? r->bare ? "=-" : "=" : "");
	put_escaped(r->help, special);
	putchar(']');
	if (r->kind == NR_OPT_ENUM) {
		printf(":%s:(", r->arg);
		for (size_t k = 0; r->values[k]; k++)
			printf("%s%s", k ? " " : "", r->values[k]);
		putchar(')');
	} else if (r->arg) {
		printf("%s:%s:%s", r->bare ? ":" : "", r->arg,
		       r->kind == NR_OPT_LIST ? "_files" : " ");
	}
	puts("' \\");
}

static void put_zsh(void)
{
	puts("#compdef nrtool\n# zsh completion of nrtool: nrtool completion zsh\n"
	     "_nrtool() {\n\tlocal -a commands=(");
	for (size_t i = 0; nr_commands[i]; i++) {
		printf("\t\t'%s:", nr_commands[i]->name);
		put_escaped(nr_commands[i]->summary, ":'");
		puts("'");
	}
	puts("\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command "
	     "commands\n\t\treturn\n"
	     "\tfi\n\tshift words; (( CURRENT-- ))\n\tcase $words[1] in");
	for (size_t i = 0; nr_commands[i]; i++) {
		const struct nr_command *c = nr_commands[i];

		printf("\t%s) _arguments -s \\\n", c->name);
		for (size_t k = 0; k < c->options.n; k++)
			put_zsh_option(&c->options.rows[k]);
		fputs("\t\t'(-h --help)'{-h,--help}'[show help]' \\\n\t\t'*:", stdout);
		if (is_kind(c, "file")) {
			fputs("file:_files", stdout);
		} else if (is_kind(c, "interface")) {
			fputs("interface:_net_interfaces", stdout);
		} else if (c->operand_kind) {
			printf("%s:(", c->operand_kind);
			put_operand_words(c);
			putchar(')');
		} else {
			fputs("argument: ", stdout);
		}
		puts("' ;;");
	}
	puts("\tesac\n}\n_nrtool \"$@\"");
}

static void put_fish(void)
{
	puts("# fish completion of nrtool: nrtool completion fish");
	for (size_t i = 0; nr_commands[i]; i++) {
		const struct nr_command *c = nr_commands[i];

		printf("complete -c nrtool -f -n __fish_use_subcommand -a %s -d '",
		       c->name);
		put_escaped(c->summary, "'\\");
		puts("'");
		for (size_t k = 0; k < c->options.n; k++) {
			const struct nr_option *r = &c->options.rows[k];

			printf("complete -c nrtool -n '__fish_seen_subcommand_from %s' "
			       "-l %s",
			       c->name, r->name);
			if (r->letter)
				printf(" -s %c", r->letter);
			if (r->kind == NR_OPT_ENUM) {
				fputs(" -x -a '", stdout);
				for (size_t v = 0; r->values[v]; v++)
					printf("%s%s", v ? " " : "", r->values[v]);
				putchar('\'');
			} else if (r->arg && !r->bare) {
				fputs(r->kind == NR_OPT_LIST ? " -r -F" : " -x", stdout);
			}
			fputs(" -d '", stdout);
			put_escaped(r->help, "'\\");
			puts("'");
		}
		if (!c->operand_kind)
			continue;
		printf("complete -c nrtool -n '__fish_seen_subcommand_from %s'", c->name);
		if (is_kind(c, "file")) {
			puts(" -F");
			continue;
		}
		fputs(" -f -a '", stdout);
		put_operand_words(c);
		if (is_kind(c, "interface"))
			fputs("(ls /sys/class/net)", stdout);
		puts("'");
	}
}

static const struct shell {
	const char *name;
	void (*put)(void);
} shells[] = { { "bash", put_bash }, { "zsh", put_zsh }, { "fish", put_fish } };

static int completion_run(const struct nr_call *call)
{
	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++) {
		if (strcmp(shells[i].name, call->operands[0]) != 0)
			continue;
		shells[i].put();
		return nr_stdout_finish("completion");
	}
	return nr_complain(NR_EXIT_USAGE, "completion",
			   "there is no completion for '%s'; it can be bash, zsh or fish",
			   call->operands[0]);
}

const struct nr_command nr_cmd_completion = {
	.name = "completion",
	.operands = "SHELL",
	.operand_kind = "shell",
	.summary = "prints completions for bash, zsh or fish",
	.about = "Prints what makes a shell complete nrtool's commands and options; for "
		 "bash:\n"
		 "nrtool completion bash "
		 ">~/.local/share/bash-completion/completions/nrtool",
	.min_operands = 1,
	.max_operands = 1,
	.run = completion_run,
};
