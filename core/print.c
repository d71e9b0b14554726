/* print.c - text for people, for manual pages and for readers of JSON */
#include "core/print.h"

#include <stdbool.h>
#include <string.h>

enum { WIDTH = 80 };

void print_wrapped(FILE *file, const char *text, size_t column, size_t indent)
{
    size_t at = column;
    bool is_first = true;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (!is_first && at + 1 + length > WIDTH) {
            (void)fprintf(file, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!is_first) {
            (void)fputc(' ', file);
            at++;
        }
        (void)fwrite(text, 1, length, file);
        at += length;
        is_first = false;
        text += length;
        text += strspn(text, " ");
    }
    (void)fputc('\n', file);
}

void print_roff(FILE *file, const char *text)
{
    if (*text == '.' || *text == '\'')
        (void)fputs("\\&", file);
    for (; *text; text++) {
        if (*text == '\\')
            (void)fputs("\\e", file);
        else if (*text == '-')
            (void)fputs("\\-", file);
        else
            (void)fputc(*text, file);
    }
}

void print_json(FILE *file, const char *text)
{
    (void)fputc('"', file);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            (void)fprintf(file, "\\%c", c);
        else if (c < 0x20)
            (void)fprintf(file, "\\u%04x", (unsigned)c);
        else
            (void)fputc(c, file);
    }
    (void)fputc('"', file);
}
