-- FTP transfers: command, path, reply, the data connection and its bytes (limit)
SELECT v.ts, v.src_ip, v.dst_ip, v.user, v.command, v.argument, v.reply_code,
	CASE v.passive WHEN 1 THEN 'passive' WHEN 0 THEN 'active' END AS mode, v.data_ip,
	v.data_port, d.src_payload_bytes + d.dst_payload_bytes AS bytes, v.data_flow_id, v.flow_id
FROM ftp_v AS v
LEFT JOIN flow AS d ON d.flow_id = v.data_flow_id
WHERE v.command IN ('RETR', 'STOR', 'STOU', 'APPE')
ORDER BY v.ts_ns, v.flow_id, v.packet
LIMIT coalesce(:limit, 100);
