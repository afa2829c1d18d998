#include "adapters/cli/gnuplot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/cli/cli.h"

#define PATH_BYTES 4096

const char *gnuplot_output(enum picture_format format)
{
    static const char *const names[] = {"picture.png", "picture.svg", "picture.pdf"};

    return names[format];
}

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

int gnuplot_keep(const struct picture *p, const char *directory)
{
    mkdir(directory, 0777);
    return write_files(directory, p);
}

static int run_gnuplot(const char *directory)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        if (chdir(directory) == 0)
            execlp("gnuplot", "gnuplot", "picture.gp", (char *)NULL);
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

static int read_made(const char *made, struct strbuf *ret_bytes)
{
    char buffer[65536];
    FILE *f = fopen(made, "rb");
    size_t n;

    while (f && (n = fread(buffer, 1, sizeof buffer, f)) > 0)
        strbuf_add(ret_bytes, buffer, n);
    bool ok = f && !ferror(f) && ret_bytes->len > 0 && !ret_bytes->failed;
    if (f)
        fclose(f);
    if (!ok)
        fprintf(stderr, "coalmine report: %s: gnuplot left no picture\n", made);
    return ok ? 0 : EXIT_WORLD;
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

int gnuplot_draw(const struct picture *p, enum picture_format format, struct strbuf *ret_bytes)
{
    const char *base = getenv("TMPDIR");
    char directory[PATH_BYTES / 2], made[PATH_BYTES];

    snprintf(directory, sizeof directory, "%s/coalmine-XXXXXX", base && *base ? base : "/tmp");
    if (!mkdtemp(directory)) {
        fprintf(stderr, "coalmine report: %s: %s\n", directory, strerror(errno));
        return EXIT_WORLD;
    }
    snprintf(made, sizeof made, "%s/%s", directory, gnuplot_output(format));
    int rc = write_files(directory, p);
    if (rc == 0)
        rc = run_gnuplot(directory);
    if (rc == 0)
        rc = read_made(made, ret_bytes);
    remove_directory(directory, p, made);
    return rc;
}
