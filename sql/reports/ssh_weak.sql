-- SSH connections that agreed to version 1, or to what RFC 9142 and RFC 8758 advise against (limit)
SELECT v.server_ip, v.server_port, v.server_version, v.client_version, v.version, v.kex,
	v.host_key_algorithm, v.cipher, v.mac, count(*) AS connections,
	min(v.flow_id) AS first_flow_id
FROM ssh_v AS v
WHERE v.version = 1
	OR v.kex IN ('diffie-hellman-group1-sha1', 'diffie-hellman-group14-sha1',
		'diffie-hellman-group-exchange-sha1', 'rsa1024-sha1')
	OR v.kex GLOB 'gss-*-sha1-*'
	OR v.host_key_algorithm IN ('ssh-rsa', 'ssh-dss')
	OR v.cipher GLOB '*-cbc' OR v.cipher GLOB 'arcfour*' OR v.cipher IN ('none', '3des-ctr')
	OR v.cipher_to_client GLOB '*-cbc' OR v.cipher_to_client GLOB 'arcfour*'
	OR v.cipher_to_client IN ('none', '3des-ctr')
	OR v.mac GLOB 'hmac-md5*' OR v.mac GLOB 'hmac-sha1*' OR v.mac = 'none'
	OR v.mac_to_client GLOB 'hmac-md5*' OR v.mac_to_client GLOB 'hmac-sha1*'
	OR v.mac_to_client = 'none'
GROUP BY v.server_ip, v.server_port, v.server_version, v.client_version, v.version, v.kex,
	v.host_key_algorithm, v.cipher, v.mac
ORDER BY connections DESC, v.server_ip, v.server_port, v.client_version, v.kex, v.cipher, v.mac
LIMIT coalesce(:limit, 50);
