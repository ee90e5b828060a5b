-- encapsulations: tunnels without ports, and flows that carry others, at any depth (limit)
WITH RECURSIVE within (top, flow_id, depth) AS (
	SELECT parent_flow_id, flow_id, 1 FROM flow WHERE parent_flow_id IS NOT NULL
	UNION ALL
	SELECT w.top, f.flow_id, w.depth + 1
	FROM within AS w JOIN flow AS f ON f.parent_flow_id = w.flow_id
	WHERE w.depth < 16 -- the decoder goes no deeper
)
SELECT kind, src_ip, dst_ip, id, NULL AS carrier_flow_id, NULL AS inner_flows, packets,
	wire_bytes
FROM tunnel
UNION ALL
SELECT c.service, c.src_ip, c.dst_ip, NULL, c.flow_id, n.inner_flows,
	n.packets, n.wire_bytes
FROM (
	SELECT w.top, count(*) AS inner_flows, sum(f.records) AS packets,
		sum(f.wire_bytes) AS wire_bytes
	FROM within AS w JOIN flow AS f ON f.flow_id = w.flow_id
	GROUP BY w.top
) AS n
JOIN flow AS c ON c.flow_id = n.top
ORDER BY wire_bytes DESC, kind, src_ip, dst_ip
LIMIT coalesce(:limit, 100);
