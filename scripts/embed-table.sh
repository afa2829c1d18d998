#!/bin/sh
# Turn text files into a C source: a table of {name, bytes, length}, in the order given.
#   scripts/embed-table.sh SYMBOL FILE... >out.c
# The table ends with a NULL name; the names are the file names without folder and extension.
set -eu
symbol=$1
shift
printf '/* Made by scripts/embed-table.sh; the originals are the files named below. */\n'
printf '#include "adapters/check/embedded.h"\n\n'
n=0
for file in "$@"; do
    printf '/* %s */\nstatic const unsigned char bytes_%s[] = {' "$file" "$n"
    od -An -v -tu1 "$file" | awk '{ for (i = 1; i <= NF; i++) { if (c++ % 24 == 0) printf "\n"; printf "%s,", $i } }'
    printf '0};\n'
    n=$((n + 1))
done
printf '\nconst struct embedded_file %s[] = {\n' "$symbol"
n=0
for file in "$@"; do
    name=${file##*/}
    printf '    {"%s", bytes_%s, sizeof bytes_%s - 1},\n' "${name%.*}" "$n" "$n"
    n=$((n + 1))
done
printf '    {0, 0, 0},\n};\n'
