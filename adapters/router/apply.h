/*
 * adapters/router/apply.h — performing what a builder asked for. The same for the operator and the
 * tests.
 */
#ifndef COALMINE_ROUTER_APPLY_H
#define COALMINE_ROUTER_APPLY_H

#include "adapters/router/router.h"

/* Where writes go. */
struct router_writer {
    void *self;
    /* 0, or -Exxx with the server's message. -EAGAIN: the object moved on since it was read (409
     * Conflict). */
    int (*write)(void *self, const struct router_write *write, struct strbuf *reterr_text);
};

/*
 * Perform the writes of a result in order and stop at the first that fails; then the builder's own
 * error counts. Returns 0, or -Exxx with the text that Flagger would put into the event.
 */
int router_apply(const struct router_result *result, const struct router_writer *writer,
                 struct strbuf *reterr_text);

#endif
