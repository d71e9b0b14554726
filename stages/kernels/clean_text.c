/* clean_text.c - take control characters and surplus white space out of UTF-8 text */
#include "stages/kernels/clean_text.h"

#include <stdint.h>

#include "core/bytes.h"
#include "core/unicode.h"

/* Bytes that may begin a control character to strip. */
static const bool starts_control[256] = {
    [0x00] = true, [0x01] = true, [0x02] = true, [0x03] = true, [0x04] = true,
    [0x05] = true, [0x06] = true, [0x07] = true, [0x08] = true, [0x0B] = true,
    [0x0C] = true, [0x0E] = true, [0x0F] = true, [0x10] = true, [0x11] = true,
    [0x12] = true, [0x13] = true, [0x14] = true, [0x15] = true, [0x16] = true,
    [0x17] = true, [0x18] = true, [0x19] = true, [0x1A] = true, [0x1B] = true,
    [0x1C] = true, [0x1D] = true, [0x1E] = true, [0x1F] = true, [0x7F] = true,
    [0xC2] = true, [0xEF] = true};

/* Bytes that may begin a white space character. */
static const bool starts_space[256] = {
    [0x09] = true, [0x0A] = true, [0x0B] = true, [0x0C] = true, [0x0D] = true,
    [0x20] = true, [0xC2] = true, [0xE1] = true, [0xE2] = true, [0xE3] = true};

/* Bytes of the control character at text[0]; 0: it is none. */
static size_t control_length(const unsigned char *text, size_t size, bool is_sparing)
{
    unsigned char c = text[0];
    if (c == '\t' || c == '\n' || c == '\r')
        return 0;
    if (c < 0x20 || c == 0x7F)
        return is_sparing && (c == 0x0B || c == 0x0C) ? 0 : 1;
    if (c == 0xC2 && size >= 2 && text[1] >= 0x80 && text[1] < 0xA0)
        return is_sparing && text[1] == 0x85 ? 0 : 2;
    if (c == 0xEF && size >= 3 && text[1] == 0xBB && text[2] == 0xBF)
        return 3;
    return 0;
}

size_t text_find_control(const unsigned char *text, size_t size, bool is_sparing)
{
    size_t i = 0;
    while (i < size &&
           !(starts_control[text[i]] && control_length(text + i, size - i, is_sparing)))
        i++;
    return i;
}

void text_strip_controls(const unsigned char *text, size_t size, bool is_sparing,
                         struct bytes *out)
{
    while (size > 0) {
        size_t kept = text_find_control(text, size, is_sparing);
        bytes_put(out, text, kept);
        text += kept;
        size -= kept;
        size_t gone = size > 0 ? control_length(text, size, is_sparing) : 0;
        text += gone;
        size -= gone;
    }
}

/* Bytes of the run of white space at text[0]; *has_break: there is a line break in it. */
static size_t space_length(const unsigned char *text, size_t size, bool *has_break)
{
    size_t i = 0;
    *has_break = false;
    while (i < size && starts_space[text[i]]) {
        uint32_t code;
        size_t length = unicode_decode(text + i, size - i, &code);
        if (length == 0 || !unicode_is_white_space(code))
            break;
        if ((code >= 0x0A && code <= 0x0D) || code == 0x85 || code == 0x2028 ||
            code == 0x2029)
            *has_break = true;
        i += length;
    }
    return i;
}

/* *run: bytes of the run found; 0 when there is none. */
static size_t find_surplus(const unsigned char *text, size_t size, size_t *run,
                           bool *has_break)
{
    *run = 0;
    for (size_t i = 0; i < size;) {
        while (i < size && !starts_space[text[i]])
            i++;
        if (i == size)
            break;
        bool is_plain = text[i] == ' ' || text[i] == '\n';
        if (is_plain && (i + 1 == size || !starts_space[text[i + 1]])) {
            i++;
            continue;
        }
        size_t length = space_length(text + i, size - i, has_break);
        if (length > 1 || (length == 1 && text[i] != ' ' && text[i] != '\n')) {
            *run = length;
            return i;
        }
        i++;
    }
    return size;
}

size_t text_find_surplus_space(const unsigned char *text, size_t size)
{
    size_t run;
    bool has_break;
    return find_surplus(text, size, &run, &has_break);
}

void text_collapse_space(const unsigned char *text, size_t size, struct bytes *out)
{
    while (size > 0) {
        size_t run;
        bool has_break = false;
        size_t kept = find_surplus(text, size, &run, &has_break);
        bytes_put(out, text, kept);
        if (run > 0)
            bytes_put_u8(out, has_break ? '\n' : ' ');
        text += kept + run;
        size -= kept + run;
    }
}
