/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool capture: live interfaces in, a session database (and the packets) out. */
#include "cli.h"

#include "base/mem.h"
#include "capture/capture.h"
#include "engine_options.h"
#include "host/netdev.h"
#include "replay.h"
#include "summary.h"
#include "text.h"

#include "base/notify.h"
#include "keep/names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

const char *const nr_capture_directions[] = { "both", "in", "out", NULL };
static const char *const xdp_modes[] = { "auto", "native", "generic", NULL };

/* clang-format off */
static const struct nr_option capture_options[] = {
	{ "output", 'o', NR_OPT_LIST, "TARGET", NR_OPT(capture, outputs),
	  .help = "where to write: FILE.db a database, FILE.jsonl or - (standard output) "
		  "JSON lines, FILE.jsonl.zst an archive of them, null: nothing; may be given several times "
		  "[INTERFACE-TIME.db, here]" },
	{ "write", 'w', NR_OPT_TEXT, "FILE", NR_OPT(capture, packets),
	  .help = "keep the packets: FILE.pcapng, or FILE.pcapng.zst an archive" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, force),
	  .help = "replace a target that exists" },
	{ "rotate-time", 0, NR_OPT_DURATION, "TIME", NR_OPT(capture, rotate_time),
	  .help = "begin new files at multiples of TIME" },
	{ "rotate-size", 0, NR_OPT_SIZE, "SIZE", NR_OPT(capture, rotate_size),
	  .help = "begin new files when the packet file has this size; without -w, when the "
		  "database has it" },
	{ "rotate", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, rotate),
	  .help = "name files by time, and begin new ones at SIGHUP alone" },
	{ "one-database", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, one_database),
	  .help = "rotate packet files, but not the databases" },
	{ "keep-files", 0, NR_OPT_U64, "N", NR_OPT(capture, keep_files),
	  .help = "keep the newest N files of this run, of packets and of databases" },
	{ "keep-bytes", 0, NR_OPT_SIZE, "SIZE", NR_OPT(capture, keep_bytes),
	  .help = "remove the oldest files of this run beyond so many bytes, of each kind" },
	{ "keep-free", 0, NR_OPT_SIZE, "SIZE", NR_OPT(capture, keep_free),
	  .help = "remove the oldest files of this run so that so much stays free on disk" },
	{ "pre-trigger", 0, NR_OPT_DURATION, "TIME", NR_OPT(capture, pre_trigger),
	  .help = "keep packets of so long in memory; write them, and those of as long "
		  "after, at SIGUSR2 or --trigger" },
	{ "pre-trigger-memory", 0, NR_OPT_SIZE, "SIZE", NR_OPT(capture, pre_trigger_memory),
	  "64M", .min = 1048576, .help = "memory for these packets" },
	{ "trigger", 0, NR_OPT_LIST, "ANOMALY", NR_OPT(capture, triggers),
	  .help = "an anomaly of this kind triggers; may be given several times" },
	{ "sync-interval", 0, NR_OPT_DURATION, "TIME", NR_OPT(capture, sync_interval), "1s",
	  .help = "what is so old outlives a loss of power; 0: left to the kernel" },
	{ "backend", 0, NR_OPT_TEXT, "NAME", NR_OPT(capture, backend), "tpacket",
	  .help = "how packets are taken from the interface; -v lists what there is" },
	{ "filter", 'f', NR_OPT_TEXT, "BPF", NR_OPT(capture, filter), .is_record_option = true,
	  .help = "capture only packets that match, as tcpdump(8) takes it; VLAN tags "
		  "count as they were on the wire" },
	{ "count", 'c', NR_OPT_U64, "N", NR_OPT(capture, count),
	  .help = "end after N packets" },
	{ "duration", 0, NR_OPT_DURATION, "TIME", NR_OPT(capture, duration),
	  .help = "end after so long" },
	{ "snap-len", 's', NR_OPT_SIZE, "BYTES", NR_OPT(capture, snap_len), .max = 262144,
	  .help = "keep so much of each frame [all]" },
	{ "direction", 'Q', NR_OPT_ENUM, "WHICH", NR_OPT(capture, direction), "both",
	  .values = nr_capture_directions,
	  .help = "frames that come in, that go out, or both" },
	{ "no-promisc", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, no_promisc),
	  .help = "do not put the interface into promiscuous mode" },
	{ "hardware-time", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, hardware_time),
	  .help = "take the NIC's time stamps where it makes them" },
	{ "ring-size", 0, NR_OPT_SIZE, "SIZE", NR_OPT(capture, ring_size), "256M",
	  .min = 16384, .help = "memory of each ring that the kernel fills" },
	{ "block-timeout", 0, NR_OPT_DURATION, "TIME", NR_OPT(capture, block_timeout), "60ms",
	  .help = "a packet waits so long at most for others of its block" },
	{ "rings", 0, NR_OPT_U64, "N", NR_OPT(capture, rings), .min = 1, .max = 64,
	  .help = "rings that share an interface's packets by a hash of the flow [1; xdp: "
		  "one for each queue]" },
	{ "take-traffic", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, take_traffic),
	  .help = "xdp: capture although the host loses the packets" },
	{ "xdp-mode", 0, NR_OPT_ENUM, "MODE", NR_OPT(capture, xdp_mode), "auto",
	  .values = xdp_modes, .help = "xdp: in the driver, or in the kernel's receive path" },
	{ "pin", 0, NR_OPT_TEXT, "CPU", NR_OPT(capture, pin),
	  .help = "run the thread that reads the rings on this CPU" },
	{ "strict", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, strict),
	  .help = "end with status 6 if packets or records were lost" },
	{ "stats-interval", 0, NR_OPT_DURATION, "TIME", NR_OPT(capture, stats_interval),
	  .help = "write statistics as a line of JSON to standard error so often" },
	{ "user", 'Z', NR_OPT_TEXT, "USER", NR_OPT(capture, user),
	  .help = "become this user once the interfaces are open [the owner of the "
		  "directory that is written into]" },
	{ "active-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(capture, active_timeout),
	  .help = "write a line flow_update for flows that are open so long, again and "
		  "again (JSON lines only)" },
	NR_ENGINE_OPTIONS(capture),
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(capture, no_sandbox),
	  .help = "run without seccomp and Landlock; column run.sandbox says so" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(capture, quiet),
	  .help = "no live line, no summary; what was lost is said all the same" },
	{ "verbose", 'v', NR_OPT_FLAG, NULL, NR_OPT(capture, verbose),
	  .help = "say what is used: back end, rings, user, sandbox, clock" },
};
/* clang-format on */

static void capture_defaults(void *config)
{
	nr_engine_config_defaults(&((struct capture *)config)->e);
}

static int usage(const struct nr_err *err)
{
	return nr_complain(NR_EXIT_USAGE, "capture", "%s", err->text);
}

/*
 * The other back ends ask themselves. A packet ring takes the host's time for each packet
 * that has none of the NIC.
 */
static bool makes_times(const struct nr_capture_run *r, const char *interface)
{
	struct nr_netdev *list = NULL;
	const struct nr_netdev *d;
	struct nr_err err;
	size_t n = 0;
	bool makes;

	if (strcmp(r->c->backend, "tpacket") != 0 || nr_netdevs(&list, &n, &err))
		return true;
	d = nr_netdev_find(list, n, interface);
	makes = !d || d->hardware_time; /* opening says that there is none */
	nr_free(list);
	if (!makes)
		fprintf(stderr,
			"nrtool capture: %s does not stamp the packets that it receives "
			"(ethtool -T %s): their times are the host's\n",
			interface, interface);
	return makes;
}

static int open_interfaces(struct nr_capture_run *r, struct nr_err *err)
{
	const struct capture *c = r->c;
	struct nr_live_options o = {
		.ring_size = c->ring_size,
		.block_timeout = c->block_timeout,
		.snap_len = (uint32_t)c->snap_len,
		.rings = (unsigned)c->rings,
		.direction = (enum nr_live_direction)c->direction,
		.no_promisc = c->no_promisc,
		.take_traffic = c->take_traffic,
		.xdp_mode = (enum nr_xdp_mode)c->xdp_mode,
		.filter = c->filter,
	};
	struct nr_live *live[NR_MAX_INTERFACES];
	int rc = 0, n = 0;

	while (!rc && n < r->call->n) {
		o.hardware_time =
			c->hardware_time && makes_times(r, r->call->operands[n]);
		rc = nr_live_open(&live[n], nr_live_backend(c->backend),
				  r->call->operands[n], &o, err);
		n += !rc;
	}
	if (!rc)
		rc = nr_live_merge_new(&r->merge, live, (unsigned)n,
				       c->block_timeout + 10000000, err);
	while (rc && n)
		nr_live_close(live[--n]);
	return rc;
}

/* Whether the times of this run are worth something. */
static void ask_clock(struct nr_capture_run *r)
{
	struct timex t = { 0 };
	int state = adjtimex(&t);

	if (state < 0)
		snprintf(r->clock_state, sizeof(r->clock_state), "not known");
	else if (state == TIME_ERROR || (t.status & STA_UNSYNC))
		snprintf(r->clock_state, sizeof(r->clock_state), "not synchronised");
	else
		snprintf(r->clock_state, sizeof(r->clock_state),
			 "synchronised, off by at most %.3f ms",
			 (double)t.maxerror / 1e3);
}

/* "eth0,eth1"; caller frees. */
static char *join_names(const struct nr_call *call)
{
	struct nr_buf b = { 0 };

	for (int i = 0; i < call->n; i++)
		nr_buf_printf(&b, "%s%s", i ? "," : "", call->operands[i]);
	return b.p;
}

/* "eth0" -> "eth0-20261123T121951Z.db"; caller frees. */
static char *default_target(const struct capture *c, const char *interface, int64_t now)
{
	char *plain, *name;

	if (asprintf(&plain, "%s.db", interface) < 0)
		return nr_xstrdup("capture.db");
	for (char *p = plain; *p; p++) /* "a/b" is a name that no interface has */
		*p = *p == '/' ? '_' : *p;
	if (nr_capture_is_set(c) && !c->one_database)
		return plain; /* each file of the set gets its time */
	name = nr_keep_name(plain, now, 0);
	free(plain);
	return name;
}

/*
 * Everything that needs rights is open: gives them up, and confines the rest. -EACCES
 * where the outputs could not be made then.
 */
static int settle(struct nr_capture_run *r, struct nr_err *err)
{
	const char **targets = nr_xcalloc(r->c->outputs.n + 1, sizeof(*targets));
	size_t n = r->c->outputs.n;
	struct nr_sandbox s = { .targets = targets };
	int rc;

	memcpy(targets, r->c->outputs.v, n * sizeof(*targets));
	if (r->c->packets)
		targets[n++] = r->c->packets;
	s.n_targets = n;
	rc = nr_privileges_user(&r->user, r->c->user, targets[n - 1], err);
	if (!rc)
		rc = nr_privileges_drop(&r->user, err);
	if (!rc)
		rc = nr_privileges_can_write(targets, n, err);
	snprintf(r->sandbox, sizeof(r->sandbox), "none");
	if (!rc && !r->c->no_sandbox)
		rc = nr_sandbox_enter(&s, r->sandbox, err);
	nr_free(targets);
	return rc;
}

static void say_settings(struct nr_capture_run *r)
{
	const struct capture *c = r->c;
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], d[NR_TEXT_MAX];

	if (!c->verbose)
		return;
	for (size_t i = 0; nr_live_backends[i]; i++)
		fprintf(stderr, "back end %s%s: %s\n", nr_live_backends[i]->name,
			nr_live_backends[i] == nr_live_backend(c->backend) ? " (in use)"
									   : "",
			nr_live_backends[i]->doc);
	for (unsigned i = 0; i < nr_live_merge_n_rings(r->merge); i++) {
		const struct nr_live *l = nr_live_merge_live(r->merge, i);

		fprintf(stderr, "interface %u: %s: %s%s%s\n", i, l->name, l->description,
			l->hardware[0] ? ", driver " : "", l->hardware);
	}
	if (c->snap_len)
		snprintf(d, sizeof(d), "%llu", (unsigned long long)c->snap_len);
	fprintf(stderr, "--ring-size %s --rings %u --block-timeout %s --snap-len %s\n",
		nr_text_bytes(a, c->ring_size), nr_live_merge_live(r->merge, 0)->n_rings,
		nr_text_duration(b, c->block_timeout),
		c->snap_len ? d : "none: whole frames");
	fprintf(stderr, "--sync-interval %s --pin %s\n",
		c->sync_interval ? nr_text_duration(b, c->sync_interval)
				 : "0: left to the kernel",
		c->pin ? c->pin : "none: any CPU");
	fprintf(stderr, "promiscuous mode: %s, direction: %s, filter: %s\n",
		c->no_promisc ? "no" : "yes", nr_capture_directions[c->direction],
		c->filter ? c->filter : "none");
	fprintf(stderr, "user %s, sandbox %s, clock %s\n", r->user.name, r->sandbox,
		r->clock_state);
}

bool nr_capture_is_set(const struct capture *c)
{
	return c->rotate_size || c->rotate_time || c->rotate;
}

static void on_closed(void *arg, const struct nr_kept_file *f)
{
	struct nr_capture_run *r = arg;

	if (f->failure)
		nr_capture_say(r, "%s: %s", f->path ? f->path : f->name, f->failure);
	nr_engine_source_closed(r->engine, f->source, (int64_t)f->bytes, f->failure);
}

static struct nr_retain_limits limits_of(const struct capture *c)
{
	return (struct nr_retain_limits){ c->keep_files, c->keep_bytes, c->keep_free };
}

static int open_keeper(struct nr_capture_run *r, struct nr_err *err)
{
	struct nr_keep_config k = {
		.target = r->c->packets,
		.force = r->c->force,
		.application = "nrtool " NR_VERSION,
		.rotate_size = r->c->rotate_size,
		.rotate_ns = r->c->rotate_time,
		.is_set = r->c->rotate,
		.retain = limits_of(r->c),
		.pre_trigger_ns = r->c->pre_trigger,
		.pre_trigger_mem = r->c->pre_trigger_memory,
		.sync_ns = r->c->sync_interval,
		.closed = on_closed,
		.arg = r,
	};
	struct utsname u;
	int rc;

	if (!r->c->packets)
		return 0;
	if (!uname(&u)) { /* kept by the keeper as they are */
		snprintf(r->os, sizeof(r->os), "%.64s %.64s", u.sysname, u.release);
		snprintf(r->machine, sizeof(r->machine), "%.64s", u.machine);
		k.os = r->os;
		k.hardware = r->machine;
	}
	r->addresses = nr_addresses_new();
	k.addresses = nr_addresses_of;
	k.addresses_arg = r->addresses;
	rc = nr_keeper_new(&r->keeper, &k, err);
	if (rc)
		return rc;
	nr_live_merge_describe(r->merge, r->events, 0);
	for (unsigned i = 0; i < r->events->n; i++)
		if (r->events->pkt[i].event->kind == NR_EVENT_INTERFACE)
			nr_keeper_interface(r->keeper,
					    &r->events->pkt[i].event->interface);
	nr_batch_release(r->events);
	return nr_keeper_start(r->keeper, r->begin_ns, &r->first, err);
}

static void say_failure(void *arg, const char *text)
{
	nr_capture_say(arg, "%s; the other outputs go on", text);
}

static int open_outputs(struct nr_capture_run *r, struct nr_err *err)
{
	struct nr_sink_options so = {
		.force = r->c->force,
		.argv_text = r->call->argv_text,
		.live = true,
		.keep_partial = true, /* an archive of what came until a failure */
		.now_ns = r->begin_ns,
		.sync_ns = r->c->sync_interval,
		.is_set = nr_capture_is_set(r->c) && !r->c->one_database,
		.retain = limits_of(r->c),
	};
	size_t n;
	int rc = nr_outputs_open(&r->out, r->c->outputs.v, r->c->outputs.n, &so, err);

	if (rc)
		return rc;
	r->out.say = say_failure;
	r->out.arg = r;
	r->sinks = nr_xcalloc(r->out.n + 2, sizeof(*r->sinks));
	n = nr_outputs_sinks(&r->out, r->sinks);
	if (!r->c->quiet) {
		r->summary = nr_summary_new();
		r->sinks[n++] = r->summary;
	}
	if (r->c->triggers.n || r->live_line) {
		r->watch = nr_watch_new(&r->c->triggers);
		r->sinks[n++] = r->watch;
	}
	r->c->e.no_index = !r->c->packets || r->c->pre_trigger;
	return nr_engine_new(&r->engine, &r->c->e, r->sinks, n, err);
}

static void block_signals(struct nr_capture_run *r)
{
	static const int taken[] = { SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

	/* before the first thread: those that are started inherit it */
	sigemptyset(&r->signals);
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		sigaddset(&r->signals, taken[i]);
	sigprocmask(SIG_BLOCK, &r->signals, NULL);
	r->signal_fd = signalfd(-1, &r->signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* All files are there, or, where that fails, none of those that were made. */
static int open_files(struct nr_capture_run *r, const struct nr_run_info *info)
{
	int rc = open_keeper(r, &r->err);

	if (!rc)
		rc = open_outputs(r, &r->err);
	if (!rc)
		rc = nr_capture_begin(r, info);
	if (!rc)
		return 0;
	nr_engine_free(r->engine);
	r->engine = NULL;
	nr_keeper_discard(r->keeper);
	nr_outputs_discard(&r->out);
	return rc;
}

/* rc: what ended the loop. What is whole is finished whatever has failed. */
static int finish(struct nr_capture_run *r, int rc)
{
	bool lost = nr_capture_has_lost(r);
	struct nr_err err = { "" };
	int kept = r->keeper ? nr_keeper_finish(r->keeper, &err) : 0;
	int end;

	r->status = kept || r->status || r->out.failed ? NR_EXIT_INCOMPLETE
		    : r->gone                          ? NR_EXIT_DAMAGED
		    : r->c->strict && lost             ? NR_EXIT_LOST
						       : NR_EXIT_OK;
	if (kept)
		nr_capture_say(r, "%s", err.text);
	if (!rc)
		rc = nr_engine_live_end(r->engine, r->status);
	end = nr_outputs_finish(&r->out, rc ? &err : &r->err);
	if (r->c->strict && r->status == NR_EXIT_OK && nr_capture_has_lost(r))
		r->status = NR_EXIT_LOST; /* records, at the very end */
	return rc ? rc : end;
}

/* What to do with the rows; of a set, with all its databases that there are. */
static void say_next(const struct nr_capture_run *r)
{
	const char *target = NULL;
	char *pattern;

	for (size_t i = 0; i < r->out.n && !target; i++)
		if (nr_outputs_is_database(r->out.o[i].sink->target))
			target = r->out.o[i].sink->target;
	if (!target)
		return;
	pattern = nr_capture_is_set(r->c) && !r->c->one_database ? nr_keep_pattern(target)
								 : NULL;
	fprintf(stderr, "next: nrtool query %s talkers\n", pattern ? pattern : target);
	nr_free(pattern);
}

static void report(struct nr_capture_run *r)
{
	const struct nr_engine_stats *st = nr_engine_stats(r->engine);
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX], d[NR_TEXT_MAX];

	nr_capture_report(r);
	for (size_t i = 0; i < r->out.n; i++)
		if (r->out.o[i].sink->note[0])
			fprintf(stderr, "%s\n", r->out.o[i].sink->note);
	if (r->c->quiet)
		return;
	fprintf(stderr, "%s packets, %s, %s flows\n", nr_text_count(a, st->packets),
		nr_text_bytes(b, st->wire_bytes),
		nr_text_count(d, nr_summary_flows(r->summary)));
	nr_summary_print(r->summary, st, stderr);
	say_next(r);
}

/* info and what it points to are read until the end. */
static int run_with(struct nr_capture_run *r, const struct nr_run_info *info)
{
	int rc = open_files(r, info);

	if (rc)
		return nr_complain(rc == -EINVAL || rc == -EACCES ? NR_EXIT_USAGE
								  : NR_EXIT_FAILED,
				   "capture", "%s", r->err.text);
	say_settings(r);
	if (!r->c->quiet)
		fprintf(stderr, "capturing; SIGINT (Ctrl-C) ends it\n");
	nr_notify(r->notify_fd, "READY=1");
	rc = nr_capture_loop(r);
	nr_notify(r->notify_fd, "STOPPING=1");
	nr_capture_clear_line(r);
	rc = finish(r, rc);
	report(r);
	if (rc && r->out.reader_gone && !r->out.failed && rc == -EPIPE)
		return NR_EXIT_OK;
	if (rc)
		return nr_complain(r->out.failed ? NR_EXIT_INCOMPLETE : NR_EXIT_FAILED,
				   "capture", "%s", r->err.text);
	return r->out.failed ? NR_EXIT_INCOMPLETE : r->status;
}

static int run_all(struct nr_capture_run *r)
{
	char host[HOST_NAME_MAX + 1] = "", cwd[PATH_MAX] = "";
	struct nr_buf libraries = { 0 }, options = { 0 };
	struct nr_run_info info = {
		.argv = r->call->argv_text,
		.cwd = getcwd(cwd, sizeof(cwd)),
		.host = gethostname(host, sizeof(host)) ? NULL : host,
		.sandbox = r->sandbox,
		.started_ns = nr_live_now(),
		.threads = 1,
		.clock_state = r->clock_state,
	};
	int rc;

	r->begin_ns = nr_live_now();
	nr_libraries_json(&libraries);
	nr_record_options_json(&options, &nr_cmd_capture.options, r->c);
	info.libraries = libraries.p;
	info.record_options = options.p;
	rc = run_with(r, &info);
	nr_buf_fini(&libraries);
	nr_buf_fini(&options);
	return rc;
}

static void free_run(struct nr_capture_run *r)
{
	nr_engine_free(r->engine);
	nr_keeper_free(r->keeper);
	nr_outputs_close(&r->out);
	nr_summary_free(r->summary);
	nr_live_merge_close(r->merge);
	nr_watch_free(r->watch);
	nr_addresses_free(r->addresses);
	nr_free(r->interfaces);
	nr_free(r->seen);
	nr_free(r->told);
	nr_free(r->sinks);
	nr_free(r->batch);
	nr_free(r->part);
	nr_free(r->events);
	nr_free((void *)(uintptr_t)r->c->e.parse.secret_key);
	if (r->signal_fd >= 0)
		close(r->signal_fd);
	if (r->notify_fd >= 0)
		close(r->notify_fd);
}

static int capture_run(const struct nr_call *call)
{
	struct nr_capture_run r = {
		.c = call->config, .call = call, .signal_fd = -1, .notify_fd = -1
	};
	struct capture *c = r.c;
	char *target = NULL;
	const char *term = getenv("TERM");
	int rc = nr_capture_check(c, call, &r.err);

	if (rc)
		return usage(&r.err);
	r.interfaces = join_names(call);
	if (!c->outputs.n) {
		target = default_target(c, call->operands[0], nr_live_now());
		c->outputs.v = nr_xcalloc(1, sizeof(*c->outputs.v));
		c->outputs.v[c->outputs.n++] = target;
	}
	r.live_line =
		!c->quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
	r.batch = nr_xcalloc(1, sizeof(*r.batch));
	r.part = nr_xcalloc(1, sizeof(*r.part));
	r.events = nr_xcalloc(1, sizeof(*r.events));
	nr_signals_init();
	block_signals(&r);
	ask_clock(&r);
	r.notify_fd = nr_notify_open();
	rc = nr_capture_check_pin(&r, &r.err);
	if (!rc)
		rc = open_interfaces(&r, &r.err);
	if (rc) {
		rc = nr_complain(rc == -EINVAL ? NR_EXIT_USAGE : NR_EXIT_FAILED,
				 "capture", "%s", r.err.text);
	} else if (settle(&r, &r.err)) {
		rc = usage(&r.err);
	} else {
		rc = run_all(&r);
	}
	free_run(&r);
	free(target);
	return rc;
}

const struct nr_command nr_cmd_capture = {
	.name = "capture",
	.operands = "INTERFACE…",
	.operand_kind = "interface",
	.summary = "captures live, writes a session database",
	.about =
		"Captures from interfaces until it is told to end (SIGINT, SIGTERM, -c,\n"
		"--duration) and writes what replay writes, as it happens; -w keeps the\n"
		"packets too.",
	.min_operands = 1,
	.max_operands = NR_MAX_INTERFACES,
	.options = { capture_options,
		     sizeof(capture_options) / sizeof(*capture_options) },
	.config_size = sizeof(struct capture),
	.defaults = capture_defaults,
	.run = capture_run,
};
