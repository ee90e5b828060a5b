-- sources of many failed or one-sided attempts on different hosts or ports (limit)
SELECT src_ip, proto, count(*) AS attempts, count(DISTINCT dst_ip) AS hosts,
	count(DISTINCT dst_port) AS ports,
	round((max(first_ns) - min(first_ns)) / 1e9, 3) AS span_s
FROM flow NOT INDEXED
WHERE proto IN ('tcp', 'udp', 'sctp')
	AND CASE proto WHEN 'tcp' THEN conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
		ELSE coalesce(dst_packets, 0) = 0 END
GROUP BY src_ip, proto
HAVING hosts >= 15 OR ports >= 15
ORDER BY attempts DESC, src_ip, proto
LIMIT coalesce(:limit, 20);
