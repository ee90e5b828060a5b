/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages out of a byte stream that comes in pieces of any size.
 *
 * What lies whole in the present piece is handed out where it is; what is split is
 * gathered in memory from the account. Each byte is looked at once, however slowly the
 * stream drips. A struct nr_gather belongs to one side's stream and is zeroed at first.
 */
#pragma once

#include "base/cursor.h"
#include "session/account.h"

struct nr_gather {
	uint8_t *p;
	uint32_t len, cap;
	uint64_t cut; /* bytes of the present line beyond max */
	bool handed;  /* p was handed out and is empty with the next call */
	bool cr;      /* the present line's last byte so far is a CR */
};

enum nr_gathered {
	NR_G_MORE,   /* all input is taken, the message is not whole yet */
	NR_G_WHOLE,  /* here it is */
	NR_G_NO_MEM, /* the account is at its cap */
};

/* Bytes that live until the next call for the same gather, or the end of the input. */
struct nr_piece {
	const uint8_t *p;
	size_t len;
	uint64_t cut; /* lines: bytes dropped at the end because they were over max */
};

void nr_gather_free(struct nr_gather *g, struct nr_account *a);
/* Forgets what was gathered (behind a gap), keeps the memory. */
void nr_gather_clear(struct nr_gather *g);
/* Bytes gathered of a message that is not whole; for rows with complete = 0. */
static inline size_t nr_gathered_len(const struct nr_gather *g)
{
	return g->handed ? 0 : g->len;
}

/*
 * The next n bytes of the stream (n the same until they are whole). Nothing is taken of
 * the input beyond them.
 */
enum nr_gathered nr_gather_bytes(struct nr_gather *g, struct nr_account *a,
				 struct nr_cursor *in, size_t n, struct nr_piece *out);
/*
 * The next line without its LF or CR LF; of a line longer than max the first max bytes,
 * cut says how many more it had.
 */
enum nr_gathered nr_gather_line(struct nr_gather *g, struct nr_account *a,
				struct nr_cursor *in, size_t max, struct nr_piece *out);
/*
 * What the other side says early, for the protocol that comes next: all input is taken,
 * the first max bytes of it are kept in p and len. *gap counts those behind: bytes beyond
 * max, what was missed, and whatever came after these. false: the account is at its cap.
 */
bool nr_gather_early(struct nr_gather *g, struct nr_account *a, struct nr_cursor *in,
		     size_t max, uint64_t *gap);
