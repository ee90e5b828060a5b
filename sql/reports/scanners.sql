-- sources of many failed or one-sided attempts on different hosts or ports (limit)
SELECT src_ip, proto, count(*) AS attempts, count(DISTINCT dst_ip) AS hosts,
	count(DISTINCT dst_port) AS ports,
	round((max(first_ns) - min(first_ns)) / 1e9, 3) AS span_s
FROM flow NOT INDEXED
WHERE proto IN ('tcp', 'udp', 'sctp')
	AND continues IS NULL
	AND CASE proto WHEN 'tcp' THEN conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
		ELSE coalesce(dst_packets, 0) = 0 END
	AND NOT (end_reason IS 'rotated' AND flow_id IN ( -- answered in the next file
		SELECT continues FROM flow
		WHERE continues IS NOT NULL
			AND conn_state NOT IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
	))
GROUP BY src_ip, proto
HAVING hosts >= 15 OR ports >= 15
ORDER BY attempts DESC, src_ip, proto
LIMIT coalesce(:limit, 20);
