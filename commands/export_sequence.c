/* export_sequence.c - formats that are one file: items behind each other, with numbers */
#include "commands/export_sequence.h"

#include <stdio.h>
#include <string.h>

#include "core/json_write.h"

enum { FLUSH_SIZE = 1 << 20 };

enum error_code sequence_append(struct export_job *job, struct export_sequence *sequence,
                                struct bytes *text, struct error *error)
{
    if (text->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for the end of a file");
    enum error_code code = export_output_write(job->output, "", sequence->size,
                                               text->data, text->size, error);
    sequence->size += text->size;
    bytes_reset(text);
    return code;
}

enum error_code sequence_flush(struct export_job *job, struct export_sequence *sequence,
                               struct bytes *text, struct error *error)
{
    return text->size < FLUSH_SIZE && !text->is_bad
               ? OK
               : sequence_append(job, sequence, text, error);
}

void sequence_close_array(struct export_sequence *sequence, struct bytes *text)
{
    if (!sequence->is_open)
        bytes_put_u8(text, '[');
    bytes_put(text, "\n]", 2);
    sequence->is_open = false;
}

/* Digits of `count` numbers from `first` on. */
static uint64_t digits_of(uint64_t first, uint64_t count)
{
    uint64_t sum = 0, power = 10, end = first + count;
    for (unsigned digits = 1; first < end; digits++, power *= 10) {
        uint64_t last = end < power || digits == 20 ? end : power;
        if (last > first) {
            sum += (last - first) * digits;
            first = last;
        }
    }
    return sum;
}

enum error_code sequence_place(struct export_job *job, struct export_sequence *sequence,
                               struct export_part *part, struct error *error)
{
    size_t count;
    const struct export_row *rows = export_rows(part, &count);
    struct export_span span = {.offset = sequence->size,
                               .first = sequence->images,
                               .first_token = sequence->items,
                               .end = count};
    (void)job;
    for (size_t i = 0; i < count; i++) {
        sequence->size += rows[i].size - rows[i].side - rows[i].tokens +
                          digits_of(sequence->images, 1) * rows[i].side +
                          digits_of(sequence->items, rows[i].tokens);
        sequence->images++;
        sequence->items += rows[i].tokens;
    }
    if (part->data.size > 0 && sequence->opening && !sequence->is_open) {
        part->data.data[0] = (unsigned char)sequence->opening;
        sequence->is_open = true;
    }
    bytes_put(&part->spans, &span, sizeof span);
    return part->spans.is_bad ? error_set(error, ERROR_MEMORY, "no memory for a part")
                              : OK;
}

/* The next number that is left open, or the end. */
static const unsigned char *find_open(const unsigned char *at, const unsigned char *end)
{
    while (at < end && *at != SEQUENCE_IMAGE && *at != SEQUENCE_ITEM)
        at++;
    return at;
}

enum error_code sequence_write(struct export_job *job, struct export_part *part,
                               struct error *error)
{
    size_t count;
    struct bytes text = {0};
    enum error_code code = OK;
    const struct export_row *rows = export_rows(part, &count);
    const struct export_span *span = (const void *)part->spans.data;
    uint64_t image = span->first, item = span->first_token;
    const unsigned char *at = part->data.data;
    if (part->data.size == 0)
        return OK;
    (void)bytes_reserve(&text, part->data.size + part->data.size / 8);
    for (size_t i = 0; i < count; i++, image++) {
        const unsigned char *end = at + rows[i].size;
        while (at < end) {
            const unsigned char *open = find_open(at, end);
            bytes_put(&text, at, (size_t)(open - at));
            if (open < end)
                json_put_i64((int64_t)(*open == SEQUENCE_IMAGE ? image : item++), &text);
            at = open + (open < end);
        }
    }
    if (text.is_bad)
        code = error_set(error, ERROR_MEMORY, "no memory for a part");
    else
        code = export_output_write(job->output, "", span->offset, text.data, text.size,
                                   error);
    bytes_clear(&text);
    return code;
}
