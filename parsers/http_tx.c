/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which response answers which request.
 *
 * Both are counted. Where nothing is lost the count is the answer (RFC 9112, 9.3.2).
 * Where a gap may have swallowed messages:
 *
 *   - requests that were answered before were asked before: a request behind a gap is
 *     not counted below the responses seen so far;
 *   - a gap where a message would have begun swallows one at least;
 *   - a client that never asked twice before an answer has got an answer to all but its
 *     newest request: the first response behind the gap belongs to that one.
 */
#include "http.h"

#include "base/text.h"

#include <string.h>

void nr_http_head_free(struct nr_http_head *head, struct nr_account *a)
{
	nr_account_free(a, head->p, head->cap);
	*head = (struct nr_http_head){ 0 };
}

static void tx_free(struct nr_parse *p, struct nr_http_tx *tx)
{
	nr_http_head_free(&tx->msg[NR_HTTP_REQ].head, p->account);
	nr_http_head_free(&tx->msg[NR_HTTP_RESP].head, p->account);
	nr_account_free(p->account, tx->interim, tx->interim_len);
	nr_account_free(p->account, tx, sizeof(*tx));
}

static void write_and_free(struct nr_parse *p, struct nr_http *h, struct nr_http_tx *tx)
{
	/* what a gap swallowed and nobody answered left no trace */
	if (tx->msg[NR_HTTP_REQ].seen || tx->msg[NR_HTTP_RESP].seen || tx->n_interim)
		nr_http_row(p, h, tx);
	tx_free(p, tx);
}

static struct nr_http_tx *oldest(const struct nr_http *h)
{
	return h->newest ? h->newest->next : NULL;
}

/* The first one with at least that number, or NULL. */
static struct nr_http_tx *from_depth(const struct nr_http *h, uint64_t depth)
{
	struct nr_http_tx *tx = oldest(h);

	while (tx && tx->depth < depth)
		tx = tx != h->newest ? tx->next : NULL;
	return tx;
}

static void insert_oldest(struct nr_http *h, struct nr_http_tx *tx)
{
	if (!h->newest)
		h->newest = tx;
	else
		tx->next = h->newest->next;
	h->newest->next = tx;
}

static void pop(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_tx *tx = oldest(h);

	if (tx == h->newest)
		h->newest = NULL;
	else
		h->newest->next = tx->next;
	h->n_open--;
	write_and_free(p, h, tx);
}

static struct nr_http_tx *tx_new(struct nr_parse *p, struct nr_http *h, uint64_t depth)
{
	struct nr_http_tx *tx = nr_account_alloc(p->account, sizeof(*tx));

	if (tx) {
		tx->depth = depth;
		h->n_open++;
	}
	return tx;
}

static struct nr_http_tx *append(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_tx *tx = tx_new(p, h, h->n_req + 1);

	if (!tx)
		return NULL;
	h->n_req++;
	insert_oldest(h, tx);
	h->newest = tx;
	return tx;
}

/* Answers without the usual body; 0: an answer as any other. */
enum { KIND_HEAD = 1, KIND_CONNECT = 2 };

static void forget_depths(struct nr_http_written *w, uint64_t from, uint64_t to)
{
	if (to - from > NR_HTTP_WRITTEN_MAX) {
		memset(w->kind, 0, sizeof(w->kind));
		return;
	}
	for (; from < to; from++)
		w->kind[from % NR_HTTP_WRITTEN_MAX] = 0;
}

/* Most pipelines hold neither, and need no memory for it. */
static void note_written(struct nr_parse *p, struct nr_http *h,
			 const struct nr_http_tx *tx)
{
	const struct nr_http_message *req = &tx->msg[NR_HTTP_REQ];
	uint8_t kind = req->is_head ? KIND_HEAD : req->is_connect ? KIND_CONNECT : 0;
	struct nr_http_written *w = h->written;

	if (!w && kind)
		w = h->written = nr_account_alloc(p->account, sizeof(*w));
	if (!w)
		return;
	forget_depths(w, w->newest + 1, tx->depth);
	w->newest = tx->depth;
	w->kind[tx->depth % NR_HTTP_WRITTEN_MAX] = kind;
}

/* A response whose request may have been written early: what it needs of that. */
static void recall_written(const struct nr_http *h, struct nr_http_tx *tx)
{
	const struct nr_http_written *w = h->written;
	uint8_t kind;

	if (!w || tx->depth > w->newest || w->newest - tx->depth >= NR_HTTP_WRITTEN_MAX)
		return;
	kind = w->kind[tx->depth % NR_HTTP_WRITTEN_MAX];
	tx->msg[NR_HTTP_REQ].is_head = kind == KIND_HEAD;
	tx->msg[NR_HTTP_REQ].is_connect = kind == KIND_CONNECT;
}

/*
 * At the cap the newest request that is whole goes, not the oldest: the oldest may be
 * waiting for bytes that are under way. The count still says what answers it.
 */
static void make_room(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_tx *gone = h->newest, *tx = gone;

	if (h->n_open < NR_HTTP_OPEN_MAX)
		return;
	while (tx->next != gone)
		tx = tx->next;
	tx->next = gone->next;
	h->newest = tx;
	h->n_open--;
	if (!h->dropped)
		nr_parse_anomaly(p, NR_ANOM_HTTP_LIMIT, h->client - 1,
				 nr_arena_printf(p->arena,
						 "{\"what\":\"open transactions\","
						 "\"value\":%u,\"trans_depth\":%llu}",
						 (unsigned)NR_HTTP_OPEN_MAX,
						 (unsigned long long)gone->depth));
	h->dropped = true;
	note_written(p, h, gone);
	write_and_free(p, h, gone);
}

struct nr_http_tx *nr_http_tx_request(struct nr_parse *p, struct nr_http *h)
{
	if (h->n_req < h->n_resp)
		h->n_req = h->n_resp;
	else if (h->n_req > h->n_resp && !h->resp_lost)
		h->pipelines = true;
	make_room(p, h);
	return append(p, h);
}

void nr_http_tx_request_lost(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_tx *tx;

	if (h->n_req < h->n_resp) {
		h->n_req = h->n_resp;
		return;
	}
	make_room(p, h);
	tx = append(p, h);
	if (tx)
		tx->msg[NR_HTTP_REQ].broken = true;
}

struct nr_http_tx *nr_http_tx_next_answered(const struct nr_http *h)
{
	return from_depth(h, h->n_resp + 1);
}

/* Rows of those whose responses were lost, before the one with number n_resp. */
static void give_up_older(struct nr_parse *p, struct nr_http *h)
{
	const struct nr_http_tx *tx;

	while ((tx = oldest(h)) && tx->depth < h->n_resp && !tx->msg[NR_HTTP_REQ].open)
		pop(p, h);
}

static bool newest_is_unanswered(const struct nr_http *h)
{
	const struct nr_http_tx *tx = h->newest;

	return tx && tx->depth == h->n_req && !tx->msg[NR_HTTP_RESP].seen;
}

struct nr_http_tx *nr_http_tx_response(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_tx *tx;

	if (h->resp_lost && !h->pipelines && newest_is_unanswered(h))
		h->n_resp = h->n_req - 1;
	h->resp_lost = false;
	h->n_resp++;
	give_up_older(p, h);
	tx = from_depth(h, h->n_resp);
	if (tx && tx->depth == h->n_resp)
		return tx;
	tx = tx_new(p, h, h->n_resp);
	if (!tx)
		return NULL;
	recall_written(h, tx);
	insert_oldest(h, tx);
	return tx;
}

void nr_http_tx_response_lost(struct nr_parse *p, struct nr_http *h)
{
	struct nr_http_tx *tx = nr_http_tx_next_answered(h);

	h->resp_lost = true;
	if (!tx || !h->pipelines)
		return;
	h->n_resp = tx->depth;
	tx->msg[NR_HTTP_RESP].broken = true;
}

enum nr_verdict nr_http_tx_interim(struct nr_parse *p, struct nr_http_tx *tx)
{
	struct nr_http_message *m = &tx->msg[NR_HTTP_RESP];
	struct nr_http_start s;
	struct nr_buf b = { 0 };
	size_t n, line = m->head.fields_at;
	char *fields, *kept;

	if (tx->n_interim++ < NR_HTTP_INTERIM_MAX) {
		while (line &&
		       (m->head.p[line - 1] == '\n' || m->head.p[line - 1] == '\r'))
			line--;
		s = nr_http_start_line((const char *)m->head.p, line);
		fields = nr_http_fields_json(p, &m->head, m->head.fields_at, m->head.len,
					     &n);
		nr_buf_printf(&b,
			      "%s{\"status\":%d,\"reason\":", tx->interim_len ? "," : "",
			      s.status);
		nr_buf_json(&b, s.reason.p, s.reason.n);
		nr_buf_str(&b, ",\"headers\":");
		nr_buf_add(&b, fields, n);
		nr_buf_char(&b, '}');
		kept = nr_account_realloc(p->account, tx->interim, tx->interim_len,
					  tx->interim_len + b.len);
		if (!kept) {
			nr_buf_fini(&b);
			return NR_OVERFLOW;
		}
		memcpy(kept + tx->interim_len, b.p, b.len);
		tx->interim = kept;
		tx->interim_len += (uint32_t)b.len;
		nr_buf_fini(&b);
	} else if (tx->n_interim == NR_HTTP_INTERIM_MAX + 1) {
		nr_parse_anomaly(p, NR_ANOM_HTTP_LIMIT, -1,
				 nr_arena_printf(p->arena,
						 "{\"what\":\"interim responses\","
						 "\"value\":%u,\"trans_depth\":%llu}",
						 (unsigned)NR_HTTP_INTERIM_MAX,
						 (unsigned long long)tx->depth));
	}
	nr_http_head_free(&m->head, p->account);
	*m = (struct nr_http_message){ .open = true };
	return NR_MORE;
}

/* A response that was read, or that will never come. */
static bool is_settled(const struct nr_http *h, const struct nr_http_tx *tx)
{
	const struct nr_http_message *resp = &tx->msg[NR_HTTP_RESP];

	if (tx->msg[NR_HTTP_REQ].open)
		return false;
	return tx->depth < h->n_resp ||
	       (tx->depth == h->n_resp && (resp->seen || resp->broken) && !resp->open);
}

void nr_http_tx_settle(struct nr_parse *p, struct nr_http *h)
{
	while (h->newest && is_settled(h, oldest(h)))
		pop(p, h);
}

void nr_http_tx_flush(struct nr_parse *p, struct nr_http *h)
{
	while (h->newest)
		pop(p, h);
	nr_account_free(p->account, h->written, sizeof(*h->written));
	h->written = NULL;
}
