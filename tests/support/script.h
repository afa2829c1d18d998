/*
 * tests/support/script.h — a server that says what a test wrote down, and a clock that runs only
 * when somebody sleeps.
 */
#ifndef COALMINE_TEST_SCRIPT_H
#define COALMINE_TEST_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/base/clock.h"
#include "adapters/http/http.h"

/* One answer. `status` 0 = none: fail with `error`. */
struct script_step {
    int status;
    const char *body;
    const char *retry_after; /* header, or NULL */
    int error;
    const char *error_text;
    int64_t takes_ms; /* how long the answer takes */
};

#define SCRIPT_LOG_MAX 65536u

struct script {
    const struct script_step *steps;
    size_t step_count, next;
    int64_t wall_ms, mono_ms;
    int64_t slept_ms;
    uint64_t random;          /* what every draw returns */
    char log[SCRIPT_LOG_MAX]; /* "METHOD path\n" or "METHOD path body\n" for each request */
    char last_headers[4096];  /* "name: value\n" of the last request */
    bool followed;            /* a request would have followed redirects */
    size_t chunk;             /* streamed bodies come in pieces of so many bytes; 0 = whole */
    struct http_client client;
    struct clock clock;
    /* When the steps are used up, requests are cancelled. */
};

void script_init(struct script *s, const struct script_step *steps, size_t step_count);

#endif
