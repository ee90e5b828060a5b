-- pairs of initiator and responder by bytes (limit)
SELECT src_ip, dst_ip, flows, src_packets, dst_packets, src_bytes, dst_bytes,
	round((last_ns - first_ns) / 1e9, 3) AS span_s
FROM conversation
ORDER BY coalesce(src_bytes, 0) + coalesce(dst_bytes, 0) DESC, src_ip, dst_ip
LIMIT coalesce(:limit, 20);
