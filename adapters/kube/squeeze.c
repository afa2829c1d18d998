#include "adapters/kube/squeeze.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#define WINDOW_BITS (-13) /* without a header; the window holds a model */
#define MEMORY_LEVEL 5
#define LEVEL 3

static size_t used_of(size_t model_len)
{
    return model_len < SQUEEZE_MODEL_MAX ? model_len : SQUEEZE_MODEL_MAX;
}

static bool deflate_to(z_stream *z, const char *text, size_t len, const char *model,
                       size_t model_len, char *out, size_t size)
{
    z->next_in = (const Bytef *)text;
    z->avail_in = (uInt)len;
    z->next_out = (Bytef *)out;
    z->avail_out = (uInt)size;
    return deflateSetDictionary(z, (const Bytef *)model, (uInt)used_of(model_len)) == Z_OK &&
           deflate(z, Z_FINISH) == Z_STREAM_END;
}

bool squeeze(const char *text, size_t len, const char *model, size_t model_len,
             struct squeezed *ret)
{
    z_stream z = {0};
    char *out = len < INT_MAX ? malloc(len) : NULL, *fit;
    bool good;

    if (out == NULL || deflateInit2(&z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                                    Z_DEFAULT_STRATEGY) != Z_OK) {
        free(out);
        return false;
    }
    good = deflate_to(&z, text, len, model, model_len, out, len);
    deflateEnd(&z);
    fit = good ? malloc(z.total_out) : NULL; /* not where the buffer was: it would leave a hole */
    if (fit)
        memcpy(fit, out, z.total_out);
    free(out);
    if (fit == NULL)
        return false;
    *ret = (struct squeezed){fit, (uint32_t)z.total_out, (uint32_t)len};
    return true;
}

char *unsqueeze(const struct squeezed *s, const char *model, size_t model_len)
{
    z_stream z = {0};
    char *text = malloc((size_t)s->text_len + 1);
    bool good;

    if (text == NULL || inflateInit2(&z, WINDOW_BITS) != Z_OK) {
        free(text);
        return NULL;
    }
    z.next_in = s->bytes;
    z.avail_in = (uInt)s->size;
    z.next_out = (Bytef *)text;
    z.avail_out = (uInt)s->text_len;
    good = inflateSetDictionary(&z, (const Bytef *)model, (uInt)used_of(model_len)) == Z_OK &&
           inflate(&z, Z_FINISH) == Z_STREAM_END;
    inflateEnd(&z);
    if (!good) {
        free(text);
        return NULL;
    }
    text[s->text_len] = '\0';
    return text;
}
