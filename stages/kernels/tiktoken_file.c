/* tiktoken_file.c - read the text form of a byte-pair vocabulary: base64, space, rank */
#include "stages/kernels/tiktoken_file.h"

#include <stdbool.h>
#include <string.h>

#include "core/arena.h"

enum { BAD_DIGIT = 255 };

static void fill_digits(unsigned char digits[256])
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    memset(digits, BAD_DIGIT, 256);
    for (unsigned i = 0; i < 64; i++)
        digits[(unsigned char)alphabet[i]] = (unsigned char)i;
}

/* Decode the base64 at `at` up to a space. Returns where it ended; NULL: not base64 with
 * its padding. At most 3 bytes for 4 digits are written. */
static const unsigned char *decode(const unsigned char *at, const unsigned char *end,
                                   const unsigned char digits[256], unsigned char *out,
                                   size_t *size)
{
    size_t written = 0;
    while (end - at >= 4 && *at != ' ') {
        unsigned a = digits[at[0]], b = digits[at[1]];
        unsigned c = at[2] == '=' && at[3] == '=' ? 0 : digits[at[2]];
        unsigned d = at[3] == '=' ? 0 : digits[at[3]];
        if ((a | b | c | d) >= 64)
            return NULL;
        unsigned value = a << 18 | b << 12 | c << 6 | d;
        size_t kept = 3u - (at[3] == '=') - (at[2] == '=');
        out[written] = (unsigned char)(value >> 16);
        if (kept > 1)
            out[written + 1] = (unsigned char)(value >> 8);
        if (kept > 2)
            out[written + 2] = (unsigned char)value;
        written += kept;
        at += 4;
        if (kept < 3)
            break;
    }
    *size = written;
    return at < end && *at == ' ' && written > 0 ? at : NULL;
}

/* A decimal number that fills [at, end); false: it is none, or not below the limit. */
static bool read_id(const unsigned char *at, const unsigned char *end, uint32_t *id)
{
    uint32_t value = 0;
    if (at == end)
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        value = value * 10 + (*at - '0');
        if (value >= TOKEN_ID_LIMIT)
            return false;
    }
    *id = value;
    return true;
}

static size_t count_lines(const unsigned char *text, size_t size)
{
    size_t count = 1;
    const unsigned char *at = text;
    const unsigned char *end = text + size;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        count++;
        at++;
    }
    return count;
}

/* No rank twice, and a token for every byte: then any text has tokens. */
static enum error_code check_list(const struct token_list *list, struct arena *arena,
                                  struct error *error)
{
    bool has_byte[256] = {false};
    unsigned char *seen = ARENA_NEW(arena, unsigned char, (size_t)list->id_limit / 8 + 1);
    if (!seen)
        return error_set(error, ERROR_MEMORY, "no memory for a vocabulary");
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t id = list->ids[i];
        if (seen[id / 8] >> (id % 8) & 1)
            return error_set(error, ERROR_CONFIG, "rank %u stands there twice",
                             (unsigned)id);
        seen[id / 8] |= (unsigned char)(1u << (id % 8));
        if (list->starts[i + 1] - list->starts[i] == 1)
            has_byte[list->bytes[list->starts[i]]] = true;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!has_byte[byte])
            return error_set(error, ERROR_CONFIG, "no token for the byte 0x%02x", byte);
    }
    return OK;
}

enum error_code tiktoken_parse(const unsigned char *text, size_t size,
                               struct arena *arena, struct token_list *list,
                               struct error *error)
{
    unsigned char digits[256];
    fill_digits(digits);
    size_t capacity = count_lines(text, size);
    if (size > UINT32_MAX)
        return error_set(error, ERROR_CONFIG, "the file is larger than 4 GiB");
    uint32_t *starts = ARENA_RAW(arena, uint32_t, capacity + 1);
    uint32_t *ids = ARENA_RAW(arena, uint32_t, capacity);
    unsigned char *bytes = ARENA_RAW(arena, unsigned char, size);
    if (!starts || !ids || !bytes)
        return error_set(error, ERROR_MEMORY, "no memory for a vocabulary");
    uint32_t count = 0, id_limit = 0, line = 0;
    size_t used = 0;
    starts[0] = 0;
    const unsigned char *end = text + size;
    for (const unsigned char *at = text; at < end;) {
        const unsigned char *next = memchr(at, '\n', (size_t)(end - at));
        const unsigned char *line_end = next ? next : end;
        const unsigned char *begin = at;
        at = next ? next + 1 : end;
        line++;
        if (line_end > begin && line_end[-1] == '\r')
            line_end--;
        if (line_end == begin)
            continue;
        size_t token_size;
        const unsigned char *space =
            decode(begin, line_end, digits, bytes + used, &token_size);
        if (!space || !read_id(space + 1, line_end, &ids[count]))
            return error_set(error, ERROR_CONFIG,
                             "line %u is not a token in base64, a space and its rank",
                             (unsigned)line);
        if (ids[count] >= id_limit)
            id_limit = ids[count] + 1;
        used += token_size;
        starts[++count] = (uint32_t)used;
    }
    if (count == 0)
        return error_set(error, ERROR_CONFIG, "the file holds no tokens");
    *list = (struct token_list){.count = count,
                                .id_limit = id_limit,
                                .starts = starts,
                                .ids = ids,
                                .bytes = bytes};
    return check_list(list, arena, error);
}

struct hash128 token_list_hash(const struct token_list *list)
{
    struct hash128 parts[3] = {
        hash128(list->bytes, list->starts[list->count]),
        hash128(list->starts, sizeof *list->starts * ((size_t)list->count + 1)),
        hash128(list->ids, sizeof *list->ids * list->count),
    };
    return hash128(parts, sizeof parts);
}
