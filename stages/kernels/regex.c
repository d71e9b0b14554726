/* regex.c - regular expressions of tokenizer files, run by PCRE2 */
#include "stages/kernels/regex.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/json.h"
#include "core/unicode.h"
#include "stages/kernels/regex_syntax.h"

/* Twice: with PCRE2's own tables, and with those of Unicode 16.0 for the texts where it
 * matters, as ranges beside a class cost half of the speed. */
struct regex {
    pcre2_code *code[2]; /* by enum regex_tables */
    pcre2_match_data *match;
    pcre2_match_context *limits;
    pcre2_jit_stack *stack;
};

enum {
    STACK_SIZE = 32 << 10, /* of machine code; it is mapped, and used as far as needed */
    STACK_SIZE_MAX = 4 << 20,
    HEAP_MAX_KIB = 256 << 10 /* of the interpreter, which goes on where that ends */
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

static enum error_code compile(const struct bytes *expression, bool is_fast,
                               pcre2_general_context *general, pcre2_code **code,
                               struct error *error)
{
    static const PCRE2_UCHAR empty[] = "";
    int number = 0;
    PCRE2_SIZE offset = 0;
    PCRE2_UCHAR message[128] = {0};
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    if (!context || pcre2_set_newline(context, PCRE2_NEWLINE_LF) != 0)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    *code =
        pcre2_compile(expression->data ? expression->data : empty, expression->size,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
                      &number, &offset, context);
    if (!*code) {
        (void)pcre2_get_error_message(number, message, sizeof message);
        return error_set(error, ERROR_CONFIG, "regular expression: %s",
                         (const char *)message);
    }
    if (is_fast) /* where this fails it is interpreted */
        (void)pcre2_jit_compile(*code, PCRE2_JIT_COMPLETE);
    return OK;
}

/* What matching needs besides the code. */
static enum error_code prepare(struct regex *regex, bool is_fast,
                               pcre2_general_context *general, struct error *error)
{
    regex->match = pcre2_match_data_create(1, general);
    regex->limits = pcre2_match_context_create(general);
    if (!regex->match || !regex->limits)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    (void)pcre2_set_heap_limit(regex->limits, HEAP_MAX_KIB);
    if (is_fast)
        regex->stack = pcre2_jit_stack_create(STACK_SIZE, STACK_SIZE_MAX, general);
    if (regex->stack) /* else a small one is used */
        pcre2_jit_stack_assign(regex->limits, NULL, regex->stack);
    return OK;
}

/* `expression` NULL: that of Whitespace. */
static enum error_code open_both(const unsigned char *expression, size_t size,
                                 bool is_fast, struct arena *arena, struct regex **regex,
                                 struct error *error)
{
    struct regex *opened = ARENA_NEW(arena, struct regex, 1);
    pcre2_general_context *general =
        pcre2_general_context_create(take_memory, leave_memory, arena);
    if (!opened || !general)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    enum error_code code = prepare(opened, is_fast, general, error);
    for (int tables = TABLES_OWN; code == OK && tables <= TABLES_EXACT; tables++) {
        struct bytes translated = {0};
        if (expression)
            code = regex_translate(expression, size, (enum regex_tables)tables,
                                   &translated, error);
        else
            regex_put_whitespace((enum regex_tables)tables, &translated);
        if (code == OK)
            code = compile(&translated, is_fast, general, &opened->code[tables], error);
        bytes_clear(&translated);
    }
    if (code == OK)
        *regex = opened;
    else
        regex_close(opened);
    return code;
}

enum error_code regex_open(const unsigned char *expression, size_t size, bool is_fast,
                           struct arena *arena, struct regex **regex, struct error *error)
{
    static const unsigned char empty[] = "";
    return open_both(expression ? expression : empty, size, is_fast, arena, regex, error);
}

enum error_code regex_open_whitespace(bool is_fast, struct arena *arena,
                                      struct regex **regex, struct error *error)
{
    return open_both(NULL, 0, is_fast, arena, regex, error);
}

void regex_close(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->limits);
    pcre2_jit_stack_free(regex->stack);
    pcre2_code_free(regex->code[TABLES_OWN]);
    pcre2_code_free(regex->code[TABLES_EXACT]);
    *regex = (struct regex){0};
}

enum error_code regex_check(const unsigned char *expression, size_t size,
                            struct error *error)
{
    struct regex *regex = NULL;
    struct arena *arena = arena_create(1 << 16, 0);
    if (!arena)
        return error_set(error, ERROR_MEMORY, "no memory for a regular expression");
    enum error_code code = regex_open(expression, size, false, arena, &regex, error);
    regex_close(regex);
    arena_destroy(arena);
    return code;
}

bool regex_clean(const unsigned char *text, size_t size, struct arena *scratch,
                 struct regex_text *clean)
{
    *clean = (struct regex_text){text, regex_class_is_recent(text, size)};
    if (json_is_utf8(text, size))
        return true;
    unsigned char *copy = ARENA_RAW(scratch, unsigned char, size);
    if (!copy)
        return false;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        size_t length = unicode_decode(text + at, size - at, &point);
        if (length == 0)
            copy[at++] = 1;
        for (; length > 0; length--, at++)
            copy[at] = text[at];
    }
    clean->text = copy;
    return true;
}

/* By the interpreter, whose memory is given back at once. */
static int match_slowly(const struct regex *regex, const pcre2_code *code,
                        const unsigned char *subject, size_t size, size_t start,
                        PCRE2_SIZE found[2])
{
    int count = PCRE2_ERROR_NOMEMORY;
    struct arena *arena = arena_create(1 << 16, 0);
    pcre2_general_context *general =
        arena ? pcre2_general_context_create(take_memory, leave_memory, arena) : NULL;
    pcre2_match_data *match = general ? pcre2_match_data_create(1, general) : NULL;
    if (match)
        count = pcre2_match(code, subject, size, start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                            match, regex->limits);
    if (count >= 0)
        memcpy(found, pcre2_get_ovector_pointer(match), 2 * sizeof *found);
    arena_destroy(arena);
    return count;
}

enum error_code regex_find(const struct regex *regex, const struct regex_text *text,
                           size_t begin, size_t end, size_t from, bool *is_found,
                           size_t *match_begin, size_t *match_end, struct error *error)
{
    const pcre2_code *code = regex->code[text->is_recent ? TABLES_EXACT : TABLES_OWN];
    const unsigned char *subject = text->text + begin;
    size_t size = end - begin, start = from - begin;
    PCRE2_SIZE found[2] = {0};
    int count = pcre2_match(code, subject, size, start, PCRE2_NO_UTF_CHECK, regex->match,
                            regex->limits);
    if (count >= 0)
        memcpy(found, pcre2_get_ovector_pointer(regex->match), sizeof found);
    else if (count == PCRE2_ERROR_JIT_STACKLIMIT)
        count = match_slowly(regex, code, subject, size, start, found);
    *is_found = count >= 0;
    if (count == PCRE2_ERROR_NOMATCH)
        return OK;
    if (count == PCRE2_ERROR_NOMEMORY)
        return error_set(error, ERROR_MEMORY, "no memory to match a regular expression");
    if (count < 0)
        return error_set(error, ERROR_RECORD,
                         "a regular expression of the tokenizer takes too long on it");
    *match_begin = begin + found[0];
    *match_end = begin + found[1];
    return OK;
}
