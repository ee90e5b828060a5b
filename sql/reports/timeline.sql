-- flows, packets and bytes over time, by the flows' beginnings, in about 60 steps
WITH span AS (
	SELECT ((SELECT max(first_ns) FROM flow) / 60 - (SELECT min(first_ns) FROM flow) / 60)
		AS step
), width AS (
	SELECT CASE
		WHEN step <= 1000000000 THEN 1
		WHEN step <= 10000000000 THEN 10
		WHEN step <= 60000000000 THEN 60
		WHEN step <= 600000000000 THEN 600
		WHEN step <= 3600000000000 THEN 3600
		WHEN step <= 21600000000000 THEN 21600
		WHEN step <= 86400000000000 THEN 86400
		ELSE 604800
	END AS s
	FROM span
)
SELECT
	strftime('%Y-%m-%dT%H:%M:%SZ', at * s, 'unixepoch') AS time,
	s AS step_s, flows, packets, bytes, failed
FROM (
	SELECT
		s,
		first_ns / (s * 1000000000) - (first_ns % (s * 1000000000) < 0) AS at,
		count(*) AS flows,
		sum(src_packets + dst_packets) AS packets,
		sum(src_bytes + dst_bytes) AS bytes,
		sum(conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')) AS failed
	FROM flow, width
	GROUP BY at
)
ORDER BY at;
