#include "sim/record.h"

#include <stdlib.h>
#include <string.h>

/* Texts and copied asks, in blocks that never move. */
struct record_chunk {
    struct record_chunk *next;
    size_t used, cap;
    max_align_t bytes[];
};
#define CHUNK_BYTES 4096u

static const char *const row_kind_names[ROW_KIND_COUNT] = {
    "canary", "rollout", "rollout_end", "tick",     "tick_end", "check", "hook",   "event", "alert",
    "gauge",  "log",     "routes",      "workload", "status",   "world", "outage", "ask",
};

const char *row_kind_name(enum row_kind kind)
{
    return (unsigned)kind < ROW_KIND_COUNT ? row_kind_names[kind] : "";
}

const char *check_verdict_name(enum check_verdict v)
{
    static const char *const names[] = {"pass", "fail", "none", "error", "wait"};

    return (unsigned)v < sizeof names / sizeof *names ? names[v] : "";
}

const char *rollout_result_name(enum rollout_result r)
{
    static const char *const names[] = {"succeeded", "failed", "cancelled", "superseded", "gone"};

    return (unsigned)r < sizeof names / sizeof *names ? names[r] : "";
}

void record_init(struct record *r)
{
    memset(r, 0, sizeof *r);
}

void record_release(struct record *r)
{
    while (r->texts) {
        struct record_chunk *next = r->texts->next;

        free(r->texts);
        r->texts = next;
    }
    free(r->rows);
    record_init(r);
}

void record_clear(struct record *r)
{
    r->count = 0;
    r->failed = false;
    /* One block is kept: most runs say less than it holds. */
    while (r->texts && r->texts->next) {
        struct record_chunk *next = r->texts->next;

        free(r->texts);
        r->texts = next;
    }
    if (r->texts)
        r->texts->used = 0;
}

static void *keep(struct record *r, const void *bytes, size_t size)
{
    size_t need = (size + sizeof(max_align_t)) / sizeof(max_align_t) * sizeof(max_align_t);
    struct record_chunk *c = r->texts;
    char *at;

    if (!c || c->cap - c->used < need) {
        size_t cap = need > CHUNK_BYTES ? need : CHUNK_BYTES;

        c = malloc(sizeof *c + cap);
        if (!c) {
            r->failed = true;
            return NULL;
        }
        c->next = r->texts;
        c->used = 0;
        c->cap = cap;
        r->texts = c;
    }
    at = (char *)c->bytes + c->used;
    memcpy(at, bytes, size);
    memset(at + size, 0, need - size);
    c->used += need;
    return at;
}

static const char *keep_text(struct record *r, const char *text, uint32_t len)
{
    return text ? keep(r, text, len) : NULL;
}

static void keep_note(struct record *r, struct row *row)
{
    struct note *note = &row->u.note;

    note->text = keep_text(r, note->text, note->text_len);
    if (note->subject)
        note->subject = keep(r, note->subject, strlen(note->subject));
    row->text = note->text;
    row->text_len = note->text_len;
}

static void keep_ask(struct record *r, struct row *row)
{
    struct answer *answer = keep(r, row->u.ask.answer, sizeof *answer);

    row->u.ask.ask = keep(r, row->u.ask.ask, sizeof *row->u.ask.ask);
    row->u.ask.answer = answer;
    if (!answer)
        return;
    answer->text = keep_text(r, answer->text, answer->text_len);
    if (answer->subject)
        answer->subject = keep(r, answer->subject, strlen(answer->subject));
    if (answer->status)
        answer->status = keep(r, answer->status, sizeof *answer->status);
    if (answer->canary_samples)
        answer->canary_samples =
            keep(r, answer->canary_samples, answer->canary_sample_count * sizeof(double));
    if (answer->primary_samples)
        answer->primary_samples =
            keep(r, answer->primary_samples, answer->primary_sample_count * sizeof(double));
}

void record_put(void *self, const struct row *row)
{
    struct record *r = self;
    struct row *copy;

    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 128;
        struct row *rows = realloc(r->rows, cap * sizeof *rows);

        if (!rows) {
            r->failed = true;
            return;
        }
        r->rows = rows;
        r->cap = cap;
    }
    copy = &r->rows[r->count++];
    *copy = *row;
    if (row->kind == ROW_EVENT || row->kind == ROW_ALERT || row->kind == ROW_LOG)
        keep_note(r, copy);
    else
        copy->text = keep_text(r, row->text, row->text_len);
    if (row->kind == ROW_ASK)
        keep_ask(r, copy);
}

struct sink record_sink(struct record *r, bool gauges)
{
    return (struct sink){.self = r, .put = record_put, .wants_gauges = gauges};
}
