/* piece_table.c - counts of the pieces of texts, to train a tokenizer on */
#include "stages/kernels/piece_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/compiler.h"
#include "core/hash.h"
#include "core/unicode.h"
#include "stages/kernels/piece_cache.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/tokenizer_spec.h"

enum {
    BATCH = 256,          /* pieces looked up together */
    LEVEL_BITS = 2,       /* of the hash, for each level */
    FIRST_CAPACITY = 512, /* slots of a level */
    LONG_PIECE = 255,     /* in place of a size: the bytes stand elsewhere */
    OFFSET_BITS = 56,
    WORD_MARK = 0x2581
};

static const uint64_t SAVED_MAGIC = UINT64_C(0x31656C626174706D); /* "mptable1" */

struct slot {
    /* A short piece as piece_cache.h packs it; or the hash of a long one, and LONG_PIECE
     * above the offset of its size (u32) and bytes. high = 0: empty. */
    struct piece_key key;
    uint64_t count;
};

struct level {
    struct slot *slots; /* (capacity), owned */
    size_t capacity, used;
    struct bytes longs;
    uint64_t cost, oversized; /* zero below the table's level */
    uint64_t texts, bytes;    /* of all texts */
};

struct piece_table {
    struct piece_table_options options;
    uint32_t lowest;
    uint64_t cost; /* of all levels */
    struct level levels[PIECE_LEVELS];
    struct bytes words; /* SentencePiece's words of a text; its padding */
};

struct extent { /* in the text of a batch */
    size_t begin, end;
};

/* ---- a level ---- */

static void level_clear(struct level *level)
{
    free(level->slots);
    level->slots = NULL;
    level->capacity = level->used = 0;
    bytes_clear(&level->longs);
    level->cost = level->oversized = 0;
}

static bool is_long(const struct slot *slot)
{
    return slot->key.high >> OFFSET_BITS == LONG_PIECE;
}

static struct byte_range slot_piece(const struct level *level, const struct slot *slot)
{
    if (!is_long(slot))
        return (struct byte_range){(const unsigned char *)&slot->key,
                                   slot->key.high >> OFFSET_BITS};
    size_t offset = slot->key.high & ((UINT64_C(1) << OFFSET_BITS) - 1);
    return (struct byte_range){level->longs.data + offset + 4,
                               load_u32(level->longs.data + offset)};
}

static size_t key_hash(struct piece_key key)
{
    uint64_t hash =
        (key.low ^ (key.high << 29 | key.high >> 35)) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash ^ hash >> 32);
}

/* The key that a long piece is looked for by. */
static struct piece_key long_key(const unsigned char *piece, size_t size)
{
    return (struct piece_key){hash64(piece, size, 0),
                              (uint64_t)LONG_PIECE << OFFSET_BITS};
}

static size_t home_of(const struct level *level, struct piece_key key)
{
    if (key.high >> OFFSET_BITS == LONG_PIECE)
        key.high = (uint64_t)LONG_PIECE << OFFSET_BITS;
    uint64_t hash = key_hash(key);
    return (size_t)(hash * UINT64_C(0xD6E8FEB86659FD93) >> 20) & (level->capacity - 1);
}

static bool level_reserve(struct level *level, size_t more)
{
    size_t capacity = level->capacity ? level->capacity : FIRST_CAPACITY;
    while ((level->used + more) * 4 > capacity * 3)
        capacity *= 2;
    if (capacity == level->capacity)
        return true;
    size_t room = 0;
    struct level grown = *level;
    grown.slots = array_grow(NULL, &room, capacity, sizeof *grown.slots);
    if (!grown.slots)
        return false;
    grown.capacity = capacity;
    for (size_t i = 0; i < level->capacity; i++) {
        const struct slot *slot = level->slots + i;
        size_t at = home_of(&grown, slot->key);
        if (slot->key.high == 0)
            continue;
        while (grown.slots[at].key.high != 0)
            at = (at + 1) & (capacity - 1);
        grown.slots[at] = *slot;
    }
    free(level->slots);
    *level = grown;
    return true;
}

static bool is_same_long(const struct level *level, const struct slot *slot,
                         uint64_t hash, const unsigned char *piece, size_t size)
{
    if (slot->key.low != hash || !is_long(slot))
        return false;
    struct byte_range other = slot_piece(level, slot);
    return other.size == size && memcmp(other.bytes, piece, size) == 0;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* There is room for one more slot. False: no memory. */
static bool level_count(struct level *level, struct piece_key key, size_t at,
                        const unsigned char *piece, size_t size, uint64_t count)
{
    size_t mask = level->capacity - 1;
    bool with_bytes = key.high >> OFFSET_BITS == LONG_PIECE;
    for (;; at = (at + 1) & mask) {
        struct slot *slot = level->slots + at;
        bool is_same = with_bytes
                           ? is_same_long(level, slot, key.low, piece, size)
                           : slot->key.low == key.low && slot->key.high == key.high;
        if (is_same) {
            slot->count = add_saturated(slot->count, count);
            return true;
        }
        if (slot->key.high == 0)
            break;
    }
    if (with_bytes) {
        key.high |= level->longs.size;
        bytes_put_u32(&level->longs, (uint32_t)size);
        bytes_put(&level->longs, piece, size);
        if (level->longs.is_bad)
            return false;
    }
    level->slots[at] = (struct slot){key, count};
    level->used++;
    level->cost += size + PIECE_ENTRY_COST;
    return true;
}

/* ---- the table ---- */

enum error_code piece_table_create(const struct piece_table_options *options,
                                   struct piece_table **table, struct error *error)
{
    if (options->memory_limit < PIECE_MEMORY_MIN)
        return error_set(error, ERROR_CONFIG,
                         "a table of pieces needs a memory limit of at least %d bytes",
                         PIECE_MEMORY_MIN);
    struct piece_table *created = calloc(1, sizeof *created);
    if (!created)
        return error_set(error, ERROR_MEMORY, "no memory for a table of pieces");
    created->options = *options;
    *table = created;
    return OK;
}

void piece_table_destroy(struct piece_table *table)
{
    if (!table)
        return;
    for (uint32_t i = 0; i < PIECE_LEVELS; i++)
        level_clear(&table->levels[i]);
    bytes_clear(&table->words);
    free(table);
}

static void raise_level(struct piece_table *table, uint32_t lowest)
{
    for (; table->lowest < lowest; table->lowest++) {
        table->cost -= table->levels[table->lowest].cost;
        level_clear(&table->levels[table->lowest]);
    }
}

/* The last level stays, whatever it costs: it is one text in 4^31. */
static void keep_limit(struct piece_table *table)
{
    while (table->cost > table->options.memory_limit && table->lowest + 1 < PIECE_LEVELS)
        raise_level(table, table->lowest + 1);
}

static uint32_t level_of(const unsigned char *text, size_t size)
{
    uint64_t hash = hash64(text, size, 0);
    uint32_t level = 0;
    for (; level + 1 < PIECE_LEVELS && hash % (1u << LEVEL_BITS) == 0; level++)
        hash >>= LEVEL_BITS;
    return level;
}

/* Count up to BATCH pieces of `text`, of which `readable` bytes can be read. */
static bool count_batch(struct piece_table *table, uint32_t level_id,
                        const unsigned char *text, size_t readable,
                        const struct extent *pieces, size_t count)
{
    struct piece_key keys[BATCH];
    size_t homes[BATCH];
    struct level *level = &table->levels[level_id];
    if (level_id < table->lowest)
        return true;
    if (!level_reserve(level, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t begin = pieces[i].begin, size = pieces[i].end - begin;
        if (size > PIECE_KEY_MAX)
            keys[i] = long_key(text + begin, size);
        else if (begin + 16 <= readable)
            keys[i] = piece_key_load(text + begin, size);
        else
            keys[i] = piece_key_copy(text + begin, size);
        homes[i] = home_of(level, keys[i]);
        PREFETCH(level->slots + homes[i]);
    }
    uint64_t cost = level->cost;
    bool is_good = true;
    for (size_t i = 0; i < count && is_good; i++) {
        size_t begin = pieces[i].begin, size = pieces[i].end - begin;
        if (size > PIECE_SIZE_MAX)
            level->oversized++;
        else if (size > 0)
            is_good = level_count(level, keys[i], homes[i], text + begin, size, 1);
    }
    table->cost += level->cost - cost;
    keep_limit(table);
    return is_good;
}

static bool count_pattern(struct piece_table *table, uint32_t level,
                          const unsigned char *text, size_t size)
{
    size_t ends[BATCH];
    struct extent pieces[BATCH];
    size_t at = 0, count, begin = 0;
    while ((count = split_pieces(table->options.pattern, text, size, &at, ends, BATCH)) >
           0) {
        for (size_t i = 0; i < count; i++) {
            pieces[i] = (struct extent){begin, ends[i]};
            begin = ends[i];
        }
        if (!count_batch(table, level, text, size, pieces, count))
            return false;
    }
    return true;
}

static bool is_separator(unsigned char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Past the characters from `at` on that belong to a word. */
static size_t skip_characters(const unsigned char *text, size_t size, size_t at)
{
    while (at < size) {
        uint32_t code;
        size_t length = 1;
        if (text[at] < 0x80) {
            if (is_separator(text[at]))
                break;
        } else {
            length = unicode_decode(text + at, size - at, &code);
            if (length == 0 || code == WORD_MARK)
                break;
        }
        at += length;
    }
    return at;
}

/* Append the word at `at`, if there is one; returns where the search goes on. */
static size_t put_word(const unsigned char *text, size_t size, size_t at,
                       struct bytes *words)
{
    size_t before = words->size;
    for (;;) {
        uint32_t code;
        size_t end = skip_characters(text, size, at);
        bool is_broken = end < size && !is_separator(text[end]) &&
                         unicode_decode(text + end, size - end, &code) == 0;
        if ((end > at || is_broken) && words->size == before)
            bytes_put(words, "\xE2\x96\x81", 3);
        bytes_put(words, text + at, end - at);
        if (!is_broken)
            return end == size || is_separator(text[end]) ? end + (end < size) : end + 3;
        bytes_put(words, "\xEF\xBF\xBD", 3);
        at = end + 1;
    }
}

static bool count_words(struct piece_table *table, uint32_t level,
                        const unsigned char *text, size_t size)
{
    struct bytes *words = &table->words;
    struct extent pieces[BATCH];
    for (size_t at = 0; at < size;) {
        size_t count = 0;
        bytes_reset(words);
        while (at < size && count < BATCH) {
            size_t begin = words->size;
            at = put_word(text, size, at, words);
            if (words->size > begin)
                pieces[count++] = (struct extent){begin, words->size};
        }
        if (!bytes_reserve(words, 16) ||
            !count_batch(table, level, words->data, words->size, pieces, count))
            return false;
    }
    return true;
}

static uint32_t begin_text(struct piece_table *table, const unsigned char *text,
                           size_t size)
{
    uint32_t level = level_of(text, size);
    table->levels[level].texts++;
    table->levels[level].bytes += size;
    return level;
}

enum error_code piece_table_add_text(struct piece_table *table, const unsigned char *text,
                                     size_t size, struct error *error)
{
    uint32_t level = begin_text(table, text, size);
    if (level < table->lowest)
        return OK;
    bool is_good = table->options.cut == PIECES_PATTERN
                       ? count_pattern(table, level, text, size)
                       : count_words(table, level, text, size);
    return is_good ? OK : error_set(error, ERROR_MEMORY, "no memory to count pieces");
}

enum error_code piece_table_add_pieces(struct piece_table *table,
                                       const unsigned char *text, size_t size,
                                       const struct pieces *pieces, struct error *error)
{
    struct extent batch[BATCH];
    uint32_t level = begin_text(table, text, size);
    for (size_t at = 0; at < pieces->count && level >= table->lowest;) {
        size_t count = 0;
        for (; count < BATCH && at < pieces->count; count++, at++)
            batch[count] =
                (struct extent){pieces->items[at].begin, pieces->items[at].end};
        if (!count_batch(table, level, pieces->text, pieces->size, batch, count))
            return error_set(error, ERROR_MEMORY, "no memory to count pieces");
    }
    return OK;
}

struct piece_table_info piece_table_describe(const struct piece_table *table)
{
    struct piece_table_info info = {.cut = table->options.cut,
                                    .pattern = table->options.pattern,
                                    .level = table->lowest};
    for (uint32_t i = 0; i < PIECE_LEVELS; i++) {
        const struct level *level = &table->levels[i];
        info.texts += level->texts;
        info.bytes += level->bytes;
        info.entries += level->used;
        info.oversized += level->oversized;
        if (i >= table->lowest)
            info.sampled_texts += level->texts;
    }
    return info;
}

/* ---- in order ---- */

struct entry {       /* a slot to be sorted */
    uint64_t prefix; /* the first eight bytes, big-endian */
    struct byte_range piece;
    uint64_t count;
    uint32_t level;
};

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    if (a->prefix != b->prefix)
        return a->prefix < b->prefix ? -1 : 1;
    size_t least = a->piece.size < b->piece.size ? a->piece.size : b->piece.size;
    int order = memcmp(a->piece.bytes, b->piece.bytes, least);
    if (order != 0)
        return order;
    if (a->piece.size != b->piece.size)
        return a->piece.size < b->piece.size ? -1 : 1;
    return a->level < b->level ? -1 : a->level > b->level;
}

static uint64_t prefix_of(struct byte_range piece)
{
    unsigned char padded[8] = {0};
    memcpy(padded, piece.bytes, piece.size < 8 ? piece.size : 8);
    return load_u64_big(padded);
}

struct sort_item {
    uint64_t key;
    size_t entry;
};

/* Stable, by the lowest byte first; bytes that are all the same are passed over. Where the
 * sorted items stand: in one of the two arrays. */
static struct sort_item *sort_items(struct sort_item *items, struct sort_item *spare,
                                    size_t count)
{
    size_t counts[8][256] = {{0}};
    for (size_t i = 0; i < count; i++) {
        for (unsigned d = 0; d < 8; d++)
            counts[d][items[i].key >> 8 * d & 0xFF]++;
    }
    for (unsigned d = 0; d < 8 && count > 0; d++) {
        size_t *starts = counts[d], sum = 0;
        if (starts[items[0].key >> 8 * d & 0xFF] == count)
            continue;
        for (size_t i = 0; i < 256; i++) {
            size_t size = starts[i];
            starts[i] = sum;
            sum += size;
        }
        for (size_t i = 0; i < count; i++)
            spare[starts[items[i].key >> 8 * d & 0xFF]++] = items[i];
        struct sort_item *other = items;
        items = spare;
        spare = other;
    }
    return items;
}

/* Sort by the first eight bytes, then those that share them. */
static bool sort_entries(const struct entry *entries, size_t count, struct entry *sorted)
{
    size_t room = 0, spare_room = 0;
    struct sort_item *items = array_grow(NULL, &room, count + 1, sizeof *items);
    struct sort_item *spare = array_grow(NULL, &spare_room, count + 1, sizeof *spare);
    bool is_good = items && spare;
    for (size_t i = 0; i < count && is_good; i++)
        items[i] = (struct sort_item){entries[i].prefix, i};
    const struct sort_item *order = is_good ? sort_items(items, spare, count) : NULL;
    for (size_t i = 0; i < count && is_good; i++)
        sorted[i] = entries[order[i].entry];
    for (size_t i = 0, end; i < count && is_good; i = end) {
        end = i + 1;
        while (end < count && sorted[end].prefix == sorted[i].prefix)
            end++;
        if (end - i > 1)
            qsort(sorted + i, end - i, sizeof *sorted, compare_entries);
    }
    free(items);
    free(spare);
    return is_good;
}

/* NULL: no memory. */
static struct entry *sorted_entries(const struct piece_table *table, size_t *count)
{
    size_t total = 0, capacity = 0, sorted_capacity = 0;
    for (uint32_t i = 0; i < PIECE_LEVELS; i++)
        total += table->levels[i].used;
    struct entry *entries = array_grow(NULL, &capacity, total + 1, sizeof *entries);
    struct entry *sorted = array_grow(NULL, &sorted_capacity, total + 1, sizeof *sorted);
    *count = 0;
    for (uint32_t i = 0; i < PIECE_LEVELS && entries; i++) {
        const struct level *level = &table->levels[i];
        for (size_t k = 0; k < level->capacity; k++) {
            const struct slot *slot = level->slots + k;
            if (slot->key.high == 0)
                continue;
            struct byte_range piece = slot_piece(level, slot);
            entries[(*count)++] = (struct entry){prefix_of(piece), piece, slot->count, i};
        }
    }
    if (!entries || !sorted || !sort_entries(entries, *count, sorted)) {
        free(sorted);
        sorted = NULL;
    }
    free(entries);
    return sorted;
}

static bool is_same_piece(struct byte_range a, struct byte_range b)
{
    return a.size == b.size && memcmp(a.bytes, b.bytes, a.size) == 0;
}

enum error_code piece_table_list(const struct piece_table *table, struct arena *arena,
                                 const struct counted_piece **pieces, size_t *count,
                                 struct error *error)
{
    size_t entry_count = 0, kept = 0;
    struct entry *entries = sorted_entries(table, &entry_count);
    struct counted_piece *list = ARENA_RAW(arena, struct counted_piece, entry_count + 1);
    if (entries && list) {
        for (size_t i = 0; i < entry_count; i++) {
            const struct entry *entry = entries + i;
            if (i > 0 && is_same_piece(entry[-1].piece, entry->piece))
                list[kept - 1].count = add_saturated(list[kept - 1].count, entry->count);
            else
                list[kept++] = (struct counted_piece){
                    entry->piece.bytes, (uint32_t)entry->piece.size, entry->count};
        }
        arena_trim(arena, list, (kept + 1) * sizeof *list);
        *pieces = list;
        *count = kept;
    }
    free(entries);
    return entries && list ? OK
                           : error_set(error, ERROR_MEMORY, "no memory to list pieces");
}

/* ---- saved ----
 *
 * magic (u64), cut, pattern (u8), memory_limit (u64), lowest level (u8); for each level
 * texts, bytes, oversized; the number of pieces; for each piece, in order of bytes, the
 * bytes it shares with the one before, its other bytes, a bit for each level that has it,
 * its counts there. Numbers are varints unless said. */

static void save_piece(const struct entry *entries, size_t count,
                       struct byte_range before, struct bytes *out)
{
    struct byte_range piece = entries->piece;
    size_t shared = 0;
    uint64_t mask = 0;
    while (shared < before.size && shared < piece.size &&
           before.bytes[shared] == piece.bytes[shared])
        shared++;
    bytes_put_varint(out, shared);
    bytes_put_text(out, piece.bytes + shared, piece.size - shared);
    for (size_t i = 0; i < count; i++)
        mask |= UINT64_C(1) << entries[i].level;
    bytes_put_varint(out, mask);
    for (size_t i = 0; i < count; i++)
        bytes_put_varint(out, entries[i].count);
}

static void save_header(const struct piece_table *table, struct bytes *out)
{
    bytes_put_u64(out, SAVED_MAGIC);
    bytes_put_u8(out, (uint8_t)table->options.cut);
    bytes_put_u8(out, (uint8_t)table->options.pattern);
    bytes_put_u64(out, table->options.memory_limit);
    bytes_put_u8(out, (uint8_t)table->lowest);
    for (uint32_t i = 0; i < PIECE_LEVELS; i++) {
        bytes_put_varint(out, table->levels[i].texts);
        bytes_put_varint(out, table->levels[i].bytes);
        bytes_put_varint(out, table->levels[i].oversized);
    }
}

enum error_code piece_table_save(const struct piece_table *table, struct bytes *out,
                                 struct error *error)
{
    size_t count = 0, pieces = 0;
    struct entry *entries = sorted_entries(table, &count);
    if (!entries)
        return error_set(error, ERROR_MEMORY, "no memory to save a table of pieces");
    for (size_t i = 0; i < count; i++)
        pieces += i == 0 || !is_same_piece(entries[i - 1].piece, entries[i].piece);
    save_header(table, out);
    bytes_put_varint(out, pieces);
    struct byte_range before = {NULL, 0};
    for (size_t i = 0, end; i < count; i = end) {
        end = i + 1;
        while (end < count && is_same_piece(entries[i].piece, entries[end].piece))
            end++;
        save_piece(entries + i, end - i, before, out);
        before = entries[i].piece;
    }
    free(entries);
    return out->is_bad ? error_set(error, ERROR_MEMORY, "no memory to save pieces") : OK;
}

/* Read one piece into `piece`, which holds the one before. False: damaged. */
static bool load_piece(struct cursor *cursor, unsigned char *piece, size_t *piece_size,
                       uint64_t *mask)
{
    size_t size;
    uint64_t shared = cursor_varint(cursor);
    const char *rest = cursor_text(cursor, &size);
    *mask = cursor_varint(cursor);
    if (cursor->is_bad || shared > *piece_size || size == 0 ||
        size > PIECE_SIZE_MAX - shared)
        return false;
    if (shared < *piece_size && (unsigned char)rest[0] <= piece[shared])
        return false;
    memcpy(piece + shared, rest, size);
    *piece_size = (size_t)shared + size;
    return *mask != 0 && *mask >> PIECE_LEVELS == 0;
}

static enum error_code merge_pieces(struct piece_table *table, struct cursor *cursor,
                                    uint32_t saved_lowest, struct error *error)
{
    unsigned char piece[PIECE_SIZE_MAX] = {0};
    size_t size = 0;
    uint64_t count = cursor_varint(cursor), mask;
    for (uint64_t i = 0; i < count; i++) {
        if (!load_piece(cursor, piece, &size, &mask) ||
            (mask & ((UINT64_C(1) << saved_lowest) - 1)) != 0)
            return error_set(error, ERROR_DAMAGED, "a saved table of pieces is damaged");
        struct piece_key key =
            size > PIECE_KEY_MAX ? long_key(piece, size) : piece_key_load(piece, size);
        for (uint32_t k = saved_lowest; mask >> k != 0; k++) {
            struct level *level = &table->levels[k];
            if ((mask >> k & 1) == 0)
                continue;
            uint64_t added = cursor_varint(cursor);
            if (added == 0)
                return error_set(error, ERROR_DAMAGED,
                                 "a saved table of pieces is damaged");
            if (k < table->lowest)
                continue;
            uint64_t cost = level->cost;
            if (!level_reserve(level, 1) ||
                !level_count(level, key, home_of(level, key), piece, size, added))
                return error_set(error, ERROR_MEMORY, "no memory to merge pieces");
            table->cost += level->cost - cost;
        }
        keep_limit(table);
    }
    return OK;
}

enum error_code piece_table_merge(struct piece_table *table, const void *saved,
                                  size_t size, struct error *error)
{
    struct cursor cursor = cursor_over(saved, size);
    uint64_t magic = cursor_u64(&cursor);
    uint8_t cut = cursor_u8(&cursor), pattern = cursor_u8(&cursor);
    uint64_t memory_limit = cursor_u64(&cursor);
    uint32_t lowest = cursor_u8(&cursor);
    if (cursor.is_bad || magic != SAVED_MAGIC || lowest >= PIECE_LEVELS)
        return error_set(error, ERROR_DAMAGED,
                         "these bytes are no saved table of pieces");
    if (cut != table->options.cut || pattern != table->options.pattern ||
        memory_limit != table->options.memory_limit)
        return error_set(error, ERROR_CONFIG,
                         "tables of pieces with different options cannot be merged");
    raise_level(table, lowest);
    for (uint32_t i = 0; i < PIECE_LEVELS; i++) {
        struct level *level = &table->levels[i];
        level->texts += cursor_varint(&cursor);
        level->bytes += cursor_varint(&cursor);
        uint64_t oversized = cursor_varint(&cursor);
        if (i >= table->lowest)
            level->oversized += oversized;
        if (i < lowest && oversized != 0)
            cursor.is_bad = true;
    }
    enum error_code code = merge_pieces(table, &cursor, lowest, error);
    if (code == OK && (cursor.is_bad || cursor_left(&cursor) != 0))
        code = error_set(error, ERROR_DAMAGED, "a saved table of pieces is damaged");
    return code;
}
