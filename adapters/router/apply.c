#include "adapters/router/apply.h"

int router_apply(const struct router_result *result, const struct router_writer *writer,
                 struct strbuf *reterr_text)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct router_write *w = &result->writes[i];
        struct strbuf message = STRBUF_INIT;
        int code = writer->write(writer->self, w, &message);

        if (code != 0)
            strbuf_addf(reterr_text, "%s%s%s", w->before, strbuf_str(&message),
                        w->after != NULL ? w->after : "");
        strbuf_release(&message);
        if (code != 0)
            return code;
    }
    if (result->code != 0)
        strbuf_adds(reterr_text, strbuf_str(&result->error));
    return result->code;
}
