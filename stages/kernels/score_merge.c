/* score_merge.c - merge the characters of a word by score: SentencePiece's byte-pair model */
#include "stages/kernels/score_merge.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/score_table.h"
#include "stages/kernels/tokenizer_model.h"

enum { POSITION_BITS = 6 };

/* ---- symbols to ids ---- */

struct writer {
    const struct score_table *table;
    const unsigned char *word;
    uint32_t *ids;
    struct token_span *spans; /* or NULL */
    size_t count;
    bool is_unknown; /* the last id stands for unknown characters */
};

static void put_id(struct writer *writer, uint32_t id, size_t begin, size_t end)
{
    writer->ids[writer->count] = id;
    if (writer->spans)
        writer->spans[writer->count] =
            (struct token_span){.begin = (uint32_t)begin, .end = (uint32_t)end};
    writer->count++;
}

static void put_unknown(struct writer *writer, size_t begin, size_t end)
{
    const struct score_table *table = writer->table;
    if (table->byte_fallback) {
        for (size_t i = begin; i < end; i++)
            put_id(writer, table->byte_ids[writer->word[i]], begin,
                   i + 1 == end ? end : begin);
        return;
    }
    if (!writer->is_unknown)
        put_id(writer, table->unknown, begin, end);
    else if (writer->spans)
        writer->spans[writer->count - 1].end = (uint32_t)end;
    writer->is_unknown = true;
}

/* Bytes that an unused piece, or a part of it, stands for. */
static size_t symbol_size(const struct score_table *table, uint32_t symbol,
                          const unsigned char *at, size_t left)
{
    uint32_t id = table->ids[symbol];
    return id == UINT32_MAX ? word_character(at, left) : table->sizes[id];
}

/* Unused pieces fall back into the parts that they were merged from. */
static void put_symbol(struct writer *writer, uint32_t symbol, size_t begin, size_t end)
{
    const struct score_table *table = writer->table;
    if (symbol == SYMBOL_NONE || table->ids[symbol] == UINT32_MAX) {
        put_unknown(writer, begin, end);
        return;
    }
    if (table->parts && table->parts[2 * (size_t)symbol] != SYMBOL_NONE) {
        const uint32_t *parts = table->parts + 2 * (size_t)symbol;
        size_t middle =
            begin + symbol_size(table, parts[0], writer->word + begin, end - begin);
        put_symbol(writer, parts[0], begin, middle);
        put_symbol(writer, parts[1], middle, end);
        return;
    }
    put_id(writer, table->ids[symbol], begin, end);
    writer->is_unknown = false;
}

/* The symbol that the text begins with; *length: its bytes. */
static uint32_t first_symbol(const struct score_table *table, const unsigned char *text,
                             size_t size, size_t *length)
{
    uint32_t symbol;
    if (table->has_users) {
        *length = piece_trie_longest(&table->users, text, size, &symbol);
        if (*length > 0)
            return symbol;
    }
    *length = word_character(text, size);
    return score_character(table, text, *length);
}

/* ---- short words: look at all pairs for the best one ---- */

enum { LANES = 4 };

struct scan {
    const struct score_table *table;
    /* rank << 6 | i of the pair that begins at place i, so that one minimum finds the best
     * rank and the leftmost among equals; padded to LANES. */
    int32_t keys[SCORE_SCAN_MAX + LANES];
    uint32_t symbols[SCORE_SCAN_MAX], merged[SCORE_SCAN_MAX];
    unsigned char starts[SCORE_SCAN_MAX + 1];
    unsigned char next[SCORE_SCAN_MAX + 1], previous[SCORE_SCAN_MAX + 1];
    size_t count; /* places: symbols at the start */
};

static inline void scan_rate(struct scan *scan, size_t at)
{
    size_t after = scan->next[at];
    uint32_t merged = SYMBOL_NONE;
    if (after < scan->count)
        merged = score_pair(scan->table, scan->symbols[at], scan->symbols[after]);
    scan->merged[at] = merged;
    scan->keys[at] =
        merged == SYMBOL_NONE
            ? INT32_MAX
            : (int32_t)(scan->table->ranks[merged] << POSITION_BITS | (uint32_t)at);
}

static inline int32_t scan_best(const struct scan *scan)
{
    int32_t best[LANES];
    memcpy(best, scan->keys, sizeof best);
    for (size_t i = LANES; i < scan->count; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            int32_t key = scan->keys[i + lane];
            best[lane] = key < best[lane] ? key : best[lane];
        }
    }
    for (size_t lane = 1; lane < LANES; lane++)
        best[0] = best[lane] < best[0] ? best[lane] : best[0];
    return best[0];
}

static void merge_scan(const struct score_table *table, size_t size,
                       struct writer *writer)
{
    struct scan scan;
    size_t count = 0, length;
    scan.table = table;
    for (size_t at = 0; at < size; at += length) {
        scan.symbols[count] = first_symbol(table, writer->word + at, size - at, &length);
        scan.previous[count] = (unsigned char)(count - 1);
        scan.next[count] = (unsigned char)(count + 1);
        scan.starts[count++] = (unsigned char)at;
    }
    scan.starts[count] = (unsigned char)size;
    scan.count = count;
    for (size_t i = 0; i < count; i++)
        scan_rate(&scan, i);
    for (size_t i = count; i < count + LANES; i++)
        scan.keys[i] = INT32_MAX;
    for (int32_t best; (best = scan_best(&scan)) != INT32_MAX;) {
        size_t at = (size_t)best & ((1u << POSITION_BITS) - 1);
        size_t gone = scan.next[at], after = scan.next[gone];
        scan.symbols[at] = scan.merged[at];
        scan.keys[gone] = INT32_MAX;
        scan.next[at] = (unsigned char)after;
        scan.previous[after] = (unsigned char)at;
        scan_rate(&scan, at);
        if (at > 0)
            scan_rate(&scan, scan.previous[at]);
    }
    for (size_t i = 0; i < count; i = scan.next[i])
        put_symbol(writer, scan.symbols[i], scan.starts[i], scan.starts[scan.next[i]]);
}

/* ---- long words: symbols in a chain ---- */

struct chain {
    const struct score_table *table;
    uint32_t count;             /* places: one for each symbol at the start */
    uint32_t *symbols, *starts; /* starts: (count + 1) */
    uint32_t *next, *previous;
    uint32_t *merged; /* of the pair that begins here; SYMBOL_NONE: none */
};

static enum error_code chain_open(struct chain *chain, const unsigned char *word,
                                  size_t size, struct arena *scratch, struct error *error)
{
    chain->symbols = ARENA_RAW(scratch, uint32_t, size);
    chain->starts = ARENA_RAW(scratch, uint32_t, size + 1);
    chain->next = ARENA_RAW(scratch, uint32_t, size);
    chain->previous = ARENA_RAW(scratch, uint32_t, size);
    chain->merged = ARENA_RAW(scratch, uint32_t, size);
    if (size >= UINT32_MAX / 4 || !chain->symbols || !chain->starts || !chain->next ||
        !chain->previous || !chain->merged)
        return error_set(error, ERROR_MEMORY, "no memory to merge a word of %zu bytes",
                         size);
    size_t count = 0, length;
    for (size_t at = 0; at < size; at += length) {
        chain->symbols[count] = first_symbol(chain->table, word + at, size - at, &length);
        chain->starts[count++] = (uint32_t)at;
    }
    chain->starts[count] = (uint32_t)size;
    chain->count = (uint32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        chain->next[i] = i + 1;
        chain->previous[i] = i - 1;
        chain->merged[i] = i + 1 < count ? score_pair(chain->table, chain->symbols[i],
                                                      chain->symbols[i + 1])
                                         : SYMBOL_NONE;
    }
    return OK;
}

static uint32_t chain_rank(const struct chain *chain, uint32_t at)
{
    uint32_t merged = chain->merged[at];
    return merged == SYMBOL_NONE ? RANK_NONE : chain->table->ranks[merged];
}

/* Merge the pair that begins at `at`; the pairs before and at it are new. */
static void chain_merge(struct chain *chain, uint32_t at)
{
    uint32_t gone = chain->next[at], after = chain->next[gone];
    chain->symbols[at] = chain->merged[at];
    chain->merged[gone] = SYMBOL_NONE;
    chain->next[at] = after;
    chain->merged[at] = SYMBOL_NONE;
    if (after < chain->count) {
        chain->previous[after] = at;
        chain->merged[at] =
            score_pair(chain->table, chain->symbols[at], chain->symbols[after]);
    }
    if (at > 0) {
        uint32_t before = chain->previous[at];
        chain->merged[before] =
            score_pair(chain->table, chain->symbols[before], chain->symbols[at]);
    }
}

static void chain_write(const struct chain *chain, struct writer *writer)
{
    for (uint32_t i = 0; i < chain->count; i = chain->next[i]) {
        uint32_t after = chain->next[i];
        put_symbol(writer, chain->symbols[i], chain->starts[i], chain->starts[after]);
    }
}

/* ---- a heap of pairs ---- */

struct heap {
    uint64_t *entries; /* rank << 32 | place, the least first; may be out of date */
    size_t count;
};

static void heap_push(struct heap *heap, uint64_t entry)
{
    size_t i = heap->count++;
    while (i > 0 && heap->entries[(i - 1) / 2] > entry) {
        heap->entries[i] = heap->entries[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    heap->entries[i] = entry;
}

static uint64_t heap_pop(struct heap *heap)
{
    uint64_t least = heap->entries[0];
    uint64_t last = heap->entries[--heap->count];
    size_t i = 0;
    for (size_t child = 1; child < heap->count; child = 2 * i + 1) {
        if (child + 1 < heap->count && heap->entries[child + 1] < heap->entries[child])
            child++;
        if (last <= heap->entries[child])
            break;
        heap->entries[i] = heap->entries[child];
        i = child;
    }
    heap->entries[i] = last;
    return least;
}

static void heap_rate(struct heap *heap, const struct chain *chain, uint32_t at)
{
    uint32_t rank = chain_rank(chain, at);
    if (rank != RANK_NONE)
        heap_push(heap, (uint64_t)rank << 32 | at);
}

static enum error_code merge_heap(struct chain *chain, struct arena *scratch,
                                  struct error *error)
{
    /* one for every pair at the start, two for every merge */
    struct heap heap = {.entries =
                            ARENA_RAW(scratch, uint64_t, 3 * (size_t)chain->count)};
    if (!heap.entries)
        return error_set(error, ERROR_MEMORY, "no memory to merge %u symbols",
                         chain->count);
    for (uint32_t i = 0; i < chain->count; i++)
        heap_rate(&heap, chain, i);
    while (heap.count > 0) {
        uint64_t entry = heap_pop(&heap);
        uint32_t at = (uint32_t)entry;
        if (chain_rank(chain, at) != entry >> 32)
            continue;
        chain_merge(chain, at);
        heap_rate(&heap, chain, at);
        if (at > 0)
            heap_rate(&heap, chain, chain->previous[at]);
    }
    return OK;
}

/* ---- a list of pairs for each rank ---- */

/* As the table is ordered, merging pairs of one rank makes pairs of that rank and later
 * ones only: one sweep over the ranks is enough. New pairs of the rank in work wait in a
 * heap, which stays small: they are mostly the leftmost. */
struct buckets {
    uint32_t rank;            /* in work */
    struct heap same;         /* places of its new pairs */
    uint32_t *heads, *tails;  /* (ranks): entry + 1; 0: none */
    uint64_t *is_used;        /* (ranks) bits */
    uint32_t *places, *links; /* of entries */
    uint32_t count;
    uint32_t *sorted; /* room for the places of one list */
};

static bool buckets_open(struct buckets *buckets, const struct chain *chain,
                         struct arena *scratch)
{
    size_t ranks = chain->table->rank_count, entries = 3 * (size_t)chain->count;
    buckets->heads = ARENA_NEW(scratch, uint32_t, ranks);
    buckets->tails = ARENA_NEW(scratch, uint32_t, ranks);
    buckets->is_used = ARENA_NEW(scratch, uint64_t, ranks / 64 + 1);
    buckets->places = ARENA_RAW(scratch, uint32_t, entries);
    buckets->links = ARENA_RAW(scratch, uint32_t, entries);
    buckets->sorted = ARENA_RAW(scratch, uint32_t, entries);
    buckets->same.entries = ARENA_RAW(scratch, uint64_t, entries);
    buckets->rank = RANK_NONE;
    return buckets->heads && buckets->tails && buckets->is_used && buckets->places &&
           buckets->links && buckets->sorted && buckets->same.entries;
}

static void buckets_rate(struct buckets *buckets, const struct chain *chain, uint32_t at)
{
    uint32_t rank = chain_rank(chain, at);
    if (rank == RANK_NONE)
        return;
    if (rank == buckets->rank) {
        heap_push(&buckets->same, at);
        return;
    }
    uint32_t entry = buckets->count++;
    buckets->places[entry] = at;
    buckets->links[entry] = 0;
    if (buckets->heads[rank] == 0)
        buckets->heads[rank] = entry + 1;
    else
        buckets->links[buckets->tails[rank] - 1] = entry + 1;
    buckets->tails[rank] = entry + 1;
    buckets->is_used[rank / 64] |= UINT64_C(1) << (rank % 64);
}

static int compare_places(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The places of a list from the left to the right; mostly they are in order already. */
static size_t bucket_places(struct buckets *buckets, uint32_t rank)
{
    size_t count = 0;
    bool is_sorted = true;
    for (uint32_t entry = buckets->heads[rank]; entry != 0;
         entry = buckets->links[entry - 1]) {
        uint32_t place = buckets->places[entry - 1];
        is_sorted = is_sorted && (count == 0 || buckets->sorted[count - 1] <= place);
        buckets->sorted[count++] = place;
    }
    if (!is_sorted)
        qsort(buckets->sorted, count, sizeof *buckets->sorted, compare_places);
    return count;
}

static void merge_bucket(struct buckets *buckets, struct chain *chain, uint32_t rank)
{
    size_t count = bucket_places(buckets, rank), i = 0;
    struct heap *same = &buckets->same;
    buckets->rank = rank;
    while (i < count || same->count > 0) {
        bool is_new =
            same->count > 0 && (i == count || same->entries[0] <= buckets->sorted[i]);
        uint32_t at = is_new ? (uint32_t)heap_pop(same) : buckets->sorted[i++];
        if (chain_rank(chain, at) != rank)
            continue;
        chain_merge(chain, at);
        buckets_rate(buckets, chain, at);
        if (at > 0)
            buckets_rate(buckets, chain, chain->previous[at]);
    }
}

static enum error_code merge_buckets(struct chain *chain, struct arena *scratch,
                                     struct error *error)
{
    struct buckets buckets = {0};
    if (!buckets_open(&buckets, chain, scratch))
        return error_set(error, ERROR_MEMORY, "no memory to merge %u symbols",
                         chain->count);
    for (uint32_t i = 0; i < chain->count; i++)
        buckets_rate(&buckets, chain, i);
    for (size_t word = 0; word <= chain->table->rank_count / 64; word++) {
        while (buckets.is_used[word] != 0) {
            unsigned bit = TRAILING_ZEROS(buckets.is_used[word]);
            buckets.is_used[word] &= buckets.is_used[word] - 1;
            merge_bucket(&buckets, chain, (uint32_t)(word * 64 + bit));
        }
    }
    return OK;
}

enum error_code score_merge(const struct score_table *table, enum score_method method,
                            const unsigned char *word, size_t size, struct arena *scratch,
                            uint32_t *ids, struct token_span *spans, size_t *count,
                            struct error *error)
{
    struct writer writer = {.table = table, .word = word, .ids = ids, .spans = spans};
    if (method == SCORE_SCAN || (method == SCORE_BY_SIZE && size <= SCORE_SCAN_MAX)) {
        assert(size <= SCORE_SCAN_MAX);
        merge_scan(table, size, &writer);
        *count = writer.count;
        return OK;
    }
    struct chain chain = {.table = table};
    enum error_code code = chain_open(&chain, word, size, scratch, error);
    if (code != OK)
        return code;
    bool is_long = chain.count >= SCORE_BUCKETS_FROM && table->is_ordered;
    if (method == SCORE_BUCKETS || (method == SCORE_BY_SIZE && is_long))
        code = merge_buckets(&chain, scratch, error);
    else
        code = merge_heap(&chain, scratch, error);
    if (code == OK)
        chain_write(&chain, &writer);
    *count = writer.count;
    return code;
}
