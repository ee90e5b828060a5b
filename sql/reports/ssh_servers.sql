-- SSH servers: software, host key, connections, clients (limit)
SELECT v.server_ip, v.server_port, v.server_version, v.host_key_algorithm, v.host_key_fingerprint,
	count(*) AS connections, count(DISTINCT v.client_ip) AS clients,
	sum(coalesce(v.encrypted, 0)) AS encrypted, min(v.flow_id) AS first_flow_id
FROM ssh_v AS v
WHERE v.server_version IS NOT NULL
GROUP BY v.server_ip, v.server_port, v.server_version, v.host_key_algorithm, v.host_key_fingerprint
ORDER BY connections DESC, v.server_ip, v.server_port, v.server_version, v.host_key_fingerprint
LIMIT coalesce(:limit, 50);
