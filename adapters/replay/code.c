#include "adapters/replay/code.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "engine/num.h"
#include "engine/render.h"
#include "engine/text.h"

#define MESSAGE_MAX 4096

/* ---- fields ------------------------------------------------------------------------------------
 */

enum field_type { IS_BOOL, IS_U8, IS_U16, IS_I16, IS_I32, IS_U32, IS_I64, IS_U64, IS_DOUBLE };

struct field {
    const char *name;
    size_t offset;
    enum field_type type;
    /* Of an IS_U8 that stands by name. */
    const char *(*name_of)(unsigned value);
};

#define TYPE_OF(struct_type, member)                                                               \
    _Generic(((struct_type *)0)->member, bool                                                      \
             : IS_BOOL, uint8_t                                                                    \
             : IS_U8, uint16_t                                                                     \
             : IS_U16, int16_t                                                                     \
             : IS_I16, int32_t                                                                     \
             : IS_I32, uint32_t                                                                    \
             : IS_U32, int64_t                                                                     \
             : IS_I64, uint64_t                                                                    \
             : IS_U64, double                                                                      \
             : IS_DOUBLE)
#define FIELD(struct_type, member)                                                                 \
    {                                                                                              \
#member, offsetof(struct_type, member), TYPE_OF(struct_type, member), NULL                 \
    }
#define NAMED(struct_type, member, names)                                                          \
    {                                                                                              \
#member, offsetof(struct_type, member), TYPE_OF(struct_type, member), names                \
    }
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char *phase_text(unsigned v)
{
    return v < PHASE_COUNT ? phase_name((enum phase)v) : NULL;
}

static const char *kind_text(unsigned v)
{
    return v < ASK_KIND_COUNT ? ask_kind_name((enum ask_kind)v) : NULL;
}

static const char *outcome_text(unsigned v)
{
    static const char *const names[] = {"ok", "retry", "failed", "no value"};

    return v < COUNT(names) ? names[v] : NULL;
}

static const char *save_text(unsigned v)
{
    static const char *const names[] = {"sync",   "phase",      "failed checks",
                                        "weight", "iterations", "memory"};

    return v < COUNT(names) ? names[v] : NULL;
}

static const char *command_text(unsigned v)
{
    return v <= COMMAND_RESUME ? command_name((enum command)v) : NULL;
}

static const struct field status_fields[] = {
    NAMED(struct status, phase, phase_text),
    FIELD(struct status, failed_checks),
    FIELD(struct status, canary_weight),
    FIELD(struct status, iterations),
    FIELD(struct status, condition),
    NAMED(struct status, condition_reason, phase_text),
    FIELD(struct status, reserved),
    FIELD(struct status, applied),
    FIELD(struct status, promoted),
    FIELD(struct status, configs),
    FIELD(struct status, transition_ms),
    FIELD(struct status, condition_update_ms),
    FIELD(struct status, condition_transition_ms),
};
static const struct field save_fields[] = {
    NAMED(struct save, op, save_text), NAMED(struct save, phase, phase_text),
    FIELD(struct save, weight),        FIELD(struct save, failed_checks),
    FIELD(struct save, iterations),    FIELD(struct save, memory),
};
static const struct field judge_fields[] = {
    FIELD(struct judge_state, history),
    FIELD(struct judge_state, run),
    FIELD(struct judge_state, looks),
    FIELD(struct judge_state, canary_errors),
    FIELD(struct judge_state, canary_requests),
    FIELD(struct judge_state, primary_errors),
    FIELD(struct judge_state, primary_requests),
    FIELD(struct judge_state, log_e),
};
/* All but the links of the gate table, which follow from `facts`. */
static const struct field rollout_fields[] = {
    FIELD(struct rollout, memory),
    NAMED(struct rollout, command, command_text),
    FIELD(struct rollout, gate),
    FIELD(struct rollout, after),
    NAMED(struct rollout, ask_kind, kind_text),
    FIELD(struct rollout, ask_id),
    FIELD(struct rollout, facts),
    FIELD(struct rollout, cursor),
    FIELD(struct rollout, primary),
    FIELD(struct rollout, canary),
    FIELD(struct rollout, next_primary),
    FIELD(struct rollout, next_canary),
    FIELD(struct rollout, mirrored),
    FIELD(struct rollout, next_mirrored),
    FIELD(struct rollout, routed),
    FIELD(struct rollout, observed),
    FIELD(struct rollout, primary_ready),
    FIELD(struct rollout, reverted),
    FIELD(struct rollout, match),
    FIELD(struct rollout, iterations),
    FIELD(struct rollout, now_ms),
    FIELD(struct rollout, began_ms),
    FIELD(struct rollout, target),
    FIELD(struct rollout, configs_now),
    FIELD(struct rollout, ticks),
};
static const struct field ask_fields[] = {
    NAMED(struct ask, kind, kind_text),
    FIELD(struct ask, id),
    NAMED(struct ask, phase, phase_text),
    FIELD(struct ask, metric),
    FIELD(struct ask, flag),
    FIELD(struct ask, index),
    FIELD(struct ask, primary),
    FIELD(struct ask, canary),
    FIELD(struct ask, wait_ms),
};
static const struct field answer_fields[] = {
    NAMED(struct answer, outcome, outcome_text),
    FIELD(struct answer, id),
    FIELD(struct answer, cause),
    FIELD(struct answer, mirrored),
    FIELD(struct answer, no_pods),
    FIELD(struct answer, primary),
    FIELD(struct answer, canary),
    FIELD(struct answer, value),
    FIELD(struct answer, target),
    FIELD(struct answer, configs),
    FIELD(struct answer, canary_errors),
    FIELD(struct answer, canary_requests),
    FIELD(struct answer, primary_errors),
    FIELD(struct answer, primary_requests),
};

/* ---- writing -----------------------------------------------------------------------------------
 */

static void add_name(struct strbuf *out, const char *name)
{
    if (out->len > 0 && out->data[out->len - 1] != '{' && out->data[out->len - 1] != '[')
        strbuf_addc(out, ',');
    if (name)
        strbuf_addf(out, "\"%s\":", name);
}

static void add_double(struct strbuf *out, double value)
{
    char digits[40];
    struct text t;

    text_init(&t, digits, sizeof(digits));
    text_add_float(&t, value);
    if (num_is_finite(value) && strcmp(digits, "-0") != 0)
        strbuf_adds(out, digits);
    else
        strbuf_addf(out, "\"%s\"", digits);
}

static void add_string(struct strbuf *out, const char *name, const char *s, size_t len)
{
    add_name(out, name);
    strbuf_add_json(out, s, len);
}

/* The integer that a field holds; IS_U64 and IS_DOUBLE are apart. */
static int64_t field_int(const char *at, enum field_type type)
{
    union {
        bool b;
        uint8_t u8;
        uint16_t u16;
        int16_t i16;
        int32_t i32;
        uint32_t u32;
        int64_t i64;
    } v = {0};

    switch (type) {
    case IS_BOOL:
        memcpy(&v.b, at, sizeof(v.b));
        return v.b;
    case IS_U8:
        memcpy(&v.u8, at, sizeof(v.u8));
        return v.u8;
    case IS_U16:
        memcpy(&v.u16, at, sizeof(v.u16));
        return v.u16;
    case IS_I16:
        memcpy(&v.i16, at, sizeof(v.i16));
        return v.i16;
    case IS_I32:
        memcpy(&v.i32, at, sizeof(v.i32));
        return v.i32;
    case IS_U32:
        memcpy(&v.u32, at, sizeof(v.u32));
        return v.u32;
    case IS_I64:
        memcpy(&v.i64, at, sizeof(v.i64));
        return v.i64;
    case IS_U64:
    case IS_DOUBLE:
        break;
    }
    return 0;
}

static bool is_zero(const char *at, enum field_type type)
{
    uint64_t bits;

    if (type != IS_U64 && type != IS_DOUBLE)
        return field_int(at, type) == 0;
    memcpy(&bits, at, sizeof(bits)); /* -0 is not zero: it is told apart */
    return bits == 0;
}

static void add_field(struct strbuf *out, const struct field *f, const char *at)
{
    const char *name;
    uint64_t bits;
    double value;

    if (is_zero(at, f->type))
        return;
    add_name(out, f->name);
    switch (f->type) {
    case IS_U64:
        memcpy(&bits, at, sizeof(bits));
        strbuf_addf(out, "\"%llx\"", (unsigned long long)bits);
        return;
    case IS_DOUBLE:
        memcpy(&value, at, sizeof(value));
        add_double(out, value);
        return;
    case IS_BOOL:
        strbuf_adds(out, "true");
        return;
    case IS_U8:
    case IS_U16:
    case IS_I16:
    case IS_I32:
    case IS_U32:
    case IS_I64:
        break;
    }
    name = f->name_of ? f->name_of((unsigned)field_int(at, f->type)) : NULL;
    if (name)
        strbuf_add_json(out, name, strlen(name));
    else
        strbuf_addf(out, "%lld", (long long)field_int(at, f->type));
}

static void add_fields(struct strbuf *out, const void *value, const struct field *table,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_field(out, &table[i], (const char *)value + table[i].offset);
}

/* A nested value; nothing when all of it is zero. */
static void add_nested(struct strbuf *out, const char *name, const void *value,
                       const struct field *table, size_t count)
{
    bool empty = true;

    for (size_t i = 0; i < count; i++)
        empty = empty && is_zero((const char *)value + table[i].offset, table[i].type);
    if (empty)
        return;
    add_name(out, name);
    strbuf_addc(out, '{');
    add_fields(out, value, table, count);
    strbuf_addc(out, '}');
}

static size_t judges_used(const struct rollout *r)
{
    size_t used = 0;

    for (size_t i = 0; i < JUDGED_METRICS_MAX; i++) {
        for (size_t f = 0; f < COUNT(judge_fields); f++) {
            if (!is_zero((const char *)&r->judges[i] + judge_fields[f].offset,
                         judge_fields[f].type))
                used = i + 1;
        }
    }
    return used;
}

void code_rollout(struct strbuf *out, const struct rollout *r)
{
    size_t used = judges_used(r);

    strbuf_addc(out, '{');
    add_nested(out, "stored", &r->stored, status_fields, COUNT(status_fields));
    add_fields(out, r, rollout_fields, COUNT(rollout_fields));
    add_nested(out, "status", &r->status, status_fields, COUNT(status_fields));
    add_nested(out, "saving", &r->saving, save_fields, COUNT(save_fields));
    if (used > 0) {
        add_name(out, "judges");
        strbuf_addc(out, '[');
        for (size_t i = 0; i < used; i++) {
            add_name(out, NULL);
            strbuf_addc(out, '{');
            add_fields(out, &r->judges[i], judge_fields, COUNT(judge_fields));
            strbuf_addc(out, '}');
        }
        strbuf_addc(out, ']');
    }
    strbuf_addc(out, '}');
}

void code_ask(struct strbuf *out, const struct ask *ask)
{
    strbuf_addc(out, '{');
    add_fields(out, ask, ask_fields, COUNT(ask_fields));
    if (ask->kind == ASK_SAVE) {
        add_name(out, "save");
        strbuf_addc(out, '{');
        add_fields(out, &ask->save, save_fields, COUNT(save_fields));
        strbuf_addc(out, '}');
    }
    strbuf_addc(out, '}');
}

static void add_samples(struct strbuf *out, const char *name, const double *samples, uint32_t count)
{
    if (samples == NULL || count == 0)
        return;
    add_name(out, name);
    strbuf_addc(out, '[');
    for (uint32_t i = 0; i < count; i++) {
        add_name(out, NULL);
        add_double(out, samples[i]);
    }
    strbuf_addc(out, ']');
}

void code_answer(struct strbuf *out, const struct answer *a)
{
    strbuf_addc(out, '{');
    add_fields(out, a, answer_fields, COUNT(answer_fields));
    if (a->text && a->text_len > 0)
        add_string(out, "text", a->text, a->text_len);
    if (a->subject)
        add_string(out, "subject", a->subject, strlen(a->subject));
    if (a->status) {
        add_name(out, "status");
        strbuf_addc(out, '{');
        add_fields(out, a->status, status_fields, COUNT(status_fields));
        strbuf_addc(out, '}');
    }
    add_samples(out, "canary_samples", a->canary_samples, a->canary_sample_count);
    add_samples(out, "primary_samples", a->primary_samples, a->primary_sample_count);
    strbuf_addc(out, '}');
}

static const struct field note_fields[] = {
    NAMED(struct note, phase, phase_text),
    FIELD(struct note, detail),
    FIELD(struct note, index),
    FIELD(struct note, a),
    FIELD(struct note, b),
    FIELD(struct note, x),
    FIELD(struct note, bound),
};

static void add_note_name(struct strbuf *out, const struct note *n)
{
    static const char *const gauges[] = {"status",   "weight",    "analysis",
                                         "duration", "successes", "failures"};
    static const char *const logs[] = {"save failed", "load failed", "phase failed",
                                       "finalize failed"};
    const char *name;

    switch ((enum note_kind)n->kind) {
    case NOTE_EVENT:
        name = event_name((enum event_id)n->id);
        add_string(out, "event", name, strlen(name));
        return;
    case NOTE_ALERT:
        name = alert_name((enum alert_id)n->id);
        add_string(out, "alert", name, strlen(name));
        return;
    case NOTE_GAUGE:
        name = n->id < COUNT(gauges) ? gauges[n->id] : "?";
        add_string(out, "gauge", name, strlen(name));
        return;
    case NOTE_LOG:
        name = n->id < COUNT(logs) ? logs[n->id] : "?";
        add_string(out, "log", name, strlen(name));
        return;
    }
}

static void add_note(struct strbuf *out, const struct spec *spec, const struct note *n)
{
    strbuf_addc(out, '{');
    add_note_name(out, n);
    add_fields(out, n, note_fields, COUNT(note_fields));
    if (n->text && n->text_len > 0)
        add_string(out, "text", n->text, n->text_len);
    if (n->subject)
        add_string(out, "subject", n->subject, strlen(n->subject));
    if (n->kind == NOTE_EVENT || n->kind == NOTE_ALERT) {
        char message[MESSAGE_MAX];
        struct text t;

        text_init(&t, message, sizeof(message));
        render_message(&t, spec, n);
        add_string(out, "message", message, strlen(message));
    }
    strbuf_addc(out, '}');
}

void code_notes(struct strbuf *out, const struct spec *spec, const struct step *step)
{
    strbuf_addc(out, '[');
    for (uint32_t i = 0; i < step->note_count; i++) {
        add_name(out, NULL);
        add_note(out, spec, &step->notes[i]);
    }
    strbuf_addc(out, ']');
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static bool read_hex(const char *s, uint64_t *ret)
{
    uint64_t v = 0;
    size_t n = 0;

    for (; *s; s++, n++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, *s);

        if (d == NULL || n == 16)
            return false;
        v = v << 4 | (uint64_t)(d - digits);
    }
    *ret = v;
    return n > 0;
}

static bool read_double(const cJSON *v, double *ret)
{
    if (cJSON_IsNumber(v) || cJSON_IsRaw(v)) {
        char *text = json_print(v);
        bool ok = text && num_parse(text, strlen(text), ret);

        free(text);
        return ok;
    }
    return cJSON_IsString(v) && num_parse(v->valuestring, strlen(v->valuestring), ret);
}

static bool find_name(const struct field *f, const char *text, int64_t *ret)
{
    for (unsigned i = 0; f->name_of && i < 256; i++) {
        const char *name = f->name_of(i);

        if (name == NULL)
            return false;
        if (strcmp(name, text) == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool store_int(char *at, enum field_type type, int64_t v)
{
    static const struct {
        int64_t min, max;
    } limits[] = {
        [IS_BOOL] = {0, 1},
        [IS_U8] = {0, UINT8_MAX},
        [IS_U16] = {0, UINT16_MAX},
        [IS_I16] = {INT16_MIN, INT16_MAX},
        [IS_I32] = {INT32_MIN, INT32_MAX},
        [IS_U32] = {0, UINT32_MAX},
        [IS_I64] = {INT64_MIN, INT64_MAX},
    };

    if (v < limits[type].min || v > limits[type].max)
        return false;
    switch (type) {
    case IS_BOOL:
        memcpy(at, &(bool){v != 0}, sizeof(bool));
        break;
    case IS_U8:
        memcpy(at, &(uint8_t){(uint8_t)v}, sizeof(uint8_t));
        break;
    case IS_U16:
        memcpy(at, &(uint16_t){(uint16_t)v}, sizeof(uint16_t));
        break;
    case IS_I16:
        memcpy(at, &(int16_t){(int16_t)v}, sizeof(int16_t));
        break;
    case IS_I32:
        memcpy(at, &(int32_t){(int32_t)v}, sizeof(int32_t));
        break;
    case IS_U32:
        memcpy(at, &(uint32_t){(uint32_t)v}, sizeof(uint32_t));
        break;
    case IS_I64:
        memcpy(at, &v, sizeof(v));
        break;
    case IS_U64:
    case IS_DOUBLE:
        return false;
    }
    return true;
}

static bool read_field(const struct field *f, const cJSON *v, char *at)
{
    int64_t i = 0;

    if (f->type == IS_U64) {
        uint64_t bits;

        if (!cJSON_IsString(v) || !read_hex(v->valuestring, &bits))
            return false;
        memcpy(at, &bits, sizeof(bits));
        return true;
    }
    if (f->type == IS_DOUBLE) {
        double d;

        if (!read_double(v, &d))
            return false;
        memcpy(at, &d, sizeof(d));
        return true;
    }
    if (f->type == IS_BOOL)
        return cJSON_IsTrue(v) && store_int(at, IS_BOOL, 1);
    if (cJSON_IsString(v))
        return find_name(f, v->valuestring, &i) && store_int(at, f->type, i);
    return json_as_int(v, &i) && store_int(at, f->type, i);
}

/*
 * Members of `object` into `value`; members in `apart` (NULL-terminated) are somebody else's. NULL
 * or what is wrong.
 */
static const char *read_fields(struct arena *arena, const cJSON *object, const struct field *table,
                               size_t count, const char *const *apart, void *value)
{
    if (!cJSON_IsObject(object))
        return "no JSON object";
    for (const cJSON *m = object->child; m; m = m->next) {
        const struct field *f = NULL;
        bool is_apart = false;

        for (size_t i = 0; apart && apart[i]; i++)
            is_apart = is_apart || strcmp(apart[i], m->string) == 0;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(table[i].name, m->string) == 0)
                f = &table[i];
        }
        if (is_apart)
            continue;
        if (f == NULL)
            return arena_printf(arena, "%.60s: no such member", m->string);
        if (!read_field(f, m, (char *)value + f->offset))
            return arena_printf(arena, "%s: not a value of this member", f->name);
    }
    return NULL;
}

static const char *read_nested(struct arena *arena, const cJSON *object, const char *name,
                               const struct field *table, size_t count, void *value)
{
    const cJSON *v = json_get(object, name);
    const char *why = v ? read_fields(arena, v, table, count, NULL, value) : NULL;

    return why ? arena_printf(arena, "%s: %s", name, why) : NULL;
}

static cJSON *parse(const char *text)
{
    return text ? json_parse(text, strlen(text), NULL) : NULL;
}

static const char *read_judges(struct arena *arena, const cJSON *list, struct rollout *r)
{
    size_t i = 0;

    if (list && !cJSON_IsArray(list))
        return "judges: no list";
    for (const cJSON *v = list ? list->child : NULL; v; v = v->next, i++) {
        const char *why;

        if (i == JUDGED_METRICS_MAX)
            return "judges: too many";
        why = read_fields(arena, v, judge_fields, COUNT(judge_fields), NULL, &r->judges[i]);
        if (why)
            return arena_printf(arena, "judges: %s", why);
    }
    return NULL;
}

const char *decode_rollout(struct arena *arena, const char *text, struct rollout *ret)
{
    static const char *const apart[] = {"stored", "status", "saving", "judges", NULL};
    cJSON *object = parse(text);
    const char *why;

    rollout_init(ret);
    why = read_fields(arena, object, rollout_fields, COUNT(rollout_fields), apart, ret);
    if (!why)
        why =
            read_nested(arena, object, "stored", status_fields, COUNT(status_fields), &ret->stored);
    if (!why)
        why =
            read_nested(arena, object, "status", status_fields, COUNT(status_fields), &ret->status);
    if (!why)
        why = read_nested(arena, object, "saving", save_fields, COUNT(save_fields), &ret->saving);
    if (!why)
        why = read_judges(arena, json_get(object, "judges"), ret);
    json_free(object);
    return why;
}

const char *decode_ask(struct arena *arena, const char *text, struct ask *ret)
{
    static const char *const apart[] = {"save", NULL};
    cJSON *object = parse(text);
    const char *why;

    memset(ret, 0, sizeof(*ret));
    why = read_fields(arena, object, ask_fields, COUNT(ask_fields), apart, ret);
    if (!why)
        why = read_nested(arena, object, "save", save_fields, COUNT(save_fields), &ret->save);
    json_free(object);
    return why;
}

static const char *read_samples(struct arena *arena, const cJSON *list, const double **ret_samples,
                                uint32_t *ret_count)
{
    size_t count = 0, i = 0;
    double *samples;

    if (list == NULL)
        return NULL;
    if (!cJSON_IsArray(list))
        return "samples: no list";
    for (const cJSON *v = list->child; v; v = v->next)
        count++;
    samples = arena_alloc(arena, (count + 1) * sizeof(*samples));
    if (samples == NULL)
        return "samples: too many";
    for (const cJSON *v = list->child; v; v = v->next) {
        if (!read_double(v, &samples[i++]))
            return "samples: not a number";
    }
    *ret_samples = samples;
    *ret_count = (uint32_t)count;
    return NULL;
}

static const char *read_answer_rest(struct arena *arena, const cJSON *object, struct answer *ret)
{
    const char *text = json_str(object, "text"), *subject = json_str(object, "subject"),
               *why = NULL;

    if (text) {
        ret->text = arena_strdup(arena, text);
        ret->text_len = ret->text ? (uint32_t)strlen(text) : 0;
    }
    if (subject)
        ret->subject = arena_strdup(arena, subject);
    if (json_get(object, "status")) {
        struct status *status = arena_alloc(arena, sizeof(*status));

        if (status == NULL)
            return "out of memory";
        memset(status, 0, sizeof(*status));
        why = read_nested(arena, object, "status", status_fields, COUNT(status_fields), status);
        ret->status = status;
    }
    if (!why)
        why = read_samples(arena, json_get(object, "canary_samples"), &ret->canary_samples,
                           &ret->canary_sample_count);
    if (!why)
        why = read_samples(arena, json_get(object, "primary_samples"), &ret->primary_samples,
                           &ret->primary_sample_count);
    return why;
}

const char *decode_answer(struct arena *arena, const char *text, struct answer *ret)
{
    static const char *const apart[] = {"text",           "subject",         "status",
                                        "canary_samples", "primary_samples", NULL};
    cJSON *object = parse(text);
    const char *why;

    memset(ret, 0, sizeof(*ret));
    why = read_fields(arena, object, answer_fields, COUNT(answer_fields), apart, ret);
    if (!why)
        why = read_answer_rest(arena, object, ret);
    json_free(object);
    return why;
}
