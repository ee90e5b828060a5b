-- what the captures, records and flows lack: drops, damage, bytes never seen (limit)
SELECT 'damage' AS what, name AS subject, NULL AS amount, damage AS detail
FROM source WHERE damage IS NOT NULL
UNION ALL
SELECT 'interrupted', name, NULL, 'not read to its end'
FROM source WHERE interrupted
UNION ALL
SELECT 'dropped packets', s.name || ' interface ' || i.interface_id, i.dropped,
	CASE WHEN i.received IS NOT NULL THEN printf('of %d received', i.received) END
FROM interface AS i JOIN source AS s ON s.source_id = i.source_id
WHERE i.dropped > 0
UNION ALL
SELECT 'dropped packets', s.name || ' interface ' || c.interface_id,
	sum(coalesce(c.dropped_kernel, 0) + coalesce(c.dropped_interface, 0) + coalesce(c.dropped_disk, 0)),
	CASE WHEN count(c.received) > 0 THEN printf('of %d received', sum(c.received)) END
FROM capture_stats AS c JOIN source AS s ON s.source_id = c.source_id
GROUP BY c.source_id, c.interface_id
HAVING sum(coalesce(c.dropped_kernel, 0) + coalesce(c.dropped_interface, 0) + coalesce(c.dropped_disk, 0)) > 0
UNION ALL
SELECT 'dropped records', s.name || coalesce(' interface ' || c.interface_id, ''),
	sum(c.records_dropped), 'rows that this database lacks'
FROM capture_stats AS c JOIN source AS s ON s.source_id = c.source_id
GROUP BY c.source_id, c.interface_id
HAVING sum(c.records_dropped) > 0
UNION ALL
SELECT 'packets outside flows: ' || bucket, s.name, sum(l.packets),
	printf('%d bytes', sum(l.wire_bytes))
FROM ledger AS l JOIN source AS s ON s.source_id = l.source_id
WHERE bucket IN ('malformed', 'fragment_incomplete', 'checksum_dropped', 'unsupported_linktype')
GROUP BY l.source_id, bucket
HAVING sum(l.packets) > 0
UNION ALL
SELECT * FROM (
	SELECT 'missed bytes', printf('flow %d %s:%d -> %s:%d', flow_id, src_ip, src_port, dst_ip, dst_port),
		coalesce(src_missed_bytes, 0) + coalesce(dst_missed_bytes, 0),
		printf('of %d payload bytes', src_payload_bytes + dst_payload_bytes)
	FROM flow
	WHERE src_missed_bytes > 0 OR dst_missed_bytes > 0
	ORDER BY 3 DESC, flow_id
	LIMIT coalesce(:limit, 20)
);
