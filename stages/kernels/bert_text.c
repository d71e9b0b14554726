/* bert_text.c - BERT's normalizer, by a table of what becomes of each character */
#include "stages/kernels/bert_text.h"

#include <assert.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/normal_form.h"
#include "stages/kernels/text_builder.h"
#include "stages/kernels/tokenizer_spec.h"
#include "stages/kernels/unicode8_tables.h"

enum {
    BLOCK = 128,
    BLOCKS = 0x110000 / BLOCK,
    GROWTH = 3,     /* a byte of text becomes that many at most */
    CODES_MAX = 32, /* that a character becomes */
    SLACK = 16,     /* bytes that may be written behind the text */
    HANGUL_FIRST = 0xAC00,
    HANGUL_LAST = 0xD7A3
};

/* An entry: a kind, flags, and a value above. */
enum {
    KIND_KEEP, /* the character itself */
    KIND_ONE,  /* value: a code point */
    KIND_MANY, /* value: a place in the pool; KIND_MANY of an empty one: it is dropped */
    KIND_HANGUL, /* two or three letters, by arithmetic */
    KIND_MASK = 7,
    IS_SPACED = 8, /* spaces go around it */
    HAS_MARK = 16, /* a mark stays that has a place among others */
    VALUE_SHIFT = 8,
    DROPPED = KIND_MANY /* the pool begins with nothing */
};

enum { FLAG_CLEAN = 1, FLAG_CHINESE = 2, FLAG_STRIP = 4, FLAG_LOWER = 8, FLAG_CUT = 16 };

/* ---- one character, step by step ---- */

struct codes {
    uint32_t items[CODES_MAX];
    size_t count;
    bool has_mark;
};

static void push(struct codes *codes, uint32_t code)
{
    if (codes->count < CODES_MAX)
        codes->items[codes->count++] = code;
}

/* Cleaning and spaces around Chinese characters. */
static void clean_code(const struct bert_map *map, uint32_t code, struct codes *codes)
{
    unsigned classes = text_class_of(code);
    if (map->clean_text && (classes & TEXT_CONTROL))
        return;
    if (map->clean_text && (classes & TEXT_SPACE))
        code = ' ';
    bool is_spaced = map->handle_chinese && (classes & TEXT_CHINESE);
    if (is_spaced)
        push(codes, ' ');
    push(codes, code);
    if (is_spaced)
        push(codes, ' ');
}

/* Accents away, lower case, and what cutting wants. */
static void finish_code(const struct bert_map *map, uint32_t code, struct codes *codes)
{
    if (map->strip_accents && (text_class_of(code) & TEXT_NONSPACING))
        return;
    if (map->lowercase) {
        if (code == 0x130) {
            push(codes, 'i');
            code = 0x307;
        } else {
            code = lower_case_of(code);
        }
    }
    unsigned classes = text_class_of(code);
    bool is_spaced = map->is_cut && code >= 0x80 && (classes & TEXT_PUNCTUATION);
    if (is_spaced)
        push(codes, ' ');
    push(codes, map->is_cut && (classes & TEXT_SPACE) ? ' ' : code);
    if (is_spaced)
        push(codes, ' ');
}

/* What becomes of the character; `work` and `out` are scratch. */
static void map_code(const struct bert_map *map, uint32_t code, struct bytes *work,
                     struct bytes *out, struct codes *codes)
{
    struct codes cleaned = {.count = 0};
    codes->count = 0;
    codes->has_mark = false;
    clean_code(map, code, &cleaned);
    for (size_t i = 0; i < cleaned.count; i++) {
        unsigned char bytes[4];
        size_t size = unicode_encode(cleaned.items[i], bytes), length;
        bytes_reset(out);
        if (map->strip_accents && !(text_class_of(cleaned.items[i]) & TEXT_NEWER))
            unicode_normalize(map->decomposed, bytes, size, work, out);
        else
            bytes_put(out, bytes, size);
        for (size_t at = 0; at < out->size; at += length) {
            uint32_t part = 0;
            size_t count = codes->count;
            length = unicode_decode(out->data + at, out->size - at, &part);
            finish_code(map, part, codes);
            codes->has_mark =
                codes->has_mark || (map->strip_accents && codes->count > count &&
                                    unicode_combining_class(part) != 0 &&
                                    !(text_class_of(part) & TEXT_NEWER));
        }
    }
}

/* ---- building ---- */

struct map_builder {
    struct bert_map map;
    struct bytes work, out;
    struct bytes index, entries, pool;
    size_t blocks;
    bool is_too_long;
};

static uint32_t put_pool(struct map_builder *builder, const struct codes *codes,
                         size_t size)
{
    uint32_t place = (uint32_t)builder->pool.size;
    unsigned char bytes[4 * CODES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < codes->count; i++)
        count += unicode_encode(codes->items[i], bytes + count);
    builder->is_too_long = builder->is_too_long || count > GROWTH * size || count > 255;
    bytes_put_u8(&builder->pool, (uint8_t)count);
    bytes_put(&builder->pool, bytes, count);
    return place;
}

static uint32_t make_entry(struct map_builder *builder, uint32_t code)
{
    if (code >= 0xD800 && code < 0xE000)
        return KIND_KEEP;
    bool is_hangul = code >= HANGUL_FIRST && code <= HANGUL_LAST;
    if (is_hangul && builder->map.strip_accents)
        return KIND_HANGUL;
    struct codes codes;
    unsigned char bytes[4];
    map_code(&builder->map, code, &builder->work, &builder->out, &codes);
    if (codes.count == 0)
        return DROPPED;
    uint32_t flags = codes.has_mark ? HAS_MARK : 0;
    bool is_spaced = codes.count == 3 && codes.items[0] == ' ' && codes.items[2] == ' ';
    if (codes.count == 1 || is_spaced) {
        uint32_t one = codes.items[is_spaced];
        flags |= is_spaced ? (uint32_t)IS_SPACED : 0;
        return one == code ? flags | KIND_KEEP : flags | KIND_ONE | one << VALUE_SHIFT;
    }
    uint32_t place = put_pool(builder, &codes, unicode_encode(code, bytes));
    return flags | KIND_MANY | place << VALUE_SHIFT;
}

/* Append the block of entries unless one like it is there; and its number. */
static void put_block(struct map_builder *builder, const unsigned char block[4 * BLOCK])
{
    size_t size = (size_t)4 * BLOCK, at = builder->blocks;
    while (at > 0 && memcmp(builder->entries.data + (at - 1) * size, block, size) != 0)
        at--;
    if (at == 0) {
        bytes_put(&builder->entries, block, size);
        at = ++builder->blocks;
    }
    bytes_put_u16(&builder->index, (uint16_t)(at - 1));
}

static enum error_code put_image(struct map_builder *builder, uint32_t flags,
                                 struct bytes *image, struct error *error)
{
    bool is_bad = builder->work.is_bad || builder->out.is_bad || builder->index.is_bad ||
                  builder->entries.is_bad || builder->pool.is_bad;
    if (!is_bad && builder->is_too_long)
        return error_set(error, ERROR_FATAL, "a character becomes too many");
    bytes_put_u32(image, flags);
    bytes_put_u32(image, (uint32_t)(builder->blocks * BLOCK));
    bytes_put_u32(image, (uint32_t)builder->pool.size);
    bytes_put_u32(image, 0);
    bytes_put(image, builder->index.data, builder->index.size);
    bytes_put(image, builder->entries.data, builder->entries.size);
    bytes_put(image, builder->pool.data, builder->pool.size);
    return is_bad || image->is_bad ? error_set(error, ERROR_MEMORY, "no memory for a map")
                                   : OK;
}

enum error_code bert_map_build(const struct normalizer_spec *spec, bool is_cut,
                               struct arena *work, struct bytes *image,
                               struct error *error)
{
    struct map_builder builder = {.map = {.clean_text = spec->clean_text,
                                          .handle_chinese = spec->handle_chinese,
                                          .strip_accents = spec->strip_accents,
                                          .lowercase = spec->lowercase,
                                          .is_cut = is_cut}};
    builder.map.decomposed = unicode_table_build(UNICODE_NFD, work);
    if (!builder.map.decomposed)
        return error_set(error, ERROR_MEMORY, "no memory for the Unicode table");
    bytes_put_u8(&builder.pool, 0); /* what is dropped */
    for (uint32_t first = 0; first < 0x110000; first += BLOCK) {
        unsigned char block[4 * BLOCK];
        for (uint32_t i = 0; i < BLOCK; i++)
            store_u32(block + (size_t)4 * i, make_entry(&builder, first + i));
        put_block(&builder, block);
    }
    uint32_t flags = (spec->clean_text ? FLAG_CLEAN : 0u) |
                     (spec->handle_chinese ? FLAG_CHINESE : 0u) |
                     (spec->strip_accents ? FLAG_STRIP : 0u) |
                     (spec->lowercase ? FLAG_LOWER : 0u) | (is_cut ? FLAG_CUT : 0u);
    enum error_code code = put_image(&builder, flags, image, error);
    bytes_clear(&builder.work);
    bytes_clear(&builder.out);
    bytes_clear(&builder.index);
    bytes_clear(&builder.entries);
    bytes_clear(&builder.pool);
    return code;
}

/* ---- opening ---- */

static bool entries_are_whole(const struct bert_map *map)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        uint16_t block;
        memcpy(&block, map->index + 2 * i, sizeof block);
        if (((size_t)block + 1) * BLOCK > map->entry_count)
            return false;
    }
    for (size_t i = 0; i < map->entry_count; i++) {
        uint32_t entry = load_u32(map->entries + 4 * i);
        size_t value = entry >> VALUE_SHIFT;
        bool is_one = (entry & KIND_MASK) == KIND_ONE;
        bool is_many = (entry & KIND_MASK) == KIND_MANY;
        if ((entry & KIND_MASK) > KIND_HANGUL || (is_one && value >= 0x110000) ||
            (is_many &&
             (value >= map->pool_size || map->pool[value] >= map->pool_size - value)))
            return false;
    }
    return true;
}

enum error_code bert_map_open(struct bert_map *map, const unsigned char *image,
                              size_t size, struct arena *run, struct error *error)
{
    struct cursor cursor = cursor_over(image, size);
    uint32_t flags = cursor_u32(&cursor);
    *map = (struct bert_map){.clean_text = flags & FLAG_CLEAN,
                             .handle_chinese = flags & FLAG_CHINESE,
                             .strip_accents = flags & FLAG_STRIP,
                             .lowercase = flags & FLAG_LOWER,
                             .is_cut = flags & FLAG_CUT};
    map->entry_count = cursor_u32(&cursor);
    map->pool_size = cursor_u32(&cursor);
    (void)cursor_u32(&cursor);
    map->index = cursor_take(&cursor, (size_t)2 * BLOCKS);
    map->entries = cursor_take(&cursor, 4 * map->entry_count);
    map->pool = cursor_take(&cursor, map->pool_size);
    if (cursor.is_bad || !entries_are_whole(map))
        return error_set(error, ERROR_DAMAGED, "a prepared map of characters is damaged");
    struct bert_kernels list[BERT_KERNELS_MAX];
    (void)bert_kernels_list(list);
    map->kernels = list[0];
    map->decomposed = unicode_table_build(UNICODE_NFD, run);
    return map->decomposed
               ? OK
               : error_set(error, ERROR_MEMORY, "no memory for a Unicode table");
}

/* ---- text ---- */

static inline uint32_t entry_of(const struct bert_map *map, uint32_t code)
{
    uint16_t block;
    uint32_t entry;
    memcpy(&block, map->index + (size_t)2 * (code / BLOCK), sizeof block);
    memcpy(&entry, map->entries + 4 * ((size_t)block * BLOCK + code % BLOCK),
           sizeof entry);
    return entry;
}

/* As unicode_decode(), with the usual cases at hand. */
static inline size_t decode(const unsigned char *text, size_t size, uint32_t *code)
{
    if (text[0] < 0x80) {
        *code = text[0];
        return 1;
    }
    if (size >= 3 && text[0] > 0xE0 && text[0] < 0xED && (text[1] & 0xC0) == 0x80 &&
        (text[2] & 0xC0) == 0x80) {
        *code = (text[0] & 15u) << 12 | (text[1] & 63u) << 6 | (text[2] & 63u);
        return 3;
    }
    if (size >= 2 && text[0] >= 0xC2 && text[0] < 0xE0 && (text[1] & 0xC0) == 0x80) {
        *code = (text[0] & 31u) << 6 | (text[1] & 63u);
        return 2;
    }
    return unicode_decode(text, size, code);
}

static inline unsigned char *encode(uint32_t code, unsigned char *out)
{
    if (code < 0x80) {
        *out = (unsigned char)code;
        return out + 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xC0 | code >> 6);
        out[1] = (unsigned char)(0x80 | (code & 63));
        return out + 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xE0 | code >> 12);
        out[1] = (unsigned char)(0x80 | (code >> 6 & 63));
        out[2] = (unsigned char)(0x80 | (code & 63));
        return out + 3;
    }
    return out + unicode_encode(code, out);
}

static unsigned char *put_hangul(uint32_t code, unsigned char *out)
{
    uint32_t syllable = code - HANGUL_FIRST, last = syllable % 28;
    out = encode(0x1100 + syllable / 588, out);
    out = encode(0x1161 + syllable % 588 / 28, out);
    return last ? encode(0x11A7 + last, out) : out;
}

/* Write what becomes of the character text[0] ... text[length - 1]; returns its end. */
static inline unsigned char *put_entry(const struct bert_map *map, uint32_t entry,
                                       uint32_t code, const unsigned char *text,
                                       size_t length, unsigned char *out)
{
    uint32_t value = entry >> VALUE_SHIFT;
    if (entry & IS_SPACED)
        *out++ = ' ';
    switch (entry & KIND_MASK) {
    case KIND_KEEP:
        for (size_t i = 0; i < length; i++)
            out[i] = text[i];
        out += length;
        break;
    case KIND_ONE:
        out = encode(value, out);
        break;
    case KIND_MANY:
        memcpy(out, map->pool + value + 1, map->pool[value]);
        out += map->pool[value];
        break;
    default:
        out = put_hangul(code, out);
        break;
    }
    if (entry & IS_SPACED)
        *out++ = ' ';
    return out;
}

/* Are the next bytes ASCII, so many that the kernel pays? */
static inline bool is_ascii_ahead(const unsigned char *text, size_t size)
{
    uint64_t word;
    if (size < sizeof word)
        return false;
    memcpy(&word, text, sizeof word);
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

static void set_origins(struct text_builder *builder, size_t begin, size_t end,
                        size_t origin, size_t last_origin)
{
    for (size_t i = begin; i < end; i++)
        builder->origins[i] = (uint32_t)origin;
    if (end > begin)
        builder->origins[end - 1] = (uint32_t)last_origin;
}

enum outcome {
    PUT_ALL,
    HAS_MARKS,  /* that stay, follow each other and may have to be sorted */
    IS_NOT_UTF8 /* and the map is for cutting */
};

/* What was seen since the last character that is no mark. */
enum { SEEN_MARK = 1, SEEN_DROPPED = 2 };

/* May a mark have another place once marks are sorted? `is_strict`: also if no other one that
 * stays is among them, since the places of those that are dropped count for origins. */
static bool may_be_sorted(uint32_t entry, bool is_strict, unsigned *seen)
{
    if (entry & HAS_MARK) {
        bool is_among = *seen & SEEN_MARK || (is_strict && *seen & SEEN_DROPPED);
        *seen |= SEEN_MARK;
        return is_among;
    }
    if (entry != DROPPED) {
        *seen = 0;
        return false;
    }
    *seen |= SEEN_DROPPED;
    return is_strict && *seen & SEEN_MARK;
}

static enum outcome put_mapped(const struct bert_map *map, const unsigned char *text,
                               size_t size, struct text_builder *builder)
{
    unsigned char *out = builder->text + builder->size;
    unsigned char case_bit = map->lowercase ? 0x20 : 0;
    bool is_simple = map->clean_text && !builder->with_origins;
    bool is_strict = map->strip_accents && builder->with_origins;
    unsigned seen = 0;
    for (size_t at = 0, length; at < size; at += length) {
        if (is_simple && is_ascii_ahead(text + at, size - at)) {
            length = map->kernels.copy_ascii(text + at, size - at, case_bit, out);
            if (length > 0) {
                out += length;
                seen = 0;
                continue;
            }
        }
        uint32_t code = 0, entry = KIND_KEEP;
        length = decode(text + at, size - at, &code);
        if (length > 0)
            entry = entry_of(map, code);
        else if (map->is_cut)
            return IS_NOT_UTF8;
        else
            length = 1;
        if (may_be_sorted(entry, is_strict, &seen))
            return HAS_MARKS;
        unsigned char *end = put_entry(map, entry, code, text + at, length, out);
        if (builder->with_origins)
            set_origins(builder, (size_t)(out - builder->text),
                        (size_t)(end - builder->text), at,
                        entry & IS_SPACED ? at + length : at);
        out = end;
    }
    builder->size = (size_t)(out - builder->text);
    return PUT_ALL;
}

/* ---- the same one step after the other ---- */

static void put_codes(const struct codes *codes, size_t origin, size_t end,
                      struct text_builder *builder)
{
    for (size_t i = 0; i < codes->count; i++) {
        unsigned char bytes[4];
        size_t length = unicode_encode(codes->items[i], bytes);
        bool is_behind = i == 2 && codes->items[i] == ' ';
        text_builder_put(builder, bytes, length, is_behind ? end : origin);
    }
}

typedef void code_step(const struct bert_map *map, uint32_t code, struct codes *codes);

static void put_each(const struct bert_map *map, code_step *step,
                     const unsigned char *text, size_t size, const uint32_t *origins,
                     struct text_builder *builder)
{
    for (size_t at = 0, length; at < size; at += length) {
        struct codes codes = {.count = 0};
        uint32_t code = 0;
        length = unicode_decode(text + at, size - at, &code);
        assert(length > 0);
        step(map, code, &codes);
        put_codes(&codes, origins[at], origins[at + length], builder);
    }
}

/* Origins of `builder` that count from its own text become those of `origins`. */
static void follow_origins(struct text_builder *builder, const uint32_t *origins)
{
    for (size_t i = 0; !builder->is_bad && i <= builder->size; i++)
        builder->origins[i] = origins[builder->origins[i]];
}

/* Text that is UTF-8 and begins at `origin`; `steps` are empty. */
static void put_steps(const struct bert_map *map, const unsigned char *text, size_t size,
                      size_t origin, struct text_builder steps[3],
                      struct text_builder *builder)
{
    struct text_builder *given = steps, *cleaned = steps + 1, *last = cleaned;
    text_builder_copy(given, text, size, origin);
    if (!text_builder_end(given, origin + size))
        return;
    put_each(map, clean_code, given->text, size, given->origins, cleaned);
    if (!text_builder_end(cleaned, origin + size))
        return;
    if (map->strip_accents) {
        last = steps + 2;
        normal_form_put(map->decomposed, cleaned->text, cleaned->size, last);
        if (!text_builder_end(last, cleaned->size))
            return;
        follow_origins(last, cleaned->origins);
    }
    put_each(map, finish_code, last->text, last->size, last->origins, builder);
}

static size_t utf8_end(const unsigned char *text, size_t size, size_t at)
{
    uint32_t ignored;
    size_t length;
    while (at < size && (length = unicode_decode(text + at, size - at, &ignored)) > 0)
        at += length;
    return at;
}

/* Bytes that are not UTF-8 are like letters that no step changes. */
static void put_stepwise(const struct bert_map *map, const unsigned char *text,
                         size_t size, struct text_builder *builder)
{
    struct text_builder steps[3];
    for (size_t i = 0; i < 3; i++)
        text_builder_begin(steps + i, builder->arena, size, true);
    for (size_t at = 0, end; at < size; at = end) {
        end = utf8_end(text, size, at);
        if (end > at) {
            for (size_t i = 0; i < 3; i++)
                steps[i].size = 0;
            put_steps(map, text + at, end - at, at, steps, builder);
        } else {
            end = at + 1;
            text_builder_put(builder, text + at, 1, at);
        }
    }
    builder->is_bad =
        builder->is_bad || steps[0].is_bad || steps[1].is_bad || steps[2].is_bad;
}

/* ---- what callers use ---- */

bool bert_text_put(const struct bert_map *map, const unsigned char *text, size_t size,
                   struct text_builder *builder)
{
    if (!text_builder_reserve(builder, size * GROWTH + SLACK))
        return true;
    enum outcome outcome = put_mapped(map, text, size, builder);
    if (outcome == HAS_MARKS && map->is_cut && utf8_end(text, size, 0) < size)
        outcome = IS_NOT_UTF8;
    if (outcome == HAS_MARKS)
        put_stepwise(map, text, size, builder);
    return outcome != IS_NOT_UTF8;
}

void bert_text_put_cut(const unsigned char *text, size_t size,
                       struct text_builder *builder)
{
    static const unsigned char space[] = " ";
    for (size_t at = 0, length; at < size; at += length) {
        uint32_t code = 'a'; /* also for what is not UTF-8 */
        length = unicode_decode(text + at, size - at, &code);
        length = length ? length : 1;
        unsigned classes = text_class_of(code);
        bool is_mark = code >= 0x80 && (classes & TEXT_PUNCTUATION);
        if (is_mark || (classes & TEXT_SPACE))
            text_builder_put(builder, space, 1, at);
        if (!(classes & TEXT_SPACE))
            text_builder_put(builder, text + at, length, at);
        if (is_mark)
            text_builder_put(builder, space, 1, at);
    }
}
