/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/tables.h"

/* clang-format off */
#define LIST(name, ...) static const char *const name[] = { __VA_ARGS__, NULL }

LIST(nr_values_bucket, "flow", "arp", "other_l2", "unsupported_linktype", "malformed",
     "fragment_incomplete", "checksum_dropped", "filtered", "duplicate", "out_of_range");
LIST(nr_values_origin, "nrb");
LIST(nr_values_conn_state, "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0",
     "RSTRH", "SH", "SHR", "OTH");
LIST(nr_values_end_reason, "fin", "rst", "idle", "evicted", "end_of_input", "replaced",
     "rotated");
LIST(nr_values_parser_close, "done", "error", "gap", "overflow", "not_mine", "flow_end");
LIST(nr_values_severity, "info", "warning", "error");
LIST(nr_values_side, "src", "dst");

/* Each serves a report (test_schema names them): indexes are half the time of a load. */
LIST(indexes_source_block, "source_id, record");
LIST(indexes_flow, "first_ns", "src_ip, dst_ip, dst_port, proto, first_ns", "dst_ip",
     "parent_flow_id WHERE parent_flow_id IS NOT NULL");
LIST(indexes_flow_packets, "flow_id, source_id, seq");
LIST(indexes_anomaly, "kind, severity", "flow_id");
/* clang-format on */

#define NR_T(t, table, flags, indexes, doc)                                              \
	NR_TABLE_DEFINE(t, table, flags, indexes, doc, NR_FIELDS_##t);
NR_RECORD_TYPES(NR_T)
#undef NR_T
