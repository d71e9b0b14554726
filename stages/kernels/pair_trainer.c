/* pair_trainer.c - merge the most frequent pair of tokens, again and again
 *
 * A token of several units stands in its first and its last one; those between hold
 * INNER. So the neighbours of a token are one unit away, whatever their length.
 *
 * Only pairs with at least `threshold` occurrences are known by name: they have a count, a
 * list of places and a candidate in the heap. When the heap is empty the threshold is
 * lowered and all pairs are counted anew. Most pairs are never frequent enough, and cost
 * nothing but these few counts. Places and candidates are not withdrawn: a place that
 * holds another pair by now is passed over, a candidate whose count has fallen is put back
 * with the true one. */
#include "stages/kernels/pair_trainer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/compiler.h"
#include "stages/kernels/pair_map.h"
#include "stages/kernels/trainer_tokens.h"

enum {
    BUCKET_BITS = 19,
    KNOWN_PAIRS = 12000, /* aimed at when the threshold is chosen */
    AHEAD = 16           /* units fetched before they are needed */
};

#define INNER (UINT32_MAX - 1)
#define NO_SEGMENT UINT32_MAX

struct candidate {
    uint64_t count, key;
};

struct neighbour { /* of the tokens merged, by id */
    uint64_t count;
    uint32_t positions; /* how many; then where the next one goes */
};

struct side {                 /* all neighbours on the left, or on the right */
    struct neighbour *tokens; /* (capacity of tokens) */
    uint32_t *touched;        /* ids that are not zero */
    size_t touched_count;
};

struct trainer {
    const struct pair_task *task;
    struct pair_unit *units;
    uint32_t *lengths; /* of tokens, in units */
    struct pair_map pairs;
    struct candidate *heap;
    size_t heap_size, heap_capacity;
    uint32_t *places; /* unit indices, of each pair together and rising */
    size_t place_count, place_capacity;
    uint32_t *starts; /* units of the pair that is being merged */
    size_t start_count, start_capacity;
    struct side left, right;
    uint64_t threshold;
    uint64_t *buckets;
};

/* ---- heap: the best candidate first ---- */

static bool is_better(struct candidate a, struct candidate b)
{
    return a.count != b.count ? a.count > b.count : a.key < b.key;
}

static void heap_sink(struct candidate *heap, size_t size, size_t at)
{
    struct candidate item = heap[at];
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && is_better(heap[child + 1], heap[child]))
            child++;
        if (!is_better(heap[child], item))
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

static bool heap_push(struct trainer *trainer, struct candidate item)
{
    struct candidate *heap = array_grow(trainer->heap, &trainer->heap_capacity,
                                        trainer->heap_size + 1, sizeof *heap);
    if (!heap)
        return false;
    trainer->heap = heap;
    size_t at = trainer->heap_size++;
    for (; at > 0 && is_better(item, heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = item;
    return true;
}

static struct candidate heap_pop(struct trainer *trainer)
{
    struct candidate best = trainer->heap[0];
    trainer->heap[0] = trainer->heap[--trainer->heap_size];
    if (trainer->heap_size > 0)
        heap_sink(trainer->heap, trainer->heap_size, 0);
    return best;
}

/* ---- places ---- */

/* Room for the places of a pair. False: no memory. */
static bool reserve_places(struct trainer *trainer, struct pair *pair, uint32_t count)
{
    size_t wanted = trainer->place_count + count;
    uint32_t *places =
        array_grow(trainer->places, &trainer->place_capacity, wanted, sizeof *places);
    if (!places || wanted >= NO_SEGMENT)
        return false;
    trainer->places = places;
    pair->segment = (uint32_t)trainer->place_count;
    pair->positions = count;
    trainer->place_count = wanted;
    return true;
}

/* Copy the pair's places to `starts`: `places` may move while they are read. */
static bool copy_places(struct trainer *trainer, const struct pair *pair)
{
    uint32_t *starts = array_grow(trainer->starts, &trainer->start_capacity,
                                  (size_t)pair->positions + 1, sizeof *starts);
    if (!starts)
        return false;
    trainer->starts = starts;
    memcpy(starts, trainer->places + pair->segment, pair->positions * sizeof *starts);
    trainer->start_count = pair->positions;
    return true;
}

/* ---- neighbours ---- */

static void side_add(struct side *side, uint32_t token, uint64_t count)
{
    struct neighbour *neighbour = side->tokens + token;
    if (neighbour->positions++ == 0)
        side->touched[side->touched_count++] = token;
    neighbour->count += count;
}

static void side_clear(struct side *side)
{
    for (size_t i = 0; i < side->touched_count; i++)
        side->tokens[side->touched[i]] = (struct neighbour){0, 0};
    side->touched_count = 0;
}

/* Take what was counted beside `token` off the pairs with it. */
static void lower_side(struct trainer *trainer, const struct side *side, uint32_t token,
                       bool is_left)
{
    const uint32_t *touched = side->touched;
    for (size_t i = 0; i < side->touched_count; i++) {
        if (i + AHEAD < side->touched_count)
            pair_map_prefetch(&trainer->pairs, is_left
                                                   ? pair_key(touched[i + AHEAD], token)
                                                   : pair_key(token, touched[i + AHEAD]));
        uint64_t key =
            is_left ? pair_key(touched[i], token) : pair_key(token, touched[i]);
        struct pair *pair = pair_map_find(&trainer->pairs, key);
        if (pair)
            pair->count -= side->tokens[touched[i]].count;
    }
}

/* ---- merging one pair ---- */

/* Write `made` over the pair's places that still hold it, and keep those in `starts`. */
static void replace_pair(struct trainer *trainer, uint32_t a, uint32_t b, uint32_t made)
{
    struct pair_unit *units = trainer->units;
    size_t size_a = trainer->lengths[a], size_b = trainer->lengths[b];
    size_t kept = 0, last_end = 0;
    for (size_t i = 0; i < trainer->start_count; i++) {
        size_t at = trainer->starts[i], second = at + size_a, end = second + size_b;
        if (i + AHEAD < trainer->start_count)
            PREFETCH(units + trainer->starts[i + AHEAD]);
        if (units[at].token != a || units[second].token != b)
            continue;
        uint64_t count = trainer->task->counts[units[at].word];
        if (units[at - 1].token != PAIR_BREAK && at != last_end)
            side_add(&trainer->left, units[at - 1].token, count);
        if (units[end].token != PAIR_BREAK)
            side_add(&trainer->right, units[end].token, count);
        units[second - 1].token = INNER;
        units[second].token = INNER;
        units[at].token = made;
        units[end - 1].token = made;
        trainer->starts[kept++] = (uint32_t)at;
        last_end = end;
    }
    trainer->start_count = kept;
    lower_side(trainer, &trainer->left, a, true);
    lower_side(trainer, &trainer->right, b, false);
    side_clear(&trainer->left);
    side_clear(&trainer->right);
}

static bool is_known(const struct trainer *trainer, uint32_t token, uint32_t made,
                     uint64_t count)
{
    return count >= trainer->threshold &&
           trainer->lengths[token] <= trainer->task->length_max - trainer->lengths[made];
}

/* Make the pair known if it is frequent; afterwards `positions` says where its next place
 * goes, NO_SEGMENT: nowhere. */
static bool announce_pair(struct trainer *trainer, uint64_t key, bool is_allowed,
                          struct neighbour *neighbour)
{
    uint32_t count = neighbour->positions;
    neighbour->positions = NO_SEGMENT;
    if (!is_allowed)
        return true;
    struct pair *pair = pair_map_insert(&trainer->pairs, key);
    if (!pair || !reserve_places(trainer, pair, count))
        return false;
    pair->count = neighbour->count;
    neighbour->positions = pair->segment;
    return heap_push(trainer, (struct candidate){pair->count, key});
}

static bool announce_side(struct trainer *trainer, uint32_t made, struct side *side,
                          bool is_left)
{
    for (size_t i = 0; i < side->touched_count; i++) {
        uint32_t token = side->touched[i];
        struct neighbour *neighbour = side->tokens + token;
        uint64_t key = is_left ? pair_key(token, made) : pair_key(made, token);
        bool is_allowed = is_known(trainer, token, made, neighbour->count);
        if (!announce_pair(trainer, key, is_allowed, neighbour))
            return false;
    }
    return true;
}

/* Count and place the pairs that `made` forms at `starts`. */
static bool announce_token(struct trainer *trainer, uint32_t made)
{
    const struct pair_unit *units = trainer->units;
    struct side *left = &trainer->left, *right = &trainer->right;
    size_t size = trainer->lengths[made];
    for (size_t i = 0; i < trainer->start_count; i++) {
        size_t at = trainer->starts[i];
        uint64_t count = trainer->task->counts[units[at].word];
        uint32_t before = units[at - 1].token, behind = units[at + size].token;
        if (before != PAIR_BREAK)
            side_add(left, before, count);
        if (behind != PAIR_BREAK && behind != made)
            side_add(right, behind, count);
    }
    bool is_good = announce_side(trainer, made, left, true) &&
                   announce_side(trainer, made, right, false);
    for (size_t i = 0; i < trainer->start_count && is_good; i++) {
        uint32_t at = trainer->starts[i];
        uint32_t before = units[at - 1].token, behind = units[at + size].token;
        if (before != PAIR_BREAK && left->tokens[before].positions != NO_SEGMENT)
            trainer->places[left->tokens[before].positions++] =
                at - trainer->lengths[before];
        if (behind != PAIR_BREAK && behind != made &&
            right->tokens[behind].positions != NO_SEGMENT)
            trainer->places[right->tokens[behind].positions++] = at;
    }
    side_clear(left);
    side_clear(right);
    return is_good;
}

static bool merge_pair(struct trainer *trainer, struct pair *pair, uint32_t made)
{
    uint64_t key = pair->key;
    if (!copy_places(trainer, pair))
        return false;
    replace_pair(trainer, (uint32_t)(key >> 32), (uint32_t)key, made);
    pair->count = 0;
    return announce_token(trainer, made);
}

/* ---- counting anew ---- */

/* The next token behind units[at]; a break is one unit. */
static size_t next_unit(const struct trainer *trainer, size_t at)
{
    uint32_t token = trainer->units[at].token;
    return token == PAIR_BREAK ? at + 1 : at + trainer->lengths[token];
}

static size_t bucket_of(uint64_t key)
{
    return (size_t)(pair_hash(key) >> (64 - BUCKET_BITS));
}

/* The pair at `at`; PAIR_FREE: there is none. */
static uint64_t pair_at(const struct trainer *trainer, size_t at, size_t next)
{
    uint32_t left = trainer->units[at].token, right = trainer->units[next].token;
    return left == PAIR_BREAK || right == PAIR_BREAK ? PAIR_FREE : pair_key(left, right);
}

static void count_buckets(struct trainer *trainer)
{
    size_t end = trainer->task->unit_count - 1;
    memset(trainer->buckets, 0, sizeof *trainer->buckets << BUCKET_BITS);
    for (size_t at = 0, next; at < end; at = next) {
        next = next_unit(trainer, at);
        uint64_t key = pair_at(trainer, at, next);
        if (key != PAIR_FREE)
            trainer->buckets[bucket_of(key)] +=
                trainer->task->counts[trainer->units[at].word];
    }
}

/* Eight steps for each doubling. */
static size_t step_of(uint64_t count)
{
    size_t bits = 0;
    while (bits < 60 && count >> bits >= 16)
        bits++;
    return bits * 8 + (size_t)(count >> bits);
}

/* A threshold that leaves about KNOWN_PAIRS pairs, and in any case a lower one. */
static void lower_threshold(struct trainer *trainer)
{
    size_t steps[1024] = {0}, known = 0, step = 1023;
    size_t aim = trainer->task->known_pairs ? trainer->task->known_pairs : KNOWN_PAIRS;
    for (size_t i = 0; i < (size_t)1 << BUCKET_BITS; i++) {
        size_t k = step_of(trainer->buckets[i]);
        steps[k < 1023 ? k : 1023]++;
    }
    for (; step > 1 && known < aim; step--)
        known += steps[step];
    if (known >= aim)
        step++;
    uint64_t chosen = step < 16 ? step : (uint64_t)(8 + step % 8) << (step / 8 - 1);
    uint64_t limit = trainer->threshold - trainer->threshold / 4;
    if (limit == trainer->threshold)
        limit--;
    if (chosen > limit)
        chosen = limit;
    if (chosen < trainer->task->min_frequency)
        chosen = trainer->task->min_frequency;
    trainer->threshold = chosen;
}

/* Count the pairs of full buckets by name; their places in order go to `starts`. */
static bool count_pairs(struct trainer *trainer)
{
    size_t end = trainer->task->unit_count - 1, count = 0;
    pair_map_reset(&trainer->pairs);
    for (size_t at = 0, next; at < end; at = next) {
        next = next_unit(trainer, at);
        uint64_t key = pair_at(trainer, at, next);
        if (key == PAIR_FREE || trainer->buckets[bucket_of(key)] < trainer->threshold)
            continue;
        struct pair *pair = pair_map_insert(&trainer->pairs, key);
        uint32_t *starts = array_grow(trainer->starts, &trainer->start_capacity,
                                      count + 1, sizeof *starts);
        if (starts)
            trainer->starts = starts;
        if (!starts || !pair)
            return false;
        pair->count += trainer->task->counts[trainer->units[at].word];
        pair->positions++;
        starts[count++] = (uint32_t)at;
    }
    trainer->start_count = count;
    return true;
}

static bool recount(struct trainer *trainer)
{
    count_buckets(trainer);
    lower_threshold(trainer);
    trainer->place_count = 0;
    trainer->heap_size = 0;
    if (!count_pairs(trainer))
        return false;
    for (size_t i = 0; i < trainer->pairs.capacity; i++) {
        struct pair *pair = trainer->pairs.slots + i;
        if (trainer->pairs.keys[i] == PAIR_FREE)
            continue;
        uint32_t left = (uint32_t)(pair->key >> 32), right = (uint32_t)pair->key;
        uint32_t positions = pair->positions;
        pair->segment = NO_SEGMENT;
        if (!is_known(trainer, left, right, pair->count))
            continue;
        if (!reserve_places(trainer, pair, positions) ||
            !heap_push(trainer, (struct candidate){pair->count, pair->key}))
            return false;
        pair->positions = 0;
    }
    for (size_t i = 0; i < trainer->start_count; i++) {
        uint32_t at = trainer->starts[i];
        uint64_t key = pair_at(trainer, at, next_unit(trainer, at));
        struct pair *pair = pair_map_find(&trainer->pairs, key);
        if (pair->segment != NO_SEGMENT)
            trainer->places[pair->segment + pair->positions++] = at;
    }
    return true;
}

/* ---- all merges ---- */

/* The next pair, with its count; NULL: there is none, or no memory. */
static struct pair *next_pair(struct trainer *trainer, bool *is_good)
{
    *is_good = true;
    for (;;) {
        while (trainer->heap_size == 0) {
            if (trainer->threshold == trainer->task->min_frequency)
                return NULL;
            if (!(*is_good = recount(trainer)))
                return NULL;
        }
        struct candidate best = heap_pop(trainer);
        struct pair *pair = pair_map_find(&trainer->pairs, best.key);
        if (pair && pair->count == best.count)
            return pair;
        if (pair && pair->count < best.count && pair->count >= trainer->threshold &&
            !(*is_good = heap_push(trainer, (struct candidate){pair->count, best.key})))
            return NULL;
    }
}

/* A token of the joined text; TRAINER_NO_TOKEN: there is one already, or `text->is_bad`. */
static uint32_t join_tokens(struct trainer *trainer, uint64_t key, struct bytes *text)
{
    struct trainer_tokens *tokens = trainer->task->tokens;
    struct byte_range left = tokens->items[key >> 32].text;
    struct byte_range right = tokens->items[(uint32_t)key].text;
    struct byte_range drop = trainer->task->continuing;
    if (drop.size > 0 && right.size > drop.size &&
        memcmp(right.bytes, drop.bytes, drop.size) == 0) {
        right.bytes += drop.size;
        right.size -= drop.size;
    }
    bytes_reset(text);
    bytes_put(text, left.bytes, left.size);
    bytes_put(text, right.bytes, right.size);
    struct byte_range joined = {text->data, text->size};
    if (text->is_bad || trainer_tokens_find(tokens, joined) != TRAINER_NO_TOKEN)
        return TRAINER_NO_TOKEN;
    uint32_t made = trainer_tokens_add(tokens, joined, TOKEN_NORMAL, 0);
    text->is_bad = made == TRAINER_NO_TOKEN;
    return made;
}

static bool merge_all(struct trainer *trainer, struct spec_merge *merges, uint32_t *count)
{
    struct trainer_tokens *tokens = trainer->task->tokens;
    struct bytes text = {0};
    bool is_good = true;
    *count = 0;
    while (is_good && tokens->count < tokens->capacity) {
        struct pair *pair = next_pair(trainer, &is_good);
        if (!pair)
            break;
        uint32_t left = (uint32_t)(pair->key >> 32), right = (uint32_t)pair->key;
        uint32_t made = join_tokens(trainer, pair->key, &text);
        is_good = !text.is_bad;
        if (made == TRAINER_NO_TOKEN) {
            pair->count = 0;
            continue;
        }
        trainer->lengths[made] = trainer->lengths[left] + trainer->lengths[right];
        merges[(*count)++] = (struct spec_merge){left, right, made};
        is_good = merge_pair(trainer, pair, made);
    }
    bytes_clear(&text);
    return is_good;
}

static bool trainer_open(struct trainer *trainer, struct arena *arena)
{
    size_t capacity = trainer->task->tokens->capacity;
    struct side *sides[2] = {&trainer->left, &trainer->right};
    bool is_good = true;
    for (int i = 0; i < 2; i++) {
        sides[i]->tokens = ARENA_NEW(arena, struct neighbour, capacity + 1);
        sides[i]->touched = ARENA_NEW(arena, uint32_t, capacity + 1);
        is_good = is_good && sides[i]->tokens && sides[i]->touched;
    }
    trainer->lengths = ARENA_NEW(arena, uint32_t, capacity + 1);
    trainer->buckets = ARENA_RAW(arena, uint64_t, (size_t)1 << BUCKET_BITS);
    for (size_t i = 0; trainer->lengths && i < capacity; i++)
        trainer->lengths[i] = 1;
    return is_good && trainer->lengths && trainer->buckets;
}

enum error_code pair_trainer_run(const struct pair_task *task, struct arena *arena,
                                 const struct spec_merge **merges, uint32_t *merge_count,
                                 struct error *error)
{
    struct trainer trainer = {
        .task = task, .units = task->units, .threshold = UINT64_MAX};
    struct spec_merge *list =
        ARENA_RAW(arena, struct spec_merge, (size_t)task->tokens->capacity + 1);
    bool is_good =
        list && trainer_open(&trainer, arena) && merge_all(&trainer, list, merge_count);
    if (is_good)
        *merges = list;
    pair_map_clear(&trainer.pairs);
    free(trainer.heap);
    free(trainer.places);
    free(trainer.starts);
    return is_good ? OK : error_set(error, ERROR_MEMORY, "no memory to train pairs");
}
