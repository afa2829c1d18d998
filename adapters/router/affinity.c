#include "adapters/router/affinity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/num.h"
#include "engine/text.h"

#define COOKIE_LETTERS 10
#define MAX_AGE_DEFAULT 86400

static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* Six bits at a time; values past the alphabet are drawn again, so that every letter is equally
 * likely. */
static int random_letters(struct call *c, char *out)
{
    if (c->options->random == NULL)
        return call_fail(c, -ENOSYS, "no source of random cookie values");
    for (size_t filled = 0; filled < COOKIE_LETTERS;) {
        uint64_t bits = c->options->random(c->options->random_self);

        for (int i = 0; i < 10 && filled < COOKIE_LETTERS; i++, bits >>= 6) {
            if ((bits & 63) < sizeof(letters) - 1)
                out[filled++] = letters[bits & 63];
        }
    }
    out[COOKIE_LETTERS] = '\0';
    return 0;
}

static void replace(struct call *c, char **slot, char *text)
{
    free(*slot);
    *slot = text;
    c->result->cookies_changed = true;
}

static int make_cookie(struct call *c, char **slot, const char *name)
{
    char value[COOKIE_LETTERS + 1];
    int code;

    if ((*slot)[0] != '\0')
        return 0;
    code = random_letters(c, value);
    if (code == 0)
        replace(c, slot, build_text("%s=%s", name, value));
    return code;
}

const char *affinity_primary_name(const struct call *c)
{
    const char *name = json_text(c->affinity, "primaryCookieName");

    return name[0] != '\0' ? name : NULL;
}

int affinity_start(struct call *c, bool with_primary)
{
    const char *primary = affinity_primary_name(c);
    int code = make_cookie(c, &c->result->cookies.session, json_text(c->affinity, "cookieName"));

    if (code != 0 || !with_primary)
        return code;
    if (primary == NULL && !call_has(c, QUIRK_UNNAMED_PRIMARY_COOKIE))
        return 0;
    return make_cookie(c, &c->result->cookies.primary, primary == NULL ? "" : primary);
}

void affinity_stop(struct call *c)
{
    struct router_cookies *cookies = &c->result->cookies;

    if (cookies->session[0] == '\0')
        return;
    replace(c, &cookies->previous, cookies->session);
    cookies->session = build_dup("");
}

static char *cookie_text(const struct call *c, const char *cookie, int64_t max_age)
{
    const cJSON *a = c->affinity;
    struct strbuf b = STRBUF_INIT;

    strbuf_addf(&b, "%s; Max-Age=%lld", cookie, (long long)max_age);
    if (json_text(a, "domain")[0] != '\0')
        strbuf_addf(&b, "; Domain=%s", json_text(a, "domain"));
    if (json_bool(a, "httpOnly", false))
        strbuf_adds(&b, "; HttpOnly");
    if (json_bool(a, "partitioned", false))
        strbuf_adds(&b, "; Partitioned");
    if (json_text(a, "path")[0] != '\0')
        strbuf_addf(&b, "; Path=%s", json_text(a, "path"));
    if (json_text(a, "sameSite")[0] != '\0')
        strbuf_addf(&b, "; SameSite=%s", json_text(a, "sameSite"));
    if (json_bool(a, "secure", false))
        strbuf_adds(&b, "; Secure");
    if (b.failed)
        abort();
    return strbuf_detach(&b);
}

char *affinity_canary_cookie(const struct call *c)
{
    int64_t max_age = json_int(c->affinity, "maxAge", 0);

    return cookie_text(c, c->result->cookies.session, max_age != 0 ? max_age : MAX_AGE_DEFAULT);
}

int affinity_primary_cookie(struct call *c, char **ret_text)
{
    const char *interval = json_text(c->analysis, "interval"), *unit = NULL;
    int64_t nanoseconds = 0;
    size_t unit_len = 0;
    enum duration_error error =
        duration_parse(interval, strlen(interval), &nanoseconds, &unit, &unit_len);

    if (error != DURATION_OK) {
        char buffer[512];
        struct text text;

        text_init(&text, buffer, sizeof(buffer));
        duration_error_text(&text, error, interval, strlen(interval), unit, unit_len);
        return call_fail(c, -EINVAL, "failed to parse canary interval: %s", buffer);
    }
    *ret_text = cookie_text(c, c->result->cookies.primary, nanoseconds / NS_PER_S);
    return 0;
}

char *affinity_deletion_cookie(const struct call *c)
{
    if (call_has(c, QUIRK_BARE_DELETION_COOKIE))
        return build_text("%s; Max-Age=-1", c->result->cookies.previous);
    return cookie_text(c, c->result->cookies.previous, -1);
}

char *affinity_pattern(const char *cookie)
{
    size_t name_len = strcspn(cookie, "=");
    const char *value = cookie[name_len] == '=' ? cookie + name_len + 1 : "";

    return build_text(".*%.*s.*%.*s.*", (int)name_len, cookie, (int)strcspn(value, "="), value);
}
