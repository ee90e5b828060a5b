/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hands each frame that comes in to the AF_XDP socket of its queue, with its time in
 * front of it; a frame on a queue without a socket goes on to the host. Counts what it
 * does in memory that the capture maps, so that reading it takes no system call.
 *
 * nr_xdp_host stamps with the host's clock. nr_xdp_device asks the driver first; it has
 * to be loaded for one interface (BPF_F_XDP_DEV_BOUND_ONLY, Linux 6.3).
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "source/xdp_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, NR_XDP_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} nr_sockets SEC(".maps");

/* In .bss: mapped by the capture. */
struct nr_xdp_count nr_counts[NR_XDP_CPUS];
__u32 nr_unstamped; /* set for good where a driver leaves no room for the time */

extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx,
					 __u64 *timestamp) __ksym __weak;

/* Two processors may share a place where there are more than NR_XDP_CPUS. */
#define COUNT(member, n) __sync_fetch_and_add(&c->member, (n))

static __always_inline int hand_over(struct xdp_md *ctx, __u64 stamp)
{
	__u32 cpu = bpf_get_smp_processor_id() & (NR_XDP_CPUS - 1);
	struct nr_xdp_count *c = &nr_counts[cpu];
	__u64 *meta;
	int verdict;

	COUNT(seen, 1);
	COUNT(bytes, bpf_xdp_get_buff_len(ctx));
	if (bpf_xdp_adjust_meta(ctx, -NR_XDP_META) == 0) {
		meta = (__u64 *)(long)ctx->data_meta;
		if ((void *)(meta + 1) <= (void *)(long)ctx->data)
			*meta = stamp;
		if (stamp & NR_XDP_HARDWARE)
			COUNT(hardware, 1);
	} else {
		COUNT(no_room, 1);
		nr_unstamped = 1;
	}
	verdict = bpf_redirect_map(&nr_sockets, ctx->rx_queue_index, XDP_PASS);
	if (verdict != XDP_REDIRECT)
		COUNT(no_socket, 1);
	return verdict;
}

SEC("xdp.frags")
int nr_xdp_host(struct xdp_md *ctx)
{
	return hand_over(ctx, bpf_ktime_get_tai_ns() & ~NR_XDP_HARDWARE);
}

SEC("?xdp.frags")
int nr_xdp_device(struct xdp_md *ctx)
{
	__u64 stamp = 0;

	if (bpf_xdp_metadata_rx_timestamp(ctx, &stamp) == 0 && stamp)
		return hand_over(ctx, stamp | NR_XDP_HARDWARE);
	return hand_over(ctx, bpf_ktime_get_tai_ns() & ~NR_XDP_HARDWARE);
}

char nr_license[] SEC("license") = "Dual BSD/GPL";
