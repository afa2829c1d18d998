#include "adapters/manifest/node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/num.h"
#include "engine/text.h"

struct node *node_get(const struct node *map, const char *name)
{
    const struct member *m = node_member(map, name);

    return m ? m->value : NULL;
}

const struct member *node_member(const struct node *map, const char *name)
{
    size_t len = strlen(name);

    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->u.map.count; i++) {
        const struct member *m = &map->u.map.members[i];

        if (m->key_len == len && memcmp(m->key, name, len) == 0)
            return m;
    }
    return NULL;
}

struct node *node_at(const struct node *map, ...)
{
    struct node *found = NULL;
    const char *name;
    va_list names;

    va_start(names, map);
    while ((name = va_arg(names, const char *)) != NULL) {
        found = node_get(map, name);
        map = found;
    }
    va_end(names);
    return found;
}

const char *node_str(const struct node *n)
{
    return n && n->kind == NODE_STRING ? n->text : NULL;
}

bool node_is(const struct node *n, const char *text)
{
    return n && n->kind == NODE_STRING && strcmp(n->text, text) == 0;
}

const char *node_kind_name(enum node_kind kind)
{
    switch (kind) {
    case NODE_NULL:
        return "null";
    case NODE_BOOL:
        return "a boolean";
    case NODE_INT:
        return "an integer";
    case NODE_FLOAT:
        return "a number";
    case NODE_STRING:
        return "a string";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a map";
    }
    return "a value";
}

/* A decimal integer between int64 and uint64, which Kubernetes keeps digit by digit. */
static bool is_wide_integer(const char *s)
{
    static const char max[] = "18446744073709551615";
    size_t len = strspn(s, "0123456789");

    return s[0] != '0' && s[len] == '\0' &&
           (len == sizeof max - 2 || (len == sizeof max - 1 && strcmp(s, max) <= 0));
}

static cJSON *list_to_json(const struct node *n)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; list && i < n->u.list.count; i++) {
        cJSON *item = node_to_json(n->u.list.items[i]);

        if (!item || !cJSON_AddItemToArray(list, item)) {
            json_free(item);
            json_free(list);
            list = NULL;
        }
    }
    return list;
}

static cJSON *map_to_json(const struct node *n)
{
    cJSON *obj = cJSON_CreateObject();

    for (size_t i = 0; obj && i < n->u.map.count; i++) {
        const struct member *m = &n->u.map.members[i];
        cJSON *value = node_to_json(m->value);

        /* names differ within a map, so there is nothing to look up */
        if (!value || !cJSON_AddItemToObject(obj, m->key, value)) {
            json_free(value);
            json_free(obj);
            obj = NULL;
        }
    }
    return obj;
}

cJSON *node_to_json(const struct node *n)
{
    switch (n->kind) {
    case NODE_NULL:
        return cJSON_CreateNull();
    case NODE_BOOL:
        return cJSON_CreateBool(n->u.boolean);
    case NODE_INT:
        return json_new_int(n->u.integer);
    case NODE_FLOAT:
        return is_wide_integer(n->text) ? cJSON_CreateRaw(n->text)
                                        : cJSON_CreateNumber(n->u.number);
    case NODE_STRING:
        return cJSON_CreateString(n->text);
    case NODE_LIST:
        return list_to_json(n);
    case NODE_MAP:
        return map_to_json(n);
    }
    return NULL;
}

static bool set_text(struct arena *arena, struct node *n, const char *text)
{
    n->text_len = strlen(text);
    n->text = arena_strndup(arena, text, n->text_len);
    return n->text != NULL;
}

static bool set_number(struct arena *arena, struct node *n, const cJSON *v)
{
    char digits[40];
    struct text t;
    /* from 2^53 on a double does not say which integer was meant */
    bool whole = json_as_int(v, &n->u.integer) &&
                 (cJSON_IsRaw(v) || (v->valuedouble > -0x1p53 && v->valuedouble < 0x1p53));

    n->kind = whole ? NODE_INT : NODE_FLOAT;
    if (!whole)
        n->u.number = v->valuedouble;
    if (cJSON_IsRaw(v)) {
        if (!whole)
            num_parse(v->valuestring, strlen(v->valuestring), &n->u.number);
        return set_text(arena, n, v->valuestring);
    }
    text_init(&t, digits, sizeof digits);
    if (whole)
        text_add_int(&t, n->u.integer);
    else
        text_add_float(&t, n->u.number);
    return set_text(arena, n, digits);
}

static bool set_list(struct arena *arena, struct node *n, const cJSON *v)
{
    size_t count = (size_t)cJSON_GetArraySize(v), i = 0;

    n->kind = NODE_LIST;
    n->u.list.items = arena_alloc(arena, count * sizeof *n->u.list.items);
    if (!n->u.list.items)
        return false;
    n->u.list.count = count;
    for (const cJSON *item = v->child; item; item = item->next, i++) {
        n->u.list.items[i] = node_from_json(arena, item);
        if (!n->u.list.items[i])
            return false;
    }
    return true;
}

static bool set_map(struct arena *arena, struct node *n, const cJSON *v)
{
    size_t count = (size_t)cJSON_GetArraySize(v);
    struct member *m = arena_alloc(arena, count * sizeof *m);

    n->kind = NODE_MAP;
    n->u.map.members = m;
    n->u.map.count = count;
    for (const cJSON *item = v->child; m && item; item = item->next, m++) {
        m->key_len = strlen(item->string);
        m->key = arena_strndup(arena, item->string, m->key_len);
        m->value = node_from_json(arena, item);
        if (!m->key || !m->value)
            return false;
    }
    return n->u.map.members != NULL;
}

struct node *node_from_json(struct arena *arena, const cJSON *v)
{
    struct node *n = arena_alloc(arena, sizeof *n);
    bool good = n != NULL;

    if (!good)
        return NULL;
    n->text = "";
    if (cJSON_IsObject(v)) {
        good = set_map(arena, n, v);
    } else if (cJSON_IsArray(v)) {
        good = set_list(arena, n, v);
    } else if (cJSON_IsString(v)) {
        n->kind = NODE_STRING;
        n->quoted = true;
        good = set_text(arena, n, v->valuestring);
    } else if (cJSON_IsNumber(v) || cJSON_IsRaw(v)) {
        good = set_number(arena, n, v);
    } else if (cJSON_IsBool(v)) {
        n->kind = NODE_BOOL;
        n->u.boolean = cJSON_IsTrue(v);
        n->text = n->u.boolean ? "true" : "false";
        n->text_len = strlen(n->text);
    } else {
        n->kind = NODE_NULL;
        n->text = "null";
        n->text_len = 4;
    }
    return good ? n : NULL;
}

/* ---- files
 * ---------------------------------------------------------------------------------------- */

/* Read up to `len` bytes; how many there were, or -errno. */
static ssize_t read_some(int fd, char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = read(fd, bytes + done, len - done);

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -errno;
        done += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)done;
}

/* A file of known size goes into the arena at once: no second copy of a long stream. */
static int read_sized(struct arena *arena, int fd, size_t size, const char **ret_bytes,
                      size_t *ret_len)
{
    char *bytes = arena_take(arena, size + 1);
    ssize_t got = bytes ? read_some(fd, bytes, size) : -ENOMEM;

    if (got < 0)
        return (int)got;
    bytes[got] = '\0';
    *ret_bytes = bytes;
    *ret_len = (size_t)got;
    return 0;
}

/* A pipe or terminal: until it ends. */
static int read_stream(struct arena *arena, int fd, size_t bytes_max, const char **ret_bytes,
                       size_t *ret_len)
{
    size_t cap = 64u * 1024u, len = 0;
    char *bytes = malloc(cap), *more;
    int err = -ENOMEM;

    while (bytes) {
        ssize_t got = read_some(fd, bytes + len, cap - len);

        err = got < 0 ? (int)got : 0;
        len += got > 0 ? (size_t)got : 0;
        if (len > bytes_max)
            err = -EFBIG;
        if (err || len < cap)
            break;
        more = realloc(bytes, cap *= 2);
        if (!more) {
            err = -ENOMEM;
            break;
        }
        bytes = more;
    }
    if (!err) {
        *ret_bytes = arena_strndup(arena, bytes, len);
        *ret_len = len;
        err = *ret_bytes ? 0 : -ENOMEM;
    }
    free(bytes);
    return err;
}

int file_read(struct arena *arena, const char *path, size_t bytes_max, const char **ret_bytes,
              size_t *ret_len)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), err;
    struct stat st = {0};

    if (fd < 0)
        return -errno;
    if (bytes_max == 0)
        bytes_max = NODE_BYTES_MAX;
    /* a size of nothing may be a file of /proc, which has no size until it is read */
    if (is_stdin || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0)
        err = read_stream(arena, fd, bytes_max, ret_bytes, ret_len);
    else if ((size_t)st.st_size > bytes_max)
        err = -EFBIG;
    else
        err = read_sized(arena, fd, (size_t)st.st_size, ret_bytes, ret_len);
    if (!is_stdin)
        close(fd);
    return err;
}
