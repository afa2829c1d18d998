/* coalmine replay: decide a production flight record again, or ask what another spec would have
 * done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "adapters/cli/profile.h"
#include "adapters/cli/verbs.h"
#include "adapters/kube/time.h"
#include "adapters/manifest/node.h"
#include "adapters/replay/replay.h"
#include "adapters/store/flight.h"
#include "adapters/whatif/whatif.h"

#define ERROR_MAX 600
#define SETS_MAX 16

/* What the user asked for, and what has come out so far. */
struct job {
    const struct args *args;
    const char *file;
    struct arena *arena;
    bool json, quiet;
    struct replay_choice choice;
    /* --spec and --set */
    cJSON *spec;
    struct whatif_axis sets[SETS_MAX];
    size_t set_count;
    deviations_t deviations;
    bool has_deviations;
    /* counts */
    uint64_t ticks, different, cut_short, other_version, undecided, canaries;
};

/* ---- output ------------------------------------------------------------------------------------
 */

static const char *at_text(int64_t at_ms, char out[KUBE_TIME_MAX])
{
    kube_time_format(out, at_ms);
    return out;
}

static void print_json_text(const char *s)
{
    struct strbuf b = STRBUF_INIT;

    strbuf_add_json(&b, s, strlen(s));
    fputs(strbuf_str(&b), stdout);
    strbuf_release(&b);
}

/* "info" of an alert by its name in the record; a name we do not know is shown as it is. */
static const char *severity_of(const char *alert)
{
    for (unsigned id = 0; id < ALERT_ID_COUNT; id++)
        if (strcmp(alert_name((enum alert_id)id), alert) == 0)
            return alert_severity_name(alert_id_severity((enum alert_id)id));
    return alert;
}

static void print_events(const struct replay_tick *t, const char *notes)
{
    cJSON *list = json_parse(notes, strlen(notes), NULL);
    char at[KUBE_TIME_MAX];

    for (const cJSON *n = list && cJSON_IsArray(list) ? list->child : NULL; n; n = n->next) {
        const char *message = json_str(n, "message");
        bool event = json_str(n, "event") != NULL;

        if (message)
            printf("%s  %s/%s  %-16s %s%s%s%s\n", at_text(t->at_ms, at), t->ns, t->name,
                   event ? json_str_or(n, "phase", "") : t->phase, event ? "" : "alert (",
                   event ? "" : severity_of(json_str_or(n, "alert", "")),
                   event ? "" : "): ", message);
    }
    json_free(list);
}

static void print_difference(const struct replay_tick *t)
{
    char at[KUBE_TIME_MAX];

    printf(
        "✗ tick %lld of %s/%s at %s, step %lld: another %s\n    recorded: %s\n    decided:  %s\n",
        (long long)t->tick, t->ns, t->name, at_text(t->at_ms, at), (long long)t->step,
        t->difference, t->recorded, t->decided);
}

static void print_tick_json(const struct replay_tick *t)
{
    char at[KUBE_TIME_MAX];

    printf("{\"tick\":%lld,\"namespace\":", (long long)t->tick);
    print_json_text(t->ns);
    printf(",\"name\":");
    print_json_text(t->name);
    printf(",\"at\":\"%s\",\"phase\":\"%s\",\"whole\":%s,\"same\":%s", at_text(t->at_ms, at),
           t->phase, t->cut_short ? "false" : "true", t->difference ? "false" : "true");
    if (t->difference) {
        printf(",\"step\":%lld,\"differs\":\"%s\",\"recorded\":", (long long)t->step,
               t->difference);
        print_json_text(t->recorded);
        printf(",\"decided\":");
        print_json_text(t->decided);
    }
    printf(",\"notes\":[");
    for (size_t i = 0, written = 0; i < t->note_count; i++) {
        size_t len = strlen(t->notes[i]);

        if (len > 2) /* "[a,b]" becomes "a,b" */
            printf("%s%.*s", written++ ? "," : "", (int)(len - 2), t->notes[i] + 1);
    }
    printf("]}\n");
}

/* ---- as it was ---------------------------------------------------------------------------------
 */

static bool on_tick(void *ctx, const struct replay_tick *t)
{
    struct job *j = ctx;

    j->ticks++;
    j->cut_short += t->cut_short;
    j->other_version += strcmp(t->version ? t->version : "", COALMINE_VERSION) != 0;
    j->different += t->difference != NULL;
    if (j->json) {
        print_tick_json(t);
        return true;
    }
    for (size_t i = 0; !j->quiet && i < t->note_count; i++)
        print_events(t, t->notes[i]);
    if (t->difference && j->different == 1)
        print_difference(t);
    return true;
}

static int verify(struct job *j, sqlite3 *db)
{
    char error[ERROR_MAX] = "";
    int rc = replay_verify(db, &j->choice, on_tick, j, error, sizeof(error));

    if (rc != 0) {
        fflush(stdout);
        fprintf(stderr, "%s: error: %s\n", j->file, error);
        return EXIT_INPUT;
    }
    if (j->ticks == 0) {
        fprintf(stderr, "%s: error: no tick of %s%s%s%s\n", j->file,
                j->choice.ns ? j->choice.ns : "any Canary", j->choice.ns ? "/" : "",
                j->choice.ns ? j->choice.name : "",
                j->choice.since_ms || j->choice.until_ms ? " in that time" : "");
        return EXIT_INPUT;
    }
    if (j->json)
        printf("{\"ticks\":%llu,\"different\":%llu,\"cut_short\":%llu}\n",
               (unsigned long long)j->ticks, (unsigned long long)j->different,
               (unsigned long long)j->cut_short);
    else if (j->different)
        printf("✗ %llu of %llu ticks were decided differently\n", (unsigned long long)j->different,
               (unsigned long long)j->ticks);
    else
        printf("✓ %llu ticks decided again, bit for bit the same%s\n", (unsigned long long)j->ticks,
               j->cut_short ? " (the last of a process that was stopped in it: as far as it goes)"
                            : "");
    if (j->other_version)
        fprintf(stderr,
                "%s: %llu ticks were recorded by another version than " COALMINE_VERSION "\n",
                j->file, (unsigned long long)j->other_version);
    return j->different ? EXIT_NO : EXIT_YES;
}

/* ---- as it would have been ---------------------------------------------------------------------
 */

/* Replace the spec and our annotations, keep the name; then set single values. */
static const char *change_canary(void *ctx, cJSON *canary, struct arena *arena)
{
    const struct job *j = ctx;
    const char *why = NULL;

    if (j->spec) {
        cJSON *annotations = json_at(j->spec, "metadata", "annotations", NULL);

        (void)json_set(canary, "spec", json_copy(json_get(j->spec, "spec")));
        json_remove(json_get(canary, "metadata"), "annotations");
        if (annotations)
            (void)json_set(json_get(canary, "metadata"), "annotations", json_copy(annotations));
    }
    for (size_t i = 0; !why && i < j->set_count; i++)
        why = whatif_set(canary, arena, j->sets[i].path, j->sets[i].values[0]);
    return why;
}

static void on_line(void *ctx, char side, int64_t at_ms, const char *phase, const char *message)
{
    const struct job *j = ctx;
    char at[KUBE_TIME_MAX];

    if (j->json) {
        printf("{\"at\":\"%s\",\"side\":\"%s\",\"phase\":\"%s\",\"message\":", at_text(at_ms, at),
               side == ' '   ? "both"
               : side == '-' ? "recorded"
                             : "changed",
               phase);
        print_json_text(message);
        printf("}\n");
    } else if (!j->quiet) {
        printf("%c %s  %-16s %s\n", side, at_text(at_ms, at), phase, message);
    }
}

static void print_end(const char *label, const struct replay_end *e, const char *also)
{
    char at[KUBE_TIME_MAX];

    printf("%-10s %s, weight %d, %d failed checks, at %s%s\n", label,
           e->phase == PHASE_NONE ? "(no phase)" : phase_name(e->phase), e->weight,
           e->failed_checks, at_text(e->at_ms, at), also);
}

static void print_end_json(const char *label, const struct replay_end *e)
{
    char at[KUBE_TIME_MAX];

    printf(",\"%s\":{\"phase\":\"%s\",\"canaryWeight\":%d,\"failedChecks\":%d,\"at\":\"%s\"}",
           label, phase_name(e->phase), e->weight, e->failed_checks, at_text(e->at_ms, at));
}

static void outcome_json(const struct replay_outcome *o)
{
    printf("{\"namespace\":");
    print_json_text(o->ns);
    printf(",\"name\":");
    print_json_text(o->name);
    print_end_json("recorded", &o->recorded);
    print_end_json("changed", &o->changed);
    printf(",\"answers\":{\"recorded\":%llu,\"carried\":%llu,\"oldest_ms\":%lld,"
           "\"taken_for_done\":%llu},\"undecided\":",
           (unsigned long long)o->as_recorded, (unsigned long long)o->carried,
           (long long)o->oldest_ms, (unsigned long long)o->taken_for_done);
    if (o->undecided)
        print_json_text(o->undecided);
    else
        printf("null");
    printf("}\n");
}

static void on_outcome(void *ctx, const struct replay_outcome *o)
{
    struct job *j = ctx;
    char at[KUBE_TIME_MAX];

    j->canaries++;
    j->undecided += o->undecided != NULL;
    if (j->json) {
        outcome_json(o);
        return;
    }
    printf("%s/%s, %llu ticks\n", o->ns, o->name, (unsigned long long)o->ticks);
    print_end("recorded:", &o->recorded, "");
    print_end("changed:", &o->changed, o->undecided ? ", undecided from there" : "");
    printf("answers:   %llu as recorded, %llu from a tick before",
           (unsigned long long)o->as_recorded, (unsigned long long)o->carried);
    if (o->oldest_ms)
        printf(" (hooks and metrics up to %lld s old)", (long long)(o->oldest_ms / 1000));
    printf(", %llu effects taken for done\n", (unsigned long long)o->taken_for_done);
    if (o->undecided)
        printf("✗ at %s the changed rollout asks for %s, and nobody had asked that then\n",
               at_text(o->undecided_ms, at), o->undecided);
    printf("The metrics are those of the traffic that the recorded rollout sent.\n");
}

static int whatif(struct job *j, sqlite3 *db)
{
    struct replay_change change = {.change = change_canary,
                                   .ctx = j,
                                   .has_deviations = j->has_deviations,
                                   .deviations = j->deviations,
                                   .assume_last = args_has(j->args, "assume-last")};
    char error[ERROR_MAX] = "";
    int rc = replay_whatif(db, &j->choice, &change, on_line, on_outcome, j, error, sizeof(error));

    if (rc != 0) {
        fflush(stdout);
        fprintf(stderr, "%s: error: %s\n", j->file, error);
        return EXIT_INPUT;
    }
    if (j->canaries == 0) {
        fprintf(stderr, "%s: error: no tick of that Canary\n", j->file);
        return EXIT_INPUT;
    }
    return j->undecided ? EXIT_NO : EXIT_YES;
}

/* ---- options -----------------------------------------------------------------------------------
 */

static bool read_time(struct job *j, const char *option, int64_t *ret_ms)
{
    const char *text = args_get(j->args, option, NULL);

    if (text && !kube_time_parse(text, ret_ms)) {
        usage_error(j->args, "--%s: '%s' is no time such as 2026-01-02T03:04:05Z", option, text);
        return false;
    }
    return true;
}

static bool read_name(struct job *j)
{
    const char *text = j->args->value_count > 1 ? j->args->values[1] : NULL, *slash;

    if (text == NULL)
        return true;
    slash = strchr(text, '/');
    if (slash == NULL || slash == text || slash[1] == '\0' || strchr(slash + 1, '/')) {
        usage_error(j->args, "'%s' is not NAMESPACE/NAME", text);
        return false;
    }
    j->choice.ns = arena_strndup(j->arena, text, (size_t)(slash - text));
    j->choice.name = slash + 1;
    return true;
}

static bool read_sets(struct job *j)
{
    for (size_t i = 0; args_nth(j->args, "set", i); i++) {
        const char *text = args_nth(j->args, "set", i), *why;

        if (i == SETS_MAX) {
            usage_error(j->args, "--set: more than %d", SETS_MAX);
            return false;
        }
        why = whatif_axis_read(&j->sets[i], j->arena, text);
        if (!why && (j->set_count = i + 1) && j->sets[i].count != 1)
            why = "one value is wanted here";
        if (why) {
            usage_error(j->args, "--set %s: %s", text, why);
            return false;
        }
    }
    return true;
}

/* Returns an exit code; what is wrong has been printed. */
static int read_spec(struct job *j)
{
    const char *path = args_get(j->args, "spec", NULL), *bytes = NULL;
    struct documents documents = {NULL, 0};
    struct diags diags;
    size_t len = 0;
    int code;

    if (path == NULL)
        return EXIT_YES;
    code = file_read(j->arena, path, 0, &bytes, &len);
    if (code != 0) {
        fprintf(stderr, "coalmine replay: %s: %s\n", path, strerror(-code));
        return EXIT_INPUT;
    }
    diags_init(&diags, j->arena);
    code = node_parse_all(j->arena, &diags, path, bytes, len, NULL, &documents);
    for (size_t i = 0; i < diags.count; i++)
        diag_print(stderr, &diags.items[i], bytes, len, false);
    diags_release(&diags);
    for (size_t i = 0; code == 0 && j->spec == NULL && i < documents.count; i++) {
        cJSON *object = node_to_json(documents.items[i].root);

        if (strcmp(json_str_or(object, "kind", ""), "Canary") == 0)
            j->spec = object;
        else
            json_free(object);
    }
    if (code == 0 && j->spec == NULL)
        fprintf(stderr, "%s: error: no Canary in it\n", path);
    return j->spec ? EXIT_YES : EXIT_INPUT;
}

static bool read_deviations(struct job *j)
{
    j->has_deviations =
        args_has(j->args, "profile") || args_has(j->args, "deviate") || args_has(j->args, "comply");
    return profile_of(j->args, PROFILE_DEFAULT, &j->deviations, NULL);
}

static int copy(struct job *j, sqlite3 *db)
{
    const char *to = args_get(j->args, "copy-to", NULL);
    char error[ERROR_MAX] = "";

    if (flight_copy(db, to, error, sizeof(error)) != 0) {
        fprintf(stderr, "coalmine replay: %s\n", error);
        return EXIT_WORLD;
    }
    printf("%s: a whole copy\n", to);
    return EXIT_YES;
}

static int work(struct job *j)
{
    char error[ERROR_MAX] = "";
    sqlite3 *db = NULL;
    int rc;

    if (!read_time(j, "since", &j->choice.since_ms) ||
        !read_time(j, "until", &j->choice.until_ms) || !read_name(j) || !read_sets(j) ||
        !read_deviations(j))
        return EXIT_USAGE;
    rc = read_spec(j);
    if (rc != EXIT_YES)
        return rc;
    if (flight_open_read(j->file, &db, error, sizeof(error)) != 0) {
        fprintf(stderr, "coalmine replay: %s\n", error);
        return EXIT_INPUT;
    }
    if (args_has(j->args, "copy-to"))
        rc = copy(j, db);
    else if (j->spec || j->set_count || j->has_deviations)
        rc = whatif(j, db);
    else
        rc = verify(j, db);
    sqlite3_close(db);
    return rc;
}

static int run(const struct args *args)
{
    struct job j = {.args = args,
                    .file = args->values[0],
                    .arena = arena_new(0),
                    .json = strcmp(args_get(args, "output", "text"), "json") == 0,
                    .quiet = args_has(args, "quiet")};
    int rc = j.arena ? work(&j) : EXIT_WORLD;

    for (size_t i = 0; i < j.set_count; i++)
        whatif_axis_release(&j.sets[i]);
    json_free(j.spec);
    arena_free(j.arena);
    return rc;
}

const struct verb verb_replay = {
    .name = "replay",
    .summary = "decide a production flight record again, or with another spec",
    .usage = "[OPTION]... FLIGHT.db [NAMESPACE/NAME]",
    .about =
        "Reads what 'coalmine operator --record' wrote. Each tick is decided again by the same "
        "engine from the state and the answers of then; every ask, event and alert and the state "
        "after it must be the same bytes, and the events are printed. With --spec, --set, "
        "--profile, --deviate or --comply it tells what the changed spec would have done with the "
        "answers of then, as lines of both stories (- recorded only, + changed only). An answer "
        "of a hook or metric serves for one interval; where nobody had asked, it ends and says "
        "so. The file may be one that is being written.",
    .example = "coalmine replay flight.db prod/podinfo --since 2026-01-02T00:00:00Z",
    .exits = "0  decided the same; or what would have been is known to the end of the record\n1  "
             "decided differently; or the record does not know all answers\n2  wrong usage\n3  a "
             "file cannot be read, or is damaged\n4  the copy could not be written",
    .options =
        (const struct option_spec[]){
            {.name = "since", .value = "TIME", .help = "ticks from then on, RFC 3339"},
            {.name = "until", .value = "TIME", .help = "ticks up to then"},
            {.name = "quiet", .letter = 'q', .help = "print the verdict only"},
            {.name = "output",
             .value = "FORM",
             .choices = "text|json",
             .fallback = "text",
             .help = "json: one object a line"},
            {.name = "copy-to",
             .value = "FILE",
             .help = "write a whole copy of the record, though it is being written"},
            {.name = "spec",
             .value = "FILE",
             .help = "decide by the first Canary of this file",
             .group = "What if"},
            {.name = "set",
             .value = "PATH=VALUE",
             .repeats = true,
             .help = "change one value of the spec, e.g. analysis.threshold=5",
             .group = "What if"},
            {.name = "assume-last",
             .help = "take the last answer of a hook or metric, however old",
             .group = "What if"},
            PROFILE_OPTIONS,
            {0},
        },
    .values_min = 1,
    .values_max = 2,
    .run = run,
};
