-- responders' ports by flows (limit)
SELECT proto, dst_port, service, flows, clients, servers, src_bytes, dst_bytes
FROM service
ORDER BY flows DESC, proto, dst_port, service
LIMIT coalesce(:limit, 20);
