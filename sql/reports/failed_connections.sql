-- TCP connections that were refused, unanswered or broken off at once, by target (limit)
SELECT src_ip, dst_ip, dst_port, conn_state,
	sum(NOT (end_reason IS 'rotated' AND flow_id IN ( -- a flow counts where it ends
		SELECT continues FROM flow WHERE continues IS NOT NULL
	))) AS flows,
	sum(src_packets) AS src_packets, sum(dst_packets) AS dst_packets
FROM flow NOT INDEXED -- a scan is faster than an index that has not all columns
WHERE proto = 'tcp' AND conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
GROUP BY src_ip, dst_ip, dst_port, conn_state
HAVING flows > 0
ORDER BY flows DESC, src_ip, dst_ip, dst_port, conn_state
LIMIT coalesce(:limit, 20);
