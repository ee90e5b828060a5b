-- hosts that HTTP requests asked for (limit)
SELECT coalesce(h.host, f.dst_ip) AS host, count(*) AS requests,
	count(DISTINCT f.src_ip) AS clients, count(DISTINCT f.dst_ip) AS servers,
	coalesce(sum(h.status >= 400), 0) AS errors, sum(h.request_body_bytes) AS request_bytes,
	sum(h.response_body_bytes) AS response_bytes
FROM http AS h JOIN flow AS f ON f.flow_id = h.flow_id
WHERE h.method IS NOT NULL AND f.proto = 'tcp'
GROUP BY 1
ORDER BY requests DESC, host
LIMIT coalesce(:limit, 50);
