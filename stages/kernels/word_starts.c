/* word_starts.c - which tokens of a vocabulary go on with a word */
#include "stages/kernels/word_starts.h"

#include <stdbool.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/tiktoken_file.h"

static size_t line_size(const unsigned char *line, size_t left)
{
    const unsigned char *end = memchr(line, '\n', left);
    return end ? (size_t)(end - line) : left;
}

/* Is the first line base64, a blank and a number? */
static bool is_tiktoken(const unsigned char *content, size_t size)
{
    size_t line = line_size(content, size);
    const unsigned char *blank = memchr(content, ' ', line);
    if (!blank || blank == content || (size_t)(blank + 1 - content) == line)
        return false;
    for (const unsigned char *at = blank + 1; at < content + line; at++)
        if ((*at < '0' || *at > '9') && *at != '\r')
            return false;
    return true;
}

static enum error_code parse_tiktoken(const unsigned char *content, size_t size,
                                      struct arena *arena, unsigned char **continues,
                                      uint32_t *count, struct error *error)
{
    struct token_list list;
    enum error_code code = tiktoken_parse(content, size, arena, &list, error);
    if (code != OK)
        return code;
    unsigned char *flags = ARENA_NEW(arena, unsigned char, list.id_limit);
    if (!flags)
        return error_set(error, ERROR_MEMORY, "no memory for a vocabulary");
    for (uint32_t i = 0; i < list.count; i++) {
        unsigned char first = list.bytes[list.starts[i]];
        flags[list.ids[i]] = !(first == ' ' || (first >= '\t' && first <= '\r'));
    }
    *continues = flags;
    *count = list.id_limit;
    return OK;
}

static enum error_code parse_lines(const unsigned char *content, size_t size,
                                   struct arena *arena, unsigned char **continues,
                                   uint32_t *count, struct error *error)
{
    size_t lines = 0;
    for (size_t at = 0; at < size; at += line_size(content + at, size - at) + 1)
        lines++;
    if (lines == 0 || lines > TOKEN_ID_LIMIT)
        return error_set(error, ERROR_CONFIG, "a vocabulary has 1 to %d lines, not %zu",
                         (int)TOKEN_ID_LIMIT, lines);
    unsigned char *flags = ARENA_NEW(arena, unsigned char, lines);
    if (!flags)
        return error_set(error, ERROR_MEMORY, "no memory for a vocabulary");
    size_t line = 0;
    for (size_t at = 0; at < size; line++) {
        size_t length = line_size(content + at, size - at);
        flags[line] = length > 2 && memcmp(content + at, "##", 2) == 0;
        at += length + 1;
    }
    *continues = flags;
    *count = (uint32_t)lines;
    return OK;
}

enum error_code word_starts_parse(const unsigned char *content, size_t size,
                                  struct arena *arena, unsigned char **continues,
                                  uint32_t *count, struct error *error)
{
    if (size > 0 && is_tiktoken(content, size))
        return parse_tiktoken(content, size, arena, continues, count, error);
    return parse_lines(content, size, arena, continues, count, error);
}
