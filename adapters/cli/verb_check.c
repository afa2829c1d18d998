/* coalmine check, coalmine schema. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/check/check.h"
#include "adapters/cli/check_cluster.h"
#include "adapters/cli/verbs.h"
#include "engine/num.h"

/* The files to check, in the order they were named; those of a directory by name. */
struct inputs {
    char **items;
    size_t count, cap;
    bool failed; /* something could not be read: exit 3 */
    const struct args *args;
    const char *const *config_exclude;
};

static void inputs_release(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        free(in->items[i]);
    free(in->items);
}

static bool excluded(const struct inputs *in, const char *path)
{
    const char *glob;

    for (size_t i = 0; (glob = args_nth(in->args, "exclude", i)) != NULL; i++)
        if (check_glob(glob, path))
            return true;
    for (size_t i = 0; in->config_exclude && in->config_exclude[i]; i++)
        if (check_glob(in->config_exclude[i], path))
            return true;
    return false;
}

static void add_input(struct inputs *in, const char *path)
{
    if (excluded(in, path))
        return;
    if (in->count == in->cap) {
        size_t cap = in->cap ? 2 * in->cap : 32;
        char **items = realloc(in->items, cap * sizeof *items);

        if (items == NULL) {
            in->failed = true;
            return;
        }
        in->items = items;
        in->cap = cap;
    }
    in->items[in->count] = strdup(path);
    if (in->items[in->count])
        in->count++;
}

static void cannot(struct inputs *in, const char *path, const char *why)
{
    fprintf(stderr, "coalmine check: %s: %s\n", path, why);
    in->failed = true;
}

static bool has_ending(const char *name)
{
    static const char *const endings[] = {".yaml", ".yml", ".json"};
    size_t len = strlen(name);

    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(endings[i]);

        if (len > n && strcmp(name + len - n, endings[i]) == 0)
            return true;
    }
    return false;
}

static char *join(const char *dir, const char *name)
{
    struct strbuf b = STRBUF_INIT;

    if (strcmp(dir, ".") != 0) {
        strbuf_adds(&b, dir);
        if (b.len && b.data[b.len - 1] != '/')
            strbuf_addc(&b, '/');
    }
    strbuf_adds(&b, name);
    return strbuf_detach(&b);
}

/* The templates of a Helm chart are no YAML before Helm has run. */
static bool helm_templates(const char *dir, const char *name)
{
    char *chart = join(dir, "Chart.yaml");
    bool yes = strcmp(name, "templates") == 0 && chart && access(chart, F_OK) == 0;

    free(chart);
    return yes;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char **list_directory(const char *dir, size_t *ret_count)
{
    DIR *d = opendir(dir);
    char **names = NULL;
    size_t count = 0, cap = 0;
    struct dirent *entry;

    if (d == NULL)
        return NULL;
    while ((entry = readdir(d)) != NULL) { /* lint: ok, sorted below */
        if (entry->d_name[0] == '.')
            continue;
        if (count == cap) {
            char **more = realloc(names, (cap = cap ? 2 * cap : 64) * sizeof *names);

            if (more == NULL)
                break;
            names = more;
        }
        names[count] = strdup(entry->d_name);
        count += names[count] != NULL;
    }
    closedir(d);
    if (names == NULL)
        names = malloc(sizeof *names);
    else
        qsort(names, count, sizeof *names, compare_names);
    *ret_count = count;
    return names;
}

/* All files below `dir` that look like manifests and match `glob` (NULL = all). */
static void walk(struct inputs *in, const char *dir, const char *glob, unsigned depth)
{
    size_t count;
    char **names = list_directory(dir, &count);

    if (names == NULL) {
        cannot(in, dir, strerror(errno));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        char *path = join(dir, names[i]);
        struct stat st;

        if (path && stat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode) && helm_templates(dir, names[i]) && glob == NULL)
                fprintf(stderr,
                        "coalmine check: %s left out: run 'helm template' and pipe its output in\n",
                        path);
            else if (S_ISDIR(st.st_mode) && depth < 64 && !excluded(in, path))
                walk(in, path, glob, depth + 1);
            else if (S_ISREG(st.st_mode) && (glob ? check_glob(glob, path) : has_ending(names[i])))
                add_input(in, path);
        }
        free(path);
        free(names[i]);
    }
    free(names);
}

/* The directory part of a glob before its first wildcard. */
static char *glob_root(const char *glob)
{
    char *root = strdup(glob), *slash;

    if (root == NULL)
        return NULL;
    root[strcspn(glob, "*?")] = 0;
    slash = strrchr(root, '/');
    if (slash == NULL) {
        free(root);
        return strdup(".");
    }
    slash[slash == root] = 0; /* "/" stays */
    return root;
}

static void find_inputs(struct inputs *in, const char *word)
{
    size_t before = in->count;
    struct stat st;

    if (strcmp(word, "-") == 0) {
        add_input(in, "-");
    } else if (stat(word, &st) == 0) {
        if (!S_ISDIR(st.st_mode)) {
            add_input(in, word);
            return;
        }
        walk(in, word, NULL, 0);
        if (in->count == before)
            cannot(in, word, "no .yaml, .yml or .json files in it");
    } else if (strpbrk(word, "*?")) {
        char *root = glob_root(word);

        if (root && access(root, R_OK) == 0)
            walk(in, root, word, 0);
        free(root);
        if (in->count == before)
            cannot(in, word, "no file matches");
    } else {
        cannot(in, word, strerror(errno));
    }
}

static void check_file(struct check *c, struct inputs *in, const char *path)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    int rc;

    if (f == NULL) {
        cannot(in, path, strerror(errno));
        return;
    }
    rc = check_add_stream(c, path, f);
    if (rc)
        cannot(in, path, strerror(-rc));
    if (f != stdin)
        fclose(f);
}

static void quote_files(struct check *c)
{
    const struct findings *r = check_findings(c);
    const char *last = NULL;

    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->items[i];
        FILE *stream;

        if (f->source || f->line == 0 || strcmp(f->file, "-") == 0 ||
            (last && strcmp(last, f->file) == 0))
            continue;
        last = f->file;
        stream = fopen(f->file, "rb");
        if (stream) {
            check_quote(c, f->file, stream);
            fclose(stream);
        }
    }
}

/* ---- configuration and baseline
 * ----------------------------------------------------------------------- */

static bool read_all(const char *path, struct strbuf *out)
{
    FILE *f = fopen(path, "rb");
    char buffer[8192];
    size_t n;
    bool ok;

    if (f == NULL)
        return false;
    while ((n = fread(buffer, 1, sizeof buffer, f)) > 0 && out->len < 64u * 1024 * 1024)
        strbuf_add(out, buffer, n);
    ok = !ferror(f);
    fclose(f);
    return ok;
}

static bool read_config(struct check *c, const struct args *args, struct check_config *config)
{
    const char *path = args_get(args, "config", NULL);
    struct strbuf text = STRBUF_INIT;
    bool ok = true;

    if (path == NULL && (args_has(args, "no-config") || access(".coalmine.yaml", F_OK) != 0))
        return true;
    if (path == NULL)
        path = ".coalmine.yaml";
    if (!read_all(path, &text)) {
        fprintf(stderr, "coalmine check: %s: %s\n", path, strerror(errno));
        ok = false;
    } else {
        check_configure(c, path, strbuf_str(&text), text.len, config);
    }
    strbuf_release(&text);
    return ok;
}

static bool read_baseline(struct check *c, const char *path)
{
    struct strbuf text = STRBUF_INIT;
    bool ok = read_all(path, &text);

    if (!ok)
        fprintf(stderr, "coalmine check: %s: %s\n", path, strerror(errno));
    else if (check_baseline(c, strbuf_str(&text), text.len) != 0) {
        fprintf(stderr, "coalmine check: %s: not a list of findings; make one with --output json\n",
                path);
        ok = false;
    }
    strbuf_release(&text);
    return ok;
}

/* ---- the verb
 * ----------------------------------------------------------------------------------------- */

static int explain(const struct args *args, const char *id)
{
    char upper[8] = "";
    const char *page;

    for (size_t i = 0; id[i] && i + 1 < sizeof upper; i++) /* cm204 will do */
        upper[i] = id[i] >= 'a' && id[i] <= 'z' ? (char)(id[i] - 32) : id[i];
    page = check_page(upper);

    if (page == NULL)
        return usage_error(args, "no rule '%s'; --list prints all of them", id);
    fputs(page, stdout);
    return EXIT_YES;
}

static int list_rules(void)
{
    static const char *const severities[] = {"error", "warning", "info"};

    for (size_t i = 0; i < RULE_COUNT; i++)
        printf("%s  %-7s  %s\n", check_rules[i].id, severities[check_rules[i].severity],
               check_rules[i].title);
    return EXIT_YES;
}

static bool fails(const struct findings *r, const char *fail_on)
{
    if (r->errors)
        return true;
    if (r->warnings && strcmp(fail_on, "error") != 0)
        return true;
    return r->infos && strcmp(fail_on, "info") == 0;
}

static void print_results(struct check *c, const struct args *args, enum check_format format)
{
    const char *color = args_get(args, "color", "auto");
    bool colored =
        strcmp(color, "always") == 0 ||
        (strcmp(color, "auto") == 0 && isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL);
    struct strbuf out = STRBUF_INIT;

    if (format == FORMAT_TEXT)
        quote_files(c);
    check_write(c, format, colored, &out);
    fwrite(strbuf_str(&out), 1, out.len, stdout);
    strbuf_clear(&out);
    if (!args_has(args, "quiet")) {
        check_summary(c, &out);
        fprintf(format == FORMAT_TEXT || format == FORMAT_GITHUB ? stdout : stderr, "%s\n",
                strbuf_str(&out));
    }
    strbuf_release(&out);
}

static bool from_cluster(const struct args *args)
{
    return args_has(args, "cluster") || args_get(args, "kubeconfig", NULL) ||
           args_get(args, "context", NULL);
}

static bool read_options(const struct args *args, struct check_options *o)
{
    const char *rps = args_get(args, "rps", NULL),
               *scrape = args_get(args, "scrape-interval", NULL);
    int64_t ns;

    o->provider = args_get(args, "provider", NULL);
    o->whole_cluster = from_cluster(args) && args_get(args, "namespace", NULL) == NULL;
    o->cross_refs_blocked = args_has(args, "no-cross-namespace-refs");
    if (rps && (!num_parse(rps, strlen(rps), &o->rps) || !(o->rps > 0))) {
        usage_error(args, "--rps takes a number above 0, not '%s'", rps);
        return false;
    }
    if (scrape && (duration_parse(scrape, strlen(scrape), &ns, NULL, NULL) != DURATION_OK ||
                   ns < NS_PER_MS)) {
        usage_error(args, "--scrape-interval takes a duration such as 15s, not '%s'", scrape);
        return false;
    }
    if (scrape)
        o->scrape_ms = ns / NS_PER_MS;
    return true;
}

static int check_inputs(struct check *c, const struct args *args)
{
    struct check_config config = {NULL, NULL};
    struct inputs in = {.args = args};
    const char *baseline = args_get(args, "baseline", NULL), *fail_on;
    enum check_format format = FORMAT_TEXT;
    int rc;

    check_format_find(args_get(args, "output", "text"), &format);
    if (!read_config(c, args, &config) || (baseline && !read_baseline(c, baseline)))
        return EXIT_INPUT;
    in.config_exclude = config.exclude;
    for (size_t i = 0; i < args->value_count; i++)
        find_inputs(&in, args->values[i]);
    if (args->value_count == 0 && !from_cluster(args))
        add_input(&in, "-");
    for (size_t i = 0; i < in.count; i++)
        check_file(c, &in, in.items[i]);
    if (from_cluster(args) && !check_cluster(c, args)) {
        inputs_release(&in);
        return EXIT_WORLD;
    }
    check_finish(c);
    print_results(c, args, format);
    fail_on = args_get(args, "fail-on", config.fail_on ? config.fail_on : "error");
    rc = in.failed ? EXIT_INPUT : fails(check_findings(c), fail_on) ? EXIT_NO : EXIT_YES;
    inputs_release(&in);
    return rc;
}

static int run(const struct args *args)
{
    struct check_options options = {0};
    struct check *c;
    int rc;

    if (args_get(args, "explain", NULL))
        return explain(args, args_get(args, "explain", NULL));
    if (args_has(args, "list"))
        return list_rules();
    if (args->value_count == 0 && isatty(STDIN_FILENO) && !from_cluster(args))
        return usage_error(args, "name files or directories, or - for standard input");
    if (!read_options(args, &options))
        return EXIT_USAGE;
    c = check_new(&options);
    if (c == NULL) {
        fprintf(stderr, "coalmine check: out of memory\n");
        return EXIT_WORLD;
    }
    rc = check_inputs(c, args);
    check_free(c);
    return rc;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "find what is wrong with Canaries before a cluster does",
    .usage = "[OPTION]... [FILE|DIRECTORY|GLOB|-]...",
    .about = "Checks every Canary, MetricTemplate and AlertProvider in the given files against the "
             "schema, and then for "
             "what the schema cannot say: steps that never end, metrics that cannot fail, gates "
             "that wait for ever, "
             "features the provider does not have, references that lead nowhere. Deployments, "
             "Services, autoscalers, "
             "Ingresses and Secrets in the same files are used to check references. Without files "
             "it reads standard "
             "input, as in: kustomize build . | coalmine check",
    .example = "coalmine check --fail-on warning deploy/",
    .exits = "0  nothing found that counts\n1  an error was found (or what --fail-on says)\n2  "
             "wrong usage\n"
             "3  a file could not be read\n4  the cluster could not be read",
    .options =
        (const struct option_spec[]){
            {.name = "output",
             .letter = 'o',
             .value = "FORMAT",
             .choices = "text|json|sarif|junit|tap|github",
             .fallback = "text",
             .help = "how to print the findings",
             .group = "Output"},
            {.name = "color",
             .value = "WHEN",
             .choices = "auto|always|never",
             .fallback = "auto",
             .help = "colours in text output",
             .group = "Output"},
            {.name = "quiet", .letter = 'q', .help = "no summary line", .group = "Output"},
            {.name = "fail-on",
             .value = "SEVERITY",
             .choices = "error|warning|info",
             .fallback = "error",
             .help = "the least severity that makes the exit status 1",
             .group = "Verdict"},
            {.name = "baseline",
             .value = "FILE",
             .help = "findings of an earlier run (--output json) that do not count",
             .group = "Verdict"},
            {.name = "exclude",
             .value = "GLOB",
             .help = "leave out files that match",
             .group = "Input",
             .repeats = true},
            {.name = "config",
             .value = "FILE",
             .fallback = ".coalmine.yaml if there is one",
             .help = "settings and ignored rules",
             .group = "Input"},
            {.name = "no-config", .help = "read no configuration", .group = "Input"},
            {.name = "cluster",
             .help = "check what is in the cluster of the current context",
             .group = "Cluster"},
            {.name = "kubeconfig",
             .value = "FILE",
             .help = "the cluster of this kubeconfig",
             .group = "Cluster"},
            {.name = "context",
             .value = "NAME",
             .help = "a context other than the current one",
             .group = "Cluster"},
            {.name = "namespace",
             .letter = 'n',
             .value = "NAME",
             .fallback = "all",
             .help = "one namespace only",
             .group = "Cluster"},
            {.name = "provider",
             .value = "NAME",
             .help = "the operator's -mesh-provider, for Canaries without spec.provider (else "
                     "guessed, or istio)",
             .group = "What is known"},
            {.name = "rps",
             .value = "N",
             .help = "requests per second of the service, to judge windows and bounds",
             .group = "What is known"},
            {.name = "scrape-interval",
             .value = "DURATION",
             .fallback = "15s",
             .help = "how often the metrics server scrapes",
             .group = "What is known"},
            {.name = "no-cross-namespace-refs",
             .help = "the operator refuses references across namespaces",
             .group = "What is known"},
            {.name = "explain",
             .value = "ID",
             .help = "print the page of a rule: why, example, fix",
             .group = "Rules"},
            {.name = "list", .help = "print all rules", .group = "Rules"},
            {.name = NULL},
        },
    .values_min = 0,
    .values_max = SIZE_MAX,
    .run = run,
};

static int run_schema(const struct args *args)
{
    struct strbuf out = STRBUF_INIT;
    int rc = check_json_schema(args->values[0], &out);

    if (rc == -ENOENT)
        return usage_error(args,
                           "no schema '%s'; there are canary, metrictemplate and alertprovider",
                           args->values[0]);
    if (rc == 0)
        fwrite(strbuf_str(&out), 1, out.len, stdout);
    else
        fprintf(stderr, "coalmine schema: %s\n", strerror(-rc));
    strbuf_release(&out);
    return rc ? EXIT_WORLD : EXIT_YES;
}

const struct verb verb_schema = {
    .name = "schema",
    .summary = "print the JSON Schema of a kind, for editors",
    .usage = "canary|metrictemplate|alertprovider",
    .about = "Prints a JSON Schema (draft 7) made from the CRD, with the descriptions of the "
             "fields. Editors with a YAML "
             "language server complete and check Canaries with it; see docs/ci/README.md.",
    .example = "coalmine schema canary > canary.schema.json",
    .exits = "0  printed\n2  wrong usage",
    .options = (const struct option_spec[]){{.name = NULL}},
    .values_min = 1,
    .values_max = 1,
    .run = run_schema,
};
