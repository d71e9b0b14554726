/* pair_table.c - byte-pair merging by a list of merges, whatever the list: the plain way */
#include "stages/kernels/pair_table.h"

#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/vocabulary.h"

#define MAGIC UINT64_C(0x3172696170656c62)
#define NONE UINT32_MAX
enum {
    HEAD_WORDS = 16,
    HEAD_SIZE = 8 + 4 * HEAD_WORDS + 4 * 256 + 56, /* a multiple of 64 */
    SHIFT_MIN = 36
};
enum { FLAG_BYTE_LEVEL = 1, FLAG_FALLBACK = 2, FLAG_FUSE = 4, FLAG_IGNORE = 8 };
enum {
    WORD_TOKENS,
    WORD_SLOT_SHIFT,
    WORD_PAIR_SHIFT,
    WORD_UNKNOWN,
    WORD_FLAGS,
    WORD_CONTINUING,
    WORD_END,
    WORD_BYTES
};

static uint32_t table_shift(uint64_t entries)
{
    uint32_t bits = 4;
    while (bits < 64 - SHIFT_MIN && (UINT64_C(1) << bits) < 2 * entries)
        bits++;
    return 64 - bits;
}

static size_t pair_start(const struct pair_table *table, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    return (size_t)((key ^ key >> 29) * UINT64_C(0x9E3779B97F4A7C15) >>
                    table->pair_shift);
}

uint32_t pair_table_rank(const struct pair_table *table, uint32_t left, uint32_t right,
                         uint32_t *merged)
{
    size_t mask = ((size_t)1 << (64 - table->pair_shift)) - 1;
    for (size_t i = pair_start(table, left, right);; i = (i + 1) & mask) {
        const struct pair_slot *slot = table->pairs + i;
        if (slot->rank == NONE)
            return NONE;
        if (slot->left == left && slot->right == right) {
            *merged = slot->merged;
            return slot->rank;
        }
    }
}

static uint32_t find_number(const struct pair_table *table, const unsigned char *text,
                            size_t size, size_t *free_slot)
{
    size_t mask = ((size_t)1 << (64 - table->slot_shift)) - 1;
    size_t i = (size_t)(vocabulary_hash(text, size) >> table->slot_shift);
    for (;; i = (i + 1) & mask) {
        uint32_t number = table->slots[i];
        *free_slot = i;
        if (number == NONE)
            return NONE;
        uint32_t begin = table->starts[number];
        if (table->starts[number + 1] - begin == size &&
            memcmp(table->bytes + begin, text, size) == 0)
            return number;
    }
}

uint32_t pair_table_find(const struct pair_table *table, const unsigned char *text,
                         size_t size)
{
    size_t ignored;
    uint32_t number = find_number(table, text, size, &ignored);
    return number == NONE ? NONE : table->ids[number];
}

/* ---- build ---- */

struct sections { /* offsets in the image */
    size_t ids, starts, bytes, slots, pairs, continuing, end_of_word, size;
};

static struct sections lay_out(uint32_t tokens, uint64_t bytes, uint32_t slot_shift,
                               uint32_t pair_shift, size_t continuing, size_t end)
{
    struct sections at = {.ids = HEAD_SIZE};
    at.starts = at.ids + 4 * (size_t)tokens;
    at.slots = at.starts + 4 * ((size_t)tokens + 1);
    at.pairs = at.slots + ((size_t)4 << (64 - slot_shift));
    at.pairs = (at.pairs + 15) / 16 * 16;
    at.bytes = at.pairs + (sizeof(struct pair_slot) << (64 - pair_shift));
    at.continuing = at.bytes + (size_t)bytes;
    at.end_of_word = at.continuing + continuing;
    at.size = (at.end_of_word + end + 63) / 64 * 64;
    return at;
}

static void put_pairs(const struct model_spec *model, struct pair_table *table,
                      struct pair_slot *slots)
{
    size_t mask = ((size_t)1 << (64 - table->pair_shift)) - 1;
    for (uint32_t rank = 0; rank < model->merge_count; rank++) {
        const struct spec_merge *merge = model->merges + rank;
        size_t i = pair_start(table, merge->left, merge->right);
        while (slots[i].rank != NONE &&
               (slots[i].left != merge->left || slots[i].right != merge->right))
            i = (i + 1) & mask;
        /* of a pair that stands there twice the last counts, as in a map */
        slots[i] = (struct pair_slot){merge->left, merge->right, rank, merge->merged};
    }
}

static void put_tokens(const struct model_spec *model, struct pair_table *table,
                       uint32_t *ids, uint32_t *starts, unsigned char *bytes,
                       uint32_t *slots)
{
    size_t used = 0;
    starts[0] = 0;
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct byte_range *text = &model->tokens[i].text;
        size_t slot;
        memcpy(bytes + used, text->bytes, text->size);
        used += text->size;
        ids[i] = model->tokens[i].id;
        starts[i + 1] = (uint32_t)used;
        bool is_used = model->tokens[i].kind != TOKEN_UNUSED;
        if (is_used && find_number(table, text->bytes, text->size, &slot) == NONE)
            slots[slot] = i;
    }
    table->ids = ids;
}

static void put_head(const struct model_spec *model, const struct pair_table *table,
                     uint32_t bytes_size, unsigned char *out)
{
    const uint64_t magic = MAGIC;
    memcpy(out, &magic, sizeof magic);
    unsigned char *words = out + sizeof magic;
    store_u32(words + (size_t)4 * WORD_TOKENS, model->token_count);
    store_u32(words + (size_t)4 * WORD_SLOT_SHIFT, table->slot_shift);
    store_u32(words + (size_t)4 * WORD_PAIR_SHIFT, table->pair_shift);
    store_u32(words + (size_t)4 * WORD_UNKNOWN, model->unknown);
    store_u32(words + (size_t)4 * WORD_FLAGS,
              (model->is_byte_level ? FLAG_BYTE_LEVEL : 0u) |
                  (model->byte_fallback ? FLAG_FALLBACK : 0u) |
                  (model->fuse_unknown ? FLAG_FUSE : 0u) |
                  (model->ignore_merges ? FLAG_IGNORE : 0u));
    store_u32(words + (size_t)4 * WORD_CONTINUING, (uint32_t)model->continuing.size);
    store_u32(words + (size_t)4 * WORD_END, (uint32_t)model->end_of_word.size);
    store_u32(words + (size_t)4 * WORD_BYTES, bytes_size);
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        int size = snprintf(name, sizeof name, "<0x%02X>", byte);
        store_u32(words + (size_t)4 * (HEAD_WORDS + byte),
                  pair_table_find(table, (const unsigned char *)name, (size_t)size));
    }
}

enum error_code pair_table_build(const struct model_spec *model, struct bytes *image,
                                 struct error *error)
{
    const struct byte_range *continuing = &model->continuing, *end = &model->end_of_word;
    uint64_t bytes_size = 0;
    for (uint32_t i = 0; i < model->token_count; i++)
        bytes_size += model->tokens[i].text.size;
    if (model->byte_fallback && continuing->size + end->size > 0)
        return error_set(error, ERROR_CONFIG,
                         "byte_fallback together with continuing_subword_prefix or "
                         "end_of_word_suffix is not supported");
    if (bytes_size > UINT32_MAX || continuing->size + end->size > UINT16_MAX)
        return error_set(error, ERROR_CONFIG, "the vocabulary is too large");
    struct pair_table table = {.slot_shift = table_shift(model->token_count),
                               .pair_shift = table_shift(model->merge_count)};
    struct sections at = lay_out(model->token_count, bytes_size, table.slot_shift,
                                 table.pair_shift, continuing->size, end->size);
    unsigned char *out = bytes_reserve(image, at.size);
    if (!out)
        return error_set(error, ERROR_MEMORY, "no memory for a table of merges");
    memset(out, 0, at.size);
    void *slots = out + at.slots, *pairs = out + at.pairs, *starts = out + at.starts;
    void *ids = out + at.ids;
    memset(slots, 0xFF, (size_t)4 << (64 - table.slot_shift));
    memset(pairs, 0xFF, sizeof(struct pair_slot) << (64 - table.pair_shift));
    table.slots = slots;
    table.starts = starts;
    table.bytes = out + at.bytes;
    put_tokens(model, &table, ids, starts, out + at.bytes, slots);
    put_pairs(model, &table, pairs);
    put_head(model, &table, (uint32_t)bytes_size, out);
    if (continuing->size > 0)
        memcpy(out + at.continuing, continuing->bytes, continuing->size);
    if (end->size > 0)
        memcpy(out + at.end_of_word, end->bytes, end->size);
    image->size += at.size;
    return OK;
}

/* ---- open ---- */

static bool is_shift(uint32_t shift)
{
    return shift >= SHIFT_MIN && shift <= 60;
}

/* Texts within the bytes, slots of tokens that are, and a free slot to stop at. */
static bool is_sound(const struct pair_table *table, uint32_t bytes_size)
{
    size_t slots = (size_t)1 << (64 - table->slot_shift);
    size_t pairs = (size_t)1 << (64 - table->pair_shift);
    size_t free_slots = 0, free_pairs = 0;
    if (table->starts[table->token_count] != bytes_size)
        return false;
    for (uint32_t i = 0; i < table->token_count; i++) {
        if (table->starts[i] > table->starts[i + 1])
            return false;
    }
    for (size_t i = 0; i < slots; i++) {
        free_slots += table->slots[i] == NONE;
        if (table->slots[i] != NONE && table->slots[i] >= table->token_count)
            return false;
    }
    for (size_t i = 0; i < pairs; i++)
        free_pairs += table->pairs[i].rank == NONE;
    return free_slots > 0 && free_pairs > 0;
}

enum error_code pair_table_open(const void *image, size_t size, struct pair_table *table,
                                struct error *error)
{
    const unsigned char *at = image;
    uint64_t magic = 0;
    if (size >= HEAD_SIZE)
        memcpy(&magic, at, sizeof magic);
    if (magic != MAGIC)
        return error_set(error, ERROR_DAMAGED, "not a table of merges");
    const unsigned char *words = at + sizeof magic;
    uint32_t flags = load_u32(words + (size_t)4 * WORD_FLAGS);
    uint32_t bytes_size = load_u32(words + (size_t)4 * WORD_BYTES);
    struct pair_table view = {.token_count = load_u32(words + (size_t)4 * WORD_TOKENS),
                              .slot_shift = load_u32(words + (size_t)4 * WORD_SLOT_SHIFT),
                              .pair_shift = load_u32(words + (size_t)4 * WORD_PAIR_SHIFT),
                              .unknown = load_u32(words + (size_t)4 * WORD_UNKNOWN),
                              .is_byte_level = (flags & FLAG_BYTE_LEVEL) != 0,
                              .byte_fallback = (flags & FLAG_FALLBACK) != 0,
                              .fuse_unknown = (flags & FLAG_FUSE) != 0,
                              .ignore_merges = (flags & FLAG_IGNORE) != 0};
    view.continuing.size = load_u32(words + (size_t)4 * WORD_CONTINUING);
    view.end_of_word.size = load_u32(words + (size_t)4 * WORD_END);
    bool is_fitting = is_shift(view.slot_shift) && is_shift(view.pair_shift) &&
                      view.continuing.size <= UINT16_MAX &&
                      view.end_of_word.size <= UINT16_MAX;
    struct sections sections = {0};
    if (is_fitting)
        sections = lay_out(view.token_count, bytes_size, view.slot_shift, view.pair_shift,
                           view.continuing.size, view.end_of_word.size);
    if (!is_fitting || sections.size > size)
        return error_set(error, ERROR_DAMAGED, "the table of merges is cut off");
    const void *ids = at + sections.ids, *starts = at + sections.starts;
    const void *slots = at + sections.slots, *pairs = at + sections.pairs;
    view.ids = ids;
    view.starts = starts;
    view.slots = slots;
    view.pairs = pairs;
    view.bytes = at + sections.bytes;
    view.continuing.bytes = at + sections.continuing;
    view.end_of_word.bytes = at + sections.end_of_word;
    for (unsigned byte = 0; byte < 256; byte++)
        view.byte_ids[byte] = load_u32(words + (size_t)4 * (HEAD_WORDS + byte));
    if (!is_sound(&view, bytes_size))
        return error_set(error, ERROR_DAMAGED, "the table of merges is damaged");
    *table = view;
    return OK;
}

/* ---- merging ---- */

struct symbol {
    uint32_t id, begin, end; /* bytes of the piece; empty: merged into another */
    uint32_t previous, next; /* NONE: none */
};

struct word {
    const struct pair_table *table;
    struct symbol *symbols; /* (count) */
    uint32_t count;
    uint64_t *heap; /* rank << 32 | symbol, the least first; may be out of date */
    size_t heap_count;
};

static void heap_push(struct word *word, uint64_t entry)
{
    size_t i = word->heap_count++;
    while (i > 0 && word->heap[(i - 1) / 2] > entry) {
        word->heap[i] = word->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    word->heap[i] = entry;
}

static uint64_t heap_pop(struct word *word)
{
    uint64_t least = word->heap[0];
    uint64_t last = word->heap[--word->heap_count];
    size_t i = 0;
    for (size_t child = 1; child < word->heap_count; child = 2 * i + 1) {
        if (child + 1 < word->heap_count && word->heap[child + 1] < word->heap[child])
            child++;
        if (last <= word->heap[child])
            break;
        word->heap[i] = word->heap[child];
        i = child;
    }
    word->heap[i] = last;
    return least;
}

static void add_symbol(struct word *word, uint32_t id, size_t begin, size_t end)
{
    word->symbols[word->count++] =
        (struct symbol){.id = id, .begin = (uint32_t)begin, .end = (uint32_t)end};
}

/* Byte fallback: all bytes of a character are tokens, or none is used. */
static bool add_bytes(struct word *word, const unsigned char *piece, size_t begin,
                      size_t end)
{
    const uint32_t *ids = word->table->byte_ids;
    for (size_t i = begin; i < end; i++) {
        if (ids[piece[i]] == NONE)
            return false;
    }
    for (size_t i = begin; i < end; i++)
        add_symbol(word, ids[piece[i]], i, i + 1);
    return true;
}

/* The token of the character piece[begin ... end) with what its place in the word adds. */
static uint32_t find_character(const struct pair_table *table, const unsigned char *piece,
                               size_t begin, size_t end, size_t size,
                               unsigned char *buffer)
{
    size_t used = 0;
    if (begin > 0 && table->continuing.size > 0) {
        memcpy(buffer, table->continuing.bytes, table->continuing.size);
        used = table->continuing.size;
    }
    memcpy(buffer + used, piece + begin, end - begin);
    used += end - begin;
    if (end == size && table->end_of_word.size > 0) {
        memcpy(buffer + used, table->end_of_word.bytes, table->end_of_word.size);
        used += table->end_of_word.size;
    }
    return pair_table_find(table, buffer, used);
}

/* The symbols before merging. An unknown run is held back until a known character comes,
 * even past characters that are spelt in bytes: so does the reference. */
static void add_characters(struct word *word, const unsigned char *piece, size_t size,
                           unsigned char *buffer)
{
    const struct pair_table *table = word->table;
    size_t unknown_begin = 0, unknown_end = 0;
    for (size_t begin = 0, end; begin < size; begin = end) {
        uint32_t point;
        size_t step = table->is_byte_level
                          ? 1
                          : unicode_decode(piece + begin, size - begin, &point);
        end = begin + (step ? step : 1);
        uint32_t id = find_character(table, piece, begin, end, size, buffer);
        bool is_pending = unknown_end > unknown_begin;
        if (id != NONE) {
            if (is_pending)
                add_symbol(word, table->unknown, unknown_begin, unknown_end);
            unknown_end = unknown_begin;
            add_symbol(word, id, begin, end);
            continue;
        }
        if (table->byte_fallback && add_bytes(word, piece, begin, end))
            continue;
        if (table->unknown == NONE)
            continue;
        if (is_pending && !table->fuse_unknown)
            add_symbol(word, table->unknown, unknown_begin, unknown_end);
        if (!is_pending || !table->fuse_unknown)
            unknown_begin = begin;
        unknown_end = end;
    }
    if (unknown_end > unknown_begin)
        add_symbol(word, table->unknown, unknown_begin, unknown_end);
}

static void rate(struct word *word, uint32_t at)
{
    const struct symbol *symbol = word->symbols + at;
    uint32_t merged;
    if (symbol->next == NONE)
        return;
    uint32_t rank =
        pair_table_rank(word->table, symbol->id, word->symbols[symbol->next].id, &merged);
    if (rank != NONE)
        heap_push(word, (uint64_t)rank << 32 | at);
}

static void merge_all(struct word *word)
{
    struct symbol *symbols = word->symbols;
    for (uint32_t i = 0; i < word->count; i++) {
        symbols[i].previous = i > 0 ? i - 1 : NONE;
        symbols[i].next = i + 1 < word->count ? i + 1 : NONE;
    }
    for (uint32_t i = 0; i < word->count; i++)
        rate(word, i);
    while (word->heap_count > 0) {
        uint64_t entry = heap_pop(word);
        struct symbol *left = symbols + (uint32_t)entry;
        uint32_t merged = NONE;
        if (left->id == NONE || left->next == NONE)
            continue;
        struct symbol *right = symbols + left->next;
        if (pair_table_rank(word->table, left->id, right->id, &merged) != entry >> 32)
            continue;
        left->id = merged;
        left->end = right->end > left->end ? right->end : left->end;
        left->next = right->next;
        right->id = NONE;
        if (left->next != NONE)
            symbols[left->next].previous = (uint32_t)entry;
        rate(word, (uint32_t)entry);
        if (left->previous != NONE)
            rate(word, left->previous);
    }
}

enum error_code pair_table_merge(const struct pair_table *table,
                                 const unsigned char *piece, size_t size,
                                 struct arena *scratch, uint32_t *ids,
                                 struct token_span *spans, size_t *count,
                                 struct error *error)
{
    uint32_t whole = NONE;
    if (table->ignore_merges)
        whole = pair_table_find(table, piece, size);
    if (whole != NONE) {
        ids[0] = whole;
        if (spans)
            spans[0] = (struct token_span){0, (uint32_t)size};
        *count = 1;
        return OK;
    }
    struct word word = {.table = table};
    unsigned char *buffer = ARENA_RAW(
        scratch, unsigned char, table->continuing.size + 4 + table->end_of_word.size);
    if (size < UINT32_MAX / 2) {
        word.symbols = ARENA_RAW(scratch, struct symbol, size);
        /* one for every pair at the start, two for every merge */
        word.heap = ARENA_RAW(scratch, uint64_t, 3 * size);
    }
    if (!buffer || !word.symbols || !word.heap)
        return error_set(error, ERROR_MEMORY, "no memory to merge a piece of %zu bytes",
                         size);
    add_characters(&word, piece, size, buffer);
    merge_all(&word);
    size_t written = 0;
    for (uint32_t i = 0; i < word.count; i = word.symbols[i].next) {
        ids[written] = word.symbols[i].id;
        if (spans)
            spans[written] =
                (struct token_span){word.symbols[i].begin, word.symbols[i].end};
        written++;
    }
    *count = written;
    return OK;
}
