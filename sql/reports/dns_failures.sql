-- names whose queries failed or had no response, multicast left out (limit)
SELECT lower(d.query_name) AS query_name, d.query_type, coalesce(d.rcode, 'no response') AS result,
	count(*) AS queries, count(DISTINCT f.src_ip) AS clients, count(DISTINCT f.dst_ip) AS servers
FROM dns AS d JOIN flow AS f ON f.flow_id = d.flow_id
WHERE NOT d.response_only AND d.repeat_of IS NULL
	AND (NOT d.answered OR d.rcode NOT IN ('NOERROR', 'NXDOMAIN'))
	AND coalesce(f.service, '') = 'dns'
GROUP BY 1, d.query_type, result
ORDER BY queries DESC, 1, d.query_type, result
LIMIT coalesce(:limit, 20);
