/*
 * Give every file named on the command line to a fuzz target, without libFuzzer and its compiler:
 * what was once found must not come back, whatever the build.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (16u * 1024u * 1024u)

static int replay(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *whole = f ? malloc(INPUT_MAX) : NULL, *data = NULL;
    size_t size;
    int r = 1;

    if (!whole)
        goto out;
    size = fread(whole, 1, INPUT_MAX, f);
    if (ferror(f) || !feof(f))
        goto out;
    data = realloc(whole, size ? size : 1); /* exactly as long, so that a read past its end shows */
    if (!data)
        goto out;
    whole = data;
    printf("%s\n", path);
    fflush(stdout); /* the last line names the input that ends the program */
    LLVMFuzzerTestOneInput(data, size);
    r = 0;
out:
    if (r != 0)
        fprintf(stderr, "%s: cannot be read\n", path);
    free(whole);
    if (f)
        fclose(f);
    return r;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) != 0)
            return EXIT_FAILURE;
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE; /* no inputs: nothing was tried */
}
