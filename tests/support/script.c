#include "tests/support/script.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void note(struct script *s, const struct http_request *req)
{
    const char *path = strstr(req->url, "://");
    size_t len = strlen(s->log), i;

    path = path ? strchr(path + 3, '/') : req->url;
    snprintf(s->log + len, sizeof s->log - len, "%s %s%s%s\n", req->method ? req->method : "GET",
             path, req->body ? " " : "", req->body ? req->body : "");
    s->last_headers[0] = '\0';
    for (i = 0; i < req->header_count; i++) {
        len = strlen(s->last_headers);
        snprintf(s->last_headers + len, sizeof s->last_headers - len, "%s: %s\n",
                 req->headers[i].name, req->headers[i].value);
    }
}

/* 0 with *ret_step, or the error of the step. */
static int next_step(struct script *s, const struct http_request *req,
                     const struct script_step **ret_step, struct http_response *ret)
{
    const struct script_step *step;

    memset(ret, 0, sizeof *ret);
    if (s->next == s->step_count) {
        snprintf(ret->error, sizeof ret->error, "context canceled");
        return -ECANCELED;
    }
    note(s, req);
    s->followed = s->followed || req->follow_redirects;
    step = &s->steps[s->next++];
    s->mono_ms += step->takes_ms;
    s->wall_ms += step->takes_ms;
    if (step->status == 0) {
        http_error_text(ret->error, sizeof ret->error, req->method, req->url,
                        step->error_text ? step->error_text : "EOF");
        return step->error;
    }
    *ret_step = step;
    return 0;
}

static int perform(void *self, const struct http_request *req, struct http_response *ret)
{
    struct script *s = self;
    const struct script_step *step;
    struct http_header header = {"Retry-After", ""};
    int r = next_step(s, req, &step, ret);

    if (r != 0)
        return r;
    if (step->retry_after)
        header.value = step->retry_after;
    return http_response_fill(ret, step->status, &header, step->retry_after ? 1 : 0,
                              step->body ? step->body : "", step->body ? strlen(step->body) : 0);
}

static int stream(void *self, const struct http_request *req, http_on_data *on_data, void *ctx,
                  struct http_response *ret)
{
    struct script *s = self;
    const struct script_step *step;
    size_t len, chunk, at;
    int r = next_step(s, req, &step, ret);

    if (r != 0)
        return r;
    if (step->status / 100 != 2)
        return http_response_fill(ret, step->status, NULL, 0, step->body, strlen(step->body));
    len = strlen(step->body);
    chunk = s->chunk ? s->chunk : len;
    for (at = 0; at < len; at += chunk)
        if (!on_data(ctx, step->body + at, len - at < chunk ? len - at : chunk))
            break;
    return http_response_fill(ret, step->status, NULL, 0, "", 0);
}

static int64_t wall(void *self)
{
    return ((struct script *)self)->wall_ms;
}

static int64_t mono(void *self)
{
    return ((struct script *)self)->mono_ms;
}

static void sleep_for(void *self, int64_t ms)
{
    struct script *s = self;

    s->mono_ms += ms;
    s->wall_ms += ms;
    s->slept_ms += ms;
}

static uint64_t draw(void *self)
{
    return ((struct script *)self)->random;
}

void script_init(struct script *s, const struct script_step *steps, size_t step_count)
{
    memset(s, 0, sizeof *s);
    s->steps = steps;
    s->step_count = step_count;
    s->wall_ms = INT64_C(1767323045678); /* 2026-01-02T03:04:05.678Z */
    s->mono_ms = 1000000;
    s->client = (struct http_client){s, perform, stream};
    s->clock = (struct clock){s, wall, mono, sleep_for, draw};
}
