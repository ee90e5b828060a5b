-- mails: who to whom, subject, size, what became of them (limit)
SELECT v.begin, v.src_ip, v.dst_ip, v.helo, v.mail_from, v.recipients, v.subject, v.bytes,
	v.status, v.last_reply, v.flow_id
FROM smtp_v AS v
WHERE v.mail_from IS NOT NULL
ORDER BY v.begin_ns, v.flow_id, v.trans_depth
LIMIT coalesce(:limit, 100);
