-- logins in the clear: where, who, how, accepted or not (limit)
SELECT v.service, v.dst_ip, v.dst_port, v.user, v.mechanism, count(*) AS tries,
	sum(coalesce(v.success, 0)) AS accepted, coalesce(sum(v.success = 0), 0) AS refused,
	count(DISTINCT v.src_ip) AS clients, min(v.ts) AS first, min(v.flow_id) AS first_flow_id
FROM credential_v AS v
GROUP BY v.service, v.dst_ip, v.dst_port, v.user, v.mechanism
ORDER BY tries DESC, v.service, v.dst_ip, v.dst_port, v.user, v.mechanism
LIMIT coalesce(:limit, 50);
