/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The columns of every core table, in order: the one place they are written down.
 *
 * X(TABLE, column, TYPE, flags, references, unit, values, "one sentence for the manual")
 *
 * TYPE is the end of an enum nr_field_type; references, unit and values may be NULL.
 * values names a NULL-terminated list in tables.c. NULL in a row means not known or not
 * applicable, never 0.
 */
#pragma once

/* clang-format off */
#define NR_NN NR_F_NOT_NULL
#define NR_PK (NR_F_KEY | NR_F_NOT_NULL)

#define NR_FIELDS_RUN(X, T) \
	X(T, run_id, INT, NR_PK, NULL, NULL, NULL, "number of the run in this database, from 1") \
	X(T, tool_version, TEXT, NR_NN, NULL, NULL, NULL, "version of nrtool that wrote the rows") \
	X(T, schema_version, INT, NR_NN, NULL, NULL, NULL, "the schema's version, as PRAGMA user_version at the time of the run") \
	X(T, argv, TEXT, 0, NULL, NULL, NULL, "the command line, arguments quoted as for a shell") \
	X(T, cwd, TEXT, 0, NULL, NULL, NULL, "directory the run was started in") \
	X(T, host, TEXT, 0, NULL, NULL, NULL, "name of the host it ran on") \
	X(T, started_ns, TIME, 0, NULL, "ns", NULL, "wall-clock time at the start of the run") \
	X(T, finished_ns, TIME, 0, NULL, "ns", NULL, "wall-clock time at its end") \
	X(T, threads, INT, 0, NULL, "threads", NULL, "threads of the engine; records do not depend on it") \
	X(T, libraries, JSON, 0, NULL, NULL, NULL, "object of library names and versions in use") \
	X(T, sandbox, TEXT, 0, NULL, NULL, NULL, "what confined the run: no_new_privs, seccomp, landlock, or none") \
	X(T, clock_state, TEXT, 0, NULL, NULL, NULL, "capture only: whether the host's clock was synchronised, and by how much it could be off") \
	X(T, exit_status, INT, 0, NULL, NULL, NULL, "exit status as far as known when the row was written") \
	X(T, peak_memory, INT, 0, NULL, "bytes", NULL, "largest resident size of the process") \
	X(T, chain_heads, JSON, 0, NULL, NULL, NULL, "list of the hash chain heads of archives written by the run")

#define NR_FIELDS_SOURCE(X, T) \
	X(T, source_id, INT, NR_PK, NULL, NULL, NULL, "number of the source, in the order of the inputs") \
	X(T, run_id, INT, NR_NN, "run(run_id)", NULL, NULL, "the run that read or wrote it") \
	X(T, name, TEXT, NR_NN, NULL, NULL, NULL, "base name of the file, stdin for standard input") \
	X(T, format, TEXT, 0, NULL, NULL, NULL, "file format: pcap, pcapng, snoop") \
	X(T, compression, TEXT, 0, NULL, NULL, NULL, "gzip, zstd, xz or lz4; NULL for none") \
	X(T, bytes, INT, 0, NULL, "bytes", NULL, "size as stored (compressed, if it is)") \
	X(T, sha256, TEXT, 0, NULL, NULL, NULL, "SHA-256 of the file as stored, 64 lower-case hexadecimal digits") \
	X(T, hash_note, TEXT, 0, NULL, NULL, NULL, "why sha256 is NULL") \
	X(T, packets, INT, 0, NULL, "packets", NULL, "packets read; equals the sum of the source's ledger") \
	X(T, wire_bytes, INT, 0, NULL, "bytes", NULL, "sum of the packets' lengths on the wire") \
	X(T, captured_bytes, INT, 0, NULL, "bytes", NULL, "sum of the packets' lengths in the file") \
	X(T, first_ns, TIME, 0, NULL, "ns", NULL, "lowest packet time") \
	X(T, last_ns, TIME, 0, NULL, "ns", NULL, "highest packet time") \
	X(T, link_types, JSON, 0, NULL, NULL, NULL, "list of the link types of its interfaces") \
	X(T, snap_len, INT, 0, NULL, "bytes", NULL, "largest snap length of its interfaces; NULL for no limit") \
	X(T, damage, TEXT, 0, NULL, NULL, NULL, "what is damaged and where; NULL for a whole file") \
	X(T, interrupted, BOOL, NR_NN, NULL, NULL, NULL, "1 if reading was stopped before the end") \
	X(T, record_options, JSON, 0, NULL, NULL, NULL, "object of the options that change records: filter, checksums, caps, overlap, timeouts") \
	X(T, time_backwards, INT, 0, NULL, "packets", NULL, "packets older than the clock, processed at the clock") \
	X(T, time_jumps, INT, 0, NULL, NULL, NULL, "jumps of packet time by more than --max-jump that were believed") \
	X(T, times_clamped, INT, 0, NULL, "packets", NULL, "packets whose time does not fit 64 bits of nanoseconds and was clamped")

#define NR_FIELDS_LEDGER(X, T) \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "the source") \
	X(T, bucket, TEXT, NR_NN, NULL, NULL, nr_values_bucket, "what became of these packets; each packet of a source is in exactly one bucket") \
	X(T, detail, TEXT, 0, NULL, NULL, NULL, "ethertype, link type or kind of damage, where the bucket has one") \
	X(T, packets, INT, NR_NN, NULL, "packets", NULL, "how many packets") \
	X(T, wire_bytes, INT, NR_NN, NULL, "bytes", NULL, "their lengths on the wire")

#define NR_FIELDS_SOURCE_BLOCK(X, T) \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "the source") \
	X(T, record, INT, NR_NN, NULL, NULL, NULL, "number of a packet in its source, from 1") \
	X(T, offset, INT, NR_NN, NULL, "bytes", NULL, "where its record begins in the uncompressed content; one row per 256 KiB") \
	X(T, ts_ns, TIME, 0, NULL, "ns", NULL, "the packet's time")

#define NR_FIELDS_INTERFACE(X, T) \
	X(T, source_id, INT, NR_PK, "source(source_id)", NULL, NULL, "the source") \
	X(T, interface_id, INT, NR_PK, NULL, NULL, NULL, "number of the interface in its source, from 0, running on through all sections") \
	X(T, section, INT, 0, NULL, NULL, NULL, "section of the pcapng file, from 0") \
	X(T, name, TEXT, 0, NULL, NULL, NULL, "name of the interface") \
	X(T, description, TEXT, 0, NULL, NULL, NULL, "description of the interface") \
	X(T, link_type, TEXT, 0, NULL, NULL, NULL, "LINKTYPE_ name in upper case without the prefix, or its number") \
	X(T, snap_len, INT, 0, NULL, "bytes", NULL, "snap length; NULL for no limit") \
	X(T, tsresol, INT, 0, NULL, "1/s", NULL, "units of time stamps per second; NULL where the number does not fit") \
	X(T, tsoffset, INT, 0, NULL, "s", NULL, "seconds added to the time stamps") \
	X(T, filter, TEXT, 0, NULL, NULL, NULL, "capture filter") \
	X(T, os, TEXT, 0, NULL, NULL, NULL, "operating system of the capturing host") \
	X(T, hardware, TEXT, 0, NULL, NULL, NULL, "hardware of the interface") \
	X(T, received, INT, 0, NULL, "packets", NULL, "packets received, as the file's last statistics say") \
	X(T, dropped, INT, 0, NULL, "packets", NULL, "packets dropped, as the file's last statistics say") \
	X(T, inbound, INT, 0, NULL, "packets", NULL, "packets that came in, where the source says so of any") \
	X(T, outbound, INT, 0, NULL, "packets", NULL, "packets that went out, where the source says so of any")

#define NR_FIELDS_COMMENT(X, T) \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "the source") \
	X(T, packet, INT, 0, NULL, NULL, NULL, "packet it belongs to; NULL for one of the file or a section") \
	X(T, text, TEXT, NR_NN, NULL, NULL, NULL, "the comment")

#define NR_FIELDS_NAME(X, T) \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "the source") \
	X(T, address, TEXT, NR_NN, NULL, NULL, NULL, "IP address") \
	X(T, name, TEXT, NR_NN, NULL, NULL, NULL, "name that the file gives it") \
	X(T, origin, TEXT, NR_NN, NULL, NULL, nr_values_origin, "where the name comes from: nrb is a pcapng name resolution block")

/* The identity of a flow: all of flow_start and the beginning of flow. */
#define NR_FIELDS_FLOW_START(X, T) \
	X(T, flow_id, INT, NR_PK, NULL, NULL, NULL, "ordinal of the flow's first packet in the merged input times 16, plus the nesting in tunnels; of one that continues another file's, a number behind that file's last packet") \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "source of the first packet") \
	X(T, interface_id, INT, 0, NULL, NULL, NULL, "interface of the first packet in that source") \
	X(T, parent_flow_id, INT, 0, "flow(flow_id)", NULL, NULL, "the flow that carries this one in a UDP tunnel") \
	X(T, community_id, TEXT, 0, NULL, NULL, NULL, "Community ID, version 1, seed 0") \
	X(T, proto, TEXT, NR_NN, NULL, NULL, NULL, "tcp, udp, icmp, icmpv6, sctp, else IANA's keyword in lower case, else the number") \
	X(T, src_ip, TEXT, NR_NN, NULL, NULL, NULL, "address of the initiator") \
	X(T, src_port, INT, 0, NULL, NULL, NULL, "port of the initiator; for ICMP the type") \
	X(T, dst_ip, TEXT, NR_NN, NULL, NULL, NULL, "address of the responder") \
	X(T, dst_port, INT, 0, NULL, NULL, NULL, "port of the responder; for ICMP the type of the answer, or the code where there is none") \
	X(T, vlan, TEXT, 0, NULL, NULL, NULL, "VLAN ids, outer first, as 10,20") \
	X(T, tunnel, TEXT, 0, NULL, NULL, NULL, "encapsulations around the flow, innermost last, as gre/vxlan:42") \
	X(T, first_ns, TIME, NR_NN, NULL, "ns", NULL, "time of the first packet")

#define NR_FIELDS_FLOW(X, T) \
	NR_FIELDS_FLOW_START(X, T) \
	X(T, last_ns, TIME, 0, NULL, "ns", NULL, "time of the last packet") \
	X(T, duration_ns, INT, 0, NULL, "ns", NULL, "from the first packet to the last one before both sides had closed, as Zeek counts it") \
	X(T, src_packets, INT, 0, NULL, "packets", NULL, "IP packets from src; a reassembled datagram is one") \
	X(T, dst_packets, INT, 0, NULL, "packets", NULL, "IP packets from dst") \
	X(T, src_bytes, INT, 0, NULL, "bytes", NULL, "IP total lengths of the packets from src") \
	X(T, dst_bytes, INT, 0, NULL, "bytes", NULL, "IP total lengths of the packets from dst") \
	X(T, records, INT, 0, NULL, "packets", NULL, "captured frames whose innermost flow this is, each fragment one; adds up to the ledger") \
	X(T, wire_bytes, INT, 0, NULL, "bytes", NULL, "lengths of those frames on the wire; adds up to the ledger") \
	X(T, src_payload_bytes, INT, 0, NULL, "bytes", NULL, "payload from src; TCP by sequence numbers, gaps included, retransmissions not") \
	X(T, dst_payload_bytes, INT, 0, NULL, "bytes", NULL, "payload from dst, in the same way") \
	X(T, src_missed_bytes, INT, 0, NULL, "bytes", NULL, "TCP content from src never seen in any segment by the flow's end") \
	X(T, dst_missed_bytes, INT, 0, NULL, "bytes", NULL, "TCP content from dst never seen") \
	X(T, service, TEXT, 0, NULL, NULL, NULL, "application protocol, or the tunnel that the flow carries") \
	X(T, conn_state, TEXT, 0, NULL, NULL, nr_values_conn_state, "summary of the connection as Zeek defines it") \
	X(T, history, TEXT, 0, NULL, NULL, NULL, "events as Zeek defines them: upper case from src, lower case from dst") \
	X(T, end_reason, TEXT, 0, NULL, NULL, nr_values_end_reason, "why the flow ended; NULL while it is open") \
	X(T, parser, TEXT, 0, NULL, NULL, NULL, "the session parser that read the flow") \
	X(T, parser_close, TEXT, 0, NULL, NULL, nr_values_parser_close, "why that parser stopped") \
	X(T, flipped, BOOL, 0, NULL, NULL, NULL, "1 if the sides were exchanged: the first packet seen came from the responder") \
	X(T, src_mac, TEXT, 0, NULL, NULL, NULL, "link-layer address of src in its first packet") \
	X(T, dst_mac, TEXT, 0, NULL, NULL, NULL, "link-layer address of dst in the first packet") \
	X(T, src_ttl, INT, 0, NULL, NULL, NULL, "TTL or hop limit of the first packet from src") \
	X(T, dst_ttl, INT, 0, NULL, NULL, NULL, "TTL or hop limit of the first packet from dst") \
	X(T, src_tos, INT, 0, NULL, NULL, NULL, "TOS or traffic class of the first packet from src") \
	X(T, dst_tos, INT, 0, NULL, NULL, NULL, "TOS or traffic class of the first packet from dst") \
	X(T, tcp_flags_src, INT, 0, NULL, NULL, NULL, "TCP flags seen from src, or-ed: FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128") \
	X(T, tcp_flags_dst, INT, 0, NULL, NULL, NULL, "TCP flags seen from dst") \
	X(T, src_retransmits, INT, 0, NULL, "packets", NULL, "TCP segments from src that repeat bytes seen before") \
	X(T, dst_retransmits, INT, 0, NULL, "packets", NULL, "TCP segments from dst that repeat bytes seen before") \
	X(T, src_out_of_order, INT, 0, NULL, "packets", NULL, "TCP segments from src that fill a hole") \
	X(T, dst_out_of_order, INT, 0, NULL, "packets", NULL, "TCP segments from dst that fill a hole") \
	X(T, src_zero_windows, INT, 0, NULL, "packets", NULL, "segments from src that advertise a closed receive window") \
	X(T, dst_zero_windows, INT, 0, NULL, "packets", NULL, "segments from dst that advertise a closed receive window") \
	X(T, syn_options, JSON, 0, NULL, NULL, NULL, "object of src and dst, the TCP options in the SYN of each: mss, wscale, and order, a letter for each option (M mss, W window scale, S SACK permitted, T timestamps, F fast open, N no-op, ? other, + and more)") \
	X(T, handshake_rtt_ns, INT, 0, NULL, "ns", NULL, "from the SYN to the ACK that completes the handshake") \
	X(T, overlap_unverified, INT, 0, NULL, "segments", NULL, "parsed TCP streams: segments that overlap bytes which were delivered and could not be compared; NULL for none") \
	X(T, bad_checksums, INT, 0, NULL, "packets", NULL, "packets whose IP or transport checksum is wrong") \
	X(T, continues, INT, 0, NULL, NULL, NULL, "flow_id of the same flow in the previous file of a rotated set; what is counted is that of this part, what tells of the connection (state, history, service) that of the whole")

#define NR_FIELDS_FLOW_UPDATE(X, T) NR_FIELDS_FLOW(X, T)

#define NR_FIELDS_FLOW_PACKETS(X, T) \
	X(T, flow_id, INT, NR_NN, "flow(flow_id)", NULL, NULL, "the flow") \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "source of the packets in this chunk") \
	X(T, seq, INT, NR_NN, NULL, NULL, NULL, "number of the chunk in its flow, from 0") \
	X(T, blob, BLOB, NR_NN, NULL, NULL, NULL, "record numbers as LEB128 varints, at most 4096 bytes: the first as it is, for each other the difference d to the one before, as 2d, or -2d - 1 if negative")

#define NR_FIELDS_TUNNEL(X, T) \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "source of the first packet") \
	X(T, kind, TEXT, NR_NN, NULL, NULL, NULL, "gre, nvgre, pptp, erspan, ipip, 6in4, 4in6, 6in6") \
	X(T, src_ip, TEXT, NR_NN, NULL, NULL, NULL, "outer source address") \
	X(T, dst_ip, TEXT, NR_NN, NULL, NULL, NULL, "outer destination address") \
	X(T, id, INT, 0, NULL, NULL, NULL, "key, VSID, call or session id") \
	X(T, first_ns, TIME, 0, NULL, "ns", NULL, "time of the first packet") \
	X(T, last_ns, TIME, 0, NULL, "ns", NULL, "time of the last packet") \
	X(T, packets, INT, 0, NULL, "packets", NULL, "frames that the tunnel carried") \
	X(T, wire_bytes, INT, 0, NULL, "bytes", NULL, "their lengths on the wire")

/* What every session record begins with. */
#define NR_FIELDS_SESSION(X, T) \
	X(T, flow_id, INT, 0, "flow(flow_id)", NULL, NULL, "the flow; NULL where there is none") \
	X(T, source_id, INT, 0, "source(source_id)", NULL, NULL, "source of the packet that completed the record; NULL where it concerns the whole run") \
	X(T, packet, INT, 0, NULL, NULL, NULL, "that packet's number in its source, from 1") \
	X(T, ts_ns, TIME, 0, NULL, "ns", NULL, "that packet's time")

#define NR_FIELDS_ANOMALY(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, kind, TEXT, NR_NN, NULL, NULL, NULL, "what is odd; see ANOMALIES") \
	X(T, severity, TEXT, NR_NN, NULL, NULL, nr_values_severity, "how much it matters") \
	X(T, side, TEXT, 0, NULL, NULL, nr_values_side, "which side of the flow it concerns") \
	X(T, detail, JSON, 0, NULL, NULL, NULL, "object of what the kind says more")

#define NR_FIELDS_ARP(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, operation, TEXT, NR_NN, NULL, NULL, NULL, "request, reply, else the number") \
	X(T, sender_mac, TEXT, 0, NULL, NULL, NULL, "hardware address of the sender") \
	X(T, sender_ip, TEXT, 0, NULL, NULL, NULL, "IP address of the sender") \
	X(T, target_mac, TEXT, 0, NULL, NULL, NULL, "hardware address of the target, 00:00:00:00:00:00 in requests") \
	X(T, target_ip, TEXT, 0, NULL, NULL, NULL, "IP address of the target") \
	X(T, gratuitous, BOOL, 0, NULL, NULL, NULL, "1 if sender and target address are equal") \
	X(T, conflict, BOOL, 0, NULL, NULL, NULL, "1 if the sender's IP address was seen with another MAC before")

#define NR_FIELDS_CAPTURE_STATS(X, T) \
	X(T, source_id, INT, NR_NN, "source(source_id)", NULL, NULL, "the source") \
	X(T, interface_id, INT, 0, NULL, NULL, NULL, "the interface") \
	X(T, from_ns, TIME, 0, NULL, "ns", NULL, "begin of the interval") \
	X(T, to_ns, TIME, 0, NULL, "ns", NULL, "its end") \
	X(T, received, INT, 0, NULL, "packets", NULL, "packets received in the interval") \
	X(T, dropped_kernel, INT, 0, NULL, "packets", NULL, "packets the kernel dropped: the ring was full") \
	X(T, dropped_interface, INT, 0, NULL, "packets", NULL, "packets the interface dropped") \
	X(T, dropped_disk, INT, 0, NULL, "packets", NULL, "packets that could not be written") \
	X(T, records_dropped, INT, 0, NULL, "records", NULL, "records dropped because a sink was too slow") \
	X(T, ring_freezes, INT, 0, NULL, NULL, NULL, "times the ring stopped for want of room") \
	X(T, detail, JSON, 0, NULL, NULL, NULL, "object of further counters of the back end, of the interval")

/*
 * The record types, in table order: X(IDENT, name, flags, indexes, "meaning").
 * indexes is a list in tables.c or NULL.
 */
#define NR_RECORD_TYPES(X) \
	X(RUN, run, NR_R_RUN | NR_R_ROWID_KEY, NULL, "runs of nrtool that wrote into this database") \
	X(SOURCE, source, NR_R_CONTAINER | NR_R_ROWID_KEY, NULL, "capture files and streams that were read") \
	X(LEDGER, ledger, 0, NULL, "where every packet of a source went, counted once") \
	X(SOURCE_BLOCK, source_block, NR_R_CONTAINER, indexes_source_block, "where to find packets in a source") \
	X(INTERFACE, interface, NR_R_CONTAINER, NULL, "interfaces that the sources describe") \
	X(COMMENT, comment, NR_R_CONTAINER, NULL, "comments in the sources") \
	X(NAME, name, NR_R_CONTAINER, NULL, "names of addresses that the sources hold") \
	X(FLOW, flow, NR_R_ROWID_KEY, indexes_flow, "flows: the packets of one key until it ends") \
	X(FLOW_START, flow_start, NR_R_JSON_ONLY, NULL, "the beginning of a flow, in JSON lines only") \
	X(FLOW_UPDATE, flow_update, NR_R_JSON_ONLY, NULL, "a flow that is still open, in JSON lines of a capture with --active-timeout only; the columns of flow") \
	X(FLOW_PACKETS, flow_packets, 0, indexes_flow_packets, "the packets of each flow") \
	X(TUNNEL, tunnel, 0, NULL, "tunnels without ports; those in UDP are flows") \
	X(ANOMALY, anomaly, NR_R_SESSION, indexes_anomaly, "what is odd in the traffic or the capture") \
	X(ARP, arp, NR_R_SESSION, NULL, "ARP messages") \
	X(CAPTURE_STATS, capture_stats, NR_R_CONTAINER, NULL, "what the capture received and lost")
/* clang-format on */
