#include "adapters/operator/log.h"

#include <stdarg.h>
#include <string.h>

#include "adapters/base/strbuf.h"

static const char *const names[] = {"debug", "info", "warn", "error", "fatal"};

enum log_level log_level_find(const char *name)
{
    for (unsigned i = 0; i < 5; i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum log_level)i;
    }
    return strcmp(name, "panic") == 0 ? LOG_FATAL : LOG_INFO;
}

/* Days since 1970-01-01 as a date: the civil calendar counted in eras of 400 years from March on.
 */
static void add_date(struct strbuf *b, int64_t days)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100),
            month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * month + 2) / 5 + 1;

    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    strbuf_addf(b, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
}

static void add_time(struct strbuf *b, int64_t wall_ms)
{
    int64_t days = wall_ms / 86400000, of_day = wall_ms % 86400000;

    if (of_day < 0) {
        of_day += 86400000;
        days--;
    }
    add_date(b, days);
    strbuf_addf(b, "T%02d:%02d:%02d.%03dZ", (int)(of_day / 3600000), (int)(of_day / 60000 % 60),
                (int)(of_day / 1000 % 60), (int)(of_day % 1000));
}

/* The last two elements of a path, as zap prints the caller. */
static const char *short_caller(const char *caller)
{
    const char *last = strrchr(caller, '/'), *at;

    if (!last)
        return caller;
    for (at = last; at > caller && at[-1] != '/'; at--)
        continue;
    return at;
}

void log_write(const struct log *log, enum log_level level, const char *caller, const char *canary,
               const char *format, ...)
{
    struct strbuf line = STRBUF_INIT, message = STRBUF_INIT;
    va_list args;

    if (level < log->level)
        return;
    va_start(args, format);
    strbuf_addv(&message, format, args);
    va_end(args);
    if (log->console) {
        add_time(&line, log->clock->wall_ms(log->clock->self));
        strbuf_addf(&line, "\t%s\t%s\t%s", names[level], short_caller(caller),
                    strbuf_str(&message));
        if (canary)
            strbuf_addf(&line, "\t%s", canary);
    } else {
        strbuf_addf(&line, "{\"level\":\"%s\",\"ts\":\"", names[level]);
        add_time(&line, log->clock->wall_ms(log->clock->self));
        strbuf_addf(&line, "\",\"caller\":\"%s\",\"msg\":", short_caller(caller));
        strbuf_add_json(&line, strbuf_str(&message), message.len);
        if (canary) {
            strbuf_adds(&line, ",\"canary\":");
            strbuf_add_json(&line, canary, strlen(canary));
        }
        strbuf_addc(&line, '}');
    }
    strbuf_addc(&line, '\n');
    if (!line.failed)
        fwrite(line.data, 1, line.len, log->out);
    strbuf_release(&line);
    strbuf_release(&message);
}
