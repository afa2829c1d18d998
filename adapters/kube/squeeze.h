/*
 * adapters/kube/squeeze.h — many texts that look alike, kept small: each is deflated with another
 * of its kind as the dictionary.
 */
#ifndef COALMINE_KUBE_SQUEEZE_H
#define COALMINE_KUBE_SQUEEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a model no more than this counts. */
#define SQUEEZE_MODEL_MAX 8192u

struct squeezed {
    void *bytes; /* malloc'd */
    uint32_t size, text_len;
};

/* False when memory is out, or it would not become smaller. */
bool squeeze(const char *text, size_t len, const char *model, size_t model_len,
             struct squeezed *ret);
/* The text again, NUL-terminated, the caller's to free; NULL when memory is out. */
char *unsqueeze(const struct squeezed *s, const char *model, size_t model_len);

#endif
