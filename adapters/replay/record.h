/* adapters/replay/record.h — ticks out of a flight record. Private to adapters/replay. */
#ifndef COALMINE_REPLAY_RECORD_H
#define COALMINE_REPLAY_RECORD_H

#include <sqlite3.h>

#include "adapters/manifest/canary.h"
#include "adapters/replay/replay.h"

/* No tick of the engine has more: a loop in a damaged record ends. */
#define STEPS_MAX 10000u
#define TICK_BYTES_MAX ((size_t)64 << 20)

struct recorded_step {
    const char *notes, *ask, *answer; /* answer NULL: nothing was asked any more */
};

struct recorded_tick {
    int64_t tick, process, spec, at_ms;
    const char *ns, *name, *phase, *before, *after;
    enum tick_kind kind;
    struct recorded_step *steps;
    size_t step_count;
};

/* A Canary as a process read it. */
struct recorded_spec {
    int64_t process, spec;
    const struct spec *decoded;
    cJSON *canary;
    struct canary_options options; /* what else the process read it with */
    const char *version;           /* of the program */
};

struct recording {
    sqlite3 *db;
    sqlite3_stmt *ticks, *steps;
    struct arena *arena, *specs_arena; /* of the tick; of the specs */
    struct recorded_spec *specs;
    size_t spec_count, spec_cap;
    char *reterr;
    size_t reterr_size;
};

int recording_open(struct recording *r, sqlite3 *db, const struct replay_choice *choice,
                   char *reterr, size_t reterr_size);
void recording_close(struct recording *r);
/* 1 and the next tick, in r->arena until the next call; 0 at the end; -Exxx. */
int recording_next(struct recording *r, struct recorded_tick *ret_tick);
/* The spec of a tick, as the recording process read it. 0 or -Exxx. */
int recording_spec(struct recording *r, const struct recorded_tick *t,
                   const struct recorded_spec **ret_spec);
/* -EINVAL, with the place. */
int recording_bad(struct recording *r, int64_t tick, int64_t step, const char *what,
                  const char *why);

#endif
