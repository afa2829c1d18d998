#include "adapters/cli/frame.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "adapters/base/diag.h"

const struct option_spec common_options[] = {
    {.name = "help", .letter = 'h', .help = "print this help and exit", .group = "General"},
    {.name = NULL},
};

static const struct option_spec *option_next(const struct verb *verb, const struct option_spec *o)
{
    if (o == NULL)
        o = verb->options == NULL ? common_options : verb->options;
    else
        o++;
    if (o->name == NULL && (o < common_options || o > common_options + 1))
        o = common_options;
    return o->name == NULL ? NULL : o;
}

static const struct option_spec *option_by_name(const struct verb *verb, const char *name,
                                                size_t len)
{
    for (const struct option_spec *o = option_next(verb, NULL); o; o = option_next(verb, o))
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

static const struct option_spec *option_by_letter(const struct verb *verb, char letter)
{
    for (const struct option_spec *o = option_next(verb, NULL); o; o = option_next(verb, o))
        if (o->letter == letter && letter != 0)
            return o;
    return NULL;
}

int usage_error(const struct args *a, const char *format, ...)
{
    va_list list;

    fprintf(stderr, "coalmine %s: ", a->verb->name);
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fprintf(stderr, "\ntry 'coalmine %s --help'\n", a->verb->name);
    return EXIT_USAGE;
}

static int unknown_option(const struct args *a, const char *dashes, const char *name, size_t len)
{
    const char *names[128];
    size_t count = 0;

    for (const struct option_spec *o = option_next(a->verb, NULL); o; o = option_next(a->verb, o))
        if (count < sizeof names / sizeof *names - 1)
            names[count++] = o->name;
    names[count] = NULL;
    const char *near = nearest_name(name, len, names);
    if (near)
        return usage_error(a, "no option %s%.*s; did you mean %s%s?", dashes, (int)len, name,
                           dashes, near);
    return usage_error(a, "no option %s%.*s", dashes, (int)len, name);
}

/* Is `value` one of "a|b|c"? */
static bool choice_ok(const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == len && memcmp(c, value, len) == 0)
            return true;
    return false;
}

static int choice_error(const struct args *a, const struct option_spec *o, const char *value)
{
    char copy[256];
    const char *names[32];
    size_t count = 0;

    snprintf(copy, sizeof copy, "%s", o->choices);
    for (char *c = copy, *next; c && count < 31; c = next) {
        next = strchr(c, '|');
        if (next)
            *next++ = 0;
        names[count++] = c;
    }
    names[count] = NULL;
    const char *near = nearest_name(value, strlen(value), names);
    if (near)
        return usage_error(a, "--%s=%s: must be one of %s; did you mean %s?", o->name, value,
                           o->choices, near);
    return usage_error(a, "--%s=%s: must be one of %s", o->name, value, o->choices);
}

/* A Go boolean: 1 true, 0 false, -1 neither. */
static int go_bool(const char *value)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"}, *const no[] = {
                                                                                  "0",     "f",
                                                                                  "F",     "false",
                                                                                  "FALSE", "False"};

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        if (strcmp(value, yes[i]) == 0)
            return 1;
        if (strcmp(value, no[i]) == 0)
            return 0;
    }
    return -1;
}

/* A boolean flag whose default is true: as a switch it takes no next word. */
static bool is_go_bool(const struct args *a, const struct option_spec *o)
{
    return a->verb->single_dash && o->choices && strcmp(o->choices, "true|false") == 0;
}

/* `-flag=false` takes back an earlier `-flag`, as Go's flag package reads it. */
static void option_forget(struct args *a, const struct option_spec *o)
{
    size_t kept = 0;

    for (size_t i = 0; i < a->option_count; i++)
        if (a->options[i].option != o)
            a->options[kept++] = a->options[i];
    a->option_count = kept;
}

static int option_add(struct args *a, const struct option_spec *o, const char *value)
{
    if (o->value == NULL && value != NULL) {
        if (a->verb->single_dash && go_bool(value) == 0) {
            option_forget(a, o);
            return 0;
        }
        if (!a->verb->single_dash || go_bool(value) != 1)
            return usage_error(a, "--%s is a switch and takes no value", o->name);
        value = NULL;
    }
    if (is_go_bool(a, o) && go_bool(value) >= 0)
        value = go_bool(value) ? "true" : "false";
    if (o->choices && value && !choice_ok(o->choices, value))
        return choice_error(a, o, value);
    a->options[a->option_count++] = (struct arg){o, value};
    return 0;
}

/* A value that was not joined to its option is the next word. */
static int option_take(struct args *a, const struct option_spec *o, const char *joined, int argc,
                       const char *const *argv, int *i)
{
    if (o->value == NULL || joined)
        return option_add(a, o, joined);
    if (is_go_bool(a, o))
        return option_add(a, o, "true");
    if (*i + 1 >= argc)
        return usage_error(a, "--%s needs a value: %s", o->name,
                           o->choices ? o->choices : o->value);
    return option_add(a, o, argv[++*i]);
}

static int parse_long(struct args *a, const char *dashes, const char *word, int argc,
                      const char *const *argv, int *i)
{
    size_t len = strcspn(word, "=");
    const struct option_spec *o = option_by_name(a->verb, word, len);

    if (!o)
        return unknown_option(a, dashes, word, len);
    return option_take(a, o, word[len] == '=' ? word + len + 1 : NULL, argc, argv, i);
}

/* -abc: switches may be joined; the value of the last may follow at once. */
static int parse_letters(struct args *a, const char *letters, int argc, const char *const *argv,
                         int *i)
{
    for (const char *p = letters; *p; p++) {
        const struct option_spec *o = option_by_letter(a->verb, *p);
        int rc;
        if (!o)
            return usage_error(a, "no option -%c", *p);
        if (o->value)
            return option_take(a, o, p[1] ? p + 1 + (p[1] == '=') : NULL, argc, argv, i);
        if ((rc = option_add(a, o, NULL)) != 0)
            return rc;
    }
    return 0;
}

static int parse_word(struct args *a, const char **values, int argc, const char *const *argv,
                      int *i)
{
    const char *word = argv[*i];

    if (word[0] != '-' || word[1] == 0) {
        values[a->value_count++] = word;
        return 0;
    }
    if (word[1] == '-')
        return parse_long(a, "--", word + 2, argc, argv, i);
    if (a->verb->single_dash && option_by_name(a->verb, word + 1, strcspn(word + 1, "=")))
        return parse_long(a, "-", word + 1, argc, argv, i);
    if (a->verb->single_dash && word[2] && !option_by_letter(a->verb, word[1]))
        return unknown_option(a, "-", word + 1, strcspn(word + 1, "="));
    return parse_letters(a, word + 1, argc, argv, i);
}

int args_parse(const struct verb *verb, int argc, const char *const *argv, struct args *ret_args)
{
    size_t room = (size_t)argc + 1;
    size_t letters = 0;
    int rc = 0;

    for (int i = 0; i < argc; i++)
        letters += strlen(argv[i]);
    const char **values = calloc(room, sizeof *values);
    struct args a = {.verb = verb, .values = values};
    a.options = calloc(room + letters, sizeof *a.options);
    if (!values || !a.options) {
        fputs("coalmine: out of memory\n", stderr);
        exit(EXIT_WORLD);
    }
    for (int i = 0; i < argc && rc == 0; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                values[a.value_count++] = argv[i];
        } else {
            rc = parse_word(&a, values, argc, argv, &i);
        }
        if (args_has(&a, "help"))
            break;
    }
    if (rc == 0 && !args_has(&a, "help")) {
        if (a.value_count < verb->values_min)
            rc = usage_error(&a, "too few arguments: coalmine %s %s", verb->name, verb->usage);
        else if (a.value_count > verb->values_max)
            rc = usage_error(&a, "unexpected argument '%s'", values[verb->values_max]);
    }
    if (rc != 0)
        args_release(&a);
    else
        *ret_args = a;
    return rc;
}

void args_release(struct args *a)
{
    free((void *)(uintptr_t)a->values);
    free(a->options);
    *a = (struct args){.verb = a->verb};
}

const char *args_nth(const struct args *a, const char *name, size_t n)
{
    for (size_t i = 0; i < a->option_count; i++)
        if (strcmp(a->options[i].option->name, name) == 0 && n-- == 0)
            return a->options[i].value;
    return NULL;
}

const char *args_get(const struct args *a, const char *name, const char *otherwise)
{
    for (size_t i = a->option_count; i-- > 0;)
        if (strcmp(a->options[i].option->name, name) == 0)
            return a->options[i].value;
    return otherwise;
}

bool args_has(const struct args *a, const char *name)
{
    for (size_t i = 0; i < a->option_count; i++)
        if (strcmp(a->options[i].option->name, name) == 0)
            return true;
    return false;
}

bool args_int(const struct args *a, const char *name, int64_t min, int64_t max, int64_t otherwise,
              int64_t *ret_value)
{
    const char *text = args_get(a, name, NULL);
    char *end;

    if (!text) {
        *ret_value = otherwise;
        return true;
    }
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*text == 0 || *end != 0 || *text == ' ') {
        usage_error(a, "--%s=%s: not a whole number", name, text);
        return false;
    }
    if (errno == ERANGE || value < min || value > max) {
        usage_error(a, "--%s=%s: must lie between %lld and %lld", name, text, (long long)min,
                    (long long)max);
        return false;
    }
    *ret_value = value;
    return true;
}

bool color_wanted(FILE *out)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    if (no_color && *no_color)
        return false;
    return isatty(fileno(out)) && term && strcmp(term, "dumb") != 0;
}

size_t terminal_width(FILE *out, size_t otherwise)
{
    struct winsize size = {0};

    if (!isatty(fileno(out)) || ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return otherwise;
    return size.ws_col < 40 ? 40 : size.ws_col;
}

const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; verbs[i]; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

const char *verb_nearest(const char *name)
{
    const char *names[64];
    size_t count = 0;

    while (verbs[count] && count < 63) {
        names[count] = verbs[count]->name;
        count++;
    }
    names[count] = NULL;
    return nearest_name(name, strlen(name), names);
}
