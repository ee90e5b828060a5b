/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options of the engine: those that replay and capture share. A config struct that has
 * them has the members
 *
 *	struct nr_engine_config e;
 *	const char *dedup, *secret_key;
 *	int checksums, overlap;
 */
#pragma once

#include "options.h"

#include "engine/engine.h"

#define NR_ENGINE_OPT(cfg, member) NR_OPT(cfg, e.member)

extern const char *const nr_checksums_values[], *const nr_overlap_values[];

/* What --dedup says into e; 0, or -EINVAL with a sentence. */
int nr_engine_options_dedup(struct nr_engine_config *e, const char *dedup,
			    struct nr_err *err);
/* Reads the key of --secret-key, which the caller frees. 0, or -EINVAL with a sentence.
 */
int nr_engine_options_secret_key(struct nr_engine_config *e, const char *path,
				 struct nr_err *err);

/*
 * Divides size (--mem, at least 64 MiB) among the caps that have their defaults: a
 * quarter each for flows (1 KiB each), parsers and early bytes, an eighth for the numbers
 * of packets, a sixteenth for fragments. None becomes larger than its default.
 */
void nr_engine_options_mem(struct nr_engine_config *e, uint64_t size);

/* clang-format off */
#define NR_ENGINE_OPTIONS(cfg) \
	{ "dedup", 0, NR_OPT_TEXT, "WINDOW", NR_OPT(cfg, dedup), .bare = "256,10ms", \
	  .is_record_option = true, \
	  .help = "drop copies of a frame among the last N packets, within a duration: N, " \
		  "DURATION or N,DURATION" }, \
	{ "checksums", 0, NR_OPT_ENUM, "HOW", NR_OPT(cfg, checksums), "auto", \
	  .values = nr_checksums_values, .is_record_option = true, \
	  .help = "what a wrong checksum does" }, \
	{ "overlap", 0, NR_OPT_ENUM, "POLICY", NR_OPT(cfg, overlap), "first", \
	  .values = nr_overlap_values, .is_record_option = true, \
	  .help = "whose bytes win where fragments or segments overlap" }, \
	{ "no-sessions", 0, NR_OPT_FLAG, NULL, NR_ENGINE_OPT(cfg, no_sessions), .is_record_option = true, \
	  .help = "flows only: parse no protocol above them" }, \
	{ "store-secrets", 0, NR_OPT_FLAG, NULL, NR_ENGINE_OPT(cfg, parse.store_secrets), \
	  .is_record_option = true, \
	  .help = "write passwords, cookies and the like in the clear, not as asterisks" }, \
	{ "secret-key", 0, NR_OPT_TEXT, "FILE", NR_OPT(cfg, secret_key), \
	  .help = "key for secret_hash: HMAC-SHA-256 over each secret, so that equal ones " \
		  "can be joined" }, \
	{ "ack-grace", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, ack_grace), "10ms", \
	  .is_record_option = true, \
	  .help = "wait so long for TCP bytes that the receiver has acknowledged" }, \
	{ "stream-memory", 0, NR_OPT_SIZE, "SIZE", NR_ENGINE_OPT(cfg, stream_memory), "2M", .min = 65536, \
	  .is_record_option = true, \
	  .help = "memory for bytes of one direction of a TCP flow that came early" }, \
	{ "reassembly-memory", 0, NR_OPT_SIZE, "SIZE", NR_ENGINE_OPT(cfg, reassembly_memory), "512M", \
	  .min = 4194304, .is_record_option = true, .help = "the same of all flows" }, \
	{ "session-memory", 0, NR_OPT_SIZE, "SIZE", NR_ENGINE_OPT(cfg, session_memory), "1G", \
	  .min = 4194304, .is_record_option = true, \
	  .help = "memory for all that parsers hold; flows beyond it are not parsed" }, \
	{ "no-flip", 0, NR_OPT_FLAG, NULL, NR_ENGINE_OPT(cfg, no_flip), .is_record_option = true, \
	  .help = "never turn a flow around whose beginning is missing" }, \
	{ "no-vlan-key", 0, NR_OPT_FLAG, NULL, NR_ENGINE_OPT(cfg, no_vlan_key), .is_record_option = true, \
	  .help = "take the same ports in two VLANs for one flow" }, \
	{ "flow-start", 0, NR_OPT_FLAG, NULL, NR_ENGINE_OPT(cfg, flow_start), \
	  .help = "also write a line when a flow begins (JSON lines only)" }, \
	{ "max-flows", 0, NR_OPT_U64, "N", NR_ENGINE_OPT(cfg, max_flows), "4194304", .min = 1024, \
	  .max = UINT64_C(1) << 36, .is_record_option = true, \
	  .help = "flows open at once; beyond it flows are ended early and counted" }, \
	{ "tcp-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, tcp_timeout), "300s", \
	  .is_record_option = true, \
	  .help = "end a TCP flow after so long without a packet" }, \
	{ "udp-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, udp_timeout), "60s", \
	  .is_record_option = true, .help = "the same for UDP" }, \
	{ "icmp-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, icmp_timeout), "60s", \
	  .is_record_option = true, .help = "the same for ICMP" }, \
	{ "other-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, other_timeout), "60s", \
	  .is_record_option = true, .help = "the same for other protocols" }, \
	{ "attempt-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, attempt_timeout), "5s", \
	  .is_record_option = true, .help = "end a SYN without an answer after this" }, \
	{ "closed-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, closed_timeout), "5s", \
	  .is_record_option = true, .help = "keep a closed TCP flow for its last packets" }, \
	{ "reset-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, reset_timeout), "5s", \
	  .is_record_option = true, .help = "the same after a RST" }, \
	{ "half-closed-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, half_closed_timeout), "300s", \
	  .is_record_option = true, .help = "end a TCP flow that one side has closed" }, \
	{ "frag-timeout", 0, NR_OPT_DURATION, "TIME", NR_ENGINE_OPT(cfg, frag_timeout), "30s", \
	  .is_record_option = true, .help = "wait so long for the rest of a datagram" }, \
	{ "frag-memory", 0, NR_OPT_SIZE, "SIZE", NR_ENGINE_OPT(cfg, frag_memory), "32M", .min = 65536, \
	  .is_record_option = true, .help = "memory for incomplete datagrams" }
/* clang-format on */
