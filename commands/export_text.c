/* export_text.c - texts as XML, as a part of a URL and as names of files */
#include "commands/export_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/unicode.h"

enum {
    DEPTH_MAX = 64,
    NAME_MAX_BYTES = 240, /* what is appended fits into 255 */
    PATH_MAX_BYTES = 2000
};
static const char replacement[] = "\xEF\xBF\xBD";

static void put(const char *text, struct bytes *out)
{
    bytes_put(out, text, strlen(text));
}

/* ---- XML ---- */

static bool is_xml_character(uint32_t code)
{
    return code == '\t' || code == '\n' || code == '\r' ||
           (code >= 0x20 && code != 0xFFFE && code != 0xFFFF);
}

static const char *xml_escape(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\t': /* else white space in attributes becomes blanks */
        return "&#9;";
    case '\n':
        return "&#10;";
    case '\r':
        return "&#13;";
    default:
        return NULL;
    }
}

void text_put_xml(const char *text, size_t size, struct bytes *out)
{
    const unsigned char *at = (const unsigned char *)text;
    while (size > 0) {
        uint32_t code;
        const char *escape = xml_escape(*at);
        size_t length = unicode_decode(at, size, &code);
        if (escape)
            put(escape, out);
        else if (length == 0 || !is_xml_character(code))
            put(replacement, out);
        else
            bytes_put(out, at, length);
        length = length ? length : 1;
        at += length;
        size -= length;
    }
}

/* ---- percent signs ---- */

static void put_percent(unsigned char byte, struct bytes *out)
{
    char text[4];
    (void)snprintf(text, sizeof text, "%%%02X", (unsigned)byte);
    put(text, out);
}

static bool is_alphanumeric(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void text_put_url(const char *text, size_t size, struct bytes *out)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (is_alphanumeric(c) || (c && strchr("-._~/", c)))
            bytes_put_u8(out, c);
        else
            put_percent(c, out);
    }
}

/* ---- paths ---- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Would the character, which begins at `at`, be misread or do harm there? */
static bool is_unsafe(const char *text, size_t size, size_t at, uint32_t code,
                      bool is_first)
{
    if (code == '.')
        return is_first;
    if (code == '/')
        return is_first || at + 1 == size || text[at + 1] == '/';
    if (code == '%')
        return size - at > 2 && is_hex(text[at + 1]) && is_hex(text[at + 2]);
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 ||
           code == 0x2029 || code == '\\';
}

const char *text_put_path(const char *text, size_t size, struct bytes *out)
{
    size_t depth = 0, begin = out->size, name = out->size;
    if (size == 0)
        return "it is empty";
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code = 0; /* of a byte that is not UTF-8 */
        length = unicode_decode((const unsigned char *)text + at, size - at, &code);
        length = length ? length : 1;
        if (is_unsafe(text, size, at, code, out->size == name))
            for (size_t i = 0; i < length; i++)
                put_percent((unsigned char)text[at + i], out);
        else
            bytes_put(out, text + at, length);
        if (out->is_bad)
            return NULL;
        if (out->data[out->size - 1] == '/') {
            name = out->size;
            if (++depth > DEPTH_MAX)
                return "it has more than 64 folders";
        }
        if (out->size - name > NAME_MAX_BYTES)
            return "a name in it has more than 240 bytes";
        if (out->size - begin > PATH_MAX_BYTES)
            return "it has more than 2000 bytes";
    }
    return NULL;
}

const char *text_last_name(const char *text, size_t size, size_t *name_size)
{
    size_t begin = size;
    while (begin > 0 && text[begin - 1] != '/')
        begin--;
    *name_size = size - begin;
    return text + begin;
}

size_t text_stem(const char *text, size_t size)
{
    static const char *const known[] = {"jpg",  "jpeg", "jpe",  "jfif", "png",
                                        "webp", "tif",  "tiff", "bmp",  "gif"};
    char end[5] = "";
    size_t dot = size;
    while (dot > 0 && text[dot - 1] != '.' && text[dot - 1] != '/')
        dot--;
    if (dot < 2 || text[dot - 1] != '.' || text[dot - 2] == '/' || size - dot > 4)
        return size;
    for (size_t i = dot; i < size; i++)
        end[i - dot] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(end, known[i]) == 0)
            return dot - 1;
    return size;
}
