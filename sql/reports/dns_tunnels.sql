-- domains with many different long names below them: data may be carried in them (limit)
WITH RECURSIVE rest (name, tail, cut) AS ( -- the name without its first labels, two left
	SELECT name, name, length(name) - length(replace(name, '.', '')) - 1
	FROM (
		SELECT DISTINCT replace(lower(query_name), '\.', '_') AS name FROM dns
		WHERE query_name IS NOT NULL
	)
	UNION ALL
	SELECT name, substr(tail, instr(tail, '.') + 1), cut - 1 FROM rest WHERE cut > 0
)
SELECT tail AS domain, count(*) AS names, round(avg(length(name) - length(tail)), 1) AS mean_length,
	max(length(name)) AS longest, max(name) AS example
FROM rest
WHERE cut <= 0 AND name <> tail AND tail NOT IN ('in-addr.arpa', 'ip6.arpa')
GROUP BY tail
HAVING names >= 10 AND mean_length >= 20
ORDER BY names * mean_length DESC, domain
LIMIT coalesce(:limit, 20);
