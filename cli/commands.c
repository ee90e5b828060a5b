/* SPDX-License-Identifier: BSD-3-Clause */
/* The dispatcher: finds the command's row, parses its options, runs it. */
#include "cli.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

atomic_int nr_stop;
const char *const nr_version = NR_VERSION;

/* clang-format off */
const struct nr_command *const nr_commands[] = {
	&nr_cmd_replay,
	&nr_cmd_capture,
	&nr_cmd_query,
	&nr_cmd_extract,
	&nr_cmd_follow,
	&nr_cmd_verify,
	&nr_cmd_diff,
	&nr_cmd_test,
	&nr_cmd_manifest,
	&nr_cmd_keygen,
	&nr_cmd_info,
	&nr_cmd_archive,
	&nr_cmd_export,
	&nr_cmd_import,
	&nr_cmd_schema,
	&nr_cmd_protocols,
	&nr_cmd_interfaces,
	&nr_cmd_doctor,
	&nr_cmd_completion,
	&nr_cmd_help,
	&nr_cmd_version,
	NULL,
};
/* clang-format on */

enum { N_COMMANDS = sizeof(nr_commands) / sizeof(*nr_commands) - 1 };

static const char *command_name(const void *arg, size_t i)
{
	(void)arg;
	return nr_commands[i]->name;
}

const struct nr_command *nr_command_find(const char *name)
{
	for (size_t i = 0; nr_commands[i]; i++)
		if (!strcmp(nr_commands[i]->name, name))
			return nr_commands[i];
	return NULL;
}

int nr_complain(int status, const char *verb, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, verb ? "nrtool %s: " : "nrtool: ", verb);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

static void on_signal(int sig)
{
	int none = 0;

	if (!atomic_compare_exchange_strong(&nr_stop, &none, sig))
		_exit(128 + sig);
}

void nr_signals_init(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	/* no SA_RESTART: what waits for a pipe is to look at nr_stop */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

int nr_stdout_finish(const char *verb)
{
	bool failed = fflush(stdout) || ferror(stdout);

	if (!failed || errno == EPIPE)
		return NR_EXIT_OK;
	return nr_complain(NR_EXIT_INCOMPLETE, verb,
			   "cannot write to standard output: %s", strerror(errno));
}

static bool is_plain(const char *s)
{
	return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789_-+=.,/:@%")];
}

/* The command line as one could paste it into a shell; caller frees. */
static char *argv_text(int argc, char **argv)
{
	char *out = NULL;
	size_t size;
	FILE *f = open_memstream(&out, &size);

	for (int i = 0; f && i < argc; i++) {
		if (i)
			fputc(' ', f);
		if (is_plain(argv[i])) {
			fputs(argv[i], f);
			continue;
		}
		fputc('\'', f);
		for (const char *s = argv[i]; *s; s++)
			if (*s == '\'')
				fputs("'\\''", f);
			else
				fputc(*s, f);
		fputc('\'', f);
	}
	if (f)
		fclose(f);
	return out ? out : nr_xstrdup("nrtool");
}

void nr_command_help(const struct nr_command *c, FILE *f)
{
	fprintf(f, "usage: nrtool %s%s%s%s\n\n%s\n\noptions:\n", c->name,
		c->options.n ? " [OPTION…]" : "", c->operands[0] ? " " : "", c->operands,
		c->about);
	nr_options_help(&c->options, f);
}

static int check_operands(const struct nr_command *c, int n)
{
	if ((unsigned)n < c->min_operands)
		return nr_complain(NR_EXIT_USAGE, c->name,
				   "%s is missing; see nrtool %s --help", c->operands,
				   c->name);
	if ((unsigned)n > c->max_operands)
		return nr_complain(NR_EXIT_USAGE, c->name,
				   "too many arguments; see nrtool %s --help", c->name);
	return 0;
}

/* argv[0] is "nrtool", argv[1] the command's name. */
static int run_command(const struct nr_command *c, int argc, char **argv)
{
	struct nr_call call = { .config = nr_xcalloc(1, c->config_size) };
	char *text = argv_text(argc, argv);
	struct nr_err err = { "" };
	bool help;
	int rc;

	if (c->defaults)
		c->defaults(call.config);
	call.argv_text = text;
	call.operands = argv + 2;
	rc = nr_options_parse(&c->options, call.config, argc - 2, argv + 2, &call.n,
			      &help, &err);
	if (rc) {
		rc = nr_complain(NR_EXIT_USAGE, c->name, "%s", err.text);
	} else if (help) {
		nr_command_help(c, stdout);
		rc = nr_stdout_finish(c->name);
	} else {
		call.operands[call.n] = NULL;
		rc = check_operands(c, call.n);
		if (!rc)
			rc = c->run(&call);
	}
	nr_options_fini(&c->options, call.config);
	free(call.config);
	free(text);
	return rc;
}

/* What other tools accept: --help, --version. */
static const struct nr_command *command_of(const char *word)
{
	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return &nr_cmd_help;
	if (!strcmp(word, "--version") || !strcmp(word, "-V"))
		return &nr_cmd_version;
	return nr_command_find(word);
}

int nr_main(int argc, char **argv)
{
	const struct nr_command *c;
	const char *near;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file too large is a write that fails */
	if (argc < 2) {
		fputs("usage: nrtool COMMAND …; `nrtool help` lists the commands\n",
		      stderr);
		return NR_EXIT_USAGE;
	}
	c = command_of(argv[1]);
	if (c)
		return run_command(c, argc, argv);
	near = nr_nearest(argv[1], command_name, NULL, N_COMMANDS);
	if (near)
		return nr_complain(NR_EXIT_USAGE, NULL,
				   "there is no command '%s'; did you mean '%s'?",
				   argv[1], near);
	return nr_complain(NR_EXIT_USAGE, NULL,
			   "there is no command '%s'; `nrtool help` lists them", argv[1]);
}
