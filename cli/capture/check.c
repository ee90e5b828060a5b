/* SPDX-License-Identifier: BSD-3-Clause */
/* What options of a capture do not go together, said before anything is opened. */
#include "capture/capture.h"
#include "cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "engine_options.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

static bool is_pcapng_name(const char *name)
{
	return nr_ends_with(name, ".pcapng") || nr_ends_with(name, ".pcapng.zst");
}

static size_t n_databases(const struct capture *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->outputs.n; i++)
		n += nr_outputs_is_database(c->outputs.v[i]);
	return n;
}

static int check_backend(const struct capture *c, struct nr_err *err)
{
	struct nr_buf b = { 0 };

	if (nr_live_backend(c->backend))
		return 0;
	for (size_t i = 0; nr_live_backends[i]; i++)
		nr_buf_printf(&b, "%s%s", i ? ", " : "", nr_live_backends[i]->name);
	nr_fail(err, -EINVAL, "--backend %s is not known here; there are: %s", c->backend,
		b.p);
	nr_buf_fini(&b);
	return -EINVAL;
}

static int check_engine(struct capture *c, struct nr_err *err)
{
	c->e.batch = NR_BATCH_MAX;
	c->e.checksums = (enum nr_checksums)c->checksums;
	c->e.overlap = (enum nr_overlap)c->overlap;
	if (c->dedup && nr_engine_options_dedup(&c->e, c->dedup, err))
		return -EINVAL;
	if (c->secret_key && nr_engine_options_secret_key(&c->e, c->secret_key, err))
		return -EINVAL;
	return 0;
}

/* Options that would have no effect, and what lacks. */
static int check_needs(const struct capture *c, struct nr_err *err)
{
	const bool is_set = nr_capture_is_set(c), is_xdp = !strcmp(c->backend, "xdp");
	const size_t n = n_databases(c);
	const bool has_lines = n < c->outputs.n;
	const bool has_database = n || !c->outputs.n; /* without -o there is one */
	const struct {
		bool is_idle;
		const char *text;
	} needs[] = {
		{ c->rotate_size && !c->packets && !has_database,
		  "--rotate-size goes by the packet file, or by the database where there "
		  "is none: give -w, or a database" },
		{ (c->pre_trigger || c->triggers.n) && (!c->packets || !c->pre_trigger),
		  "--pre-trigger and --trigger need each other's packets: give -w FILE "
		  "and --pre-trigger TIME" },
		{ c->pre_trigger && is_set,
		  "--pre-trigger writes a file for each trigger, which does not rotate" },
		{ c->pre_trigger_memory != NR_CAPTURE_PRE_TRIGGER && !c->pre_trigger,
		  "--pre-trigger-memory is for packets that wait for a trigger: give "
		  "--pre-trigger TIME" },
		{ (c->keep_files || c->keep_bytes || c->keep_free) && !is_set &&
			  !c->pre_trigger,
		  "--keep-files, --keep-bytes and --keep-free remove old files of a set, "
		  "and this is none: give --rotate-time, --rotate-size, --rotate or "
		  "--pre-trigger" },
		{ c->one_database && !is_set,
		  "--one-database is for packet files that rotate: give --rotate-time, "
		  "--rotate-size or --rotate" },
		{ c->xdp_mode && !is_xdp, "--xdp-mode needs --backend xdp" },
		{ c->take_traffic && !is_xdp,
		  "--take-traffic needs --backend xdp: no other takes anything away from "
		  "the host" },
		{ c->e.active_timeout && !has_lines,
		  "--active-timeout writes lines flow_update, which a database does not "
		  "have: give -o FILE.jsonl, or -o - for standard output" },
		{ c->e.flow_start && !has_lines,
		  "--flow-start writes lines flow_start, which a database does not have: "
		  "give -o FILE.jsonl, or -o - for standard output" },
	};

	for (size_t i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (needs[i].is_idle)
			return nr_fail(err, -EINVAL, "%s", needs[i].text);
	return 0;
}

static int check_times(const struct capture *c, struct nr_err *err)
{
	if (c->rotate_time && c->rotate_time < 1000000000)
		return nr_fail(err, -EINVAL, "--rotate-time must be at least 1s");
	if (c->block_timeout < 1000000 || c->block_timeout > 10000000000)
		return nr_fail(err, -EINVAL,
			       "--block-timeout must lie between 1ms and 10s");
	if (c->stats_interval && c->stats_interval < 100000000)
		return nr_fail(err, -EINVAL, "--stats-interval must be at least 100ms");
	return 0;
}

/* "./x" and "x" are one file. */
static const char *plain(const char *name)
{
	while (!strncmp(name, "./", 2))
		name += 2;
	return name;
}

static int check_targets(const struct capture *c, struct nr_err *err)
{
	if (c->packets && !is_pcapng_name(c->packets))
		return nr_fail(err, -EINVAL,
			       "-w %s: packets are kept as FILE.pcapng or "
			       "FILE.pcapng.zst",
			       c->packets);
	for (size_t i = 0; i < c->outputs.n; i++) {
		const char *t = plain(c->outputs.v[i]);

		if (c->packets && !strcmp(t, plain(c->packets)))
			return nr_fail(err, -EINVAL,
				       "%s is given for packets and for rows: give -w "
				       "and -o names of their own",
				       t);
		for (size_t k = 0; k < i && strncmp(t, "null:", 5) != 0; k++)
			if (!strcmp(t, plain(c->outputs.v[k])))
				return nr_fail(err, -EINVAL, "-o %s is given twice", t);
	}
	return 0;
}

/* What other programs take, where no interface is called that. */
static int check_name(const char *name, const char *backend, struct nr_err *err)
{
	const char *comma = strchr(name, ',');

	if (if_nametoindex(name) || !strcmp(backend, "pcap"))
		return 0;
	if (!strcmp(name, "any"))
		return nr_fail(err, -EINVAL,
			       "all interfaces at once are captured with --backend pcap "
			       "any");
	if (comma)
		return nr_fail(err, -EINVAL,
			       "there is no interface '%s'; names are separated by "
			       "blanks: %.*s %s",
			       name, (int)(comma - name), name, comma + 1);
	return 0;
}

static int check_interfaces(const struct capture *c, const struct nr_call *call,
			    struct nr_err *err)
{
	for (int i = 0; i < call->n; i++)
		if (check_name(call->operands[i], c->backend, err))
			return -EINVAL;
	for (int i = 0; i < call->n; i++)
		for (int k = 0; k < i; k++)
			if (!strcmp(call->operands[i], call->operands[k]))
				return nr_fail(err, -EINVAL,
					       "interface %s is given twice",
					       call->operands[i]);
	return 0;
}

int nr_capture_check(struct capture *c, const struct nr_call *call, struct nr_err *err)
{
	int rc = check_backend(c, err);

	if (!rc)
		rc = check_engine(c, err);
	if (!rc)
		rc = check_targets(c, err);
	if (!rc)
		rc = check_needs(c, err);
	if (!rc)
		rc = nr_watch_check(&c->triggers, err);
	if (!rc)
		rc = check_times(c, err);
	return rc ? rc : check_interfaces(c, call, err);
}
