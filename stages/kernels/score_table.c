/* score_table.c - the compiled form of a SentencePiece byte-pair model */
#include "stages/kernels/score_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/memory_image.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/word_cache.h"

enum { IMAGE_KIND = 0x53504532, SLOT_BITS_MIN = 4, CHARACTERS_MAX = 1 << 18 };

enum section {
    SCORE_HEADER,
    SCORE_IDS,
    SCORE_RANKS,
    SCORE_LASTS,
    SCORE_PARTS,
    SCORE_NEAR,
    SCORE_NEAR_PAIRS,
    SCORE_CHARACTERS,
    SCORE_FILTER,
    SCORE_PAIRS,
    SCORE_BYTE_IDS,
    SCORE_SIZES,
    SCORE_USERS,
    SCORE_CUT,
    SCORE_COUNT
};

struct header {
    uint32_t symbol_count, rank_count, id_limit, unknown;
    uint32_t byte_fallback, is_ordered, has_users, character_shift, pair_shift;
};

struct symbol {
    struct byte_range text;
    uint32_t id, rank;
    uint32_t parts[2]; /* SYMBOL_NONE: there are none */
    bool is_user, is_unused, is_character;
    double score;
};

struct builder {
    const struct model_spec *model;
    struct arena *work;
    struct error *error;
    struct symbol *symbols; /* (count), room for `capacity` */
    uint32_t count, capacity;
    uint32_t
        *by_text; /* slots of symbols that are merged or merge: symbol + 1; 0: empty */
    size_t text_mask;
    struct header header;
    bool has_unused;
    struct piece_trie users;
    struct image_section sections[SCORE_COUNT];
    /* room for the characters of the longest piece */
    struct part *parts;
};

struct part { /* of a piece while its characters are merged */
    uint32_t symbol, rank;
    size_t begin, end;
};

static enum error_code fail_memory(const struct builder *builder)
{
    return error_set(builder->error, ERROR_MEMORY, "no memory to compile a vocabulary");
}

/* ---- symbols ---- */

static uint32_t *text_slot(const struct builder *builder, struct byte_range text)
{
    size_t i = (size_t)vocabulary_hash(text.bytes, text.size) & builder->text_mask;
    for (;; i = (i + 1) & builder->text_mask) {
        uint32_t found = builder->by_text[i];
        if (found == 0)
            return &builder->by_text[i];
        const struct symbol *symbol = &builder->symbols[found - 1];
        if (symbol->text.size == text.size &&
            memcmp(symbol->text.bytes, text.bytes, text.size) == 0)
            return &builder->by_text[i];
    }
}

static uint32_t find_symbol(const struct builder *builder, const unsigned char *bytes,
                            size_t size)
{
    uint32_t found = *text_slot(builder, (struct byte_range){bytes, size});
    return found == 0 ? SYMBOL_NONE : found - 1;
}

static bool is_in_text(const struct spec_token *token)
{
    return (token->kind == TOKEN_NORMAL || token->kind == TOKEN_USER_DEFINED ||
            token->kind == TOKEN_UNUSED) &&
           word_is_text(token->text.bytes, token->text.size);
}

/* Room for every piece, and for every character of every piece. */
static enum error_code reserve_symbols(struct builder *builder)
{
    const struct model_spec *model = builder->model;
    size_t characters = 0, longest = 1, slots = 16;
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        characters += token->text.size;
        longest = token->text.size > longest ? token->text.size : longest;
    }
    size_t capacity = characters < CHARACTERS_MAX ? characters : CHARACTERS_MAX;
    if (model->token_count >= SYMBOL_NONE - CHARACTERS_MAX)
        return error_set(builder->error, ERROR_CONFIG,
                         "the vocabulary has too many pieces");
    capacity += model->token_count;
    while (slots < 2 * capacity)
        slots *= 2;
    builder->capacity = (uint32_t)capacity;
    builder->symbols = ARENA_NEW(builder->work, struct symbol, capacity);
    builder->by_text = ARENA_NEW(builder->work, uint32_t, slots);
    builder->parts = ARENA_NEW(builder->work, struct part, longest);
    builder->text_mask = slots - 1;
    return builder->symbols && builder->by_text && builder->parts ? OK
                                                                  : fail_memory(builder);
}

static struct symbol *add_symbol(struct builder *builder, struct byte_range text,
                                 uint32_t id)
{
    if (builder->count >= builder->capacity || builder->count >= SYMBOL_NONE)
        return NULL;
    struct symbol *symbol = &builder->symbols[builder->count++];
    *symbol = (struct symbol){
        .text = text, .id = id, .rank = RANK_NONE, .parts = {SYMBOL_NONE, SYMBOL_NONE}};
    symbol->is_character = word_character(text.bytes, text.size) == text.size;
    return symbol;
}

static enum error_code add_pieces(struct builder *builder)
{
    for (uint32_t i = 0; i < builder->model->token_count; i++) {
        const struct spec_token *token = &builder->model->tokens[i];
        if (!is_in_text(token))
            continue;
        struct symbol *symbol = add_symbol(builder, token->text, token->id);
        if (!symbol)
            return fail_memory(builder);
        symbol->is_user = token->kind == TOKEN_USER_DEFINED;
        symbol->is_unused = token->kind == TOKEN_UNUSED;
        symbol->score = token->score;
        builder->has_unused = builder->has_unused || symbol->is_unused;
        builder->header.has_users |= symbol->is_user;
        uint32_t *slot = text_slot(builder, token->text);
        if (*slot != 0)
            return error_set(builder->error, ERROR_CONFIG,
                             "the vocabulary has a piece twice");
        if (!symbol->is_user)
            *slot = builder->count;
    }
    return OK;
}

/* Characters that are no pieces but stand in some. */
static enum error_code add_characters(struct builder *builder)
{
    const uint32_t pieces = builder->count;
    for (uint32_t i = 0; i < pieces; i++) {
        struct byte_range text = builder->symbols[i].text;
        size_t length;
        for (size_t at = 0; at < text.size && !builder->symbols[i].is_user;
             at += length) {
            length = word_character(text.bytes + at, text.size - at);
            struct byte_range character = {text.bytes + at, length};
            uint32_t *slot = text_slot(builder, character);
            if (*slot != 0)
                continue;
            if (!add_symbol(builder, character, UINT32_MAX))
                return error_set(builder->error, ERROR_CONFIG,
                                 "the vocabulary has too many characters");
            *slot = builder->count;
        }
    }
    return OK;
}

static int compare_scores(const void *left, const void *right)
{
    const struct symbol *a = *(const struct symbol *const *)left;
    const struct symbol *b = *(const struct symbol *const *)right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a > b) - (a < b); /* as they came */
}

/* Sort the symbols and number their ranks. */
static enum error_code rank_symbols(struct builder *builder)
{
    const uint32_t count = builder->count;
    struct symbol **order = ARENA_NEW(builder->work, struct symbol *, count);
    struct symbol *sorted = ARENA_NEW(builder->work, struct symbol, count);
    if (!order || !sorted)
        return fail_memory(builder);
    for (uint32_t i = 0; i < count; i++)
        order[i] = &builder->symbols[i];
    if (count > 0)
        qsort(order, count, sizeof *order, compare_scores);
    memset(builder->by_text, 0, (builder->text_mask + 1) * sizeof *builder->by_text);
    uint32_t rank = 0;
    for (uint32_t i = 0; i < count; i++) {
        rank += i > 0 && order[i]->score != order[i - 1]->score;
        sorted[i] = *order[i];
        sorted[i].rank = rank;
    }
    builder->symbols = sorted;
    for (uint32_t i = 0; i < count; i++) {
        if (!sorted[i].is_user)
            *text_slot(builder, sorted[i].text) = i + 1;
    }
    builder->header.rank_count = rank + 1;
    return OK;
}

/* ---- pairs ---- */

static uint32_t part_rank(const struct builder *builder, const unsigned char *text,
                          const struct part *left, const struct part *right)
{
    uint32_t symbol = find_symbol(builder, text + left->begin, right->end - left->begin);
    return symbol == SYMBOL_NONE ? RANK_NONE : builder->symbols[symbol].rank;
}

/* Its characters; 0 where a user-defined piece stands in it, which merging cannot cross. */
static size_t split_parts(struct builder *builder, struct byte_range text)
{
    size_t count = 0, length;
    uint32_t value;
    for (size_t at = 0; at < text.size; at += length) {
        if (builder->header.has_users &&
            piece_trie_longest(&builder->users, text.bytes + at, text.size - at, &value) >
                0)
            return 0;
        length = word_character(text.bytes + at, text.size - at);
        uint32_t symbol = find_symbol(builder, text.bytes + at, length);
        builder->parts[count++] =
            (struct part){.symbol = symbol, .begin = at, .end = at + length};
    }
    for (size_t i = 0; i < count; i++) {
        struct part *parts = builder->parts;
        parts[i].rank = i + 1 < count
                            ? part_rank(builder, text.bytes, &parts[i], &parts[i + 1])
                            : RANK_NONE;
    }
    return count;
}

/* Merge the characters of a piece by themselves: the last pair is its pair. */
static void find_parts(struct builder *builder, struct symbol *symbol)
{
    const unsigned char *text = symbol->text.bytes;
    struct part *parts = builder->parts;
    size_t count = split_parts(builder, symbol->text);
    while (count > 2) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++) {
            if (parts[i].rank < parts[best].rank)
                best = i;
        }
        if (parts[best].rank == RANK_NONE)
            return;
        parts[best].end = parts[best + 1].end;
        parts[best].symbol = find_symbol(builder, text + parts[best].begin,
                                         parts[best].end - parts[best].begin);
        memmove(parts + best + 1, parts + best + 2, (count - best - 2) * sizeof *parts);
        count--;
        parts[best].rank = best + 1 < count
                               ? part_rank(builder, text, &parts[best], &parts[best + 1])
                               : RANK_NONE;
        if (best > 0)
            parts[best - 1].rank =
                part_rank(builder, text, &parts[best - 1], &parts[best]);
    }
    if (count == 2) {
        symbol->parts[0] = parts[0].symbol;
        symbol->parts[1] = parts[1].symbol;
    }
}

static bool pair_is_ordered(const struct builder *builder, const struct symbol *symbol)
{
    for (size_t i = 0; i < 2; i++) {
        const struct symbol *part = &builder->symbols[symbol->parts[i]];
        if (!part->is_character && part->rank > symbol->rank)
            return false;
    }
    return true;
}

static uint64_t *new_slots(struct builder *builder, size_t entries, unsigned *shift)
{
    unsigned bits = SLOT_BITS_MIN;
    while ((size_t)1 << bits < 2 * entries)
        bits++;
    uint64_t *slots = ARENA_RAW(builder->work, uint64_t, (size_t)1 << bits);
    for (size_t i = 0; slots && i < (size_t)1 << bits; i++)
        slots[i] = PAIR_EMPTY;
    *shift = 64 - bits;
    return slots;
}

static void put_slot(uint64_t *slots, unsigned shift, uint64_t key, uint64_t slot)
{
    size_t mask = ((size_t)1 << (64 - shift)) - 1;
    size_t i = score_slot(key, shift);
    while (slots[i] != PAIR_EMPTY)
        i = (i + 1) & mask;
    slots[i] = slot;
}

static void take_slots(struct builder *builder, enum section section,
                       const uint64_t *slots, unsigned shift)
{
    builder->sections[section] = (struct image_section){
        .data = slots, .size = ((size_t)1 << (64 - shift)) * sizeof *slots};
}

/* Find the pairs of all pieces. Returns how many there are. */
static size_t find_all_parts(struct builder *builder)
{
    size_t count = 0;
    builder->header.is_ordered = true;
    for (uint32_t i = 0; i < builder->count; i++) {
        struct symbol *symbol = &builder->symbols[i];
        if (symbol->is_user || symbol->is_character)
            continue;
        find_parts(builder, symbol);
        if (symbol->parts[0] == SYMBOL_NONE)
            continue;
        builder->header.is_ordered &= pair_is_ordered(builder, symbol);
        count++;
    }
    return count;
}

static enum error_code make_pairs(struct builder *builder)
{
    uint64_t *pairs =
        new_slots(builder, find_all_parts(builder), &builder->header.pair_shift);
    size_t words = ((size_t)1 << (64 - builder->header.pair_shift + FILTER_BITS)) / 64;
    uint64_t *filter = ARENA_NEW(builder->work, uint64_t, words);
    if (!pairs || !filter)
        return fail_memory(builder);
    for (uint32_t i = 0; i < builder->count; i++) {
        const uint32_t *parts = builder->symbols[i].parts;
        if (parts[0] == SYMBOL_NONE)
            continue;
        uint64_t key = (uint64_t)parts[0] << SYMBOL_BITS | parts[1];
        put_slot(pairs, builder->header.pair_shift, key, key << SYMBOL_BITS | i);
        size_t bit =
            (size_t)(score_hash(key) >> (builder->header.pair_shift - FILTER_BITS));
        filter[bit / 64] |= UINT64_C(1) << (bit % 64);
    }
    builder->sections[SCORE_FILTER] =
        (struct image_section){filter, words * sizeof *filter};
    take_slots(builder, SCORE_PAIRS, pairs, builder->header.pair_shift);
    return OK;
}

/* ---- the other tables ---- */

static enum error_code make_characters(struct builder *builder)
{
    size_t others = 0;
    for (uint32_t i = 0; i < builder->count; i++)
        others += builder->symbols[i].is_character;
    uint64_t *slots = new_slots(builder, others, &builder->header.character_shift);
    if (!slots)
        return fail_memory(builder);
    for (uint32_t i = 0; i < builder->count; i++) {
        const struct symbol *symbol = &builder->symbols[i];
        if (!symbol->is_character || symbol->is_user)
            continue;
        uint64_t packed = score_character_pack(symbol->text.bytes, symbol->text.size);
        if (packed >= 128)
            put_slot(slots, builder->header.character_shift, packed, packed << 32 | i);
    }
    take_slots(builder, SCORE_CHARACTERS, slots, builder->header.character_shift);
    return OK;
}

/* The symbol of a near character, or SYMBOL_NONE. */
static uint32_t near_symbol(const struct builder *builder, unsigned number)
{
    static const unsigned char space[] = {0xE2, 0x96, 0x81};
    unsigned char byte = (unsigned char)number;
    return number == NEAR_SPACE ? find_symbol(builder, space, sizeof space)
                                : find_symbol(builder, &byte, 1);
}

static enum error_code make_near(struct builder *builder)
{
    uint32_t *near = ARENA_RAW(builder->work, uint32_t, NEAR_COUNT);
    uint32_t *pairs = ARENA_RAW(builder->work, uint32_t, NEAR_COUNT * NEAR_COUNT);
    uint32_t *numbers = ARENA_NEW(builder->work, uint32_t, builder->count);
    if (!near || !pairs || !numbers)
        return fail_memory(builder);
    for (unsigned i = 0; i < NEAR_COUNT; i++) {
        near[i] = near_symbol(builder, i);
        if (near[i] != SYMBOL_NONE)
            numbers[near[i]] = i + 1;
    }
    for (size_t i = 0; i < (size_t)NEAR_COUNT * NEAR_COUNT; i++)
        pairs[i] = SYMBOL_NONE;
    for (uint32_t i = 0; i < builder->count; i++) {
        const uint32_t *parts = builder->symbols[i].parts;
        if (parts[0] == SYMBOL_NONE || numbers[parts[0]] == 0 || numbers[parts[1]] == 0)
            continue;
        size_t row = numbers[parts[0]] - 1;
        pairs[row * NEAR_COUNT + numbers[parts[1]] - 1] = i;
    }
    builder->sections[SCORE_NEAR] =
        (struct image_section){near, NEAR_COUNT * sizeof *near};
    builder->sections[SCORE_NEAR_PAIRS] =
        (struct image_section){pairs, (size_t)NEAR_COUNT * NEAR_COUNT * sizeof *pairs};
    return OK;
}

static enum error_code make_symbols(struct builder *builder)
{
    uint32_t count = builder->count;
    uint32_t *ids = ARENA_RAW(builder->work, uint32_t, count);
    uint32_t *ranks = ARENA_RAW(builder->work, uint32_t, count);
    uint32_t *lasts = ARENA_RAW(builder->work, uint32_t, count);
    uint32_t *parts = ARENA_RAW(builder->work, uint32_t, 2 * (size_t)count);
    if (!ids || !ranks || !lasts || !parts)
        return fail_memory(builder);
    for (uint32_t i = 0; i < count; i++) {
        const struct symbol *symbol = &builder->symbols[i];
        ids[i] = symbol->id;
        ranks[i] = symbol->rank;
        parts[2 * (size_t)i] = symbol->is_unused ? symbol->parts[0] : SYMBOL_NONE;
        parts[2 * (size_t)i + 1] = symbol->is_unused ? symbol->parts[1] : SYMBOL_NONE;
    }
    for (uint32_t i = count; i-- > 0;)
        lasts[i] = i + 1 < count && ranks[i + 1] == ranks[i] ? lasts[i + 1] : i;
    size_t size = count * sizeof *ids;
    builder->sections[SCORE_IDS] = (struct image_section){ids, size};
    builder->sections[SCORE_RANKS] = (struct image_section){ranks, size};
    builder->sections[SCORE_LASTS] = (struct image_section){lasts, size};
    if (builder->has_unused)
        builder->sections[SCORE_PARTS] = (struct image_section){parts, 2 * size};
    return OK;
}

static enum error_code make_ids(struct builder *builder)
{
    const struct model_spec *model = builder->model;
    uint32_t *bytes = ARENA_NEW(builder->work, uint32_t, 256);
    uint32_t *sizes = ARENA_NEW(builder->work, uint32_t, model->id_limit);
    if (!bytes || !sizes)
        return fail_memory(builder);
    for (uint32_t i = 0; i < model->token_count; i++) {
        const struct spec_token *token = &model->tokens[i];
        char digits[3] = {0};
        if (token->id >= model->id_limit)
            return error_set(builder->error, ERROR_CONFIG, "id %u is out of range",
                             token->id);
        if (token->kind == TOKEN_BYTE && token->text.size == 6) {
            memcpy(digits, token->text.bytes + 3, 2);
            bytes[strtoul(digits, NULL, 16) & 255] = token->id;
        } else if (is_in_text(token)) {
            sizes[token->id] = (uint32_t)token->text.size;
        }
    }
    builder->sections[SCORE_BYTE_IDS] =
        (struct image_section){bytes, 256 * sizeof *bytes};
    builder->sections[SCORE_SIZES] =
        (struct image_section){sizes, model->id_limit * sizeof *sizes};
    return OK;
}

static enum error_code make_users(struct builder *builder)
{
    struct trie_piece *pieces =
        ARENA_RAW(builder->work, struct trie_piece, builder->count);
    const uint64_t *cells;
    size_t count = 0, cell_count;
    if (!pieces)
        return fail_memory(builder);
    for (uint32_t i = 0; i < builder->count; i++) {
        struct byte_range text = builder->symbols[i].text;
        if (builder->symbols[i].is_user)
            pieces[count++] = (struct trie_piece){text.bytes, text.size, i};
    }
    enum error_code code = piece_trie_build(pieces, count, builder->work, &cells,
                                            &cell_count, builder->error);
    if (code != OK)
        return code;
    builder->sections[SCORE_USERS] =
        (struct image_section){cells, cell_count * sizeof *cells};
    (void)piece_trie_open(cells, cell_count * sizeof *cells, &builder->users);
    return OK;
}

static enum error_code make_cut(struct builder *builder)
{
    struct cut_piece *pieces = ARENA_RAW(builder->work, struct cut_piece, builder->count);
    if (!pieces)
        return fail_memory(builder);
    for (uint32_t i = 0; i < builder->count; i++) {
        struct byte_range text = builder->symbols[i].text;
        pieces[i] = (struct cut_piece){text.bytes, text.size};
    }
    return word_cut_build(pieces, builder->count, builder->work,
                          &builder->sections[SCORE_CUT], builder->error);
}

enum error_code score_table_build(const struct tokenizer_spec *spec, struct arena *work,
                                  struct bytes *image, struct error *error)
{
    struct builder builder = {.model = &spec->model, .work = work, .error = error};
    const struct model_spec *model = &spec->model;
    if (model->unknown >= model->id_limit || model->id_limit > WORD_ID_MAX)
        return error_set(error, ERROR_CONFIG,
                         "the vocabulary has no unknown piece, or too many pieces");
    static enum error_code (*const steps[])(struct builder *) = {
        reserve_symbols, add_pieces, add_characters, rank_symbols,
        make_users,      make_pairs, make_ids,       make_symbols,
        make_characters, make_near,  make_cut};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        enum error_code code = steps[i](&builder);
        if (code != OK)
            return code;
    }
    builder.header.symbol_count = builder.count;
    builder.header.id_limit = model->id_limit;
    builder.header.unknown = model->unknown;
    builder.header.byte_fallback = model->byte_fallback;
    builder.sections[SCORE_HEADER] =
        (struct image_section){&builder.header, sizeof builder.header};
    return memory_image_write(IMAGE_KIND, builder.sections, SCORE_COUNT, image, error);
}

/* ---- opening ---- */

static bool slots_are_whole(const struct image_section *section, unsigned shift)
{
    return shift >= 32 && shift < 64 &&
           section->size / sizeof(uint64_t) == UINT64_C(1) << (64 - shift);
}

enum error_code score_table_open(const void *image, size_t size,
                                 struct score_table *table, struct error *error)
{
    struct image_section sections[SCORE_COUNT];
    enum error_code code =
        memory_image_open(image, size, IMAGE_KIND, SCORE_COUNT, sections, error);
    if (code != OK)
        return code;
    const struct header *header = sections[SCORE_HEADER].data;
    if (sections[SCORE_HEADER].size != sizeof *header)
        return error_set(error, ERROR_DAMAGED, "a compiled vocabulary is damaged");
    size_t symbols = header->symbol_count * sizeof(uint32_t);
    size_t parts = sections[SCORE_PARTS].size;
    *table = (struct score_table){
        .symbol_count = header->symbol_count,
        .rank_count = header->rank_count,
        .id_limit = header->id_limit,
        .unknown = header->unknown,
        .byte_fallback = header->byte_fallback != 0,
        .is_ordered = header->is_ordered != 0,
        .has_users = header->has_users != 0,
        .ids = sections[SCORE_IDS].data,
        .ranks = sections[SCORE_RANKS].data,
        .lasts = sections[SCORE_LASTS].data,
        .parts = parts > 0 ? sections[SCORE_PARTS].data : NULL,
        .near = sections[SCORE_NEAR].data,
        .near_pairs = sections[SCORE_NEAR_PAIRS].data,
        .characters = sections[SCORE_CHARACTERS].data,
        .character_shift = header->character_shift,
        .filter = sections[SCORE_FILTER].data,
        .pairs = sections[SCORE_PAIRS].data,
        .pair_shift = header->pair_shift,
        .byte_ids = sections[SCORE_BYTE_IDS].data,
        .sizes = sections[SCORE_SIZES].data,
    };
    if (sections[SCORE_IDS].size != symbols || sections[SCORE_RANKS].size != symbols ||
        sections[SCORE_LASTS].size != symbols || (parts > 0 && parts != 2 * symbols) ||
        sections[SCORE_NEAR].size != NEAR_COUNT * sizeof(uint32_t) ||
        sections[SCORE_NEAR_PAIRS].size !=
            (size_t)NEAR_COUNT * NEAR_COUNT * sizeof(uint32_t) ||
        sections[SCORE_BYTE_IDS].size != 256 * sizeof(uint32_t) ||
        sections[SCORE_SIZES].size != header->id_limit * sizeof(uint32_t) ||
        !slots_are_whole(&sections[SCORE_CHARACTERS], header->character_shift) ||
        !slots_are_whole(&sections[SCORE_PAIRS], header->pair_shift) ||
        16 * sections[SCORE_FILTER].size != sections[SCORE_PAIRS].size ||
        !piece_trie_open(sections[SCORE_USERS].data, sections[SCORE_USERS].size,
                         &table->users) ||
        !word_cut_open(&sections[SCORE_CUT], &table->cut))
        return error_set(error, ERROR_DAMAGED, "a compiled vocabulary is damaged");
    return OK;
}
