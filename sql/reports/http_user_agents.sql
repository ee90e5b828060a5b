-- user agents of HTTP requests, the rarest first (limit)
SELECT h.user_agent, count(*) AS requests, count(DISTINCT f.src_ip) AS clients,
	count(DISTINCT h.host) AS hosts, min(f.src_ip) AS a_client, min(h.host) AS a_host
FROM http AS h JOIN flow AS f ON f.flow_id = h.flow_id
WHERE h.method IS NOT NULL AND f.proto = 'tcp'
GROUP BY h.user_agent
ORDER BY clients, requests, h.user_agent
LIMIT coalesce(:limit, 50);
