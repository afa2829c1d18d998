/* The findings as text, JSON, SARIF, JUnit, TAP and GitHub annotations: the same facts in each. */
#include <string.h>

#include "adapters/check/internal.h"

static const char *const severity_names[] = {"error", "warning", "info"};
static const char *const group_names[] = {"schema", "policy"};

static const char *id_of(const struct finding *f)
{
    return check_rules[f->rule].id;
}

/* ---- text
 * ------------------------------------------------------------------------------------------ */

static size_t next_character(const char *s, size_t at)
{
    at++;
    while (((unsigned char)s[at] & 0xC0) == 0x80)
        at++;
    return at;
}

/* The source line and a caret below its `col`-th character, at most 100 characters of it. */
static void write_source(const struct finding *f, bool color, struct strbuf *out)
{
    size_t from = 0, to, caret, end;
    uint32_t col = 1, shown = 0;
    char number[16];
    int width = snprintf(number, sizeof number, "%4u", f->line);

    while (f->col > 80 && f->source[from] &&
           col + 40 < f->col) { /* a long line: begin near the place */
        from = next_character(f->source, from);
        col++;
    }
    for (to = from, caret = from; f->source[to] && shown < 100; shown++) {
        if (col + shown == f->col)
            caret = to;
        to = next_character(f->source, to);
    }
    strbuf_addf(out, "%s | %s", number, from ? "…" : "");
    strbuf_add(out, f->source + from, to - from);
    strbuf_addf(out, "%s\n", f->source[to] ? "…" : "");
    if (f->col == 0 || f->col < col || f->col > col + shown)
        return;
    strbuf_addf(out, "%*s | %s", width, "", from ? " " : "");
    for (size_t i = from, n = col; n < f->col && f->source[i];
         i = next_character(f->source, i), n++)
        strbuf_addc(out, f->source[i] == '\t' ? '\t' : ' ');
    strbuf_adds(out, color ? "\033[1;32m^" : "^");
    end = f->end_col > f->col + 1 ? f->end_col : 0;
    (void)caret;
    for (uint32_t n = f->col + 1; n < end && n < col + shown; n++)
        strbuf_addc(out, '~');
    strbuf_adds(out, color ? "\033[0m\n" : "\n");
}

/* Text of the document in a terminal: control characters must not act. */
static void add_shown(struct strbuf *out, const char *s)
{
    for (; *s; s++)
        strbuf_addc(out, ((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7F ? '?' : *s);
}

static void write_text(const struct finding *f, bool color, struct strbuf *out)
{
    static const char *const colors[] = {"\033[1;31m", "\033[1;35m", "\033[1;36m"};

    strbuf_adds(out, color ? "\033[1m" : "");
    add_shown(out, f->file);
    if (f->line)
        strbuf_addf(out, ":%u", f->line);
    if (f->line && f->col)
        strbuf_addf(out, ":%u", f->col);
    strbuf_addf(out, ": %s%s%s", color ? colors[f->severity] : "", severity_names[f->severity],
                color ? "\033[0m" : "");
    strbuf_adds(out, ": ");
    add_shown(out, f->path);
    strbuf_adds(out, *f->path ? ": " : "");
    add_shown(out, f->what);
    strbuf_addf(out, " [%s]\n", id_of(f));
    if (f->source)
        write_source(f, color, out);
    if (f->hint) {
        strbuf_adds(out, "hint: ");
        add_shown(out, f->hint);
        strbuf_addc(out, '\n');
    }
    strbuf_addc(out, '\n');
}

/* ---- json
 * ------------------------------------------------------------------------------------------ */

static void add_string(struct strbuf *out, const char *key, const char *value)
{
    strbuf_addf(out, "\"%s\": ", key);
    strbuf_add_json(out, value ? value : "", value ? strlen(value) : 0);
}

static void write_json(const struct check *c, struct strbuf *out)
{
    const struct findings *r = check_findings(c);
    size_t written = 0;

    strbuf_adds(out, "{\"findings\": [");
    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->items[i];

        if (f->known)
            continue;
        strbuf_adds(out, written++ ? ",\n  {" : "\n  {");
        add_string(out, "file", f->file);
        strbuf_addf(out, ", \"line\": %u, \"col\": %u, ", f->line, f->col);
        add_string(out, "severity", severity_names[f->severity]);
        strbuf_adds(out, ", ");
        add_string(out, "id", id_of(f));
        strbuf_adds(out, ", ");
        add_string(out, "group", group_names[check_rules[f->rule].group]);
        strbuf_adds(out, ", ");
        add_string(out, "path", f->path);
        strbuf_adds(out, ", ");
        add_string(out, "message", f->what);
        strbuf_adds(out, ", ");
        if (f->hint)
            add_string(out, "hint", f->hint);
        else
            strbuf_adds(out, "\"hint\": null");
        strbuf_addc(out, '}');
    }
    strbuf_addf(out,
                "%s],\n \"summary\": {\"documents\": %zu, \"errors\": %zu, \"warnings\": %zu, "
                "\"infos\": %zu, "
                "\"known\": %zu, \"suppressed\": %zu, \"dropped\": %zu}}\n",
                written ? "\n" : "", check_document_count(c), r->errors, r->warnings, r->infos,
                r->known, r->suppressed, r->dropped);
}

/* ---- SARIF 2.1.0
 * ------------------------------------------------------------------------------------ */

static void write_sarif_rules(struct strbuf *out)
{
    static const char *const levels[] = {"error", "warning", "note"};

    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct check_rule *r = &check_rules[i];

        strbuf_addf(out, "%s\n      {\"id\": \"%s\", \"shortDescription\": {", i ? "," : "", r->id);
        add_string(out, "text", r->title);
        strbuf_addf(out,
                    "}, \"defaultConfiguration\": {\"level\": \"%s\"}, \"properties\": {\"group\": "
                    "\"%s\"}}",
                    levels[r->severity], group_names[r->group]);
    }
}

/* A relative file name as a URI reference. */
static void add_uri(struct strbuf *out, const char *file)
{
    static const char hex[] = "0123456789ABCDEF";

    strbuf_adds(out, "\"uri\": \"");
    if (strcmp(file, "-") == 0)
        file = "stdin";
    for (; *file; file++) {
        unsigned char ch = (unsigned char)*file;

        if ((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
            strchr("-._~/@:+,=", ch)) {
            strbuf_addc(out, (char)ch);
        } else {
            strbuf_addc(out, '%');
            strbuf_addc(out, hex[ch >> 4]);
            strbuf_addc(out, hex[ch & 15]);
        }
    }
    strbuf_addc(out, '"');
}

static void write_sarif_result(const struct finding *f, struct strbuf *out)
{
    static const char *const levels[] = {"error", "warning", "note"};
    struct strbuf text = STRBUF_INIT;

    strbuf_addf(&text, "%s%s%s%s%s", f->path, *f->path ? ": " : "", f->what,
                f->hint ? ". Hint: " : "", f->hint ? f->hint : "");
    strbuf_addf(
        out,
        "{\"ruleId\": \"%s\", \"ruleIndex\": %u, \"level\": \"%s\", \"baselineState\": \"%s\", "
        "\"message\": {",
        id_of(f), (unsigned)f->rule, levels[f->severity], f->known ? "unchanged" : "new");
    add_string(out, "text", strbuf_str(&text));
    strbuf_adds(out, "}, \"locations\": [{\"physicalLocation\": {\"artifactLocation\": {");
    add_uri(out, f->file);
    strbuf_adds(out, "}");
    if (f->line) {
        strbuf_addf(out, ", \"region\": {\"startLine\": %u", f->line);
        if (f->col)
            strbuf_addf(out, ", \"startColumn\": %u", f->col);
        if (f->col && f->end_col > f->col)
            strbuf_addf(out, ", \"endColumn\": %u", f->end_col);
        if (f->source) {
            strbuf_adds(out, ", \"snippet\": {");
            add_string(out, "text", f->source);
            strbuf_adds(out, "}");
        }
        strbuf_adds(out, "}");
    }
    strbuf_adds(out, "}}]}");
    strbuf_release(&text);
}

static void write_sarif(const struct check *c, struct strbuf *out)
{
    const struct findings *r = check_findings(c);

    strbuf_adds(out, "{\"version\": \"2.1.0\",\n"
                     " \"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n"
                     " \"runs\": [{\"tool\": {\"driver\": {\"name\": \"coalmine\", \"rules\": [");
    write_sarif_rules(out);
    strbuf_adds(out, "]}},\n  \"columnKind\": \"unicodeCodePoints\",\n  \"results\": [");
    for (size_t i = 0; i < r->count; i++) {
        strbuf_adds(out, i ? ",\n   " : "\n   ");
        write_sarif_result(&r->items[i], out);
    }
    strbuf_adds(out, "]}]}\n");
}

/* ---- JUnit
 * ----------------------------------------------------------------------------------------- */

static void add_xml(struct strbuf *out, const char *s)
{
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;

        if (ch == '<')
            strbuf_adds(out, "&lt;");
        else if (ch == '>')
            strbuf_adds(out, "&gt;");
        else if (ch == '&')
            strbuf_adds(out, "&amp;");
        else if (ch == '"')
            strbuf_adds(out, "&quot;");
        else if (ch < 0x20 && ch != '\t')
            strbuf_addc(out, ' ');
        else
            strbuf_addc(out, (char)ch);
    }
}

static void write_junit_case(const struct finding *f, struct strbuf *out)
{
    bool fails = !f->known && f->severity != SEVERITY_INFO;

    strbuf_adds(out, "    <testcase classname=\"");
    add_xml(out, f->file);
    strbuf_addf(out, "\" name=\"%s line %u", id_of(f), f->line);
    if (*f->path) {
        strbuf_adds(out, " ");
        add_xml(out, f->path);
    }
    strbuf_addf(out, "\">\n      <%s message=\"", fails ? "failure" : "skipped");
    add_xml(out, f->what);
    if (fails)
        strbuf_addf(out, "\" type=\"%s", severity_names[f->severity]);
    strbuf_adds(out, "\">");
    add_xml(out, f->file);
    strbuf_addf(out, ":%u:%u: %s: ", f->line, f->col, severity_names[f->severity]);
    add_xml(out, f->path);
    strbuf_adds(out, *f->path ? ": " : "");
    add_xml(out, f->what);
    if (f->hint) {
        strbuf_adds(out, "\nhint: ");
        add_xml(out, f->hint);
    }
    strbuf_addf(out, "</%s>\n    </testcase>\n", fails ? "failure" : "skipped");
}

static void write_junit(const struct check *c, struct strbuf *out)
{
    const struct findings *r = check_findings(c);
    size_t cases = r->count ? r->count : 1, skipped = r->infos + r->known;

    strbuf_addf(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\">\n"
        "  <testsuite name=\"coalmine check\" tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" "
        "errors=\"0\">\n",
        cases, r->errors + r->warnings, cases, r->errors + r->warnings, skipped);
    for (size_t i = 0; i < r->count; i++)
        write_junit_case(&r->items[i], out);
    if (r->count == 0)
        strbuf_addf(
            out, "    <testcase classname=\"coalmine\" name=\"%zu documents without findings\"/>\n",
            check_document_count(c));
    strbuf_adds(out, "  </testsuite>\n</testsuites>\n");
}

/* ---- TAP 13
 * ---------------------------------------------------------------------------------------- */

static void add_one_line(struct strbuf *out, const char *s)
{
    for (; *s; s++)
        strbuf_addc(out, *s == '\n' || *s == '\r' || *s == '#' ? ' ' : *s);
}

static void write_tap(const struct check *c, struct strbuf *out)
{
    const struct findings *r = check_findings(c);

    strbuf_addf(out, "TAP version 13\n1..%zu\n", r->count ? r->count : 1);
    if (r->count == 0)
        strbuf_addf(out, "ok 1 - %zu documents without findings\n", check_document_count(c));
    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->items[i];
        bool ok = f->known || f->severity == SEVERITY_INFO;

        strbuf_addf(out, "%s %zu - ", ok ? "ok" : "not ok", i + 1);
        add_one_line(out, f->file);
        strbuf_addf(out, ":%u:%u %s ", f->line, f->col, id_of(f));
        add_one_line(out, f->path);
        strbuf_adds(out, *f->path ? ": " : "");
        add_one_line(out, f->what);
        strbuf_adds(out, f->known ? " # SKIP known\n" : "\n");
        if (!ok) {
            strbuf_addf(out, "  ---\n  severity: %s\n", severity_names[f->severity]);
            if (f->hint) {
                strbuf_adds(out, "  hint: ");
                strbuf_add_json(out, f->hint, strlen(f->hint));
                strbuf_addc(out, '\n');
            }
            strbuf_adds(out, "  ...\n");
        }
    }
}

/* ---- GitHub workflow commands
 * ------------------------------------------------------------------------ */

static void add_command_text(struct strbuf *out, const char *s, bool property)
{
    for (; *s; s++) {
        if (*s == '%' || *s == '\r' || *s == '\n' || (property && (*s == ':' || *s == ',')))
            strbuf_addf(out, "%%%02X", (unsigned char)*s);
        else
            strbuf_addc(out, *s);
    }
}

static void write_github(const struct check *c, struct strbuf *out)
{
    static const char *const commands[] = {"error", "warning", "notice"};
    const struct findings *r = check_findings(c);

    for (size_t i = 0; i < r->count; i++) {
        const struct finding *f = &r->items[i];

        if (f->known)
            continue;
        strbuf_addf(out, "::%s file=", commands[f->severity]);
        add_command_text(out, f->file, true);
        if (f->line)
            strbuf_addf(out, ",line=%u", f->line);
        if (f->line && f->col)
            strbuf_addf(out, ",col=%u", f->col);
        strbuf_addf(out, ",title=%s ", id_of(f));
        add_command_text(out, check_rules[f->rule].title, true);
        strbuf_adds(out, "::");
        add_command_text(out, f->path, false);
        strbuf_adds(out, *f->path ? ": " : "");
        add_command_text(out, f->what, false);
        if (f->hint) {
            strbuf_adds(out, "%0Ahint: ");
            add_command_text(out, f->hint, false);
        }
        strbuf_addc(out, '\n');
    }
}

/* ---- the door
 * -------------------------------------------------------------------------------------- */

bool check_format_find(const char *name, enum check_format *ret_format)
{
    static const char *const names[] = {"text", "json", "sarif", "junit", "tap", "github"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_format = (enum check_format)i;
            return true;
        }
    return false;
}

void check_write(const struct check *c, enum check_format format, bool color, struct strbuf *out)
{
    const struct findings *r = check_findings(c);

    switch (format) {
    case FORMAT_TEXT:
        for (size_t i = 0; i < r->count; i++)
            if (!r->items[i].known)
                write_text(&r->items[i], color, out);
        break;
    case FORMAT_JSON:
        write_json(c, out);
        break;
    case FORMAT_SARIF:
        write_sarif(c, out);
        break;
    case FORMAT_JUNIT:
        write_junit(c, out);
        break;
    case FORMAT_TAP:
        write_tap(c, out);
        break;
    case FORMAT_GITHUB:
        write_github(c, out);
        break;
    }
}

static void add_count(struct strbuf *out, size_t count, const char *word)
{
    strbuf_addf(out, "%zu %s%s", count, word, count == 1 ? "" : "s");
}

static void add_kinds(struct strbuf *out, const struct kind_count *kinds, size_t count,
                      bool checked)
{
    const char *gap = "";

    for (size_t i = 0; i < count; i++)
        if (kinds[i].checked == checked) {
            strbuf_addf(out, "%s%zu %s", gap, kinds[i].count, kinds[i].kind);
            gap = ", ";
        }
}

void check_summary(const struct check *c, struct strbuf *out)
{
    const struct findings *r = check_findings(c);
    const struct kind_count *kinds;
    size_t count = check_kinds(c, &kinds), checked = 0;

    for (size_t i = 0; i < count; i++)
        checked += kinds[i].checked ? kinds[i].count : 0;
    if (r->errors + r->warnings + r->infos == 0)
        strbuf_adds(out, "no findings");
    else {
        add_count(out, r->errors, "error");
        strbuf_adds(out, ", ");
        add_count(out, r->warnings, "warning");
        strbuf_addf(out, ", %zu info", r->infos);
    }
    strbuf_adds(out, " in ");
    add_count(out, checked, "document");
    if (checked) {
        strbuf_adds(out, " (");
        add_kinds(out, kinds, count, true);
        strbuf_adds(out, ")");
    }
    if (check_document_count(c) > checked) {
        strbuf_addf(out, "; %zu skipped (", check_document_count(c) - checked);
        add_kinds(out, kinds, count, false);
        strbuf_adds(out, ")");
    }
    if (r->known)
        strbuf_addf(out, "; %zu known from the baseline", r->known);
    if (r->suppressed)
        strbuf_addf(out, "; %zu suppressed", r->suppressed);
    if (r->dropped)
        strbuf_addf(out, "; %zu more not shown", r->dropped);
}
