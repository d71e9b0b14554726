/* vocabulary_build.c - compile a list of tokens into the image of vocabulary.h */
#include "stages/kernels/vocabulary_build.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/compiler.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"

enum { IMAGE_ALIGN = 64, NODES_MAX = 1 << EDGE_NODE_BITS };

struct trie {
    uint64_t *edges; /* a list while nodes are made, then the table */
    uint32_t *node_tokens;
    uint32_t node_count, edge_count;
    unsigned edge_shift;
};

/* Tokens in the order of their bytes. */
struct sorted_token {
    uint64_t key; /* the first eight bytes, the first uppermost; zeroes behind the end */
    const unsigned char *bytes;
    uint32_t size, id;
};

struct builder {
    const struct token_list *list; /* borrowed */
    struct arena *work;            /* borrowed */
    struct vocabulary view;        /* of the tables below, for the merge functions */
    uint32_t id_limit, reachable;
    uint32_t *starts, *byte_ids, *byte_pairs, *splits, *prefixes, *roots;
    unsigned char *bytes;
    uint64_t *pairs, *pair_filter, *pieces, *joins, *byte_joins;
    uint64_t *hidden, *late;
    unsigned pair_shift, piece_shift, join_shift;
    uint32_t hidden_max;
    bool has_short_late; /* a token of two bytes */
    uint32_t *by_size;   /* (count): ids, the shortest first */
    uint32_t size_max;
    struct trie trie;
};

static enum error_code out_of_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to compile the vocabulary");
}

/* Shift for a table of at least twice as many slots as entries. */
static unsigned table_shift(uint64_t entries)
{
    unsigned bits = 8;
    while (bits < 28 && (UINT64_C(1) << bits) < 2 * entries)
        bits++;
    return 64 - bits;
}

static void *new_table(struct arena *arena, size_t count, size_t size)
{
    void *table = arena_alloc_raw(arena, count, size, IMAGE_ALIGN);
    if (table)
        memset(table, 0xFF, count * size);
    return table;
}

static bool allocate(struct builder *builder)
{
    const struct token_list *list = builder->list;
    size_t ids = list->id_limit;
    builder->id_limit = list->id_limit;
    builder->pair_shift = builder->piece_shift = table_shift(list->count);
    size_t slots = (size_t)1 << (64 - builder->pair_shift);
    builder->starts = ARENA_NEW(builder->work, uint32_t, ids + 1);
    builder->bytes = ARENA_RAW(builder->work, unsigned char, list->starts[list->count]);
    builder->byte_ids = new_table(builder->work, 256, sizeof(uint32_t));
    builder->byte_pairs = new_table(builder->work, 65536, sizeof(uint32_t));
    builder->roots = new_table(builder->work, 65536, sizeof(uint32_t));
    builder->splits = new_table(builder->work, 2 * ids, sizeof(uint32_t));
    builder->prefixes = new_table(builder->work, ids, sizeof(uint32_t));
    builder->pairs = new_table(builder->work, slots, sizeof(uint64_t));
    builder->pair_filter =
        ARENA_NEW(builder->work, uint64_t, (slots << PAIR_FILTER_BITS) / 64);
    builder->join_shift = builder->pair_shift; /* far fewer joins than pairs */
    builder->joins = ARENA_NEW(builder->work, uint64_t, slots / 64);
    builder->byte_joins = ARENA_NEW(builder->work, uint64_t, 65536 / 64);
    builder->hidden = ARENA_NEW(builder->work, uint64_t, (1 << TOKEN_SET_BITS) / 64);
    builder->late = ARENA_NEW(builder->work, uint64_t, (1 << TOKEN_SET_BITS) / 64);
    builder->pieces = new_table(builder->work, slots, sizeof(uint64_t));
    builder->by_size = ARENA_RAW(builder->work, uint32_t, list->count);
    builder->view = (struct vocabulary){.id_limit = list->id_limit,
                                        .token_count = list->count,
                                        .starts = builder->starts,
                                        .bytes = builder->bytes,
                                        .byte_ids = builder->byte_ids,
                                        .byte_pairs = builder->byte_pairs,
                                        .splits = builder->splits,
                                        .prefixes = builder->prefixes,
                                        .pairs = builder->pairs,
                                        .pair_shift = builder->pair_shift,
                                        .pair_filter = builder->pair_filter,
                                        .pieces = builder->pieces,
                                        .piece_shift = builder->piece_shift,
                                        .roots = builder->roots};
    return builder->starts && builder->bytes && builder->byte_ids &&
           builder->byte_pairs && builder->roots && builder->splits &&
           builder->prefixes && builder->pairs && builder->pair_filter &&
           builder->joins && builder->byte_joins && builder->hidden && builder->late &&
           builder->pieces && builder->by_size;
}

/* Token bytes in the order of ids. */
static void lay_out_bytes(struct builder *builder)
{
    const struct token_list *list = builder->list;
    uint32_t *starts = builder->starts;
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t size = list->starts[i + 1] - list->starts[i];
        starts[list->ids[i] + 1] = size;
        if (size > builder->size_max)
            builder->size_max = size;
    }
    for (uint32_t id = 0; id < builder->id_limit; id++)
        starts[id + 1] += starts[id];
    for (uint32_t i = 0; i < list->count; i++)
        memcpy(builder->bytes + starts[list->ids[i]], list->bytes + list->starts[i],
               list->starts[i + 1] - list->starts[i]);
}

static void note_short_token(struct builder *builder, const unsigned char *token,
                             size_t size, uint32_t id)
{
    if (size == 1)
        builder->byte_ids[token[0]] = id;
    if (size == 2)
        builder->byte_pairs[token[0] << 8 | token[1]] = id;
}

static enum error_code index_piece(struct builder *builder, uint32_t id, uint64_t hash,
                                   struct error *error)
{
    const unsigned char *token = builder->bytes + builder->starts[id];
    size_t size = vocabulary_token_size(&builder->view, id);
    if (vocabulary_find_hashed(&builder->view, hash, token, size) != TOKEN_NONE)
        return error_set(error, ERROR_CONFIG, "the token of rank %u stands there twice",
                         (unsigned)id);
    size_t mask = ((size_t)1 << (64 - builder->piece_shift)) - 1;
    size_t slot = (size_t)(hash >> builder->piece_shift);
    while (builder->pieces[slot] != SLOT_EMPTY)
        slot = (slot + 1) & mask;
    builder->pieces[slot] = hash << 32 | id;
    note_short_token(builder, token, size, id);
    return OK;
}

/* Hashes of a group of tokens first, so that the slots are on their way. */
static enum error_code index_pieces(struct builder *builder, struct error *error)
{
    enum { GROUP = 32 };
    uint64_t hashes[GROUP];
    const struct token_list *list = builder->list;
    for (uint32_t begin = 0; begin < list->count; begin += GROUP) {
        uint32_t count = list->count - begin < GROUP ? list->count - begin : GROUP;
        const uint32_t *ids = list->ids + begin;
        for (uint32_t i = 0; i < count; i++) {
            hashes[i] = vocabulary_hash(builder->bytes + builder->starts[ids[i]],
                                        vocabulary_token_size(&builder->view, ids[i]));
            PREFETCH(builder->pieces + (hashes[i] >> builder->piece_shift));
        }
        for (uint32_t i = 0; i < count; i++) {
            enum error_code code = index_piece(builder, ids[i], hashes[i], error);
            if (code != OK)
                return code;
        }
    }
    return OK;
}

/* Counting sort by size. */
static bool sort_by_size(struct builder *builder)
{
    uint32_t *counts = ARENA_NEW(builder->work, uint32_t, (size_t)builder->size_max + 2);
    if (!counts)
        return false;
    const struct token_list *list = builder->list;
    for (uint32_t i = 0; i < list->count; i++)
        counts[list->starts[i + 1] - list->starts[i] + 1]++;
    for (uint32_t size = 0; size <= builder->size_max; size++)
        counts[size + 1] += counts[size];
    for (uint32_t i = 0; i < list->count; i++)
        builder->by_size[counts[list->starts[i + 1] - list->starts[i]]++] = list->ids[i];
    return true;
}

static void add_pair(struct builder *builder, uint32_t left, uint32_t right, uint32_t id)
{
    uint64_t key = vocabulary_pair_key(left, right);
    size_t mask = ((size_t)1 << (64 - builder->pair_shift)) - 1;
    uint32_t hash = vocabulary_pair_hash(left, right);
    size_t slot = vocabulary_pair_slot(&builder->view, hash);
    size_t bit = vocabulary_pair_bit(&builder->view, hash);
    builder->pair_filter[bit / 64] |= UINT64_C(1) << (bit % 64);
    while (builder->pairs[slot] != SLOT_EMPTY)
        slot = (slot + 1) & mask;
    builder->pairs[slot] = key << PAIR_ID_BITS | id;
    builder->splits[2 * (size_t)id] = left;
    builder->splits[2 * (size_t)id + 1] = right;
}

/* Merging does not make it, though a piece may be it. It has three bytes and more. */
static void note_hidden(struct builder *builder, const unsigned char *token, size_t size)
{
    size_t bit = vocabulary_set_bit(token);
    builder->hidden[bit / 64] |= UINT64_C(1) << (bit % 64);
    if (size > builder->hidden_max)
        builder->hidden_max = (uint32_t)size;
}

/* A part of it has a higher rank. */
static void note_late(struct builder *builder, const unsigned char *token, size_t size)
{
    builder->view.is_ordered = false;
    if (size < 3) {
        builder->has_short_late = true;
        return;
    }
    size_t bit = vocabulary_set_bit(token);
    builder->late[bit / 64] |= UINT64_C(1) << (bit % 64);
}

/* Merge every token's own bytes with the pairs of shorter tokens: where two are left,
 * they are the pair that makes it; where more are, merging never makes it. */
static enum error_code find_pairs(struct builder *builder, struct error *error)
{
    uint32_t *ids = ARENA_RAW(builder->work, uint32_t, builder->size_max);
    struct arena *scratch = arena_create((size_t)1 << 16, 0);
    enum error_code code = ids && scratch ? OK : out_of_memory(error);
    builder->view.is_ordered = true;
    for (uint32_t i = 0; code == OK && i < builder->list->count; i++) {
        uint32_t id = builder->by_size[i];
        const unsigned char *token = builder->bytes + builder->starts[id];
        size_t size = vocabulary_token_size(&builder->view, id);
        size_t count = 1;
        if (size > MERGE_SHORT_MAX) {
            arena_reset(scratch);
            code = merge_heap(&builder->view, token, size, scratch, ids, &count, error);
        } else if (size > 2) {
            count = merge_short(&builder->view, token, size, ids);
        } else if (size == 2) {
            ids[0] = builder->byte_ids[token[0]];
            ids[1] = builder->byte_ids[token[1]];
            count = 2;
        }
        builder->splits[2 * (size_t)id] = builder->splits[2 * (size_t)id + 1] = id;
        if (code == OK && count > 2)
            note_hidden(builder, token, size);
        if (code != OK || count != 2)
            continue;
        add_pair(builder, ids[0], ids[1], id);
        if (ids[0] >= id || ids[1] >= id)
            note_late(builder, token, size);
    }
    arena_destroy(scratch);
    return code;
}

/* ---- where pieces may be cut ---- */

/* Size of the character that ends before token[at]; 0: the token begins inside it, or it
 * is none. */
static size_t character_before(const unsigned char *token, size_t at)
{
    for (size_t size = 1; size <= 4 && size <= at; size++) {
        if ((token[at - size] & 0xC0) != 0x80)
            return vocabulary_character(token + at - size, size) == size ? size : 0;
    }
    return 0;
}

static void add_joins(struct builder *builder, uint32_t id)
{
    const unsigned char *token = builder->bytes + builder->starts[id];
    size_t size = vocabulary_token_size(&builder->view, id);
    for (size_t at = 1; at < size; at++) {
        if ((token[at] & 0xC0) == 0x80)
            continue;
        size_t left = character_before(token, at);
        size_t right = vocabulary_character(token + at, size - at);
        if (left > 0 && right > 0) {
            uint64_t hash =
                vocabulary_join_hash(token + at - left, left, token + at, right);
            size_t bit = (size_t)(hash >> builder->join_shift);
            builder->joins[bit / 64] |= UINT64_C(1) << (bit % 64);
        } else {
            size_t pair = (size_t)token[at - 1] << 8 | token[at];
            builder->byte_joins[pair / 64] |= UINT64_C(1) << (pair % 64);
        }
    }
}

/* ---- the trie of tokens that merging makes ---- */

/* By 16 bits of the key at a time, the lowest first. */
static bool sort_by_key(struct sorted_token *tokens, uint32_t count, struct arena *work)
{
    enum { DIGIT = 16, DIGITS = 1 << DIGIT };
    struct sorted_token *other = ARENA_RAW(work, struct sorted_token, count);
    uint32_t *ends = ARENA_RAW(work, uint32_t, DIGITS);
    if (!other || !ends)
        return false;
    struct sorted_token *from = tokens;
    struct sorted_token *to = other;
    for (unsigned shift = 0; shift < 64; shift += DIGIT) { /* an even number of turns */
        memset(ends, 0, DIGITS * sizeof *ends);
        for (uint32_t i = 0; i < count; i++)
            ends[from[i].key >> shift & (DIGITS - 1)]++;
        for (uint32_t digit = 1; digit < DIGITS; digit++)
            ends[digit] += ends[digit - 1];
        for (uint32_t i = count; i-- > 0;)
            to[--ends[from[i].key >> shift & (DIGITS - 1)]] = from[i];
        struct sorted_token *swap = from;
        from = to;
        to = swap;
    }
    return true;
}

static int compare_bytes(const void *left, const void *right)
{
    const struct sorted_token *a = left;
    const struct sorted_token *b = right;
    int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

/* The tokens of two bytes and more that merging makes, in the order of their bytes. */
static struct sorted_token *sort_tokens(const struct builder *builder, uint32_t *count)
{
    struct sorted_token *tokens =
        ARENA_RAW(builder->work, struct sorted_token, builder->list->count);
    uint32_t used = 0;
    for (uint32_t i = 0; tokens && i < builder->list->count; i++) {
        uint32_t id = builder->list->ids[i];
        size_t size = vocabulary_token_size(&builder->view, id);
        if (builder->splits[2 * (size_t)id] == id)
            continue;
        struct sorted_token *token = &tokens[used++];
        *token = (struct sorted_token){.bytes = builder->bytes + builder->starts[id],
                                       .size = (uint32_t)size,
                                       .id = id};
        for (size_t k = 0; k < 8; k++)
            token->key = token->key << 8 | (k < size ? token->bytes[k] : 0);
    }
    if (!tokens || !sort_by_key(tokens, used, builder->work))
        return NULL;
    for (uint32_t begin = 0, end; begin < used; begin = end) {
        for (end = begin + 1; end < used && tokens[end].key == tokens[begin].key; end++)
            ;
        if (end - begin > 1)
            qsort(tokens + begin, end - begin, sizeof *tokens, compare_bytes);
    }
    *count = used;
    return tokens;
}

static uint32_t common_prefix(const struct sorted_token *a, const struct sorted_token *b)
{
    uint32_t size = 0;
    while (size < a->size && size < b->size && a->bytes[size] == b->bytes[size])
        size++;
    return size;
}

/* Nodes along one token, path[d] after d bytes; what it has in common with the token
 * before stands there. A prefix comes before all that it begins, so that what a new node
 * inherits is final. False: too many nodes. */
static bool add_to_trie(struct builder *builder, const struct sorted_token *token,
                        uint32_t common, uint32_t *path)
{
    struct trie *trie = &builder->trie;
    if ((uint64_t)trie->node_count + token->size > NODES_MAX)
        return false;
    for (uint32_t depth = common < 2 ? 2 : common + 1; depth <= token->size; depth++) {
        uint32_t node = trie->node_count++;
        path[depth] = node;
        if (depth == 2) {
            builder->roots[token->bytes[0] << 8 | token->bytes[1]] = node;
            trie->node_tokens[node] = builder->byte_ids[token->bytes[0]];
        } else {
            uint64_t key = (uint64_t)path[depth - 1] << 8 | token->bytes[depth - 1];
            trie->edges[trie->edge_count++] = key << EDGE_NODE_BITS | node;
            trie->node_tokens[node] = trie->node_tokens[path[depth - 1]];
        }
    }
    builder->prefixes[token->id] = trie->node_tokens[path[token->size]];
    trie->node_tokens[path[token->size]] = token->id;
    return true;
}

/* The list of edges becomes a table. */
static bool index_edges(struct builder *builder)
{
    struct trie *trie = &builder->trie;
    trie->edge_shift = table_shift(trie->edge_count);
    size_t mask = ((size_t)1 << (64 - trie->edge_shift)) - 1;
    uint64_t *table = new_table(builder->work, mask + 1, sizeof *table);
    for (uint32_t i = 0; table && i < trie->edge_count; i++) {
        uint64_t edge = trie->edges[i];
        size_t slot = vocabulary_slot(edge >> EDGE_NODE_BITS, trie->edge_shift);
        while (table[slot] != SLOT_EMPTY)
            slot = (slot + 1) & mask;
        table[slot] = edge;
    }
    trie->edges = table;
    return table != NULL;
}

static bool build_trie(struct builder *builder)
{
    static const struct sorted_token nothing;
    struct trie *trie = &builder->trie;
    size_t nodes_max = builder->starts[builder->id_limit]; /* one a byte at most */
    uint32_t count = 0;
    const struct sorted_token *tokens = sort_tokens(builder, &count);
    uint32_t *path = ARENA_RAW(builder->work, uint32_t, (size_t)builder->size_max + 1);
    trie->edges = ARENA_RAW(builder->work, uint64_t, nodes_max);
    trie->node_tokens = ARENA_RAW(builder->work, uint32_t, nodes_max);
    if (!tokens || !path || !trie->edges || !trie->node_tokens)
        return false;
    const struct sorted_token *before = &nothing;
    for (uint32_t i = 0; i < count; i++) {
        if (!add_to_trie(builder, &tokens[i], common_prefix(before, &tokens[i]), path))
            return false;
        before = &tokens[i];
    }
    return index_edges(builder);
}

/* ---- the image ---- */

static enum error_code write_image(const struct builder *builder, struct bytes *image,
                                   struct error *error)
{
    const void *const tables[SECTION_COUNT] = {
        [SECTION_STARTS] = builder->starts,
        [SECTION_BYTES] = builder->bytes,
        [SECTION_BYTE_IDS] = builder->byte_ids,
        [SECTION_BYTE_PAIRS] = builder->byte_pairs,
        [SECTION_SPLITS] = builder->splits,
        [SECTION_PREFIXES] = builder->prefixes,
        [SECTION_PAIRS] = builder->pairs,
        [SECTION_PAIR_FILTER] = builder->pair_filter,
        [SECTION_JOINS] = builder->joins,
        [SECTION_BYTE_JOINS] = builder->byte_joins,
        [SECTION_HIDDEN] = builder->hidden,
        [SECTION_LATE] = builder->late,
        [SECTION_PIECES] = builder->pieces,
        [SECTION_EDGES] = builder->trie.edges,
        [SECTION_ROOTS] = builder->roots,
        [SECTION_NODE_TOKENS] = builder->trie.node_tokens,
    };
    struct vocabulary_header header = {.id_limit = builder->id_limit,
                                       .token_count = builder->list->count,
                                       .is_ordered = builder->view.is_ordered,
                                       .pair_shift = builder->pair_shift,
                                       .piece_shift = builder->piece_shift,
                                       .edge_shift = builder->trie.edge_shift,
                                       .node_count = builder->trie.node_count,
                                       .join_shift = builder->join_shift,
                                       .hidden_max = builder->hidden_max,
                                       .has_late = !builder->view.is_ordered &&
                                                   !builder->has_short_late};
    uint64_t bytes_size = builder->starts[builder->id_limit];
    header.size = VOCABULARY_HEADER_SIZE;
    for (int i = 0; i < SECTION_COUNT; i++) {
        header.offsets[i] = header.size;
        header.size +=
            vocabulary_section_size(&header, (enum vocabulary_section)i, bytes_size);
        header.size = (header.size + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
    }
    unsigned char *out = bytes_reserve(image, (size_t)header.size);
    if (!out)
        return out_of_memory(error);
    vocabulary_header_write(&header, out);
    size_t at = VOCABULARY_HEADER_SIZE;
    for (int i = 0; i < SECTION_COUNT; i++) {
        size_t size = (size_t)vocabulary_section_size(&header, (enum vocabulary_section)i,
                                                      bytes_size);
        memset(out + at, 0, (size_t)header.offsets[i] - at);
        if (size > 0)
            memcpy(out + header.offsets[i], tables[i], size);
        at = (size_t)header.offsets[i] + size;
    }
    memset(out + at, 0, (size_t)header.size - at);
    image->size += (size_t)header.size;
    return OK;
}

enum error_code vocabulary_build(const struct token_list *list, struct arena *work,
                                 struct bytes *image, struct error *error)
{
    struct builder builder = {.list = list, .work = work};
    if (!allocate(&builder))
        return out_of_memory(error);
    lay_out_bytes(&builder);
    enum error_code code = index_pieces(&builder, error);
    if (code == OK && !sort_by_size(&builder))
        code = out_of_memory(error);
    if (code == OK)
        code = find_pairs(&builder, error);
    for (uint32_t i = 0; code == OK && i < list->count; i++)
        add_joins(&builder, list->ids[i]);
    if (code == OK && !build_trie(&builder))
        code = out_of_memory(error);
    return code == OK ? write_image(&builder, image, error) : code;
}
