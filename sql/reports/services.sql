-- what was spoken, whatever the port: flows, peers and bytes of each service (limit)
SELECT
	service,
	proto,
	sum(NOT (end_reason IS 'rotated' AND flow_id IN ( -- a flow counts where it ends
		SELECT continues FROM flow WHERE continues IS NOT NULL
	))) AS flows,
	count(DISTINCT src_ip) AS clients,
	count(DISTINCT dst_ip) AS servers,
	count(DISTINCT dst_port) AS ports,
	CASE count(DISTINCT dst_port) WHEN 1 THEN min(dst_port) END AS port,
	sum(src_bytes) AS src_bytes,
	sum(dst_bytes) AS dst_bytes
FROM flow NOT INDEXED
WHERE service IS NOT NULL
GROUP BY service, proto
ORDER BY flows DESC, service, proto
LIMIT coalesce(:limit, 50);
