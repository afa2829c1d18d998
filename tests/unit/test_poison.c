/*
 * One bad Canary never holds up another: a Canary that uses every field is mutated at each place in
 * turn, dozens of them are put into one simulated cluster whose CRD lets everything in, and the
 * good one beside them is installed and released as if they were not there.
 *
 *   test_poison                a sample of the mutations
 *   POISON_STEP=1 test_poison  all of them
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/arena.h"
#include "adapters/manifest/node.h"
#include "tests/support/opworld.h"

#define FEATURES "tests/golden/check/features.yaml"
#define PER_LIFE 24
#define STEP_DEFAULT 29 /* a prime: the sample meets every kind of value */

static struct opworld w;
static size_t admitted;

/* ---- mutations ---------------------------------------------------------------------------------
 */

static cJSON *nest(unsigned depth)
{
    cJSON *v = cJSON_CreateObject();

    for (unsigned i = 0; i < depth; i++) {
        cJSON *outer = i % 2 ? cJSON_CreateObject() : cJSON_CreateArray();

        if (i % 2)
            cJSON_AddItemToObject(outer, "a", v);
        else
            cJSON_AddItemToArray(outer, v);
        v = outer;
    }
    return v;
}

static cJSON *long_text(size_t len)
{
    char *text = malloc(len + 1);
    cJSON *v;

    memset(text, 'x', len);
    text[len] = '\0';
    v = cJSON_CreateString(text);
    free(text);
    return v;
}

static cJSON *many(size_t count)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(list, cJSON_CreateObject());
    return list;
}

#define MUTATIONS 18
static cJSON *mutation(size_t n)
{
    switch (n) {
    case 0:
        return NULL; /* absent */
    case 1:
        return cJSON_CreateNull();
    case 2:
        return cJSON_CreateBool(1);
    case 3:
        return cJSON_CreateNumber(-1);
    case 4:
        return cJSON_CreateNumber(0);
    case 5:
        return cJSON_CreateNumber(2.5);
    case 6:
        return cJSON_CreateRaw("9223372036854775807");
    case 7:
        return cJSON_CreateRaw("-99999999999999999999999999");
    case 8:
        return cJSON_CreateRaw("1e308");
    case 9:
        return cJSON_CreateString("");
    case 10:
        return cJSON_CreateString("\"}],{{ $x | printf \"%s%n\" }}\n\t../..//\x7f");
    case 11:
        return long_text(200000);
    case 12:
        return cJSON_CreateArray();
    case 13:
        return cJSON_CreateObject();
    case 14:
        return nest(90);
    case 15:
        return nest(400);
    case 16:
        return many(3000);
    default:
        return cJSON_CreateRaw("\"nul \\u0000 \\ud800 inside\"");
    }
}

/* The place-th value of `v`, counted in depth; what stands there is replaced by mutation `n`. */
static bool mutate(cJSON *v, size_t *place, size_t n)
{
    for (cJSON *c = v->child; c; c = c->next) {
        if ((*place)-- == 0) {
            cJSON *bad = mutation(n);

            if (bad == NULL)
                cJSON_Delete(cJSON_DetachItemViaPointer(v, c));
            else if (cJSON_IsObject(v))
                cJSON_ReplaceItemInObjectCaseSensitive(v, c->string, bad);
            else
                cJSON_ReplaceItemViaPointer(v, c, bad);
            return true;
        }
        if (c->child && mutate(c, place, n))
            return true;
    }
    return false;
}

static size_t places(const cJSON *v)
{
    size_t count = 0;

    for (const cJSON *c = v->child; c; c = c->next)
        count += 1 + places(c);
    return count;
}

/* ---- the cluster -------------------------------------------------------------------------------
 */

/* Whatever the schema would refuse comes in: an older CRD, or none that was ever strict. */
static void open_the_door(void)
{
    opworld_patch(&w,
                  "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaries.flagger.app",
                  "{\"spec\":{\"versions\":[{\"name\":\"v1beta1\",\"served\":true,\"storage\":true,"
                  "\"subresources\":{\"status\":{}},\"schema\":{\"openAPIV3Schema\":{\"type\":"
                  "\"object\",\"x-kubernetes-preserve-unknown-fields\":true}}}]}}");
}

static const char objects[] =
    "apiVersion: apps/v1\n"
    "kind: Deployment\n"
    "metadata: {name: podinfo, namespace: test}\n"
    "spec:\n"
    "  selector: {matchLabels: {app: podinfo}}\n"
    "  template:\n"
    "    metadata: {labels: {app: podinfo}}\n"
    "    spec: {containers: [{name: podinfo, image: \"podinfo:1\"}]}\n"
    "---\n"
    "apiVersion: apps/v1\n"
    "kind: Deployment\n"
    "metadata: {name: bad, namespace: test}\n"
    "spec:\n"
    "  selector: {matchLabels: {app: bad}}\n"
    "  template:\n"
    "    metadata: {labels: {app: bad}}\n"
    "    spec: {containers: [{name: podinfo, image: \"podinfo:1\"}]}\n"
    "---\n"
    "apiVersion: flagger.app/v1beta1\n"
    "kind: Canary\n"
    "metadata: {name: podinfo, namespace: test}\n"
    "spec:\n"
    "  provider: istio\n"
    "  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}\n"
    "  service: {port: 80}\n"
    "  analysis:\n"
    "    interval: 10s\n"
    "    threshold: 2\n"
    "    stepWeight: 50\n"
    "    maxWeight: 50\n"
    "    metrics: [{name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}]\n";

/* The Canary that uses every field, in our cluster. */
static cJSON *full_canary(void)
{
    struct arena *arena = arena_new(0);
    struct documents docs = {0};
    struct diags diags;
    const char *text;
    size_t len;
    cJSON *canary;

    diags_init(&diags, arena);
    ck_assert_int_eq(file_read(arena, FEATURES, 0, &text, &len), 0);
    ck_assert_int_eq(node_parse_all(arena, &diags, FEATURES, text, len, NULL, &docs), 0);
    canary = node_to_json(docs.items[0].root);
    ck_assert_str_eq(json_str_or(canary, "kind", ""), "Canary");
    json_set_str(json_at(canary, "spec", "targetRef", NULL), "name", "bad");
    json_set_bool(json_get(canary, "spec"), "suspend", false);
    json_set_bool(json_get(canary, "spec"), "skipAnalysis", false);
    json_set_str(json_at(canary, "spec", "analysis", NULL), "interval", "10s");
    diags_release(&diags);
    arena_free(arena);
    return canary;
}

/* One mutated Canary into the cluster; the API may still refuse what is no object of its own. */
static void put_bad(const cJSON *full, size_t nth)
{
    static const char *const parts[] = {"spec", "metadata", "status"};
    cJSON *canary = json_copy(full);
    size_t total = places(json_get(canary, "spec")) + 1, place = nth / MUTATIONS % total;
    char name[40], *body;

    if (place == 0)
        cJSON_ReplaceItemInObjectCaseSensitive(canary, "spec",
                                               mutation(nth % MUTATIONS) ? mutation(nth % MUTATIONS)
                                                                         : cJSON_CreateObject());
    else {
        place--;
        (void)mutate(json_get(canary, parts[0]), &place, nth % MUTATIONS);
    }
    snprintf(name, sizeof(name), "bad-%zu", nth);
    json_set_str(json_get(canary, "metadata"), "name", name);
    if (nth % 5 == 0) {
        cJSON *annotations = json_child_object(json_get(canary, "metadata"), "annotations");

        json_set(annotations, nth % 2 ? "coalmine.dev/state" : "coalmine.dev/command",
                 mutation(10));
        json_set(annotations, "note", long_text(100000));
    }
    body = json_print(canary);
    admitted +=
        opworld_try(&w, "POST", "/apis/flagger.app/v1beta1/namespaces/test/canaries", body) == 201;
    free(body);
    if (nth % 3 == 0) { /* and a status that nobody of ours wrote */
        char path[120], *status;
        cJSON *bad = cJSON_CreateObject(), *inner = cJSON_CreateObject();
        static const char *const members[] = {
            "phase",      "failedChecks",       "canaryWeight",
            "iterations", "trackedConfigs",     "lastAppliedSpec",
            "conditions", "lastTransitionTime", "lastPromotedSpec"};
        cJSON *value = mutation(nth % MUTATIONS);

        cJSON_AddItemToObject(inner, members[nth / 3 % 9], value ? value : cJSON_CreateNull());
        cJSON_AddItemToObject(bad, "status", inner);
        snprintf(path, sizeof(path), "/apis/flagger.app/v1beta1/namespaces/test/canaries/%s/status",
                 name);
        status = json_print(bad);
        opworld_try(&w, "PATCH", path, status);
        free(status);
        json_free(bad);
    }
    json_free(canary);
}

static void live_among(const cJSON *full, size_t first, size_t step, size_t total)
{
    size_t put = 0;

    opworld_init(&w, first + 1);
    w.options.ticks_max = 4;
    open_the_door();
    opworld_apply(&w, objects);
    for (size_t n = first; n < total && put < PER_LIFE; n += step, put++)
        put_bad(full, n);
    opworld_run(&w, 30000);
    ck_assert_msg(strcmp(opworld_status(&w, "podinfo", "phase"), "Initialized") == 0,
                  "among the mutations from %zu on (step %zu) the good Canary is '%s'\n%.1500s",
                  first, step, opworld_status(&w, "podinfo", "phase"), strbuf_str(&w.log));
    opworld_set_image(&w, "podinfo", "podinfo:2");
    opworld_set_image(&w, "bad", "podinfo:2");
    opworld_run(&w, 120000);
    ck_assert_msg(strcmp(opworld_status(&w, "podinfo", "phase"), "Succeeded") == 0,
                  "among the mutations from %zu on (step %zu) the release is '%s'\n%.1500s", first,
                  step, opworld_status(&w, "podinfo", "phase"), strbuf_str(&w.log));
    opworld_release(&w);
}

START_TEST(a_bad_canary_is_alone_with_it)
{
    const char *wanted = getenv("POISON_STEP");
    size_t step = wanted ? (size_t)atoi(wanted) : STEP_DEFAULT;
    cJSON *full = full_canary();
    size_t total = (places(json_get(full, "spec")) + 1) * MUTATIONS, lives = 0;

    for (size_t first = 0; first < total; first += step * PER_LIFE, lives++)
        live_among(full, first, step ? step : 1, total);
    printf("%zu of %zu mutations, %zu let in, %zu lives\n", (total + step - 1) / step, total,
           admitted, lives);
    ck_assert_uint_gt(admitted, total / step * 3 / 4); /* else nothing was tried */
    json_free(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("poison");
    TCase *tc = tcase_create("lives");
    SRunner *runner;
    int failed;

    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, a_bad_canary_is_alone_with_it);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
