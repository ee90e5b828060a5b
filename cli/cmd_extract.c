/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool extract: the packets behind the rows of a session database, as pcapng. */
#include "cli.h"

#include "base/mem.h"
#include "way_back/carriers.h"
#include "database/database.h"
#include "way_back/extract.h"
#include "outputs.h"
#include "sandbox.h"
#include "way_back/select.h"
#include "database/sqlfunc.h"
#include "text.h"

#include "engine/filter.h"

#include <errno.h>
#include <string.h>

struct extract {
	struct nr_selection selection;
	struct nr_list sources;
	const char *filter, *write;
	bool force, check, no_inner, secrets, names, no_comments, no_sandbox, quiet;
};

/* clang-format off */
static const struct nr_option extract_options[] = {
	{ "write", 'w', NR_OPT_TEXT, "FILE", NR_OPT(extract, write),
	  .help = "where to write: pcapng, an archive where the name ends in .zst; - is "
		  "standard output" },
	{ "where", 0, NR_OPT_TEXT, "SQL", NR_OPT(extract, selection.where),
	  .help = "the flows for which this condition on flow_v holds; or a SELECT that "
		  "yields flow_id, or source_id and packet" },
	{ "flow", 0, NR_OPT_LIST, "ID", NR_OPT(extract, selection.flows),
	  .help = "the flow with this flow_id; may be given several times" },
	{ "community-id", 0, NR_OPT_LIST, "ID", NR_OPT(extract, selection.community_ids),
	  .help = "the flows with this Community ID; may be given several times" },
	{ "filter", 'f', NR_OPT_TEXT, "BPF", NR_OPT(extract, filter),
	  .help = "of what is chosen only packets that match, as tcpdump(8) takes it; alone: "
		  "of all packets" },
	{ "with-carriers", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, selection.carriers),
	  .help = "also the other packets of the flows that carry the chosen ones" },
	{ "no-inner", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, no_inner),
	  .help = "of a flow that is a tunnel's only the packets that hold no flow" },
	{ "with-secrets", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, secrets),
	  .help = "also the decryption secrets that the captures hold" },
	{ "with-names", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, names),
	  .help = "also the names of addresses that the captures hold" },
	{ "no-comments", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, no_comments),
	  .help = "do not add comments that say where each packet comes from" },
	{ "source", 0, NR_OPT_LIST, "PATH", NR_OPT(extract, sources),
	  .help = "where the captures lie: a file, or a directory to look through; may be "
		  "given several times [where they were read, or beside the database]" },
	{ "check", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, check),
	  .help = "first compare the SHA-256 of all captures that are read" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, force),
	  .help = "replace a file that exists" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(extract, no_sandbox),
	  .help = "run without seccomp and Landlock" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(extract, quiet),
	  .help = "no words about what was written" },
};
/* clang-format on */

struct run {
	const struct extract *c;
	const struct nr_call *call;
	const char *path; /* of the database */
	sqlite3 *db;
	struct nr_recall *recall;
	struct nr_recall *inside; /* what tunnels may have carried; NULL: nothing */
	struct nr_carriers *carriers;
	struct nr_filter *filter;
	struct nr_selected selected;
	struct nr_err err;
};

static int check_config(const struct extract *c)
{
	if (!c->write)
		return nr_complain(NR_EXIT_USAGE, "extract",
				   "-w FILE is missing: where to write the packets");
	if (!c->selection.where && !c->selection.flows.n &&
	    !c->selection.community_ids.n && !c->filter)
		return nr_complain(
			NR_EXIT_USAGE, "extract",
			"which packets? give --where, --flow, --community-id or "
			"--filter");
	return 0;
}

/* The exit status of a failure that is no output's. */
static int failed(const struct run *r, int rc)
{
	if (rc == -EINTR)
		return nr_complain(NR_EXIT_DAMAGED, "extract",
				   "interrupted: nothing is written");
	return nr_complain(rc == -EINVAL ? NR_EXIT_USAGE : NR_EXIT_FAILED, "extract",
			   "%s", r->err.text);
}

/* Where tunnels are among the flows: what may have been in them. */
static int select_inside(struct run *r, struct nr_recall_options o)
{
	int rc = nr_carriers_new(&r->carriers, r->db, r->selected.flow_id, r->selected.n,
				 &r->err);

	if (rc || !r->carriers)
		return rc;
	o.secrets = false;
	rc = nr_recall_open(&r->inside, r->db, r->path, &o, &r->err);
	if (!rc)
		rc = nr_carriers_candidates(r->carriers, r->inside, &r->err);
	return rc ? rc : nr_recall_locate(r->inside, &r->err);
}

static int select_all(struct run *r)
{
	const struct extract *c = r->c;
	const struct nr_recall_options o = {
		.sources = c->sources.v,
		.n_sources = c->sources.n,
		.check = c->check,
		.secrets = c->secrets,
		.stop = &nr_stop,
	};
	int rc = nr_recall_open(&r->recall, r->db, r->path, &o, &r->err);

	if (!rc &&
	    (c->selection.where || c->selection.flows.n || c->selection.community_ids.n))
		rc = nr_select(&r->selected, r->recall, r->db, &c->selection, &r->err);
	else if (!rc)
		rc = nr_recall_add_all(r->recall, &r->err);
	if (!rc)
		rc = nr_recall_locate(r->recall, &r->err);
	if (!rc && !c->no_inner)
		rc = select_inside(r, o);
	if (!rc && r->inside)
		nr_recall_adopt(r->recall, r->inside);
	return rc ? failed(r, rc) : 0;
}

/* --force must never cost the evidence, nor any capture of which no packet is wanted. */
static int check_output(const struct run *r)
{
	bool is_input = nr_output_is_input(r->c->write, r->path) ||
			(strcmp(r->c->write, "-") != 0 &&
			 nr_recall_may_be_source(r->recall, r->c->write));

	for (size_t i = 0; i < nr_recall_n_sources(r->recall); i++)
		is_input |= nr_output_is_input(r->c->write, nr_recall_path(r->recall, i));
	if (!is_input)
		return 0;
	return nr_complain(NR_EXIT_USAGE, "extract",
			   "%s is an input too, or has the name and size of one; name "
			   "another output with -w",
			   r->c->write);
}

/* Behind all that looks for files, before the first byte of a capture is taken apart. */
static int confine(struct run *r)
{
	size_t n = nr_recall_n_sources(r->recall), k = 0;
	const char **reads = nr_xcalloc(n + 1, sizeof(*reads));
	struct nr_sandbox s = { .targets = &r->c->write, .n_targets = 1 };
	char applied[NR_SANDBOX_TEXT];
	int rc;

	for (size_t i = 0; i < n; i++)
		if (nr_recall_path(r->recall, i))
			reads[k++] = nr_recall_path(r->recall, i);
	s.reads = reads;
	s.n_reads = k;
	rc = r->c->no_sandbox ? 0 : nr_sandbox_enter(&s, applied, &r->err);
	nr_free(reads);
	return rc ? nr_complain(NR_EXIT_FAILED, "extract", "%s", r->err.text) : 0;
}

static void report(const struct run *r, const struct nr_ngw_result *res)
{
	char packets[NR_TEXT_MAX], bytes[NR_TEXT_MAX], flows[NR_TEXT_MAX] = "";
	unsigned n_sources = 0;

	for (size_t i = 0; i < nr_recall_n_sources(r->recall); i++)
		n_sources += nr_recall_path(r->recall, i) != NULL;
	if (!res->packets)
		fputs("no packet matches: the output holds none\n", stderr);
	fprintf(stderr, "%s: %s packet%s",
		!strcmp(r->c->write, "-") ? "standard output" : r->c->write,
		nr_text_count(packets, res->packets), res->packets == 1 ? "" : "s");
	if (r->selected.n)
		fprintf(stderr, " of %s flow%s", nr_text_count(flows, r->selected.n),
			r->selected.n == 1 ? "" : "s");
	fprintf(stderr, " from %u capture%s, %s\n", n_sources, n_sources == 1 ? "" : "s",
		nr_text_bytes(bytes, res->bytes));
	if (nr_recall_lacking(r->recall))
		fprintf(stderr,
			"%s packets of these flows were not kept by the capture, or are "
			"not numbered yet\n",
			nr_text_count(packets, nr_recall_lacking(r->recall)));
}

static void report_refused(const struct run *r)
{
	unsigned link_type;
	const char *why;
	size_t at = 0;

	while (r->filter && (why = nr_filter_refused(r->filter, &at, &link_type)))
		nr_complain(0, "extract",
			    "the filter lets nothing of link type %u pass: %s", link_type,
			    why);
}

/* In the sandbox: takes the packets apart that tunnels may have carried. */
static int read_inside(struct run *r)
{
	int64_t flow_id;
	uint64_t says, found;
	size_t at = 0;
	int rc = nr_carriers_read(r->carriers, r->inside, r->recall, &r->err);

	if (!rc)
		rc = nr_recall_locate(r->recall, &r->err);
	if (rc)
		return failed(r, rc);
	while (nr_carriers_short(r->carriers, &at, &flow_id, &says, &found))
		nr_complain(0, "extract",
			    "flow %lld carried %llu packets, and %llu are found",
			    (long long)flow_id, (unsigned long long)says,
			    (unsigned long long)found);
	return 0;
}

static int write_out(struct run *r)
{
	const struct nr_extract x = {
		.db = r->db,
		.recall = r->recall,
		.filter = r->filter,
		.target = r->c->write,
		.argv_text = r->call->argv_text,
		.force = r->c->force,
		.names = r->c->names,
		.no_comments = r->c->no_comments,
	};
	struct nr_ngw_result res = { 0 };
	bool output_failed = false;
	int rc = nr_extract_write(&x, &res, &output_failed, &r->err);

	if (rc == -EPIPE && output_failed && !strcmp(r->c->write, "-"))
		return NR_EXIT_OK;
	if (rc && output_failed)
		return nr_complain(NR_EXIT_INCOMPLETE, "extract", "%s", r->err.text);
	if (rc)
		return failed(r, rc);
	report_refused(r);
	if (!r->c->quiet)
		report(r, &res);
	return NR_EXIT_OK;
}

static int extract_run(const struct nr_call *call)
{
	const struct extract *c = call->config;
	struct run r = { .c = c, .call = call, .path = call->operands[0] };
	int status = check_config(c);

	if (status)
		return status;
	nr_signals_init();
	/* names of hosts and ports are looked up before the sandbox */
	if (c->filter && nr_filter_new(&r.filter, c->filter, &r.err))
		return nr_complain(NR_EXIT_USAGE, "extract", "%s", r.err.text);
	status = nr_database_open(&r.db, r.path, "extract");
	/* one state of the database, and no file of it opened later */
	if (!status &&
	    (sqlite3_exec(r.db,
			  "PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; BEGIN",
			  NULL, NULL, NULL) ||
	     nr_sqlfunc_register(r.db)))
		status = nr_complain(NR_EXIT_FAILED, "extract", "cannot read %s: %s",
				     r.path, sqlite3_errmsg(r.db));
	if (!status)
		status = select_all(&r);
	if (!status)
		status = check_output(&r);
	if (!status)
		status = confine(&r);
	if (!status && r.carriers)
		status = read_inside(&r);
	if (!status)
		status = write_out(&r);
	nr_carriers_free(r.carriers);
	nr_recall_close(r.inside);
	nr_recall_close(r.recall);
	nr_free(r.selected.flow_id);
	nr_filter_free(r.filter);
	sqlite3_close(r.db);
	return status;
}

const struct nr_command nr_cmd_extract = {
	.name = "extract",
	.operands = "DB",
	.operand_kind = "file",
	.summary = "writes the packets behind the rows of a database",
	.about =
		"Goes back from a session database to the captures it was made from, and "
		"writes\n"
		"the packets of the flows chosen as pcapng: in order of time, with "
		"their\n"
		"interfaces and comments, each with a comment that names its flow and "
		"its "
		"place.",
	.min_operands = 1,
	.max_operands = 1,
	.options = { extract_options,
		     sizeof(extract_options) / sizeof(*extract_options) },
	.config_size = sizeof(struct extract),
	.run = extract_run,
};
