/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packet keeper: what `capture -w` writes, as one pcapng file or a rotated set.
 *
 * The caller gives batches and the clock. nr_keeper_take() writes packets up to the point
 * where the next one belongs into another file, and says so by taking fewer than it was
 * given; the caller lets the engine work on what was taken and then calls
 * nr_keeper_rotate(). So packets, flow rows and databases change files at one point.
 *
 *     for (i = 0; i < b->n; i += n) {
 *             n = nr_keeper_take(k, b->pkt + i, b->n - i);
 *             if (n)
 *                     feed the engine with b->pkt[i … i + n)
 *             else if (nr_keeper_rotate(k, b->pkt[i].clock_ns, &file) == 1)
 *                     nr_engine_next_source(…, &file)
 *     }
 *
 * A file has its final name from the beginning and can be read while it grows: each tick
 * hands what is written to the kernel. Files are closed, and synced, by a thread.
 *
 * A writer that fails (a full disk) is cut behind its last whole block and closed; the
 * packets that come are counted (dropped_disk) and belong to a source without a file,
 * until, every 10 s of the clock, there is room for a new one: 64 MiB, or a hundredth of
 * a small file system. A plain file is written before the engine sees the packets, so
 * that no row leads to a packet that is not in the file. Of an archive the frames under
 * way are lost; how many, the file's nr_kept_file says.
 *
 * With pre_trigger_ns the packets wait in memory (keep/backlog.h). nr_keeper_trigger()
 * opens a file, writes them and what comes for as long again, and closes it. No row leads
 * to them, and there is one source.
 */
#pragma once

#include "archive/pcapng_write.h"
#include "keep/retain.h"

struct nr_keeper;

/* A packet file, when it is opened and when it is closed. */
struct nr_kept_file {
	const char *path; /* NULL: a gap: its packets are not kept */
	const char *name; /* base name; of a gap that of the target */
	bool is_archive;
	uint32_t source; /* nr_packet.source of its packets: 0, 1, … */
	/* Valid when it is closed. */
	uint64_t packets, bytes; /* in it; bytes as stored */
	uint64_t lost;           /* packets that were taken and did not get into it */
	const char *failure;     /* why it ended early; NULL: it is whole */
};

struct nr_keep_config {
	const char *target; /* FILE.pcapng or FILE.pcapng.zst */
	bool force;
	const char *hardware, *os, *application; /* as struct nr_ngw_options */
	int level;                               /* of an archive; 0: its default */
	unsigned threads;
	size_t (*addresses)(void *arg, const struct nr_packet *v,
			    struct nr_archive_addr *addr, size_t max);
	void *addresses_arg; /* of an archive's index; used by the caller's thread */
	/*
	 * With any of the first two, or is_set, names carry the time at which the file
	 * begins (keep/names.h). Intervals are cut at multiples of rotate_ns since 1970
	 * UTC; a file of a silent interval holds no packets.
	 */
	uint64_t rotate_size; /* bytes as stored; 0: never */
	int64_t rotate_ns;    /* 0: never */
	bool is_set;          /* nr_keeper_rotate() will be called for other reasons */
	struct nr_retain_limits retain;
	int64_t pre_trigger_ns;   /* 0: keep everything */
	int64_t post_trigger_ns;  /* 0: as pre_trigger_ns */
	uint64_t pre_trigger_mem; /* bytes; 0: 64 MiB */
	int64_t sync_ns;          /* fdatasync each; 0: never */
	/* On the caller's thread, from tick and finish: f is valid during the call. */
	void (*closed)(void *arg, const struct nr_kept_file *f);
	void *arg;
};

/* Checks the configuration and makes the thread; no file yet. 0, -EINVAL, -errno. */
int nr_keeper_new(struct nr_keeper **out, const struct nr_keep_config *c,
		  struct nr_err *err);
/* Describes the next interface, from 0; all before the first packet of it is taken. */
void nr_keeper_interface(struct nr_keeper *k, const struct nr_interface *i);
/* Opens the first file (with pre_trigger_ns: tries whether it could). 0, or -errno. */
int nr_keeper_start(struct nr_keeper *k, int64_t clock_ns, struct nr_kept_file *f,
		    struct nr_err *err);
/*
 * Takes packets (events are passed over) and sets source, record and offset of each;
 * record 0: it is not kept. Returns how many; 0 of n > 0: rotate before the next one.
 * With pre_trigger_ns records keep the numbers they have.
 */
size_t nr_keeper_take(struct nr_keeper *k, struct nr_packet *p, size_t n);
/*
 * Without packets: the clock. Hands over what is written, syncs, closes, reports, tries
 * again after a failure, enforces retention. True: nr_keeper_rotate() is due.
 */
bool nr_keeper_tick(struct nr_keeper *k, int64_t clock_ns);
/*
 * Begins another file, due or not. 1 with *f filled (its texts live until the next
 * call): packets that come have another source, maybe a gap; 0: all stays as it is.
 */
int nr_keeper_rotate(struct nr_keeper *k, int64_t clock_ns, struct nr_kept_file *f);
/*
 * With pre_trigger_ns: somebody asks (SIGUSR2, "anomaly tcp_conflict"). True: *said, the
 * file's comment, tells what was written from memory: "trigger: SIGUSR2: 2117 packets,
 * back 2.4 s of 20.0 s (--pre-trigger-memory is full)". False: a file is being written
 * already, which goes on for as long again, or none could be (nr_keeper_stats()).
 */
struct nr_keep_triggered {
	const char *name; /* of the file, without directories; until the next call */
	uint64_t packets;
	char text[300];
};
bool nr_keeper_trigger(struct nr_keeper *k, int64_t clock_ns, const char *why,
		       struct nr_keep_triggered *said);
/* What the interface has received and dropped so far, for the statistics block at the
   end of each file; UINT64_MAX: not known. */
void nr_keeper_counts(struct nr_keeper *k, uint32_t interface_id, uint64_t received,
		      uint64_t dropped);

struct nr_keep_stats {
	uint64_t packets, files; /* written */
	uint64_t dropped_disk;   /* packets not kept because of a failure */
	uint64_t removed;        /* files that retention took */
	uint64_t not_removed;    /* … and could not */
	uint64_t squeezed;       /* left the memory of pre_trigger_ns early */
	const char *failure;     /* the first one, as a sentence; NULL: none */
};

void nr_keeper_stats(const struct nr_keeper *k, struct nr_keep_stats *st);
uint64_t nr_keeper_dropped(const struct nr_keeper *k, uint32_t interface_id);
/* Closes what is open and waits for it. 0, or the first failure of the run. */
int nr_keeper_finish(struct nr_keeper *k, struct nr_err *err);
/* The caller does not begin after all: the file that was opened goes. NULL is fine. */
void nr_keeper_discard(struct nr_keeper *k);
void nr_keeper_free(struct nr_keeper *k); /* NULL is fine; open files stay as they are */
