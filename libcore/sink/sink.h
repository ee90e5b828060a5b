/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sinks: where records go. Each is a const row; `-o` may name several.
 *
 * A sink takes batches of sorted records and returns at once: one that works on another
 * thread copies what it keeps into its own bounded queue (replay waits when it is full).
 */
#pragma once

#include "archive/archive.h"
#include "base/err.h"
#include "keep/retain.h"
#include "record/record.h"

struct nr_sink;

struct nr_sink_options {
	bool force;            /* replace an existing target */
	bool append;           /* add a run to an existing database */
	bool keep_partial;     /* leave NAME.partial behind after a failure */
	const char *argv_text; /* for messages only; may be NULL */
	/* The tables of a database; NULL: nr_record_types. */
	const struct nr_record_type *const *types;
	size_t n_types;
	/*
	 * The output of a capture: a database that is read meanwhile (sqlite_live.h), or
	 * JSON lines under their final name from the beginning.
	 * Records are dropped, not waited for, while it is behind: nr_sink_dropped(),
	 * nr_sink_last_rows().
	 */
	bool live;
	bool is_set;     /* live: nr_sink_rotate() will be called; names carry the time */
	int64_t now_ns;  /* … at which the first begins */
	int64_t sync_ns; /* live: what is so old outlives a loss of power; 0: never */
	struct nr_retain_limits retain; /* live: of databases */
	bool continues;   /* a database: its rows may refer to the file before it */
	int level;        /* of an archive; 0: NR_ARCHIVE_LEVEL */
	unsigned threads; /* of an archive; 0: as nr_archive_options has it */
};

struct nr_sink_ops {
	const char *name;
	size_t ctx_size; /* private bytes behind struct nr_sink; arrives zeroed */
	int (*open)(struct nr_sink *s, const char *target,
		    const struct nr_sink_options *o, struct nr_err *err);
	/* Records are valid until it returns. 0 or -errno (the run stops, status 4). */
	int (*write)(struct nr_sink *s, struct nr_record *const *r, size_t n,
		     struct nr_err *err);
	/* Makes everything durable and gives the target its final name. */
	int (*finish)(struct nr_sink *s, struct nr_err *err);
	/* Frees; without a finish before it, removes what is half done. */
	void (*close)(struct nr_sink *s);
	/* May be NULL: what was given reaches those who read meanwhile, soon. */
	int (*flush)(struct nr_sink *s, struct nr_err *err);
	/* May be NULL: what comes next belongs into another file. */
	int (*rotate)(struct nr_sink *s, int64_t ns, struct nr_err *err);
	/* May be NULL: never. See nr_sink_is_behind(). */
	bool (*is_behind)(const struct nr_sink *s);
};

struct nr_sink {
	const struct nr_sink_ops *ops;
	bool no_ident;   /* has no use for nr_record.ident */
	bool no_index;   /* has no use for flow_packets and source_block */
	bool no_values;  /* asks no record for more than its type: rows of flows come with
			    their flow_id alone */
	bool is_archive; /* JSON lines in an archive */
	struct nr_archive_result archive; /* of a finished archive */
	/* A database: what run.chain_heads is to say; set before finish, owned, or NULL.
	 */
	char *chain_heads;
	/* A database of rows whose source is incomplete: what they refer to may be
	   missing. Set before finish. */
	bool may_lack_rows;
	/* A database, finished: how long the engine waited for its queue; of this while
	   the input was at its end, and all that was left to do was to write. */
	uint64_t waited_ns, waited_end_ns;
	uint64_t finish_ns;    /* how long finish took */
	const char *target;    /* as given to -o */
	struct nr_sink *inner; /* what a guard stands in front of; NULL: it is no guard */
	const char *path;      /* of a set: the newest file; NULL: the target */
	bool wants_open;       /* takes rows of flows that are open, and their renewals */
	uint64_t dropped;      /* records; see nr_sink_dropped() */
	/* of the monotonic clock: so long a full queue is waited for, or, by one that
	   always goes on, where is_over, for good; 0: not at all */
	int64_t wait_until_ns;
	bool is_over;   /* no packet comes any more */
	uint64_t bytes; /* live: of the database at its last commit; 0: not known */
	/* Live: a sentence for the end of the run, "": none. Set by finish. */
	char note[256];
	/* Live: what has just failed while the sink goes on; who says it empties it. */
	char news[512];
	_Alignas(16) uint8_t ctx[];
};

/*
 * Opens the sink that a target names: "-" JSON lines on stdout, "*.jsonl" JSON lines,
 * "*.jsonl.zst" an archive of them,
 * "null:" nothing, anything else a SQLite database. -EEXIST where the target exists and
 * neither force nor append is set; -EINVAL for a target that cannot be one.
 */
int nr_sink_open(struct nr_sink **out, const char *target,
		 const struct nr_sink_options *o, struct nr_err *err);
/* The same, of a kind that was chosen before. */
int nr_sink_open_as(struct nr_sink **out, const struct nr_sink_ops *ops,
		    const char *target, const struct nr_sink_options *o,
		    struct nr_err *err);
/*
 * Where the reader of a pipe has gone (-EPIPE from write and finish of "-") there is
 * nothing more to do and nothing went wrong: the caller ends with status 0. SIGPIPE must
 * be ignored, SIGXFSZ too.
 */
int nr_sink_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		  struct nr_err *err);
int nr_sink_finish(struct nr_sink *s, struct nr_err *err);
void nr_sink_close(struct nr_sink *s); /* NULL is fine */
/* What was given so far can be read by others within half a second. 0 or -errno. */
int nr_sink_flush(struct nr_sink *s, struct nr_err *err);
/*
 * Records given from now on go into the next file of the set, which begins at ns; the one
 * before is finished meanwhile. 0, also where the sink is no set; -EAGAIN while too many
 * are still being finished (later, then); -errno where the new one cannot be made, and
 * the old one is still in use.
 */
int nr_sink_rotate(struct nr_sink *s, int64_t ns, struct nr_err *err);
/* Records that were dropped because the sink was behind, and those that lack their flow
   for it. Guards hand these, and wants_open, on. */
uint64_t nr_sink_dropped(const struct nr_sink *s);
/*
 * All open flows are about to be written: nothing of what comes now is dropped, up to
 * nr_sink_rotate(), before which it is waited for some seconds, or, at the end, where no
 * packet is lost by it, for good. JSON lines into a pipe wait at the end alone, some
 * seconds.
 */
void nr_sink_last_rows(struct nr_sink *s, bool at_end);
/* There is much that it has not written yet: what can come later should. */
bool nr_sink_is_behind(const struct nr_sink *s);
bool nr_sink_wants_open(const struct nr_sink *s);
/* Rows of which there are few, and which describe all others. */
bool nr_sink_is_frame(const struct nr_record *r);
/* The file that is being written now: the target, or of a set the newest. */
const char *nr_sink_path(const struct nr_sink *s);

/*
 * Where the next run of a case begins: the ids behind those that the database at path
 * holds, and the ordinal of its last packet. A path that does not exist gives 1, 1, 0.
 * Ids of runs are also moved behind those present by the sink itself.
 */
int nr_sqlite_next_ids(const char *path, int64_t *run_id, int64_t *source_id,
		       uint64_t *ordinal, struct nr_err *err);

extern const struct nr_sink_ops nr_sink_null, nr_sink_jsonl, nr_sink_sqlite,
	nr_sink_sqlite_live, nr_sink_behind;
