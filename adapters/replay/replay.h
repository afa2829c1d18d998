/*
 * adapters/replay/replay.h — production decisions, made again: a flight record is read, and the
 * same engine decides each tick from what was known and answered then.
 *
 * Each tick stands alone: it begins from the recorded state, gets the recorded answers, and every
 * ask, every note and the state after it must be the same bytes.
 */
#ifndef COALMINE_REPLAY_REPLAY_H
#define COALMINE_REPLAY_REPLAY_H

#include "adapters/base/arena.h"
#include "adapters/base/json.h"
#include "engine/engine.h"

struct sqlite3;

/* Which ticks: NULL and 0 = all. Times are milliseconds since 1970 UTC, both ends included. */
struct replay_choice {
    const char *ns, *name;
    int64_t since_ms, until_ms;
};

/* ---- as it was --------------------------------------------------------------------------------
 */

/* One tick, decided again; borrowed for the call. */
struct replay_tick {
    int64_t tick;
    const char *ns, *name;
    int64_t at_ms;
    const char *phase;        /* before it */
    const char *version;      /* of the program that recorded it */
    const char *const *notes; /* JSON lists, in order */
    size_t note_count;
    bool cut_short; /* the process died or was stopped in it */
    /* The first difference; NULL = none. */
    const char *difference, *recorded, *decided;
    int64_t step;
};
/* Return false to end. */
typedef bool replay_on_tick(void *ctx, const struct replay_tick *tick);

/*
 * Decide the chosen ticks again, in the order in which they were recorded. Returns 0, or -EINVAL
 * when a row cannot be read or -EIO, with where and why in `reterr`.
 */
int replay_verify(struct sqlite3 *db, const struct replay_choice *choice, replay_on_tick *on_tick,
                  void *ctx, char *reterr, size_t reterr_size);

/* ---- as it would have been --------------------------------------------------------------------
 */

struct replay_change {
    /* Change a recorded Canary in place. NULL, or what is wrong (in the arena). */
    const char *(*change)(void *ctx, cJSON *canary, struct arena *arena);
    void *ctx;
    bool has_deviations; /* decide under these instead of the recorded ones */
    deviations_t deviations;
    bool assume_last; /* an old answer of a hook or metric serves too, however old */
};

struct replay_end {
    enum phase phase;
    int32_t weight, failed_checks;
    int64_t at_ms;
};
/* What came of one Canary. */
struct replay_outcome {
    const char *ns, *name;
    struct replay_end recorded, changed;
    uint64_t ticks;
    uint64_t as_recorded;    /* answers of the same ask in the same tick */
    uint64_t carried;        /* the last answer known then, from a tick before */
    uint64_t taken_for_done; /* effects that the recording did not try: taken for done */
    int64_t oldest_ms;       /* age of the oldest answer carried over */
    const char *undecided;   /* an ask that nobody had answered ended it; NULL = the record did */
    int64_t undecided_ms;
};
/* Lines of both stories: '-' recorded only, '+' with the change only, ' ' both. */
typedef void replay_on_line(void *ctx, char side, int64_t at_ms, const char *phase,
                            const char *message);

/*
 * Play the chosen ticks of each Canary with its spec changed and the answers that were recorded.
 * Returns as replay_verify; -EDOM when the change does not make a Canary.
 */
int replay_whatif(struct sqlite3 *db, const struct replay_choice *choice,
                  const struct replay_change *change, replay_on_line *on_line,
                  void (*on_outcome)(void *ctx, const struct replay_outcome *outcome), void *ctx,
                  char *reterr, size_t reterr_size);

#endif
