/* normal_form.c - Unicode normal forms as Hugging Face's tokenizers make them */
#include "stages/kernels/normal_form.h"

#include <stdbool.h>

#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/text_builder.h"
#include "stages/kernels/unicode8_tables.h"

struct work {
    struct bytes codes, out, counts; /* owned */
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

/* The normal form of text[begin] ... text[end - 1], which is apart from what stands around
 * it. Each character takes some of the text, in order, and comes from the first that it
 * takes; one that takes none comes from where the one before it ends. */
static void put_counted(const struct unicode_table *table, const unsigned char *text,
                        size_t begin, size_t end, struct work *work,
                        struct text_builder *builder)
{
    size_t next = begin, last = begin, length;
    uint32_t ignored;
    bytes_reset(&work->counts);
    unicode_normalize_counted(table, text + begin, end - begin, &work->codes, &work->out,
                              &work->counts);
    if (work->out.is_bad || work->counts.is_bad)
        return;
    const uint32_t *taken = (const void *)work->counts.data;
    for (size_t at = 0; at < work->out.size; at += length) {
        size_t origin = *taken > 0 ? next : last;
        for (uint32_t i = *taken++; i > 0 && next < end; i--) {
            last = next;
            next += unicode_decode(text + next, end - next, &ignored);
        }
        length = unicode_decode(work->out.data + at, work->out.size - at, &ignored);
        text_builder_put(builder, work->out.data + at, length, origin);
    }
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
    if (builder->with_origins) {
        put_counted(table, text, at, end, work, builder);
    } else {
        unicode_normalize(table, text + at, end - at, &work->codes, &work->out);
        if (work->out.size > 0)
            text_builder_put(builder, work->out.data, work->out.size, at);
    }
    builder->is_bad =
        builder->is_bad || work->out.is_bad || work->codes.is_bad || work->counts.is_bad;
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
    bytes_clear(&work.counts);
}
