/* adapters/base/chars.h — single characters: hexadecimal digits, and UTF-8. */
#ifndef COALMINE_BASE_CHARS_H
#define COALMINE_BASE_CHARS_H

#include <stdint.h>

/* The value of a hexadecimal digit of either case; -1 when it is none. */
int hex_digit(char c);
/* Write a character as UTF-8, one to four bytes, without a NUL; returns where it ends. */
char *utf8_put(char *out, uint32_t c);

#endif
