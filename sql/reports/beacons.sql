-- pairs whose flows begin at regular intervals: irregularity is (deviation/mean) squared (limit)
SELECT src_ip, dst_ip, dst_port, proto, n + 1 AS flows, round(mean / 1e9, 3) AS interval_s,
	round(max(0, squares / n - mean * mean) / (mean * mean), 4) AS irregularity
FROM (
	SELECT src_ip, dst_ip, dst_port, proto, count(gap) AS n, avg(gap) AS mean,
		sum(1.0 * gap * gap) AS squares
	FROM (
		SELECT src_ip, dst_ip, dst_port, proto,
			first_ns - lag(first_ns) OVER (
				PARTITION BY src_ip, dst_ip, dst_port, proto ORDER BY first_ns
			) AS gap
		FROM flow
		WHERE flow_id NOT IN ( -- parts of a flow; the index has flow_id, not continues
			SELECT flow_id FROM flow WHERE continues IS NOT NULL
		)
	)
	GROUP BY src_ip, dst_ip, dst_port, proto
)
WHERE n >= 7 AND mean >= 1e9 AND squares / n - mean * mean <= 0.1 * mean * mean
ORDER BY irregularity, flows DESC, src_ip, dst_ip, dst_port, proto
LIMIT coalesce(:limit, 20);
