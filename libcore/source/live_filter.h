/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A capture filter for a socket of Linux, which sees frames without their outer VLAN tag
 * (it is in the frame's metadata then) or with it (sent frames, older drivers).
 *
 * `nrtool capture -f X` keeps what `nrtool replay -f X` would keep of the stored frames,
 * tags in their place. The program that libpcap makes for such frames runs twice: as it
 * is for frames whose tag stands inline, and rewritten for the others, so that it sees
 * the frame as if the tag were there. A load that cannot be rewritten accepts: such
 * frames are judged again in user space (nr_live_filter_pass()).
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As struct sock_filter of linux/filter.h, which pcap.h does not go together with. */
struct nr_bpf {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

struct nr_live_filter;

enum { NR_LIVE_SNAP_MAX = 262144 }; /* whole frames: more than any device has */

/*
 * Compiles text (NULL: everything passes) for frames of link_type. 0, or -EINVAL with
 * libpcap's reason. out_only: frames that this host sends, and no others.
 */
int nr_live_filter_new(struct nr_live_filter **out, const char *text, uint16_t link_type,
		       uint32_t snap_len, bool out_only, struct nr_err *err);
/* The program for SO_ATTACH_FILTER; lives as long as the filter. */
const struct nr_bpf *nr_live_filter_program(const struct nr_live_filter *f, size_t *n);
/*
 * Does the program judge tagged frames itself? Else those whose tag was put back have to
 * be judged again; they come whole, to be cut behind that.
 */
bool nr_live_filter_is_exact(const struct nr_live_filter *f);
/*
 * For a back end that judges frames itself: 0, or, where the filter asks which way they
 * go (inbound, outbound), which only the kernel knows, -EINVAL with a sentence.
 */
int nr_live_filter_refuse_direction(const struct nr_live_filter *f, const char *backend,
				    struct nr_err *err);
/* Of a frame as it was on the wire: does it match? */
bool nr_live_filter_pass(const struct nr_live_filter *f, const uint8_t *data,
			 uint32_t cap_len, uint32_t wire_len);
void nr_live_filter_free(struct nr_live_filter *f); /* NULL is fine */
