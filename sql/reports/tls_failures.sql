-- TLS handshakes that came to no end, by server and alert (limit)
SELECT f.dst_ip, f.dst_port, t.server_name, t.alert, t.alert_from, count(*) AS connections,
	count(DISTINCT f.src_ip) AS clients, min(t.flow_id) AS first_flow_id
FROM tls AS t
LEFT JOIN flow AS f ON f.flow_id = t.flow_id
WHERE t.established = 0 AND t.complete = 1
GROUP BY f.dst_ip, f.dst_port, t.server_name, t.alert, t.alert_from
ORDER BY connections DESC, f.dst_ip, f.dst_port, t.server_name, t.alert
LIMIT coalesce(:limit, 50);
