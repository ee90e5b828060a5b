/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writes pcapng (draft-ietf-opsawg-pcapng, little endian, version 1.0): a plain file, a
 * pipe, or an archive where the name ends in .zst. Every write is checked: the first one
 * that fails fails all that follow, and the file never gets its name.
 *
 * The last block given stays open until the next one, so that nr_ngw_comment() can add to
 * it. Functions return 0 or -errno with a sentence; texts are cut at 65 535 bytes.
 */
#pragma once

#include "archive/archive.h"
#include "source/packet.h"

struct nr_ngw;

struct nr_ngw_options {
	bool force, keep_partial; /* as nr_outfile_open() */
	bool live;                /* as nr_outfile_open_live() */
	/* Of the section header; NULL: left out. */
	const char *hardware, *os, *application;
	/* Archives only: as struct nr_archive_options. */
	int level;
	unsigned threads;
	size_t frame_size;
	const char *meta;
	/*
	 * Archives only: the addresses of a packet for the filters of the index. Fills
	 * addr (room for max) and returns how many. NULL: none.
	 */
	size_t (*addresses)(void *arg, const struct nr_packet *v,
			    struct nr_archive_addr *addr, size_t max);
	void *addresses_arg;
};

/*
 * "-" is standard output; a name that ends in .zst an archive. The section header is the
 * first block: a comment given next belongs to it. 0, or what nr_outfile_open() says.
 */
int nr_ngw_open(struct nr_ngw **out, const char *target, const struct nr_ngw_options *o,
		struct nr_err *err);
/*
 * Ends the section and begins another (hardware, os and application of o, which may be
 * NULL); its interfaces count from 0 again.
 */
int nr_ngw_section(struct nr_ngw *w, const struct nr_ngw_options *o, struct nr_err *err);
/* A comment for the block given last. */
int nr_ngw_comment(struct nr_ngw *w, struct nr_text text, struct nr_err *err);
/*
 * Describes an interface: *id (may be NULL) gets its number in the section. Texts, link
 * type, snap length, offset as in i; i->tsresol decides the resolution of its packets'
 * times; 0, more than 10^9, or neither a power of 10 nor of 2 makes them nanoseconds.
 */
int nr_ngw_interface(struct nr_ngw *w, const struct nr_interface *i, uint32_t *id,
		     struct nr_err *err);
/*
 * A packet of interface `id`: data, cap_len, wire_len, ts_ns, time_clamped, flags and
 * fcs_len of v count. A time before the interface's offset is written as the offset.
 * -EINVAL for an interface that is not described.
 */
int nr_ngw_packet(struct nr_ngw *w, uint32_t id, const struct nr_packet *v,
		  struct nr_err *err);
/*
 * A name of an address (text, as NR_EVENT_NAME has it); what is no IPv4, IPv6, EUI-48 or
 * EUI-64 address is left out and counted. Without address: a block for comments alone.
 */
int nr_ngw_name(struct nr_ngw *w, struct nr_text address, struct nr_text name,
		struct nr_err *err);
/* Statistics of an interface; UINT64_MAX: not known. ts_ns: when they were taken. */
int nr_ngw_stats(struct nr_ngw *w, uint32_t id, int64_t ts_ns, uint64_t received,
		 uint64_t dropped, struct nr_err *err);
/* A decryption secrets block: its type (TLS key log: 0x544c534b) and bytes. */
int nr_ngw_secrets(struct nr_ngw *w, uint32_t type, const void *p, size_t n,
		   struct nr_err *err);

/* Where the block given last begins in the content. */
uint64_t nr_ngw_offset(const struct nr_ngw *w);
/* Bytes written so far, as stored: of an archive those of the frames that are out. */
uint64_t nr_ngw_stored(const struct nr_ngw *w);
/* Packets given so far (after a failure that was mended: those that are in it). */
uint64_t nr_ngw_packets(const struct nr_ngw *w);
bool nr_ngw_is_archive(const struct nr_ngw *w);
/* The descriptor of the file, for fdatasync(2). */
int nr_ngw_fd(const struct nr_ngw *w);
/*
 * Hands everything given so far to the kernel (an archive ends a frame for it). The block
 * given last takes no more comments.
 */
int nr_ngw_flush(struct nr_ngw *w, struct nr_err *err);
/*
 * After a write that failed, on a regular file: cuts the file behind the last block (of
 * an archive: frame) that is whole, so that it can be added to and finished as if it
 * ended there. Returns how many packets that were given are not in it, or -errno.
 */
int64_t nr_ngw_salvage(struct nr_ngw *w, struct nr_err *err);

struct nr_ngw_result {
	uint64_t packets, bytes; /* bytes of pcapng */
	uint64_t names_left_out;
	bool is_archive;
	struct nr_archive_result archive;
};

/* More members for the index's "meta" (archives only). */
void nr_ngw_add_meta(struct nr_ngw *w, const char *members);
/* Writes what is left, syncs, gives the file its name. res may be NULL. */
int nr_ngw_finish(struct nr_ngw *w, struct nr_ngw_result *res, struct nr_err *err);
/* Frees; what is not finished is removed unless keep_partial. NULL is fine. */
void nr_ngw_close(struct nr_ngw *w);
