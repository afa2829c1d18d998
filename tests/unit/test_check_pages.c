/*
 * Every rule has a page in docs/checks/, the example of which fires and the fix of which does not.
 * So the pages, --explain and the rules cannot drift apart.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/base/json.h"
#include "adapters/check/check.h"

struct fence {
    char info[80]; /* the words after ```yaml */
    char *text;
};

/* The first yaml fence below `heading`. */
static struct fence fence_below(const char *page, const char *heading)
{
    struct fence f = {"", NULL};
    const char *at = strstr(page, heading), *end;

    ck_assert_msg(at != NULL, "no '%s'", heading);
    at = strstr(at, "```yaml");
    ck_assert_msg(at != NULL, "no yaml below '%s'", heading);
    at += 7;
    end = strchr(at, '\n');
    snprintf(f.info, sizeof f.info, "%.*s", (int)(end - at), at);
    at = end + 1;
    end = strstr(at, "\n```");
    ck_assert(end != NULL);
    f.text = strndup(at, (size_t)(end - at) + 1);
    return f;
}

static cJSON *yaml(const char *text, size_t len)
{
    struct arena *arena = arena_new(0);
    struct documents docs;
    struct diags diags;
    cJSON *v;

    diags_init(&diags, arena);
    ck_assert_int_eq(node_parse_all(arena, &diags, "fragment", text, len, NULL, &docs), 0);
    ck_assert_uint_eq(docs.count, 1);
    v = node_to_json(docs.items[0].root);
    diags_release(&diags);
    arena_free(arena);
    return v;
}

static char *read_base(void)
{
    FILE *f = fopen("docs/checks/base.yaml", "rb");
    static char buffer[8192];
    size_t n;

    ck_assert_msg(f != NULL, "run from the top of the repository");
    n = fread(buffer, 1, sizeof buffer - 1, f);
    buffer[n] = 0;
    fclose(f);
    return buffer;
}

/* The document a fence stands for: itself when it is whole, else laid over base.yaml. */
static char *document(const struct fence *f)
{
    const char *base = read_base();
    cJSON *merged, *patch;
    char *text;

    if (strstr(f->info, "raw"))
        return strdup(f->text);
    patch = yaml(f->text, strlen(f->text));
    merged = json_merge_patch(yaml(base, strlen(base)), patch);
    json_free(patch);
    text = json_print(merged);
    json_free(merged);
    return text;
}

static struct check *run(const char *text, const char *info)
{
    struct check_options options = {0};
    const char *rps = strstr(info, "rps=");
    struct check *c;

    options.rps = rps ? atof(rps + 4) : 0;
    c = check_new(&options);
    ck_assert(c != NULL);
    ck_assert_int_eq(check_add(c, "page.yaml", text, strlen(text)), 0);
    check_finish(c);
    return c;
}

static bool fired(const struct check *c, enum rule_id rule)
{
    const struct findings *r = check_findings(c);

    for (size_t i = 0; i < r->count; i++)
        if (r->items[i].rule == rule)
            return true;
    return false;
}

static void dump(const struct check *c)
{
    struct strbuf b = STRBUF_INIT;

    check_write(c, FORMAT_TEXT, false, &b);
    fputs(strbuf_str(&b), stderr);
    strbuf_release(&b);
}

static void walk(int rule, const char *heading, bool wanted)
{
    const char *page = check_page(check_rules[rule].id);
    struct fence f;
    struct check *c;
    char *text;

    ck_assert_msg(page != NULL, "%s has no page", check_rules[rule].id);
    f = fence_below(page, heading);
    text = document(&f);
    c = run(text, f.info);
    if (fired(c, (enum rule_id)rule) != wanted) {
        dump(c);
        ck_abort_msg("%s %s on its %s:\n%s", check_rules[rule].id, wanted ? "is silent" : "fires",
                     heading + 3, text);
    }
    check_free(c);
    free(text);
    free(f.text);
}

START_TEST(the_example_of_each_page_fires)
{
    walk(_i, "## Example", true);
}
END_TEST

START_TEST(the_fix_of_each_page_is_silent)
{
    walk(_i, "## Fix", false);
}
END_TEST

START_TEST(each_page_is_titled_like_its_rule)
{
    const struct check_rule *r = &check_rules[_i];
    const char *page = check_page(r->id);
    char title[160];

    snprintf(title, sizeof title, "# %s: %s\n", r->id, r->title);
    ck_assert_msg(page && strncmp(page, title, strlen(title)) == 0, "%s does not begin with: %s",
                  r->id, title);
}
END_TEST

START_TEST(the_base_of_the_fragments_has_no_findings)
{
    struct check *c = run(read_base(), "");

    if (check_findings(c)->count)
        dump(c);
    ck_assert_uint_eq(check_findings(c)->count, 0);
    check_free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("check pages");
    TCase *tc = tcase_create("pages");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, the_example_of_each_page_fires, 0, RULE_COUNT);
    tcase_add_loop_test(tc, the_fix_of_each_page_is_silent, 0, RULE_COUNT);
    tcase_add_loop_test(tc, each_page_is_titled_like_its_rule, 0, RULE_COUNT);
    tcase_add_test(tc, the_base_of_the_fragments_has_no_findings);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
