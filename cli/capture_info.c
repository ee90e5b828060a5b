/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture_info.h"

#include "base/mem.h"
#include "base/text.h"
#include "decode/decode.h"
#include "text.h"

#include <string.h>

static void keep(char out[NR_INFO_TEXT], const struct nr_text *t)
{
	size_t n = t->p ? t->len : 0;

	if (n > NR_INFO_TEXT - 1)
		n = NR_INFO_TEXT - 1;
	if (n)
		memcpy(out, t->p, n);
	out[n] = 0;
}

static void add_interface(struct nr_capture_info *i, const struct nr_interface *f)
{
	struct nr_info_interface *k;

	i->all_interfaces++;
	i->by_link_type[f->link_type / 64] |= UINT64_C(1) << f->link_type % 64;
	if (i->n_interfaces == NR_INFO_INTERFACES)
		return;
	if ((i->n_interfaces & (i->n_interfaces - 1)) == 0)
		i->interfaces = nr_xrealloc(i->interfaces,
					    (i->n_interfaces ? 2 * i->n_interfaces : 1) *
						    sizeof(*i->interfaces));
	k = &i->interfaces[i->n_interfaces++];
	*k = (struct nr_info_interface){
		.id = f->interface_id,
		.section = f->section,
		.snap_len = f->snap_len,
		.link_type = f->link_type,
		.tsresol = f->tsresol,
		.tsoffset_s = f->tsoffset_s,
		.received = UINT64_MAX,
		.dropped = UINT64_MAX,
	};
	keep(k->name, &f->name);
	keep(k->description, &f->description);
	keep(k->filter, &f->filter);
	keep(k->os, &f->os);
	keep(k->hardware, &f->hardware);
}

static struct nr_info_interface *interface_of(struct nr_capture_info *i, uint32_t id)
{
	/* ids run on through the sections: an interface stands at its id */
	return id < i->n_interfaces && i->interfaces[id].id == id ? &i->interfaces[id]
								  : NULL;
}

static void add_event(struct nr_capture_info *i, const struct nr_event *e)
{
	struct nr_info_interface *k;

	switch (e->kind) {
	case NR_EVENT_INTERFACE:
		add_interface(i, &e->interface);
		break;
	case NR_EVENT_INTERFACE_STATS:
		k = interface_of(i, e->interface_id);
		if (k) {
			k->received = e->received;
			k->dropped = e->dropped;
		}
		break;
	case NR_EVENT_COMMENT:
		i->comments++;
		break;
	case NR_EVENT_NAME:
		i->names++;
		break;
	case NR_EVENT_SECRETS:
		i->secrets++;
		break;
	case NR_EVENT_DAMAGE:
		if (i->n_damages < NR_INFO_DAMAGES)
			keep(i->damage[i->n_damages], &e->text);
		i->n_damages++;
		break;
	case NR_EVENT_SOURCE_START:
	case NR_EVENT_SOURCE_END:
	case NR_EVENT_TICK:
	case NR_EVENT_LOSS:
		break;
	}
}

static void add_packet(struct nr_capture_info *i, const struct nr_packet *p,
		       int64_t *before)
{
	struct nr_info_interface *k = interface_of(i, p->interface_id);

	if (!i->packets || p->ts_ns < i->first_ns)
		i->first_ns = p->ts_ns;
	if (!i->packets || p->ts_ns > i->last_ns)
		i->last_ns = p->ts_ns;
	if (!i->packets || p->wire_len < i->min_len)
		i->min_len = p->wire_len;
	if (p->wire_len > i->max_len)
		i->max_len = p->wire_len;
	if (i->packets && p->ts_ns < *before)
		i->backwards++;
	*before = p->ts_ns;
	i->packets++;
	i->wire_bytes += p->wire_len;
	i->captured_bytes += p->cap_len;
	i->cut_packets += p->cap_len < p->wire_len;
	i->by_link_type[p->link_type / 64] |= UINT64_C(1) << p->link_type % 64;
	if (k)
		k->packets++;
}

int nr_capture_info_read(struct nr_capture_info *i, const char *path, bool hash,
			 const atomic_int *stop, struct nr_err *err)
{
	const struct nr_source_info *info;
	struct nr_source *s;
	struct nr_batch *b;
	int64_t before = 0;
	int rc;

	rc = nr_source_open(
		&s, path, &(struct nr_source_options){ .hash = hash, .stop = stop }, err);
	if (rc)
		return rc;
	b = nr_xcalloc(1, sizeof(*b));
	while (!atomic_load(stop) && (rc = nr_source_read(s, b, NR_BATCH_MAX, err)) > 0) {
		for (unsigned k = 0; k < b->n; k++)
			if (b->pkt[k].event)
				add_event(i, b->pkt[k].event);
			else
				add_packet(i, &b->pkt[k], &before);
		nr_batch_release(b);
	}
	nr_batch_release(b);
	free(b);
	info = nr_source_info(s);
	i->interrupted = rc > 0 || (atomic_load(stop) && rc >= 0);
	i->path = nr_xstrdup(info->path);
	i->format = nr_xstrdup(info->format);
	i->compression = info->compression ? nr_xstrdup(info->compression) : NULL;
	i->bytes = info->bytes;
	memcpy(i->sha256, info->sha256, sizeof(i->sha256));
	i->hash_note = hash ? info->hash_note : NULL;
	nr_source_close(s);
	return rc < 0 ? rc : 0;
}

void nr_capture_info_free(struct nr_capture_info *i)
{
	free(i->path);
	free(i->format);
	free(i->compression);
	free(i->interfaces);
	free(i);
}

static const char *link_name(char out[NR_TEXT_MAX], unsigned link_type)
{
	const char *name = nr_link_type_name(link_type);

	if (name)
		return name;
	snprintf(out, NR_TEXT_MAX, "%u", link_type);
	return out;
}

/* The n-th link type seen, -1 behind the last. */
static int next_link_type(const struct nr_capture_info *i, int after)
{
	for (int t = after + 1; t < 65536; t++)
		if (i->by_link_type[t / 64] >> t % 64 & 1)
			return t;
	return -1;
}

static void put_line(FILE *f, const char *label, const char *text)
{
	fprintf(f, "  %-14s", label);
	nr_text_safe(f, text, strlen(text));
	fputc('\n', f);
}

static void put_interface(const struct nr_info_interface *k, FILE *f)
{
	char a[NR_TEXT_MAX];

	fprintf(f, "  interface %-4u%s", k->id, link_name(a, k->link_type));
	if (k->section)
		fprintf(f, ", section %u", k->section);
	if (k->snap_len)
		fprintf(f, ", snap length %u", k->snap_len);
	if (k->tsresol)
		fprintf(f, ", %s units/s", nr_text_count(a, k->tsresol));
	if (k->tsoffset_s)
		fprintf(f, ", offset %lld s", (long long)k->tsoffset_s);
	fprintf(f, ", %s packets\n", nr_text_count(a, k->packets));
	if (k->name[0])
		put_line(f, "  name", k->name);
	if (k->description[0])
		put_line(f, "  description", k->description);
	if (k->filter[0])
		put_line(f, "  filter", k->filter);
	if (k->os[0])
		put_line(f, "  os", k->os);
	if (k->hardware[0])
		put_line(f, "  hardware", k->hardware);
	if (k->received != UINT64_MAX)
		put_line(f, "  received", nr_text_count(a, k->received));
	if (k->dropped != UINT64_MAX)
		put_line(f, "  dropped", nr_text_count(a, k->dropped));
}

static void put_packets(const struct nr_capture_info *i, FILE *f)
{
	char a[NR_TEXT_MAX], b[NR_TEXT_MAX];
	double s = (double)(i->last_ns - i->first_ns) / 1e9;

	put_line(f, "packets", nr_text_count(a, i->packets));
	if (!i->packets)
		return;
	fprintf(f, "  %-14s%s on the wire, %s captured\n", "bytes",
		nr_text_bytes(a, i->wire_bytes), nr_text_bytes(b, i->captured_bytes));
	fprintf(f, "  %-14s%u … %u bytes, %.1f on average\n", "lengths", i->min_len,
		i->max_len, (double)i->wire_bytes / (double)i->packets);
	if (i->cut_packets)
		fprintf(f, "  %-14s%s packets\n", "cut short",
			nr_text_count(a, i->cut_packets));
	put_line(f, "first", nr_text_time(a, i->first_ns, 9));
	put_line(f, "last", nr_text_time(a, i->last_ns, 9));
	put_line(f, "duration", nr_text_duration(a, i->last_ns - i->first_ns));
	if (s > 0)
		fprintf(f, "  %-14s%.1f packets/s, %s/s\n", "rate",
			(double)i->packets / s,
			nr_text_bytes(a, (uint64_t)((double)i->wire_bytes / s)));
	if (i->backwards)
		fprintf(f, "  %-14s%s packets older than the one before\n", "order",
			nr_text_count(a, i->backwards));
	else
		put_line(f, "order", "by time");
}

void nr_capture_info_text(const struct nr_capture_info *i, bool first, FILE *f)
{
	struct nr_colours c = nr_colours_for(f);
	char a[NR_TEXT_MAX];

	fputs(first ? "" : "\n", f);
	fputs(c.bold, f);
	nr_text_safe(f, i->path, strlen(i->path));
	fprintf(f, "%s\n  %-14s%s%s%s\n", c.reset, "format", i->format,
		i->compression ? " in " : "", i->compression ? i->compression : "");
	if (i->bytes >= 0)
		put_line(f, "size", nr_text_bytes(a, (uint64_t)i->bytes));
	put_packets(i, f);
	fprintf(f, "  %-14s", "link types");
	for (int t = next_link_type(i, -1); t >= 0; t = next_link_type(i, t))
		fprintf(f, "%s ", link_name(a, (unsigned)t));
	fputc('\n', f);
	for (size_t k = 0; k < i->n_interfaces; k++)
		put_interface(&i->interfaces[k], f);
	if (i->all_interfaces > i->n_interfaces)
		fprintf(f, "  and %s more interfaces\n",
			nr_text_count(a, i->all_interfaces - i->n_interfaces));
	if (i->comments)
		put_line(f, "comments", nr_text_count(a, i->comments));
	if (i->names)
		put_line(f, "names", nr_text_count(a, i->names));
	if (i->secrets)
		put_line(f, "secrets", nr_text_count(a, i->secrets));
	for (size_t k = 0; k < i->n_damages && k < NR_INFO_DAMAGES; k++) {
		fputs(c.red, f);
		put_line(f, "damaged", i->damage[k]);
		fputs(c.reset, f);
	}
	if (i->n_damages > NR_INFO_DAMAGES)
		put_line(f, "damaged", "and in more places");
	if (i->interrupted)
		put_line(f, "interrupted", "what was read up to there");
	if (i->sha256[0])
		put_line(f, "sha256", i->sha256);
	else if (i->hash_note)
		fprintf(f, "  %-14snot computed: %s\n", "sha256", i->hash_note);
}

static void add_text(struct nr_buf *b, const char *key, const char *s)
{
	if (!s || !*s)
		return;
	nr_buf_printf(b, ",\"%s\":", key);
	nr_buf_json(b, s, strlen(s));
}

static void add_number(struct nr_buf *b, const char *key, uint64_t v)
{
	nr_buf_printf(b, ",\"%s\":%llu", key, (unsigned long long)v);
}

static void json_interface(struct nr_buf *b, const struct nr_info_interface *k)
{
	char a[NR_TEXT_MAX];

	nr_buf_printf(b, "{\"interface_id\":%u,\"section\":%u", k->id, k->section);
	add_text(b, "link_type", link_name(a, k->link_type));
	if (k->snap_len)
		add_number(b, "snap_len", k->snap_len);
	if (k->tsresol)
		add_number(b, "tsresol", k->tsresol);
	nr_buf_printf(b, ",\"tsoffset\":%lld", (long long)k->tsoffset_s);
	add_text(b, "name", k->name);
	add_text(b, "description", k->description);
	add_text(b, "filter", k->filter);
	add_text(b, "os", k->os);
	add_text(b, "hardware", k->hardware);
	add_number(b, "packets", k->packets);
	if (k->received != UINT64_MAX)
		add_number(b, "received", k->received);
	if (k->dropped != UINT64_MAX)
		add_number(b, "dropped", k->dropped);
	nr_buf_char(b, '}');
}

static void json_times(struct nr_buf *b, const struct nr_capture_info *i)
{
	char a[NR_TEXT_MAX];

	add_number(b, "min_len", i->min_len);
	add_number(b, "max_len", i->max_len);
	add_text(b, "first", nr_text_time(a, i->first_ns, 9));
	add_text(b, "last", nr_text_time(a, i->last_ns, 9));
	nr_buf_printf(b, ",\"first_ns\":%lld,\"last_ns\":%lld", (long long)i->first_ns,
		      (long long)i->last_ns);
}

void nr_capture_info_json(const struct nr_capture_info *i, FILE *f)
{
	struct nr_buf b = { 0 };
	char a[NR_TEXT_MAX];
	bool comma = false;

	nr_buf_str(&b, "{\"path\":");
	nr_buf_json(&b, i->path, strlen(i->path));
	add_text(&b, "format", i->format);
	add_text(&b, "compression", i->compression);
	if (i->bytes >= 0)
		add_number(&b, "bytes", (uint64_t)i->bytes);
	add_number(&b, "packets", i->packets);
	add_number(&b, "wire_bytes", i->wire_bytes);
	add_number(&b, "captured_bytes", i->captured_bytes);
	add_number(&b, "cut_packets", i->cut_packets);
	add_number(&b, "time_backwards", i->backwards);
	if (i->packets)
		json_times(&b, i);
	nr_buf_str(&b, ",\"link_types\":[");
	for (int t = next_link_type(i, -1); t >= 0; t = next_link_type(i, t)) {
		nr_buf_printf(&b, "%s\"%s\"", comma ? "," : "",
			      link_name(a, (unsigned)t));
		comma = true;
	}
	nr_buf_str(&b, "],\"interfaces\":[");
	for (size_t k = 0; k < i->n_interfaces; k++) {
		nr_buf_str(&b, k ? "," : "");
		json_interface(&b, &i->interfaces[k]);
	}
	nr_buf_str(&b, "]");
	add_number(&b, "n_interfaces", i->all_interfaces);
	add_number(&b, "comments", i->comments);
	add_number(&b, "names", i->names);
	add_number(&b, "secrets", i->secrets);
	nr_buf_str(&b, ",\"damage\":[");
	for (size_t k = 0; k < i->n_damages && k < NR_INFO_DAMAGES; k++) {
		nr_buf_str(&b, k ? "," : "");
		nr_buf_json(&b, i->damage[k], strlen(i->damage[k]));
	}
	nr_buf_str(&b, "]");
	add_number(&b, "n_damages", i->n_damages);
	nr_buf_printf(&b, ",\"interrupted\":%s", i->interrupted ? "true" : "false");
	add_text(&b, "sha256", i->sha256[0] ? i->sha256 : NULL);
	add_text(&b, "hash_note", i->hash_note);
	nr_buf_str(&b, "}\n");
	fwrite(b.p, 1, b.len, f);
	nr_buf_fini(&b);
}
