/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table arp: a row per ARP packet (RFC 826), and which address last had which MAC. An
 * address is one within its VLANs and tunnels.
 *
 * The memory of addresses is a table of fixed size in which a newer address may push out
 * an older one: a conflict can then be missed, never invented.
 */
#include "engine/internal.h"

#include "base/hash.h"
#include "base/ip.h"
#include "base/mem.h"

enum { SLOTS = 65536 };

struct nr_arp_state {
	struct {
		uint32_t ip, link;
		uint8_t mac[6];
		bool used;
	} slot[SLOTS];
};

struct nr_arp_state *nr_arp_new(void)
{
	return nr_xcalloc(1, sizeof(struct nr_arp_state));
}

void nr_arp_free(struct nr_arp_state *a)
{
	nr_free(a);
}

/* The VLANs and tunnels that the packet came in. */
static uint32_t link_of(const struct nr_engine *e, const struct nr_decoded *d)
{
	uint64_t h = 0;

	for (unsigned i = 0; i < d->n_vlans && !e->cfg.no_vlan_key; i++)
		h = nr_mix(h ^ 0x9e3779b97f4a7c15, d->vlan[i] + 1u);
	for (unsigned i = 0; i < d->n_tunnels; i++)
		h = nr_mix(h ^ 0xd6e8feb86659fd93,
			   (uint64_t)d->tunnel[i].kind << 32 | d->tunnel[i].id);
	return (uint32_t)h;
}

/* Whether the sender's address was another MAC's before; remembers the new one. */
static bool moved(struct nr_engine *e, const struct nr_decoded *d)
{
	const uint8_t *mac = d->arp.sender_mac;
	uint32_t ip = nr_be32(d->arp.sender_ip), link = link_of(e, d);
	size_t i = ((ip ^ link) * 0x9e3779b1u) >> 16;
	bool was_other;

	if (!ip)
		return false;
	was_other = e->arp->slot[i].used && e->arp->slot[i].ip == ip &&
		    e->arp->slot[i].link == link &&
		    memcmp(e->arp->slot[i].mac, mac, 6) != 0;
	e->arp->slot[i].ip = ip;
	e->arp->slot[i].link = link;
	memcpy(e->arp->slot[i].mac, mac, 6);
	e->arp->slot[i].used = true;
	return was_other;
}

static const char *operation_name(struct nr_engine *e, unsigned op)
{
	static const char *const names[] = {
		[1] = "request",       [2] = "reply",           [3] = "reverse_request",
		[4] = "reverse_reply", [8] = "inverse_request", [9] = "inverse_reply"
	};

	if (op < sizeof(names) / sizeof(names[0]) && names[op])
		return names[op];
	return nr_arena_printf(&e->out->arena, "%u", op);
}

static const char *address(struct nr_engine *e, const uint8_t *b)
{
	char *s = nr_arena_alloc(&e->out->arena, NR_IP_TEXT);

	nr_ip_format(s, 4, b);
	return s;
}

static const char *mac(struct nr_engine *e, const uint8_t *b)
{
	char *s = nr_arena_alloc(&e->out->arena, 18);

	nr_mac_format(s, b);
	return s;
}

void nr_arp_packet(struct nr_engine *e, const struct nr_work *w)
{
	const struct nr_arp *a = &w->dec->arp;
	bool conflict = moved(e, w->dec);
	struct nr_record *r;

	if (conflict)
		nr_engine_anomaly(e, NR_ANOM_ARP_CONFLICT,
				  nr_arena_printf(&e->out->arena,
						  "{\"address\":\"%s\",\"mac\":\"%s\"}",
						  address(e, a->sender_ip),
						  mac(e, a->sender_mac)));
	r = nr_out_row(e->out, &nr_rt_arp);
	if (w->n_items) {
		struct nr_join *j = nr_join_add(e->out, r, NR_JOIN_CARRIER);

		j->level = w->items[w->n_items - 1].level;
		j->field = NR_ARP_flow_id;
	} else {
		e->rows_arp++;
	}
	nr_set_int(r, NR_ARP_source_id, nr_engine_source_id(e, w->pkt->source));
	if (w->pkt->record)
		nr_set_int(r, NR_ARP_packet, (int64_t)w->pkt->record);
	nr_set_int(r, NR_ARP_ts_ns, w->pkt->ts_ns);
	nr_set_str(r, NR_ARP_operation, operation_name(e, a->operation));
	nr_set_str(r, NR_ARP_sender_mac, mac(e, a->sender_mac));
	nr_set_str(r, NR_ARP_sender_ip, address(e, a->sender_ip));
	nr_set_str(r, NR_ARP_target_mac, mac(e, a->target_mac));
	nr_set_str(r, NR_ARP_target_ip, address(e, a->target_ip));
	nr_set_int(r, NR_ARP_gratuitous, !memcmp(a->sender_ip, a->target_ip, 4));
	nr_set_int(r, NR_ARP_conflict, conflict);
}
