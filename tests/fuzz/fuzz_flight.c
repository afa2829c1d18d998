/*
 * A damaged flight record: the input is a whole database file, or the texts of one tick, set apart
 * by lines "=====". Whatever it holds, reading it ends in decisions or in an error with a place.
 */
#include <assert.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/replay/replay.h"
#include "adapters/store/flight.h"
#include "reports/flight.sql.h"

static bool on_tick(void *ctx, const struct replay_tick *t)
{
    size_t *ticks = ctx;

    assert(t->ns && t->name && t->phase);
    assert(t->difference == NULL || (t->recorded && t->decided));
    return ++*ticks < 100;
}

static const char *no_change(void *ctx, cJSON *canary, struct arena *arena)
{
    (void)ctx;
    (void)canary;
    (void)arena;
    return NULL;
}

static void on_line(void *ctx, char side, int64_t at_ms, const char *phase, const char *message)
{
    (void)ctx;
    (void)at_ms;
    assert((side == ' ' || side == '-' || side == '+') && phase && message);
}

static void on_outcome(void *ctx, const struct replay_outcome *outcome)
{
    (void)ctx;
    assert(outcome->ns && outcome->name);
}

static void play(sqlite3 *db)
{
    const struct replay_change change = {.change = no_change};
    const struct replay_choice all = {0};
    char error[600] = "";
    size_t ticks = 0;
    int rc = replay_verify(db, &all, on_tick, &ticks, error, sizeof(error));

    assert(rc == 0 || error[0] != '\0');
    error[0] = '\0';
    rc = replay_whatif(db, &all, &change, on_line, on_outcome, NULL, error, sizeof(error));
    assert(rc == 0 || error[0] != '\0');
}

static void play_file(const uint8_t *data, size_t size)
{
    static char path[64];
    char error[600] = "";
    sqlite3 *db = NULL;
    FILE *f;

    if (path[0] == '\0') {
        int fd;

        snprintf(path, sizeof(path), "/tmp/coalmine-fuzz-XXXXXX");
        fd = mkstemp(path);
        if (fd < 0)
            abort();
        close(fd);
    }
    f = fopen(path, "wb");
    if (f == NULL || fwrite(data, 1, size, f) != size)
        abort();
    fclose(f);
    if (flight_open_read(path, &db, error, sizeof(error)) == 0) {
        play(db);
        sqlite3_close(db);
    } else {
        assert(error[0] != '\0');
    }
    unlink(path);
    path[0] = '\0';
}

/* The n-th text of the input, its own memory. */
static char *part(const char **at, const char *end)
{
    static const char mark[] = "\n=====\n";
    const char *from = *at, *to = end;
    char *copy;

    for (const char *p = from; p + strlen(mark) <= end; p++) {
        if (memcmp(p, mark, strlen(mark)) == 0) {
            to = p;
            break;
        }
    }
    *at = to < end ? to + strlen(mark) : end;
    copy = malloc((size_t)(to - from) + 1);
    if (copy == NULL)
        abort();
    memcpy(copy, from, (size_t)(to - from));
    copy[to - from] = '\0';
    return copy;
}

static void put(sqlite3 *db, const char *sql, char *texts[], int count, int number)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        abort();
    for (int i = 0; i < count; i++)
        sqlite3_bind_text(s, i + 1, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_int(s, count + 1, number);
    sqlite3_step(s);
    sqlite3_finalize(s);
}

/* deviations, Canary, state before, state after, then notes, ask and answer of each step */
static void play_texts(const char *at, const char *end)
{
    sqlite3 *db;
    char *texts[4];

    if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
        sqlite3_exec(db, flight_sql, NULL, NULL, NULL) != SQLITE_OK)
        abort();
    for (int i = 0; i < 4; i++)
        texts[i] = part(&at, end);
    put(db, "INSERT INTO processes VALUES (1, 0, 'v', 'i', 'p', ?1, 'istio', '', 1, 0)", texts, 1,
        0);
    put(db, "INSERT INTO specs VALUES (1, 'h', ?1)", texts + 1, 1, 0);
    put(db, "INSERT INTO ticks VALUES (1, 1, 'test', 'podinfo', 1, 'analysis', 1000, '', ?1, ?2)",
        texts + 2, 2, 0);
    for (int i = 0; i < 4; i++)
        free(texts[i]);
    for (int step = 0; at < end && step < 100; step++) {
        for (int i = 0; i < 3; i++)
            texts[i] = part(&at, end);
        put(db, "INSERT INTO steps VALUES (1, ?4, ?1, ?2, nullif(?3, ''))", texts, 3, step);
        for (int i = 0; i < 3; i++)
            free(texts[i]);
    }
    play(db);
    sqlite3_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char magic[] = "SQLite format 3";

    if (size > sizeof(magic) && memcmp(data, magic, sizeof(magic)) == 0)
        play_file(data, size);
    else
        play_texts((const char *)data, (const char *)data + size);
    return 0;
}
