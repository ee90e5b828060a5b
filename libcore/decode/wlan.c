/* SPDX-License-Identifier: BSD-3-Clause */
/* IEEE 802.11 data frames and the headers that capture tools put in front of them. */
#include "decode/priv.h"

#include <string.h>

enum nr_step nr_dec_wlan(struct nr_dec *x)
{
	const uint8_t *h;
	uint32_t len = 24;
	unsigned fc, type, subtype, flags;
	uint32_t detail;

	if (x->fcs_len) {
		nr_dec_drop_tail(x, x->fcs_len);
		x->fcs_len = 0;
	}
	if (nr_dec_cap(x) < 2)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
	fc = x->p[x->wlan_swap];
	flags = x->p[!x->wlan_swap];
	type = fc >> 2 & 3;
	subtype = fc >> 4;
	detail = NR_L2_WLAN | type << 4 | subtype;
	if (fc & 3 || type != 2 || subtype & 4) /* management, control, no data in it */
		return nr_dec_end_other(x, detail);
	if ((flags & 3) == 3)
		len += 6; /* four addresses */
	if (subtype & 8) {
		len += 2; /* QoS control */
		if (flags & 0x80)
			len += 4; /* HT control */
	}
	if (x->wlan_pad)
		len = (len + 3) & ~3u;
	h = nr_dec_take(x, len);
	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	if (flags & 0x40)
		return nr_dec_end_other(x, detail | 0x100);
	/* first of a fragmented frame, or a later part of one; who swaps the frame
	   control swaps the sequence control too */
	if (flags & 4 || h[22 + x->wlan_swap] & 15)
		return nr_dec_end_other(x, detail | 0x200);
	x->mac_dst = flags & 1 ? h + 16 : h + 4;
	x->mac_src = (flags & 3) == 3 ? h + 24 : flags & 2 ? h + 16 : h + 10;
	if (subtype & 8 && h[(flags & 3) == 3 ? 30 : 24] & 0x80) {
		/* A-MSDU: the first subframe; a record has one innermost flow */
		const uint8_t *s = nr_dec_take(x, 14);

		if (!s)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 14);
		x->mac_dst = s;
		x->mac_src = s + 6;
		nr_dec_trim(x, nr_be16(s + 12));
	}
	return NR_STEP_LLC;
}

/* Version 0, length, bit maps of the fields present; only the flags matter here. */
enum nr_step nr_dec_radiotap(struct nr_dec *x)
{
	const uint8_t *h = x->p;
	uint32_t len, at = 4, present, first;

	if (nr_dec_cap(x) < 8)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 8);
	len = nr_le16(h + 2);
	if (h[0] != 0 || len < 8)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, len, x->wire);
	if (!nr_dec_take(x, len))
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	first = nr_le32(h + 4);
	do {
		if (len - at < 4)
			return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, len, at);
		present = nr_le32(h + at);
		at += 4;
	} while (present >> 31 && at < len);
	if (first & 1) /* TSFT, aligned to 8 */
		at = ((at + 7) & ~7u) + 8;
	if (first & 2 && at < len) {
		if (h[at] & 0x10)
			x->fcs_len = 4;
		else
			x->fcs_len = 0; /* the header knows better than the file */
		x->wlan_pad = h[at] & 0x20;
	}
	return NR_STEP_WLAN;
}

/* wlan-ng's header of 144 bytes, or AVS under the same number. */
enum nr_step nr_dec_prism(struct nr_dec *x)
{
	uint32_t len;

	if (nr_dec_cap(x) < 8)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 8);
	if ((nr_be32(x->p) & 0xfffff000) == 0x80211000)
		return nr_dec_avs(x);
	len = nr_le32(x->p + 4);
	if (len != 144 && nr_be32(x->p + 4) != 144)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, len, x->wire);
	if (!nr_dec_take(x, 144))
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 144);
	return NR_STEP_WLAN;
}

enum nr_step nr_dec_avs(struct nr_dec *x)
{
	uint32_t len;

	if (nr_dec_cap(x) < 8)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 8);
	len = nr_be32(x->p + 4);
	if (len < 8 || len > 4096)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, len, x->wire);
	if (!nr_dec_take(x, len))
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	return NR_STEP_WLAN;
}

/* Per-packet information: fields, then a frame of the link type that it names. */
enum nr_step nr_dec_ppi(struct nr_dec *x)
{
	const uint8_t *h = x->p;
	uint32_t len, at = 8, dlt;
	bool fcs = false;

	if (nr_dec_cap(x) < 8)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 8);
	len = nr_le16(h + 2);
	dlt = nr_le32(h + 4);
	if (h[0] != 0 || len < 8)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, h[0], len);
	if (!nr_dec_take(x, len))
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	while (len - at >= 4) {
		uint32_t type = nr_le16(h + at), n = nr_le16(h + at + 2);

		at += 4;
		if (len - at < n)
			break;
		if (type == 2 && n >= 10) /* 802.11-common: TSF, flags */
			fcs = h[at + 8] & 1;
		at += n;
	}
	if (dlt == 192 || dlt > 0xffff) { /* in itself */
		x->outcome = NR_OUT_LINKTYPE;
		x->out->detail = dlt;
		return NR_STEP_DONE;
	}
	if (dlt == 105)
		x->fcs_len = fcs ? 4 : 0;
	x->type = (uint16_t)dlt;
	return NR_STEP_LINK;
}
