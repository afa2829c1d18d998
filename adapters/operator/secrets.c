/*
 * Secrets that passed through this process, so that no text of ours repeats them: an error of a
 * server may quote what it was sent. What answers, logs and events say goes through here.
 */
#include <stdlib.h>
#include <string.h>

#include "adapters/operator/internal.h"

#define KNOWN_MAX 512
/* Shorter ones are no secrets, and taking them out would tear words apart. */
#define LENGTH_MIN 6
#define MARK "(secret)"

char *secret_decode(struct arena *arena, const char *in)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = arena_alloc(arena, strlen(in) + 1), *o = out;
    uint32_t bits = 0;
    int have = 0;

    for (; out && *in; in++) {
        const char *d = strchr(digits, *in);

        if (d == NULL)
            continue;
        bits = bits << 6 | (uint32_t)(d - digits);
        have += 6;
        if (have >= 8) {
            have -= 8;
            *o++ = (char)(bits >> have & 0xff);
        }
    }
    return out; /* zeroed by the arena */
}

static void forget(char *value)
{
    volatile char *p = value;

    while (p && *p)
        *p++ = '\0';
    free(value);
}

static bool says_no_secret(const char *key)
{
    static const char id[] = "_id";
    size_t len = strlen(key);

    return strcmp(key, "username") == 0 ||
           (len > strlen(id) && strcmp(key + len - strlen(id), id) == 0);
}

void secret_remember(struct operator* o, const char *key, const char *value)
{
    char *copy;

    if (value == NULL || strlen(value) < LENGTH_MIN || says_no_secret(key))
        return;
    for (size_t i = 0; i < o->secret_count; i++) {
        if (strcmp(o->secrets[i], value) == 0)
            return;
    }
    if (o->secrets == NULL)
        o->secrets = calloc(KNOWN_MAX, sizeof(*o->secrets));
    copy = strdup(value);
    if (o->secrets == NULL || copy == NULL)
        abort(); /* a secret that is not known may be told */
    if (o->secret_count == KNOWN_MAX) {
        forget(o->secrets[0]);
        memmove(o->secrets, o->secrets + 1, (KNOWN_MAX - 1) * sizeof(*o->secrets));
        o->secret_count--;
    }
    o->secrets[o->secret_count++] = copy;
}

void secrets_free(struct operator* o)
{
    for (size_t i = 0; i < o->secret_count; i++)
        forget(o->secrets[i]);
    free(o->secrets);
    o->secrets = NULL;
    o->secret_count = 0;
}

static void hide_one(struct strbuf *text, const char *secret)
{
    const char *at = strstr(strbuf_str(text), secret), *from = strbuf_str(text);
    struct strbuf clean = STRBUF_INIT;

    if (at == NULL)
        return;
    for (; at; from = at + strlen(secret), at = strstr(from, secret)) {
        strbuf_add(&clean, from, (size_t)(at - from));
        strbuf_adds(&clean, MARK);
    }
    strbuf_adds(&clean, from);
    strbuf_clear(text);
    if (!clean.failed)
        strbuf_add(text, clean.data, clean.len);
    strbuf_release(&clean);
}

void hide_known_secrets(const struct operator* o, struct strbuf *text)
{
    for (size_t i = 0; i < o->secret_count && text->len > 0; i++)
        hide_one(text, o->secrets[i]);
}
