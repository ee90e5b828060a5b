-- certificates that were expired, not yet valid or self-signed when first seen (limit)
SELECT
	CASE
		WHEN ts_ns > not_after_ns THEN 'expired'
		WHEN ts_ns < not_before_ns THEN 'not yet valid'
		ELSE 'self-signed'
	END AS what,
	not_before, not_after, subject, issuer, dst_ip, dst_port, first_flow_id, sha256
FROM certificate_v
WHERE ts_ns > not_after_ns OR ts_ns < not_before_ns OR (self_signed = 1 AND is_ca = 0)
	OR (self_signed = 1 AND sha256 IN (
		SELECT json_extract(certificates, '$[0]') FROM tls WHERE certificates IS NOT NULL))
ORDER BY what, not_after_ns, subject, sha256
LIMIT coalesce(:limit, 50);
