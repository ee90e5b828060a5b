-- The session database of nrtool. Generated from the record tables: do not edit.
PRAGMA application_id = 1852994671; -- nrto
PRAGMA user_version = 4;

CREATE TABLE run ( -- runs of nrtool that wrote into this database
	run_id INTEGER PRIMARY KEY, -- number of the run in this database, from 1
	tool_version TEXT NOT NULL, -- version of nrtool that wrote the rows
	schema_version INTEGER NOT NULL, -- the schema's version, as PRAGMA user_version at the time of the run
	argv TEXT, -- the command line, arguments quoted as for a shell
	cwd TEXT, -- directory the run was started in
	host TEXT, -- name of the host it ran on
	started_ns INTEGER, -- wall-clock time at the start of the run [ns]
	finished_ns INTEGER, -- wall-clock time at its end [ns]
	threads INTEGER, -- threads of the engine; records do not depend on it [threads]
	libraries TEXT, -- object of library names and versions in use
	sandbox TEXT, -- what confined the run: no_new_privs, seccomp, landlock, or none
	clock_state TEXT, -- capture only: whether the host's clock was synchronised, and by how much it could be off
	exit_status INTEGER, -- exit status as far as known when the row was written
	peak_memory INTEGER, -- largest resident size of the process [bytes]
	chain_heads TEXT -- list of the hash chain heads of archives written by the run
) STRICT;

CREATE TABLE source ( -- capture files and streams that were read
	source_id INTEGER PRIMARY KEY, -- number of the source, in the order of the inputs
	run_id INTEGER NOT NULL REFERENCES run(run_id), -- the run that read or wrote it
	name TEXT NOT NULL, -- base name of the file, stdin for standard input
	format TEXT, -- file format: pcap, pcapng, snoop
	compression TEXT, -- gzip, zstd, xz or lz4; NULL for none
	bytes INTEGER, -- size as stored (compressed, if it is) [bytes]
	sha256 TEXT, -- SHA-256 of the file as stored, 64 lower-case hexadecimal digits
	hash_note TEXT, -- why sha256 is NULL
	packets INTEGER, -- packets read; equals the sum of the source's ledger [packets]
	wire_bytes INTEGER, -- sum of the packets' lengths on the wire [bytes]
	captured_bytes INTEGER, -- sum of the packets' lengths in the file [bytes]
	first_ns INTEGER, -- lowest packet time [ns]
	last_ns INTEGER, -- highest packet time [ns]
	link_types TEXT, -- list of the link types of its interfaces
	snap_len INTEGER, -- largest snap length of its interfaces; NULL for no limit [bytes]
	damage TEXT, -- what is damaged and where; NULL for a whole file
	interrupted INTEGER NOT NULL, -- 1 if reading was stopped before the end
	record_options TEXT, -- object of the options that change records: filter, checksums, caps, overlap, timeouts
	time_backwards INTEGER, -- packets older than the clock, processed at the clock [packets]
	time_jumps INTEGER, -- jumps of packet time by more than --max-jump that were believed
	times_clamped INTEGER -- packets whose time does not fit 64 bits of nanoseconds and was clamped [packets]
) STRICT;

CREATE TABLE ledger ( -- where every packet of a source went, counted once
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- the source
	bucket TEXT NOT NULL, -- what became of these packets; each packet of a source is in exactly one bucket: flow arp other_l2 unsupported_linktype malformed fragment_incomplete checksum_dropped filtered duplicate out_of_range
	detail TEXT, -- ethertype, link type or kind of damage, where the bucket has one
	packets INTEGER NOT NULL, -- how many packets [packets]
	wire_bytes INTEGER NOT NULL -- their lengths on the wire [bytes]
) STRICT;

CREATE TABLE source_block ( -- where to find packets in a source
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- the source
	record INTEGER NOT NULL, -- number of a packet in its source, from 1
	offset INTEGER NOT NULL, -- where its record begins in the uncompressed content; one row per 256 KiB [bytes]
	ts_ns INTEGER -- the packet's time [ns]
) STRICT;

CREATE TABLE interface ( -- interfaces that the sources describe
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- the source
	interface_id INTEGER NOT NULL, -- number of the interface in its source, from 0, running on through all sections
	section INTEGER, -- section of the pcapng file, from 0
	name TEXT, -- name of the interface
	description TEXT, -- description of the interface
	link_type TEXT, -- LINKTYPE_ name in upper case without the prefix, or its number
	snap_len INTEGER, -- snap length; NULL for no limit [bytes]
	tsresol INTEGER, -- units of time stamps per second; NULL where the number does not fit [1/s]
	tsoffset INTEGER, -- seconds added to the time stamps [s]
	filter TEXT, -- capture filter
	os TEXT, -- operating system of the capturing host
	hardware TEXT, -- hardware of the interface
	received INTEGER, -- packets received, as the file's last statistics say [packets]
	dropped INTEGER, -- packets dropped, as the file's last statistics say [packets]
	inbound INTEGER, -- packets that came in, where the source says so of any [packets]
	outbound INTEGER, -- packets that went out, where the source says so of any [packets]
	PRIMARY KEY (source_id, interface_id)
) STRICT;

CREATE TABLE comment ( -- comments in the sources
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- the source
	packet INTEGER, -- packet it belongs to; NULL for one of the file or a section
	text TEXT NOT NULL -- the comment
) STRICT;

CREATE TABLE name ( -- names of addresses that the sources hold
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- the source
	address TEXT NOT NULL, -- IP address
	name TEXT NOT NULL, -- name that the file gives it
	origin TEXT NOT NULL -- where the name comes from: nrb is a pcapng name resolution block: nrb
) STRICT;

CREATE TABLE flow ( -- flows: the packets of one key until it ends
	flow_id INTEGER PRIMARY KEY, -- ordinal of the flow's first packet in the merged input times 16, plus the nesting in tunnels; of one that continues another file's, a number behind that file's last packet
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- source of the first packet
	interface_id INTEGER, -- interface of the first packet in that source
	parent_flow_id INTEGER REFERENCES flow(flow_id), -- the flow that carries this one in a UDP tunnel
	community_id TEXT, -- Community ID, version 1, seed 0
	proto TEXT NOT NULL, -- tcp, udp, icmp, icmpv6, sctp, else IANA's keyword in lower case, else the number
	src_ip TEXT NOT NULL, -- address of the initiator
	src_port INTEGER, -- port of the initiator; for ICMP the type
	dst_ip TEXT NOT NULL, -- address of the responder
	dst_port INTEGER, -- port of the responder; for ICMP the type of the answer, or the code where there is none
	vlan TEXT, -- VLAN ids, outer first, as 10,20
	tunnel TEXT, -- encapsulations around the flow, innermost last, as gre/vxlan:42
	first_ns INTEGER NOT NULL, -- time of the first packet [ns]
	last_ns INTEGER, -- time of the last packet [ns]
	duration_ns INTEGER, -- from the first packet to the last one before both sides had closed, as Zeek counts it [ns]
	src_packets INTEGER, -- IP packets from src; a reassembled datagram is one [packets]
	dst_packets INTEGER, -- IP packets from dst [packets]
	src_bytes INTEGER, -- IP total lengths of the packets from src [bytes]
	dst_bytes INTEGER, -- IP total lengths of the packets from dst [bytes]
	records INTEGER, -- captured frames whose innermost flow this is, each fragment one; adds up to the ledger [packets]
	wire_bytes INTEGER, -- lengths of those frames on the wire; adds up to the ledger [bytes]
	src_payload_bytes INTEGER, -- payload from src; TCP by sequence numbers, gaps included, retransmissions not [bytes]
	dst_payload_bytes INTEGER, -- payload from dst, in the same way [bytes]
	src_missed_bytes INTEGER, -- TCP content from src never seen in any segment by the flow's end [bytes]
	dst_missed_bytes INTEGER, -- TCP content from dst never seen [bytes]
	service TEXT, -- application protocol, or the tunnel that the flow carries
	conn_state TEXT, -- summary of the connection as Zeek defines it: S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH
	history TEXT, -- events as Zeek defines them: upper case from src, lower case from dst
	end_reason TEXT, -- why the flow ended; NULL while it is open: fin rst idle evicted end_of_input replaced rotated
	parser TEXT, -- the session parser that read the flow
	parser_close TEXT, -- why that parser stopped: done error gap overflow not_mine flow_end
	flipped INTEGER, -- 1 if the sides were exchanged: the first packet seen came from the responder
	src_mac TEXT, -- link-layer address of src in its first packet
	dst_mac TEXT, -- link-layer address of dst in the first packet
	src_ttl INTEGER, -- TTL or hop limit of the first packet from src
	dst_ttl INTEGER, -- TTL or hop limit of the first packet from dst
	src_tos INTEGER, -- TOS or traffic class of the first packet from src
	dst_tos INTEGER, -- TOS or traffic class of the first packet from dst
	tcp_flags_src INTEGER, -- TCP flags seen from src, or-ed: FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128
	tcp_flags_dst INTEGER, -- TCP flags seen from dst
	src_retransmits INTEGER, -- TCP segments from src that repeat bytes seen before [packets]
	dst_retransmits INTEGER, -- TCP segments from dst that repeat bytes seen before [packets]
	src_out_of_order INTEGER, -- TCP segments from src that fill a hole [packets]
	dst_out_of_order INTEGER, -- TCP segments from dst that fill a hole [packets]
	src_zero_windows INTEGER, -- segments from src that advertise a closed receive window [packets]
	dst_zero_windows INTEGER, -- segments from dst that advertise a closed receive window [packets]
	syn_options TEXT, -- object of src and dst, the TCP options in the SYN of each: mss, wscale, and order, a letter for each option (M mss, W window scale, S SACK permitted, T timestamps, F fast open, N no-op, ? other, + and more)
	handshake_rtt_ns INTEGER, -- from the SYN to the ACK that completes the handshake [ns]
	overlap_unverified INTEGER, -- parsed TCP streams: segments that overlap bytes which were delivered and could not be compared; NULL for none [segments]
	bad_checksums INTEGER, -- packets whose IP or transport checksum is wrong [packets]
	continues INTEGER -- flow_id of the same flow in the previous file of a rotated set; what is counted is that of this part, what tells of the connection (state, history, service) that of the whole
) STRICT;

CREATE TABLE flow_packets ( -- the packets of each flow
	flow_id INTEGER NOT NULL REFERENCES flow(flow_id), -- the flow
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- source of the packets in this chunk
	seq INTEGER NOT NULL, -- number of the chunk in its flow, from 0
	blob BLOB NOT NULL -- record numbers as LEB128 varints, at most 4096 bytes: the first as it is, for each other the difference d to the one before, as 2d, or -2d - 1 if negative
) STRICT;

CREATE TABLE tunnel ( -- tunnels without ports; those in UDP are flows
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- source of the first packet
	kind TEXT NOT NULL, -- gre, nvgre, pptp, erspan, ipip, 6in4, 4in6, 6in6
	src_ip TEXT NOT NULL, -- outer source address
	dst_ip TEXT NOT NULL, -- outer destination address
	id INTEGER, -- key, VSID, call or session id
	first_ns INTEGER, -- time of the first packet [ns]
	last_ns INTEGER, -- time of the last packet [ns]
	packets INTEGER, -- frames that the tunnel carried [packets]
	wire_bytes INTEGER -- their lengths on the wire [bytes]
) STRICT;

CREATE TABLE anomaly ( -- what is odd in the traffic or the capture
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	kind TEXT NOT NULL, -- what is odd; see ANOMALIES
	severity TEXT NOT NULL, -- how much it matters: info warning error
	side TEXT, -- which side of the flow it concerns: src dst
	detail TEXT -- object of what the kind says more
) STRICT;

CREATE TABLE arp ( -- ARP messages
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	operation TEXT NOT NULL, -- request, reply, else the number
	sender_mac TEXT, -- hardware address of the sender
	sender_ip TEXT, -- IP address of the sender
	target_mac TEXT, -- hardware address of the target, 00:00:00:00:00:00 in requests
	target_ip TEXT, -- IP address of the target
	gratuitous INTEGER, -- 1 if sender and target address are equal
	conflict INTEGER -- 1 if the sender's IP address was seen with another MAC before
) STRICT;

CREATE TABLE capture_stats ( -- what the capture received and lost
	source_id INTEGER NOT NULL REFERENCES source(source_id), -- the source
	interface_id INTEGER, -- the interface
	from_ns INTEGER, -- begin of the interval [ns]
	to_ns INTEGER, -- its end [ns]
	received INTEGER, -- packets received in the interval [packets]
	dropped_kernel INTEGER, -- packets the kernel dropped: the ring was full [packets]
	dropped_interface INTEGER, -- packets the interface dropped [packets]
	dropped_disk INTEGER, -- packets that could not be written [packets]
	records_dropped INTEGER, -- records dropped because a sink was too slow [records]
	ring_freezes INTEGER, -- times the ring stopped for want of room
	detail TEXT -- object of further counters of the back end, of the interval
) STRICT;

CREATE TABLE certificate ( -- certificates, each once, where it was first seen
	sha256 TEXT NOT NULL, -- SHA-256 of the certificate as sent (DER), 64 lower-case hexadecimal digits
	first_flow_id INTEGER REFERENCES flow(flow_id), -- the flow that showed it first
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed it there
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	subject TEXT, -- distinguished name of the subject as text (RFC 4514)
	issuer TEXT, -- distinguished name of the issuer
	serial TEXT, -- serial number, upper-case hexadecimal digits
	version INTEGER, -- version of X.509: 1, 2, 3
	not_before_ns INTEGER, -- begin of validity; clamped to what 64 bits hold [ns]
	not_after_ns INTEGER, -- end of validity; clamped [ns]
	san TEXT, -- object of the subject's alternative names: lists dns, ip, email, uri
	key_type TEXT, -- rsa, ec, dsa, ed25519, …, else the algorithm's name or object identifier
	key_bits INTEGER, -- size of the public key [bits]
	key_curve TEXT, -- named curve of an ec key
	signature TEXT, -- signature algorithm: sha256WithRSAEncryption, …, else its object identifier
	self_signed INTEGER, -- 1 if issuer and subject, and the keys as far as they are named, are the same; the signature is not verified
	is_ca INTEGER, -- 1 if its basic constraints make it a certificate authority
	PRIMARY KEY (sha256)
) STRICT;

CREATE TABLE credential ( -- user names and secrets that crossed the wire in the clear
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	service TEXT NOT NULL, -- protocol that carried it: ftp, http, smtp, …
	user TEXT, -- name of the user
	secret TEXT, -- password or token, an asterisk for each byte unless --store-secrets
	secret_hash TEXT, -- HMAC-SHA-256 of the secret with the key of --secret-key; NULL without one
	mechanism TEXT, -- how it was sent: plain, login, basic, cram-md5, …
	success INTEGER -- whether the server accepted it; NULL where that was not seen
) STRICT;

CREATE TABLE tls ( -- TLS, DTLS and QUIC handshakes, one row a connection
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	transport TEXT NOT NULL, -- what carried the handshake; udp is DTLS: tcp udp quic
	first_ns INTEGER, -- time of the first hello [ns]
	version TEXT, -- version the server chose: TLSv1.3, TLSv1.2, TLSv1.1, TLSv1.0, SSLv3, SSLv2, DTLSv1.2, …; 0x and four digits for one without a name
	client_version TEXT, -- highest version the first ClientHello offers; NULL where its list of them was not seen
	cipher TEXT, -- cipher suite the server chose, as IANA names it, else 0x and four digits
	group_name TEXT, -- group of the key exchange, as IANA names it, else 0x and four digits; NULL where none was negotiated or it was not seen
	server_name TEXT, -- server name indication (SNI) of the first ClientHello
	alpn TEXT, -- application protocol the server chose; NULL in TLS 1.3, which encrypts it
	client_alpn TEXT, -- list of the application protocols that the first ClientHello offers
	client_hellos INTEGER NOT NULL, -- ClientHello messages; two after a HelloRetryRequest or HelloVerifyRequest
	server_hellos INTEGER NOT NULL, -- ServerHello messages, HelloRetryRequest included
	ja3 TEXT, -- JA3 of the first ClientHello
	ja3s TEXT, -- JA3S of the first ServerHello
	ja4 TEXT, -- JA4 of the first ClientHello
	established INTEGER NOT NULL, -- 1 if the handshake was seen to come to its end on both sides
	resumed INTEGER, -- 1 if it took up an earlier session; NULL where no ServerHello was seen
	ech INTEGER, -- 1 if the first ClientHello has an encrypted one inside (ECH, ESNI) or makes believe so; server_name is then the outer one
	early_data INTEGER, -- 1 if the client announced data with its first flight (0-RTT)
	starttls INTEGER, -- 1 if another protocol came before it in the same flow; NULL where there is no stream
	alert TEXT, -- the last alert sent in the clear: its level, a blank, and its name
	alert_from TEXT, -- who sent it: client server
	client_cert INTEGER, -- 1 if the client showed a certificate; NULL in TLS 1.3, which encrypts it
	certificates TEXT, -- list of the SHA-256 of the certificates the server showed, in their order; see table certificate
	client_certificates TEXT, -- the same of those the client showed
	complete INTEGER NOT NULL -- 0 if part of the handshake was missed: bytes lost, the flow's end within a message, or encrypted records on and on without a ServerHello
) STRICT;

CREATE TABLE dhcp ( -- DHCP and BOOTP messages
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	operation TEXT NOT NULL, -- request: sent by a client or its relay; reply: by a server or a relay to the client: request reply
	trans_id INTEGER, -- transaction id, chosen by the client
	message_type TEXT, -- discover, offer, request, decline, ack, nak, release, inform, …, else the number; NULL in BOOTP
	seconds INTEGER, -- time since the client began, as it says [s]
	broadcast INTEGER, -- 1 if the client asks for an answer by broadcast
	client_ip TEXT, -- address that the client has and answers on
	client_mac TEXT, -- hardware address of the client
	client_id TEXT, -- client identifier: an Ethernet address if it is one, else all its bytes in hexadecimal, its type first
	host_name TEXT, -- host name, from the client or given by the server
	fqdn TEXT, -- full domain name of the client (RFC 4702)
	requested_ip TEXT, -- address that the client asks for
	assigned_ip TEXT, -- address that the server gives
	server_id TEXT, -- address by which the server names itself
	next_server_ip TEXT, -- server to boot from
	relay_ip TEXT, -- relay that passed the message on
	lease_s INTEGER, -- lease time, asked for or given [s]
	renewal_s INTEGER, -- time until the client renews [s]
	rebinding_s INTEGER, -- time until the client asks any server [s]
	subnet_mask TEXT, -- subnet mask
	routers TEXT, -- list of routers
	dns_servers TEXT, -- list of name servers
	domain_name TEXT, -- domain of the client
	vendor_class TEXT, -- vendor class identifier
	user_class TEXT, -- list of user classes (RFC 3004)
	parameter_list TEXT, -- list of the option codes that the client asks for, in its order
	message TEXT, -- words to a declined or refused request
	boot_server TEXT, -- name of the server to boot from
	boot_file TEXT, -- file to boot from
	relay_info TEXT, -- object of the relay's sub-options: circuit_id, remote_id, else by number (RFC 3046)
	complete INTEGER NOT NULL -- 0 if the capture has cut the message short, or an option its end
) STRICT;

CREATE TABLE dns ( -- queries for names and their responses: DNS, mDNS, LLMNR, NetBIOS
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	transport TEXT NOT NULL, -- udp or tcp
	trans_id INTEGER NOT NULL, -- identifier of the message
	query_name TEXT, -- name of the first question, \ and \DDD before what RFC 1035 escapes; NetBIOS names decoded, with the suffix as <1d>
	query_type TEXT, -- its type: A, AAAA, …, TYPE65280 where it has no name
	query_class TEXT, -- its class: IN, CH, HS, NONE, ANY, else CLASS and the number
	rcode TEXT, -- code of the response, EDNS' upper bits included: NOERROR, NXDOMAIN, …, else RCODE and the number
	opcode TEXT NOT NULL, -- QUERY, NOTIFY, UPDATE, …, else OPCODE and the number
	aa INTEGER, -- response: authoritative answer
	tc INTEGER, -- response, else query: cut short
	rd INTEGER, -- query, else response: recursion desired
	ra INTEGER, -- response: recursion available
	ad INTEGER, -- response: data is authentic
	cd INTEGER, -- query, else response: checking disabled
	answers TEXT, -- list of the response's records: section (answer, authority, additional), name, type, class where it is not IN, ttl, data in presentation format (RFC 1035, 3597), flush for mDNS' cache flush
	edns TEXT, -- object of query and response, the EDNS of each: udp_size, version, do, options
	answered INTEGER NOT NULL, -- 1 if the query has its response in this row
	rtt_ns INTEGER, -- from query to response; negative where the capture has their times the other way round [ns]
	repeat_of INTEGER, -- query_packet of the first identical query, if that waited for its response
	response_only INTEGER NOT NULL, -- 1 for a response that no open query asked for, or one more to the same query
	complete INTEGER NOT NULL, -- 0 if a message was cut short or could not be read to its end
	query_packet INTEGER, -- packet that completed the query; its time is ts_ns - rtt_ns, without a response ts_ns
	query_bytes INTEGER, -- length of the query message [bytes]
	response_bytes INTEGER, -- length of the response message [bytes]
	unicast_response INTEGER, -- mDNS: the query asks for a unicast response
	questions TEXT, -- list of the questions behind the first: name, type, class
	query_records TEXT, -- list of the records in the query, as answers has them: updates, known answers
	left_out INTEGER -- records and questions that are in no list, because it would be larger than 256 KiB [records]
) STRICT;

CREATE TABLE ftp ( -- FTP commands with their replies
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	command_ns INTEGER, -- time of the command; NULL for a reply without one [ns]
	command TEXT, -- the command, in upper case; NULL for a reply to none: the greeting, or a command that was not seen
	argument TEXT, -- its argument; of PASS, ACCT and ADAT masked unless --store-secrets
	reply_code INTEGER, -- code of the final reply; NULL where none was seen
	reply_text TEXT, -- its text without the code, lines separated by LF
	interim TEXT, -- list of the replies 1xx that came before it
	user TEXT, -- the user of the last USER command
	data_flow_id INTEGER REFERENCES flow(flow_id), -- the data connection, where it was seen before the row was written: rows of transfers
	passive INTEGER, -- 1 where the client opens the data connection (PASV, EPSV), 0 where the server does (PORT, EPRT)
	data_ip TEXT, -- address that was announced for the data connection, or follows for EPSV
	data_port INTEGER, -- port that was announced for it
	complete INTEGER NOT NULL -- 0 if no reply was seen, or the command or reply is cut short (at 4 096 bytes, by a gap, by the end)
) STRICT;

CREATE TABLE http ( -- HTTP/1 requests and their responses (RFC 9112); SSDP over UDP
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	complete INTEGER NOT NULL, -- 0 if the request or the response was cut short: by a gap, the end of the capture, a reset, a breach of the protocol
	trans_depth INTEGER NOT NULL, -- number of the transaction in its flow, from 1
	method TEXT, -- method of the request; NULL where no request was seen
	host TEXT, -- host asked for, with its port if one was sent: field Host, else the authority in the target
	uri TEXT, -- target of the request as sent; values of parameters named like secrets are asterisks unless --store-secrets
	request_version TEXT, -- version of the request: 1.1, 1.0, 0.9
	user_agent TEXT, -- field User-Agent of the request
	referer TEXT, -- field Referer of the request, masked as uri
	user TEXT, -- name of the user in Basic or Digest authentication
	status INTEGER, -- status code of the final response; NULL where none was seen or it is no number
	reason TEXT, -- reason phrase of the response
	response_version TEXT, -- version of the response
	interim TEXT, -- array of the interim responses (1xx): objects of status, reason, headers
	location TEXT, -- field Location of the response, masked as uri
	request_headers TEXT, -- array of [name, value] in the order sent; secrets are asterisks unless --store-secrets
	response_headers TEXT, -- the same of the response
	request_trailers TEXT, -- the same of the trailers behind a chunked request
	response_trailers TEXT, -- the same of the trailers behind a chunked response
	request_content_type TEXT, -- field Content-Type of the request
	response_content_type TEXT, -- field Content-Type of the response
	request_body_bytes INTEGER, -- length of the request's content without chunk framing, gaps included; NULL where no request was seen [bytes]
	response_body_bytes INTEGER, -- length of the response's content without chunk framing, before content decoding, gaps included; NULL where no response was seen [bytes]
	missed_bytes INTEGER NOT NULL, -- of these two, what lies in gaps [bytes]
	response_encoding TEXT, -- field Content-Encoding of the response
	request_ns INTEGER, -- time of the packet with the request's first byte [ns]
	response_ns INTEGER, -- time of the packet with the final response's first byte [ns]
	upgrade TEXT -- what the connection was switched to: field Upgrade of a 101 response; connect behind a tunnel's 2xx
) STRICT;

CREATE TABLE icmp ( -- ICMP and ICMPv6 messages
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	side TEXT NOT NULL, -- which side of the flow sent it: src dst
	icmp_type INTEGER NOT NULL, -- type of the message
	icmp_code INTEGER NOT NULL, -- code, which narrows the type down
	meaning TEXT, -- type and code in words
	quoted_flow_id INTEGER REFERENCES flow(flow_id), -- the flow whose packet an error quotes, where that is open
	quoted_proto TEXT, -- protocol of the packet that an error quotes, as in flow
	quoted_src_ip TEXT, -- who had sent that packet
	quoted_src_port INTEGER, -- its port; of ICMP the type
	quoted_dst_ip TEXT, -- whom that packet was for
	quoted_dst_port INTEGER, -- its port; of ICMP the type of the answer
	mtu INTEGER, -- largest packet that fits: where fragmentation is needed, a packet too big, or a router says so [bytes]
	identifier INTEGER, -- identifier of an echo or of another request with its answer
	sequence INTEGER, -- its sequence number
	target_ip TEXT, -- address that the message is about: the neighbour, the better gateway, the multicast group
	link_address TEXT, -- link-layer address that neighbour discovery gives for it or for the sender
	router_lifetime_s INTEGER, -- how long a router says it may be used; 0 no longer [s]
	prefixes TEXT, -- list of the prefixes that a router announces
	groups TEXT, -- list of the multicast groups of a listener report, version 2
	payload_bytes INTEGER, -- bytes behind the first 8 of the message, on the wire [bytes]
	complete INTEGER NOT NULL -- 0 if the capture has cut the message short, or it ends too early
) STRICT;

CREATE TABLE ntp ( -- NTP messages
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	mode INTEGER NOT NULL, -- 1 and 2 symmetric, 3 client, 4 server, 5 broadcast, 6 control, 7 private; 0 in version 1
	version INTEGER NOT NULL, -- version of the protocol
	leap INTEGER, -- leap indicator: 1 and 2 a leap second comes, 3 not synchronised
	stratum INTEGER, -- distance to the reference clock; 0 not known, or a kiss-o'-death
	ref_id TEXT, -- reference: up to four letters in stratum 0 and 1, above an IPv4 address or four bytes of a hash in its form
	poll INTEGER, -- poll interval, as the power of two of seconds [log2 s]
	precision INTEGER, -- precision of the clock, as the power of two of seconds [log2 s]
	root_delay_ns INTEGER, -- round trip to the reference clock [ns]
	root_dispersion_ns INTEGER, -- dispersion to the reference clock [ns]
	reference_ns INTEGER, -- when the clock was last set [ns]
	origin_ns INTEGER, -- when the request left, by the client's clock [ns]
	receive_ns INTEGER, -- when the request arrived, by the server's clock [ns]
	transmit_ns INTEGER, -- when this message left, by the sender's clock [ns]
	response INTEGER, -- control and private messages: 1 for a response
	operation INTEGER, -- control and private messages: operation or request code
	trailer_bytes INTEGER, -- what follows the header: extensions, authentication, data [bytes]
	complete INTEGER NOT NULL -- 0 if the capture has cut the message short
) STRICT;

CREATE TABLE quic ( -- QUIC connections
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	first_ns INTEGER NOT NULL, -- time of the first packet [ns]
	version TEXT, -- version in use as far as was seen: 1, 2, draft-29, T051, mvfst-2, …; 0x and eight digits for one that is not known
	client_version TEXT, -- version of the client's first packet
	server_name TEXT, -- server name indication (SNI) of the first ClientHello
	client_alpn TEXT, -- list of the application protocols that the first ClientHello offers
	ja4 TEXT, -- JA4 of the first ClientHello
	client_dcid TEXT, -- destination connection id of the client's first packet, hexadecimal; empty for one of no bytes
	client_scid TEXT, -- the client's own connection id, hexadecimal
	server_scid TEXT, -- the server's own connection id, hexadecimal; behind a Retry the final one
	client_hellos INTEGER NOT NULL, -- ClientHello messages; one sent again unchanged, behind a Retry too, is the same
	server_hellos INTEGER NOT NULL, -- ServerHello messages, HelloRetryRequest included
	retry INTEGER NOT NULL, -- 1 if the server sent a Retry
	version_negotiation INTEGER NOT NULL, -- 1 if the server sent a Version Negotiation
	early_data INTEGER NOT NULL, -- 1 if the client sent 0-RTT packets
	close_code INTEGER, -- error of a CONNECTION_CLOSE within the Initial packets; 256 and more is 256 + a TLS alert
	close_reason TEXT, -- the reason it gives
	initials INTEGER NOT NULL, -- Initial packets until the hellos were whole [packets]
	unopened INTEGER NOT NULL, -- of these, packets that could not be opened: cut, damaged, or of keys whose origin was not seen [packets]
	complete INTEGER NOT NULL -- 0 if no ClientHello was read, or a hello was begun and not seen whole
) STRICT;

CREATE TABLE smtp ( -- mails (SMTP, LMTP), and mail connections without one
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	trans_depth INTEGER NOT NULL, -- number of this row in its connection, from 1: a row a mail; a connection without a mail is one, RCPT or DATA without MAIL behind a mail begin one
	begin_ns INTEGER, -- time of the row's first command or reply [ns]
	helo TEXT, -- what the client called itself: argument of HELO, EHLO or LHLO
	mail_from TEXT, -- sender of MAIL FROM, without its brackets; empty for bounces; NULL without a mail; where a second MAIL was refused (501, 503), that of the first
	rcpt_to TEXT, -- list of the recipients of RCPT TO, without their brackets, accepted or not
	subject TEXT, -- header Subject, unfolded, encoded words as they are (RFC 2047)
	header_from TEXT, -- header From
	header_to TEXT, -- header To
	cc TEXT, -- header Cc
	reply_to TEXT, -- header Reply-To
	message_id TEXT, -- header Message-ID
	in_reply_to TEXT, -- header In-Reply-To
	date TEXT, -- header Date
	user_agent TEXT, -- header User-Agent or X-Mailer
	x_originating_ip TEXT, -- header X-Originating-IP
	commands TEXT, -- list of objects: command, argument, reply (its code), packet; what follows AUTH is masked unless --store-secrets
	n_commands INTEGER NOT NULL, -- how many commands; more than in the list where it was cut at 64 KiB
	last_reply TEXT, -- code and text of the reply that ended the mail, or of the last one seen; lines separated by LF
	status TEXT, -- what became of the mail; NULL without a mail, or where it was not seen: accepted deferred rejected aborted
	starttls INTEGER NOT NULL, -- 1 if the server agreed to TLS, or TLS followed
	bytes INTEGER, -- content of the mail that was seen, dots unstuffed; NULL where none was sent [bytes]
	complete INTEGER NOT NULL -- 0 if a gap or the end cut the mail short, or the row does not hold all of a text
) STRICT;

CREATE TABLE ssh ( -- SSH connections: what was said in the clear before the keys
	flow_id INTEGER REFERENCES flow(flow_id), -- the flow; NULL where there is none
	source_id INTEGER REFERENCES source(source_id), -- source of the packet that completed the record; NULL where it concerns the whole run
	packet INTEGER, -- that packet's number in its source, from 1
	ts_ns INTEGER, -- that packet's time [ns]
	begin_ns INTEGER, -- time of the first identification [ns]
	version INTEGER, -- major version both speak: 1 or 2; NULL where one side was not seen
	reversed INTEGER, -- 1 if the flow's initiator is the server (it sent the host key), 0 if the responder is; NULL where no host key was seen: the responder is taken for it, or who has port 22
	client_version TEXT, -- the client's identification, SSH-2.0-…
	server_version TEXT, -- the server's identification
	pre_banner TEXT, -- lines that came before the server's identification (RFC 4253, 4.2), separated by LF, at most 1 KiB
	hassh TEXT, -- HASSH: MD5 of the client's algorithms, 32 hexadecimal digits
	hassh_server TEXT, -- HASSH of the server's algorithms
	kex TEXT, -- key exchange method agreed on (RFC 4253, 7.1); NULL where one side was not seen or nothing is common
	host_key_algorithm TEXT, -- host key algorithm agreed on
	host_key_fingerprint TEXT, -- SHA256: and base64 of the server's host key, as OpenSSH prints it
	cipher TEXT, -- cipher agreed on, client to server
	cipher_to_client TEXT, -- cipher agreed on, server to client
	mac TEXT, -- MAC agreed on, client to server; ciphers that authenticate do not use it
	mac_to_client TEXT, -- MAC agreed on, server to client
	compression TEXT, -- compression agreed on, client to server
	compression_to_client TEXT, -- compression agreed on, server to client
	encrypted INTEGER, -- 1 once each side that was seen has changed to its keys; NULL for version 1
	disconnect_code INTEGER, -- reason of a DISCONNECT in the clear (RFC 4253, 11.1)
	disconnect_text TEXT, -- its description
	client_algorithms TEXT, -- object of the client's lists, most wanted first: kex, host_key, cipher, mac, compression (client to server)
	server_algorithms TEXT, -- object of the server's lists (server to client)
	complete INTEGER NOT NULL -- 1 if both sides were read until they encrypted (version 1: both names)
) STRICT;

CREATE INDEX source_block_by_source_id_record ON source_block (source_id, record);
CREATE INDEX flow_by_first_ns ON flow (first_ns);
CREATE INDEX flow_by_src_ip_dst_ip_dst_port_proto_first_ns ON flow (src_ip, dst_ip, dst_port, proto, first_ns);
CREATE INDEX flow_by_dst_ip ON flow (dst_ip);
CREATE INDEX flow_by_parent_flow_id ON flow (parent_flow_id) WHERE parent_flow_id IS NOT NULL;
CREATE INDEX flow_packets_by_flow_id_source_id_seq ON flow_packets (flow_id, source_id, seq);
CREATE INDEX anomaly_by_kind_severity ON anomaly (kind, severity);
CREATE INDEX anomaly_by_flow_id ON anomaly (flow_id);
CREATE INDEX credential_by_flow_id ON credential (flow_id);
CREATE INDEX tls_by_flow_id ON tls (flow_id);
CREATE INDEX dns_by_flow_id ON dns (flow_id);
CREATE INDEX ftp_by_flow_id ON ftp (flow_id);
CREATE INDEX http_by_flow_id ON http (flow_id);
CREATE INDEX quic_by_flow_id ON quic (flow_id);
CREATE INDEX smtp_by_flow_id ON smtp (flow_id);
CREATE INDEX ssh_by_flow_id ON ssh (flow_id);
