/* unigram_lattice.c - all the ways to write words with candidate tokens */
#include "stages/kernels/unigram_lattice.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/suffix_sort.h"

enum { CODE_COUNT = 0x110000, STEPS = 1024 };

#define NONE UINT32_MAX

struct node { /* a substring that all suffixes in order[first .. last] begin with */
    uint32_t first, last;
    uint32_t length;
    uint32_t number; /* as a candidate, or NONE */
    uint64_t weight;
};

struct builder {
    struct lattice *lattice;
    struct arena *arena;
    uint32_t *order; /* (order_count), from suffix_sort() */
    unsigned char *shared;
    size_t order_count;
    const uint64_t *counts; /* (symbol_count): of the word that a symbol is in */
    const unsigned char
        *lefts;         /* (symbol_count): symbols up to the word's end, at most the
                                 * longest length */
    struct node *nodes; /* owned */
    size_t node_count, node_capacity;
    uint32_t length_max;
};

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to train a vocabulary");
}

/* ---- symbols ---- */

static uint32_t *number_codes(const struct trainer_alphabet *alphabet,
                              struct arena *arena)
{
    uint32_t *symbols = ARENA_NEW(arena, uint32_t, CODE_COUNT);
    for (uint32_t i = 0; symbols && i < alphabet->count; i++)
        symbols[alphabet->codes[i]] = i + 1;
    return symbols;
}

struct symbol_writer {
    uint32_t *symbols;
    struct lattice_word *words;
    size_t symbol_count, word_count;
    uint32_t begin;
};

static void end_word(struct symbol_writer *writer, uint64_t count)
{
    if (writer->symbol_count > writer->begin)
        writer->words[writer->word_count++] =
            (struct lattice_word){writer->begin, (uint32_t)writer->symbol_count, count};
    if (writer->symbol_count > writer->begin)
        writer->symbols[writer->symbol_count++] = 0;
    writer->begin = (uint32_t)writer->symbol_count;
}

static void put_word(struct symbol_writer *writer, const struct counted_piece *word,
                     const uint32_t *numbers)
{
    uint32_t code;
    for (size_t at = 0, length; at < word->size; at += length) {
        length = unicode_decode(word->bytes + at, word->size - at, &code);
        uint32_t symbol = length ? numbers[code] : 0;
        length = length ? length : 1;
        if (symbol == 0 || writer->symbol_count - writer->begin == LATTICE_WORD_MAX)
            end_word(writer, word->count);
        if (symbol != 0)
            writer->symbols[writer->symbol_count++] = symbol;
    }
    end_word(writer, word->count);
}

static enum error_code put_words(struct builder *builder,
                                 const struct counted_piece *words, size_t count,
                                 const struct trainer_alphabet *alphabet,
                                 struct error *error)
{
    size_t room = 1;
    for (size_t i = 0; i < count; i++)
        room += 2 * ((size_t)words[i].size + 1);
    if (room >= UINT32_MAX / 2)
        return error_set(
            error, ERROR_CONFIG,
            "the pieces to train on take more than 1 GiB: lower the limit of "
            "their table");
    const uint32_t *numbers = number_codes(alphabet, builder->arena);
    struct symbol_writer writer = {
        .words = ARENA_RAW(builder->arena, struct lattice_word, room / 2 + 1),
        .symbols = ARENA_RAW(builder->arena, uint32_t, room)};
    if (!numbers || !writer.words || !writer.symbols)
        return no_memory(error);
    for (size_t i = 0; i < count; i++)
        put_word(&writer, words + i, numbers);
    arena_trim(builder->arena, writer.symbols,
               (writer.symbol_count + 1) * sizeof *writer.symbols);
    builder->lattice->symbols = writer.symbols;
    builder->lattice->symbol_count = writer.symbol_count;
    builder->lattice->words = writer.words;
    builder->lattice->word_count = writer.word_count;
    return OK;
}

static bool describe_symbols(struct builder *builder)
{
    const struct lattice *lattice = builder->lattice;
    size_t count = lattice->symbol_count;
    uint64_t *counts = ARENA_RAW(builder->arena, uint64_t, count + 1);
    unsigned char *lefts = ARENA_RAW(builder->arena, unsigned char, count + 1);
    if (!counts || !lefts)
        return false;
    for (size_t i = 0; i < lattice->word_count; i++) {
        const struct lattice_word *word = lattice->words + i;
        for (uint32_t k = word->begin; k < word->end; k++) {
            uint32_t left = word->end - k;
            counts[k] = word->count;
            lefts[k] =
                (unsigned char)(left < builder->length_max ? left : builder->length_max);
        }
    }
    builder->counts = counts;
    builder->lefts = lefts;
    return true;
}

/* ---- nodes: the suffix tree's inner ones, and its leaves ---- */

static bool add_node(struct builder *builder, uint32_t first, uint32_t last,
                     uint32_t length, uint64_t count)
{
    if (length < 2 || count < 2)
        return true;
    struct node *nodes = array_grow(builder->nodes, &builder->node_capacity,
                                    builder->node_count + 1, sizeof *nodes);
    if (!nodes)
        return false;
    builder->nodes = nodes;
    nodes[builder->node_count++] =
        (struct node){first, last, length, NONE, count * length};
    return true;
}

struct open_node {
    uint32_t first, length;
    uint64_t count;
};

/* Walk over the suffixes in order with the stack of substrings that are open. A suffix that
 * is longer than what it shares with its neighbours is a leaf. */
static bool find_nodes(struct builder *builder)
{
    struct open_node stack[UINT8_MAX + 2] = {{0, 0, 0}};
    size_t top = 0;
    bool is_good = true;
    for (size_t i = 0; i < builder->order_count && is_good; i++) {
        uint64_t count = builder->counts[builder->order[i]];
        uint32_t own = builder->lefts[builder->order[i]];
        uint32_t next = i + 1 < builder->order_count ? builder->shared[i + 1] : 0;
        uint32_t at = (uint32_t)i;
        if (own > next && own > stack[top].length)
            is_good = add_node(builder, at, at, own, count);
        if (next > stack[top].length) {
            stack[++top] = (struct open_node){at, next, count};
            continue;
        }
        stack[top].count += count;
        while (is_good && stack[top].length > next) {
            struct open_node node = stack[top--];
            is_good = add_node(builder, node.first, at, node.length, node.count);
            if (stack[top].length < next)
                stack[++top] = (struct open_node){node.first, next, 0};
            stack[top].count += node.count;
        }
    }
    return is_good;
}

/* ---- candidates ---- */

/* Falls with the weight: eight steps for each doubling. */
static size_t step_of(uint64_t weight)
{
    size_t bits = 0;
    while (weight >> bits >= 16)
        bits++;
    return STEPS - 1 - (bits * 8 + (size_t)(weight >> bits));
}

/* Number the heaviest nodes, the heavier ones first; a step goes in whole or not at all,
 * unless it is the first. */
static uint32_t choose_nodes(struct builder *builder, uint32_t candidates_max)
{
    uint32_t starts[STEPS + 1] = {0};
    size_t limit = 0;
    for (size_t i = 0; i < builder->node_count; i++)
        starts[step_of(builder->nodes[i].weight) + 1]++;
    for (size_t i = 0; i < STEPS; i++) {
        starts[i + 1] += starts[i];
        if (starts[i + 1] <= candidates_max || starts[i] == 0)
            limit = i + 1;
    }
    uint32_t chosen = starts[limit], first = builder->lattice->character_count;
    for (size_t i = 0; i < builder->node_count; i++) {
        size_t step = step_of(builder->nodes[i].weight);
        if (step < limit)
            builder->nodes[i].number = first + starts[step]++;
    }
    return chosen;
}

static bool list_candidates(struct builder *builder, uint32_t chosen,
                            const struct trainer_alphabet *alphabet)
{
    struct lattice *lattice = builder->lattice;
    size_t count = (size_t)lattice->character_count + chosen;
    lattice->candidate_count = (uint32_t)count;
    lattice->places = ARENA_NEW(builder->arena, uint32_t, count + 1);
    lattice->lengths = ARENA_NEW(builder->arena, unsigned char, count + 1);
    lattice->weights = ARENA_NEW(builder->arena, double, count + 1);
    if (!lattice->places || !lattice->lengths || !lattice->weights)
        return false;
    for (size_t i = 0; i < lattice->symbol_count; i++) {
        if (lattice->symbols[i] != 0)
            lattice->places[lattice->symbols[i] - 1] = (uint32_t)i;
    }
    for (uint32_t i = 0; i < lattice->character_count; i++) {
        lattice->lengths[i] = 1;
        lattice->weights[i] = (double)alphabet->counts[i];
    }
    for (size_t i = 0; i < builder->node_count; i++) {
        const struct node *node = builder->nodes + i;
        if (node->number == NONE)
            continue;
        lattice->places[node->number] = builder->order[node->first];
        lattice->lengths[node->number] = (unsigned char)node->length;
        lattice->weights[node->number] = (double)node->weight;
    }
    return true;
}

/* ---- edges ---- */

struct edge_walk { /* the candidates that the suffixes at hand begin with */
    const struct builder *builder;
    const uint32_t *heads, *nexts; /* nodes by their first suffix, shorter ones first */
    uint32_t stack[UINT8_MAX + 1];
    size_t top;
};

static void step_to(struct edge_walk *walk, uint32_t rank)
{
    const struct node *nodes = walk->builder->nodes;
    while (walk->top > 0 && nodes[walk->stack[walk->top - 1]].last < rank)
        walk->top--;
    for (uint32_t i = walk->heads[rank]; i != NONE; i = walk->nexts[i])
        walk->stack[walk->top++] = i;
}

static void put_edges(const struct edge_walk *walk, uint32_t place, uint32_t *edges)
{
    const struct node *nodes = walk->builder->nodes;
    uint32_t character = walk->builder->lattice->symbols[place] - 1;
    *edges++ = character << LATTICE_LENGTH_BITS | 1;
    for (size_t i = 0; i < walk->top; i++) {
        const struct node *node = nodes + walk->stack[i];
        *edges++ = node->number << LATTICE_LENGTH_BITS | node->length;
    }
}

/* Inner nodes come after the longer ones that begin at the same suffix, leaves before all
 * of them: putting each in front makes lists with the shortest first. */
static bool list_nodes(const struct builder *builder, uint32_t **heads, uint32_t **nexts)
{
    *heads = ARENA_RAW(builder->arena, uint32_t, builder->order_count + 1);
    *nexts = ARENA_RAW(builder->arena, uint32_t, builder->node_count + 1);
    if (!*heads || !*nexts)
        return false;
    memset(*heads, 0xFF, (builder->order_count + 1) * sizeof **heads);
    for (size_t i = 0; i < builder->node_count; i++) {
        if (builder->nodes[i].number == NONE)
            continue;
        (*nexts)[i] = (*heads)[builder->nodes[i].first];
        (*heads)[builder->nodes[i].first] = (uint32_t)i;
    }
    return true;
}

static enum error_code make_edges(const struct builder *builder, struct error *error)
{
    struct lattice *lattice = builder->lattice;
    uint32_t *heads, *nexts;
    size_t total = 0;
    lattice->starts = ARENA_NEW(builder->arena, uint32_t, lattice->symbol_count + 2);
    if (!lattice->starts || !list_nodes(builder, &heads, &nexts))
        return no_memory(error);
    struct edge_walk walk = {.builder = builder, .heads = heads, .nexts = nexts};
    for (uint32_t i = 0; i < builder->order_count; i++) {
        step_to(&walk, i);
        lattice->starts[builder->order[i]] = (uint32_t)walk.top + 1;
        total += walk.top + 1;
    }
    if (total >= UINT32_MAX)
        return error_set(error, ERROR_CONFIG,
                         "the pieces to train on are too many: lower the limit of their "
                         "table");
    lattice->edges = ARENA_RAW(builder->arena, uint32_t, total + 1);
    if (!lattice->edges)
        return no_memory(error);
    uint32_t sum = 0;
    for (size_t i = 0; i <= lattice->symbol_count; i++) {
        uint32_t size = lattice->starts[i];
        lattice->starts[i] = sum;
        sum += size;
    }
    walk.top = 0;
    for (uint32_t i = 0; i < builder->order_count; i++) {
        step_to(&walk, i);
        put_edges(&walk, builder->order[i],
                  lattice->edges + lattice->starts[builder->order[i]]);
    }
    return OK;
}

enum error_code lattice_build(const struct counted_piece *words, size_t count,
                              const struct trainer_alphabet *alphabet,
                              uint32_t length_max, uint32_t candidates_max,
                              struct arena *arena, struct lattice *lattice,
                              struct error *error)
{
    struct builder builder = {
        .lattice = lattice, .arena = arena, .length_max = length_max};
    *lattice = (struct lattice){.character_count = alphabet->count};
    uint32_t room = LATTICE_CANDIDATES_MAX - alphabet->count;
    enum error_code code = put_words(&builder, words, count, alphabet, error);
    if (code == OK && !describe_symbols(&builder))
        code = no_memory(error);
    if (code == OK)
        code = suffix_sort(lattice->symbols, lattice->symbol_count, alphabet->count,
                           length_max, arena, &builder.order, &builder.shared,
                           &builder.order_count, error);
    if (code == OK && !find_nodes(&builder))
        code = no_memory(error);
    if (code == OK) {
        uint32_t chosen =
            choose_nodes(&builder, candidates_max < room ? candidates_max : room);
        code = list_candidates(&builder, chosen, alphabet) ? make_edges(&builder, error)
                                                           : no_memory(error);
    }
    free(builder.nodes);
    return code;
}

void lattice_shrink(struct lattice *lattice, const uint32_t *numbers)
{
    uint32_t kept = 0, at = 0;
    for (size_t i = 0; i < lattice->symbol_count; i++) {
        uint32_t end = lattice->starts[i + 1];
        lattice->starts[i] = kept;
        for (; at < end; at++) {
            uint32_t edge = lattice->edges[at];
            uint32_t number = numbers[edge >> LATTICE_LENGTH_BITS];
            if (number != UINT32_MAX)
                lattice->edges[kept++] = number << LATTICE_LENGTH_BITS |
                                         (edge & ((1u << LATTICE_LENGTH_BITS) - 1));
        }
    }
    lattice->starts[lattice->symbol_count] = kept;
    for (uint32_t i = 0; i < lattice->candidate_count; i++) {
        if (numbers[i] == UINT32_MAX)
            continue;
        lattice->places[numbers[i]] = lattice->places[i];
        lattice->lengths[numbers[i]] = lattice->lengths[i];
        lattice->weights[numbers[i]] = lattice->weights[i];
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < lattice->candidate_count; i++)
        count += numbers[i] != UINT32_MAX;
    lattice->candidate_count = count;
}
