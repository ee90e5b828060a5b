-- mail servers: mails accepted, refused, connections that turned to TLS (limit)
SELECT f.dst_ip, f.dst_port, count(DISTINCT m.flow_id) AS connections,
	count(m.mail_from) AS mails, sum(coalesce(m.status, '') = 'accepted') AS accepted,
	sum(coalesce(m.status, '') IN ('rejected', 'deferred')) AS refused,
	sum(m.starttls) AS starttls, count(DISTINCT f.src_ip) AS clients
FROM smtp AS m
LEFT JOIN flow AS f ON f.flow_id = m.flow_id
GROUP BY f.dst_ip, f.dst_port
ORDER BY mails DESC, connections DESC, f.dst_ip, f.dst_port
LIMIT coalesce(:limit, 20);
