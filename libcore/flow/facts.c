/* SPDX-License-Identifier: BSD-3-Clause */
/* What the columns of a flow say, out of what its packets left behind. */
#include "flow/flow.h"
#include "flow/holes.h"
#include "flow/proto.h"
#include "flow/tcp.h"

const char *nr_flow_history(const struct nr_flow *f)
{
	return nr_flow_history_is_heap(f) ? f->history_heap : f->history_inline;
}

const char *nr_flow_conn_state(const struct nr_flow *f)
{
	/* of the whole connection, where packets are those of one row */
	bool src = f->side[0].hist_seen & NR_HIST_UDP;
	bool dst = f->side[1].hist_seen & NR_HIST_UDP;

	if (nr_flow_proto(f) == NR_PROTO_TCP)
		return nr_tcp_conn_state(f);
	if (nr_flow_proto(f) != NR_PROTO_UDP)
		return "OTH";
	return src && dst ? "SF" : src ? "S0" : dst ? "SHR" : "OTH";
}

/* Offset one past the last byte that the numbers of both sides tell of, seen or not. */
static int64_t content_end(const struct nr_flow *f, unsigned side)
{
	const struct nr_side *s = &f->side[side];
	int64_t n = s->last > s->ack ? s->last : s->ack;

	if (s->prev_state == NR_TCP_SYN_SENT && s->state == NR_TCP_RESET &&
	    f->side[!side].state == NR_TCP_INACTIVE && s->ack > 1)
		return 0; /* a half-open connection aborted: the numbers mean nothing */
	return s->fin && n > 1 ? n - 1 : n;
}

uint64_t nr_flow_payload_bytes(const struct nr_flow *f, unsigned side)
{
	int64_t end;

	if (nr_flow_proto(f) != NR_PROTO_TCP)
		return f->side[side].payload;
	end = content_end(f, side);
	return end > 1 ? (uint64_t)end - 1 : 0; /* less the SYN, seen or not */
}

uint64_t nr_flow_missed_bytes(const struct nr_flow *f, unsigned side)
{
	const struct nr_side *s = &f->side[side];
	int64_t end, tail;

	if (nr_flow_proto(f) != NR_PROTO_TCP)
		return 0;
	end = s->fin ? s->fin - 1 : content_end(f, side);
	if (!s->fin && f->partial && end <= 2)
		end = 0; /* one byte of before: most likely the place of a keep-alive */
	tail = end - (int64_t)s->top;
	return nr_holes_missed(s) + (tail > 0 ? (uint64_t)tail : 0);
}

const char *nr_end_reason_name(enum nr_end_reason r)
{
	static const char *const names[] = {
		[NR_END_FIN] = "fin",
		[NR_END_RST] = "rst",
		[NR_END_IDLE] = "idle",
		[NR_END_EVICTED] = "evicted",
		[NR_END_OF_INPUT] = "end_of_input",
		[NR_END_REPLACED] = "replaced",
		[NR_END_ROTATED] = "rotated",
	};

	return names[r];
}
