/* pattern_replace.c - replace what a text or a regular expression matches */
#include "stages/kernels/pattern_replace.h"

#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/regex.h"
#include "stages/kernels/text_builder.h"

/* A text without characters matches in front of each one, as an expression does. */
static bool is_literal(bool is_regex, size_t size)
{
    return !is_regex && size > 0;
}

enum error_code pattern_replace_build(const unsigned char *pattern, size_t size,
                                      bool is_regex, struct bytes *image,
                                      struct error *error)
{
    enum error_code code = is_regex ? regex_check(pattern, size, error) : OK;
    if (code != OK)
        return code;
    bytes_put(image, pattern, size);
    return image->is_bad ? error_set(error, ERROR_MEMORY, "no memory for a pattern") : OK;
}

enum error_code pattern_replace_open(struct pattern_replace *replace,
                                     const unsigned char *image, size_t size,
                                     bool is_regex, struct arena *run,
                                     struct error *error)
{
    if (!is_literal(is_regex, size)) {
        enum error_code code = regex_open(image, size, true, run, &replace->regex, error);
        if (code == ERROR_CONFIG) /* it was compiled before */
            code = error_set(error, ERROR_DAMAGED, "a prepared expression is damaged");
        return code;
    }
    replace->literal = image;
    replace->literal_size = size;
    return OK;
}

static const unsigned char *find_literal(const struct pattern_replace *replace,
                                         const unsigned char *text, size_t size)
{
    size_t length = replace->literal_size;
    while (size >= length) {
        const unsigned char *at = memchr(text, replace->literal[0], size - length + 1);
        if (!at || memcmp(at, replace->literal, length) == 0)
            return at;
        size -= (size_t)(at + 1 - text);
        text = at + 1;
    }
    return NULL;
}

/* In the place of text[begin] ... text[end - 1]: it comes from the last character of that. */
static void put_content(const struct pattern_replace *replace, const unsigned char *text,
                        size_t begin, size_t end, struct text_builder *builder)
{
    size_t last = end > begin ? end - 1 : begin;
    while (last > begin && end - last < 4 && (text[last] & 0xC0) == 0x80)
        last--;
    text_builder_put(builder, replace->content, replace->content_size, last);
}

static void put_literal(const struct pattern_replace *replace, const unsigned char *text,
                        size_t size, struct text_builder *builder)
{
    size_t at = 0;
    const unsigned char *found;
    while ((found = find_literal(replace, text + at, size - at)) != NULL) {
        size_t begin = (size_t)(found - text);
        text_builder_copy(builder, text + at, begin - at, at);
        at = begin + replace->literal_size;
        put_content(replace, text, begin, at, builder);
    }
    text_builder_copy(builder, text + at, size - at, at);
}

/* The matches in `subject`, which is `text` made UTF-8, byte for byte. */
static enum error_code put_expression(const struct pattern_replace *replace,
                                      const unsigned char *text,
                                      const struct regex_text *subject, size_t size,
                                      struct text_builder *builder, struct error *error)
{
    size_t from = 0, last_end = SIZE_MAX, copied = 0, begin, end;
    while (from <= size) {
        bool is_found;
        enum error_code code = regex_find(replace->regex, subject, 0, size, from,
                                          &is_found, &begin, &end, error);
        if (code != OK)
            return code;
        if (!is_found)
            break;
        if (begin == end && last_end == end) {
            uint32_t ignored; /* no empty match right behind another one */
            from += from < size
                        ? unicode_decode(subject->text + from, size - from, &ignored)
                        : 1;
            continue;
        }
        text_builder_copy(builder, text + copied, begin - copied, copied);
        put_content(replace, text, begin, end, builder);
        copied = from = last_end = end;
    }
    text_builder_copy(builder, text + copied, size - copied, copied);
    return OK;
}

enum error_code pattern_replace_put(const struct pattern_replace *replace,
                                    const unsigned char *text, size_t size,
                                    struct text_builder *builder, struct error *error)
{
    if (replace->literal_size > 0) {
        put_literal(replace, text, size, builder);
        return OK;
    }
    if (size == 0)
        return OK;
    struct regex_text subject;
    if (!regex_clean(text, size, builder->arena, &subject))
        return error_set(error, ERROR_MEMORY, "no memory for a text");
    return put_expression(replace, text, &subject, size, builder, error);
}
