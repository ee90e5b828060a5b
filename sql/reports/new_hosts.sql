-- addresses in the order in which they first appear, last ones first (limit)
SELECT
	strftime('%Y-%m-%dT%H:%M:%SZ', first_ns / 1000000000 - (first_ns % 1000000000 < 0), 'unixepoch')
		AS first,
	ip, flows_as_src, flows_as_dst, bytes_sent, bytes_received
FROM talker
ORDER BY first_ns DESC, ip
LIMIT coalesce(:limit, 20);
