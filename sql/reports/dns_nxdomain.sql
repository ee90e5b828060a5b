-- clients by the names they asked for that do not exist (limit)
SELECT f.src_ip AS client, count(*) AS nxdomain, count(DISTINCT lower(d.query_name)) AS names,
	min(lower(d.query_name)) AS example,
	strftime('%Y-%m-%dT%H:%M:%SZ', min(d.ts_ns) / 1000000000, 'unixepoch') AS first,
	strftime('%Y-%m-%dT%H:%M:%SZ', max(d.ts_ns) / 1000000000, 'unixepoch') AS last
FROM dns AS d JOIN flow AS f ON f.flow_id = d.flow_id
WHERE d.rcode = 'NXDOMAIN' AND d.answered
GROUP BY f.src_ip
ORDER BY names DESC, nxdomain DESC, client
LIMIT coalesce(:limit, 20);
