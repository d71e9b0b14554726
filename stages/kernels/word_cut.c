/* word_cut.c - cut a text where no piece of a vocabulary reaches across */
#include "stages/kernels/word_cut.h"

#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/vocabulary.h"

enum {
    SPACE_SIZE = 3,
    CHARACTER_MAX = 4,
    ASCII_WORDS = 128 * 128 / 64,
    HEADER_WORDS = 8,
    BITS_A_PAIR = 16,
    BITS_MIN = 10, /* log2 */
    /* Parts of more bytes behind their first U+2581s are cut further, where they can be:
     * those that would not fit a small slot of the cache, and shorter ones in scripts that
     * mostly do without spaces, so that their parts recur. So are lines. */
    CUT_ABOVE_ASCII = 15,
    CUT_ABOVE_OTHERS = 6,
    LEAD_OF_THREE = 0xE0,
    SPACES_LOOKED_AT = 16 * SPACE_SIZE
};

size_t word_character(const unsigned char *at, size_t left)
{
    size_t size = vocabulary_character(at, left);
    return size == 0 ? 1 : size;
}

bool word_is_text(const unsigned char *bytes, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        length = vocabulary_character(bytes + at, size - at);
        if (length == 0)
            return false;
    }
    return true;
}

static uint32_t pack(const unsigned char *at, size_t size)
{
    uint32_t packed = 0;
    for (size_t i = 0; i < size; i++)
        packed = packed << 8 | at[i];
    return packed;
}

static size_t join_bit(uint32_t left, uint32_t right, unsigned shift)
{
    uint64_t key = (uint64_t)left << 32 | right;
    return (size_t)((key ^ key >> 31) * UINT64_C(0x9E3779B97F4A7C15) >> shift);
}

static inline bool is_joined(const struct word_cut *cut, uint32_t left, uint32_t right)
{
    if ((left | right) < 128)
        return word_joins_ascii(cut, left, right);
    size_t bit = join_bit(left, right, cut->shift);
    return cut->joins[bit / 64] >> (bit % 64) & 1;
}

/* ---- building ---- */

struct builder {
    uint64_t *ascii, *joins;
    unsigned shift;
    bool has_spaces;
};

static void add_piece(struct builder *builder, const struct cut_piece *piece)
{
    static const uint32_t space = 0xE29681;
    uint32_t left = 0;
    size_t length;
    for (size_t at = 0; at < piece->size; at += length) {
        length = word_character(piece->bytes + at, piece->size - at);
        uint32_t right = pack(piece->bytes + at, length);
        if (at > 0 && (left | right) < 128) {
            size_t bit = left * 128 + right;
            builder->ascii[bit / 64] |= UINT64_C(1) << (bit % 64);
        } else if (at > 0) {
            size_t bit = join_bit(left, right, builder->shift);
            builder->joins[bit / 64] |= UINT64_C(1) << (bit % 64);
        }
        if (at > 0 && right == space && left != space)
            builder->has_spaces = false;
        left = right;
    }
}

enum error_code word_cut_build(const struct cut_piece *pieces, size_t count,
                               struct arena *work, struct image_section *section,
                               struct error *error)
{
    size_t pairs = 0;
    unsigned bits = BITS_MIN;
    for (size_t i = 0; i < count; i++)
        pairs += pieces[i].size > 1 ? pieces[i].size - 1 : 0;
    while (bits < 32 && (size_t)1 << bits < pairs * BITS_A_PAIR / 4)
        bits++; /* most pairs recur */
    size_t words = HEADER_WORDS + ASCII_WORDS + ((size_t)1 << bits) / 64;
    uint64_t *table = ARENA_NEW(work, uint64_t, words);
    if (!table)
        return error_set(error, ERROR_MEMORY, "no memory for the joins of pieces");
    struct builder builder = {.ascii = table + HEADER_WORDS,
                              .joins = table + HEADER_WORDS + ASCII_WORDS,
                              .shift = 64 - bits,
                              .has_spaces = true};
    for (size_t i = 0; i < count; i++)
        add_piece(&builder, &pieces[i]);
    table[0] = builder.has_spaces;
    table[1] = builder.shift;
    *section = (struct image_section){.data = table, .size = words * sizeof *table};
    return OK;
}

bool word_cut_open(const struct image_section *section, struct word_cut *cut)
{
    const uint64_t *table = section->data;
    const size_t words = section->size / sizeof *table;
    if (words < HEADER_WORDS + ASCII_WORDS)
        return false;
    *cut = (struct word_cut){.has_spaces = table[0] != 0,
                             .ascii = table + HEADER_WORDS,
                             .joins = table + HEADER_WORDS + ASCII_WORDS,
                             .shift = (unsigned)(table[1] & 63)};
    return cut->shift >= 32 && cut->shift <= 64 - BITS_MIN &&
           words - HEADER_WORDS - ASCII_WORDS == (UINT64_C(1) << (64 - cut->shift)) / 64;
}

/* ---- cutting ---- */

/* The next U+2581 at or behind `at`, or `size`. Eight bytes at a time. */
static size_t find_space(const unsigned char *text, size_t size, size_t at)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
    while (size - at >= 8) {
        uint64_t word;
        memcpy(&word, text + at, 8);
        word ^= ones * 0xE2;
        uint64_t zeros = (word - ones) & ~word & highs; /* the lowest one is true */
        if (zeros == 0) {
            at += 8;
            continue;
        }
        at += TRAILING_ZEROS(zeros) / 8;
        if (size - at >= SPACE_SIZE && word_is_space(text + at))
            return at;
        at++;
    }
    for (; at + SPACE_SIZE <= size; at++) {
        if (word_is_space(text + at))
            return at;
    }
    return size;
}

/* A character and its bytes, packed. */
static inline uint32_t take_character(const unsigned char *at, size_t left,
                                      size_t *length)
{
    if (at[0] < 0x80) {
        *length = 1;
        return at[0];
    }
    size_t size = vocabulary_character(at, left);
    *length = size == 0 ? 1 : size;
    return pack(at, *length);
}

size_t word_cut_first(const struct word_cut *cut, const unsigned char *text, size_t begin,
                      size_t end)
{
    size_t length;
    uint32_t left = take_character(text + begin, end - begin, &length);
    for (size_t at = begin + length; at < end; at += length) {
        uint32_t right = take_character(text + at, end - at, &length);
        if (!is_joined(cut, left, right))
            return at;
        left = right;
    }
    return end;
}

/* Big-endian, so that a character is in the upper bytes, or before `at` in the lower. */
static uint32_t load_four(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The usual case, in which four bytes on both sides can be read. What is no character is in
 * no piece: any answer does. */
static inline bool can_cut_inside(const struct word_cut *cut, const unsigned char *at)
{
    static const uint32_t lows = 0x01010101;
    uint32_t left = load_four(at - 4), right = load_four(at);
    uint32_t firsts = (~left >> 7 | left >> 6) & lows; /* bytes that begin characters */
    unsigned left_bits = 8 * (TRAILING_ZEROS(firsts | 1u << 24) / 8);
    unsigned ones = LEADING_ZEROS((uint64_t)~right << 32 | 1);
    unsigned right_size = ones < 2 ? 1 : ones < CHARACTER_MAX ? ones : CHARACTER_MAX;
    left &= UINT32_MAX >> (24 - left_bits);
    right >>= 32 - 8 * right_size;
    size_t bit = join_bit(left, right, cut->shift);
    return !(cut->joins[bit / 64] >> (bit % 64) & 1);
}

bool word_cut_can(const struct word_cut *cut, const unsigned char *text, size_t size,
                  size_t at)
{
    if (LIKELY(at >= CHARACTER_MAX && size - at >= CHARACTER_MAX &&
               (text[at - 1] | text[at]) >= 0x80))
        return can_cut_inside(cut, text + at);
    size_t length, from = at - 1;
    while (from > 0 && at - from < CHARACTER_MAX && (text[from] & 0xC0) == 0x80)
        from--;
    uint32_t left = take_character(text + from, at - from, &length);
    if (length != at - from)
        return true; /* no character ends here, so that no piece goes on */
    return !is_joined(cut, left, take_character(text + at, size - at, &length));
}

static bool has_control(const unsigned char *text, size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        if (text[i] < ' ')
            return true;
    }
    return false;
}

size_t word_cut_skip_spaces(const unsigned char *text, size_t limit, size_t at)
{
    while (at < limit && limit - at >= SPACE_SIZE && word_is_space(text + at))
        at += SPACE_SIZE;
    return at;
}

size_t word_cut_next(const struct word_cut *cut, struct word_cursor *cursor)
{
    const unsigned char *text = cursor->text;
    const size_t begin = cursor->at;
    if (cursor->stop <= begin) {
        size_t behind = word_cut_skip_spaces(text, cursor->size, begin);
        cursor->stop =
            cut->has_spaces ? find_space(text, cursor->size, behind) : cursor->size;
    }
    size_t end = cursor->stop;
    size_t limit = end - begin > SPACES_LOOKED_AT ? begin + SPACES_LOOKED_AT : end;
    size_t rest = word_cut_skip_spaces(text, limit, begin);
    bool is_long = !cut->has_spaces || end - rest > CUT_ABOVE_ASCII ||
                   (end - rest > CUT_ABOVE_OTHERS && text[rest] >= LEAD_OF_THREE) ||
                   has_control(text, rest, end);
    if (is_long) {
        bool is_in_spaces = rest == limit && limit < end;
        end = word_cut_first(
            cut, text, rest == begin || is_in_spaces ? begin : rest - SPACE_SIZE, end);
    }
    cursor->at = end;
    return end;
}
