-- SSH clients: software, HASSH, connections, servers (limit)
SELECT v.client_version, v.hassh, count(*) AS connections,
	count(DISTINCT v.client_ip) AS clients, count(DISTINCT v.server_ip) AS servers,
	min(v.flow_id) AS first_flow_id
FROM ssh_v AS v
WHERE v.client_version IS NOT NULL
GROUP BY v.client_version, v.hassh
ORDER BY connections DESC, v.client_version, v.hassh
LIMIT coalesce(:limit, 50);
