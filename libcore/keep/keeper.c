/* SPDX-License-Identifier: BSD-3-Clause */
#include "keep/keeper.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "keep/backlog.h"
#include "keep/closer.h"
#include "keep/names.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum {
	NAMES_TRIED = 10000, /* of one second */
	BACKLOG_DEFAULT = 64 << 20,
	ROOM_TO_REOPEN = 64 << 20,
};

#define RETRY_NS   (INT64_C(10) * 1000000000)
#define FLUSH_NS   (INT64_C(2) * 100000000) /* at each tick that is one */
#define ENFORCE_NS (INT64_C(1) * 1000000000)

struct iface {
	struct nr_interface i; /* texts owned */
	uint64_t received, dropped, dropped_disk;
};

struct nr_keeper {
	struct nr_keep_config cfg;
	char *target;
	int64_t named_s; /* second of the last name given, and how many it has given */
	unsigned named_n;
	struct nr_closer *closer;
	struct nr_retain *retain; /* NULL: no limits */
	struct nr_backlog *backlog;
	struct iface *ifs;
	size_t n_ifs;
	/* the open file; w NULL: there is none */
	struct nr_ngw *w;
	char *path;
	uint32_t source;    /* of what is taken now */
	bool has_source;    /* source is in use, by a file or a gap */
	bool is_gap;        /* the packets are not kept */
	uint64_t file_lost; /* by the open file, when it broke … */
	uint64_t untold;    /* … of which so many are not counted yet */
	bool is_broken;     /* w has failed: a gap is due */
	bool is_dirty;      /* something was written since the last sync */
	int64_t last_ns;    /* of the last packet or tick */
	int64_t until_ns;   /* a triggered file ends */
	int64_t next_ns;    /* time rotation; INT64_MAX: never */
	int64_t retry_ns, flush_ns, sync_ns, enforce_ns;
	char *shown; /* texts of the last nr_kept_file handed out */
	struct nr_keep_stats st;
	struct nr_err failure;
	int failed; /* -errno, the first */
};

static int check_config(const struct nr_keep_config *c, struct nr_err *err)
{
	const char *t = c->target;

	if (nr_ends_with(t, ".pcapng") || nr_ends_with(t, ".pcapng.zst"))
		return 0;
	return nr_fail(err, -EINVAL,
		       "cannot write packets to %s: name it *.pcapng or *.pcapng.zst", t);
}

int nr_keeper_new(struct nr_keeper **out, const struct nr_keep_config *c,
		  struct nr_err *err)
{
	const struct nr_retain_limits *l = &c->retain;
	struct nr_keeper *k;
	int rc = check_config(c, err);

	*out = NULL;
	if (rc < 0)
		return rc;
	k = nr_xcalloc(1, sizeof(*k));
	k->cfg = *c;
	rc = nr_closer_new(&k->closer, err);
	if (rc < 0) {
		nr_free(k);
		return rc;
	}
	k->target = nr_xstrdup(c->target);
	k->next_ns = INT64_MAX;
	if (l->files || l->bytes || l->free)
		k->retain = nr_retain_new(l);
	if (c->pre_trigger_ns) {
		size_t mem = c->pre_trigger_mem ? c->pre_trigger_mem : BACKLOG_DEFAULT;

		k->backlog = nr_backlog_new(c->pre_trigger_ns, mem);
		if (!k->cfg.post_trigger_ns)
			k->cfg.post_trigger_ns = c->pre_trigger_ns;
	}
	*out = k;
	return 0;
}

void nr_keeper_interface(struct nr_keeper *k, const struct nr_interface *i)
{
	struct iface *f;

	k->ifs = nr_xrealloc(k->ifs, (k->n_ifs + 1) * sizeof(*k->ifs));
	f = &k->ifs[k->n_ifs++];
	*f = (struct iface){ .received = UINT64_MAX, .dropped = UINT64_MAX };
	nr_interface_copy(&f->i, i);
}

static bool is_set(const struct nr_keeper *k)
{
	const struct nr_keep_config *c = &k->cfg;

	return c->rotate_size || c->rotate_ns || c->is_set || c->pre_trigger_ns;
}

static void note_failure(struct nr_keeper *k, int rc, const char *text)
{
	if (k->failed)
		return;
	k->failed = rc;
	snprintf(k->failure.text, sizeof(k->failure.text), "%s", text);
}

/* ---- opening and closing ------------------------------------------------------ */

static int open_named(struct nr_keeper *k, char *path, struct nr_err *err)
{
	const struct nr_ngw_options o = {
		.force = k->cfg.force,
		.live = true,
		.hardware = k->cfg.hardware,
		.os = k->cfg.os,
		.application = k->cfg.application,
		.level = k->cfg.level,
		.threads = k->cfg.threads,
		.addresses = k->cfg.addresses,
		.addresses_arg = k->cfg.addresses_arg,
	};
	int rc = nr_ngw_open(&k->w, path, &o, err);

	if (rc < 0) {
		nr_free(path);
		k->w = NULL;
		return rc;
	}
	k->path = path;
	if (k->retain)
		nr_retain_add(k->retain, path, nr_ngw_fd(k->w));
	return 0;
}

/*
 * The first name of that second that is free and sorts behind those that this run has
 * given: retention may have taken one of them away.
 */
static int open_file(struct nr_keeper *k, int64_t ns, struct nr_err *err)
{
	int rc = -EEXIST;

	if (!is_set(k) && !k->st.files)
		return open_named(k, nr_xstrdup(k->target), err);
	if (ns / 1000000000 != k->named_s)
		k->named_n = 0;
	k->named_s = ns / 1000000000;
	for (unsigned i = 0; i < NAMES_TRIED && rc == -EEXIST; i++) {
		char *path = nr_keep_name(k->target, ns, k->named_n++);
		struct stat st;

		if (lstat(path, &st) == 0)
			nr_free(path);
		else
			rc = open_named(k, path, err);
	}
	return rc == -EEXIST
		       ? nr_fail(err, rc, "there are too many files like %s", k->target)
		       : rc;
}

static int describe(struct nr_keeper *k, const char *why, struct nr_err *err)
{
	int rc = 0;

	if (why)
		rc = nr_ngw_comment(k->w, (struct nr_text){ why, strlen(why) }, err);
	for (size_t i = 0; i < k->n_ifs && rc == 0; i++)
		rc = nr_ngw_interface(k->w, &k->ifs[i].i, NULL, err);
	return rc ? rc : nr_ngw_flush(k->w, err);
}

/* Nothing of it is of use: a file without a whole head. */
static void abandon(struct nr_keeper *k)
{
	struct nr_err err;

	nr_ngw_salvage(k->w, &err);
	nr_ngw_close(k->w);
	k->w = NULL;
	remove(k->path);
	if (k->retain)
		nr_retain_forget(k->retain, k->path);
	nr_free(k->path);
	k->path = NULL;
}

static int open_described(struct nr_keeper *k, int64_t ns, const char *why,
			  struct nr_err *err)
{
	int rc = open_file(k, ns, err);

	if (rc < 0)
		return rc;
	rc = describe(k, why, err);
	if (rc < 0) {
		abandon(k);
		return rc;
	}
	k->st.files++;
	k->flush_ns = k->sync_ns = ns;
	return 0;
}

static void count_lost(struct nr_keeper *k, uint32_t interface_id, uint64_t n)
{
	k->st.dropped_disk += n;
	if (interface_id < k->n_ifs)
		k->ifs[interface_id].dropped_disk += n;
}

static void put_stats(struct nr_keeper *k, int64_t ns, struct nr_err *err)
{
	for (size_t i = 0; i < k->n_ifs; i++) {
		const struct iface *f = &k->ifs[i];

		if (nr_ngw_stats(k->w, (uint32_t)i, ns, f->received, f->dropped, err) < 0)
			return; /* it is closed as failed */
	}
}

/* Hands the open file to the thread. */
static void close_file(struct nr_keeper *k, int64_t ns)
{
	struct nr_closing *c;
	struct nr_err err = { "" };

	if (!k->w)
		return;
	c = nr_xcalloc(1, sizeof(*c));
	if (k->is_broken) {
		c->failed = k->failed ? k->failed : -EIO;
		c->said = k->failure;
	}
	put_stats(k, ns, &err);
	c->packets = nr_ngw_packets(k->w);
	c->w = k->w;
	c->path = k->path;
	c->source = k->source;
	c->lost_before = k->file_lost;
	k->file_lost = 0;
	k->w = NULL;
	k->path = NULL;
	k->is_broken = false;
	k->is_dirty = false;
	nr_closer_close(k->closer, c);
}

/*
 * Writing has failed: the file becomes whole as far as it goes, and takes no more. What
 * it has lost is counted by the caller, who knows whose it was.
 */
static void break_file(struct nr_keeper *k, int rc, const struct nr_err *said)
{
	struct nr_err err = { "" };
	int64_t lost;

	note_failure(k, rc, said->text);
	lost = nr_ngw_salvage(k->w, &err);
	k->file_lost = lost > 0 ? (uint64_t)lost : 0;
	k->untold = k->file_lost;
	k->st.packets -= k->file_lost;
	k->is_broken = true;
}

/* Of an archive, and where a trigger asked, nobody knows whose they were. */
static void tell_lost(struct nr_keeper *k)
{
	count_lost(k, 0, k->untold);
	k->untold = 0;
}

static void report_closed(struct nr_keeper *k, bool all)
{
	struct nr_closing *c;

	while ((c = nr_closer_done(k->closer, all)) != NULL) {
		const char *slash = strrchr(c->path, '/');
		struct nr_kept_file f = {
			.path = c->path,
			.name = slash ? slash + 1 : c->path,
			.is_archive = strlen(c->path) > 4 &&
				      !strcmp(c->path + strlen(c->path) - 4, ".zst"),
			.source = c->source,
			.packets = c->packets - c->lost,
			.bytes = c->bytes,
			.lost = c->lost + c->lost_before,
			.failure = c->failed ? c->said.text : NULL,
		};

		if (c->failed)
			note_failure(k, c->failed, c->said.text);
		if (k->retain)
			nr_retain_closed(k->retain, c->path);
		count_lost(k, 0, c->lost);
		k->st.packets -= c->lost;
		if (k->cfg.closed)
			k->cfg.closed(k->cfg.arg, &f);
		nr_closing_free(c);
	}
}

/* ---- time and space ----------------------------------------------------------- */

/* The multiple of the interval behind ns. */
static int64_t border_after(int64_t ns, int64_t every)
{
	int64_t r = ns % every;

	if (r < 0)
		r += every;
	return nr_time_after(ns - r, every);
}

static bool has_room(const struct nr_keeper *k)
{
	const char *slash = strrchr(k->target, '/');
	char *dir = nr_xstrdup(slash ? k->target : ".");
	uint64_t room, enough;
	struct statvfs fs;
	int rc;

	if (slash)
		dir[slash == k->target ? 1 : slash - k->target] = '\0';
	rc = statvfs(dir, &fs);
	nr_free(dir);
	if (rc < 0)
		return true; /* opening will tell */
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	enough = (uint64_t)fs.f_blocks * fs.f_frsize / 100;
	if (enough > ROOM_TO_REOPEN)
		enough = ROOM_TO_REOPEN;
	return room >= enough && room >= k->cfg.retain.free;
}

static bool is_due(const struct nr_keeper *k, int64_t clock_ns)
{
	if (k->is_broken)
		return true;
	if (k->is_gap)
		return clock_ns >= k->retry_ns;
	if (clock_ns >= k->next_ns)
		return true;
	return k->cfg.rotate_size && k->w && nr_ngw_stored(k->w) >= k->cfg.rotate_size &&
	       nr_ngw_packets(k->w);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void show(struct nr_keeper *k, struct nr_kept_file *f)
{
	nr_free(k->shown);
	k->shown = nr_xstrdup(k->w ? k->path : k->target);
	*f = (struct nr_kept_file){
		.path = k->w ? k->shown : NULL,
		.name = base_of(k->shown),
		.is_archive = k->w && strlen(k->shown) > 4 &&
			      !strcmp(k->shown + strlen(k->shown) - 4, ".zst"),
		.source = k->source,
	};
}

/* Time rotation names a file after the border at which it begins. */
static int64_t begin_of(const struct nr_keeper *k, int64_t clock_ns)
{
	int64_t every = k->cfg.rotate_ns;

	return every && k->next_ns != INT64_MAX && clock_ns >= k->next_ns
		       ? border_after(clock_ns, every) - every
		       : clock_ns;
}

static void set_border(struct nr_keeper *k, int64_t clock_ns)
{
	if (k->cfg.rotate_ns)
		k->next_ns = border_after(clock_ns, k->cfg.rotate_ns);
}

int nr_keeper_start(struct nr_keeper *k, int64_t clock_ns, struct nr_kept_file *f,
		    struct nr_err *err)
{
	int rc = open_described(k, clock_ns, NULL, err);

	if (rc < 0)
		return rc;
	k->has_source = true;
	set_border(k, clock_ns);
	if (k->backlog) {
		abandon(k);
		k->st.files--;
		show(k, f);
		f->path = NULL;
		return 0;
	}
	show(k, f);
	return 0;
}

/* From a file that failed to a gap, or from a gap to a file, or to a gap that lasts. */
static int leave(struct nr_keeper *k, int64_t clock_ns, bool was_broken)
{
	struct nr_err err = { "" };
	int rc = -ENOSPC;

	if (!was_broken && k->retain)
		nr_retain_enforce(k->retain);
	if (!was_broken && has_room(k))
		rc = open_described(k, begin_of(k, clock_ns), NULL, &err);
	if (rc < 0) {
		if (err.text[0])
			note_failure(k, rc, err.text);
		k->retry_ns = clock_ns + RETRY_NS;
		set_border(k, clock_ns);
		if (k->is_gap)
			return 0;
		k->is_gap = true;
	} else {
		k->is_gap = false;
		set_border(k, clock_ns);
	}
	k->source++;
	return 1;
}

int nr_keeper_rotate(struct nr_keeper *k, int64_t clock_ns, struct nr_kept_file *f)
{
	bool was_broken = k->is_broken;
	struct nr_err err = { "" };
	int rc = 1;

	if (k->backlog) /* files there are made by triggers */
		return 0;
	close_file(k, clock_ns);
	if (was_broken || k->is_gap) {
		rc = leave(k, clock_ns, was_broken);
	} else {
		int opened;

		if (k->retain)
			nr_retain_enforce(k->retain);
		opened = open_described(k, begin_of(k, clock_ns), NULL, &err);
		set_border(k, clock_ns);
		k->source++;
		if (opened < 0) {
			note_failure(k, opened, err.text);
			k->is_gap = true;
			k->retry_ns = clock_ns + RETRY_NS;
		}
	}
	if (rc)
		show(k, f);
	if (k->retain)
		nr_retain_enforce(k->retain);
	return rc;
}

/* ---- packets ------------------------------------------------------------------ */

/* False: it could not be kept; where writing it failed, the file is broken now. */
static bool put(struct nr_keeper *k, const struct nr_packet *p)
{
	struct nr_err err; /* filled where it fails: this is called for each packet */
	int rc;

	if (!k->w || k->is_broken)
		return false;
	rc = nr_ngw_packet(k->w, p->interface_id, p, &err);
	if (rc < 0) {
		break_file(k, rc, &err);
		return false;
	}
	k->st.packets++;
	k->is_dirty = true;
	return true;
}

/* Of a file that a trigger asked for. */
static void put_triggered(struct nr_keeper *k, const struct nr_packet *p)
{
	if (put(k, p))
		return;
	count_lost(k, p->interface_id, 1);
	tell_lost(k);
}

/* With a pre-trigger: into memory, or into the file that somebody asked for. */
static void take_waiting(struct nr_keeper *k, struct nr_packet *p)
{
	k->last_ns = p->clock_ns;
	if (k->w && p->clock_ns >= k->until_ns)
		close_file(k, p->clock_ns);
	if (k->w)
		put_triggered(k, p);
	else
		nr_backlog_add(k->backlog, p);
}

static size_t take_all_waiting(struct nr_keeper *k, struct nr_packet *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		p[i].source = k->source;
		if (!p[i].event)
			take_waiting(k, &p[i]);
	}
	return n;
}

/*
 * What was taken reaches the file before the caller works on it. Where that fails, those
 * that are not in the file are not taken: they belong to the gap behind it.
 */
static size_t settle(struct nr_keeper *k, struct nr_packet *p, size_t n)
{
	struct nr_err err = { "" };
	size_t first = n;
	int rc = 0;

	if (k->w && !k->is_broken && !nr_ngw_is_archive(k->w))
		rc = nr_ngw_flush(k->w, &err);
	if (rc < 0)
		break_file(k, rc, &err);
	if (!k->w || !k->is_broken)
		return n;
	while (first && p[first - 1].record > nr_ngw_packets(k->w)) {
		first--;
		if (!p[first].event && k->untold) {
			k->untold--;
			k->file_lost--;
		}
	}
	tell_lost(k);
	return first;
}

size_t nr_keeper_take(struct nr_keeper *k, struct nr_packet *p, size_t n)
{
	size_t i;

	if (k->backlog)
		return take_all_waiting(k, p, n);
	for (i = 0; i < n; i++) {
		p[i].source = k->source;
		if (p[i].event)
			continue;
		if (is_due(k, p[i].clock_ns))
			break;
		k->last_ns = p[i].clock_ns;
		p[i].record = 0;
		p[i].offset = 0;
		if (put(k, &p[i])) {
			p[i].record = nr_ngw_packets(k->w);
			p[i].offset = nr_ngw_offset(k->w);
		} else if (k->w) {
			break;
		} else {
			count_lost(k, p[i].interface_id, 1);
		}
	}
	return settle(k, p, i);
}

/* What memory has for a trigger: in the file's comment, and for a person. */
static void tell_backlog(const struct nr_keeper *k, int64_t clock_ns, const char *why,
			 struct nr_keep_triggered *t)
{
	int64_t since = nr_backlog_since(k->backlog);
	double back = since < clock_ns ? (double)(clock_ns - since) / 1e9 : 0;

	t->packets = nr_backlog_count(k->backlog);
	snprintf(t->text, sizeof(t->text),
		 "trigger: %.120s: %" PRIu64 " packets, back %.1f s of %.1f s%s", why,
		 t->packets, back, (double)k->cfg.pre_trigger_ns / 1e9,
		 nr_backlog_is_short(k->backlog, clock_ns)
			 ? " (--pre-trigger-memory is full)"
			 : "");
}

bool nr_keeper_trigger(struct nr_keeper *k, int64_t clock_ns, const char *why,
		       struct nr_keep_triggered *said)
{
	const struct nr_packet *p;
	struct nr_err err = { "" };
	int rc;

	if (!k->backlog)
		return false;
	nr_backlog_expire(k->backlog, clock_ns);
	if (__builtin_add_overflow(clock_ns, k->cfg.post_trigger_ns, &k->until_ns))
		k->until_ns = INT64_MAX;
	if (k->w)
		return false;
	tell_backlog(k, clock_ns, why, said);
	rc = open_described(k, clock_ns, said->text, &err);
	if (rc < 0)
		note_failure(k, rc, err.text);
	while ((p = nr_backlog_take(k->backlog)) != NULL)
		put_triggered(k, p);
	if (k->w && !k->is_broken && (rc = nr_ngw_flush(k->w, &err)) < 0) {
		break_file(k, rc, &err);
		tell_lost(k);
	}
	if (!k->w)
		return false;
	said->name = base_of(k->path);
	return true;
}

/* ---- the clock ---------------------------------------------------------------- */

/* The clock has come to *at, which moves on. */
static bool passes(int64_t *at, int64_t clock_ns, int64_t every)
{
	if (clock_ns >= *at && clock_ns - *at < every)
		return false;
	*at = clock_ns; /* also where the clock was set back */
	return true;
}

static void flush(struct nr_keeper *k, int64_t clock_ns)
{
	struct nr_err err = { "" };
	int rc = 0;

	if (!k->w || k->is_broken)
		return;
	if (passes(&k->flush_ns, clock_ns, FLUSH_NS))
		rc = nr_ngw_flush(k->w, &err);
	if (rc < 0) {
		break_file(k, rc, &err);
		tell_lost(k);
		return;
	}
	if (k->cfg.sync_ns && k->is_dirty &&
	    passes(&k->sync_ns, clock_ns, k->cfg.sync_ns)) {
		k->is_dirty = false;
		nr_closer_sync(k->closer, nr_ngw_fd(k->w));
	}
	rc = nr_closer_sync_failed(k->closer);
	if (rc < 0 && k->w && !k->is_broken) {
		nr_fail(&err, rc, "cannot sync %s: %s", k->path, strerror(-rc));
		break_file(k, rc, &err);
		tell_lost(k);
	}
}

bool nr_keeper_tick(struct nr_keeper *k, int64_t clock_ns)
{
	k->last_ns = clock_ns;
	flush(k, clock_ns);
	if (k->backlog) {
		nr_backlog_expire(k->backlog, clock_ns);
		if (k->w && (clock_ns >= k->until_ns || k->is_broken))
			close_file(k, clock_ns);
	}
	report_closed(k, false);
	if (k->retain && passes(&k->enforce_ns, clock_ns, ENFORCE_NS))
		nr_retain_enforce(k->retain);
	return !k->backlog && is_due(k, clock_ns);
}

void nr_keeper_counts(struct nr_keeper *k, uint32_t interface_id, uint64_t received,
		      uint64_t dropped)
{
	if (interface_id >= k->n_ifs)
		return;
	k->ifs[interface_id].received = received;
	k->ifs[interface_id].dropped = dropped;
}

void nr_keeper_stats(const struct nr_keeper *k, struct nr_keep_stats *st)
{
	*st = k->st;
	st->failure = k->failed ? k->failure.text : NULL;
	if (k->retain) {
		st->removed = nr_retain_removed(k->retain);
		st->not_removed = nr_retain_refused(k->retain);
	}
	if (k->backlog)
		st->squeezed = nr_backlog_squeezed(k->backlog);
}

uint64_t nr_keeper_dropped(const struct nr_keeper *k, uint32_t interface_id)
{
	return interface_id < k->n_ifs ? k->ifs[interface_id].dropped_disk : 0;
}

int nr_keeper_finish(struct nr_keeper *k, struct nr_err *err)
{
	close_file(k, k->last_ns);
	report_closed(k, true);
	if (k->retain)
		nr_retain_enforce(k->retain);
	if (k->failed && err)
		*err = k->failure;
	return k->failed;
}

void nr_keeper_discard(struct nr_keeper *k)
{
	if (k && k->w)
		abandon(k);
}

void nr_keeper_free(struct nr_keeper *k)
{
	if (!k)
		return;
	nr_closer_free(k->closer);
	nr_ngw_close(k->w);
	nr_retain_free(k->retain);
	nr_backlog_free(k->backlog);
	for (size_t i = 0; i < k->n_ifs; i++)
		nr_interface_fini(&k->ifs[i].i);
	nr_free(k->ifs);
	nr_free(k->path);
	nr_free(k->target);
	nr_free(k->shown);
	nr_free(k);
}
