/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of link types, ethertypes and tunnels, and Community ID's view of ICMP. */
#include "decode/decode.h"

#include <stdio.h>

static const char *const tunnel_names[NR_N_TUNNELS] = {
	[NR_TUN_VXLAN] = "vxlan",     [NR_TUN_VXLAN_GPE] = "vxlan-gpe",
	[NR_TUN_GENEVE] = "geneve",   [NR_TUN_GTPU] = "gtpu",
	[NR_TUN_TEREDO] = "teredo",   [NR_TUN_L2TP] = "l2tp",
	[NR_TUN_GRE] = "gre",         [NR_TUN_NVGRE] = "nvgre",
	[NR_TUN_PPTP] = "pptp",       [NR_TUN_ERSPAN] = "erspan",
	[NR_TUN_IPIP] = "ipip",       [NR_TUN_6IN4] = "6in4",
	[NR_TUN_4IN6] = "4in6",       [NR_TUN_6IN6] = "6in6",
	[NR_TUN_GRE_UDP] = "gre-udp", [NR_TUN_CAPWAP] = "capwap",
};

const char *nr_tunnel_name(enum nr_tunnel_kind k)
{
	return (unsigned)k < NR_N_TUNNELS ? tunnel_names[k] : NULL;
}

bool nr_tunnel_has_carrier(enum nr_tunnel_kind k)
{
	return k <= NR_TUN_L2TP || k == NR_TUN_GRE_UDP || k == NR_TUN_CAPWAP;
}

#define N(t) (sizeof(t) / sizeof(*(t)))

struct number_name {
	uint16_t number;
	const char *name;
};

/* https://www.tcpdump.org/linktypes.html */
static const struct number_name link_types[] = {
	{ 0, "NULL" },
	{ 1, "ETHERNET" },
	{ 3, "AX25" },
	{ 6, "IEEE802_5" },
	{ 7, "ARCNET_BSD" },
	{ 8, "SLIP" },
	{ 9, "PPP" },
	{ 10, "FDDI" },
	{ 11, "ATM_RFC1483" },
	{ 12, "RAW" },
	{ 14, "RAW" },
	{ 50, "PPP_HDLC" },
	{ 51, "PPP_ETHER" },
	{ 99, "SYMANTEC_FIREWALL" },
	{ 100, "ATM_RFC1483" },
	{ 101, "RAW" },
	{ 104, "C_HDLC" },
	{ 105, "IEEE802_11" },
	{ 107, "FRELAY" },
	{ 108, "LOOP" },
	{ 113, "LINUX_SLL" },
	{ 114, "LTALK" },
	{ 117, "PFLOG" },
	{ 119, "IEEE802_11_PRISM" },
	{ 122, "IP_OVER_FC" },
	{ 123, "SUNATM" },
	{ 127, "IEEE802_11_RADIOTAP" },
	{ 129, "ARCNET_LINUX" },
	{ 138, "APPLE_IP_OVER_IEEE1394" },
	{ 139, "MTP2_WITH_PHDR" },
	{ 140, "MTP2" },
	{ 141, "MTP3" },
	{ 142, "SCCP" },
	{ 143, "DOCSIS" },
	{ 144, "LINUX_IRDA" },
	{ 147, "USER0" },
	{ 148, "USER1" },
	{ 149, "USER2" },
	{ 150, "USER3" },
	{ 151, "USER4" },
	{ 152, "USER5" },
	{ 153, "USER6" },
	{ 154, "USER7" },
	{ 155, "USER8" },
	{ 156, "USER9" },
	{ 157, "USER10" },
	{ 158, "USER11" },
	{ 159, "USER12" },
	{ 160, "USER13" },
	{ 161, "USER14" },
	{ 162, "USER15" },
	{ 163, "IEEE802_11_AVS" },
	{ 165, "BACNET_MS_TP" },
	{ 166, "PPP_PPPD" },
	{ 169, "GPRS_LLC" },
	{ 177, "LINUX_LAPD" },
	{ 182, "MFR" },
	{ 187, "BLUETOOTH_HCI_H4" },
	{ 189, "USB_LINUX" },
	{ 192, "PPI" },
	{ 195, "IEEE802_15_4_WITHFCS" },
	{ 196, "SITA" },
	{ 197, "ERF" },
	{ 201, "BLUETOOTH_HCI_H4_WITH_PHDR" },
	{ 202, "AX25_KISS" },
	{ 203, "LAPD" },
	{ 204, "PPP_WITH_DIR" },
	{ 205, "C_HDLC_WITH_DIR" },
	{ 206, "FRELAY_WITH_DIR" },
	{ 207, "LAPB_WITH_DIR" },
	{ 209, "IPMB_LINUX" },
	{ 215, "IEEE802_15_4_NONASK_PHY" },
	{ 220, "USB_LINUX_MMAPPED" },
	{ 224, "FC_2" },
	{ 225, "FC_2_WITH_FRAME_DELIMS" },
	{ 226, "IPNET" },
	{ 227, "CAN_SOCKETCAN" },
	{ 228, "IPV4" },
	{ 229, "IPV6" },
	{ 230, "IEEE802_15_4_NOFCS" },
	{ 231, "DBUS" },
	{ 235, "DVB_CI" },
	{ 236, "MUX27010" },
	{ 237, "STANAG_5066_D_PDU" },
	{ 239, "NFLOG" },
	{ 240, "NETANALYZER" },
	{ 241, "NETANALYZER_TRANSPARENT" },
	{ 242, "IPOIB" },
	{ 243, "MPEG_2_TS" },
	{ 244, "NG40" },
	{ 245, "NFC_LLCP" },
	{ 247, "INFINIBAND" },
	{ 248, "SCTP" },
	{ 249, "USBPCAP" },
	{ 250, "RTAC_SERIAL" },
	{ 251, "BLUETOOTH_LE_LL" },
	{ 253, "NETLINK" },
	{ 254, "BLUETOOTH_LINUX_MONITOR" },
	{ 255, "BLUETOOTH_BREDR_BB" },
	{ 256, "BLUETOOTH_LE_LL_WITH_PHDR" },
	{ 257, "PROFIBUS_DL" },
	{ 258, "PKTAP" },
	{ 259, "EPON" },
	{ 260, "IPMI_HPM_2" },
	{ 261, "ZWAVE_R1_R2" },
	{ 262, "ZWAVE_R3" },
	{ 263, "WATTSTOPPER_DLM" },
	{ 264, "ISO_14443" },
	{ 265, "RDS" },
	{ 266, "USB_DARWIN" },
	{ 268, "SDLC" },
	{ 270, "LORATAP" },
	{ 271, "VSOCK" },
	{ 272, "NORDIC_BLE" },
	{ 273, "DOCSIS31_XRA31" },
	{ 274, "ETHERNET_MPACKET" },
	{ 275, "DISPLAYPORT_AUX" },
	{ 276, "LINUX_SLL2" },
	{ 278, "OPENVIZSLA" },
	{ 279, "EBHSCR" },
	{ 280, "VPP_DISPATCH" },
	{ 281, "DSA_TAG_BRCM" },
	{ 282, "DSA_TAG_BRCM_PREPEND" },
	{ 283, "IEEE802_15_4_TAP" },
	{ 284, "DSA_TAG_DSA" },
	{ 285, "DSA_TAG_EDSA" },
	{ 286, "ELEE" },
	{ 287, "Z_WAVE_SERIAL" },
	{ 288, "USB_2_0" },
	{ 289, "ATSC_ALP" },
	{ 290, "ETW" },
};

static const struct number_name ethertypes[] = {
	{ 0x0200, "pup" },          { 0x0800, "ipv4" },     { 0x0806, "arp" },
	{ 0x0842, "wol" },          { 0x22eb, "erspan" },   { 0x22f0, "avtp" },
	{ 0x22f3, "trill" },        { 0x2000, "cdp" },      { 0x6002, "mop" },
	{ 0x6003, "decnet" },       { 0x6004, "lat" },      { 0x8035, "rarp" },
	{ 0x809b, "appletalk" },    { 0x80f3, "aarp" },     { 0x8100, "vlan" },
	{ 0x8137, "ipx" },          { 0x8204, "qnx" },      { 0x86dd, "ipv6" },
	{ 0x8808, "flow_control" }, { 0x8809, "slow" },     { 0x8819, "cobranet" },
	{ 0x8847, "mpls" },         { 0x8848, "mpls" },     { 0x8863, "pppoe_discovery" },
	{ 0x8864, "pppoe" },        { 0x887b, "homeplug" }, { 0x888e, "eapol" },
	{ 0x8892, "profinet" },     { 0x8899, "realtek" },  { 0x889a, "hyperscsi" },
	{ 0x88a2, "aoe" },          { 0x88a4, "ethercat" }, { 0x88a8, "qinq" },
	{ 0x88ab, "powerlink" },    { 0x88b8, "goose" },    { 0x88b9, "gse" },
	{ 0x88ba, "sv" },           { 0x88cc, "lldp" },     { 0x88cd, "sercos" },
	{ 0x88e1, "homeplug_av" },  { 0x88e3, "mrp" },      { 0x88e5, "macsec" },
	{ 0x88e7, "pbb" },          { 0x88f5, "mvrp" },     { 0x88f7, "ptp" },
	{ 0x88f8, "ncsi" },         { 0x88fb, "prp" },      { 0x8902, "cfm" },
	{ 0x8906, "fcoe" },         { 0x8909, "cisco_md" }, { 0x8914, "fip" },
	{ 0x8915, "roce" },         { 0x8926, "vntag" },    { 0x892f, "hsr" },
	{ 0x893a, "ieee1905" },     { 0x894f, "nsh" },      { 0x9000, "loopback" },
};

static const char *find(const struct number_name *t, size_t n, unsigned number)
{
	for (size_t i = 0; i < n; i++)
		if (t[i].number == number)
			return t[i].name;
	return NULL;
}

const char *nr_link_type_name(unsigned link_type)
{
	return find(link_types, N(link_types), link_type);
}

const char *nr_ethertype_name(unsigned ethertype)
{
	return find(ethertypes, N(ethertypes), ethertype);
}

static const struct number_name ppp_protocols[] = {
	{ 0x2d, "vj_compressed" }, { 0x2f, "vj_uncompressed" }, { 0x31, "bridging" },
	{ 0x3d, "multilink" },     { 0xfd, "compressed" },      { 0x8021, "ipcp" },
	{ 0x8057, "ipv6cp" },      { 0x80fd, "ccp" },           { 0xc021, "lcp" },
	{ 0xc023, "pap" },         { 0xc025, "lqr" },           { 0xc223, "chap" },
	{ 0xc227, "eap" },
};

/* DSAPs; 0xff is Novell's raw 802.3 */
static const struct number_name llc_saps[] = {
	{ 0x42, "stp" },     { 0xaa, "snap" }, { 0xe0, "ipx" },
	{ 0xf0, "netbios" }, { 0xfe, "iso" },  { 0xff, "ipx_raw" },
};

static const struct number_name wlan_frames[] = {
	{ 0x00, "assoc_request" },
	{ 0x01, "assoc_response" },
	{ 0x02, "reassoc_request" },
	{ 0x03, "reassoc_response" },
	{ 0x04, "probe_request" },
	{ 0x05, "probe_response" },
	{ 0x08, "beacon" },
	{ 0x09, "atim" },
	{ 0x0a, "disassoc" },
	{ 0x0b, "auth" },
	{ 0x0c, "deauth" },
	{ 0x0d, "action" },
	{ 0x0e, "action_no_ack" },
	{ 0x15, "vht_ndp" },
	{ 0x18, "block_ack_request" },
	{ 0x19, "block_ack" },
	{ 0x1a, "ps_poll" },
	{ 0x1b, "rts" },
	{ 0x1c, "cts" },
	{ 0x1d, "ack" },
	{ 0x1e, "cf_end" },
	{ 0x20, "data" },
	{ 0x24, "null" },
	{ 0x28, "qos_data" },
	{ 0x2c, "qos_null" },
};

const char *nr_l2_detail_name(char out[32], uint32_t detail)
{
	unsigned v = detail & 0xffff;
	const char *what = "", *name = NULL;

	switch (detail & ~0xffffu) {
	case 0:
		name = nr_ethertype_name(v);
		break;
	case NR_L2_LLC:
		what = "llc:";
		name = find(llc_saps, N(llc_saps), v);
		break;
	case NR_L2_WLAN:
		what = v & 0x100   ? "802.11_encrypted:"
		       : v & 0x200 ? "802.11_fragment:"
				   : "802.11:";
		v &= 0xff;
		name = find(wlan_frames, N(wlan_frames), v);
		break;
	case NR_L2_PPP:
		what = "ppp:";
		name = find(ppp_protocols, N(ppp_protocols), v);
		break;
	case NR_L2_FAMILY:
		what = "family:";
		break;
	case NR_L2_NLPID:
		what = "nlpid:";
		break;
	case NR_L2_ARCNET:
		what = "arcnet:";
		break;
	case NR_L2_ATM:
		what = "atm:";
		break;
	case NR_L2_MAC:
		what = "mac:";
		break;
	default:
		break;
	}
	if (name)
		snprintf(out, 32, "%s%s", what, name);
	else
		snprintf(out, 32, *what ? "%s0x%02x" : "%s0x%04x", what, v);
	return out;
}

/* The other type of a pair, as the Community ID specification lists them; -1: none. */
static int counterpart4(unsigned type)
{
	switch (type) {
	case 0: /* echo reply */
		return 8;
	case 8:
		return 0;
	case 9: /* router advertisement, solicitation */
		return 10;
	case 10:
		return 9;
	case 13: /* timestamp */
		return 14;
	case 14:
		return 13;
	case 15: /* information */
		return 16;
	case 16:
		return 15;
	case 17: /* address mask */
		return 18;
	case 18:
		return 17;
	default:
		return -1;
	}
}

static int counterpart6(unsigned type)
{
	switch (type) {
	case 128: /* echo */
		return 129;
	case 129:
		return 128;
	case 130: /* multicast listener */
		return 131;
	case 131:
		return 130;
	case 133: /* router */
		return 134;
	case 134:
		return 133;
	case 135: /* neighbour */
		return 136;
	case 136:
		return 135;
	case 139: /* node information */
		return 140;
	case 140:
		return 139;
	case 144: /* home agent address discovery */
		return 145;
	case 145:
		return 144;
	default:
		return -1;
	}
}

void nr_icmp_ports(unsigned proto, uint8_t type, uint8_t code, uint16_t *src_port,
		   uint16_t *dst_port, bool *one_way)
{
	int other = proto == 58 ? counterpart6(type) : counterpart4(type);

	*src_port = type;
	*dst_port = other < 0 ? code : (uint16_t)other;
	*one_way = other < 0;
}
