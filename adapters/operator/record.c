/* The flight recorder's side of a tick: what was known, asked and answered, as text. */
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"
#include "adapters/replay/code.h"
#include "adapters/router/build.h"
#include "adapters/store/flight.h"

/* ---- the Canary as it is kept ------------------------------------------------------------------
 */

/* What the engine reads: the judges' annotations, and not what the operator notes there. */
static cJSON *kept_annotations(const cJSON *canary)
{
    static const char ours[] = "coalmine.dev/";
    const cJSON *all = json_at(canary, "metadata", "annotations", NULL);
    cJSON *kept = NULL;

    for (const cJSON *a = build_members(all); a; a = a->next) {
        if (strncmp(a->string, ours, strlen(ours)) != 0 ||
            strcmp(a->string, STATE_ANNOTATION) == 0 || strcmp(a->string, COMMAND_ANNOTATION) == 0)
            continue;
        if (kept == NULL)
            kept = build_object(NULL);
        build_set(kept, a->string, build_copy(a));
    }
    return kept;
}

/* scheme://host/path: what stands before the host and after the path may be a secret. */
static void hide_url(cJSON *hook)
{
    const char *url = json_str(hook, "url"), *host, *at;
    size_t len;

    if (url == NULL)
        return;
    host = strstr(url, "://");
    host = host ? host + 3 : url;
    len = strcspn(host, "/?#");
    at = memchr(host, '@', len);
    while (at && memchr(at + 1, '@', len - (size_t)(at + 1 - host)))
        at = memchr(at + 1, '@', len - (size_t)(at + 1 - host));
    len = strcspn(url, "?#");
    if (at)
        build_set(hook, "url",
                  build_strf("%.*s%.*s", (int)(host - url), url,
                             (int)(len - (size_t)(at + 1 - url)), at + 1));
    else
        build_set(hook, "url", build_strf("%.*s", (int)len, url));
}

static void hide_values(cJSON *map)
{
    for (cJSON *v = map && cJSON_IsObject(map) ? map->child : NULL; v; v = v->next) {
        if (cJSON_IsString(v))
            cJSON_SetValuestring(v, "");
    }
}

static void hide_secrets(cJSON *spec)
{
    static const char *const places[] = {"analysis", "canaryAnalysis"};

    json_remove(spec, "service"); /* headers may carry tokens; the engine does not read it */
    for (size_t i = 0; i < 2; i++) {
        cJSON *hooks = json_get(json_get(spec, places[i]), "webhooks");

        for (cJSON *h = hooks && cJSON_IsArray(hooks) ? hooks->child : NULL; h; h = h->next) {
            hide_url(h);
            hide_values(json_get(h, "metadata"));
        }
    }
}

static char *kept_canary(const cJSON *canary)
{
    const cJSON *metadata = json_get(canary, "metadata");
    cJSON *object = build_object(
        "apiVersion", build_str("flagger.app/v1beta1"), "kind", build_str("Canary"), "metadata",
        build_object("name", build_str(json_text(metadata, "name")), "namespace",
                     build_str(json_text(metadata, "namespace")), "annotations",
                     kept_annotations(canary), NULL),
        "spec", build_copy(json_get(canary, "spec")), NULL);
    char *text;

    hide_secrets(json_get(object, "spec"));
    text = json_print_sorted(object);
    json_free(object);
    return text;
}

/* ---- a tick ------------------------------------------------------------------------------------
 */

/* A Canary is printed again only when its spec, or an annotation of ours, may have changed. */
static const char *spec_hash(struct tick *t, char **ret_text)
{
    struct job *j = t->job;
    int64_t generation = json_int(json_get(t->canary, "metadata"), "generation", 0);
    cJSON *annotations = kept_annotations(t->canary);
    char *printed = annotations ? json_print_sorted(annotations) : NULL;
    uint64_t key = text_revision(printed) ^ (uint64_t)generation * 0x9e3779b97f4a7c15u;

    free(printed);
    json_free(annotations);
    if (generation == 0 || j->flight_key != key || j->flight_hash[0] == '\0') {
        *ret_text = kept_canary(t->canary);
        snprintf(j->flight_hash, sizeof(j->flight_hash), "%016llx",
                 (unsigned long long)text_revision(*ret_text));
        j->flight_key = key;
    }
    return j->flight_hash;
}

void record_begin(struct tick *t, enum tick_kind kind, ms_t now_ms)
{
    struct flight *f = t->op->o.flight;
    struct strbuf before = STRBUF_INIT;
    char *text = NULL;
    struct flight_head head = {
        .ns = t->job->ns,
        .name = t->job->name,
        .kind = kind == TICK_FINALIZE ? "finalize" : "analysis",
        .phase = phase_name((enum phase)t->job->rollout->stored.phase),
        .at_ms = now_ms,
    };

    if (f == NULL)
        return;
    code_rollout(&before, t->job->rollout);
    head.before = strbuf_str(&before);
    head.spec_hash = spec_hash(t, &text);
    if (!flight_knows_spec(f, head.spec_hash)) {
        if (text == NULL)
            text = kept_canary(t->canary);
        head.spec = text;
    }
    t->flight = flight_begin(f, &head);
    free(text);
    strbuf_release(&before);
}

void record_asked(struct tick *t, const struct step *step)
{
    if (t->flight == NULL)
        return;
    strbuf_clear(&t->flight_notes);
    strbuf_clear(&t->flight_ask);
    code_notes(&t->flight_notes, t->spec, step);
    code_ask(&t->flight_ask, &step->ask);
}

void record_answered(struct tick *t, const struct answer *answer)
{
    struct strbuf text = STRBUF_INIT;

    if (t->flight == NULL)
        return;
    if (answer)
        code_answer(&text, answer);
    flight_step(t->flight, strbuf_str(&t->flight_notes), strbuf_str(&t->flight_ask),
                answer ? strbuf_str(&text) : NULL);
    strbuf_release(&text);
}

void record_end(struct tick *t, bool whole)
{
    struct strbuf after = STRBUF_INIT;
    char trouble[300];

    strbuf_release(&t->flight_notes);
    strbuf_release(&t->flight_ask);
    if (t->op->o.flight == NULL)
        return;
    if (whole)
        code_rollout(&after, t->job->rollout);
    flight_end(t->op->o.flight, t->flight, whole ? strbuf_str(&after) : NULL);
    t->flight = NULL;
    strbuf_release(&after);
    if (flight_trouble(t->op->o.flight, trouble, sizeof(trouble)))
        op_log(t->op, LEVEL_WARN, HERE, NULL, "flight recorder: %s", trouble);
}
