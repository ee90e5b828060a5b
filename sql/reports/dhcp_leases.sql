-- addresses that DHCP servers gave, the last acknowledgement of each client and address (limit)
SELECT
	strftime('%Y-%m-%dT%H:%M:%SZ', max(a.ts_ns) / 1000000000, 'unixepoch') AS last,
	a.client_mac,
	coalesce(a.assigned_ip, a.client_ip) AS ip,
	n.name,
	v.vendor_class,
	a.server_id,
	a.lease_s,
	count(*) AS acks
FROM dhcp AS a
LEFT JOIN (
	SELECT client_mac, max(ts_ns), coalesce(fqdn, host_name) AS name
	FROM dhcp
	WHERE operation = 'request' AND coalesce(fqdn, host_name) IS NOT NULL
	GROUP BY client_mac
) AS n ON n.client_mac = a.client_mac
LEFT JOIN (
	SELECT client_mac, max(ts_ns), vendor_class
	FROM dhcp
	WHERE operation = 'request' AND vendor_class IS NOT NULL
	GROUP BY client_mac
) AS v ON v.client_mac = a.client_mac
WHERE a.message_type = 'ack'
	AND (a.assigned_ip IS NOT NULL OR a.lease_s IS NOT NULL) -- else an answer to INFORM
GROUP BY a.client_mac, coalesce(a.assigned_ip, a.client_ip)
ORDER BY max(a.ts_ns) DESC, a.client_mac, ip
LIMIT coalesce(:limit, 100);
