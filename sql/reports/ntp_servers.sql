-- time servers that answered, and how far their clocks are from the packets' times (limit)
SELECT
	CASE WHEN src_is_server THEN src_ip ELSE dst_ip END AS server,
	count(*) AS answers,
	count(DISTINCT CASE WHEN src_is_server THEN dst_ip ELSE src_ip END) AS clients,
	min(stratum) AS stratum,
	max(ref_id) AS ref_id,
	coalesce(sum(stratum = 0), 0) AS kisses,
	round(min(offset_ns) / 1e9, 6) AS least_offset_s,
	round(max(offset_ns) / 1e9, 6) AS most_offset_s
FROM (
	-- who sends an answer that is the flow's first packet, or where only one side speaks
	SELECT f.src_ip, f.dst_ip, n.stratum, n.ref_id, n.transmit_ns - n.ts_ns AS offset_ns,
		f.dst_packets = 0 OR (f.continues IS NULL AND NOT coalesce(f.flipped, 0)
			AND a.mode = 4 AND a.first_ns = f.first_ns) AS src_is_server
	FROM ntp AS n
	JOIN flow AS f ON f.flow_id = n.flow_id
	JOIN (SELECT flow_id, mode, min(ts_ns) AS first_ns FROM ntp GROUP BY flow_id) AS a
		ON a.flow_id = n.flow_id
	WHERE n.mode = 4
)
GROUP BY server
ORDER BY answers DESC, server
LIMIT coalesce(:limit, 50);
