-- servers that agreed to SSL, TLS 1.0 or 1.1, DTLS 1.0, or to a cipher that is broken (limit)
SELECT f.dst_ip, f.dst_port, t.server_name, t.version, t.cipher, count(*) AS connections,
	count(DISTINCT f.src_ip) AS clients, min(t.flow_id) AS first_flow_id
FROM tls AS t
LEFT JOIN flow AS f ON f.flow_id = t.flow_id
WHERE t.version IN ('SSLv2', 'SSLv3', 'TLSv1.0', 'TLSv1.1', 'DTLSv0.9', 'DTLSv1.0')
	OR t.cipher GLOB '*_WITH_NULL_*' OR t.cipher GLOB '*_RC4_*' OR t.cipher GLOB '*_RC2_*'
	OR t.cipher GLOB '*_DES*_CBC_*' OR t.cipher GLOB '*_3DES_*' OR t.cipher GLOB '*_EXPORT*'
	OR t.cipher GLOB '*_anon_*' OR t.cipher GLOB '*_IDEA_*'
GROUP BY f.dst_ip, f.dst_port, t.server_name, t.version, t.cipher
ORDER BY connections DESC, f.dst_ip, f.dst_port, t.server_name, t.version, t.cipher
LIMIT coalesce(:limit, 50);
