/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool archive: captures in, one seekable archive (or plain pcapng) out. */
#include "cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "outputs.h"
#include "progress.h"
#include "replay.h"
#include "sandbox.h"
#include "text.h"

#include "archive/packets.h"

#include <errno.h>
#include <string.h>

struct archive {
	const char *write;
	uint64_t level, threads, frame_size;
	bool force, keep_partial, no_hash, no_sandbox, quiet, verbose;
};

static const struct nr_option archive_options[] = {
	{ "write", 'w', NR_OPT_TEXT, "FILE", NR_OPT(archive, write),
	  .help = "where to write: FILE.pcapng.zst an archive, FILE.pcapng or - "
		  "(standard "
		  "output) plain pcapng" },
	{ "level", 0, NR_OPT_U64, "N", NR_OPT(archive, level), "3", .min = 1, .max = 19,
	  .help = "how hard zstd tries" },
	{ "threads", 0, NR_OPT_U64, "N", NR_OPT(archive, threads), .min = 1, .max = 64,
	  .help = "threads that compress; changes no byte [one a CPU, at most 8]" },
	{ "frame-size", 0, NR_OPT_SIZE, "SIZE", NR_OPT(archive, frame_size), "1M",
	  .min = 64 << 10, .max = 16 << 20,
	  .help = "content of one frame: what is decompressed to reach one packet" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(archive, force),
	  .help = "replace a file that exists" },
	{ "keep-partial", 0, NR_OPT_FLAG, NULL, NR_OPT(archive, keep_partial),
	  .help = "after a failure leave what was written as .NAME.partial" },
	{ "no-hash", 0, NR_OPT_FLAG, NULL, NR_OPT(archive, no_hash),
	  .help = "do not compute the SHA-256 of the inputs" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(archive, no_sandbox),
	  .help = "run without seccomp and Landlock" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(archive, quiet),
	  .help = "no progress and no summary" },
	{ "verbose", 'v', NR_OPT_FLAG, NULL, NR_OPT(archive, verbose),
	  .help = "name every file that was left out" },
};

struct run {
	const struct archive *c;
	struct nr_merge *merge;
	struct nr_ngw *out;
	struct nr_addresses *addresses;
	struct nr_progress progress;
	struct nr_repack_stats st;
	struct nr_ngw_result res;
	int64_t monotonic_ns;
	struct nr_err err;
};

static void on_progress(void *arg, uint64_t packets)
{
	struct run *r = arg;
	uint64_t done, total;

	if (!r->progress.on)
		return;
	nr_merge_progress(r->merge, &done, &total);
	nr_progress_draw(&r->progress, packets, done, total);
}

static void on_damage(void *arg, const struct nr_source_info *s, const char *p, size_t n)
{
	struct run *r = arg;

	nr_progress_clear(&r->progress);
	fputs("damaged: ", stderr);
	nr_text_safe(stderr, s->path, strlen(s->path));
	fputs(": ", stderr);
	nr_text_safe(stderr, p, n);
	fputc('\n', stderr);
}

static int complain(const struct run *r, int rc, bool output)
{
	return nr_complain(rc == -EINVAL ? NR_EXIT_USAGE
			   : output      ? NR_EXIT_INCOMPLETE
					 : NR_EXIT_FAILED,
			   "archive", "%s", r->err.text);
}

static int is_input(const struct run *r)
{
	for (size_t i = 0; i < nr_merge_n_sources(r->merge); i++)
		if (nr_output_is_input(r->c->write, nr_merge_info(r->merge, i)->path))
			return nr_complain(NR_EXIT_USAGE, "archive",
					   "%s is an input too; name another output "
					   "with -w",
					   r->c->write);
	return 0;
}

static int open_output(struct run *r)
{
	const struct archive *c = r->c;
	const struct nr_ngw_options o = {
		.force = c->force,
		.keep_partial = c->keep_partial,
		.level = (int)c->level,
		.threads = (unsigned)c->threads,
		.frame_size = c->frame_size,
		.application = "nrtool " NR_VERSION,
		.addresses = nr_addresses_of,
		.addresses_arg = r->addresses,
	};
	int rc = nr_ngw_open(&r->out, c->write, &o, &r->err);

	if (rc == 0)
		return 0;
	return nr_complain(rc == -EINVAL ? NR_EXIT_USAGE : NR_EXIT_FAILED, "archive",
			   "%s", r->err.text);
}

static void report(const struct run *r)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], t[NR_TEXT_MAX];
	char head[2 * NR_ARCHIVE_HASH + 1];
	const struct nr_archive_result *res = &r->res.archive;
	const char *name = strcmp(r->c->write, "-") ? r->c->write : "standard output";

	fprintf(stderr, "%s: %s packets, %s of pcapng", name,
		nr_text_count(a, r->res.packets), nr_text_bytes(b, r->res.bytes));
	if (r->res.is_archive)
		fprintf(stderr, " in %s", nr_text_bytes(a, res->stored_len));
	fprintf(stderr, ", %s\n",
		nr_text_duration(t, nr_monotonic_ns() - r->monotonic_ns));
	if (r->st.secrets)
		fprintf(stderr, "decryption secrets were left out: %s blocks\n",
			nr_text_count(a, r->st.secrets));
	if (r->res.names_left_out)
		fprintf(stderr,
			"names left out, their addresses are of no known kind: "
			"%s\n",
			nr_text_count(a, r->res.names_left_out));
	if (!r->res.is_archive)
		return;
	nr_hex_format(head, res->head, NR_ARCHIVE_HASH);
	fprintf(stderr, "frames: %s, chain head %s\n", nr_text_count(a, res->n_frames),
		head);
}

static int repack(struct run *r)
{
	struct nr_buf meta = { 0 };
	int rc = nr_repack(r->merge, r->out, &nr_stop, on_progress, on_damage, r, &r->st,
			   &r->err);

	nr_progress_clear(&r->progress);
	if (rc < 0)
		return complain(r, rc, r->st.write_failed);
	nr_repack_meta(r->merge, &meta);
	nr_ngw_add_meta(r->out, meta.p);
	nr_buf_fini(&meta);
	rc = nr_ngw_finish(r->out, &r->res, &r->err);
	if (rc == -EPIPE && !strcmp(r->c->write, "-"))
		return NR_EXIT_OK;
	if (rc < 0)
		return nr_complain(NR_EXIT_INCOMPLETE, "archive", "%s", r->err.text);
	if (!r->c->quiet)
		report(r);
	if (r->st.interrupted)
		fputs("interrupted: the output holds what was read up to there\n",
		      stderr);
	return r->st.n_damaged || r->st.interrupted ? NR_EXIT_DAMAGED : NR_EXIT_OK;
}

static int archive_run(const struct nr_call *call)
{
	const struct archive *c = call->config;
	struct run r = { .c = c, .monotonic_ns = nr_monotonic_ns() };
	const struct nr_sandbox box = { .reads = (const char *const *)call->operands,
					.n_reads = (size_t)call->n,
					.targets = &c->write,
					.n_targets = 1 };
	const struct nr_merge_options mo = { .hash = !c->no_hash, .stop = &nr_stop };
	char applied[NR_SANDBOX_TEXT];
	int rc;

	if (!c->write)
		return nr_complain(NR_EXIT_USAGE, "archive",
				   "-w FILE is missing: where to write");
	nr_signals_init();
	nr_progress_init(&r.progress, !c->quiet);
	if (!c->no_sandbox && nr_sandbox_enter(&box, applied, &r.err))
		return nr_complain(NR_EXIT_FAILED, "archive", "%s", r.err.text);
	rc = nr_merge_open(&r.merge, (const char *const *)call->operands, (size_t)call->n,
			   &mo, &r.err);
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "archive", "%s", r.err.text);
	nr_report_skipped(r.merge, c->verbose);
	r.addresses = nr_addresses_new();
	rc = is_input(&r);
	if (!rc)
		rc = open_output(&r);
	if (!rc)
		rc = repack(&r);
	nr_ngw_close(r.out);
	nr_addresses_free(r.addresses);
	nr_merge_close(r.merge);
	return rc;
}

const struct nr_command nr_cmd_archive = {
	.name = "archive",
	.operands = "FILE…",
	.operand_kind = "file",
	.summary = "keeps captures in a compressed, indexed, verifiable archive",
	.about = "Writes captures, merged by packet time, into one archive that zstd,\n"
		 "tshark and capinfos open as it is and that nrtool seeks in: all "
		 "packets,\n"
		 "interfaces, comments, names and statistics.",
	.min_operands = 1,
	.max_operands = NR_ANY,
	.options = { archive_options,
		     sizeof(archive_options) / sizeof(*archive_options) },
	.config_size = sizeof(struct archive),
	.run = archive_run,
};
