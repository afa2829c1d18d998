/*
 * adapters/cli/cli.h — the frame of the command line: one table per verb, from which --help, the man page,
 * the shell completions and docs/reference/cli.md are made.
 */
#ifndef COALMINE_CLI_CLI_H
#define COALMINE_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum exit_code { EXIT_YES = 0, EXIT_NO = 1, EXIT_USAGE = 2, EXIT_INPUT = 3, EXIT_WORLD = 4 };

struct option_spec {
    const char *name;     /* "output": used as --output, and -output where single_dash is set on the verb */
    char letter;          /* 'o' for -o, or 0 */
    const char *value;    /* "FILE", "N"; NULL = a switch */
    const char *choices;  /* "text|json|junit|tap", or NULL: checked and completed */
    const char *fallback; /* default as text for --help, or NULL */
    const char *help;     /* one line */
    const char *group;    /* heading in --help, NULL = "Options" */
    bool repeats;
};

/* A parsed command line. Values are borrowed from argv. */
struct args {
    const struct verb *verb;
    const char *const *values; /* positional arguments */
    size_t value_count;
    struct arg {
        const struct option_spec *option;
        const char *value; /* NULL for a switch */
    } *options;
    size_t option_count;
};

struct verb {
    const char *name;
    const char *summary; /* one line, no full stop */
    const char *usage;   /* "[OPTION]... SCENARIO..." */
    const char *about;   /* a paragraph */
    const char *example; /* one runnable line */
    const char *exits;   /* "0 …\n1 …": what each exit code means here, or NULL for the general table */
    const struct option_spec *options; /* ends with a NULL name */
    size_t values_min, values_max;     /* positional arguments; SIZE_MAX = any */
    bool single_dash;                  /* also accept -name, as Flagger does */
    int (*run)(const struct args *args);
};

/* The last value of an option or `otherwise`; for switches use args_has. */
const char *args_get(const struct args *a, const char *name, const char *otherwise);
bool args_has(const struct args *a, const char *name);
/* The n-th value of a repeated option, or NULL past the end. */
const char *args_nth(const struct args *a, const char *name, size_t n);
/* An integer option within [min, max]; prints a usage error and returns false otherwise. */
bool args_int(const struct args *a, const char *name, int64_t min, int64_t max, int64_t otherwise, int64_t *ret_value);
/* One specific line on stderr plus "try 'coalmine VERB --help'". Returns EXIT_USAGE. */
int usage_error(const struct args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * May ANSI colours be written to `out`? Only to a terminal that is not dumb, and not when NO_COLOR is set to
 * anything. Progress of long work follows the same rule on stderr.
 */
bool color_wanted(FILE *out);
/* The width of the terminal behind `out`, or `otherwise` when it is none; 40 at least. */
size_t terminal_width(FILE *out, size_t otherwise);

/* Every verb, in the order of --help; ends with NULL (adapters/cli/main.c). */
extern const struct verb *const verbs[];

#endif
