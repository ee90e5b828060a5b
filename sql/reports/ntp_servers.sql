-- time servers that answered, and how far their clocks are from the packets' times (limit)
SELECT
	f.dst_ip AS server,
	count(*) AS answers,
	count(DISTINCT f.src_ip) AS clients,
	min(n.stratum) AS stratum,
	max(n.ref_id) AS ref_id,
	coalesce(sum(n.stratum = 0), 0) AS kisses,
	round(min(n.transmit_ns - n.ts_ns) / 1e9, 6) AS least_offset_s,
	round(max(n.transmit_ns - n.ts_ns) / 1e9, 6) AS most_offset_s
FROM ntp AS n
JOIN flow AS f ON f.flow_id = n.flow_id
WHERE n.mode = 4
GROUP BY f.dst_ip
ORDER BY answers DESC, server
LIMIT coalesce(:limit, 50);
