-- encapsulations: tunnels without ports, and flows that carry others (limit)
SELECT kind, src_ip, dst_ip, id, NULL AS carrier_flow_id, NULL AS inner_flows, packets,
	wire_bytes
FROM tunnel
UNION ALL
SELECT c.service, c.src_ip, c.dst_ip, NULL, c.flow_id, n.inner_flows,
	n.packets, n.wire_bytes
FROM (
	SELECT parent_flow_id, count(*) AS inner_flows, sum(records) AS packets,
		sum(wire_bytes) AS wire_bytes
	FROM flow
	WHERE parent_flow_id IS NOT NULL
	GROUP BY parent_flow_id
) AS n
JOIN flow AS c ON c.flow_id = n.parent_flow_id
ORDER BY wire_bytes DESC, kind, src_ip, dst_ip
LIMIT coalesce(:limit, 100);
