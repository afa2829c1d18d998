/* adapters/hook/hook.c — webhook payloads, and when a call is tried again. */
#include "adapters/hook/hook.h"

#include <errno.h>
#include <string.h>

#include "adapters/metrics/gotext.h"
#include "engine/num.h"

#define PAUSE_MAX_MS 30000

/* ---- payloads ---------------------------------------------------- */

static void add_member(struct strbuf *out, const char *before, const char *key, const char *value)
{
    strbuf_adds(out, before);
    go_json_string(out, key);
    strbuf_addc(out, ':');
    go_json_string(out, value ? value : "");
}

/* The least key above `after` (NULL = any); of equal keys the last entry. NULL at the end. */
static const struct hook_pair *next_pair(const struct hook_payload *p, const char *after)
{
    const struct hook_pair *least = NULL;

    for (size_t i = 0; i < p->metadata_count; i++) {
        const struct hook_pair *m = &p->metadata[i];

        if ((!after || strcmp(m->key, after) > 0) && (!least || strcmp(m->key, least->key) <= 0))
            least = m;
    }
    return least;
}

void hook_body(const struct hook_payload *p, struct strbuf *out)
{
    const struct hook_pair *m = NULL;

    add_member(out, "{", "name", p->name);
    add_member(out, ",", "namespace", p->name_space);
    add_member(out, ",", "phase", p->phase);
    add_member(out, ",", "checksum", p->checksum);
    for (m = next_pair(p, NULL); m; m = next_pair(p, m->key))
        add_member(out, m == next_pair(p, NULL) ? ",\"metadata\":{" : ",", m->key, m->value);
    strbuf_adds(out, p->metadata_count ? "}}" : "}");
}

void hook_event_body(const struct hook_payload *p, const char *message, const char *type,
                     int64_t at_ms, struct strbuf *out)
{
    static const char *const reserved[] = {"eventMessage", "eventType", "timestamp"};
    struct strbuf time = STRBUF_INIT;
    const char *values[3] = {message, type, NULL};
    const struct hook_pair *m;
    size_t r = 0, written = 0;

    strbuf_addf(&time, "%lld", (long long)at_ms);
    values[2] = strbuf_str(&time);
    add_member(out, "{", "name", p->name);
    add_member(out, ",", "namespace", p->name_space);
    add_member(out, ",", "phase", p->phase);
    add_member(out, ",", "checksum", p->checksum);
    strbuf_adds(out, ",\"metadata\":{");
    for (m = next_pair(p, NULL); m || r < 3; written++) {
        int order = !m ? 1 : r == 3 ? -1 : strcmp(m->key, reserved[r]);

        if (order < 0)
            add_member(out, written ? "," : "", m->key, m->value);
        else
            add_member(out, written ? "," : "", reserved[r], values[r]);
        if (order >= 0)
            r++;
        if (order <= 0)
            m = next_pair(p, m->key);
    }
    strbuf_adds(out, "}}");
    strbuf_release(&time);
}

/* ---- retries ----------------------------------------------------- */

static bool contains(const char *text, const char *what)
{
    return text && strstr(text, what) != NULL;
}

bool hook_is_retried(int error, int status, const char *error_text)
{
    if (error != 0)
        return error != -EINVAL && error != -ECANCELED && error != -ENOMEM &&
               !contains(error_text, "certificate") && !contains(error_text, "x509:") &&
               !contains(error_text, "unsupported protocol scheme") &&
               !contains(error_text, "stopped after ") && !contains(error_text, "is refused");
    return status == 429 || status == 0 || (status >= 500 && status != 501);
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400,
            of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool read_two(const char *s, int64_t *ret_value)
{
    return num_parse_int(s, 2, ret_value) && s[0] >= '0' && s[0] <= '9';
}

/* "Mon, 02 Jan 2006 15:04:05 GMT" as ms since 1970. */
static bool read_http_date(const char *s, int64_t *ret_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t day, year, hour, minute, second;
    char month[4] = "";
    const char *found;

    if (strlen(s) < 29 || s[3] != ',' || s[4] != ' ' || s[7] != ' ' || s[11] != ' ' ||
        s[16] != ' ' || s[19] != ':' || s[22] != ':' || s[25] != ' ')
        return false;
    memcpy(month, s + 8, 3);
    found = strstr(months, month);
    if (!found || (found - months) % 3 != 0 || !read_two(s + 5, &day) ||
        !num_parse_int(s + 12, 4, &year) || !read_two(s + 17, &hour) ||
        !read_two(s + 20, &minute) || !read_two(s + 23, &second))
        return false;
    if (day < 1 || day > 31 || year < 1970 || hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_ms = (days_of(year, (found - months) / 3 + 1, day) * 86400 + hour * 3600 + minute * 60 +
               second) *
              1000;
    return true;
}

int64_t hook_pause_ms(unsigned attempt, int status, const char *retry_after, int64_t now_ms)
{
    int64_t pause = attempt < 5 ? (int64_t)1000 << attempt : PAUSE_MAX_MS, wanted;

    if ((status != 429 && status != 503) || !retry_after)
        return pause;
    if (num_parse_int(retry_after, strlen(retry_after), &wanted)) {
        if (wanted < 0)
            return pause;
        pause = wanted > HOOK_RETRY_AFTER_MAX_MS / 1000 ? HOOK_RETRY_AFTER_MAX_MS : wanted * 1000;
    } else if (read_http_date(retry_after, &wanted)) {
        pause = wanted > now_ms ? wanted - now_ms : 0;
    }
    return pause > HOOK_RETRY_AFTER_MAX_MS ? HOOK_RETRY_AFTER_MAX_MS : pause;
}
