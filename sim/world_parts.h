/*
 * sim/world_parts.h — what the files of the world share. Internal.
 */
#ifndef COALMINE_SIM_WORLD_PARTS_H
#define COALMINE_SIM_WORLD_PARTS_H

#include <string.h>

#include "engine/text.h"
#include "sim/world.h"

/* Streams of random numbers of a rollout: the first of each kind. */
enum { STREAM_FAULTS = 1000, STREAM_HOOKS = 2000, STREAM_METRICS = 3000 };

/* The text of an answer is made in the world's buffer. */
static inline struct text text_begin(struct world *w)
{
    struct text t;

    text_init(&t, w->text, sizeof w->text);
    return t;
}

static inline void text_end(struct world *w, const struct text *t, struct answer *out)
{
    out->text = w->text;
    out->text_len = (uint32_t)(t->len < t->cap ? t->len : t->cap - 1);
}

static inline void answer_text(struct answer *out, const char *text)
{
    out->text = text;
    out->text_len = text ? (uint32_t)strlen(text) : 0;
}

/* Call a webhook: the answer, and how long it takes. */
ms_t world_answer_hook(struct world *w, const struct ask *ask, struct answer *out);
/* Ask a metric server. */
void world_answer_metric(struct world *w, const struct ask *ask, struct answer *out);
/* The words before the error of a built-in check. */
void world_prefix_builtin(struct world *w, const struct ask *ask, struct answer *out);

#endif
