/*
 * adapters/operator/log.h — the log of the process: one JSON object a line, with Flagger's keys.
 *
 *     {"level":"info","ts":"2026-01-02T03:04:05.678Z","caller":"operator/emit.c:33","msg":"…","canary":"web.test"}
 *
 * Secrets never get here: callers log names, never addresses with a path or contents of Secrets.
 */
#ifndef COALMINE_OPERATOR_LOG_H
#define COALMINE_OPERATOR_LOG_H

#include <stdio.h>

#include "adapters/base/clock.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };

struct log {
    FILE *out;
    const struct clock *clock;
    enum log_level level; /* less is not written */
    int console;          /* -zap-encoding=console: tab-separated for people */
};

/* debug, info, warn, error, fatal, panic; anything else means info, as Flagger takes it. */
enum log_level log_level_find(const char *name);
/* `canary` "name.namespace" or NULL; `caller` "folder/file.c:line". */
void log_write(const struct log *log, enum log_level level, const char *caller, const char *canary,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

#define LOG_TEXT_(x) #x
#define LOG_TEXT(x) LOG_TEXT_(x)
/* log_at(&log, LOG_INFO, "web.test", "format", …) with the caller's place. */
#define log_at(log, level, canary, ...)                                                            \
    log_write((log), (level), __FILE__ ":" LOG_TEXT(__LINE__), (canary), __VA_ARGS__)

#endif
