/* SPDX-License-Identifier: BSD-3-Clause */
/* Community ID flow hashing, version 1, seed 0 (corelight/community-id-spec). */
#pragma once

#include "flow/key.h"

enum { NR_COMMUNITY_ID_LEN = 30 }; /* "1:" and 28 base64 digits */

struct nr_community_hasher; /* one per thread: libcrypto's state */

struct nr_community_hasher *nr_community_new(void);
void nr_community_free(struct nr_community_hasher *h);
/*
 * The id of the 5-tuple in k, NUL-terminated. src_is_hi tells the direction: of ICMP
 * types without a counterpart the endpoints are not sorted but taken as they are.
 */
void nr_community_id(struct nr_community_hasher *h, const struct nr_key *k,
		     bool src_is_hi, char out[NR_COMMUNITY_ID_LEN + 1]);
