/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/pcapng_write.h"

#include "base/mem.h"
#include "base/text.h"
#include "sink/outfile.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	B_SECTION = 0x0a0d0d0a,
	B_INTERFACE = 1,
	B_NAMES = 4,
	B_STATS = 5,
	B_PACKET = 6,
	B_SECRETS = 10,
	OPT_COMMENT = 1,
	SHB_HARDWARE = 2,
	SHB_OS = 3,
	SHB_APPLICATION = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_FILTER = 11,
	IF_OS = 12,
	IF_TSOFFSET = 14,
	IF_HARDWARE = 15,
	EPB_FLAGS = 2,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	BUFFER = 256 << 10,
	ADDRESSES = 32, /* of one packet, all its tunnels */
};

struct interface {
	int64_t offset_s;
	uint32_t mult; /* ns of a unit; 0: use resol */
	uint8_t resol;
};

struct nr_ngw {
	struct nr_outfile file; /* of a plain file */
	struct nr_archive_writer *archive;
	bool is_stdout;
	int failed;
	struct nr_buf out; /* whole blocks; the open one at its end */
	size_t open;       /* where it begins in out; is_open */
	bool is_open, has_options;
	struct nr_archive_fact fact; /* of the open block */
	struct nr_archive_addr addr[ADDRESSES];
	size_t (*addresses)(void *arg, const struct nr_packet *v,
			    struct nr_archive_addr *addr, size_t max);
	void *addresses_arg;
	struct interface *ifs;
	uint64_t written; /* bytes of a plain file that are out: whole blocks */
	uint32_t n_if, room_if, first_if; /* first_if: interfaces of earlier sections */
	struct nr_ngw_result res;
};

static void put16(struct nr_buf *b, uint16_t v)
{
	const uint8_t p[2] = { (uint8_t)v, (uint8_t)(v >> 8) };

	nr_buf_add(b, p, sizeof(p));
}

static void put32(struct nr_buf *b, uint32_t v)
{
	const uint8_t p[4] = { (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16),
			       (uint8_t)(v >> 24) };

	nr_buf_add(b, p, sizeof(p));
}

static void put64(struct nr_buf *b, uint64_t v)
{
	put32(b, (uint32_t)v);
	put32(b, (uint32_t)(v >> 32));
}

static void store32(char *p, uint32_t v)
{
	p[0] = (char)v;
	p[1] = (char)(v >> 8);
	p[2] = (char)(v >> 16);
	p[3] = (char)(v >> 24);
}

/* Words in one go, for what is written with each packet. */
static void put_words(struct nr_buf *b, const uint32_t *w, unsigned n)
{
	char *p = nr_buf_room(b, n * sizeof(*w));

	for (unsigned i = 0; i < n; i++)
		store32(p + i * sizeof(*w), w[i]);
	b->len += n * sizeof(*w);
}

static void pad(struct nr_buf *b, size_t n)
{
	nr_buf_add(b, "\0\0\0", (4 - (n & 3)) & 3);
}

static void option_head(struct nr_ngw *w, uint16_t code, uint16_t len)
{
	put16(&w->out, code);
	put16(&w->out, len);
	w->has_options = true;
}

static void option(struct nr_ngw *w, uint16_t code, const void *p, size_t n)
{
	uint16_t len = n > UINT16_MAX ? UINT16_MAX : (uint16_t)n;

	option_head(w, code, len);
	nr_buf_add(&w->out, p, len);
	pad(&w->out, len);
}

static void text_option(struct nr_ngw *w, uint16_t code, const struct nr_text *t)
{
	if (t->p)
		option(w, code, t->p, t->len);
}

static void string_option(struct nr_ngw *w, uint16_t code, const char *s)
{
	if (s)
		option(w, code, s, strlen(s));
}

static int fail(struct nr_ngw *w, int rc, struct nr_err *err)
{
	w->failed = rc;
	return nr_fail(err, rc, "cannot write %s: %s",
		       w->is_stdout ? "standard output" : w->file.path, strerror(-rc));
}

static int failed_before(const struct nr_ngw *w, struct nr_err *err)
{
	return nr_fail(err, w->failed, "cannot go on writing: an earlier write failed");
}

static int write_out(struct nr_ngw *w, struct nr_err *err)
{
	int rc;

	if (w->archive || !w->out.len)
		return 0;
	rc = nr_write_all(w->file.fd, w->out.p, w->out.len);
	if (rc < 0) /* the blocks stay: nr_ngw_salvage() looks which of them got out */
		return fail(w, rc, err);
	w->written += w->out.len;
	nr_buf_clear(&w->out);
	return 0;
}

/* Gives the open block its end and hands it on. */
static int end_block(struct nr_ngw *w, struct nr_err *err)
{
	size_t len;

	if (w->failed)
		return failed_before(w, err);
	if (!w->is_open)
		return 0;
	w->is_open = false;
	len = w->out.len - w->open + (w->has_options ? 8 : 4);
	store32(w->out.p + w->open + 4, (uint32_t)len);
	if (w->has_options)
		put_words(&w->out, (uint32_t[]){ 0 /* opt_endofopt */, (uint32_t)len },
			  2);
	else
		put32(&w->out, (uint32_t)len);
	w->res.bytes += len;
	if (w->archive) {
		int rc = nr_archive_append(w->archive, w->out.p, w->out.len, &w->fact,
					   err);

		nr_buf_clear(&w->out);
		if (rc < 0)
			w->failed = rc;
		return rc;
	}
	return w->out.len >= BUFFER ? write_out(w, err) : 0;
}

static int begin_block(struct nr_ngw *w, uint32_t type, unsigned fact_flags,
		       struct nr_err *err)
{
	int rc = end_block(w, err);

	if (rc < 0)
		return rc;
	w->open = w->out.len;
	w->is_open = true;
	w->has_options = false;
	w->fact = (struct nr_archive_fact){ .flags = fact_flags };
	put_words(&w->out, (uint32_t[]){ type, 0 }, 2);
	return 0;
}

int nr_ngw_open(struct nr_ngw **out, const char *target, const struct nr_ngw_options *o,
		struct nr_err *err)
{
	struct nr_ngw *w = nr_xcalloc(1, sizeof(*w));
	int rc = 0;

	*out = NULL;
	w->file.fd = -1;
	w->is_stdout = !strcmp(target, "-");
	w->res.is_archive = nr_ends_with(target, ".zst");
	w->addresses = o->addresses;
	w->addresses_arg = o->addresses_arg;
	if (w->res.is_archive) {
		const struct nr_archive_options ao = {
			.kind = NR_ARCHIVE_PACKETS,
			.level = o->level,
			.threads = o->threads,
			.frame_size = o->frame_size,
			.force = o->force,
			.keep_partial = o->keep_partial,
			.live = o->live,
			.meta = o->meta,
		};

		rc = nr_archive_create(&w->archive, target, &ao, err);
	} else if (w->is_stdout) {
		w->file.fd = STDOUT_FILENO;
	} else if (o->live) {
		rc = nr_outfile_open_live(&w->file, target, o->force, err);
	} else {
		rc = nr_outfile_open(&w->file, target, o->force, false, err);
		w->file.keep_partial = o->keep_partial;
	}
	if (rc < 0) {
		nr_free(w);
		return rc;
	}
	*out = w;
	return nr_ngw_section(w, o, err);
}

int nr_ngw_section(struct nr_ngw *w, const struct nr_ngw_options *o, struct nr_err *err)
{
	int rc = begin_block(w, B_SECTION, NR_FACT_HEAD, err);

	if (rc < 0)
		return rc;
	put32(&w->out, 0x1a2b3c4d);
	put16(&w->out, 1);
	put16(&w->out, 0);
	put64(&w->out, UINT64_MAX); /* length of the section: not said */
	if (o) {
		string_option(w, SHB_HARDWARE, o->hardware);
		string_option(w, SHB_OS, o->os);
		string_option(w, SHB_APPLICATION, o->application);
	}
	w->first_if += w->n_if;
	w->n_if = 0;
	return 0;
}

int nr_ngw_comment(struct nr_ngw *w, struct nr_text text, struct nr_err *err)
{
	if (w->failed)
		return failed_before(w, err);
	if (w->is_open)
		option(w, OPT_COMMENT, text.p, text.len);
	return 0;
}

/* The option's byte for so many units a second; 9 where there is none. */
static uint8_t resolution(uint64_t units)
{
	uint64_t u = 1;

	for (uint8_t e = 0; e <= 9; e++, u *= 10)
		if (u == units)
			return e;
	for (uint8_t e = 1; e < 30; e++)
		if (UINT64_C(1) << e == units)
			return 0x80 | e;
	return 9;
}

static uint32_t ns_of_unit(uint8_t resol)
{
	uint32_t ns = 1;

	if (resol & 0x80)
		return 0;
	for (unsigned e = resol; e < 9; e++)
		ns *= 10;
	return ns;
}

/* The units whose time, as readers round it, is ts_ns: the lowest not before it. */
static uint64_t units_of(const struct interface *i, int64_t ts_ns, bool clamped)
{
	__int128 ns;

	if (i->mult == 1 && !i->offset_s && !clamped)
		return ts_ns < 0 ? 0 : (uint64_t)ts_ns;
	ns = (__int128)ts_ns - (__int128)i->offset_s * 1000000000;
	if (clamped)
		return ts_ns > 0 ? UINT64_MAX : 0;
	if (ns < 0)
		return 0;
	if (i->mult)
		ns /= i->mult;
	else
		ns = ((ns << (i->resol & 0x7f)) + 999999999) / 1000000000;
	return ns > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)ns;
}

int nr_ngw_interface(struct nr_ngw *w, const struct nr_interface *i, uint32_t *id,
		     struct nr_err *err)
{
	struct interface *f;
	int rc = begin_block(w, B_INTERFACE, NR_FACT_HEAD, err);

	if (rc < 0)
		return rc;
	if (w->n_if == w->room_if) {
		w->room_if = w->room_if ? 2 * w->room_if : 4;
		w->ifs = nr_xrealloc(w->ifs, w->room_if * sizeof(*w->ifs));
	}
	f = &w->ifs[w->n_if];
	f->resol = resolution(i->tsresol);
	f->mult = ns_of_unit(f->resol);
	f->offset_s = i->tsoffset_s;
	put16(&w->out, i->link_type);
	put16(&w->out, 0);
	put32(&w->out, i->snap_len);
	text_option(w, IF_NAME, &i->name);
	text_option(w, IF_DESCRIPTION, &i->description);
	if (f->resol != 6)
		option(w, IF_TSRESOL, &f->resol, 1);
	if (i->filter.p) {
		size_t n = i->filter.len < UINT16_MAX ? i->filter.len : UINT16_MAX - 1;

		option_head(w, IF_FILTER, (uint16_t)(n + 1));
		nr_buf_char(&w->out, '\0'); /* a filter as text */
		nr_buf_add(&w->out, i->filter.p, n);
		pad(&w->out, n + 1);
	}
	text_option(w, IF_OS, &i->os);
	if (f->offset_s) {
		option_head(w, IF_TSOFFSET, 8);
		put64(&w->out, (uint64_t)f->offset_s);
	}
	text_option(w, IF_HARDWARE, &i->hardware);
	if (id)
		*id = w->n_if;
	w->n_if++;
	return 0;
}

static uint32_t flags_of(const struct nr_packet *v)
{
	/* Readers take from the check sequence what the snap length has cut off. */
	uint32_t cut = v->wire_len > v->cap_len ? v->wire_len - v->cap_len : 0;
	uint32_t fcs = v->fcs_len ? v->fcs_len + cut : 0;
	uint32_t f = (fcs > 15 ? 15 : fcs) << 5;

	if (v->flags & NR_PKT_INBOUND)
		f |= 1;
	else if (v->flags & NR_PKT_OUTBOUND)
		f |= 2;
	if (v->flags & NR_PKT_CSUM_NOT_READY)
		f |= 1 << 9;
	if (v->flags & NR_PKT_CSUM_VALID)
		f |= 1 << 10;
	if (v->flags & NR_PKT_TSO)
		f |= 1 << 11;
	return f;
}

/* The body of a packet's block; there is a packet in every one of millions of them. */
static void put_packet(struct nr_ngw *w, uint32_t id, const struct nr_packet *v)
{
	uint64_t units = units_of(&w->ifs[id], v->ts_ns, v->time_clamped);
	uint32_t head[] = { id, (uint32_t)(units >> 32), (uint32_t)units, v->cap_len,
			    v->wire_len };
	uint32_t flags = flags_of(v);
	size_t padded = ((size_t)v->cap_len + 3) & ~(size_t)3;
	char *p;

	put_words(&w->out, head, 5);
	p = nr_buf_room(&w->out, padded);
	if (padded)
		store32(p + padded - 4, 0);
	if (v->cap_len)
		memcpy(p, v->data, v->cap_len);
	w->out.len += padded;
	if (flags) {
		put_words(&w->out, (uint32_t[]){ EPB_FLAGS | 4 << 16, flags }, 2);
		w->has_options = true;
	}
}

int nr_ngw_packet(struct nr_ngw *w, uint32_t id, const struct nr_packet *v,
		  struct nr_err *err)
{
	int rc;

	if (id >= w->n_if)
		return nr_fail(err, -EINVAL,
			       "a packet of interface %u, of which there are %u", id,
			       w->n_if);
	rc = begin_block(w, B_PACKET, NR_FACT_RECORD | NR_FACT_TIME, err);
	if (rc < 0)
		return rc;
	put_packet(w, id, v);
	w->res.packets++;
	if (!w->archive)
		return 0;
	w->fact.type = w->first_if + id;
	w->fact.ts_ns = v->ts_ns;
	if (w->addresses) {
		w->fact.addr = w->addr;
		w->fact.n_addr = w->addresses(w->addresses_arg, v, w->addr, ADDRESSES);
	}
	return 0;
}

/* "02:00:5e:10:00:01" of n bytes; false where it is something else. */
static bool parse_eui(const char *s, unsigned n, uint8_t *out)
{
	for (unsigned i = 0; i < n; i++, s += 3) {
		unsigned v;

		if (strspn(s, "0123456789abcdefABCDEF") != 2 ||
		    sscanf(s, "%2x", &v) != 1 || s[2] != (i + 1 < n ? ':' : '\0'))
			return false;
		out[i] = (uint8_t)v;
	}
	return true;
}

/* The record type of the address and its bytes; 0: none that the format knows. */
static unsigned parse_address(struct nr_text t, uint8_t out[16], size_t *n)
{
	char s[64];

	if (t.len >= sizeof(s))
		return 0;
	memcpy(s, t.p, t.len);
	s[t.len] = '\0';
	*n = 4;
	if (inet_pton(AF_INET, s, out) == 1)
		return 1;
	*n = 16;
	if (inet_pton(AF_INET6, s, out) == 1)
		return 2;
	*n = 6;
	if (t.len == 17 && parse_eui(s, 6, out))
		return 3;
	*n = 8;
	return t.len == 23 && parse_eui(s, 8, out) ? 4 : 0;
}

int nr_ngw_name(struct nr_ngw *w, struct nr_text address, struct nr_text name,
		struct nr_err *err)
{
	uint8_t b[16];
	size_t n = 0, len = name.len < 65000 ? name.len : 65000;
	unsigned kind = address.p ? parse_address(address, b, &n) : 0;
	int rc;

	if (address.p && !kind) {
		w->res.names_left_out++;
		return 0;
	}
	rc = begin_block(w, B_NAMES, 0, err);
	if (rc < 0)
		return rc;
	if (kind) {
		put16(&w->out, (uint16_t)kind);
		put16(&w->out, (uint16_t)(n + len + 1));
		nr_buf_add(&w->out, b, n);
		nr_buf_add(&w->out, name.p, len);
		nr_buf_char(&w->out, '\0');
		pad(&w->out, n + len + 1);
	}
	put32(&w->out, 0); /* nrb_record_end */
	return 0;
}

int nr_ngw_stats(struct nr_ngw *w, uint32_t id, int64_t ts_ns, uint64_t received,
		 uint64_t dropped, struct nr_err *err)
{
	uint64_t units;
	int rc;

	if (id >= w->n_if)
		return nr_fail(err, -EINVAL,
			       "statistics of interface %u, of which there are %u", id,
			       w->n_if);
	rc = begin_block(w, B_STATS, 0, err);
	if (rc < 0)
		return rc;
	units = units_of(&w->ifs[id], ts_ns, false);
	put32(&w->out, id);
	put32(&w->out, (uint32_t)(units >> 32));
	put32(&w->out, (uint32_t)units);
	if (received != UINT64_MAX) {
		option_head(w, ISB_IFRECV, 8);
		put64(&w->out, received);
	}
	if (dropped != UINT64_MAX) {
		option_head(w, ISB_IFDROP, 8);
		put64(&w->out, dropped);
	}
	return 0;
}

int nr_ngw_secrets(struct nr_ngw *w, uint32_t type, const void *p, size_t n,
		   struct nr_err *err)
{
	int rc;

	if (n > NR_ARCHIVE_FRAME_MAX / 2)
		return nr_fail(err, -EFBIG, "secrets of %zu bytes are too many", n);
	rc = begin_block(w, B_SECRETS, 0, err);
	if (rc < 0)
		return rc;
	put32(&w->out, type);
	put32(&w->out, (uint32_t)n);
	nr_buf_add(&w->out, p, n);
	pad(&w->out, n);
	return 0;
}

uint64_t nr_ngw_offset(const struct nr_ngw *w)
{
	return w->res.bytes;
}

uint64_t nr_ngw_stored(const struct nr_ngw *w)
{
	return w->archive ? nr_archive_stored(w->archive) : w->written + w->out.len;
}

uint64_t nr_ngw_packets(const struct nr_ngw *w)
{
	return w->res.packets;
}

bool nr_ngw_is_archive(const struct nr_ngw *w)
{
	return w->archive != NULL;
}

int nr_ngw_fd(const struct nr_ngw *w)
{
	return w->archive ? nr_archive_fd(w->archive) : w->file.fd;
}

int nr_ngw_flush(struct nr_ngw *w, struct nr_err *err)
{
	int rc = end_block(w, err);

	if (rc == 0 && w->archive) {
		rc = nr_archive_flush(w->archive, err);
		w->failed = rc;
		return rc;
	}
	return rc ? rc : write_out(w, err);
}

static uint32_t get32(const struct nr_buf *b, size_t at)
{
	const uint8_t *p = (const uint8_t *)b->p + at;

	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int64_t nr_ngw_salvage(struct nr_ngw *w, struct nr_err *err)
{
	uint64_t whole = 0, lost = 0;
	off_t out;
	size_t at = 0;

	if (w->archive) {
		int64_t kept = nr_archive_salvage(w->archive, err);

		if (kept < 0)
			return kept;
		lost = w->res.packets - (uint64_t)kept;
		w->res.packets = (uint64_t)kept;
		w->failed = 0;
		w->is_open = false;
		nr_buf_clear(&w->out);
		return (int64_t)lost;
	}
	out = lseek(w->file.fd, 0, SEEK_CUR);
	if (out < 0)
		return nr_fail(err, -errno, "cannot mend %s: %s", w->file.path,
			       strerror(errno));
	if (w->is_open) { /* begun and not ended: it is not out */
		lost += get32(&w->out, w->open) == B_PACKET;
		w->out.len = w->open;
		w->is_open = false;
	}
	while (w->out.len - at >= 12) {
		uint32_t len = get32(&w->out, at + 4);

		if (w->written + at + len <= (uint64_t)out)
			whole = at + len;
		else
			lost += get32(&w->out, at) == B_PACKET;
		at += len;
	}
	w->written += whole;
	if (ftruncate(w->file.fd, (off_t)w->written) < 0 ||
	    lseek(w->file.fd, (off_t)w->written, SEEK_SET) < 0)
		return nr_fail(err, -errno, "cannot mend %s: %s", w->file.path,
			       strerror(errno));
	nr_buf_clear(&w->out);
	w->res.packets -= lost;
	w->res.bytes = w->written;
	w->failed = 0;
	return (int64_t)lost;
}

void nr_ngw_add_meta(struct nr_ngw *w, const char *members)
{
	if (w->archive)
		nr_archive_add_meta(w->archive, members);
}

int nr_ngw_finish(struct nr_ngw *w, struct nr_ngw_result *res, struct nr_err *err)
{
	int rc = end_block(w, err);

	if (rc == 0 && w->archive)
		rc = nr_archive_finish(w->archive, &w->res.archive, err);
	else if (rc == 0) {
		rc = write_out(w, err);
		if (rc == 0 && !w->is_stdout)
			rc = nr_outfile_commit(&w->file, err);
	}
	if (rc < 0)
		w->failed = rc;
	if (res)
		*res = w->res;
	return rc;
}

void nr_ngw_close(struct nr_ngw *w)
{
	if (!w)
		return;
	nr_archive_abandon(w->archive);
	if (!w->archive && !w->is_stdout)
		nr_outfile_close(&w->file);
	nr_buf_fini(&w->out);
	nr_free(w->ifs);
	nr_free(w);
}
