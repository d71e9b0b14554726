/* trainer_words.c - the words and the characters that a vocabulary is trained on */
#include "stages/kernels/trainer_words.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/hash.h"
#include "core/unicode.h"
#include "stages/kernels/unicode_tables.h"

enum { CODE_COUNT = 0x110000, REPLACEMENT = 0xFFFD, WORD_MARK = 0x2581 };

/* ---- words ---- */

struct word_set {                /* words so far, and where they stand by hash */
    struct counted_piece *words; /* (capacity), owned until it goes to the arena */
    size_t count, capacity;
    uint64_t *index; /* hash above, word + 1 below; 0: free. (index_size), owned */
    size_t index_size;
};

static bool index_grow(struct word_set *set)
{
    size_t room = 0, size = set->index_size ? 2 * set->index_size : 4096;
    uint64_t *index = array_grow(NULL, &room, size, sizeof *index);
    if (!index)
        return false;
    for (size_t i = 0; i < set->index_size; i++) {
        size_t at = (size_t)(set->index[i] >> 32) & (size - 1);
        while (set->index[i] != 0 && index[at] != 0)
            at = (at + 1) & (size - 1);
        if (set->index[i] != 0)
            index[at] = set->index[i];
    }
    free(set->index);
    set->index = index;
    set->index_size = size;
    return true;
}

static bool set_count(struct word_set *set, const unsigned char *bytes, uint32_t size,
                      uint64_t count)
{
    if ((set->count + 1) * 2 > set->index_size && !index_grow(set))
        return false;
    uint64_t hash = hash64(bytes, size, 0) >> 32;
    size_t mask = set->index_size - 1, at = (size_t)hash & mask;
    for (; set->index[at] != 0; at = (at + 1) & mask) {
        assert(set->words); /* the index names one */
        struct counted_piece *word = set->words + ((uint32_t)set->index[at] - 1);
        if (set->index[at] >> 32 == hash && word->size == size &&
            memcmp(word->bytes, bytes, size) == 0) {
            word->count += count;
            return true;
        }
    }
    struct counted_piece *words =
        array_grow(set->words, &set->capacity, set->count + 1, sizeof *words);
    if (!words || set->count >= UINT32_MAX - 1)
        return false;
    set->words = words;
    words[set->count++] = (struct counted_piece){bytes, size, count};
    set->index[at] = hash << 32 | set->count;
    return true;
}

enum group { GROUP_ANY, GROUP_SCRIPT, GROUP_COMMON };

struct code_range {
    uint32_t first, last;
};

/* Numbers, punctuation and symbols above U+036F that belong to no script (Unicode's Common
 * and Inherited), about: others are used with the letters of one. */
static bool is_common(uint32_t code)
{
    static const struct code_range ranges[] = {
        {0x0000, 0x036F},   {0x037E, 0x037E},   {0x0385, 0x0387}, {0x0605, 0x060C},
        {0x061B, 0x061F},   {0x0660, 0x0669},   {0x06DD, 0x06DD}, {0x0964, 0x0965},
        {0x0E3F, 0x0E3F},   {0x10FB, 0x10FB},   {0x16EB, 0x16ED}, {0x1735, 0x1736},
        {0x2000, 0x27FF},   {0x2900, 0x2BFF},   {0x2E00, 0x2E7F}, {0x2FF0, 0x3037},
        {0x303C, 0x3040},   {0x309B, 0x309C},   {0x30FB, 0x30FB}, {0x3190, 0x33FF},
        {0x4DC0, 0x4DFF},   {0xA700, 0xA721},   {0xE000, 0xF8FF}, {0xFD3E, 0xFD3F},
        {0xFE10, 0xFF20},   {0xFF3B, 0xFF65},   {0xFFE0, 0xFFFF}, {0x1D000, 0x1D7FF},
        {0x1F000, 0x1FFFF}, {0xE0000, 0x10FFFF}};
    size_t low = 0, high = sizeof ranges / sizeof *ranges;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof ranges / sizeof *ranges && ranges[low].first <= code;
}

static enum group group_of(uint32_t code)
{
    enum { JOINERS = 0x200C }; /* U+200C and U+200D */
    if (code == WORD_MARK || (code | 1) == (JOINERS | 1))
        return GROUP_ANY;
    switch (unicode_class_of(code)) {
    case CLASS_MARK:
        return GROUP_ANY;
    case CLASS_UPPER:
    case CLASS_LOWER:
    case CLASS_LETTER:
        return GROUP_SCRIPT;
    default:
        return is_common(code) ? GROUP_COMMON : GROUP_SCRIPT;
    }
}

static bool cut_piece(struct word_set *set, const struct counted_piece *piece)
{
    enum group group = GROUP_ANY;
    uint32_t begin = 0, code = 0;
    for (uint32_t at = 0, length; at < piece->size; at += length) {
        length = (uint32_t)unicode_decode(piece->bytes + at, piece->size - at, &code);
        enum group next = length ? group_of(code) : GROUP_COMMON;
        length = length ? length : 1;
        if (next == GROUP_ANY)
            continue;
        if (group != GROUP_ANY && next != group) {
            if (!set_count(set, piece->bytes + begin, at - begin, piece->count))
                return false;
            begin = at;
        }
        group = next;
    }
    return set_count(set, piece->bytes + begin, piece->size - begin, piece->count);
}

enum error_code trainer_words_cut(const struct counted_piece *pieces, size_t count,
                                  struct arena *arena, const struct counted_piece **words,
                                  size_t *word_count, struct error *error)
{
    struct word_set set = {0};
    bool is_good = true;
    for (size_t i = 0; i < count && is_good; i++)
        is_good = cut_piece(&set, pieces + i);
    struct counted_piece *list = ARENA_RAW(arena, struct counted_piece, set.count + 1);
    if (is_good && list) {
        if (set.count > 0)
            memcpy(list, set.words, set.count * sizeof *list);
        *words = list;
        *word_count = set.count;
    }
    free(set.words);
    free(set.index);
    return is_good && list ? OK
                           : error_set(error, ERROR_MEMORY, "no memory to cut words");
}

/* ---- characters ---- */

struct character {
    uint64_t count;
    uint32_t code;
};

static int compare_characters(const void *left, const void *right)
{
    const struct character *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return a->code < b->code ? -1 : a->code > b->code;
}

static void count_characters(const struct counted_piece *words, size_t count,
                             uint64_t *counts)
{
    for (size_t i = 0; i < count; i++) {
        for (uint32_t at = 0; at < words[i].size;) {
            uint32_t code = words[i].bytes[at];
            size_t length = 1;
            if (code >= 0x80)
                length = unicode_decode(words[i].bytes + at, words[i].size - at, &code);
            if (length > 0)
                counts[code] += words[i].count;
            at += length ? (uint32_t)length : 1;
        }
    }
    counts[REPLACEMENT] = 0;
}

enum error_code trainer_alphabet_count(const struct counted_piece *words, size_t count,
                                       double coverage, uint32_t limit,
                                       struct arena *arena,
                                       struct trainer_alphabet *alphabet,
                                       struct error *error)
{
    uint64_t *counts = ARENA_NEW(arena, uint64_t, CODE_COUNT);
    struct character *list = ARENA_RAW(arena, struct character, CODE_COUNT);
    if (!counts || !list)
        return error_set(error, ERROR_MEMORY, "no memory to count characters");
    count_characters(words, count, counts);
    size_t found = 0;
    uint64_t total = 0, covered = 0;
    for (uint32_t code = 0; code < CODE_COUNT; code++) {
        if (counts[code] > 0)
            list[found++] = (struct character){counts[code], code};
        total += counts[code];
    }
    qsort(list, found, sizeof *list, compare_characters);
    arena_trim(arena, list, (found + 1) * sizeof *list);
    uint32_t *codes = ARENA_RAW(arena, uint32_t, found + 1);
    uint64_t *sorted = ARENA_RAW(arena, uint64_t, found + 1);
    if (!codes || !sorted)
        return error_set(error, ERROR_MEMORY, "no memory to count characters");
    uint32_t kept = 0;
    while (kept < found && (limit == 0 || kept < limit) &&
           (coverage >= 1 || (double)covered < coverage * (double)total)) {
        covered += list[kept].count;
        codes[kept] = list[kept].code;
        sorted[kept] = list[kept].count;
        kept++;
    }
    *alphabet = (struct trainer_alphabet){codes, sorted, kept};
    return OK;
}

size_t trainer_put_code(uint32_t code, unsigned char text[4])
{
    if (code < 0x80) {
        text[0] = (unsigned char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = size - 1; i > 0; i--) {
        text[i] = (unsigned char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    text[0] = (unsigned char)(0xF00u >> size | code);
    return size;
}
