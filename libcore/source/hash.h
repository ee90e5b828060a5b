/* SPDX-License-Identifier: BSD-3-Clause */
/* SHA-256 of a stored file while it is read, on a thread of its own where it is large. */
#pragma once

#include "source/packet.h"

struct nr_hasher;

/* NULL where libcrypto or the host refuse. */
struct nr_hasher *nr_hasher_new(bool threaded);
/* Takes a reference on block, in which p lies; waits while too much is queued. */
void nr_hasher_feed(struct nr_hasher *h, struct nr_block *block, const uint8_t *p,
		    size_t n);
/* The digest of all that was fed as text; false where it failed. Then free it. */
bool nr_hasher_finish(struct nr_hasher *h, char out[65]);
void nr_hasher_free(struct nr_hasher *h);
