-- Views over the session database. SQLite's built-in functions only, so that every
-- program that opens the file can show them.

-- Flows with text times and the time from first to last packet; all of table flow behind.
CREATE VIEW flow_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', f.first_ns / 1000000000 - (f.first_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (f.first_ns % 1000000000 + 1000000000) % 1000000000) AS first,
	strftime('%Y-%m-%dT%H:%M:%S', f.last_ns / 1000000000 - (f.last_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (f.last_ns % 1000000000 + 1000000000) % 1000000000) AS last,
	(f.last_ns - f.first_ns) / 1e9 AS duration_s,
	s.name AS source,
	f.src_packets + f.dst_packets AS packets,
	f.src_bytes + f.dst_bytes AS bytes,
	f.*
FROM flow AS f
LEFT JOIN source AS s ON s.source_id = f.source_id;

-- Anomalies with their flow.
CREATE VIEW anomaly_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', a.ts_ns / 1000000000 - (a.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (a.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	a.*,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id
FROM anomaly AS a
LEFT JOIN flow AS f ON f.flow_id = a.flow_id
LEFT JOIN source AS s ON s.source_id = a.source_id;

-- ARP messages with text times.
CREATE VIEW arp_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', a.ts_ns / 1000000000 - (a.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (a.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	a.*
FROM arp AS a
LEFT JOIN source AS s ON s.source_id = a.source_id;

-- QUIC connections with their flow: text times, and how long the hellos took.
CREATE VIEW quic_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', q.first_ns / 1000000000 - (q.first_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (q.first_ns % 1000000000 + 1000000000) % 1000000000) AS first,
	strftime('%Y-%m-%dT%H:%M:%S', q.ts_ns / 1000000000 - (q.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (q.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	CASE WHEN q.server_hellos > 0 THEN (q.ts_ns - q.first_ns) / 1e6 END AS hellos_ms,
	s.name AS source,
	f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id,
	q.*,
	f.src_packets + f.dst_packets AS packets,
	f.src_bytes + f.dst_bytes AS bytes
FROM quic AS q
LEFT JOIN flow AS f ON f.flow_id = q.flow_id
LEFT JOIN source AS s ON s.source_id = q.source_id;
-- DHCP messages with their flow.
CREATE VIEW dhcp_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', d.ts_ns / 1000000000 - (d.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (d.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	d.*,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id
FROM dhcp AS d
LEFT JOIN flow AS f ON f.flow_id = d.flow_id
LEFT JOIN source AS s ON s.source_id = d.source_id;

-- DHCP exchanges: the messages of one client under one transaction id, until it is silent
-- for more than 30 s (ids come again in long captures).
CREATE VIEW dhcp_exchange AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', min(ts_ns) / 1000000000 - (min(ts_ns) % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (min(ts_ns) % 1000000000 + 1000000000) % 1000000000) AS first,
	(max(ts_ns) - min(ts_ns)) / 1e9 AS duration_s,
	trans_id,
	client_mac,
	group_concat(coalesce(message_type, 'bootp ' || operation), ' ') AS messages,
	max(client_id) AS client_id,
	max(CASE operation WHEN 'request' THEN host_name END) AS host_name,
	max(CASE operation WHEN 'request' THEN fqdn END) AS fqdn,
	max(CASE operation WHEN 'request' THEN requested_ip END) AS requested_ip,
	max(CASE message_type WHEN 'ack' THEN coalesce(assigned_ip, client_ip) END) AS acked_ip,
	max(CASE WHEN message_type IN ('ack', 'nak', 'offer') THEN server_id END) AS server_id,
	max(CASE message_type WHEN 'ack' THEN lease_s END) AS lease_s,
	max(relay_ip) AS relay_ip,
	count(*) AS n_messages
FROM (
	SELECT *, sum(is_first) OVER (PARTITION BY trans_id, client_mac
		ORDER BY ts_ns, source_id, packet) AS nth
	FROM (
		SELECT *, ts_ns - lag(ts_ns, 1, ts_ns) OVER (PARTITION BY trans_id, client_mac
			ORDER BY ts_ns, source_id, packet) > 30000000000 AS is_first
		FROM dhcp
	)
	ORDER BY ts_ns, source_id, packet
)
GROUP BY trans_id, client_mac, nth;

-- ICMP messages with their flow.
CREATE VIEW icmp_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', i.ts_ns / 1000000000 - (i.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (i.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	i.*,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id
FROM icmp AS i
LEFT JOIN flow AS f ON f.flow_id = i.flow_id
LEFT JOIN source AS s ON s.source_id = i.source_id;

-- NTP messages with their flow.
CREATE VIEW ntp_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', n.ts_ns / 1000000000 - (n.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (n.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	n.*,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id
FROM ntp AS n
LEFT JOIN flow AS f ON f.flow_id = n.flow_id
LEFT JOIN source AS s ON s.source_id = n.source_id;

-- Addresses: what each sent and received, and in how many flows. A flow that goes on in the
-- next file of a rotated set counts there.
CREATE VIEW talker AS
SELECT
	ip,
	sum(is_src AND is_last) AS flows_as_src,
	sum(NOT is_src AND is_last) AS flows_as_dst,
	sum(packets_sent) AS packets_sent,
	sum(packets_received) AS packets_received,
	sum(bytes_sent) AS bytes_sent,
	sum(bytes_received) AS bytes_received,
	min(first_ns) AS first_ns,
	max(last_ns) AS last_ns
FROM (
	SELECT src_ip AS ip, 1 AS is_src, src_packets AS packets_sent,
		dst_packets AS packets_received, src_bytes AS bytes_sent,
		dst_bytes AS bytes_received, first_ns, last_ns,
		NOT (end_reason IS 'rotated' AND flow_id IN (
			SELECT continues FROM flow WHERE continues IS NOT NULL
		)) AS is_last
	FROM flow
	UNION ALL
	SELECT dst_ip, 0, dst_packets, src_packets, dst_bytes, src_bytes, first_ns, last_ns,
		NOT (end_reason IS 'rotated' AND flow_id IN (
			SELECT continues FROM flow WHERE continues IS NOT NULL
		))
	FROM flow
)
GROUP BY ip;

-- Pairs of initiator and responder.
CREATE VIEW conversation AS
SELECT
	src_ip,
	dst_ip,
	sum(NOT (end_reason IS 'rotated' AND flow_id IN ( -- a flow counts where it ends
		SELECT continues FROM flow WHERE continues IS NOT NULL
	))) AS flows,
	sum(src_packets) AS src_packets,
	sum(dst_packets) AS dst_packets,
	sum(src_bytes) AS src_bytes,
	sum(dst_bytes) AS dst_bytes,
	min(first_ns) AS first_ns,
	max(last_ns) AS last_ns
FROM flow NOT INDEXED -- a scan and a sort are faster than rows in index order
GROUP BY src_ip, dst_ip;

-- Responders' ports, with the service where it was recognised. Not for ICMP, whose
-- ports are types and codes.
CREATE VIEW service AS
SELECT
	proto,
	dst_port,
	service,
	sum(NOT (end_reason IS 'rotated' AND flow_id IN ( -- a flow counts where it ends
		SELECT continues FROM flow WHERE continues IS NOT NULL
	))) AS flows,
	count(DISTINCT src_ip) AS clients,
	count(DISTINCT dst_ip) AS servers,
	sum(src_bytes) AS src_bytes,
	sum(dst_bytes) AS dst_bytes,
	min(first_ns) AS first_ns,
	max(last_ns) AS last_ns
FROM flow
WHERE proto IN ('tcp', 'udp', 'sctp', 'dccp', 'udplite')
GROUP BY proto, dst_port, service;

-- Minutes: the flows that began in each, with all their packets and bytes; parts of a flow
-- in a rotated set have theirs in the minute in which they begin.
CREATE VIEW timeline AS
SELECT
	strftime('%Y-%m-%dT%H:%M:00Z', minute * 60, 'unixepoch') AS minute,
	flows, packets, bytes, failed
FROM (
	SELECT
		first_ns / 60000000000 - (first_ns % 60000000000 < 0) AS minute,
		sum(is_first) AS flows,
		sum(src_packets + dst_packets) AS packets,
		sum(src_bytes + dst_bytes) AS bytes,
		sum(is_first AND is_failed) AS failed
	FROM (
		SELECT first_ns, src_packets, dst_packets, src_bytes, dst_bytes,
			continues IS NULL OR NOT EXISTS (
				SELECT 1 FROM flow AS p WHERE p.flow_id = f.continues
			) AS is_first,
			conn_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
				AND NOT (end_reason IS 'rotated' AND flow_id IN ( -- answered in the next file
					SELECT continues FROM flow
					WHERE continues IS NOT NULL
						AND conn_state NOT IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
				)) AS is_failed
		FROM flow AS f
	)
	GROUP BY 1
	HAVING flows > 0 OR packets > 0
);

-- Does the ledger add up? A row for each sum that must equal another; ok is 1 or 0. Flows
-- belong to the source of their first packet, so their records are compared in all.
CREATE VIEW ledger_check AS
SELECT s.source_id, s.name, 'packets' AS what, s.packets AS expected,
	coalesce(sum(l.packets), 0) AS found, s.packets = coalesce(sum(l.packets), 0) AS ok
FROM source AS s LEFT JOIN ledger AS l ON l.source_id = s.source_id
GROUP BY s.source_id
UNION ALL
SELECT s.source_id, s.name, 'wire_bytes', s.wire_bytes, coalesce(sum(l.wire_bytes), 0),
	s.wire_bytes = coalesce(sum(l.wire_bytes), 0)
FROM source AS s LEFT JOIN ledger AS l ON l.source_id = s.source_id
GROUP BY s.source_id
UNION ALL
SELECT NULL, NULL, 'flow records', l.n, f.n, l.n = f.n
FROM (SELECT coalesce(sum(packets), 0) AS n FROM ledger WHERE bucket = 'flow') AS l,
	(SELECT coalesce(sum(records), 0) AS n FROM flow) AS f
UNION ALL
SELECT NULL, NULL, 'flow wire_bytes', l.n, f.n, l.n = f.n
FROM (SELECT coalesce(sum(wire_bytes), 0) AS n FROM ledger WHERE bucket = 'flow') AS l,
	(SELECT coalesce(sum(wire_bytes), 0) AS n FROM flow) AS f;

-- HTTP transactions with text times and their flow; wait_s from the request's first byte
-- to that of the final response. A NULL time stays NULL.
CREATE VIEW http_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', h.ts_ns / 1000000000 - (h.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (h.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	strftime('%Y-%m-%dT%H:%M:%S', h.request_ns / 1000000000 - (h.request_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (h.request_ns % 1000000000 + 1000000000) % 1000000000) AS request,
	strftime('%Y-%m-%dT%H:%M:%S', h.response_ns / 1000000000 - (h.response_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (h.response_ns % 1000000000 + 1000000000) % 1000000000) AS response,
	(h.response_ns - h.request_ns) / 1e9 AS wait_s,
	s.name AS source,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.vlan, f.tunnel, f.community_id,
	h.*
FROM http AS h
LEFT JOIN flow AS f ON f.flow_id = h.flow_id
LEFT JOIN source AS s ON s.source_id = h.source_id;
-- DNS, mDNS, LLMNR and NetBIOS messages: text times, who asked whom, milliseconds to the
-- response, and the answers as one line.
CREATE VIEW dns_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', d.ts_ns / 1000000000 - (d.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (d.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	f.service, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id,
	d.rtt_ns / 1e6 AS rtt_ms,
	(SELECT group_concat(json_extract(a.value, '$.data'), ', ') FROM json_each(d.answers) AS a
		WHERE json_extract(a.value, '$.section') = 'answer') AS answer,
	d.*
FROM dns AS d
LEFT JOIN flow AS f ON f.flow_id = d.flow_id
LEFT JOIN source AS s ON s.source_id = d.source_id;
-- TLS, DTLS and QUIC handshakes with their flow, and whom the server's certificate names.
CREATE VIEW tls_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', t.ts_ns / 1000000000 - (t.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (t.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	t.*,
	(t.ts_ns - t.first_ns) / 1e9 AS handshake_s,
	c.subject, c.issuer,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.service, f.community_id
FROM tls AS t
LEFT JOIN flow AS f ON f.flow_id = t.flow_id
LEFT JOIN source AS s ON s.source_id = t.source_id
LEFT JOIN certificate AS c ON c.sha256 = json_extract(t.certificates, '$[0]');

-- Certificates with text times and the flow that showed each first.
CREATE VIEW certificate_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', c.ts_ns / 1000000000 - (c.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (c.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	strftime('%Y-%m-%dT%H:%M:%SZ', c.not_before_ns / 1000000000 - (c.not_before_ns % 1000000000 < 0), 'unixepoch') AS not_before,
	strftime('%Y-%m-%dT%H:%M:%SZ', c.not_after_ns / 1000000000 - (c.not_after_ns % 1000000000 < 0), 'unixepoch') AS not_after,
	s.name AS source,
	c.*,
	f.proto, f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id
FROM certificate AS c
LEFT JOIN flow AS f ON f.flow_id = c.first_flow_id
LEFT JOIN source AS s ON s.source_id = c.source_id;

-- SSH connections with their flow; client and server as the host key tells them,
-- else port 22.
CREATE VIEW ssh_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', h.ts_ns / 1000000000 - (h.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (h.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	strftime('%Y-%m-%dT%H:%M:%S', h.begin_ns / 1000000000 - (h.begin_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (h.begin_ns % 1000000000 + 1000000000) % 1000000000) AS begin,
	CASE WHEN coalesce(h.reversed, f.src_port = 22 AND f.dst_port <> 22)
		THEN f.dst_ip ELSE f.src_ip END AS client_ip,
	CASE WHEN coalesce(h.reversed, f.src_port = 22 AND f.dst_port <> 22)
		THEN f.dst_port ELSE f.src_port END AS client_port,
	CASE WHEN coalesce(h.reversed, f.src_port = 22 AND f.dst_port <> 22)
		THEN f.src_ip ELSE f.dst_ip END AS server_ip,
	CASE WHEN coalesce(h.reversed, f.src_port = 22 AND f.dst_port <> 22)
		THEN f.src_port ELSE f.dst_port END AS server_port,
	s.name AS source,
	f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id,
	h.*
FROM ssh AS h
LEFT JOIN flow AS f ON f.flow_id = h.flow_id
LEFT JOIN source AS s ON s.source_id = h.source_id;

-- Mails with their flow; recipients as text.
CREATE VIEW smtp_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', m.ts_ns / 1000000000 - (m.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (m.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	strftime('%Y-%m-%dT%H:%M:%S', m.begin_ns / 1000000000 - (m.begin_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (m.begin_ns % 1000000000 + 1000000000) % 1000000000) AS begin,
	(SELECT group_concat(value, ', ') FROM json_each(m.rcpt_to)) AS recipients,
	s.name AS source,
	f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id,
	m.*
FROM smtp AS m
LEFT JOIN flow AS f ON f.flow_id = m.flow_id
LEFT JOIN source AS s ON s.source_id = m.source_id;

-- FTP commands with their flow, and how long the reply took.
CREATE VIEW ftp_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', t.ts_ns / 1000000000 - (t.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (t.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	(t.ts_ns - t.command_ns) / 1e6 AS reply_ms,
	s.name AS source,
	f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id,
	t.*
FROM ftp AS t
LEFT JOIN flow AS f ON f.flow_id = t.flow_id
LEFT JOIN source AS s ON s.source_id = t.source_id;

-- Logins with their flow.
CREATE VIEW credential_v AS
SELECT
	strftime('%Y-%m-%dT%H:%M:%S', c.ts_ns / 1000000000 - (c.ts_ns % 1000000000 < 0), 'unixepoch')
		|| printf('.%09dZ', (c.ts_ns % 1000000000 + 1000000000) % 1000000000) AS ts,
	s.name AS source,
	f.src_ip, f.src_port, f.dst_ip, f.dst_port, f.community_id,
	c.*
FROM credential AS c
LEFT JOIN flow AS f ON f.flow_id = c.flow_id
LEFT JOIN source AS s ON s.source_id = c.source_id;
