-- what was recorded about one flow besides its row: anomalies, inner flows, packets (flow)
SELECT 'anomaly' AS what, packet, kind AS subject, detail
FROM anomaly WHERE flow_id = :flow
UNION ALL
SELECT 'inner flow', NULL, flow_id, printf('%s %s -> %s', proto, src_ip, dst_ip)
FROM flow WHERE parent_flow_id = :flow
UNION ALL
SELECT 'packets', NULL, printf('chunk %d', seq), printf('%d bytes of record numbers', length(blob))
FROM flow_packets WHERE flow_id = :flow;
