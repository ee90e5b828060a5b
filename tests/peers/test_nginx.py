# SPDX-License-Identifier: BSD-3-Clause
"""nginx and curl: HTTP/1.1 and 1.0, TLS 1.2 and 1.3, over IPv4 and IPv6."""

import hashlib
import json
import os
import re
import subprocess
import unittest

import peers
from network import CLIENT4, SERVER4, SERVER6

CONF = """
user root;
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ worker_connections 256; }}
http {{
	log_format peers escape=json '{{"addr":"$remote_addr","port":$remote_port,'
		'"depth":$connection_requests,"method":"$request_method","uri":"$request_uri",'
		'"version":"$server_protocol","status":$status,"sent":$body_bytes_sent,'
		'"agent":"$http_user_agent","host":"$http_host","referer":"$http_referer",'
		'"got_type":"$content_type","type":"$sent_http_content_type",'
		'"location":"$sent_http_location","user":"$remote_user",'
		'"encoding":"$sent_http_content_encoding","tls":"$ssl_protocol",'
		'"cipher":"$ssl_cipher","curve":"$ssl_curve","sni":"$ssl_server_name",'
		'"alpn":"$ssl_alpn_protocol","reused":"$ssl_session_reused"}}';
	access_log {dir}/access.log peers;
	client_body_temp_path {dir}/body;
	proxy_temp_path {dir}/proxy;
	fastcgi_temp_path {dir}/fastcgi;
	uwsgi_temp_path {dir}/uwsgi;
	scgi_temp_path {dir}/scgi;
	default_type application/octet-stream;
	types {{ text/plain txt; text/html html; }}
	ssl_certificate {dir}/cert.pem;
	ssl_certificate_key {dir}/key.pem;
	ssl_session_cache shared:peers:1m;
	ssl_prefer_server_ciphers off;
	server {{
		listen 80;
		listen [::]:80;
		listen 443 ssl;
		listen [::]:443 ssl;
		ssl_protocols TLSv1.2;
		include {dir}/locations;
	}}
	server {{
		listen 8443 ssl;
		listen [::]:8443 ssl;
		ssl_protocols TLSv1.3;
		include {dir}/locations;
	}}
}}
"""

LOCATIONS = """
root {dir}/www;
client_max_body_size 3m;
location / {{ }}
location /moved {{ return 301 /one.txt; }}
location /teapot {{ return 418 "short and stout"; }}
location /empty {{ return 204; }}
location /gzip/ {{ alias {dir}/www/; gzip on; gzip_min_length 1; gzip_types text/plain; }}
location /private/ {{ auth_basic peers; auth_basic_user_file {dir}/users; alias {dir}/www/; }}
location /post {{ proxy_pass http://127.0.0.1:81/; }}
"""

SINK = """
	server {
		listen 127.0.0.1:81;
		access_log off;
		client_max_body_size 3m;
		location / { return 200 "taken\\n"; }
	}
"""

FILES = {"none.txt": 0, "one.txt": 1, "k.txt": 1000, "m.html": 100_000, "big": 1_500_000}

# Options of curl, and behind = the paths it asks for over one connection.
PLAIN = [
    ("-A", "peers/1.0 (a \"quoted\" agent)", "=/one.txt", "=/none.txt", "=/k.txt", "=/m.html"),
    ("-A", "second", "-e", "http://elsewhere.example/page?x=1", "=/big"),
    ("-I", "=/m.html", "=/missing", "=/one.txt"),
    ("-0", "=/k.txt"),
    ("-r", "10-59", "=/k.txt"),
    ("-L", "=/moved"),
    ("-d", "a=1&b=2", "=/post"),
    ("-F", "file=@{dir}/www/k.txt", "=/post"),
    ("-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-T", "{dir}/www/m.html", "=/post"),
    ("-H", "Expect: 100-continue", "-H", "Content-Type: text/x-peers", "--data-binary",
     "@{dir}/www/big", "=/post"),
    ("-X", "DELETE", "=/one.txt"),
    ("-X", "OPTIONS", "=/one.txt"),
    ("-H", "If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT", "=/k.txt", "=/one.txt"),
    ("-H", "Accept-Encoding: gzip", "=/gzip/k.txt", "=/gzip/m.html"),
    ("-u", "ada:lovelace", "=/private/k.txt"),
    ("-u", "ada:wrong", "=/private/k.txt"),
    ("-H", "Host: other.example:8080", "=/teapot", "=/empty", "=/one.txt?q=%20a&r=%C3%A9"),
    ("=/" + "long/" * 300,),
    ("--limit-rate", "3M", "=/big"),
]

# TLS: options of curl, port, name for SNI (None: the address, which is not sent).
TLS = [
    (("--tls-max", "1.2"), 443, "twelve.example"),
    (("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"), 443, "aes.example"),
    (("--tls-max", "1.2", "--ciphers", "AES256-SHA"), 443, "rsa.example"),
    (("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-CHACHA20-POLY1305"), 443, None),
    (("--tlsv1.3",), 8443, "thirteen.example"),
    (("--tlsv1.3", "--tls13-ciphers", "TLS_AES_128_GCM_SHA256"), 8443, "aes13.example"),
    (("--tlsv1.3", "--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256", "--curves", "P-256"),
     8443, "chacha.example"),
    (("--tlsv1.3", "--curves", "P-384", "--no-alpn"), 8443, None),
]
REFUSED = (("--tlsv1.3",), 443, "refused.example")  # a server that speaks 1.2 only

CURVES = {"X25519": "x25519", "prime256v1": "secp256r1"}


class Nginx(peers.Peers):
    needs = ("nginx", "curl", "openssl")
    # nginx answers 100-continue and a refused hello as they should; no sign of anything else.
    expected_anomalies = ()

    @classmethod
    def serve(cls):
        www = cls.dir / "www"
        www.mkdir()
        for name, size in FILES.items():
            (www / name).write_bytes((b"real peers say so. " * (size // 19 + 1))[:size])
            os.utime(www / name, (1e9, 1e9))
        cls.write("users", "ada:{PLAIN}lovelace\n")
        cls.net.run(cls.net.b, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", "/C=CH/O=Peers/CN=peers.example", "-days", "40", "-addext",
                    "subjectAltName=DNS:peers.example,DNS:*.example,IP:" + SERVER4, "-keyout",
                    cls.dir / "key.pem", "-out", cls.dir / "cert.pem")
        cls.write("locations", LOCATIONS.format(dir=cls.dir))
        conf = CONF.format(dir=cls.dir)
        conf = conf[:conf.rindex("}")] + SINK + "}\n"
        cls.daemon(peers.tool("nginx"), "-p", cls.dir, "-e", cls.dir / "error.log", "-c",
                   cls.write("nginx.conf", conf), ports=(80, 443, 8443))

    @classmethod
    def curl(cls, *words, must=True):
        """One run of curl: what -w says of each transfer."""
        p = cls.client("curl", "-q", "-sS", "-k", "--max-time", "20", "-w",
                       "%{stderr}@@%{json}\n", *words, must=must, timeout=60)
        return [json.loads(line[2:]) for line in p.stderr.splitlines()
                if line.startswith("@@")]

    @classmethod
    def talk(cls):
        cls.said = []
        for base in (f"http://{SERVER4}", f"http://[{SERVER6}]"):
            for words in PLAIN:
                urls = [base + w[1:] for w in words if w.startswith("=")]
                rest = [w.format(dir=cls.dir) for w in words if not w.startswith("=")]
                outs = [w for _ in urls for w in ("-o", cls.dir / "out")]
                cls.said += cls.curl(*rest, *outs, *urls)
        cls.plain = len(cls.said) + sum(s["num_redirects"] for s in cls.said)
        cls.clear = len(cls.said)
        for server in (SERVER4, SERVER6):
            for words, port, name in TLS:
                cls.said += cls.tls(server, words, port, name)
        cls.refused = cls.tls(SERVER4, *REFUSED, must=False)
        cls.resumed()
        cls.answers = cls.plain + len(cls.said) - cls.clear + len(cls.sessions)
        cls.log = peers.seconds(cls.read_log)

    @classmethod
    def tls(cls, server, words, port, name, must=True):
        at = f"[{server}]" if ":" in server else server
        host = name or at
        return cls.curl(*words, "--connect-to", f"{host}:{port}:{at}:{port}", "-A", "tls",
                        "-o", cls.dir / "out", f"https://{host}:{port}/k.txt", must=must)

    @classmethod
    def resumed(cls):
        """openssl knows how to come back with a session; TLS 1.2 by its id or ticket."""
        cls.sessions = []
        for word in ("-sess_out", "-sess_in"):
            p = cls.client("openssl", "s_client", "-connect", f"{SERVER4}:443", "-servername",
                           "again.example", "-tls1_2", word, cls.dir / "session",
                           input="GET /one.txt HTTP/1.0\r\n\r\n")
            cls.sessions.append(p.stdout)

    @classmethod
    def read_log(cls):
        """nginx' access log; nothing until it has all that curl saw."""
        log = [json.loads(line) for line in (cls.dir / "access.log").read_text().splitlines()]
        return log if len(log) >= cls.answers else None

    def plain_log(self):
        return [e for e in self.log if not e["tls"]]

    def tls_log(self):
        return [e for e in self.log if e["tls"]]

    # ---- HTTP

    def test_log_is_whole(self):
        self.assertEqual(len(self.log), self.answers)
        self.assertEqual(len(self.plain_log()), self.plain)

    def test_requests_as_the_server_logged_them(self):
        rows = {(r["src_ip"], r["src_port"], r["trans_depth"]): r for r in self.rows(
            "SELECT h.*, src_ip, src_port FROM http h JOIN flow USING (flow_id)")}
        self.assertEqual(len(rows), self.plain)
        for e in self.plain_log():
            r = rows.pop((e["addr"], e["port"], e["depth"]))
            with self.subTest(uri=e["uri"][:60], method=e["method"]):
                self.assertEqual(
                    {"method": r["method"], "uri": r["uri"], "status": r["status"],
                     "version": "HTTP/" + r["request_version"],
                     "agent": r["user_agent"] or "", "host": r["host"] or "",
                     "referer": r["referer"] or "", "user": r["user"] or "",
                     "got_type": r["request_content_type"] or "",
                     "type": r["response_content_type"] or "",
                     "encoding": r["response_encoding"] or ""},
                    {k: e[k] for k in ("method", "uri", "status", "version", "agent", "host",
                                       "referer", "user", "got_type", "type", "encoding")})
                self.assertEqual(r["complete"], 1)
                if "chunked" not in (r["response_headers"] or "").lower():
                    interim = len("HTTP/1.1 100 Continue\r\n\r\n") if r["interim"] else 0
                    self.assertEqual(r["response_body_bytes"], e["sent"] - interim)
        self.assertEqual(rows, {})

    def test_transfers_as_the_client_measured_them(self):
        rows = {}
        for r in self.rows("SELECT h.*, src_ip, src_port FROM http h JOIN flow USING (flow_id)"
                           " ORDER BY trans_depth"):
            rows.setdefault((r["src_ip"], r["src_port"]), []).append(r)
        for s in self.said[:self.clear]:
            r = rows[s["local_ip"], s["local_port"]].pop(0)
            while s["num_redirects"] and r["location"]:
                self.assertEqual(r["status"], 301)
                self.assertTrue(r["location"].endswith("/one.txt"))
                r = rows[s["local_ip"], s["local_port"]].pop(0)
            if "chunked" in r["request_headers"]:  # curl counts the framing as well
                self.assertEqual(r["request_body_bytes"], FILES["m.html"])
                s["size_upload"] = FILES["m.html"]
            with self.subTest(url=s["url"][:60], method=s["method"]):
                self.assertEqual((r["method"], r["status"], r["response_body_bytes"],
                                  r["request_body_bytes"], r["response_content_type"]),
                                 (s["method"], s["response_code"], s["size_download"],
                                  s["size_upload"], s["content_type"]))
        self.assertEqual([r for left in rows.values() for r in left], [])

    def test_interim_responses(self):
        rows = self.rows("SELECT interim, request_headers FROM http")
        asked = [r for r in rows if "100-continue" in r["request_headers"]]
        self.assertGreaterEqual(len(asked), 2)
        for r in rows:
            self.assertEqual(r["interim"] is not None, r in asked)

    def test_credentials(self):
        self.assertEqual(
            self.rows("SELECT service, user, secret, mechanism, success, count(*) n"
                      " FROM credential GROUP BY 1, 2, 3, 4, 5 ORDER BY success"),
            [{"service": "http", "user": "ada", "secret": "*" * n, "mechanism": "basic",
              "success": ok, "n": 2} for n, ok in ((5, 0), (8, 1))])

    # ---- TLS

    def test_tls_as_the_server_logged_it(self):
        rows = {(r["src_ip"], r["src_port"]): r for r in self.rows(
            "SELECT t.*, src_ip, src_port, dst_port FROM tls t JOIN flow USING (flow_id)")}
        log = self.tls_log()
        self.assertEqual(len(rows), len(log) + 1)  # the refused one asked for nothing
        for e in log:
            r = rows[e["addr"], e["port"]]
            with self.subTest(sni=e["sni"], cipher=e["cipher"]):
                self.assertEqual((r["version"], r["server_name"] or "", r["complete"],
                                  r["established"]), (e["tls"], e["sni"], 1, 1))
                self.assertEqual(self.openssl_name(r["cipher"]), e["cipher"])
                if e["curve"] and e["reused"] != "r":
                    self.assertEqual(r["group_name"], CURVES.get(e["curve"], e["curve"]))
                self.assertEqual(bool(r["resumed"]), e["reused"] == "r")
                if e["tls"] == "TLSv1.2":
                    self.assertEqual(r["alpn"] or "", e["alpn"])

    def openssl_name(self, iana):
        if not hasattr(Nginx, "names"):
            text = self.client("openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL").stdout
            Nginx.names = {f[0]: f[2] for f in map(str.split, text.splitlines())}
        return Nginx.names[iana]

    def test_a_refused_hello(self):
        r, = self.rows("SELECT * FROM tls WHERE server_name = 'refused.example'")
        self.assertEqual((r["established"], r["server_hellos"], r["alert_from"], r["alert"]),
                         (0, 0, "server", "fatal protocol_version"))

    def test_sessions_that_were_resumed(self):
        rows = self.rows("SELECT resumed FROM tls WHERE server_name = 'again.example'"
                         " ORDER BY packet")
        self.assertEqual(["Reused, " in s for s in self.sessions], [False, True])
        self.assertEqual([bool(r["resumed"]) for r in rows], [False, True])

    def test_the_certificate(self):
        r, = self.rows("SELECT * FROM certificate")

        def x509(*words):
            return self.client("openssl", "x509", "-noout", "-in", self.dir / "cert.pem",
                               *words).stdout.strip()

        sha = x509("-fingerprint", "-sha256").split("=")[1].replace(":", "").lower()
        self.assertEqual(r["sha256"], sha)
        self.assertEqual(r["subject"], x509("-subject", "-nameopt", "RFC2253")[8:])
        self.assertEqual(r["issuer"], x509("-issuer", "-nameopt", "RFC2253")[7:])
        self.assertEqual(r["serial"], x509("-serial").split("=")[1])
        self.assertEqual((r["key_type"], r["key_bits"], r["self_signed"]), ("rsa", 2048, 1))
        self.assertEqual(json.loads(r["san"]),
                         {"dns": ["peers.example", "*.example"], "ip": [SERVER4]})
        for r in self.rows("SELECT certificates, resumed FROM tls WHERE version = 'TLSv1.2'"):
            self.assertEqual(json.loads(r["certificates"] or "[]"),
                             [] if r["resumed"] else [sha])

    def test_follow_gives_the_bodies(self):
        """The bytes of an answer, read back through the way back, are the file."""
        want = hashlib.sha256((self.dir / "www/big").read_bytes()).hexdigest()
        for r in self.rows("SELECT flow_id FROM http WHERE uri = '/big'"):
            out = self.dir / "side"
            with open(out, "wb") as f:
                self.follow(r["flow_id"], f)
            body = out.read_bytes().split(b"\r\n\r\n", 1)[1]
            self.assertEqual(hashlib.sha256(body).hexdigest(), want)

    def follow(self, flow, out):
        subprocess.run([str(peers.NRTOOL), "follow", "peers.db", str(flow), "--format=raw",
                        "--side=dst", "--quiet"], cwd=self.dir, stdout=out, check=True,
                       timeout=60)

    def test_services(self):
        got = {r["s"] for r in self.rows("SELECT dst_port || ' ' || service s FROM flow"
                                         " WHERE proto = 'tcp'")}
        self.assertEqual(got, {"80 http", "443 tls", "8443 tls"})
        addresses = {re.sub(r":.*", ":", r["src_ip"]) for r in self.rows(
            "SELECT DISTINCT src_ip FROM flow WHERE proto = 'tcp'")}
        self.assertEqual(addresses, {CLIENT4, "fd77:"})


if __name__ == "__main__":
    unittest.main()
