-- what is odd, by kind, and where it was first seen
SELECT kind, severity, count(*) AS times, count(DISTINCT flow_id) AS flows,
	strftime('%Y-%m-%dT%H:%M:%SZ', min(ts_ns) / 1000000000, 'unixepoch') AS first,
	source_id AS first_source_id, packet AS first_packet -- of the row with the least time
FROM anomaly
GROUP BY kind, severity
ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, times DESC, kind;
