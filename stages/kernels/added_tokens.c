/* added_tokens.c - find the tokens that a tokenizer has beside its model's in text */
#include "stages/kernels/added_tokens.h"

#include <string.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "core/arena.h"
#include "core/bytes.h"
#include "core/compiler.h"
#include "core/unicode.h"
#include "stages/kernels/word_character.h"

#define MAGIC UINT64_C(0x3164656464617672)
#define NONE UINT32_MAX
enum {
    HEAD_SIZE = 32, /* magic, then words */
    START_WORDS = 65536 / 64,
    NODES_MAX = 1 << 24, /* an edge has 24 bits for its child */
    FLAG_SPECIAL = 1,
    FLAG_SINGLE_WORD = 2,
    FLAG_LEFT = 4,
    FLAG_RIGHT = 8
};

/* ---- build ---- */

struct node {                /* of the trie while it grows */
    uint32_t child, sibling; /* 0: none */
    uint32_t token;
    unsigned char byte;
};

struct builder {
    struct node *nodes; /* (node_count): the first is the root */
    uint32_t node_count, token_count;
    uint32_t *ids, *flags;
    uint64_t *starts;
};

/* The child of a node for a byte, made where there is none. Siblings stand in the order of
 * their bytes. */
static uint32_t child_of(struct builder *builder, uint32_t node, unsigned char byte)
{
    uint32_t *link = &builder->nodes[node].child;
    while (*link && builder->nodes[*link].byte < byte)
        link = &builder->nodes[*link].sibling;
    uint32_t next = *link;
    if (next && builder->nodes[next].byte == byte)
        return next;
    uint32_t made = builder->node_count++;
    builder->nodes[made] = (struct node){.sibling = next, .token = NONE, .byte = byte};
    *link = made;
    return made;
}

static void set_start(struct builder *builder, unsigned first, unsigned second)
{
    size_t pair = (size_t)first << 8 | second;
    builder->starts[pair / 64] |= UINT64_C(1) << (pair % 64);
}

static void insert(struct builder *builder, const struct added_token *token)
{
    uint32_t node = 0;
    for (size_t i = 0; i < token->text.size; i++)
        node = child_of(builder, node, token->text.bytes[i]);
    if (builder->nodes[node].token != NONE)
        return;
    builder->nodes[node].token = builder->token_count;
    builder->ids[builder->token_count] = token->id;
    builder->flags[builder->token_count++] =
        (token->is_special ? FLAG_SPECIAL : 0u) |
        (token->is_single_word ? FLAG_SINGLE_WORD : 0u) |
        (token->is_left_stripped ? FLAG_LEFT : 0u) |
        (token->is_right_stripped ? FLAG_RIGHT : 0u);
    const unsigned char *text = token->text.bytes;
    for (unsigned byte = 0; token->text.size == 1 && byte < 256; byte++)
        set_start(builder, text[0], byte);
    if (token->text.size > 1)
        set_start(builder, text[0], text[1]);
}

static void put_words(struct bytes *image, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes_put_u32(image, words[i]);
}

/* Nodes in the order of their making: the edges of each behind those of the one before. */
static void put_trie(const struct builder *builder, struct bytes *image)
{
    uint32_t edges = 0;
    for (uint32_t i = 0; i < builder->node_count; i++) {
        bytes_put_u32(image, edges);
        for (uint32_t c = builder->nodes[i].child; c; c = builder->nodes[c].sibling)
            edges++;
    }
    bytes_put_u32(image, edges);
    for (uint32_t i = 0; i < builder->node_count; i++)
        bytes_put_u32(image, builder->nodes[i].token);
    for (uint32_t i = 0; i < builder->node_count; i++) {
        for (uint32_t c = builder->nodes[i].child; c; c = builder->nodes[c].sibling)
            bytes_put_u32(image, c << 8 | builder->nodes[c].byte);
    }
}

enum error_code added_tokens_build(const struct added_token *tokens, size_t count,
                                   struct arena *work, struct bytes *image,
                                   struct error *error)
{
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++)
        bytes += tokens[i].text.size;
    if (bytes >= NODES_MAX || count >= NODES_MAX)
        return error_set(error, ERROR_CONFIG, "too many added tokens");
    struct builder builder = {.nodes = ARENA_NEW(work, struct node, bytes),
                              .node_count = 1,
                              .ids = ARENA_NEW(work, uint32_t, count + 1),
                              .flags = ARENA_NEW(work, uint32_t, count + 1),
                              .starts = ARENA_NEW(work, uint64_t, START_WORDS)};
    if (!builder.nodes || !builder.ids || !builder.flags || !builder.starts)
        return error_set(error, ERROR_MEMORY, "no memory for added tokens");
    builder.nodes[0].token = NONE;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i].text.size > 0)
            insert(&builder, &tokens[i]);
    }
    uint64_t magic = MAGIC;
    bytes_put(image, &magic, sizeof magic);
    put_words(image,
              (const uint32_t[]){builder.token_count, builder.node_count,
                                 builder.node_count - 1, 0, 0, 0},
              6);
    bytes_put(image, builder.starts, START_WORDS * sizeof *builder.starts);
    put_words(image, builder.ids, builder.token_count);
    put_words(image, builder.flags, builder.token_count);
    put_trie(&builder, image);
    return image->is_bad ? error_set(error, ERROR_MEMORY, "no memory for added tokens")
                         : OK;
}

/* ---- open ---- */

static bool is_sound(const struct added_tokens *tokens)
{
    if (tokens->node_edges[0] != 0 ||
        tokens->node_edges[tokens->node_count] != tokens->edge_count)
        return false;
    for (uint32_t i = 0; i < tokens->node_count; i++) {
        uint32_t token = tokens->node_tokens[i];
        if (tokens->node_edges[i] > tokens->node_edges[i + 1] ||
            (token != NONE && token >= tokens->token_count))
            return false;
    }
    for (uint32_t i = 0; i < tokens->edge_count; i++) {
        if (tokens->edges[i] >> 8 >= tokens->node_count)
            return false;
    }
    return tokens->node_tokens[0] == NONE;
}

static void find_pairs(struct added_tokens *tokens)
{
    for (unsigned pair = 0; pair < 65536; pair++) {
        if (!(tokens->starts[pair / 64] >> (pair % 64) & 1))
            continue;
        if (tokens->pair_count == ADDED_STARTS_MAX) {
            tokens->pair_count = 0;
            return;
        }
        tokens->pairs[tokens->pair_count][0] = (unsigned char)(pair >> 8);
        tokens->pairs[tokens->pair_count++][1] = (unsigned char)pair;
    }
}

enum error_code added_tokens_open(const void *image, size_t size,
                                  struct added_tokens *tokens, struct error *error)
{
    const unsigned char *at = image;
    uint64_t magic = 0;
    size_t head = HEAD_SIZE + START_WORDS * sizeof(uint64_t);
    if (size >= head)
        memcpy(&magic, at, sizeof magic);
    if (magic != MAGIC)
        return error_set(error, ERROR_DAMAGED, "not the image of added tokens");
    struct added_tokens view = {.token_count = load_u32(at + 8),
                                .node_count = load_u32(at + 12),
                                .edge_count = load_u32(at + 16)};
    uint64_t words = 2 * (uint64_t)view.token_count + 2 * (uint64_t)view.node_count + 1 +
                     view.edge_count;
    if (view.node_count == 0 || (size - head) / 4 < words)
        return error_set(error, ERROR_DAMAGED, "the image of added tokens is cut off");
    const void *starts = at + HEAD_SIZE, *tail = at + head;
    view.starts = starts;
    view.ids = tail;
    view.flags = view.ids + view.token_count;
    view.node_edges = view.flags + view.token_count;
    view.node_tokens = view.node_edges + view.node_count + 1;
    view.edges = view.node_tokens + view.node_count;
    if (!is_sound(&view))
        return error_set(error, ERROR_DAMAGED, "the image of added tokens is damaged");
    for (uint32_t i = view.node_edges[0]; i < view.node_edges[1]; i++)
        view.has_short |= view.node_tokens[view.edges[i] >> 8] != NONE;
    find_pairs(&view);
    *tokens = view;
    return OK;
}

/* ---- search ---- */

/* A place from `at` on where two bytes stand that a token begins with, or `size`. */
static size_t find_start_plainly(const struct added_tokens *tokens,
                                 const unsigned char *text, size_t size, size_t at)
{
    for (; at + 1 < size; at++) {
        size_t pair = (size_t)text[at] << 8 | text[at + 1];
        if (tokens->starts[pair / 64] >> (pair % 64) & 1)
            return at;
    }
    return tokens->has_short && at < size ? at : size;
}

#ifdef __SSE2__
static size_t find_start(const struct added_tokens *tokens, const unsigned char *text,
                         size_t size, size_t at)
{
    enum { STEP = 16 };
    __m128i first[ADDED_STARTS_MAX], second[ADDED_STARTS_MAX];
    if (tokens->pair_count == 0)
        return find_start_plainly(tokens, text, size, at);
    for (uint32_t i = 0; i < tokens->pair_count; i++) {
        first[i] = _mm_set1_epi8((char)tokens->pairs[i][0]);
        second[i] = _mm_set1_epi8((char)tokens->pairs[i][1]);
    }
    for (; size - at > STEP; at += STEP) {
        __m128i here = _mm_loadu_si128((const __m128i *)(const void *)(text + at));
        __m128i next = _mm_loadu_si128((const __m128i *)(const void *)(text + at + 1));
        __m128i found = _mm_setzero_si128();
        for (uint32_t i = 0; i < tokens->pair_count; i++)
            found = _mm_or_si128(found, _mm_and_si128(_mm_cmpeq_epi8(here, first[i]),
                                                      _mm_cmpeq_epi8(next, second[i])));
        int mask = _mm_movemask_epi8(found);
        if (mask != 0)
            return at + TRAILING_ZEROS((unsigned)mask);
    }
    return find_start_plainly(tokens, text, size, at);
}
#else
static size_t find_start(const struct added_tokens *tokens, const unsigned char *text,
                         size_t size, size_t at)
{
    return find_start_plainly(tokens, text, size, at);
}
#endif

static uint32_t child_for(const struct added_tokens *tokens, uint32_t node,
                          unsigned char byte)
{
    uint32_t begin = tokens->node_edges[node], end = tokens->node_edges[node + 1];
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        unsigned char found = (unsigned char)tokens->edges[middle];
        if (found == byte)
            return tokens->edges[middle] >> 8;
        if (found < byte)
            begin = middle + 1;
        else
            end = middle;
    }
    return NONE;
}

/* The longest token that `text` begins with, or NONE. */
static uint32_t match_longest(const struct added_tokens *tokens,
                              const unsigned char *text, size_t size, size_t *length)
{
    uint32_t node = 0, token = NONE;
    for (size_t i = 0; i < size; i++) {
        node = child_for(tokens, node, text[i]);
        if (node == NONE)
            break;
        if (tokens->node_tokens[node] != NONE) {
            token = tokens->node_tokens[node];
            *length = i + 1;
        }
    }
    return token;
}

/* ---- what stands around a match ---- */

/* The character that ends before text[at]; its size, 0: there is none in UTF-8. */
static size_t character_before(const unsigned char *text, size_t at, uint32_t *point)
{
    for (size_t size = 1; size <= 4 && size <= at; size++) {
        if ((text[at - size] & 0xC0) != 0x80)
            return unicode_decode(text + at - size, size, point) == size ? size : 0;
    }
    return 0;
}

static bool is_word_around(const unsigned char *text, size_t size, size_t begin,
                           size_t end)
{
    uint32_t point = 0;
    if (begin > 0 && character_before(text, begin, &point) && is_word_character(point))
        return true;
    return end < size && unicode_decode(text + end, size - end, &point) &&
           is_word_character(point);
}

static size_t skip_space_before(const unsigned char *text, size_t at)
{
    uint32_t point = 0;
    size_t size;
    while ((size = character_before(text, at, &point)) && unicode_is_white_space(point))
        at -= size;
    return at;
}

static size_t skip_space_after(const unsigned char *text, size_t size, size_t at)
{
    uint32_t point = 0;
    size_t step;
    while (at < size && (step = unicode_decode(text + at, size - at, &point)) &&
           unicode_is_white_space(point))
        at += step;
    return at;
}

bool added_tokens_next(const struct added_tokens *tokens, const unsigned char *text,
                       size_t size, struct added_cursor *cursor,
                       struct added_match *match)
{
    if (tokens->token_count == 0)
        return false;
    while ((cursor->at = find_start(tokens, text, size, cursor->at)) < size) {
        size_t begin = cursor->at, length = 0;
        uint32_t token = match_longest(tokens, text + begin, size - begin, &length);
        cursor->at += token == NONE ? 1 : length;
        if (token == NONE)
            continue;
        size_t end = begin + length;
        uint32_t flags = tokens->flags[token];
        if (flags & FLAG_SINGLE_WORD && is_word_around(text, size, begin, end))
            continue;
        if (flags & FLAG_LEFT) {
            begin = skip_space_before(text, begin);
            begin = begin > cursor->done ? begin : cursor->done;
        }
        if (flags & FLAG_RIGHT)
            end = skip_space_after(text, size, end);
        *match = (struct added_match){.begin = begin < end ? begin : end,
                                      .end = end,
                                      .id = tokens->ids[token],
                                      .is_special = (flags & FLAG_SPECIAL) != 0};
        cursor->done = end;
        return true;
    }
    return false;
}
