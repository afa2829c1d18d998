/* coalmine merge: the JSON of all shards of a sweep as that of the whole. */
#include <errno.h>
#include <string.h>

#include "adapters/cli/verbs.h"
#include "adapters/cli/whatif_args.h"

static int write_db(const char *path, const struct strbuf *json)
{
    struct strbuf error = STRBUF_INIT;
    int rc = json->failed ? -ENOMEM : whatif_write_db(path, strbuf_str(json), &error);

    if (rc != 0)
        fprintf(stderr, "coalmine merge: %s\n",
                json->failed ? "out of memory" : strbuf_str(&error));
    strbuf_release(&error);
    return rc == 0 ? EXIT_YES : rc == -EINVAL ? EXIT_INPUT : EXIT_WORLD;
}

static int merge(const struct args *args, struct arena *arena)
{
    const char **texts = arena_alloc(arena, args->value_count * sizeof *texts);
    struct strbuf out = STRBUF_INIT;
    const char *error;
    int rc = EXIT_YES;

    for (size_t i = 0; i < args->value_count; i++) {
        size_t len;
        int read = texts ? file_read(arena, args->values[i], 0, &texts[i], &len) : -ENOMEM;
        if (read != 0) {
            fprintf(stderr, "coalmine merge: %s: %s\n", args->values[i], strerror(-read));
            return EXIT_INPUT;
        }
    }
    error = whatif_merge(&out, arena, args->values, texts, args->value_count);
    if (error) {
        fprintf(stderr, "coalmine merge: %s\n", error);
        rc = EXIT_INPUT;
    } else if (args_has(args, "db")) {
        rc = write_db(args_get(args, "db", ""), &out);
    } else {
        fwrite(strbuf_str(&out), 1, out.len, stdout);
    }
    strbuf_release(&out);
    return rc;
}

static int run(const struct args *args)
{
    struct arena *arena = arena_new(0);
    int rc = arena ? merge(args, arena) : whatif_failed("merge", -ENOMEM);

    arena_free(arena);
    return rc;
}

const struct verb verb_merge = {
    .name = "merge",
    .summary = "join the shards of a sweep",
    .usage = "[OPTION]... SHARD.json...",
    .about =
        "Reads what `coalmine sweep --output json --shard I/N` printed for each I and prints what "
        "the sweep would have printed in one piece, byte for byte. Every shard must be there, and "
        "of the same sweep. With --db it adds the sweep to a SQLite database instead.",
    .example = "coalmine merge shard-*.json",
    .exits = "0  joined\n2  wrong usage\n3  a file cannot be read, or is no shard of the same "
             "sweep\n4  the "
             "database cannot be written",
    .options =
        (const struct option_spec[]){
            {.name = "db",
             .value = "FILE",
             .help = "add the sweep to a SQLite database instead of printing it"},
            {.name = NULL},
        },
    .values_min = 1,
    .values_max = SIZE_MAX,
    .run = run,
};
