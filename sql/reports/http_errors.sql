-- HTTP requests that failed: status 400 and above, or no answer at all (limit)
SELECT h.status, h.reason, h.method, h.host, h.uri, count(*) AS times,
	count(DISTINCT f.src_ip) AS clients,
	strftime('%Y-%m-%dT%H:%M:%SZ', min(h.ts_ns) / 1000000000, 'unixepoch') AS first,
	h.source_id AS first_source_id, h.packet AS first_packet -- of the row with the least time
FROM http AS h JOIN flow AS f ON f.flow_id = h.flow_id
WHERE f.proto = 'tcp' AND (h.status >= 400 OR (h.method IS NOT NULL AND h.response_body_bytes IS NULL))
GROUP BY h.status, h.reason, h.method, h.host, h.uri
ORDER BY times DESC, h.status, h.host, h.uri, h.method
LIMIT coalesce(:limit, 50);
