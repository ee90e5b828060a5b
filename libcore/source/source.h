/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One packet source: a capture file, a pipe, a compressed file (and later a live ring).
 *
 * nr_source_open() finds compression (gzip RFC 1952, zstd RFC 8878, xz, lz4 frame) and
 * format (pcap, pcapng draft-ietf-opsawg-pcapng, snoop RFC 1761) by magic bytes, never by
 * name. Formats are const rows of struct nr_format, compressions rows of struct
 * nr_codec. Views from a source carry ts_ns but no clock_ns and no ordinal: those are set
 * by timeline.h and merge.h.
 */
#pragma once

#include "base/err.h"
#include "source/packet.h"

#include <stdatomic.h>

struct nr_source;

struct nr_source_options {
	size_t block_size; /* bytes per read block; 0: 1 MiB */
	uint32_t index;    /* what nr_packet.source says */
	bool hash;         /* SHA-256 of the file as stored: the whole file is read */
	bool secrets;      /* hand out the content of decryption secrets blocks */
	bool park;         /* hold no descriptor between reads of a regular file */
	/* Reading that fails for reasons of the host (EIO) is damage, and ends the
	   source: the others of a run are worth going on for. */
	bool failure_is_damage;
	bool parallel; /* threads may decompress an archive (archive/archive.h) ahead */
	/* Of an archive only frames that can hold a time in [from_ns, to_ns) are read;
	   both 0: all. Where any is left out hash_note says "partial_read". */
	int64_t from_ns, to_ns;
	/* Not 0: a pipe that is waited for counts as ended. NULL: none. Signal handlers
	   that set it are installed without SA_RESTART. */
	const atomic_int *stop;
};

/* Facts that are fixed once the source is open; strings live as long as the source. */
struct nr_source_info {
	const char *path;        /* as given; "-" for stdin */
	const char *name;        /* base name; "stdin" for "-" */
	const char *format;      /* "pcap" "pcapng" "snoop" */
	const char *compression; /* "gzip" "zstd" "xz" "lz4"; NULL: none */
	int64_t bytes;           /* size as stored; -1 for a pipe until its end is read */
	bool is_regular;         /* a regular file: it can be opened and read again */
	/* Both are known once SOURCE_END is out. */
	char sha256[65];       /* of the file as stored; "": not known */
	const char *hash_note; /* why there is none, or what is odd about it; or NULL */
};

/*
 * 0; -ENOENT, -EACCES, … with a sentence; -EINVAL where the content is no capture (the
 * sentence says what it looks like: "x.bin is no capture: it begins with 7f 45 4c 46
 * (ELF program)", "x.pcap is empty").
 */
int nr_source_open(struct nr_source **out, const char *path,
		   const struct nr_source_options *opt, struct nr_err *err);

/*
 * Appends up to max views to b (fewer where the batch fills). Returns how many, 0 after
 * NR_EVENT_SOURCE_END, or -errno with a sentence where reading failed for reasons of
 * the host (EIO; see failure_is_damage); then what was read so far is already out. A cut
 * tail, a bad block, an impossible length is no failure but an NR_EVENT_DAMAGE view,
 * after which reading goes on where a reader can, or ends.
 */
int nr_source_read(struct nr_source *s, struct nr_batch *b, unsigned max,
		   struct nr_err *err);

/*
 * Goes to the packet `record` at `offset` of the content of a regular file that is not
 * compressed; what is read next is that packet. Interfaces stay as they are known: of
 * pcapng only a place may be sought behind which no section and no interface is new. The
 * hash of the file is given up. 0, -ESPIPE where the source cannot, -errno.
 */
int nr_source_seek(struct nr_source *s, uint64_t offset, uint64_t record,
		   struct nr_err *err);
/*
 * The same in a compressed file, of which a frame (one that depends on no other) begins
 * at byte `stored` of the file and at `content` of its content, not behind `offset`.
 */
int nr_source_seek_frame(struct nr_source *s, uint64_t stored, uint64_t content,
			 uint64_t offset, uint64_t record, struct nr_err *err);
/*
 * Ends reading early: takes the rest of the stored file for its hash alone, undecoded. 0
 * and the SHA-256 as text; -EIO with a sentence.
 */
int nr_source_finish(struct nr_source *s, char sha256[65], struct nr_err *err);

const struct nr_source_info *nr_source_info(const struct nr_source *s);
/* Bytes of the stored file consumed so far (for progress). */
uint64_t nr_source_position(const struct nr_source *s);
void nr_source_close(struct nr_source *s); /* batches may still hold its blocks */
