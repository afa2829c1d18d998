#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/cli/verbs.h"
#include "adapters/store/picture.h"
#include "adapters/store/store.h"

#define PATH_BYTES 4096

/* ---- which Canary of which run ---- */

struct choice {
    int64_t run, canary;
    char name[256];
};

/* All Canaries that match, the chosen one first in `ret_choice`. Returns how many there are. */
static int choose(sqlite3 *db, const char *run, const char *canary, struct choice *ret_choice)
{
    sqlite3_stmt *st = NULL;
    int count = 0;

    sqlite3_prepare_v2(
        db,
        "SELECT runs.run, canary, runs.name || ': ' || namespace || '/' || canaries.name "
        "FROM canaries JOIN runs USING (run) "
        "WHERE (?1 IS NULL OR runs.name = ?1 OR CAST(runs.run AS TEXT) = ?1) "
        "AND (?2 IS NULL OR namespace || '/' || canaries.name = ?2 OR canaries.name = ?2) "
        "ORDER BY runs.run, canary",
        -1, &st, NULL);
    sqlite3_bind_text(st, 1, run, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, canary, -1, SQLITE_STATIC);
    while (sqlite3_step(st) == SQLITE_ROW)
        if (count++ == 0) {
            ret_choice->run = sqlite3_column_int64(st, 0);
            ret_choice->canary = sqlite3_column_int64(st, 1);
            snprintf(ret_choice->name, sizeof ret_choice->name, "%s",
                     (const char *)sqlite3_column_text(st, 2));
        }
    sqlite3_finalize(st);
    return count;
}

/* ---- gnuplot ---- */

static int write_file(const char *directory, const char *name, const struct strbuf *text)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    if (!f || fwrite(strbuf_str(text), 1, text->len, f) != text->len || fclose(f) != 0) {
        fprintf(stderr, "coalmine report: %s: %s\n", path, strerror(errno));
        return EXIT_WORLD;
    }
    return 0;
}

static int write_files(const char *directory, const struct picture *p)
{
    int rc = 0;

    for (size_t i = 0; i < p->file_count && rc == 0; i++)
        rc = write_file(directory, p->files[i].name, &p->files[i].text);
    return rc;
}

static int run_gnuplot(const char *directory)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (chdir(directory) == 0)
            execlp("gnuplot", "gnuplot", "timeline.gp", (char *)NULL);
        _exit(errno == ENOENT ? 127 : 126);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("coalmine report: gnuplot");
        return EXIT_WORLD;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        fputs("coalmine report: gnuplot is not installed\n"
              "hint: apt-get install gnuplot-nox\n",
              stderr);
    else
        fputs("coalmine report: gnuplot failed\n", stderr);
    return EXIT_WORLD;
}

/* The finished picture takes the place of `out` in one rename, through a copy on the same disk. */
static int move_in_place(const char *made, const char *out)
{
    char temporary[PATH_BYTES], buffer[65536];
    size_t n;

    snprintf(temporary, sizeof temporary, "%s.%ld.tmp", out, (long)getpid());
    FILE *from = fopen(made, "rb"), *to = fopen(temporary, "wb");
    bool ok = from && to;
    while (ok && (n = fread(buffer, 1, sizeof buffer, from)) > 0)
        ok = fwrite(buffer, 1, n, to) == n;
    ok = ok && !ferror(from);
    if (from)
        fclose(from);
    if (to)
        ok = fclose(to) == 0 && ok;
    if (!ok || rename(temporary, out) != 0) {
        fprintf(stderr, "coalmine report: %s: %s\n", out, strerror(errno));
        unlink(temporary);
        return EXIT_WORLD;
    }
    return 0;
}

static void remove_directory(const char *directory, const struct picture *p, const char *made)
{
    char path[PATH_BYTES];

    for (size_t i = 0; i < p->file_count; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, p->files[i].name);
        unlink(path);
    }
    unlink(made);
    rmdir(directory);
}

static int draw(const struct picture *p, const char *picture_name, const char *out)
{
    const char *base = getenv("TMPDIR");
    char directory[PATH_BYTES / 2], made[PATH_BYTES];

    snprintf(directory, sizeof directory, "%s/coalmine-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(directory)) {
        fprintf(stderr, "coalmine report: %s: %s\n", directory, strerror(errno));
        return EXIT_WORLD;
    }
    snprintf(made, sizeof made, "%s/%s", directory, picture_name);
    int rc = write_files(directory, p);
    if (rc == 0)
        rc = run_gnuplot(directory);
    if (rc == 0)
        rc = move_in_place(made, out);
    remove_directory(directory, p, made);
    return rc;
}

/* ---- the verb ---- */

static bool format_of(const char *out, enum picture_format *ret_format)
{
    static const char *const endings[] = {".png", ".svg", ".pdf"};
    size_t len = strlen(out);

    for (int i = 0; i < 3; i++) {
        if (len > 4 && strcmp(out + len - 4, endings[i]) == 0) {
            *ret_format = (enum picture_format)i;
            return true;
        }
    }
    return false;
}

static int report(const struct args *args, sqlite3 *db, const char *out, enum picture_format format)
{
    static const char *const names[] = {"timeline.png", "timeline.svg", "timeline.pdf"};
    const char *keep = args_get(args, "keep", NULL);
    struct choice choice;
    struct picture picture;
    char error[512] = "";
    int count = choose(db, args_get(args, "run", NULL), args_get(args, "canary", NULL), &choice);

    if (count == 0) {
        fprintf(stderr,
                "coalmine report: %s: no such run or Canary\nhint: sqlite3 %s 'SELECT run, name "
                "FROM runs'\n",
                args->values[0], args->values[0]);
        return EXIT_INPUT;
    }
    if (count > 1)
        fprintf(stderr,
                "coalmine report: %d Canaries in %s; this is %s (choose with --run and --canary)\n",
                count, args->values[0], choice.name);
    int rc = picture_make(db, choice.run, choice.canary, format, names[format], &picture, error,
                          sizeof error);
    if (rc != 0) {
        fprintf(stderr, "coalmine report: %s: %s\n", args->values[0],
                rc == -ENOMEM ? "out of memory" : error);
        return rc == -ENOMEM ? EXIT_WORLD : EXIT_INPUT;
    }
    rc = 0;
    if (keep) {
        mkdir(keep, 0777);
        rc = write_files(keep, &picture);
    }
    if (rc == 0)
        rc = draw(&picture, names[format], out);
    picture_release(&picture);
    return rc;
}

static int run(const struct args *args)
{
    const char *out = args_get(args, "output", NULL);
    enum picture_format format;
    sqlite3 *db = NULL;
    char error[512] = "";

    if (!out)
        return usage_error(args, "--output=FILE is missing");
    if (!format_of(out, &format))
        return usage_error(args, "--output=%s: must end in .png, .svg or .pdf", out);
    if (store_open_read(args->values[0], &db, error, sizeof error) != 0) {
        fprintf(stderr, "coalmine report: %s\n", error);
        return EXIT_INPUT;
    }
    int rc = report(args, db, out, format);
    sqlite3_close(db);
    return rc;
}

const struct verb verb_report = {
    .name = "report",
    .summary = "draw a run: weights, metrics against bounds, failed checks, events",
    .usage = "[OPTION]... -o FILE RUN.db",
    .about = "Draws the timeline of one Canary of a database that `coalmine simulate --db` wrote: "
             "the phases, the "
             "share of traffic, every metric against its bounds with the checks that failed, "
             "webhooks, warnings and "
             "alerts. gnuplot makes the picture; --keep leaves its script and data for your own.",
    .example = "coalmine report run.db -o run.png",
    .exits = "0  drawn\n2  wrong usage\n3  no Coalmine database, or no such run in it\n4  gnuplot "
             "or the disk failed",
    .options =
        (const struct option_spec[]){
            {.name = "output",
             .letter = 'o',
             .value = "FILE",
             .help = "the picture: .png, .svg or .pdf"},
            {.name = "run",
             .value = "NAME",
             .help = "name or number of the run",
             .fallback = "the first"},
            {.name = "canary",
             .value = "NAME",
             .help = "NAMESPACE/NAME of the Canary",
             .fallback = "the first"},
            {.name = "keep", .value = "DIR", .help = "leave the gnuplot script and its data there"},
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = 1,
    .run = run,
};
