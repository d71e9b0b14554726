/* sentencepiece_plain.c - the parts of a text that SentencePiece's normalizer leaves alone
 *
 * Most of a text passes as it is, spaces becoming U+2581. Such text is told by what the
 * map's trie says of single characters and copied, ASCII 64 bytes at a time. The general
 * way of sentencepiece_text.c, which gives the same for any text, takes over where more
 * than one character has to be looked at. */
#include <string.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

#include "core/compiler.h"
#include "core/unicode.h"
#include "stages/kernels/sentencepiece_text.h"
#include "stages/kernels/text_builder.h"

enum {
    BLOCK = 64,
    STEP = 16,     /* bytes copied together */
    CHUNK = 4096,  /* of text, for which room is made at once */
    SPACE_SIZE = 3 /* what a space becomes, at most */
};

static bool begins_symbol(const struct sentencepiece_rule *rule, unsigned char byte)
{
    if (!rule->has_symbols)
        return false;
    uint64_t unit = prefix_trie_root(&rule->symbols);
    return prefix_trie_step(&rule->symbols, &unit, byte);
}

/* Does the map make a space of the byte, whatever ASCII follows? */
static bool becomes_space(const struct sentencepiece_rule *rule, unsigned char byte)
{
    const unsigned char *replaced;
    size_t size;
    if (byte == ' ' || rule->plain.is_symbol[byte])
        return byte == ' ' && rule->plain.takes_spaces;
    for (unsigned next = 0; next < 0x80; next++) {
        unsigned char pair[] = {byte, (unsigned char)next};
        if (charsmap_find(&rule->map, pair, sizeof pair, false, &replaced, &size) != 1 ||
            size != 1 || *replaced != ' ')
            return false;
    }
    return rule->plain.takes_spaces;
}

/* How to tell sixteen bytes apart; false: there are too many kinds of bytes for that. */
static bool find_kinds(const struct sentencepiece_rule *rule,
                       struct sentencepiece_plain *plain)
{
    static const unsigned char usual[sizeof plain->spaces] = {' ', '\n', '\t'};
    size_t stops = 0;
    plain->first = 0;
    memset(plain->spaces, ' ', sizeof plain->spaces);
    memset(plain->stops, 0x80, sizeof plain->stops); /* a stop anyhow */
    for (size_t i = 0; i < sizeof usual; i++) {
        if (plain->is_space[usual[i]])
            plain->spaces[i] = usual[i];
    }
    for (unsigned byte = 0; byte < 0x80; byte++) {
        if (rule->is_run[byte] || memchr(plain->spaces, (int)byte, sizeof plain->spaces))
            continue;
        if (byte < ' ')
            plain->first = ' ';
        else if (stops++ < sizeof plain->stops)
            plain->stops[stops - 1] = (unsigned char)byte;
    }
    return plain->takes_spaces && stops <= sizeof plain->stops;
}

void sentencepiece_plain_complete(struct sentencepiece_rule *rule)
{
    struct sentencepiece_plain *plain = &rule->plain;
    charsmap_mark(&rule->map, &plain->marks);
    plain->takes_spaces = rule->escape_whitespaces && rule->map.is_plain[' '];
    for (unsigned byte = 0; byte < 256; byte++)
        plain->is_symbol[byte] = begins_symbol(rule, (unsigned char)byte);
    plain->takes_spaces = plain->takes_spaces && !plain->is_symbol[' '];
    for (unsigned byte = 0; byte < 0x80; byte++)
        plain->is_space[byte] = becomes_space(rule, (unsigned char)byte);
    plain->is_whole = find_kinds(rule, plain);
}

static inline bool has_bit(const uint64_t *bits, uint32_t number)
{
    return bits[number / 64] >> (number % 64) & 1;
}

/* May a key begin with this character, which `next` follows? */
static inline bool may_change(const struct charsmap_marks *marks, uint32_t code,
                              unsigned char next)
{
    return UNLIKELY(has_bit(marks->begins, code)) &&
           (has_bit(marks->alone, code) || marks->follows[next]);
}

/* Does an ASCII byte, which does nothing unusual in front of ASCII, do so here? */
static inline bool may_join(const struct charsmap_marks *marks, unsigned char byte,
                            unsigned char next)
{
    return next >= 0x80 && has_bit(marks->begins, byte) && marks->follows[next];
}

/* Bytes of the character of two or three bytes at `at`, and its code; 0: it is none, or
 * needs another look. */
static inline size_t take_character(const unsigned char *at, size_t left, uint32_t *code)
{
    if (left < 3)
        return 0;
    if (at[0] < 0xE0) {
        *code = (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
        return (at[1] & 0xC0) == 0x80 ? 2 : 0;
    }
    *code = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    bool is_whole = (at[1] & 0xC0) == 0x80 && (at[2] & 0xC0) == 0x80;
    return is_whole && *code >= 0x800 && *code - 0xD800 >= 0x800 ? 3 : 0;
}

struct copy { /* a text on its way to `out` */
    const struct sentencepiece_rule *rule;
    const unsigned char *text;
    size_t size, at;
    unsigned char *out;
    bool is_after_space; /* and one more is one too many */
};

static inline unsigned char byte_behind(const struct copy *copy, size_t at)
{
    return at < copy->size ? copy->text[at] : 0;
}

static inline void put_space(struct copy *copy, bool is_wanted)
{
    static const unsigned char space[4] = {0xE2, 0x96, 0x81};
    memcpy(copy->out, space, sizeof space);
    copy->out += is_wanted ? SPACE_SIZE : 0;
}

#ifdef __SSE2__
static inline __m128i is_byte(__m128i bytes, unsigned char byte)
{
    return _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)byte));
}

/* Bits of spaces, and of bytes that need another look, of which `spaces` are none. */
static inline void find_stops(const struct sentencepiece_plain *plain,
                              const unsigned char *at, uint64_t *spaces, uint64_t *stops)
{
    const __m128i first = _mm_set1_epi8((char)plain->first);
    *spaces = *stops = 0;
    for (unsigned i = 0; i < BLOCK; i += STEP) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(at + i));
        __m128i space = _mm_or_si128(is_byte(bytes, plain->spaces[0]),
                                     _mm_or_si128(is_byte(bytes, plain->spaces[1]),
                                                  is_byte(bytes, plain->spaces[2])));
        __m128i stop = _mm_or_si128(_mm_cmplt_epi8(bytes, first), /* and all but ASCII */
                                    _mm_or_si128(is_byte(bytes, plain->stops[0]),
                                                 is_byte(bytes, plain->stops[1])));
        *spaces |= (uint64_t)(unsigned)_mm_movemask_epi8(space) << i;
        *stops |= (uint64_t)(unsigned)_mm_movemask_epi8(stop) << i;
    }
    *stops &= ~*spaces;
}

static inline void copy_bytes(struct copy *copy, const unsigned char *from, size_t size)
{
    for (size_t i = 0; i < size; i += STEP)
        memcpy(copy->out + i, from + i, STEP); /* there is room, and text to read */
    copy->out += size;
}

/* The beginning of a block of BLOCK bytes, behind which STEP more can be read. False: its
 * first byte needs another look. */
static bool copy_block(struct copy *copy)
{
    const struct sentencepiece_plain *plain = &copy->rule->plain;
    const unsigned char *from = copy->text + copy->at;
    const bool removes = copy->rule->remove_extra_whitespaces;
    uint64_t spaces, stops;
    find_stops(plain, from, &spaces, &stops);
    size_t size = stops ? TRAILING_ZEROS(stops) : BLOCK, done = 0;
    if (size > 0 && may_join(&plain->marks, from[size - 1], from[size]))
        size--;
    if (size == 0)
        return false;
    if (size < BLOCK)
        spaces &= (UINT64_C(1) << size) - 1;
    uint64_t extra = removes ? spaces & (spaces << 1 | copy->is_after_space) : 0;
    copy->is_after_space = removes && spaces >> (size - 1) & 1;
    for (; spaces != 0; spaces &= spaces - 1) {
        size_t place = TRAILING_ZEROS(spaces);
        copy_bytes(copy, from + done, place - done);
        put_space(copy, !(extra >> place & 1));
        done = place + 1;
    }
    copy_bytes(copy, from + done, size - done);
    copy->at += size;
    return true;
}
#else
static bool copy_block(struct copy *copy)
{
    (void)copy;
    return false;
}
#endif

/* One byte of ASCII. False: it needs another look. */
static inline bool copy_ascii(struct copy *copy)
{
    const struct sentencepiece_rule *rule = copy->rule;
    unsigned char byte = copy->text[copy->at];
    if (may_join(&rule->plain.marks, byte, byte_behind(copy, copy->at + 1)))
        return false;
    if (rule->plain.is_space[byte]) {
        put_space(copy, !copy->is_after_space);
        copy->is_after_space = rule->remove_extra_whitespaces;
    } else if (rule->is_run[byte]) {
        *copy->out++ = byte;
        copy->is_after_space = false;
    } else {
        return false;
    }
    copy->at++;
    return true;
}

/* Does a symbol or, of characters beyond U+FFFF, a key begin here? */
static bool begins_other(const struct sentencepiece_rule *rule, const unsigned char *from,
                         size_t left)
{
    const unsigned char *replaced;
    size_t size;
    uint32_t ignored;
    if (rule->plain.is_symbol[*from] &&
        prefix_trie_longest(&rule->symbols, prefix_trie_root(&rule->symbols), from, left,
                            &ignored) > 0)
        return true;
    return *from >= 0xF0 &&
           charsmap_find(&rule->map, from, left, false, &replaced, &size) > 0;
}

static inline bool copy_character(struct copy *copy)
{
    const struct sentencepiece_plain *plain = &copy->rule->plain;
    const unsigned char *from = copy->text + copy->at;
    const size_t left = copy->size - copy->at;
    uint32_t code;
    size_t length;
    if (UNLIKELY(plain->is_symbol[*from] || *from >= 0xF0) &&
        begins_other(copy->rule, from, left))
        return false;
    if (*from >= 0xF0) {
        length = unicode_decode(from, left, &code);
    } else {
        length = plain->marks.is_odd[*from] ? 0 : take_character(from, left, &code);
        if (length > 0 &&
            may_change(&plain->marks, code, byte_behind(copy, copy->at + length)))
            return false;
    }
    if (length == 0)
        return false;
    memcpy(copy->out, from, length);
    copy->out += length;
    copy->at += length;
    copy->is_after_space = false;
    return true;
}

/* Up to `end`, or a little further. False: a place needs another look. */
static bool copy_chunk(struct copy *copy, size_t end)
{
    size_t by_bytes = 0; /* up to here there is little use in blocks */
    while (copy->at < end) {
        unsigned char byte = copy->text[copy->at];
        bool is_block = byte < 0x80 && copy->at >= by_bytes &&
                        copy->rule->plain.is_whole &&
                        copy->size - copy->at > BLOCK + STEP;
        if (is_block && copy_block(copy))
            continue;
        if (byte < 0x80 ? !copy_ascii(copy) : !copy_character(copy))
            return false;
        if (byte >= 0x80)
            by_bytes = copy->at + STEP;
    }
    return true;
}

size_t sentencepiece_plain_put(const struct sentencepiece_rule *rule,
                               const unsigned char *text, size_t size, size_t at,
                               bool *is_after_space, struct text_builder *builder)
{
    struct copy copy = {.rule = rule,
                        .text = text,
                        .size = size,
                        .at = at,
                        .is_after_space = *is_after_space};
    bool is_plain = true;
    while (is_plain && copy.at < size) {
        size_t end = size - copy.at > CHUNK ? copy.at + CHUNK : size;
        unsigned char *room =
            text_builder_reserve(builder, SPACE_SIZE * (end - copy.at + BLOCK) + STEP);
        if (!room)
            break;
        copy.out = room;
        is_plain = copy_chunk(&copy, end);
        builder->size += (size_t)(copy.out - room);
    }
    *is_after_space = copy.is_after_space;
    return copy.at;
}
