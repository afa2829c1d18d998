/*
 * engine/render.h — notes as the texts that Flagger prints. Pure functions into the caller's
 * buffer.
 */
#ifndef COALMINE_ENGINE_RENDER_H
#define COALMINE_ENGINE_RENDER_H

#include "engine/note.h"
#include "engine/text.h"

/* The message of a NOTE_EVENT or NOTE_ALERT (without its fields). Source: docs/engine/semantics.md
 * §3.4, §3.5. */
void render_message(struct text *t, const struct spec *spec, const struct note *note);
/*
 * The n-th field of an alert, in order: Cluster, Target, Failed checks threshold, Progress
 * deadline, Traffic routing. Returns false past the last one.
 */
bool render_alert_field(const struct spec *spec, enum alert_id id, uint32_t n,
                        const char **ret_name, struct text *value);
/* Message of the Promoted condition. */
void render_condition(struct text *t, const struct spec *spec, enum phase phase);
#endif
