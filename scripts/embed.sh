#!/bin/sh
# Print a file as a C array of chars that ends with a NUL: scripts/embed.sh NAME FILE
# (a string literal may not be longer than 4095 characters in C11).
set -eu
printf '/* %s, made by scripts/embed.sh */\nstatic const char %s[] = {\n' "$2" "$1"
od -An -v -td1 "$2" | sed 's/[-0-9][0-9]*/&,/g'
printf '0};\n'
