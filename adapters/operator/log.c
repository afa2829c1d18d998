/* Log lines: one JSON object each, with the keys and their order as Flagger prints them. */
#include <stdarg.h>
#include <string.h>

#include "adapters/kube/time.h"
#include "adapters/operator/internal.h"

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    return names[level];
}

/* The last two elements of a path. */
static const char *short_path(const char *path)
{
    const char *last = strrchr(path, '/'), *p = last;

    while (p != NULL && p > path && p[-1] != '/')
        p--;
    return p == NULL ? path : p;
}

static void format_time(char out[KUBE_TIME_MAX], int64_t now_ms)
{
    kube_time_format(out, now_ms); /* "2026-01-02T03:04:05Z" */
    if (strlen(out) == 20) {
        int64_t ms = now_ms % 1000;

        out[19] = '.';
        out[20] = (char)('0' + ms / 100);
        out[21] = (char)('0' + ms / 10 % 10);
        out[22] = (char)('0' + ms % 10);
        out[23] = 'Z';
        out[24] = '\0';
    }
}

void op_log(const struct operator* o, enum log_level level, const char *caller, const char *canary,
            const char *format, ...)
{
    struct strbuf message = STRBUF_INIT, line = STRBUF_INIT;
    char time[KUBE_TIME_MAX];
    va_list args;

    if (level < o->o.log_level || o->o.write_log == NULL)
        return;
    va_start(args, format);
    strbuf_addv(&message, format, args);
    va_end(args);
    hide_known_secrets(o, &message);
    format_time(time, o->o.clock->wall_ms(o->o.clock->self));
    if (o->o.log_console) {
        strbuf_addf(&line, "%s\t%s\t%s\t%s", time, level_name(level), short_path(caller),
                    strbuf_str(&message));
        if (canary)
            strbuf_addf(&line, "\t{\"canary\": \"%s\"}", canary);
    } else {
        strbuf_addf(&line,
                    "{\"level\":\"%s\",\"ts\":\"%s\",\"caller\":\"%s\",\"msg\":", level_name(level),
                    time, short_path(caller));
        strbuf_add_json(&line, strbuf_str(&message), message.len);
        if (canary) {
            strbuf_adds(&line, ",\"canary\":");
            strbuf_add_json(&line, canary, strlen(canary));
        }
        strbuf_addc(&line, '}');
    }
    strbuf_addc(&line, '\n');
    if (!line.failed)
        o->o.write_log(o->o.log_ctx, line.data, line.len);
    strbuf_release(&line);
    strbuf_release(&message);
}
