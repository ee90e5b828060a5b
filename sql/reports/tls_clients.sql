-- TLS clients by fingerprint, those of the fewest hosts first (limit)
SELECT t.ja4, count(DISTINCT f.src_ip) AS hosts, count(*) AS connections,
	sum(t.established) AS established, min(t.ja3) AS ja3, min(f.src_ip) AS one_host,
	min(t.server_name) AS one_server_name, min(t.flow_id) AS first_flow_id
FROM tls AS t
LEFT JOIN flow AS f ON f.flow_id = t.flow_id
WHERE t.ja4 IS NOT NULL
GROUP BY t.ja4
ORDER BY hosts, connections, t.ja4
LIMIT coalesce(:limit, 50);
