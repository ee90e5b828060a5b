-- where a packet lies: read on from this record of the source (source, packet)
SELECT s.name, b.record, b.offset
FROM source_block AS b JOIN source AS s ON s.source_id = b.source_id
WHERE b.source_id = :source AND b.record <= :packet
ORDER BY b.record DESC
LIMIT 1;
