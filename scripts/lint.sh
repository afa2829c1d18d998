#!/usr/bin/env bash
# What the style guide bans, as `file:line: X is banned, use Y`. Exit 1 when there is any.
#   scripts/lint.sh [DIR]      DIR: another tree to look at, for the test of this script
# A line that must use a banned thing says why in a comment that holds the words "lint: ok".
set -u
cd "${1:-.}" || exit 2

find engine sim adapters -name '*.[ch]' 2>/dev/null | LC_ALL=C sort | LC_ALL=C xargs awk '
function ban(folders, words, instead,    i, k, f, w, nf, nw) {
    nf = split(folders, f, " "); nw = split(words, w, " ")
    for (i = 1; i <= nf; i++)
        for (k = 1; k <= nw; k++)
            banned[f[i], w[k]] = instead
}
function allow(file, words,    i, w, n) {
    n = split(words, w, " ")
    for (i = 1; i <= n; i++)
        allowed[file, w[i]] = 1
}
BEGIN {
    all = "engine sim adapters"; pure = "engine sim"
    ban(pure, "time clock_gettime gettimeofday clock nanosleep sleep usleep", "the time of the event")
    ban("adapters", "time clock_gettime gettimeofday nanosleep sleep usleep", "struct clock")
    ban(all, "rand srand random srandom drand48 rand_r arc4random getrandom", "sim/rng.h or struct clock")
    ban(all, "strtod strtof strtold atof", "num_parse")
    ban("engine", "atoi atol atoll sscanf strtol strtoul strtoll strtoull", "num_parse_int")
    ban(all, "setlocale toupper tolower isalpha isdigit isspace isalnum isupper islower", "comparisons that know no locale")
    ban(pure, "strcasecmp strncasecmp", "comparisons that know no locale")
    ban(all, "localtime localtime_r ctime ctime_r asctime mktime strftime", "UTC computed from milliseconds")
    ban(all, "gets strcpy strcat sprintf vsprintf strtok alloca", "arena_printf, strbuf or struct text")
    ban("engine", "malloc calloc realloc free", "memory of the caller")
    ban(pure, "exp exp2 log log2 log10 pow sin cos tan sqrt cbrt lgamma tgamma erf", "tables and integers")
    ban("engine", "snprintf vsnprintf", "struct text")
    ban(pure, "printf fprintf vfprintf puts fputs putchar fopen fwrite", "a result, and let the caller print it")
    ban(all, "cJSON_Parse cJSON_ParseWithOpts cJSON_ParseWithLength cJSON_ParseWithLengthOpts cJSON_Print cJSON_PrintUnformatted cJSON_GetObjectItem cJSON_HasObjectItem", "adapters/base/json.h")
    ban(all, "readdir", "scandir with an order of its own")
    ban(all, "signal system popen", "sigaction, or no shell at all")
    # the one door to what everybody else must not touch
    allow("adapters/base/clock.c", "clock_gettime nanosleep getrandom")
    allow("adapters/base/json.c", "cJSON_ParseWithLengthOpts")
    name = "[A-Za-z_][A-Za-z0-9_]*"
}
FNR == 1 { in_comment = 0; folder = FILENAME; sub(/\/.*/, "", folder) }
{
    line = $0; code = ""; ok = index(line, "lint: ok")
    while (length(line)) { # the line without comments and strings
        if (in_comment) {
            end = index(line, "*/")
            if (!end)
                break
            line = substr(line, end + 2); in_comment = 0
        } else if (match(line, /\/\*|\/\/|"|\047/)) {
            code = code substr(line, 1, RSTART - 1) " "
            what = substr(line, RSTART, RLENGTH)
            line = substr(line, RSTART + RLENGTH)
            if (what == "/*")
                in_comment = 1
            else if (what == "//")
                break
            else
                while (length(line)) {
                    c = substr(line, 1, 1)
                    line = substr(line, c == "\\" ? 3 : 2)
                    if (c == what)
                        break
                }
        } else {
            code = code line
            break
        }
    }
    if (ok)
        next
    while (match(code, name "[ \t]*\\(")) { # every call; not members and not longer names
        before = RSTART > 1 ? substr(code, RSTART - 1, 1) : " "
        word = substr(code, RSTART, RLENGTH); sub(/[ \t]*\($/, "", word)
        code = substr(code, RSTART + RLENGTH)
        if (before !~ /[.>]/ && (folder, word) in banned && !((FILENAME, word) in allowed)) {
            printf "%s:%d: %s is banned, use %s\n", FILENAME, FNR, word, banned[folder, word]
            found = 1
        }
    }
}
END { exit found }'
