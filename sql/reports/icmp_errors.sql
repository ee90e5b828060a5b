-- errors that ICMP told of, by who said it and what it was about (limit)
SELECT
	i.meaning,
	CASE i.side WHEN 'src' THEN f.src_ip ELSE f.dst_ip END AS sender,
	i.quoted_proto AS proto,
	i.quoted_src_ip AS src_ip,
	i.quoted_dst_ip AS dst_ip,
	i.quoted_dst_port AS dst_port,
	count(*) AS messages,
	count(DISTINCT i.quoted_flow_id) AS flows,
	min(i.mtu) AS mtu
FROM icmp AS i
JOIN flow AS f ON f.flow_id = i.flow_id
WHERE i.quoted_src_ip IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY messages DESC, 1, 2, 3, 4, 5, 6
LIMIT coalesce(:limit, 50);
