-- what is odd, by kind
SELECT kind, severity, count(*) AS times, count(DISTINCT flow_id) AS flows,
	min(packet) AS first_packet
FROM anomaly
GROUP BY kind, severity
ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, times DESC, kind;
