-- flows, packets and bytes over time, by the beginnings of flows and of their parts, in at most 60 steps
WITH RECURSIVE span AS (
	SELECT (SELECT min(first_ns) FROM flow) AS lo, (SELECT max(first_ns) FROM flow) AS hi
), width AS (
	SELECT 1000000000 * CASE
		WHEN hi / 59 - lo / 59 < 1000000000 THEN 1
		WHEN hi / 59 - lo / 59 < 10000000000 THEN 10
		WHEN hi / 59 - lo / 59 < 60000000000 THEN 60
		WHEN hi / 59 - lo / 59 < 600000000000 THEN 600
		WHEN hi / 59 - lo / 59 < 3600000000000 THEN 3600
		WHEN hi / 59 - lo / 59 < 21600000000000 THEN 21600
		WHEN hi / 59 - lo / 59 < 86400000000000 THEN 86400
		ELSE (hi / 59 - lo / 59) / 86400000000000 * 86400 + 86400
	END AS ns
	FROM span
), step (at) AS ( -- begins of the steps that hold flows, found in the index
	SELECT lo - (lo % ns + ns) % ns FROM span, width WHERE lo IS NOT NULL
	UNION ALL
	SELECT (
		SELECT min(first_ns) - (min(first_ns) % ns + ns) % ns
		FROM flow WHERE first_ns >= at + ns
	)
	FROM step, width
	WHERE at IS NOT NULL
)
SELECT
	strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000000000, 'unixepoch') AS time,
	ns / 1000000000 AS step_s,
	sum(is_first) AS flows,
	sum(src_packets + dst_packets) AS packets,
	sum(src_bytes + dst_bytes) AS bytes,
	sum(is_first AND is_failed) AS failed
FROM (
	SELECT at, ns, src_packets, dst_packets, src_bytes, dst_bytes,
		continues IS NULL OR NOT EXISTS (
			SELECT 1 FROM flow AS p WHERE p.flow_id = f.continues
		) AS is_first,
		conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
			AND NOT (end_reason IS 'rotated' AND flow_id IN ( -- answered in the next file
				SELECT continues FROM flow
				WHERE continues IS NOT NULL
					AND conn_state NOT IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
			)) AS is_failed
	FROM width CROSS JOIN step CROSS JOIN flow AS f
	WHERE at IS NOT NULL AND first_ns >= at AND first_ns < at + ns
)
GROUP BY at
HAVING flows > 0 OR packets > 0
ORDER BY at;
