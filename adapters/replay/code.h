/*
 * adapters/replay/code.h — the engine's values as JSON text, and back: what a flight record holds.
 *
 * Equal values give equal texts on every machine, so a decision is compared byte by byte. Members
 * that are zero are left out. Kinds, phases and notes stand by name, 64-bit hashes as hexadecimal
 * text, doubles by their shortest digits that read back ("NaN", "+Inf" and "-0" as text).
 */
#ifndef COALMINE_REPLAY_CODE_H
#define COALMINE_REPLAY_CODE_H

#include "adapters/base/arena.h"
#include "adapters/base/json.h"
#include "adapters/base/strbuf.h"
#include "engine/engine.h"

void code_rollout(struct strbuf *out, const struct rollout *r);
void code_ask(struct strbuf *out, const struct ask *ask);
void code_answer(struct strbuf *out, const struct answer *answer);
/* A list, with the texts that people read. */
void code_notes(struct strbuf *out, const struct spec *spec, const struct step *step);

/*
 * Back again. NULL, or what is wrong (in the arena). The text of an answer, its status and its
 * samples live in the arena.
 */
const char *decode_rollout(struct arena *arena, const char *text, struct rollout *ret_rollout);
const char *decode_ask(struct arena *arena, const char *text, struct ask *ret_ask);
const char *decode_answer(struct arena *arena, const char *text, struct answer *ret_answer);

#endif
