/* vocabulary.c - a compiled byte-pair vocabulary: a read-only view of one memory image */
#include "stages/kernels/vocabulary.h"

#include "core/bytes.h"

/* Read back in the byte order of the tables: an image of another order is refused. */
#define MAGIC UINT64_C(0x326261636F76726D)
enum {
    FIRST_WORD = 8,
    FIRST_OFFSET = 48 /* 8 + 10 words */,
    SIZE_AT = FIRST_OFFSET + 8 * SECTION_COUNT
};

uint64_t vocabulary_section_size(const struct vocabulary_header *header,
                                 enum vocabulary_section section, uint64_t bytes_size)
{
    uint64_t ids = header->id_limit;
    switch (section) {
    case SECTION_STARTS:
        return 4 * (ids + 1);
    case SECTION_BYTES:
        return bytes_size;
    case SECTION_BYTE_IDS:
        return UINT64_C(4) * 256;
    case SECTION_BYTE_PAIRS:
    case SECTION_ROOTS:
        return UINT64_C(4) * 65536;
    case SECTION_SPLITS:
        return 8 * ids;
    case SECTION_PREFIXES:
        return 4 * ids;
    case SECTION_PAIRS:
        return UINT64_C(8) << (64 - header->pair_shift);
    case SECTION_PAIR_FILTER:
        return (UINT64_C(1) << (64 - header->pair_shift + PAIR_FILTER_BITS)) / 8;
    case SECTION_JOINS:
        return (UINT64_C(1) << (64 - header->join_shift)) / 8;
    case SECTION_BYTE_JOINS:
        return 65536 / 8;
    case SECTION_HIDDEN:
    case SECTION_LATE:
        return (UINT64_C(1) << TOKEN_SET_BITS) / 8;
    case SECTION_PIECES:
        return UINT64_C(8) << (64 - header->piece_shift);
    case SECTION_EDGES:
        return UINT64_C(8) << (64 - header->edge_shift);
    case SECTION_NODE_TOKENS:
        return 4 * (uint64_t)header->node_count;
    case SECTION_COUNT:
        break;
    }
    return 0;
}

void vocabulary_header_write(const struct vocabulary_header *header, unsigned char *out)
{
    const uint32_t words[] = {header->id_limit,   header->token_count, header->is_ordered,
                              header->pair_shift, header->piece_shift, header->edge_shift,
                              header->node_count, header->join_shift,  header->hidden_max,
                              header->has_late};
    const uint64_t magic = MAGIC;
    memset(out, 0, VOCABULARY_HEADER_SIZE);
    memcpy(out, &magic, sizeof magic);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        store_u32(out + FIRST_WORD + 4 * i, words[i]);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        store_u64(out + FIRST_OFFSET + 8 * i, header->offsets[i]);
    store_u64(out + SIZE_AT, header->size);
}

static bool read_header(const unsigned char *image, size_t size,
                        struct vocabulary_header *header)
{
    uint64_t magic;
    if (size < VOCABULARY_HEADER_SIZE)
        return false;
    memcpy(&magic, image, sizeof magic);
    header->id_limit = load_u32(image + FIRST_WORD);
    header->token_count = load_u32(image + FIRST_WORD + 4);
    header->is_ordered = load_u32(image + FIRST_WORD + 8);
    header->pair_shift = load_u32(image + FIRST_WORD + 12);
    header->piece_shift = load_u32(image + FIRST_WORD + 16);
    header->edge_shift = load_u32(image + FIRST_WORD + 20);
    header->node_count = load_u32(image + FIRST_WORD + 24);
    header->join_shift = load_u32(image + FIRST_WORD + 28);
    header->hidden_max = load_u32(image + FIRST_WORD + 32);
    header->has_late = load_u32(image + FIRST_WORD + 36);
    for (size_t i = 0; i < SECTION_COUNT; i++)
        header->offsets[i] = load_u64(image + FIRST_OFFSET + 8 * i);
    header->size = load_u64(image + SIZE_AT);
    return magic == MAGIC && header->size <= size;
}

static bool is_shift(uint32_t shift)
{
    return shift >= 36 && shift < 64;
}

static bool sections_fit(const unsigned char *image,
                         const struct vocabulary_header *header)
{
    if (!is_shift(header->pair_shift) || !is_shift(header->piece_shift) ||
        !is_shift(header->edge_shift) || !is_shift(header->join_shift))
        return false;
    uint64_t bytes_size = 0;
    for (int i = 0; i < SECTION_COUNT; i++) {
        uint64_t offset = header->offsets[i];
        uint64_t wanted =
            vocabulary_section_size(header, (enum vocabulary_section)i, bytes_size);
        if (offset % 64 != 0 || offset > header->size || header->size - offset < wanted)
            return false;
        if (i == SECTION_STARTS) /* its last entry says how many bytes there are */
            bytes_size = load_u32(image + offset + 4 * (uint64_t)header->id_limit);
    }
    return true;
}

enum error_code vocabulary_open(const void *image, size_t size,
                                struct vocabulary *vocabulary, struct error *error)
{
    struct vocabulary_header header;
    const unsigned char *at = image;
    if (!at || !read_header(at, size, &header) || !sections_fit(at, &header))
        return error_set(error, ERROR_DAMAGED, "not a compiled vocabulary");
    const void *sections[SECTION_COUNT];
    for (size_t i = 0; i < SECTION_COUNT; i++)
        sections[i] = at + header.offsets[i];
    *vocabulary = (struct vocabulary){
        .id_limit = header.id_limit,
        .token_count = header.token_count,
        .is_ordered = header.is_ordered != 0,
        .starts = sections[SECTION_STARTS],
        .bytes = sections[SECTION_BYTES],
        .byte_ids = sections[SECTION_BYTE_IDS],
        .byte_pairs = sections[SECTION_BYTE_PAIRS],
        .splits = sections[SECTION_SPLITS],
        .prefixes = sections[SECTION_PREFIXES],
        .pairs = sections[SECTION_PAIRS],
        .pair_shift = header.pair_shift,
        .pair_filter = sections[SECTION_PAIR_FILTER],
        .joins = sections[SECTION_JOINS],
        .join_shift = header.join_shift,
        .byte_joins = sections[SECTION_BYTE_JOINS],
        .hidden = sections[SECTION_HIDDEN],
        .hidden_max = header.hidden_max,
        .late = header.has_late ? sections[SECTION_LATE] : NULL,
        .pieces = sections[SECTION_PIECES],
        .piece_shift = header.piece_shift,
        .edges = sections[SECTION_EDGES],
        .edge_shift = header.edge_shift,
        .roots = sections[SECTION_ROOTS],
        .node_tokens = sections[SECTION_NODE_TOKENS],
    };
    return OK;
}

uint32_t vocabulary_find(const struct vocabulary *vocabulary, const unsigned char *piece,
                         size_t size)
{
    return vocabulary_find_hashed(vocabulary, vocabulary_hash(piece, size), piece, size);
}

uint32_t vocabulary_find_hashed(const struct vocabulary *vocabulary, uint64_t hash,
                                const unsigned char *piece, size_t size)
{
    size_t mask = ((size_t)1 << (64 - vocabulary->piece_shift)) - 1;
    size_t i = (size_t)(hash >> vocabulary->piece_shift);
    for (;; i = (i + 1) & mask) {
        uint64_t slot = vocabulary->pieces[i];
        if (slot == SLOT_EMPTY)
            return TOKEN_NONE;
        if (slot >> 32 != (hash & UINT32_MAX))
            continue;
        uint32_t id = (uint32_t)slot;
        if (vocabulary_token_size(vocabulary, id) == size &&
            memcmp(vocabulary->bytes + vocabulary->starts[id], piece, size) == 0)
            return id;
    }
}

uint32_t vocabulary_longest(const struct vocabulary *vocabulary,
                            const unsigned char *text, size_t size, size_t *seen)
{
    uint32_t node = size < 2 ? TOKEN_NONE : vocabulary->roots[text[0] << 8 | text[1]];
    *seen = 2;
    if (node == TOKEN_NONE)
        return vocabulary->byte_ids[text[0]];
    size_t mask = ((size_t)1 << (64 - vocabulary->edge_shift)) - 1;
    size_t depth = 2;
    for (; depth < size; depth++) {
        uint64_t key = (uint64_t)node << 8 | text[depth];
        size_t i = vocabulary_slot(key, vocabulary->edge_shift);
        uint64_t slot = vocabulary->edges[i];
        while (slot >> EDGE_NODE_BITS != key && slot != SLOT_EMPTY) {
            i = (i + 1) & mask;
            slot = vocabulary->edges[i];
        }
        if (slot == SLOT_EMPTY)
            break;
        node = (uint32_t)(slot & ((1u << EDGE_NODE_BITS) - 1));
    }
    *seen = depth + 1;
    return vocabulary->node_tokens[node];
}

bool vocabulary_is_hidden(const struct vocabulary *vocabulary, const unsigned char *bytes,
                          size_t size)
{
    if (size > vocabulary->hidden_max || size < 3)
        return false;
    size_t bit = vocabulary_set_bit(bytes);
    if (!(vocabulary->hidden[bit / 64] >> (bit % 64) & 1))
        return false;
    uint32_t id = vocabulary_find(vocabulary, bytes, size);
    return id != TOKEN_NONE && vocabulary->splits[2 * (size_t)id] == id;
}

bool vocabulary_is_ordered_in(const struct vocabulary *vocabulary,
                              const unsigned char *piece, size_t size)
{
    if (vocabulary->is_ordered || !vocabulary->late)
        return vocabulary->is_ordered;
    for (size_t i = 0; i + 3 <= size; i++) {
        size_t bit = vocabulary_set_bit(piece + i);
        if (vocabulary->late[bit / 64] >> (bit % 64) & 1)
            return false;
    }
    return true;
}

/* Does some token hold these two characters side by side? */
static bool is_joined(const struct vocabulary *vocabulary, const unsigned char *left,
                      size_t left_size, const unsigned char *right, size_t right_size)
{
    size_t pair = (size_t)right[-1] << 8 | right[0];
    if (vocabulary->byte_joins[pair / 64] >> (pair % 64) & 1)
        return true;
    uint64_t hash = vocabulary_join_hash(left, left_size, right, right_size);
    size_t bit = (size_t)(hash >> vocabulary->join_shift);
    return vocabulary->joins[bit / 64] >> (bit % 64) & 1;
}

size_t vocabulary_cut(const struct vocabulary *vocabulary, const unsigned char *piece,
                      size_t size)
{
    size_t left_size = vocabulary_character(piece, size);
    for (size_t at = left_size ? left_size : 1; at < size;) {
        if ((piece[at - 1] | piece[at]) < 0x80) { /* seldom worth it */
            left_size = 1;
            at++;
            continue;
        }
        size_t right_size = vocabulary_character(piece + at, size - at);
        if (left_size > 0 && right_size > 0 &&
            !is_joined(vocabulary, piece + at - left_size, left_size, piece + at,
                       right_size) &&
            (vocabulary->hidden_max == 0 ||
             (!vocabulary_is_hidden(vocabulary, piece, at) &&
              !vocabulary_is_hidden(vocabulary, piece + at, size - at))))
            return at;
        left_size = right_size;
        at += right_size ? right_size : 1;
    }
    return size;
}
