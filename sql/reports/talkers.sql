-- addresses by the bytes they sent and received (limit)
SELECT ip, flows_as_src, flows_as_dst, packets_sent, packets_received, bytes_sent,
	bytes_received
FROM talker
ORDER BY coalesce(bytes_sent, 0) + coalesce(bytes_received, 0) DESC, ip
LIMIT coalesce(:limit, 20);
