/* regex.c - regular expressions of tokenizer files, run by PCRE2 */
#include "stages/kernels/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/unicode.h"

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
};

static void *take_memory(size_t size, void *arena)
{
    return arena_alloc_raw(arena, 1, size, _Alignof(max_align_t));
}

static void leave_memory(void *memory, void *arena) /* the arena's end is its end */
{
    (void)memory;
    (void)arena;
}

enum error_code regex_open(const unsigned char *expression, size_t size, bool is_fast,
                           struct arena *arena, struct regex **regex, struct error *error)
{
    static const PCRE2_UCHAR empty[] = "";
    int number = 0;
    PCRE2_SIZE offset = 0;
    PCRE2_UCHAR message[128] = {0};
    struct regex *opened = ARENA_NEW(arena, struct regex, 1);
    pcre2_general_context *general =
        pcre2_general_context_create(take_memory, leave_memory, arena);
    pcre2_compile_context *context =
        general ? pcre2_compile_context_create(general) : NULL;
    if (!opened || !context || pcre2_set_newline(context, PCRE2_NEWLINE_LF) != 0)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    opened->code =
        pcre2_compile(expression ? expression : empty, size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                      &number, &offset, context);
    if (!opened->code) {
        (void)pcre2_get_error_message(number, message, sizeof message);
        return error_set(error, ERROR_CONFIG, "regular expression: %s",
                         (const char *)message);
    }
    opened->match = pcre2_match_data_create(1, general);
    if (!opened->match)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    if (is_fast) /* where this fails it is interpreted */
        (void)pcre2_jit_compile(opened->code, PCRE2_JIT_COMPLETE);
    *regex = opened;
    return OK;
}

void regex_close(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->match);
    pcre2_code_free(regex->code);
    *regex = (struct regex){0};
}

enum error_code regex_check(const unsigned char *expression, size_t size,
                            struct error *error)
{
    struct bytes translated = {0};
    struct regex *regex = NULL;
    struct arena *arena = arena_create(1 << 16, 0);
    enum error_code code = regex_translate(expression, size, &translated, error);
    if (!arena)
        code = error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    if (code == OK)
        code = regex_open(translated.data, translated.size, false, arena, &regex, error);
    regex_close(regex);
    arena_destroy(arena);
    bytes_clear(&translated);
    return code;
}

const unsigned char *regex_clean(const unsigned char *text, size_t size,
                                 struct arena *scratch)
{
    if (json_is_utf8(text, size))
        return text;
    unsigned char *copy = ARENA_RAW(scratch, unsigned char, size);
    if (!copy)
        return NULL;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = unicode_decode(text + at, size - at, &point);
        if (length == 0)
            copy[at++] = 1;
        for (; length > 0; length--, at++)
            copy[at] = text[at];
    }
    return copy;
}

enum error_code regex_find(const struct regex *regex, const unsigned char *text,
                           size_t size, size_t from, bool *is_found, size_t *begin,
                           size_t *end, struct error *error)
{
    int count = pcre2_match(regex->code, text, size, from, PCRE2_NO_UTF_CHECK,
                            regex->match, NULL);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT)
        count = pcre2_match(regex->code, text, size, from,
                            PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, regex->match, NULL);
    *is_found = count >= 0;
    if (count == PCRE2_ERROR_NOMATCH)
        return OK;
    if (count == PCRE2_ERROR_NOMEMORY || count == PCRE2_ERROR_HEAPLIMIT)
        return error_set(error, ERROR_MEMORY, "no memory to match a regular expression");
    if (count < 0)
        return error_set(error, ERROR_RECORD,
                         "a regular expression of the tokenizer takes too long on it");
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(regex->match);
    *begin = found[0];
    *end = found[1];
    return OK;
}
