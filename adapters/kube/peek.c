#include "adapters/kube/peek.h"

#include <string.h>

#include "adapters/base/plain.h"

#define DEPTH_MAX 64

struct cursor {
    const char *at, *end;
};

struct slice {
    const char *start;
    size_t len;
};

static bool take(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

/* Past a string; false when there is none, or none without escapes and beyond ASCII. */
static bool take_plain(struct cursor *c, struct slice *ret)
{
    if (!take(c, '"'))
        return false;
    ret->start = c->at;
    ret->len = plain_bytes(c->at, (size_t)(c->end - c->at));
    c->at += ret->len;
    return take(c, '"');
}

static bool skip_string(struct cursor *c)
{
    if (!take(c, '"'))
        return false;
    for (;;) {
        c->at += plain_bytes(c->at, (size_t)(c->end - c->at));
        if (c->at == c->end)
            return false;
        if (*c->at == '"') {
            c->at++;
            return true;
        }
        if (*c->at == '\\' && ++c->at == c->end)
            return false;
        c->at++;
    }
}

/* Past any value, by its brackets alone. */
static bool skip_value(struct cursor *c)
{
    unsigned depth = 0;

    while (c->at < c->end) {
        char b = *c->at;

        if (b == '"') {
            if (!skip_string(c))
                return false;
        } else if (b == '{' || b == '[') {
            if (++depth > DEPTH_MAX)
                return false;
            c->at++;
        } else if (b == '}' || b == ']') {
            if (depth == 0)
                return true; /* behind the value: the end of what holds it */
            depth--;
            c->at++;
        } else if (b == ',' && depth == 0) {
            return true;
        } else {
            c->at++;
            continue;
        }
        if (depth == 0)
            return true;
    }
    return false;
}

static bool is(const struct slice *s, const char *text)
{
    return s->len == strlen(text) && memcmp(s->start, text, s->len) == 0;
}

static bool keep(const struct slice *s, char *out, size_t size)
{
    if (s->len >= size)
        return false;
    memcpy(out, s->start, s->len);
    out[s->len] = '\0';
    return true;
}

/* The next member's name, with the cursor on its value. False at the end, or when unsure. */
static bool next_member(struct cursor *c, bool first, struct slice *ret_name)
{
    return (first || take(c, ',')) && take_plain(c, ret_name) && take(c, ':');
}

/* A text that was not there before: of two members with one name it is for the parser to choose. */
static bool take_once(struct cursor *c, char *out, size_t size)
{
    struct slice value;

    return out[0] == '\0' && take_plain(c, &value) && value.len > 0 && keep(&value, out, size);
}

static bool peek_metadata(struct cursor *c, struct peek *p)
{
    struct slice name;
    bool good = take(c, '{');

    p->ns[0] = p->name[0] = p->version[0] = '\0';
    for (bool first = true; good && next_member(c, first, &name); first = false) {
        if (is(&name, "name"))
            good = take_once(c, p->name, sizeof(p->name));
        else if (is(&name, "resourceVersion"))
            good = take_once(c, p->version, sizeof(p->version));
        else if (is(&name, "namespace"))
            good = take_once(c, p->ns, sizeof(p->ns));
        else
            good = skip_value(c);
    }
    return good && take(c, '}') && p->name[0] && p->version[0];
}

static bool peek_members(struct cursor *c, struct peek *p)
{
    struct slice name;

    if (!take(c, '{'))
        return false;
    for (bool first = true; next_member(c, first, &name); first = false) {
        if (is(&name, "metadata"))
            return peek_metadata(c, p);
        if (!skip_value(c))
            return false;
    }
    return false;
}

bool peek_object(const char *text, size_t len, struct peek *ret_peek)
{
    struct cursor c = {text, text + len};

    return len > 0 && peek_members(&c, ret_peek);
}

bool peek_event(const char *line, size_t len, struct peek *ret_peek)
{
    static const char added[] = "{\"type\":\"ADDED\",\"object\":",
                      modified[] = "{\"type\":\"MODIFIED\",\"object\":";
    struct cursor c = {line, line + len};

    if (len > sizeof(added) && memcmp(line, added, sizeof(added) - 1) == 0)
        c.at += sizeof(added) - 1;
    else if (len > sizeof(modified) && memcmp(line, modified, sizeof(modified) - 1) == 0)
        c.at += sizeof(modified) - 1;
    else
        return false;
    return peek_members(&c, ret_peek);
}
