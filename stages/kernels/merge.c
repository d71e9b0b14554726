/* merge.c - byte-pair merging of one piece: lowest rank first, leftmost among equals */
#include "stages/kernels/merge.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/merge_parts.h"
#include "stages/kernels/vocabulary.h"

enum { POSITION_BITS = 6 };

size_t merge_short(const struct vocabulary *vocabulary, const unsigned char *piece,
                   size_t size, uint32_t *ids)
{
    /* keys[i]: rank << 6 | i of the pair that begins at i, so that one minimum finds the
     * lowest rank and the leftmost among equals. */
    uint32_t keys[MERGE_SHORT_MAX];
    uint32_t tokens[MERGE_SHORT_MAX];
    unsigned char next[MERGE_SHORT_MAX + 1], previous[MERGE_SHORT_MAX + 1];
    assert(size <= MERGE_SHORT_MAX);
    for (size_t i = 0; i < size; i++) {
        tokens[i] = vocabulary->byte_ids[piece[i]];
        next[i] = (unsigned char)(i + 1);
        previous[i] = (unsigned char)(i - 1);
        keys[i] = TOKEN_NONE;
        if (i + 1 < size) {
            uint32_t pair = vocabulary->byte_pairs[piece[i] << 8 | piece[i + 1]];
            keys[i] = pair == TOKEN_NONE ? pair : pair << POSITION_BITS | (uint32_t)i;
        }
    }
    for (;;) {
        uint32_t lowest = TOKEN_NONE;
        for (size_t i = 0; i < size; i++)
            lowest = keys[i] < lowest ? keys[i] : lowest;
        if (lowest == TOKEN_NONE)
            break;
        uint32_t at = lowest & ((1u << POSITION_BITS) - 1);
        uint32_t gone = next[at];
        uint32_t after = next[gone];
        tokens[at] = lowest >> POSITION_BITS;
        keys[gone] = keys[at] = TOKEN_NONE;
        next[at] = (unsigned char)after;
        if (after < size) {
            previous[after] = (unsigned char)at;
            uint32_t pair = vocabulary_pair(vocabulary, tokens[at], tokens[after]);
            if (pair != TOKEN_NONE)
                keys[at] = pair << POSITION_BITS | at;
        }
        if (at > 0) {
            uint32_t before = previous[at];
            uint32_t pair = vocabulary_pair(vocabulary, tokens[before], tokens[at]);
            keys[before] = pair == TOKEN_NONE ? pair : pair << POSITION_BITS | before;
        }
    }
    size_t count = 0;
    for (size_t i = 0; i < size; i = next[i])
        ids[count++] = tokens[i];
    return count;
}

void merge_sort_jobs(struct merge_job *jobs, size_t count, struct merge_job **sorted)
{
    size_t ends[MERGE_TINY_MAX + 1] = {0};
    for (size_t i = 0; i < count; i++)
        ends[jobs[i].size]++;
    for (size_t size = MERGE_TINY_MAX; size-- > 0;)
        ends[size] += ends[size + 1];
    for (size_t i = count; i-- > 0;)
        sorted[--ends[jobs[i].size]] = &jobs[i];
}

void merge_take_lane(struct merge_job *job, const uint32_t *tokens, size_t stride)
{
    size_t count = 0;
    do
        job->ids[count] = tokens[count * stride];
    while (++count < job->size && tokens[count * stride] != TOKEN_NONE);
    job->count = count;
}

void merge_jobs(const struct vocabulary *vocabulary, struct merge_job *jobs, size_t count)
{
    if (merge_has_avx512()) {
        merge_jobs_avx512(vocabulary, jobs, count);
        return;
    }
    if (merge_has_avx2()) {
        merge_jobs_avx2(vocabulary, jobs, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        jobs[i].count = merge_short(vocabulary, jobs[i].piece, jobs[i].size, jobs[i].ids);
}

/* ---- the heap ---- */

struct heap {
    uint64_t *entries; /* rank << 32 | position, the least first; may be out of date */
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

struct chain { /* tokens in place, at the position of their first byte */
    const struct vocabulary *vocabulary;
    uint32_t size;
    uint32_t *tokens, *next, *previous;
    uint32_t *ranks; /* of the pair that begins here; TOKEN_NONE: none */
    struct heap heap;
};

static void chain_rate(struct chain *chain, uint32_t at)
{
    uint32_t after = chain->next[at];
    uint32_t pair =
        after < chain->size
            ? vocabulary_pair(chain->vocabulary, chain->tokens[at], chain->tokens[after])
            : TOKEN_NONE;
    chain->ranks[at] = pair;
    if (pair != TOKEN_NONE)
        heap_push(&chain->heap, (uint64_t)pair << 32 | at);
}

static bool chain_alloc(struct chain *chain, struct arena *scratch)
{
    size_t size = chain->size;
    chain->tokens = ARENA_RAW(scratch, uint32_t, size);
    chain->next = ARENA_RAW(scratch, uint32_t, size);
    chain->previous = ARENA_RAW(scratch, uint32_t, size);
    chain->ranks = ARENA_RAW(scratch, uint32_t, size);
    /* one for every pair at the start, two for every merge */
    chain->heap.entries = ARENA_RAW(scratch, uint64_t, 3 * size);
    return chain->tokens && chain->next && chain->previous && chain->ranks &&
           chain->heap.entries;
}

enum error_code merge_heap(const struct vocabulary *vocabulary,
                           const unsigned char *piece, size_t size, struct arena *scratch,
                           uint32_t *ids, size_t *count, struct error *error)
{
    struct chain chain = {.vocabulary = vocabulary, .size = (uint32_t)size};
    if (size >= UINT32_MAX / 2 || !chain_alloc(&chain, scratch))
        return error_set(error, ERROR_MEMORY, "no memory to merge a piece of %zu bytes",
                         size);
    for (uint32_t i = 0; i < size; i++) {
        chain.tokens[i] = vocabulary->byte_ids[piece[i]];
        chain.next[i] = i + 1;
        chain.previous[i] = i - 1;
        uint32_t pair = i + 1 < size
                            ? vocabulary->byte_pairs[piece[i] << 8 | piece[i + 1]]
                            : TOKEN_NONE;
        chain.ranks[i] = pair;
        if (pair != TOKEN_NONE)
            heap_push(&chain.heap, (uint64_t)pair << 32 | i);
    }
    while (chain.heap.count > 0) {
        uint64_t entry = heap_pop(&chain.heap);
        uint32_t at = (uint32_t)entry;
        if (chain.ranks[at] != entry >> 32)
            continue;
        uint32_t gone = chain.next[at];
        chain.tokens[at] = (uint32_t)(entry >> 32);
        chain.ranks[gone] = TOKEN_NONE;
        chain.next[at] = chain.next[gone];
        if (chain.next[at] < size)
            chain.previous[chain.next[at]] = at;
        chain_rate(&chain, at);
        if (at > 0)
            chain_rate(&chain, chain.previous[at]);
    }
    size_t written = 0;
    for (uint32_t i = 0; i < size; i = chain.next[i])
        ids[written++] = chain.tokens[i];
    *count = written;
    return OK;
}

/* ---- linear ---- */

/* Would merging leave these two tokens side by side? Their merges are undone, the latest
 * first; when one across the border had come earlier, they would not. `limit`: the rank
 * of the merge undone last; one more where it lies right of the border, since the leftmost
 * comes first among equals. */
static bool pair_stands(const struct vocabulary *vocabulary, uint32_t left,
                        uint32_t right)
{
    const uint32_t *splits = vocabulary->splits;
    uint32_t limit = UINT32_MAX;
    for (;;) {
        uint32_t across = vocabulary_pair(vocabulary, left, right);
        if (across < limit) /* TOKEN_NONE is not */
            return false;
        uint32_t left_inner = splits[2 * (size_t)left + 1];
        uint32_t right_inner = splits[2 * (size_t)right];
        bool is_left = right_inner == right || (left > right && left_inner != left);
        if (is_left) {
            if (left_inner == left)
                return true;
            limit = left;
            left = left_inner;
        } else {
            limit = right + 1;
            right = right_inner;
        }
    }
}

/* Answers of pair_stands() for one long piece, where few pairs come again and again. */
enum { MEMO_BITS = 12, MEMO_FROM = 2048 };

static bool pair_stands_memo(const struct vocabulary *vocabulary, uint64_t *memo,
                             uint32_t left, uint32_t right)
{
    if (!memo)
        return pair_stands(vocabulary, left, right);
    /* slots: (pair + 1) << 1 | answer; 0: empty */
    uint64_t key = vocabulary_pair_key(left, right) + 1;
    uint64_t *slot = memo + vocabulary_slot(key, 64 - MEMO_BITS);
    if (*slot >> 1 != key)
        *slot = key << 1 | pair_stands(vocabulary, left, right);
    return *slot & 1;
}

/* The longest token at each place, in turn. Where the text repeats itself, what was found
 * last is found again without a walk. */
struct longest_walk {
    size_t at, seen; /* of the last walk; seen 0: there was none */
    uint32_t token;
};

static uint32_t longest_at(const struct vocabulary *vocabulary, struct longest_walk *walk,
                           const unsigned char *piece, size_t size, size_t at)
{
    if (walk->seen == 0 || size - at < walk->seen ||
        memcmp(piece + at, piece + walk->at, walk->seen) != 0)
        walk->token = vocabulary_longest(vocabulary, piece + at, size - at, &walk->seen);
    if (walk->seen > size - at)
        walk->seen = 0; /* the end had its part in it */
    walk->at = at;
    return walk->token;
}

static bool is_dead(const uint64_t *dead, size_t at)
{
    return dead[at / 64] >> (at % 64) & 1;
}

/* Bytes from `at` on that are those `period` before them. */
static size_t count_repeated(const unsigned char *piece, size_t size, size_t at,
                             size_t period)
{
    size_t end = at;
    while (size - end >= 8 && memcmp(piece + end, piece + end - period, 8) == 0)
        end += 8;
    while (end < size && piece[end] == piece[end - period])
        end++;
    return end - at;
}

/* The same token twice, the second where all longer ones did not stand behind the first: it
 * is taken again as long as the text repeats what decided on it. Returns how often. */
static size_t repeat_token(const unsigned char *piece, size_t size, size_t at,
                           size_t period, size_t seen, const uint64_t *dead,
                           uint32_t token, uint32_t *ids)
{
    size_t repeated = count_repeated(piece, size, at, period), count = 0;
    for (size_t done = 0; repeated - done >= seen && !is_dead(dead, at + done + period);
         done += period)
        ids[count++] = token;
    return count;
}

enum error_code merge_linear(const struct vocabulary *vocabulary,
                             const unsigned char *piece, size_t size,
                             struct arena *scratch, uint32_t *ids, size_t *count,
                             struct error *error)
{
    /* dead: positions at which no token of the result can begin */
    uint64_t *dead = ARENA_NEW(scratch, uint64_t, size / 64 + 1);
    uint64_t *memo =
        size < MEMO_FROM ? NULL : ARENA_NEW(scratch, uint64_t, 1 << MEMO_BITS);
    if (!dead || (size >= MEMO_FROM && !memo))
        return error_set(error, ERROR_MEMORY, "no memory to merge a piece of %zu bytes",
                         size);
    size_t written = 0, at = 0;
    struct longest_walk walk = {0};
    uint32_t token = longest_at(vocabulary, &walk, piece, size, 0);
    bool was_dead = false; /* a longer token at this place might have stood */
    while (at < size) {
        size_t end = at + vocabulary_token_size(vocabulary, token);
        if (!is_dead(dead, end) &&
            (written == 0 ||
             pair_stands_memo(vocabulary, memo, ids[written - 1], token))) {
            ids[written++] = token;
            if (written >= 2 && ids[written - 2] == token && walk.at == at &&
                walk.seen > 0 && !was_dead) {
                size_t period = end - at;
                size_t times = repeat_token(piece, size, end, period, walk.seen, dead,
                                            token, ids + written);
                written += times;
                end += times * period;
            }
            at = end;
            was_dead = false;
            if (at < size)
                token = longest_at(vocabulary, &walk, piece, size, at);
            continue;
        }
        was_dead |= is_dead(dead, end);
        token = vocabulary->prefixes[token];
        if (token == TOKEN_NONE) {
            assert(written > 0); /* every text has a result */
            dead[at / 64] |= UINT64_C(1) << (at % 64);
            token = ids[--written];
            at -= vocabulary_token_size(vocabulary, token);
        }
    }
    *count = written;
    return OK;
}

enum error_code merge_piece(const struct vocabulary *vocabulary,
                            const unsigned char *piece, size_t size,
                            struct arena *scratch, uint32_t *ids, size_t *count,
                            struct error *error)
{
    uint32_t whole = vocabulary_find(vocabulary, piece, size);
    if (whole != TOKEN_NONE) {
        ids[0] = whole;
        *count = 1;
        return OK;
    }
    if (size <= MERGE_SHORT_MAX) {
        *count = merge_short(vocabulary, piece, size, ids);
        return OK;
    }
    if (vocabulary_is_ordered_in(vocabulary, piece, size))
        return merge_linear(vocabulary, piece, size, scratch, ids, count, error);
    return merge_heap(vocabulary, piece, size, scratch, ids, count, error);
}
