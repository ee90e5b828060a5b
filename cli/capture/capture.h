/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of `nrtool capture` share. */
#pragma once

#include "options.h"
#include "outputs.h"
#include "capture/privileges.h"
#include "progress.h"
#include "sandbox.h"

#include "archive/packets.h"
#include "engine/rotate.h"
#include "keep/keeper.h"
#include "source/link.h"
#include "source/merge_live.h"

#include <sched.h>
#include <signal.h>

struct nr_call;

struct capture {
	struct nr_engine_config e;
	struct nr_list outputs, triggers;
	const char *dedup, *secret_key, *filter, *packets, *user, *pin, *backend;
	int checksums, overlap, direction;
	uint64_t ring_size, snap_len, rings, count;
	uint64_t rotate_size, keep_files, keep_bytes, keep_free, pre_trigger_memory;
	int64_t block_timeout, duration, stats_interval, rotate_time, pre_trigger,
		sync_interval;
	bool no_promisc, hardware_time, take_traffic, force, strict, no_sandbox, quiet,
		verbose, rotate, one_database;
	int xdp_mode;
};

extern const char *const nr_capture_directions[];

enum { NR_MAX_INTERFACES = 64, NR_CAPTURE_PRE_TRIGGER = 64 << 20 };

/* What was seen up to the last look, for what happened since. */
struct nr_seen {
	struct nr_live_stats ring;
	uint64_t dropped_disk;
	uint64_t base_received, base_dropped; /* at the beginning of this source */
};

struct nr_capture_run {
	struct capture *c;
	const struct nr_call *call;
	struct nr_live_merge *merge;
	struct nr_engine *engine;
	struct nr_keeper *keeper;  /* NULL: no -w */
	struct nr_kept_file first; /* the keeper's; its texts until it is rotated */
	struct nr_sink **sinks;
	struct nr_sink *summary;
	struct nr_outputs out;
	struct nr_sink *watch; /* capture_watch.c; NULL: none */
	struct nr_addresses *addresses;
	struct nr_batch *batch, *part, *events;
	uint32_t source;    /* of the packets that come */
	int64_t rotate_at;  /* without a keeper: clock of the next database */
	int64_t rotated_ns; /* clock of the last rotation, or of the beginning */
	struct nr_user user;
	struct {
		int cpu; /* -1: none */
		cpu_set_t before;
	} pin;
	bool live_line; /* on a terminal */
	bool line_drawn;
	int signal_fd, notify_fd;
	sigset_t signals;
	int64_t begin_ns;   /* of the first files, which are named by it */
	int64_t started_ns; /* of the monotonic clock, as all of these but accounted_ns */
	char sandbox[NR_SANDBOX_TEXT];
	char clock_state[128];
	char os[160], machine[80];
	char *interfaces; /* their names, for table source */
	/* accounting */
	struct nr_seen *seen;
	struct nr_link *told; /* of each ring: what was said of its interface */
	int64_t accounted_ns; /* of the host's clock */
	int64_t counted_ns, ticked_ns, reported_ns;
	int64_t clock_ahead_ns; /* the host's clock before the monotonic one */
	uint64_t records_dropped, reported_packets;
	int64_t live_ns;       /* CLOCK_MONOTONIC of the last live line */
	uint64_t live_packets; /* … and what had been captured */
	bool stopping, gone;
	int failed; /* of a sink */
	int status;
	struct nr_err err;
};

/* capture_account.c */
void nr_capture_account_init(struct nr_capture_run *r);
/* Once a second, and at the end: appends LOSS events for what happened since. */
void nr_capture_account(struct nr_capture_run *r);
/* INTERFACE_STATS events: what each interface has received and lost in this source. */
void nr_capture_interface_stats(struct nr_capture_run *r, uint32_t source);
/* {"type":"stats",…} on stderr. */
void nr_capture_stats_json(struct nr_capture_run *r);
void nr_capture_live_line(struct nr_capture_run *r);
void nr_capture_clear_line(struct nr_capture_run *r);
/* A line on stderr; the live line is taken away first. */
void nr_capture_say(struct nr_capture_run *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* captured / received / dropped, of each interface where there are several. */
void nr_capture_report(struct nr_capture_run *r);
/* Packets lost on the way to the engine or the packet file, in all. */
uint64_t nr_capture_lost(struct nr_capture_run *r);
/* … or records on the way to an output: what --strict takes for loss. */
bool nr_capture_has_lost(struct nr_capture_run *r);

/* Databases, packet files or both are sets that rotate. */
bool nr_capture_is_set(const struct capture *c);

/* check.c: takes over what engine options mean. 0, or -EINVAL with a sentence. */
int nr_capture_check(struct capture *c, const struct nr_call *call, struct nr_err *err);

/*
 * capture_watch.c: a sink that looks for anomalies of the kinds given and remembers the
 * last one, and counts messages. The first: are there such kinds? 0, or -EINVAL.
 */
int nr_watch_check(const struct nr_list *kinds, struct nr_err *err);
struct nr_sink *nr_watch_new(const struct nr_list *kinds);
/* "anomaly tcp_conflict", once; NULL: none since. */
const char *nr_watch_take(struct nr_sink *s);
/* ", dns, tls": the tables with most messages since the last call. */
void nr_watch_services(struct nr_sink *s, char *out, size_t size);
void nr_watch_free(struct nr_sink *s); /* NULL is fine */

/*
 * pin.c. The first: is it a CPU that this process may run on? 0, or -EINVAL with a
 * sentence. A thread inherits where it may run, so nothing that starts one is called
 * while the caller is pinned.
 */
int nr_capture_check_pin(struct nr_capture_run *r, struct nr_err *err);
void nr_capture_pin(const struct nr_capture_run *r);
void nr_capture_unpin(const struct nr_capture_run *r);

/* capture_loop.c: writes what the outputs begin with. 0, or what failed. */
int nr_capture_begin(struct nr_capture_run *r, const struct nr_run_info *run);
/* … and captures to the end. 0, or what failed. */
int nr_capture_loop(struct nr_capture_run *r);
