-- server names asked for, with versions and certificate, by connections (limit)
SELECT server_name, count(*) AS connections, count(DISTINCT src_ip) AS clients,
	count(DISTINCT dst_ip) AS addresses, min(dst_ip) AS one_address, min(version) AS lowest_version,
	sum(established) AS established, max(ech) AS ech, min(subject) AS subject
FROM tls_v
WHERE server_name IS NOT NULL
GROUP BY server_name
ORDER BY connections DESC, server_name
LIMIT coalesce(:limit, 50);
