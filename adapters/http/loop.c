#include "adapters/http/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "adapters/http/curl_transfer.h"

#define CONNECTIONS_MAX_DEFAULT 16u
#define EASY_KEPT_MAX 16u
#define EVENTS_PER_WAIT 32
/* A stream's reader that falls behind by so much holds its server up. */
#define STREAM_BEHIND_MAX (1024u * 1024u)

enum watch_kind { WATCH_CURL, WATCH_READABLE };

struct side;

/* What one descriptor under epoll belongs to. */
struct fd_watch {
    enum watch_kind kind;
    struct side *side; /* of WATCH_CURL */
    bool forgotten;    /* freed after the batch of events in hand */
    int fd;
    void (*on_ready)(void *ctx);
    void *ctx;
    struct fd_watch *next;
};

struct signal_watch {
    int signo;
    void (*on_signal)(void *ctx, int signo);
    void *ctx;
    struct signal_watch *next;
};

struct source {
    int64_t (*timeout_ms)(void *ctx);
    void (*on_due)(void *ctx);
    void *ctx;
    struct source *next;
};

struct loop_client {
    struct http_client client;
    struct loop *loop;
    const struct http_options *options;
    struct loop_client *next;
};

/* What is asked of a client; without on_data the whole answer is. */
struct call {
    struct loop_client *client;
    const struct http_request *req;
    http_on_data *on_data;
    void *ctx;
    struct http_response *ret;
};

/* A request of a task that waits for it. */
struct pending {
    struct transfer transfer;
    struct loop *loop;
    struct gate gate;
    bool done, paused;
    CURLcode code;
    struct strbuf chunk; /* streamed bytes the task has not taken yet */
};

/*
 * libcurl runs every transfer of a connection whenever its socket is ready. So streams, which live
 * for long, have connections of their own: an answer does not run them, nor one of them the others.
 */
enum { REQUESTS, STREAMS, SIDES };
struct side {
    struct loop *loop;
    CURLM *multi;
    int64_t due_ms; /* when libcurl wants to be called, INT64_MAX = never */
};

struct loop {
    struct tasks *tasks;
    struct clock clock;
    int epoll_fd, signal_fd;
    sigset_t signals, old_mask;
    struct fd_watch *watches, *forgotten;
    struct signal_watch *signal_watches;
    struct source *sources;
    struct loop_client *clients;
    struct side sides[SIDES];
    CURLSH *share; /* TLS sessions: each watch has a connection, and resumes that of the first */
    bool acted;    /* libcurl was called without a look at the sockets */
    CURL *easy[EASY_KEPT_MAX];
    size_t easy_count;
};

/* ---- time
 * ------------------------------------------------------------------------------------------- */

static int64_t loop_mono_ms(void *self)
{
    (void)self;
    return clock_real()->mono_ms(clock_real()->self);
}

static int64_t loop_wall_ms(void *self)
{
    (void)self;
    return clock_real()->wall_ms(clock_real()->self);
}

static uint64_t loop_random(void *self)
{
    (void)self;
    return clock_real()->random(clock_real()->self);
}

static void loop_sleep_ms(void *self, int64_t ms)
{
    struct loop *l = self;

    task_sleep(l->tasks, ms);
}

/* ---- file descriptors
 * -------------------------------------------------------------------------------- */

static struct fd_watch *watch_add(struct loop *l, enum watch_kind kind, int fd, uint32_t events)
{
    struct fd_watch *w = calloc(1, sizeof *w);
    struct epoll_event ev = {.events = events, .data = {.ptr = w}};

    if (!w)
        return NULL;
    w->kind = kind;
    w->fd = fd;
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        free(w);
        return NULL;
    }
    w->next = l->watches;
    l->watches = w;
    return w;
}

static void watch_remove(struct loop *l, struct fd_watch *w)
{
    struct fd_watch **at;

    for (at = &l->watches; *at && *at != w; at = &(*at)->next)
        ;
    assert(*at == w);
    *at = w->next;
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->forgotten = true;
    w->next = l->forgotten;
    l->forgotten = w;
}

static void free_forgotten(struct loop *l)
{
    while (l->forgotten) {
        struct fd_watch *w = l->forgotten;
        l->forgotten = w->next;
        free(w);
    }
}

int loop_on_readable(struct loop *l, int fd, void (*on_ready)(void *ctx), void *ctx)
{
    struct fd_watch *w = watch_add(l, WATCH_READABLE, fd, EPOLLIN);

    if (!w)
        return -errno;
    w->on_ready = on_ready;
    w->ctx = ctx;
    return 0;
}

void loop_forget_fd(struct loop *l, int fd)
{
    struct fd_watch *w;

    for (w = l->watches; w && !(w->kind == WATCH_READABLE && w->fd == fd); w = w->next)
        ;
    if (w)
        watch_remove(l, w);
}

/* ---- libcurl
 * ----------------------------------------------------------------------------------------- */

/* libcurl wants to know about a socket of its own. `watch` is what we last assigned to the socket.
 */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *watch)
{
    struct side *side = ctx;
    struct loop *l = side->loop;
    struct fd_watch *w = watch;
    struct epoll_event ev = {.events = 0};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            watch_remove(l, w);
        return 0;
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
        ev.events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
        ev.events |= EPOLLOUT;
    if (!w) {
        w = watch_add(l, WATCH_CURL, fd, ev.events);
        if (!w)
            return -1;
        w->side = side;
        curl_multi_assign(side->multi, fd, w);
        return 0;
    }
    ev.data.ptr = w;
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, fd, &ev) == 0 ? 0 : -1;
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct side *side = ctx;

    (void)multi;
    side->due_ms = timeout_ms < 0 ? INT64_MAX : loop_mono_ms(side->loop) + timeout_ms;
    return 0;
}

static void collect_finished(const struct side *side)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(side->multi, &left))) {
        char *private = NULL;
        struct pending *p;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        p = (struct pending *)(void *)private; /* the transfer is its first member */
        p->done = true;
        p->code = m->data.result;
        gate_notify(side->loop->tasks, &p->gate);
    }
}

static void curl_act(struct side *side, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(side->multi, fd, what, &running);
    collect_finished(side);
}

/* Call libcurl where it wants to be called by now. */
static bool curl_act_due(struct loop *l)
{
    int64_t now = loop_mono_ms(l);
    bool acted = false;

    for (int i = 0; i < SIDES; i++) {
        struct side *side = &l->sides[i];

        if (side->due_ms > now)
            continue;
        side->due_ms = INT64_MAX;
        curl_act(side, CURL_SOCKET_TIMEOUT, 0);
        acted = true;
    }
    return acted;
}

static CURL *take_easy(struct loop *l)
{
    CURL *easy;

    if (l->easy_count > 0) {
        easy = l->easy[--l->easy_count];
        l->easy[l->easy_count] = NULL;
        return easy;
    }
    easy = curl_easy_init();
    if (easy)
        (void)curl_easy_setopt(easy, CURLOPT_SHARE, l->share); /* survives curl_easy_reset */
    return easy;
}

static void give_easy_back(struct loop *l, CURL *easy)
{
    if (l->easy_count == EASY_KEPT_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    l->easy[l->easy_count++] = easy;
}

static size_t stream_bytes(void *ctx, const char *bytes, size_t len)
{
    struct pending *p = ctx;

    gate_notify(p->loop->tasks, &p->gate);
    if (p->chunk.len > STREAM_BEHIND_MAX) {
        p->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    strbuf_add(&p->chunk, bytes, len);
    return p->chunk.failed ? 0 : len;
}

/* Hand what has come to on_data. False when it wants no more. */
static bool deliver(struct pending *p, http_on_data *on_data, void *ctx)
{
    struct strbuf chunk = p->chunk;
    bool more;

    if (chunk.len == 0)
        return true;
    memset(&p->chunk, 0, sizeof p->chunk);
    more = on_data(ctx, chunk.data, chunk.len);
    strbuf_release(&chunk);
    if (more && p->paused) {
        p->paused = false;
        curl_easy_pause(p->transfer.easy, CURLPAUSE_CONT);
    }
    return more;
}

/* 0 when libcurl has finished or on_data has ended the stream (then *ret_ended). */
static int wait_for_stream(struct pending *p, const struct call *call, bool *ret_ended)
{
    const struct http_request *req = call->req;
    int64_t header_due = req->timeout_ms > 0 ? loop_mono_ms(NULL) + req->timeout_ms : INT64_MAX;
    bool waits_for_header = true;
    int r = 0;

    for (;;) {
        int64_t wait = INT64_MAX;
        if (!deliver(p, call->on_data, call->ctx)) {
            *ret_ended = true;
            return 0;
        }
        if (p->done && p->chunk.len == 0)
            return 0;
        if (p->chunk.len > 0)
            continue;
        if (task_is_cancelled(p->loop->tasks))
            return -ECANCELED;
        if (r == -ETIMEDOUT && !(waits_for_header && p->transfer.answered))
            return r; /* a header alone wakes nobody: that it came is seen here */
        waits_for_header = !p->transfer.answered;
        if (p->transfer.answered)
            wait = req->idle_ms > 0 ? req->idle_ms : INT64_MAX;
        else if (header_due != INT64_MAX)
            wait = header_due - loop_mono_ms(NULL);
        r = gate_wait(p->loop->tasks, &p->gate, wait);
    }
}

static int wait_for_answer(struct pending *p)
{
    while (!p->done) {
        int r = gate_wait(p->loop->tasks, &p->gate, INT64_MAX);
        if (r != 0)
            return r;
    }
    return 0;
}

static int transact(const struct call *call, struct pending *p)
{
    CURLM *multi = p->loop->sides[call->on_data ? STREAMS : REQUESTS].multi;
    bool ended = false;
    int r;

    if (curl_multi_add_handle(multi, p->transfer.easy) != CURLM_OK)
        return transfer_fail(call->req, -ENOMEM, "out of memory", call->ret);
    r = call->on_data ? wait_for_stream(p, call, &ended) : wait_for_answer(p);
    curl_multi_remove_handle(multi, p->transfer.easy);
    if (r == -ECANCELED)
        return transfer_fail(call->req, r, "context canceled", call->ret);
    if (r == -ETIMEDOUT)
        return transfer_fail(call->req, r, "context deadline exceeded", call->ret);
    return transfer_finish(&p->transfer, ended ? CURLE_OK : p->code, call->ret);
}

static int request_once(const struct call *call, struct pending *p, CURL *easy, bool plain,
                        bool *ret_redirected)
{
    int r;

    *p = (struct pending){.loop = call->client->loop,
                          .transfer = {.streaming = call->on_data != NULL,
                                       .plain = plain,
                                       .on_bytes = stream_bytes,
                                       .ctx = p}};
    r = transfer_begin(&p->transfer, easy, call->req, call->client->options, call->ret);
    if (r == 0)
        r = transact(call, p);
    *ret_redirected = r == 0 && transfer_was_redirected(&p->transfer, call->ret);
    curl_easy_reset(easy);
    transfer_end(&p->transfer);
    strbuf_release(&p->chunk);
    return r;
}

static int client_request(const struct call *call)
{
    struct loop *l = call->client->loop;
    bool redirected = false;
    struct pending *p;
    CURL *easy;
    int r;

    assert(task_self(l->tasks) != 0);
    if (task_is_cancelled(l->tasks))
        return transfer_fail(call->req, -ECANCELED, "context canceled", call->ret);
    p = malloc(sizeof *p);
    easy = take_easy(l);
    if (p && easy)
        r = request_once(call, p, easy, true, &redirected);
    else
        r = transfer_fail(call->req, -ENOMEM, "out of memory", call->ret);
    if (redirected) {
        http_response_release(call->ret);
        r = request_once(call, p, easy, false, &redirected);
    }
    if (easy)
        give_easy_back(l, easy);
    free(p);
    return r;
}

static int client_perform(void *self, const struct http_request *req, struct http_response *ret)
{
    return client_request(&(struct call){self, req, NULL, NULL, ret});
}

static int client_stream(void *self, const struct http_request *req, http_on_data *on_data,
                         void *ctx, struct http_response *ret)
{
    return client_request(&(struct call){self, req, on_data, ctx, ret});
}

struct http_client *loop_http_new(struct loop *l, const struct http_options *options)
{
    struct loop_client *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->loop = l;
    c->options = options ? options : &transfer_default_options;
    c->client.self = c;
    c->client.perform = client_perform;
    c->client.stream = client_stream;
    c->next = l->clients;
    l->clients = c;
    return &c->client;
}

void loop_http_free(struct http_client *client)
{
    struct loop_client *c, **at;

    if (!client)
        return;
    c = client->self;
    for (at = &c->loop->clients; *at != c; at = &(*at)->next)
        ;
    *at = c->next;
    free(c);
}

/* ---- waiting for the outside world
 * --------------------------------------------------------------------- */

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int wait_ms(struct loop *l, int64_t until_ms)
{
    int64_t now = loop_mono_ms(l);
    int64_t due = min_ms(until_ms, min_ms(l->sides[REQUESTS].due_ms, l->sides[STREAMS].due_ms));
    struct source *s;

    for (s = l->sources; s; s = s->next) {
        int64_t ms = s->timeout_ms(s->ctx);
        if (ms >= 0)
            due = min_ms(due, now + ms);
    }
    if (due == INT64_MAX)
        return -1;
    if (due <= now)
        return 0;
    return due - now < INT32_MAX ? (int)(due - now) : INT32_MAX;
}

static void dispatch(const struct epoll_event *ev)
{
    struct fd_watch *w = ev->data.ptr;
    int what = 0;

    if (w->forgotten)
        return;
    if (w->kind == WATCH_READABLE) {
        w->on_ready(w->ctx);
        return;
    }
    if (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        what |= CURL_CSELECT_IN;
    if (ev->events & EPOLLOUT)
        what |= CURL_CSELECT_OUT;
    if (ev->events & EPOLLERR)
        what |= CURL_CSELECT_ERR;
    curl_act(w->side, w->fd, what);
}

static int loop_idle(void *self, int64_t until_ms)
{
    struct loop *l = self;
    struct epoll_event events[EVENTS_PER_WAIT];
    struct source *s, *next;
    int n, i;

    /* A transfer that was just added: most go on at once, and a task with them. */
    l->acted = !l->acted && curl_act_due(l);
    if (l->acted)
        return 0;
    n = epoll_wait(l->epoll_fd, events, EVENTS_PER_WAIT, wait_ms(l, until_ms));
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (i = 0; i < n; i++)
        dispatch(&events[i]);
    free_forgotten(l);
    (void)curl_act_due(l);
    for (s = l->sources; s; s = next) {
        next = s->next;
        s->on_due(s->ctx);
    }
    return 0;
}

int loop_add_source(struct loop *l, int64_t (*timeout_ms)(void *ctx), void (*on_due)(void *ctx),
                    void *ctx)
{
    struct source *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    s->timeout_ms = timeout_ms;
    s->on_due = on_due;
    s->ctx = ctx;
    s->next = l->sources;
    l->sources = s;
    return 0;
}

void loop_remove_source(struct loop *l, void *ctx)
{
    struct source **at = &l->sources;

    while (*at && (*at)->ctx != ctx)
        at = &(*at)->next;
    if (*at) {
        struct source *s = *at;
        *at = s->next;
        free(s);
    }
}

/* ---- signals
 * --------------------------------------------------------------------------------------------- */

static void on_signal_fd(void *ctx)
{
    struct loop *l = ctx;
    struct signalfd_siginfo info;
    struct signal_watch *w;

    while (read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        for (w = l->signal_watches; w; w = w->next)
            if (w->signo == (int)info.ssi_signo)
                w->on_signal(w->ctx, w->signo);
}

int loop_on_signal(struct loop *l, int signo, void (*on_signal)(void *ctx, int signo), void *ctx)
{
    struct signal_watch *w = calloc(1, sizeof *w);
    int fd, r;

    if (!w)
        return -ENOMEM;
    sigaddset(&l->signals, signo);
    pthread_sigmask(SIG_BLOCK, &l->signals, NULL);
    fd = signalfd(l->signal_fd, &l->signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        free(w);
        return -errno;
    }
    if (l->signal_fd < 0) {
        l->signal_fd = fd;
        r = loop_on_readable(l, fd, on_signal_fd, l);
        if (r != 0) {
            free(w);
            return r;
        }
    }
    w->signo = signo;
    w->on_signal = on_signal;
    w->ctx = ctx;
    w->next = l->signal_watches;
    l->signal_watches = w;
    return 0;
}

/* ---- life
 * --------------------------------------------------------------------------------------------------
 */

static int make_curl(struct loop *l, size_t connections_max)
{
    l->share = curl_share_init();
    if (!l->share ||
        curl_share_setopt(l->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) != CURLSHE_OK)
        return -ENOMEM;
    for (int i = 0; i < SIDES; i++) {
        struct side *side = &l->sides[i];

        *side = (struct side){l, curl_multi_init(), INT64_MAX};
        if (!side->multi)
            return -ENOMEM;
        curl_multi_setopt(side->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
        curl_multi_setopt(side->multi, CURLMOPT_SOCKETDATA, side);
        curl_multi_setopt(side->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
        curl_multi_setopt(side->multi, CURLMOPT_TIMERDATA, side);
        curl_multi_setopt(side->multi, CURLMOPT_MAXCONNECTS,
                          (long)(connections_max ? connections_max : CONNECTIONS_MAX_DEFAULT));
    }
    return 0;
}

struct loop *loop_new(const struct loop_options *options)
{
    static const struct loop_options defaults = {0};
    const struct loop_options *o = options ? options : &defaults;
    struct loop *l = calloc(1, sizeof *l);
    struct tasks_options t = {.self = l,
                              .mono_ms = loop_mono_ms,
                              .idle = loop_idle,
                              .live_max = o->live_max,
                              .stack_bytes = o->stack_bytes};

    if (!l)
        return NULL;
    l->signal_fd = -1;
    sigemptyset(&l->signals);
    pthread_sigmask(SIG_BLOCK, NULL, &l->old_mask);
    l->clock = (struct clock){l, loop_wall_ms, loop_mono_ms, loop_sleep_ms, loop_random};
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->tasks = tasks_new(&t);
    if (l->epoll_fd < 0 || !l->tasks || make_curl(l, o->connections_max) != 0) {
        loop_free(l);
        return NULL;
    }
    return l;
}

static void free_lists(struct loop *l)
{
    while (l->watches)
        watch_remove(l, l->watches);
    free_forgotten(l);
    while (l->signal_watches) {
        struct signal_watch *w = l->signal_watches;
        l->signal_watches = w->next;
        free(w);
    }
    while (l->sources)
        loop_remove_source(l, l->sources->ctx);
    while (l->clients)
        loop_http_free(&l->clients->client);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    while (l->easy_count > 0)
        curl_easy_cleanup(l->easy[--l->easy_count]);
    for (int i = 0; i < SIDES; i++) {
        if (l->sides[i].multi) /* its connections are closed, which ends their watches */
            curl_multi_cleanup(l->sides[i].multi);
    }
    if (l->share)
        curl_share_cleanup(l->share);
    free_lists(l);
    tasks_free(l->tasks);
    if (l->signal_fd >= 0)
        close(l->signal_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    pthread_sigmask(SIG_SETMASK, &l->old_mask, NULL);
    free(l);
}

struct tasks *loop_tasks(struct loop *l)
{
    return l->tasks;
}

const struct clock *loop_clock(struct loop *l)
{
    return &l->clock;
}

int loop_run(struct loop *l)
{
    return tasks_run(l->tasks);
}
