-- flows by duration, those of a rotated set with all their parts (limit)
WITH RECURSIVE continued (flow_id) AS (
	SELECT continues FROM flow WHERE continues IS NOT NULL
), part (last_flow_id, flow_id, continues, first_ns, last_ns, packets, bytes) AS (
	-- from the last part of a flow back; those without packets have the time of the rotation
	SELECT flow_id, flow_id, continues, first_ns,
		CASE WHEN src_packets + dst_packets > 0 THEN last_ns END,
		src_packets + dst_packets, src_bytes + dst_bytes
	FROM flow
	WHERE continues IS NOT NULL AND flow_id NOT IN continued
	UNION ALL
	SELECT part.last_flow_id, f.flow_id, f.continues, f.first_ns,
		CASE WHEN f.src_packets + f.dst_packets > 0 THEN f.last_ns END,
		f.src_packets + f.dst_packets, f.src_bytes + f.dst_bytes
	FROM part JOIN flow AS f ON f.flow_id = part.continues AND f.flow_id < part.flow_id
)
SELECT a.flow_id, a.first, round(top.duration_ns / 1e9, 3) AS duration_s, a.proto, a.src_ip,
	a.src_port, a.dst_ip, a.dst_port, z.service, z.conn_state, top.packets, top.bytes
FROM (
	SELECT * FROM (
		SELECT flow_id, flow_id AS last_flow_id, last_ns - first_ns AS duration_ns,
			src_packets + dst_packets AS packets, src_bytes + dst_bytes AS bytes
		FROM flow
		WHERE continues IS NULL AND NOT (end_reason IS 'rotated' AND flow_id IN continued)
		ORDER BY duration_ns DESC, flow_id LIMIT coalesce(:limit, 20)
	)
	UNION ALL
	SELECT min(flow_id), last_flow_id, coalesce(max(last_ns) - min(first_ns), 0),
		sum(packets), sum(bytes)
	FROM part
	GROUP BY last_flow_id
	ORDER BY duration_ns DESC, flow_id LIMIT coalesce(:limit, 20)
) AS top
JOIN flow_v AS a ON a.flow_id = top.flow_id
JOIN flow AS z ON z.flow_id = top.last_flow_id
ORDER BY top.duration_ns DESC, a.flow_id;
