-- servers and protocols of QUIC: how many connections, answered or not, with bytes (limit)
SELECT coalesce(server_name, dst_ip) AS server, version, json_extract(client_alpn, '$[0]') AS protocol,
	count(*) AS connections, count(DISTINCT src_ip) AS clients,
	sum(server_hellos > 0) AS answered, sum(retry) AS retries,
	sum(version_negotiation) AS renegotiated, sum(close_code IS NOT NULL) AS closed,
	sum(NOT complete) AS incomplete, sum(bytes) AS bytes
FROM quic_v
GROUP BY 1, 2, 3
ORDER BY connections DESC, bytes DESC, server, version, protocol
LIMIT coalesce(:limit, 20);
