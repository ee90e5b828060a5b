/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/begin.h"

#include "base/mem.h"
#include "flow/ports.h"
#include "flow/proto.h"
#include "flow/tcp.h"

#include <stdio.h>

static bool is_server_first(const struct nr_level *l)
{
	bool src_server = nr_port_is_server(l->proto, l->src_port);
	bool dst_server = nr_port_is_server(l->proto, l->dst_port);

	if (!src_server)
		return false;
	if (l->proto == NR_PROTO_UDP)
		return !dst_server;
	if (l->proto != NR_PROTO_TCP ||
	    (l->tcp_flags & (NR_TCP_SYN | NR_TCP_ACK)) == NR_TCP_SYN)
		return false;
	if (dst_server)
		return !(l->tcp_flags & NR_TCP_SYN) && l->src_port < l->dst_port;
	return true;
}

static bool is_broadcast(const struct nr_level *l)
{
	return l->ip_version == 4 && nr_be32(l->dst) == UINT32_MAX;
}

bool nr_flow_wants_flip(const struct nr_level *l)
{
	return is_server_first(l) && !is_broadcast(l);
}

static char *vlan_text(const struct nr_decoded *d, const struct nr_level *l)
{
	char buf[NR_MAX_VLANS * 6 + 1];
	size_t n = 0;

	for (unsigned i = 0; i < l->n_vlans; i++) {
		unsigned v = d->vlan[l->first_vlan + i];

		n += (size_t)snprintf(buf + n, sizeof(buf) - n, i ? ",%u" : "%u", v);
	}
	return nr_xstrdup(buf);
}

static char *tunnel_text(const struct nr_decoded *d, const struct nr_level *l)
{
	char buf[NR_MAX_TUNNELS * 32];
	size_t n = 0;

	for (unsigned i = 0; i < l->n_tunnels; i++) {
		const struct nr_tunnel *u = &d->tunnel[i];

		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%s", i ? "/" : "",
				      nr_tunnel_name(u->kind));
		if (u->has_id)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n,
					      u->kind == NR_TUN_GTPU ? ":0x%x" : ":%u",
					      u->id);
	}
	return nr_xstrdup(buf);
}

void nr_flow_note_carriers(struct nr_flow *f, const struct nr_flow_packet *p,
			   const struct nr_level *l)
{
	if (!f->extra)
		f->extra = nr_xcalloc(1, sizeof(*f->extra));
	f->extra->parent_flow_id = p->parent_flow_id;
	if (l->n_vlans)
		f->extra->vlan = vlan_text(p->dec, l);
	if (l->n_tunnels)
		f->extra->tunnel = tunnel_text(p->dec, l);
}
