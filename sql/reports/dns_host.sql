-- names that an address was the answer for (ip, limit)
SELECT lower(json_extract(a.value, '$.name')) AS name, json_extract(a.value, '$.type') AS type,
	lower(d.query_name) AS asked_for, count(*) AS responses,
	strftime('%Y-%m-%dT%H:%M:%SZ', min(d.ts_ns) / 1000000000, 'unixepoch') AS first,
	strftime('%Y-%m-%dT%H:%M:%SZ', max(d.ts_ns) / 1000000000, 'unixepoch') AS last
FROM dns AS d, json_each(d.answers) AS a
WHERE json_extract(a.value, '$.data') = :ip AND json_extract(a.value, '$.type') IN ('A', 'AAAA')
GROUP BY name, type, asked_for
ORDER BY min(d.ts_ns), name, asked_for
LIMIT coalesce(:limit, 20);
