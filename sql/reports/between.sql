-- the flows that began in a span of time, as YYYY-MM-DDTHH:MM:SS[.SSS] in UTC (from, to, limit)
SELECT v.flow_id, v.first, round(v.duration_s, 3) AS duration_s, v.proto, v.src_ip, v.src_port,
	v.dst_ip, v.dst_port, v.service, v.conn_state, v.packets, v.bytes
FROM (
	SELECT flow_id FROM flow
	WHERE first_ns >= coalesce(
			CAST(round((julianday(:from) - 2440587.5) * 86400e3) AS INTEGER) * 1000000,
			-9223372036854775808)
		AND first_ns < coalesce(
			CAST(round((julianday(:to) - 2440587.5) * 86400e3) AS INTEGER) * 1000000,
			9223372036854775807)
	ORDER BY first_ns, flow_id
	LIMIT coalesce(:limit, 100)
) AS mine
JOIN flow_v AS v ON v.flow_id = mine.flow_id
ORDER BY v.first_ns, v.flow_id;
