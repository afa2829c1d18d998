/* adapters/store/rows.h — between store.c (files, transactions) and rows.c (rows into statements).
 */
#ifndef COALMINE_STORE_ROWS_H
#define COALMINE_STORE_ROWS_H

#include <sqlite3.h>

#include "adapters/store/store.h"

enum table {
    TABLE_RUNS,
    TABLE_CANARIES,
    TABLE_ROLLOUTS,
    TABLE_TICKS,
    TABLE_CHECKS,
    TABLE_HOOKS,
    TABLE_EVENTS,
    TABLE_ALERTS,
    TABLE_ROUTES,
    TABLE_EFFECTS,
    TABLE_STATUS,
    TABLE_WORLD,
    TABLE_OUTAGES,
    TABLE_GAUGES,
    TABLE_LOGS,
    TABLE_ASKS,
    TABLE_COUNT
};

/* A tick is written when it ends; until then it waits here. */
struct open_tick {
    bool open;
    bool written; /* a commit came in between: the row stands without its end */
    int64_t seq;
    uint32_t tick, rollout;
    uint8_t kind, phase;
    ms_t at_ms;
};

/* A message holds a hook body of at most 64 KiB and some words around it. */
#define STORE_TEXT_BYTES (72u * 1024u)

struct store {
    sqlite3 *db;
    enum store_mode mode;
    char *path, *temporary; /* temporary: STORE_REPLACE, while it exists */
    bool in_transaction, committed;
    int failed; /* the first -Exxx */
    char error[512];
    sqlite3_stmt *inserts[TABLE_COUNT];
    sqlite3_stmt *end_run, *end_rollout, *end_tick;
    int64_t run, seq;
    ms_t epoch_ms;
    struct open_tick *ticks; /* by index of the Canary */
    size_t tick_cap;
    char *text; /* STORE_TEXT_BYTES to render in */
};

/* The first failure is kept. */
void store_fail(struct store *s, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int store_prepare(struct store *s);
void store_finalize(struct store *s);
void rows_put(void *self, const struct row *row);
void rows_put_run(struct store *s, const struct run_info *info);
/* Write the ticks that have not ended. */
void rows_flush_ticks(struct store *s);

#endif
