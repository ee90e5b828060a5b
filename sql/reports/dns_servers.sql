-- servers by queries: answered or not, failures, time to the response (limit)
SELECT f.dst_ip AS server, f.service, count(*) AS queries, count(DISTINCT f.src_ip) AS clients,
	sum(d.answered) AS answered, count(*) FILTER (WHERE d.rcode = 'NXDOMAIN') AS nxdomain,
	count(*) FILTER (WHERE d.rcode NOT IN ('NOERROR', 'NXDOMAIN')) AS failed,
	round(avg(d.rtt_ns) / 1e6, 3) AS mean_rtt_ms, round(max(d.rtt_ns) / 1e6, 3) AS max_rtt_ms
FROM dns AS d JOIN flow AS f ON f.flow_id = d.flow_id
WHERE NOT d.response_only
GROUP BY f.dst_ip, f.service
ORDER BY queries DESC, server, f.service
LIMIT coalesce(:limit, 20);
