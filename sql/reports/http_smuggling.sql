-- HTTP messages whose length or head servers read differently: what to look at (limit)
SELECT a.flow_id, a.packet, a.kind, f.src_ip, f.dst_ip, f.dst_port, a.side,
	json_extract(a.detail, '$.trans_depth') AS trans_depth,
	coalesce(json_extract(a.detail, '$.signs'), json_extract(a.detail, '$.what'),
		a.detail) AS signs,
	h.method, h.host, h.uri, h.status
FROM anomaly AS a
JOIN flow AS f ON f.flow_id = a.flow_id
LEFT JOIN http AS h ON h.flow_id = a.flow_id
	AND h.trans_depth = json_extract(a.detail, '$.trans_depth')
	AND h.ts_ns IS coalesce(( -- the first to end behind it: numbers begin again behind CONNECT
		SELECT min(t.ts_ns) FROM http AS t
		WHERE t.flow_id = a.flow_id AND t.ts_ns >= a.ts_ns
			AND t.trans_depth = json_extract(a.detail, '$.trans_depth')
	), (
		SELECT max(t.ts_ns) FROM http AS t
		WHERE t.flow_id = a.flow_id
			AND t.trans_depth = json_extract(a.detail, '$.trans_depth')
	))
WHERE a.kind IN ('http_length', 'http_syntax', 'http_chunk', 'http_junk')
ORDER BY CASE a.kind WHEN 'http_length' THEN 0 WHEN 'http_chunk' THEN 1
	WHEN 'http_junk' THEN 2 ELSE 3 END, a.flow_id, a.packet
LIMIT coalesce(:limit, 100);
