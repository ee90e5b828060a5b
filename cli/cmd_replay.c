/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool replay: captures in, a session database (or JSON lines) out. */
#include "cli.h"
#include "determinism.h"
#include "effort.h"

#include "base/clock.h"
#include "base/mem.h"
#include "engine_options.h"
#include "outputs.h"
#include "progress.h"
#include "replay.h"
#include "replay_config.h"
#include "sandbox.h"
#include "summary.h"

#include "engine/engine.h"
#include "engine/filter.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct replay {
	struct nr_engine_config e;
	struct nr_list outputs;
	uint64_t batch, threads, mem;
	const char *dedup, *secret_key;
	int checksums, overlap;
	bool force, append, keep_partial, no_hash, no_sandbox, quiet, verbose;
	bool verify_determinism;
	const char *stats;
	enum nr_effort_form effort;
};

#define E(member) NR_OPT(replay, e.member)

/* clang-format off */
static const struct nr_option replay_options[] = {
	{ "output", 'o', NR_OPT_LIST, "TARGET", NR_OPT(replay, outputs),
	  .help = "where to write: FILE.db a database, FILE.jsonl or - (standard output) "
		  "JSON lines, FILE.jsonl.zst an archive of them, null: (with its colon) nothing; may be given several times "
		  "[the first file's name with .db, here]" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(replay, force),
	  .help = "replace a target that exists" },
	{ "append", 0, NR_OPT_FLAG, NULL, NR_OPT(replay, append),
	  .help = "add this run to a database that exists" },
	{ "keep-partial", 0, NR_OPT_FLAG, NULL, NR_OPT(replay, keep_partial),
	  .help = "after a failure leave what was written as .NAME.partial" },
	{ "no-hash", 0, NR_OPT_FLAG, NULL, NR_OPT(replay, no_hash),
	  .help = "do not compute the SHA-256 of the files" },
	{ "filter", 'f', NR_OPT_TEXT, "BPF", E(filter), .is_record_option = true,
	  .help = "read only packets that match, as tcpdump(8) takes it" },
	{ "from", 0, NR_OPT_TIME, "TIME", E(from), .is_record_option = true,
	  .help = "leave out packets before this time (RFC 3339, or epoch seconds)" },
	{ "to", 0, NR_OPT_TIME, "TIME", E(to), .is_record_option = true,
	  .help = "leave out packets at or after this time" },
	{ "count", 'c', NR_OPT_U64, "N", E(count), .is_record_option = true,
	  .help = "stop after N packets" },
	NR_ENGINE_OPTIONS(replay),
	{ "max-jump", 0, NR_OPT_DURATION, "TIME", E(max_jump), "1h", .is_record_option = true,
	  .help = "packet times further ahead are judged before they are believed; 0: "
		  "believe all" },
	{ "batch", 0, NR_OPT_U64, "N", NR_OPT(replay, batch), "256", .min = 1,
	  .max = NR_BATCH_MAX, .help = "packets handled at once; changes no record" },
	{ "index-memory", 0, NR_OPT_SIZE, "SIZE", E(index_memory), "512M", .min = 4194304,
	  .is_record_option = true,
	  .help = "memory for numbers of packets that are not written yet" },
	{ "mem", 0, NR_OPT_SIZE, "SIZE", NR_OPT(replay, mem), .min = 67108864,
	  .help = "cap all memory that traffic drives: sets those of the caps above that "
		  "have their defaults" },
	{ "threads", 0, NR_OPT_U64, "N", NR_OPT(replay, threads), .min = 1, .max = 64,
	  .help = "threads of the engine; changes no record [one a CPU]" },
	{ "stats", 0, NR_OPT_TEXT, "FORM", NR_OPT(replay, stats), .bare = "text",
	  .help = "say at the end where time and memory went: text, or json" },
	{ "verify-determinism", 0, NR_OPT_FLAG, NULL, NR_OPT(replay, verify_determinism),
	  .help = "write nothing: replay several times, with other threads and batches, and "
		  "say whether the records are the same" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(replay, no_sandbox),
	  .help = "run without seccomp and Landlock; column run.sandbox says so" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(replay, quiet),
	  .help = "no progress and no summary" },
	{ "verbose", 'v', NR_OPT_FLAG, NULL, NR_OPT(replay, verbose),
	  .help = "name every file that was left out" },
};
/* clang-format on */

static void replay_defaults(void *config)
{
	nr_engine_config_defaults(&((struct replay *)config)->e);
}

static int count_stdin(const struct nr_call *call)
{
	int n = 0;

	for (int i = 0; i < call->n; i++)
		n += !strcmp(call->operands[i], "-");
	return n;
}

struct nr_engine_config *nr_replay_settle(void *config, struct nr_err *err)
{
	struct replay *c = config;

	if (c->mem)
		nr_engine_options_mem(&c->e, c->mem);
	c->e.batch = (uint32_t)c->batch;
	c->e.threads = c->threads ? (unsigned)c->threads : nr_engine_cpus();
	c->e.checksums = (enum nr_checksums)c->checksums;
	c->e.overlap = (enum nr_overlap)c->overlap;
	if (c->dedup && nr_engine_options_dedup(&c->e, c->dedup, err))
		return NULL;
	return &c->e;
}

/* What the rows cannot check by themselves. */
static int check_config(struct replay *c, const struct nr_call *call)
{
	int n_stdin = count_stdin(call);
	struct nr_err err;

	if (!nr_replay_settle(c, &err))
		return nr_complain(NR_EXIT_USAGE, "replay", "%s", err.text);
	if (c->e.from >= c->e.to)
		return nr_complain(NR_EXIT_USAGE, "replay",
				   "--from must lie before --to");
	if (c->force && c->append)
		return nr_complain(
			NR_EXIT_USAGE, "replay",
			"--force replaces and --append adds: give one of them");
	if (c->secret_key && nr_engine_options_secret_key(&c->e, c->secret_key, &err))
		return nr_complain(NR_EXIT_USAGE, "replay", "%s", err.text);
	if (c->verify_determinism && (c->outputs.n || n_stdin))
		return nr_complain(
			NR_EXIT_USAGE, "replay",
			"--verify-determinism writes nothing and reads several "
			"times: leave out -o, and give files");
	if (nr_effort_form_of(c->stats, &c->effort))
		return nr_complain(NR_EXIT_USAGE, "replay",
				   "--stats is text or json, not '%s'", c->stats);
	c->e.timing = c->effort != NR_EFFORT_NONE;
	if (n_stdin > 1)
		return nr_complain(NR_EXIT_USAGE, "replay", "- can be given only once");
	if (n_stdin && !c->outputs.n && !strcmp(call->operands[0], "-"))
		return nr_complain(
			NR_EXIT_USAGE, "replay",
			"standard input has no name to call the database after: "
			"give -o FILE.db");
	for (size_t i = 0; i < c->outputs.n; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(c->outputs.v[i], c->outputs.v[j]))
				return nr_complain(NR_EXIT_USAGE, "replay",
						   "-o %s is given twice",
						   c->outputs.v[i]);
	return 0;
}

/* One run, from the open inputs to the exit status. */
struct run {
	struct replay *c;
	const struct nr_call *call;
	struct nr_merge *merge;
	struct nr_engine *engine;
	struct nr_sink **sinks; /* the engine's list, for as long as it lives */
	struct nr_sink *summary;
	struct nr_outputs out;
	struct nr_progress progress;
	int64_t started_ns, monotonic_ns;
	char sandbox[NR_SANDBOX_TEXT]; /* what was applied */
	struct nr_err err;
};

static void on_progress(void *arg)
{
	struct run *r = arg;
	uint64_t done, total;

	if (!r->progress.on)
		return;
	nr_merge_progress(r->merge, &done, &total);
	nr_progress_draw(&r->progress, nr_engine_stats(r->engine)->packets, done, total);
}

/* --force must never cost the evidence: no output is an input. */
static int check_outputs(const struct run *r)
{
	for (size_t i = 0; i < r->c->outputs.n; i++) {
		const char *target = r->c->outputs.v[i];

		for (size_t k = 0; k < nr_merge_n_sources(r->merge); k++) {
			if (nr_output_is_input(target, nr_merge_info(r->merge, k)->path))
				return nr_complain(NR_EXIT_USAGE, "replay",
						   "%s is an input too; name another "
						   "output with -o",
						   target);
		}
	}
	return NR_EXIT_OK;
}

/*
 * --append: ids go on behind the highest of all databases that exist. They are open: no
 * other run adds to them meanwhile.
 */
static int next_ids(struct run *r)
{
	for (size_t i = 0; r->c->append && i < r->c->outputs.n; i++) {
		int64_t run_id, source_id;
		uint64_t ordinal;
		int rc;

		if (!nr_outputs_is_database(r->c->outputs.v[i]) ||
		    access(r->c->outputs.v[i], F_OK))
			continue;
		rc = nr_sqlite_next_ids(r->c->outputs.v[i], &run_id, &source_id, &ordinal,
					&r->err);
		if (rc)
			return rc;
		if (r->c->e.first_source_id < (uint64_t)source_id)
			r->c->e.first_source_id = (uint64_t)source_id;
		if (r->c->e.first_ordinal < ordinal)
			r->c->e.first_ordinal = ordinal;
	}
	return 0;
}

static int run_engine(struct run *r)
{
	char host[HOST_NAME_MAX + 1] = "", cwd[PATH_MAX] = "";
	struct nr_buf libraries = { 0 }, options = { 0 };
	struct nr_run_info info = {
		.argv = r->call->argv_text,
		.cwd = getcwd(cwd, sizeof(cwd)),
		.host = gethostname(host, sizeof(host)) ? NULL : host,
		.sandbox = r->sandbox,
		.started_ns = r->started_ns,
		.threads = r->c->e.threads,
	};
	int rc;

	nr_libraries_json(&libraries);
	nr_record_options_json(&options, &nr_cmd_replay.options, r->c);
	info.libraries = libraries.p;
	info.record_options = options.p;
	rc = nr_engine_run(r->engine, r->merge, &info, &nr_stop, on_progress, r, &r->err);
	nr_progress_clear(&r->progress);
	nr_buf_fini(&libraries);
	nr_buf_fini(&options);
	return rc;
}

/* The exit status of what went wrong, said on stderr. */
static int failed(struct run *r, int rc)
{
	if (r->out.reader_gone && !r->out.failed && rc == -EPIPE)
		return NR_EXIT_OK;
	if (r->out.failed)
		return nr_complain(NR_EXIT_INCOMPLETE, "replay", "%s", r->err.text);
	return nr_complain(NR_EXIT_FAILED, "replay", "%s", r->err.text);
}

/*
 * Before the inputs are opened, which starts threads. The filter is compiled here, as
 * names of hosts and ports cannot be looked up later.
 */
static int confine(struct run *r, int n, char **files)
{
	const struct nr_sandbox s = {
		.reads = (const char *const *)files,
		.n_reads = (size_t)n,
		.targets = r->c->outputs.v,
		.n_targets = r->c->outputs.n,
	};

	if (r->c->e.filter &&
	    nr_filter_new(&r->c->e.compiled_filter, r->c->e.filter, &r->err))
		return nr_complain(NR_EXIT_USAGE, "replay", "%s", r->err.text);
	snprintf(r->sandbox, sizeof(r->sandbox), "none");
	if (r->c->no_sandbox || !nr_sandbox_enter(&s, r->sandbox, &r->err))
		return 0;
	return nr_complain(NR_EXIT_FAILED, "replay", "%s", r->err.text);
}

static int run_all(struct run *r, int n, char **files)
{
	struct nr_merge_options mo = { .max_jump_ns = r->c->e.max_jump,
				       .hash = !r->c->no_hash,
				       .stop = &nr_stop };
	struct nr_sink_options so = {
		.force = r->c->force,
		.append = r->c->append,
		.keep_partial = r->c->keep_partial,
		.argv_text = r->call->argv_text,
	};
	const struct nr_engine_stats *st;
	size_t n_sinks;
	int rc;

	if (r->c->e.from != INT64_MIN || r->c->e.to != INT64_MAX) {
		mo.from_ns = r->c->e.from;
		mo.to_ns = r->c->e.to;
	}
	rc = nr_merge_open(&r->merge, (const char *const *)files, (size_t)n, &mo,
			   &r->err);
	if (rc && nr_stop)
		return nr_complain(NR_EXIT_FAILED, "replay",
				   "interrupted before the inputs were open");
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "replay", "%s", r->err.text);
	nr_report_skipped(r->merge, r->c->verbose);
	rc = check_outputs(r);
	if (rc)
		return rc;
	rc = nr_outputs_open(&r->out, r->c->outputs.v, r->c->outputs.n, &so, &r->err);
	if (!rc)
		rc = next_ids(r);
	if (rc)
		return nr_complain(rc == -EINVAL ? NR_EXIT_USAGE : NR_EXIT_FAILED,
				   "replay", "%s", r->err.text);
	r->sinks = nr_xcalloc(r->out.n + 1, sizeof(*r->sinks));
	n_sinks = nr_outputs_sinks(&r->out, r->sinks);
	if (!r->c->quiet) {
		r->summary = nr_summary_new();
		r->sinks[n_sinks++] = r->summary;
	}
	rc = nr_engine_new(&r->engine, &r->c->e, r->sinks, n_sinks, &r->err);
	r->c->e.compiled_filter = NULL;
	if (rc)
		return nr_complain(rc == -EINVAL ? NR_EXIT_USAGE : NR_EXIT_FAILED,
				   "replay", "%s", r->err.text);
	rc = run_engine(r);
	if (!rc)
		rc = nr_outputs_finish(&r->out, &r->err);
	if (rc)
		return failed(r, rc);
	st = nr_engine_stats(r->engine);
	if (!r->c->quiet)
		nr_outputs_report_archives(&r->out, stderr);
	if (!r->c->quiet)
		nr_replay_report(r->merge, r->engine, r->summary, &r->c->outputs,
				 nr_monotonic_ns() - r->monotonic_ns);
	else
		nr_report_damage(r->merge, r->engine);
	nr_effort_print(r->engine, &r->out, nr_monotonic_ns() - r->monotonic_ns,
			!r->c->no_hash, r->c->effort, stderr);
	return st->n_damaged || st->interrupted ? NR_EXIT_DAMAGED : NR_EXIT_OK;
}

static int verify_determinism(struct run *r, int n, char **files)
{
	struct nr_filter *filters[NR_DETERMINISM_RUNS] = { NULL };
	const char *text = r->c->e.filter;
	int rc = 0;

	nr_signals_init();
	/* Each replay takes one; names in it are looked up before the sandbox. */
	for (size_t i = 0; text && !rc && i < NR_DETERMINISM_RUNS; i++)
		rc = nr_filter_new(&filters[i], text, &r->err);
	if (rc)
		rc = nr_complain(NR_EXIT_USAGE, "replay", "%s", r->err.text);
	else
		rc = confine(r, n, files);
	nr_filter_free(r->c->e.compiled_filter);
	r->c->e.compiled_filter = NULL;
	if (!rc)
		rc = nr_determinism(&r->c->e, text ? filters : NULL, files, n,
				    r->c->quiet);
	for (size_t i = 0; i < NR_DETERMINISM_RUNS; i++)
		nr_filter_free(filters[i]);
	free((void *)r->c->e.parse.secret_key);
	return rc;
}

static int replay_run(const struct nr_call *call)
{
	struct replay *c = call->config;
	struct run r = { .c = c, .call = call, .monotonic_ns = nr_monotonic_ns() };
	char *target = NULL;
	struct timespec now;
	int rc = check_config(c, call);

	if (rc)
		return rc;
	clock_gettime(CLOCK_REALTIME, &now);
	r.started_ns = now.tv_sec * 1000000000 + now.tv_nsec;
	if (c->verify_determinism)
		return verify_determinism(&r, call->n, call->operands);
	if (!c->outputs.n) {
		target = nr_default_target(call->operands[0]);
		c->outputs.v = nr_xcalloc(1, sizeof(*c->outputs.v));
		c->outputs.v[c->outputs.n++] = target;
	}
	nr_signals_init();
	nr_progress_init(&r.progress, !c->quiet);
	rc = confine(&r, call->n, call->operands);
	if (!rc)
		rc = run_all(&r, call->n, call->operands);
	nr_filter_free(c->e.compiled_filter);
	nr_engine_free(r.engine);
	free(r.sinks);
	free((void *)c->e.parse.secret_key);
	nr_outputs_close(&r.out);
	nr_summary_free(r.summary);
	nr_merge_close(r.merge);
	free(target);
	return rc;
}

const struct nr_command nr_cmd_replay = {
	.name = "replay",
	.operands = "FILE…",
	.operand_kind = "file",
	.summary = "reads captures, writes a session database",
	.about = "Reads captures (pcap, pcapng, snoop; also gzip, zstd, xz, lz4; - is "
		 "standard\n"
		 "input; a directory stands for the captures below it), merges them by "
		 "packet\n"
		 "time and writes what happened: one row a flow, and what is odd.",
	.min_operands = 1,
	.max_operands = NR_ANY,
	.options = { replay_options, sizeof(replay_options) / sizeof(*replay_options) },
	.config_size = sizeof(struct replay),
	.defaults = replay_defaults,
	.run = replay_run,
};
