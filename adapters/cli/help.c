#include "adapters/cli/frame.h"

#include <stdlib.h>
#include <string.h>

#define HELP_COLUMNS 88u
#define OPTION_COLUMN 30u

const char *const exits_general = "0  yes: it was done, and the answer is yes\n"
                                  "1  the answer is no\n"
                                  "2  wrong usage\n"
                                  "3  input that cannot be read or is not valid\n"
                                  "4  the outside world failed (disk, network, another program)";

/* Words of `text` from column `at`, wrapped and indented; "\n" starts a new line, "\n\n" a
 * paragraph. */
static void wrap(FILE *out, const char *text, size_t indent, size_t at)
{
    size_t col = at;
    bool fresh = true;

    for (const char *p = text; *p;) {
        size_t len = strcspn(p, " \n");
        if (len > 0) {
            if (!fresh && col + 1 + len > HELP_COLUMNS) {
                fprintf(out, "\n%*s", (int)indent, "");
                col = indent;
            } else if (!fresh) {
                putc(' ', out);
                col++;
            }
            fwrite(p, 1, len, out);
            col += len;
            fresh = false;
            p += len;
        }
        if (*p == '\n') {
            putc('\n', out);
            if (p[1] && p[1] != '\n')
                fprintf(out, "%*s", (int)indent, "");
            col = indent;
            fresh = true;
        }
        p += *p != 0;
    }
    putc('\n', out);
}

static const char *option_group(const struct option_spec *o)
{
    return o->group ? o->group : "Options";
}

/* The value as it is shown: its choices when there are few, else its name. */
static const char *option_value(const struct option_spec *o)
{
    return o->choices && strlen(o->choices) <= 40 ? o->choices : o->value;
}

static void option_signature(char *text, size_t size, const struct option_spec *o, bool single_dash)
{
    const char *dashes = single_dash ? "-" : "--";
    const char *value = o->value ? option_value(o) : "";

    if (o->letter)
        snprintf(text, size, "-%c, %s%s%s%s", o->letter, dashes, o->name, *value ? "=" : "", value);
    else
        snprintf(text, size, "    %s%s%s%s", dashes, o->name, *value ? "=" : "", value);
}

static void help_option(FILE *out, const struct option_spec *o, bool single_dash)
{
    char signature[256];
    char text[1024];

    option_signature(signature, sizeof signature, o, single_dash);
    snprintf(text, sizeof text, "%s%s%s%s%s", o->help, o->repeats ? " (may be repeated)" : "",
             o->fallback ? " (default: " : "", o->fallback ? o->fallback : "",
             o->fallback ? ")" : "");
    fprintf(out, "  %s", signature);
    size_t len = strlen(signature) + 2;
    if (len + 2 > OPTION_COLUMN)
        fprintf(out, "\n%*s", (int)OPTION_COLUMN, "");
    else
        fprintf(out, "%*s", (int)(OPTION_COLUMN - len), "");
    wrap(out, text, OPTION_COLUMN, OPTION_COLUMN);
}

/*
 * Call `each` for the options of a verb, group by group in order of first mention, the common ones
 * last. `heading` is called before the first of each group.
 */
struct option_walk {
    FILE *out;
    const struct verb *verb;
    void (*heading)(const struct option_walk *w, const char *group);
    void (*each)(const struct option_walk *w, const struct option_spec *o);
    void (*end)(const struct option_walk *w);
};

static void walk_group(const struct option_walk *w, const struct option_spec *options,
                       const struct option_spec *first)
{
    w->heading(w, option_group(first));
    for (const struct option_spec *o = options; o->name; o++)
        if (strcmp(option_group(o), option_group(first)) == 0)
            w->each(w, o);
    if (w->end)
        w->end(w);
}

static void walk_options(const struct option_walk *w)
{
    const struct option_spec *lists[2] = {w->verb->options, common_options};

    for (size_t i = 0; i < 2; i++) {
        for (const struct option_spec *o = lists[i]; o && o->name; o++) {
            bool seen = false;
            for (const struct option_spec *p = lists[i]; p < o; p++)
                seen = seen || strcmp(option_group(p), option_group(o)) == 0;
            if (!seen)
                walk_group(w, lists[i], o);
        }
    }
}

/* ---- --help ---- */

static void help_heading(const struct option_walk *w, const char *group)
{
    fprintf(w->out, "\n%s:\n", group);
}

static void help_each(const struct option_walk *w, const struct option_spec *o)
{
    help_option(w->out, o, w->verb->single_dash && o != common_options);
}

/* Every line of `exits`, indented. */
static void help_lines(FILE *out, const char *lines)
{
    while (*lines) {
        size_t len = strcspn(lines, "\n");
        fprintf(out, "  %.*s\n", (int)len, lines);
        lines += len + (lines[len] == '\n');
    }
}

void help_verb(FILE *out, const struct verb *verb)
{
    const struct option_walk w = {out, verb, help_heading, help_each, NULL};

    fprintf(out, "coalmine %s: %s\n\nUsage: coalmine %s %s\n", verb->name, verb->summary,
            verb->name, verb->usage);
    if (verb->about) {
        putc('\n', out);
        wrap(out, verb->about, 0, 0);
    }
    if (verb->example)
        fprintf(out, "\nExample:\n  %s\n", verb->example);
    walk_options(&w);
    fputs("\nExit status:\n", out);
    help_lines(out, verb->exits ? verb->exits : exits_general);
    fputs("\nRead more: man coalmine, docs/reference/cli.md\n", out);
}

void help_overview(FILE *out)
{
    fputs("coalmine: test, tune and run progressive delivery\n"
          "\nUsage: coalmine VERB [OPTION]... [ARGUMENT]...\n\n"
          "Coalmine decides how a new version of a service reaches its users: it shifts traffic "
          "step\n"
          "by step, watches metrics and gates, and promotes or rolls back. It reads the Canary "
          "objects\n"
          "of Flagger, and simulates on a laptop what they will do in a cluster.\n"
          "\nVerbs:\n",
          out);
    for (size_t i = 0; verbs[i]; i++)
        fprintf(out, "  %-12s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nGeneral:\n"
          "  -h, --help   print this help and exit\n"
          "  --version    print the version and exit\n"
          "\nExit status:\n",
          out);
    help_lines(out, exits_general);
    fputs("\nRead more: coalmine VERB --help, man coalmine, docs/\n", out);
}

/* ---- coalmine(1) ---- */

/* Text for roff: dashes as typed, backslashes kept, no line that starts like a request. */
static void roff(FILE *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((p == text || p[-1] == '\n') && (*p == '.' || *p == '\''))
            fputs("\\&", out);
        if (*p == '\n' && p[1] == '\n') {
            fputs("\n.PP\n", out);
            p++;
        } else if (*p == '-') {
            fputs("\\-", out);
        } else if (*p == '\\') {
            fputs("\\e", out);
        } else {
            putc(*p, out);
        }
    }
}

static void man_heading(const struct option_walk *w, const char *group)
{
    fputs(".PP\n", w->out);
    roff(w->out, group);
    fputs(":\n", w->out);
}

static void man_each(const struct option_walk *w, const struct option_spec *o)
{
    char signature[256];
    const char *s = signature;

    option_signature(signature, sizeof signature, o, w->verb->single_dash && o != common_options);
    fputs(".TP\n.B ", w->out);
    roff(w->out, s + strspn(s, " "));
    putc('\n', w->out);
    roff(w->out, o->help);
    if (o->repeats)
        fputs(" (may be repeated)", w->out);
    if (o->fallback) {
        fputs(" (default: ", w->out);
        roff(w->out, o->fallback);
        putc(')', w->out);
    }
    putc('\n', w->out);
}

static void man_lines(FILE *out, const char *lines)
{
    fputs(".nf\n", out);
    roff(out, lines);
    fputs("\n.fi\n", out);
}

void help_man(FILE *out)
{
    fputs(".TH COALMINE 1 \"\" \"coalmine " COALMINE_VERSION "\" \"User Commands\"\n"
          ".SH NAME\ncoalmine \\- test, tune and run progressive delivery\n"
          ".SH SYNOPSIS\n.B coalmine\n.I VERB\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n"
          ".SH DESCRIPTION\n"
          "Coalmine decides how a new version of a service reaches its users: it shifts traffic "
          "step\n"
          "by step, watches metrics and gates, and promotes or rolls back. It reads the Canary "
          "objects\n"
          "of Flagger, and simulates on a laptop what they will do in a cluster.\n"
          ".SH VERBS\n",
          out);
    for (size_t i = 0; verbs[i]; i++) {
        const struct option_walk w = {out, verbs[i], man_heading, man_each, NULL};
        fprintf(out, ".SS coalmine %s ", verbs[i]->name);
        roff(out, verbs[i]->usage);
        putc('\n', out);
        roff(out, verbs[i]->summary);
        fputs(".\n", out);
        if (verbs[i]->about) {
            fputs(".PP\n", out);
            roff(out, verbs[i]->about);
            putc('\n', out);
        }
        if (verbs[i]->example) {
            fputs(".PP\nExample:\n.PP\n.nf\n.RS 4\n", out);
            roff(out, verbs[i]->example);
            fputs("\n.RE\n.fi\n", out);
        }
        walk_options(&w);
        if (verbs[i]->exits) {
            fputs(".PP\nExit status:\n.PP\n", out);
            man_lines(out, verbs[i]->exits);
        }
    }
    fputs(".SH EXIT STATUS\nWhere a verb does not say otherwise:\n.PP\n", out);
    man_lines(out, exits_general);
    fputs(".SH ENVIRONMENT\n.TP\n.B NO_COLOR\nset to anything: no colours, on a terminal too\n"
          ".SH SEE ALSO\nThe documentation in docs/: a tutorial, the reference of every file "
          "format,\n"
          "and the design.\n",
          out);
}

/* ---- docs/reference/cli.md ---- */

/* A table cell: `|` would end it. */
static void markdown_cell(FILE *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '|')
            putc('\\', out);
        putc(*p, out);
    }
}

static void markdown_heading(const struct option_walk *w, const char *group)
{
    fprintf(w->out, "\n| %s | |\n| --- | --- |\n", group);
}

static void markdown_each(const struct option_walk *w, const struct option_spec *o)
{
    char signature[256];
    const char *s = signature;

    option_signature(signature, sizeof signature, o, w->verb->single_dash && o != common_options);
    fputs("| `", w->out);
    markdown_cell(w->out, s + strspn(s, " "));
    fputs("` | ", w->out);
    markdown_cell(w->out, o->help);
    if (o->repeats)
        fputs(" (may be repeated)", w->out);
    if (o->fallback)
        fprintf(w->out, " (default: `%s`)", o->fallback);
    fputs(" |\n", w->out);
}

void help_markdown(FILE *out)
{
    fputs(
        "# The command line\n\n"
        "Made by `coalmine help --markdown` from the tables that `--help` prints; `make check` "
        "proves\n"
        "that this page is up to date. Options may stand anywhere before `--`; `--name=value` and\n"
        "`--name value` are the same; `-` as a file name is standard input. Answers go to stdout, "
        "talk\n"
        "to stderr; colours only to a terminal, and never with `NO_COLOR` set.\n\n"
        "| Verb | |\n| --- | --- |\n",
        out);
    for (size_t i = 0; verbs[i]; i++)
        fprintf(out, "| [`%s`](#coalmine-%s) | %s |\n", verbs[i]->name, verbs[i]->name,
                verbs[i]->summary);
    fprintf(out,
            "\nExit status, where a verb does not say otherwise ([more](exit-codes.md)):\n\n"
            "```text\n%s\n```\n",
            exits_general);
    for (size_t i = 0; verbs[i]; i++) {
        const struct option_walk w = {out, verbs[i], markdown_heading, markdown_each, NULL};
        fprintf(out, "\n## coalmine %s\n\n`coalmine %s %s`: %s.\n", verbs[i]->name, verbs[i]->name,
                verbs[i]->usage, verbs[i]->summary);
        if (verbs[i]->about)
            fprintf(out, "\n%s\n", verbs[i]->about);
        if (verbs[i]->example)
            fprintf(out, "\n```sh\n%s\n```\n", verbs[i]->example);
        walk_options(&w);
        if (verbs[i]->exits)
            fprintf(out, "\nExit status:\n\n```text\n%s\n```\n", verbs[i]->exits);
    }
}
