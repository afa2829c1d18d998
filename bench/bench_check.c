/*
 * How fast `coalmine check` is on typical Canaries, all rules on, one core, against libyaml's bare
 * event loop over the same bytes; what it keeps in memory for each document; how long one file
 * takes from process start to exit.
 */
#define _GNU_SOURCE /* RUSAGE fields, wait4 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <yaml.h>

#include "adapters/check/check.h"
#include "bench/figure.h"

enum { DOCUMENTS = 4000, ROUNDS = 11, STARTS = 41 };
#define WANTED 0.60 /* of bare libyaml */

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_check: %s\n", what);
    exit(4);
}

/* Document number `i`, with names of its own, as in a large repository. `out` has room for 4 KiB.
 */
static size_t make_document(const char *document, size_t i, char *out)
{
    char name[16];
    size_t total = (size_t)sprintf(out, "---\n");
    const char *at = document, *next;

    snprintf(name, sizeof name, "app%06zu", i);
    while ((next = strstr(at, "name: podinfo\n")) != NULL) {
        memcpy(out + total, at, (size_t)(next - at) + 6);
        total += (size_t)(next - at) + 6;
        total += (size_t)sprintf(out + total, "%s\n", name);
        at = next + 14;
    }
    return total + (size_t)sprintf(out + total, "%s", at);
}

static char *make_stream(const char *document, size_t count, size_t *ret_len)
{
    char *all = malloc(count * (strlen(document) + 200) + 4096);

    if (all == NULL)
        die("out of memory");
    *ret_len = 0;
    for (size_t i = 0; i < count; i++)
        *ret_len += make_document(document, i, all + *ret_len);
    return all;
}

static double bare_libyaml(const char *bytes, size_t len)
{
    double start = cpu_s();
    yaml_parser_t parser;
    yaml_event_t event;
    int done = 0;

    yaml_parser_initialize(&parser);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
    while (!done) {
        if (!yaml_parser_parse(&parser, &event))
            die("libyaml refuses the stream");
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return cpu_s() - start;
}

static double whole_check(const char *bytes, size_t len, size_t documents, size_t *ret_kept)
{
    double start = cpu_s();
    struct check *c = check_new(NULL);
    FILE *stream = fmemopen((void *)(uintptr_t)bytes, len, "rb");

    if (c == NULL || stream == NULL || check_add_stream(c, "bench.yaml", stream) != 0)
        die("check failed");
    *ret_kept = check_kept_bytes(c);
    check_finish(c);
    if (check_document_count(c) != documents ||
        check_findings(c)->errors + check_findings(c)->warnings != 0)
        die("the documents should have no findings");
    fclose(stream);
    check_free(c);
    return cpu_s() - start;
}

/* The shortest time of `coalmine check FILE` from fork to exit: whoever else runs here only adds to
 * it. */
static double start_to_exit(const char *program, const char *file)
{
    double best = 1e9;

    for (int i = 0; i < STARTS; i++) {
        double start = wall_s();
        pid_t pid = fork();
        int status;

        if (pid == 0) {
            if (freopen("/dev/null", "w", stdout) == NULL)
                _exit(9);
            execl(program, program, "check", file, (char *)NULL);
            _exit(9);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
            WEXITSTATUS(status) != 0)
            die("coalmine check did not succeed");
        start = wall_s() - start;
        best = start < best ? start : best;
    }
    return best;
}

/*
 * Largest resident set of `coalmine check -` over a stream of `count` documents, in bytes. To be
 * called while this process is small: a child's maximum begins at its parent's size.
 */
static double resident(const char *program, const char *document, size_t count)
{
    struct rusage usage;
    int fds[2], status;
    char buffer[4096];
    FILE *out;
    pid_t pid;

    if (pipe(fds) != 0 || (pid = fork()) < 0)
        die("pipe");
    if (pid == 0) {
        dup2(fds[0], 0);
        close(fds[0]);
        close(fds[1]);
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(9);
        execl(program, program, "check", "-", (char *)NULL);
        _exit(9);
    }
    close(fds[0]);
    out = fdopen(fds[1], "w");
    if (out == NULL)
        die("fdopen");
    for (size_t i = 0; i < count; i++)
        if (fwrite(buffer, 1, make_document(document, i, buffer), out) == 0)
            die("coalmine check stopped reading");
    fclose(out);
    if (wait4(pid, &status, 0, &usage) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("coalmine check failed on the large stream");
    return (double)usage.ru_maxrss * 1024;
}

static char *read_typical(void)
{
    static char text[4096];
    FILE *f = fopen("bench/typical.yaml", "rb");
    size_t n;

    if (f == NULL)
        die("run from the top of the repository");
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    return text;
}

int main(void)
{
    const char *build = getenv("BUILD"), *document = read_typical();
    char program[256], *stream;
    size_t len, kept, large = 100u * 1000 * 1000 / strlen(document);
    double libyaml = 1e9, check = 1e9, grown, ms, limit;

    snprintf(program, sizeof program, "%s/coalmine", build ? build : "build");
    grown = (resident(program, document, large) - resident(program, document, 1)) / (double)large;
    figure_at_most("check-100MB-stream", grown, "bytes/document", NO_LIMIT, 200);
    ms = 1000 * start_to_exit(program, "bench/typical.yaml");
    figure_at_most("check-one-file", ms, "ms", NO_LIMIT, 5);
    stream = make_stream(document, DOCUMENTS, &len);
    for (int round = 0; round < ROUNDS; round++) { /* in turns: both meet the same noise */
        double a = bare_libyaml(stream, len), b = whole_check(stream, len, DOCUMENTS, &kept);

        libyaml = a < libyaml ? a : libyaml;
        check = b < check ? b : check;
    }
    limit = DOCUMENTS / libyaml;
    figure_at_least("check-documents", DOCUMENTS / check, "documents/s", limit, WANTED * limit);
    figure("check-libyaml-alone", limit, "documents/s", limit);
    figure_at_most("check-kept", (double)kept / DOCUMENTS, "bytes/document", NO_LIMIT, 200);
    free(stream);
    return 0;
}
