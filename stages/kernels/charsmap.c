/* charsmap.c - SentencePiece's precompiled map from character sequences to their normal form
 */
#include "stages/kernels/charsmap.h"

#include <string.h>

#include "core/bytes.h"

/* Units of Darts-clone: bits 0-7 and 31 the label, bit 8 has a leaf, bits 10-30 the offset
 * to the children, counted in 256 where bit 9 is set; a leaf: bit 31 and the value. */
static uint32_t unit_label(uint32_t unit)
{
    return unit & (UINT32_C(1) << 31 | 0xFF);
}

static uint32_t unit_offset(uint32_t unit)
{
    return unit >> 10 << ((unit & 1u << 9) >> 6);
}

static bool unit_has_leaf(uint32_t unit)
{
    return unit >> 8 & 1;
}

static uint32_t unit_value(uint32_t unit)
{
    return unit & 0x7FFFFFFF;
}

/* The place of the child by `label`; false: there is none. *children: where its children
 * would stand. */
static bool step(const struct charsmap *map, uint32_t *children, unsigned char label,
                 uint32_t *unit)
{
    uint32_t at = *children ^ label;
    if (at >= map->unit_count)
        return false;
    *unit = load_u32(map->units + 4 * (size_t)at);
    *children = at ^ unit_offset(*unit);
    return unit_label(*unit) == label;
}

/* The value of the key that ends at a unit with a leaf; false: the trie is damaged. */
static bool leaf_value(const struct charsmap *map, uint32_t children, uint32_t *value)
{
    if (children >= map->unit_count)
        return false;
    *value = unit_value(load_u32(map->units + 4 * (size_t)children));
    return *value < map->replacement_size;
}

static uint32_t root_children(const struct charsmap *map)
{
    return map->unit_count ? unit_offset(load_u32(map->units)) : 0;
}

/* Does no key consist of the byte, or of it and ASCII behind it? */
static bool is_plain(const struct charsmap *map, unsigned char byte)
{
    uint32_t children = root_children(map), unit;
    if (map->unit_count == 0 || !step(map, &children, byte, &unit))
        return true;
    if (unit_has_leaf(unit))
        return false;
    for (unsigned next = 0; next < 128; next++) {
        uint32_t ignored = children, child;
        if (step(map, &ignored, (unsigned char)next, &child))
            return false;
    }
    return true;
}

enum error_code charsmap_open(struct charsmap *map, const unsigned char *blob,
                              size_t size, struct error *error)
{
    *map = (struct charsmap){0};
    if (size > 0) {
        uint32_t trie_size = size > 4 ? load_u32(blob) : 0;
        if (trie_size < 4 || trie_size % 4 != 0 || trie_size > size - 4)
            return error_set(error, ERROR_CONFIG,
                             "the precompiled charsmap is damaged: a trie of %u bytes in "
                             "%zu",
                             (unsigned)trie_size, size);
        map->units = blob + 4;
        map->unit_count = trie_size / 4;
        map->replacements = (const char *)blob + 4 + trie_size;
        map->replacement_size = size - 4 - trie_size;
        if (map->replacement_size == 0 || blob[size - 1] != 0)
            return error_set(error, ERROR_CONFIG,
                             "the precompiled charsmap is damaged: its last replacement "
                             "has no end");
    }
    for (unsigned byte = 0; byte < sizeof map->is_plain; byte++)
        map->is_plain[byte] = is_plain(map, (unsigned char)byte);
    return OK;
}

/* The character `code`, of `size` bytes, of which the first `done` are walked already. */
struct walk {
    uint32_t children, code;
    size_t size, done;
};

/* All characters whose bytes the trie has from the walk on. */
static void mark_characters(const struct charsmap *map, struct walk walk,
                            unsigned char lead, struct charsmap_marks *marks)
{
    for (unsigned byte = 0x80; byte < 0xC0; byte++) {
        struct walk next = {.children = walk.children,
                            .code = walk.code << 6 | (byte & 0x3F),
                            .size = walk.size,
                            .done = walk.done + 1};
        uint32_t unit;
        if (!step(map, &next.children, (unsigned char)byte, &unit))
            continue;
        uint64_t bit = UINT64_C(1) << (next.code % 64);
        if (next.done < next.size) {
            marks->is_odd[lead] |= unit_has_leaf(unit);
            mark_characters(map, next, lead, marks);
            continue;
        }
        marks->begins[next.code / 64] |= bit;
        if (unit_has_leaf(unit))
            marks->alone[next.code / 64] |= bit;
        for (unsigned after = 0; after < 256 && !unit_has_leaf(unit); after++) {
            uint32_t ignored = next.children, child;
            marks->follows[after] |= step(map, &ignored, (unsigned char)after, &child);
        }
    }
}

void charsmap_mark(const struct charsmap *map, struct charsmap_marks *marks)
{
    *marks = (struct charsmap_marks){0};
    for (unsigned byte = 0; byte < 256; byte++) {
        uint32_t children = root_children(map), unit;
        marks->is_odd[byte] = byte < 0xC2 || byte >= 0xF0; /* none of those told */
        if (map->unit_count == 0 || !step(map, &children, (unsigned char)byte, &unit))
            continue;
        if (byte < 0x80) {
            marks->begins[byte / 64] |= UINT64_C(1) << (byte % 64);
            for (unsigned after = 0; after < 256; after++) {
                uint32_t ignored = children, child;
                marks->follows[after] |=
                    step(map, &ignored, (unsigned char)after, &child);
            }
            continue;
        }
        marks->is_odd[byte] |= unit_has_leaf(unit);
        bool is_three = byte >= 0xE0;
        struct walk walk = {.children = children,
                            .code = byte & (is_three ? 0x0F : 0x1F),
                            .size = is_three ? 3 : 2,
                            .done = 1};
        if (!marks->is_odd[byte])
            mark_characters(map, walk, (unsigned char)byte, marks);
    }
}

size_t charsmap_find(const struct charsmap *map, const unsigned char *text, size_t size,
                     bool is_shortest, const unsigned char **replaced,
                     size_t *replaced_size)
{
    size_t found = 0;
    uint32_t children = root_children(map), unit, value, best = 0;
    if (map->unit_count == 0)
        return 0;
    for (size_t i = 0; i < size && step(map, &children, text[i], &unit); i++) {
        if (unit_has_leaf(unit) && leaf_value(map, children, &value)) {
            found = i + 1;
            best = value;
            if (is_shortest)
                break;
        }
    }
    if (found > 0) {
        *replaced = (const unsigned char *)map->replacements + best;
        *replaced_size = strlen(map->replacements + best);
    }
    return found;
}
