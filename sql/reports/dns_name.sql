-- the queries for a name and those below it, responses alone too (name, limit)
SELECT
	strftime('%Y-%m-%dT%H:%M:%SZ', d.ts_ns / 1000000000 - (d.ts_ns % 1000000000 < 0), 'unixepoch')
		AS ts,
	d.flow_id, f.src_ip, f.dst_ip, d.query_name, d.query_type,
	CASE WHEN d.rcode IS NULL THEN 'no response' ELSE d.rcode END AS result,
	(SELECT group_concat(json_extract(a.value, '$.data'), ', ') FROM json_each(d.answers) AS a
		WHERE json_extract(a.value, '$.section') = 'answer') AS answer
FROM dns AS d LEFT JOIN flow AS f ON f.flow_id = d.flow_id
WHERE lower(d.query_name) = lower(:name)
	OR substr(lower(d.query_name), -length(:name) - 1) = '.' || lower(:name)
ORDER BY d.ts_ns, d.flow_id, d.packet
LIMIT coalesce(:limit, 100);
