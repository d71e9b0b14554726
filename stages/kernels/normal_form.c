/* normal_form.c - Unicode normal forms as Hugging Face's tokenizers make them */
#include "stages/kernels/normal_form.h"

#include <stdbool.h>

#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/text_builder.h"
#include "stages/kernels/unicode8_tables.h"

struct work {
    struct bytes codes, out; /* owned */
};

enum place {
    PLACE_APART, /* not UTF-8, or younger than Unicode 9.0 */
    PLACE_START, /* what is in front of it does not change with it */
    PLACE_INNER
};

static enum place place_of(const struct unicode_table *table, const unsigned char *text,
                           size_t size, size_t *length)
{
    uint32_t code;
    *length = unicode_decode(text, size, &code);
    if (*length == 0) {
        *length = 1;
        return PLACE_APART;
    }
    if (text_class_of(code) & TEXT_NEWER)
        return PLACE_APART;
    return unicode_begins_anew(table, code) ? PLACE_START : PLACE_INNER;
}

/* Append the character at `at` with those that may change with it; returns their end. */
static size_t put_span(const struct unicode_table *table, const unsigned char *text,
                       size_t size, size_t at, struct work *work,
                       struct text_builder *builder)
{
    size_t length, end;
    if (place_of(table, text + at, size - at, &length) == PLACE_APART) {
        text_builder_copy(builder, text + at, length, at);
        return at + length;
    }
    for (end = at + length; end < size; end += length) {
        if (place_of(table, text + end, size - end, &length) != PLACE_INNER)
            break;
    }
    bytes_reset(&work->out);
    unicode_normalize(table, text + at, end - at, &work->codes, &work->out);
    builder->is_bad = builder->is_bad || work->out.is_bad || work->codes.is_bad;
    if (work->out.size > 0)
        text_builder_put(builder, work->out.data, work->out.size, at);
    return end;
}

/* Does the quick check pass the character, so that it is worth while to go on with it? */
static bool is_settled(const struct unicode_table *table, const unsigned char *text,
                       size_t size)
{
    size_t length;
    return place_of(table, text, size, &length) == PLACE_START &&
           unicode_normal_length(table, text, length) == length;
}

void normal_form_put(const struct unicode_table *table, const unsigned char *text,
                     size_t size, struct text_builder *builder)
{
    struct work work = {0};
    size_t at = 0;
    while (at < size) {
        size_t settled = unicode_normal_length(table, text + at, size - at);
        text_builder_copy(builder, text + at, settled, at);
        at += settled;
        while (at < size) {
            at = put_span(table, text, size, at, &work, builder);
            if (at < size && is_settled(table, text + at, size - at))
                break;
        }
    }
    bytes_clear(&work.codes);
    bytes_clear(&work.out);
}
