-- the flows of one address (ip, limit)
SELECT v.flow_id, v.first, round(v.duration_s, 3) AS duration_s, v.proto, v.src_ip, v.src_port,
	v.dst_ip, v.dst_port, v.service, v.conn_state, v.packets, v.bytes
FROM (
	SELECT flow_id, first_ns FROM flow WHERE src_ip = :ip
	UNION
	SELECT flow_id, first_ns FROM flow WHERE dst_ip = :ip
	ORDER BY first_ns, flow_id
	LIMIT coalesce(:limit, 100)
) AS mine
JOIN flow_v AS v ON v.flow_id = mine.flow_id
ORDER BY v.first_ns, v.flow_id;
