/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Table arp: a row per ARP packet (RFC 826), and which address last had which MAC.
 *
 * The memory of addresses is a table of fixed size in which a newer address may push out
 * an older one: a conflict can then be missed, never invented.
 */
#include "engine/internal.h"

#include "base/ip.h"
#include "base/mem.h"

enum { SLOTS = 65536 };

struct nr_arp_state {
	struct {
		uint8_t ip[4], mac[6];
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

/* Whether ip was another MAC's before; remembers the new one. */
static bool moved(struct nr_engine *e, const uint8_t *ip, const uint8_t *mac)
{
	uint32_t a = nr_be32(ip);
	size_t i = (a * 0x9e3779b1u) >> 16;
	bool was_other;

	if (!a)
		return false;
	was_other = e->arp->slot[i].used && !memcmp(e->arp->slot[i].ip, ip, 4) &&
		    memcmp(e->arp->slot[i].mac, mac, 6) != 0;
	memcpy(e->arp->slot[i].ip, ip, 4);
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
	bool conflict = moved(e, a->sender_ip, a->sender_mac);
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
