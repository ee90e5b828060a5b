-- names by the queries for them, repeated ones left out (limit)
SELECT lower(d.query_name) AS name, d.query_type AS type, count(*) AS queries,
	count(DISTINCT f.src_ip) AS clients, sum(d.answered) AS answered,
	count(*) FILTER (WHERE d.rcode = 'NXDOMAIN') AS nxdomain, round(avg(d.rtt_ns) / 1e6, 3) AS mean_rtt_ms
FROM dns AS d JOIN flow AS f ON f.flow_id = d.flow_id
WHERE NOT d.response_only AND d.repeat_of IS NULL
GROUP BY name, type
ORDER BY queries DESC, name, type
LIMIT coalesce(:limit, 20);
