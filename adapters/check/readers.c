/* Small readers of nodes and of the embedded files. */
#include <string.h>

#include "adapters/check/embedded.h"
#include "adapters/check/internal.h"
#include "engine/num.h"

int64_t check_int(const struct node *n, int64_t otherwise)
{
    if (n && n->kind == NODE_INT)
        return n->u.integer;
    if (n && n->kind == NODE_FLOAT && n->u.number > -1e15 && n->u.number < 1e15)
        return (int64_t)n->u.number;
    return otherwise;
}

bool check_bool(const struct node *n)
{
    return n && n->kind == NODE_BOOL && n->u.boolean;
}

bool check_number(const struct node *n, double *ret_value)
{
    if (n == NULL || (n->kind != NODE_INT && n->kind != NODE_FLOAT))
        return false;
    *ret_value = n->kind == NODE_INT ? (double)n->u.integer : n->u.number;
    return true;
}

bool check_duration(const struct node *n, int64_t *ret_ms)
{
    const char *unit;
    size_t unit_len;
    int64_t ns;

    if (n == NULL || n->kind != NODE_STRING ||
        duration_parse(n->text, n->text_len, &ns, &unit, &unit_len) != DURATION_OK)
        return false;
    *ret_ms = ns / NS_PER_MS;
    return true;
}

const char *check_str(const struct node *n)
{
    const char *s = n ? node_str(n) : NULL;

    return s ? s : "";
}

const char *check_url_problem(const char *url)
{
    const char *host;

    if (strstr(url, "{{") || strstr(url, "${"))
        return NULL; /* another program fills it in first */
    for (const char *s = url; *s; s++)
        if (*s == ' ' || (unsigned char)*s < 0x20 || *s == 0x7F)
            return "contains a blank or control character";
    if (strncmp(url, "http://", 7) == 0)
        host = url + 7;
    else if (strncmp(url, "https://", 8) == 0)
        host = url + 8;
    else if (strstr(url, "://"))
        return "is neither http:// nor https://";
    else
        return "has no scheme: it must start with http:// or https://";
    if (*host == 0 || *host == '/' || *host == '?' || *host == ':' || *host == '#')
        return "has no host";
    for (const char *s = url; *s; s++)
        if (*s == '%' && !(strchr("0123456789abcdefABCDEF", s[1]) && s[1] &&
                           strchr("0123456789abcdefABCDEF", s[2]) && s[2]))
            return "has a broken % escape";
    return NULL;
}

const struct embedded_file *embedded_find(const struct embedded_file *files, const char *name)
{
    for (; files->name; files++)
        if (strcmp(files->name, name) == 0)
            return files;
    return NULL;
}

const char *check_page(const char *id)
{
    const struct embedded_file *page = embedded_find(embedded_pages, id);

    return page ? (const char *)page->bytes : NULL;
}
