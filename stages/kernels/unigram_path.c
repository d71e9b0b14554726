/* unigram_path.c - the best way through a text by a Unigram model (Viterbi) */
#include "stages/kernels/unigram_path.h"

#include <math.h>

#include "stages/kernels/unigram_table.h"

enum { LIMIT_MAX = 255 };

struct search {
    const struct unigram_table *table;
    const unsigned char *text;
    size_t size;
    struct path_node *nodes;
    double *seconds; /* best sums that lost; NULL: not asked for */
    double largest;  /* magnitude of a sum */
    size_t steps;    /* characters */
    bool is_stuck;   /* a character needs the unknown id, and there is none */
};

static inline void offer(struct search *search, size_t end, double candidate,
                         double stored, size_t start, uint32_t id)
{
    struct path_node *node = &search->nodes[end];
    bool is_first = node->start == UINT32_MAX;
    if (search->seconds) {
        double lost = candidate > node->score ? node->score : candidate;
        if (!is_first && lost > search->seconds[end])
            search->seconds[end] = lost;
        double magnitude = candidate < 0 ? -candidate : candidate;
        search->largest = magnitude > search->largest ? magnitude : search->largest;
    }
    if (is_first || candidate > node->score) {
        node->score = stored;
        node->start = (uint32_t)start;
        node->id = id;
    }
}

/* All pieces that begin at `start`, then on to the next character. `is_rounded` is a
 * constant where this is called. */
static inline size_t advance(struct search *search, size_t start, bool is_rounded)
{
    const struct unigram_table *table = search->table;
    const unsigned char *text = search->text;
    const double till_here = search->nodes[start].score;
    const size_t length = word_character(text + start, search->size - start);
    uint32_t base = table->trie.root;
    bool has_single = false;
    uint64_t cell;
    for (size_t end = start;
         end < search->size && piece_trie_step(&table->trie, base, text[end], &cell);) {
        end++;
        base = trie_cell_base(cell);
        uint32_t id = trie_cell_value(cell);
        if (id == TRIE_NONE)
            continue;
        double candidate = table->scores[id] + till_here;
        offer(search, end, candidate, is_rounded ? (double)(float)candidate : candidate,
              start, id);
        has_single = has_single || end - start == length;
    }
    if (!has_single) {
        double candidate = table->unknown_score + till_here;
        if (is_rounded)
            candidate = (double)(float)candidate;
        const struct path_node *node = &search->nodes[start + length];
        if (table->unknown == UINT32_MAX &&
            (node->start == UINT32_MAX || candidate > node->score))
            search->is_stuck = true;
        offer(search, start + length, candidate, candidate, start, table->unknown);
    }
    return start + length;
}

static void begin(struct search *search, double base)
{
    for (size_t i = 0; i <= search->size; i++)
        search->nodes[i] = (struct path_node){.score = 0, .start = UINT32_MAX};
    search->nodes[0].score = base;
}

bool unigram_path_find(const struct unigram_table *table, const unsigned char *text,
                       size_t size, double base, struct path_node *nodes)
{
    struct search search = {.table = table, .text = text, .size = size, .nodes = nodes};
    begin(&search, base);
    if (table->is_float) {
        for (size_t at = 0; at < size;)
            at = advance(&search, at, true);
    } else {
        for (size_t at = 0; at < size;)
            at = advance(&search, at, false);
    }
    return !search.is_stuck;
}

/* The smallest lead along the way. */
static double way_margin(const struct search *search)
{
    double margin = INFINITY;
    for (size_t end = search->size; end > 0; end = search->nodes[end].start) {
        double lead = search->nodes[end].score - search->seconds[end];
        margin = lead < margin ? lead : margin;
    }
    return margin;
}

bool unigram_path_find_limit(const struct unigram_table *table, const unsigned char *text,
                             size_t size, struct path_node *nodes, double *seconds,
                             uint32_t *limit)
{
    struct search search = {
        .table = table, .text = text, .size = size, .nodes = nodes, .seconds = seconds};
    begin(&search, 0);
    for (size_t i = 0; i <= size; i++)
        seconds[i] = -INFINITY;
    for (size_t at = 0; at < size; search.steps++)
        at = advance(&search, at, false);
    /* Two sums of at most `steps` additions each, each of which is off by at most
     * u * (base + largest); half of that is kept for the error of this computation. */
    double roundoff = ldexp(1, table->is_float ? -24 : -53);
    double bound =
        way_margin(&search) / (4 * (double)search.steps * roundoff) - 2 * search.largest;
    *limit = 0;
    if (bound > 0) {
        int exponent;
        (void)frexp(bound < 1e60 ? bound : 1e60, &exponent); /* bound >= 2^(exponent-1) */
        int coded = exponent - 1 + UNIGRAM_LIMIT_BIAS;
        *limit = (uint32_t)(coded < 0 ? 0 : coded > LIMIT_MAX ? LIMIT_MAX : coded);
    }
    return !search.is_stuck;
}

double unigram_path_add(const struct unigram_table *table, double base, double score)
{
    double sum = base + score;
    return table->is_float ? (double)(float)sum : sum;
}
