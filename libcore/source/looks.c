/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/reader.h"

#include <string.h>

struct look {
	const char *name;
	const char *magic;
	size_t len;
	size_t at;
};

#define LOOK(name, magic)                                                                \
	{                                                                                \
		name, magic, sizeof(magic) - 1, 0                                        \
	}
#define LOOK_AT(name, magic, at)                                                         \
	{                                                                                \
		name, magic, sizeof(magic) - 1, at                                       \
	}

static const struct look looks[] = {
	LOOK("ELF program", "\x7f"
			    "ELF"),
	LOOK("Windows program", "MZ"),
	LOOK("JPEG picture", "\xff\xd8\xff"),
	LOOK("PNG picture", "\x89PNG\r\n"),
	LOOK("GIF picture", "GIF8"),
	LOOK("PDF document", "%PDF-"),
	LOOK("ZIP archive", "PK\x03\x04"),
	LOOK("ZIP archive", "PK\x05\x06"),
	LOOK("7-Zip archive", "7z\xbc\xaf\x27\x1c"),
	LOOK("RAR archive", "Rar!\x1a\x07"),
	LOOK("bzip2 data; decompress it first", "BZh"),
	LOOK("legacy lz4 data; decompress it first", "\x02\x21\x4c\x18"),
	LOOK("lzma data; decompress it first", "\x5d\x00\x00"),
	LOOK("lzip data; decompress it first", "LZIP"),
	LOOK("gzip data", "\x1f\x8b"),
	LOOK("zstd data", "\x28\xb5\x2f\xfd"),
	LOOK("xz data", "\xfd"
			"7zXZ"),
	LOOK("lz4 data", "\x04\x22\x4d\x18"),
	LOOK("SQLite database", "SQLite format 3"),
	LOOK("Microsoft Network Monitor capture; convert it with editcap", "GMBU"),
	LOOK("Microsoft Network Monitor capture; convert it with editcap", "RTSS"),
	LOOK("Sniffer capture; convert it with editcap", "TRSNIFF data"),
	LOOK("btsnoop capture; convert it with editcap", "btsnoop"),
	LOOK("AIX iptrace capture; convert it with editcap", "iptrace "),
	LOOK("PEM text", "-----BEGIN "),
	LOOK("XML text", "<?xml"),
	LOOK("script", "#!"),
	LOOK("Debian package or ar archive", "!<arch>\n"),
	LOOK_AT("tar archive", "ustar", 257),
};

static bool is_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 0x20 && !memchr("\t\n\r\f\033", p[i], 5)) || p[i] == 0x7f)
			return false;
	return true;
}

static bool is_zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

const char *nr_looks_like(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < sizeof(looks) / sizeof(*looks); i++) {
		const struct look *l = &looks[i];

		if (n >= l->len && n - l->len >= l->at &&
		    !memcmp(p + l->at, l->magic, l->len))
			return l->name;
	}
	if (n > 512)
		n = 512;
	if (is_zeros(p, n))
		return "zero bytes";
	return is_text(p, n) ? "text" : NULL;
}
