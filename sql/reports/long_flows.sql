-- flows by duration (limit)
SELECT v.flow_id, v.first, round(v.duration_s, 3) AS duration_s, v.proto, v.src_ip,
	v.src_port, v.dst_ip, v.dst_port, v.service, v.conn_state, v.packets, v.bytes
FROM (
	SELECT flow_id FROM flow
	ORDER BY last_ns - first_ns DESC, flow_id LIMIT coalesce(:limit, 20)
) AS top
JOIN flow_v AS v ON v.flow_id = top.flow_id
ORDER BY v.last_ns - v.first_ns DESC, v.flow_id;
