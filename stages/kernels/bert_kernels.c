/* bert_kernels.c - the inner loops of bert_text.h: copy ASCII, find words */
#include "stages/kernels/bert_kernels.h"

#include <stdbool.h>
#include <string.h>

#include "core/compiler.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

/* ---- plain ---- */

static bool is_ascii_mark(unsigned char byte)
{
    return (byte >= '!' && byte <= '/') || (byte >= ':' && byte <= '@') ||
           (byte >= '[' && byte <= '`') || (byte >= '{' && byte <= '~');
}

static size_t copy_ascii_plain(const unsigned char *text, size_t size,
                               unsigned char case_bit, unsigned char *out)
{
    size_t i = 0;
    for (; i < size; i++) {
        unsigned char byte = text[i];
        if (byte == '\t' || byte == '\n' || byte == '\r')
            byte = ' ';
        else if (byte < ' ' || byte > '~')
            break;
        else if (byte >= 'A' && byte <= 'Z')
            byte |= case_bit;
        out[i] = byte;
    }
    return i;
}

struct block_masks { /* bit i: byte i of a block */
    uint64_t word, mark;
};

static struct block_masks masks_plain(const unsigned char *text, size_t size)
{
    struct block_masks masks = {0, 0};
    for (size_t i = 0; i < size; i++) {
        bool is_mark = is_ascii_mark(text[i]);
        masks.mark |= (uint64_t)is_mark << i;
        masks.word |= (uint64_t)(!is_mark && text[i] != ' ') << i;
    }
    return masks;
}

struct edges { /* bit i: a word begins at byte i, or one ended in front of it */
    uint64_t begin, end;
};

static inline struct edges edges_of(struct bert_words *words, struct block_masks masks)
{
    uint64_t after_word = masks.word << 1 | words->is_in_word;
    uint64_t after_mark = masks.mark << 1 | words->is_after_mark;
    words->is_in_word = masks.word >> 63;
    words->is_after_mark = masks.mark >> 63;
    return (struct edges){.begin = masks.mark | (masks.word & ~after_word),
                          .end = after_mark | (after_word & ~masks.word)};
}

static inline size_t put_positions(uint32_t *positions, uint64_t mask, size_t base)
{
    size_t count = 0;
    for (; mask; mask &= mask - 1)
        positions[count++] = (uint32_t)(base + TRAILING_ZEROS(mask));
    return count;
}

static inline void begin_batch(struct bert_words *words)
{
    bool has_begun = words->begin_count > words->end_count;
    if (has_begun)
        words->begins[0] = words->begins[words->end_count];
    words->begin_count = has_begun;
    words->end_count = 0;
}

static inline bool has_room(const struct bert_words *words)
{
    return words->at < words->size && words->begin_count <= BERT_WORDS - BERT_BLOCK;
}

/* The last word of a text may end where the text does. */
static inline void end_batch(struct bert_words *words)
{
    if (words->at >= words->size) {
        words->at = words->size;
        if (words->is_in_word | words->is_after_mark)
            words->ends[words->end_count++] = (uint32_t)words->size;
        words->is_in_word = words->is_after_mark = 0;
    }
}

static void find_words_plain(struct bert_words *words)
{
    begin_batch(words);
    for (; has_room(words); words->at += BERT_BLOCK) {
        size_t left = words->size - words->at;
        struct edges edges =
            edges_of(words, masks_plain(words->text + words->at,
                                        left < BERT_BLOCK ? left : BERT_BLOCK));
        words->begin_count +=
            put_positions(words->begins + words->begin_count, edges.begin, words->at);
        words->end_count +=
            put_positions(words->ends + words->end_count, edges.end, words->at);
    }
    end_batch(words);
}

#ifdef __x86_64__

/* ---- AVX2 ---- */

/* 0xFF where `low` <= byte <= `low` + `span`. */
CPU_TARGET("avx2")
static inline __m256i in_range_avx2(__m256i bytes, char low, char span)
{
    __m256i distance = _mm256_sub_epi8(bytes, _mm256_set1_epi8(low));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(distance, _mm256_set1_epi8(span)), distance);
}

CPU_TARGET("avx2")
static inline __m256i is_mark_avx2(__m256i bytes)
{
    __m256i first = _mm256_or_si256(in_range_avx2(bytes, '!', '/' - '!'),
                                    in_range_avx2(bytes, ':', '@' - ':'));
    __m256i second = _mm256_or_si256(in_range_avx2(bytes, '[', '`' - '['),
                                     in_range_avx2(bytes, '{', '~' - '{'));
    return _mm256_or_si256(first, second);
}

CPU_TARGET("avx2")
static size_t copy_ascii_avx2(const unsigned char *text, size_t size,
                              unsigned char case_bit, unsigned char *out)
{
    size_t i = 0;
    for (; size - i >= 32; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const void *)(text + i));
        __m256i is_break = _mm256_or_si256(in_range_avx2(bytes, '\t', '\n' - '\t'),
                                           in_range_avx2(bytes, '\r', 0));
        __m256i is_good = _mm256_or_si256(in_range_avx2(bytes, ' ', '~' - ' '), is_break);
        __m256i is_capital = in_range_avx2(bytes, 'A', 'Z' - 'A');
        __m256i bit = _mm256_and_si256(is_capital, _mm256_set1_epi8((char)case_bit));
        bytes = _mm256_blendv_epi8(_mm256_or_si256(bytes, bit), _mm256_set1_epi8(' '),
                                   is_break);
        _mm256_storeu_si256((void *)(out + i), bytes);
        uint32_t bad = ~(uint32_t)_mm256_movemask_epi8(is_good);
        if (bad)
            return i + TRAILING_ZEROS(bad);
    }
    return i + copy_ascii_plain(text + i, size - i, case_bit, out + i);
}

CPU_TARGET("avx2")
static inline struct block_masks masks_avx2(const unsigned char *text)
{
    struct block_masks masks = {0, 0};
    for (size_t half = 0; half < 2; half++) {
        __m256i bytes = _mm256_loadu_si256((const void *)(text + 32 * half));
        __m256i mark = is_mark_avx2(bytes);
        __m256i space = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(' '));
        uint32_t mark_bits = (uint32_t)_mm256_movemask_epi8(mark);
        uint32_t other_bits =
            (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(mark, space));
        masks.mark |= (uint64_t)mark_bits << 32 * half;
        masks.word |= (uint64_t)~other_bits << 32 * half;
    }
    return masks;
}

CPU_TARGET("avx2,bmi,popcnt")
static void find_words_avx2(struct bert_words *words)
{
    begin_batch(words);
    for (; has_room(words); words->at += BERT_BLOCK) {
        size_t left = words->size - words->at;
        struct edges edges = edges_of(
            words, left >= BERT_BLOCK ? masks_avx2(words->text + words->at)
                                      : masks_plain(words->text + words->at, left));
        words->begin_count +=
            put_positions(words->begins + words->begin_count, edges.begin, words->at);
        words->end_count +=
            put_positions(words->ends + words->end_count, edges.end, words->at);
    }
    end_batch(words);
}

/* ---- AVX-512 ---- */

#define WITH_AVX512 CPU_TARGET("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")

WITH_AVX512
static inline __mmask64 in_range_avx512(__m512i bytes, char low, char span)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(low)),
                                  _mm512_set1_epi8(span));
}

static inline uint64_t low_bits(size_t count)
{
    return count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
}

WITH_AVX512
static size_t copy_ascii_avx512(const unsigned char *text, size_t size,
                                unsigned char case_bit, unsigned char *out)
{
    for (size_t i = 0; i < size; i += 64) {
        __mmask64 inside = low_bits(size - i);
        __m512i bytes = _mm512_maskz_loadu_epi8(inside, text + i);
        __mmask64 is_break =
            in_range_avx512(bytes, '\t', '\n' - '\t') | in_range_avx512(bytes, '\r', 0);
        __mmask64 bad = inside & ~(in_range_avx512(bytes, ' ', '~' - ' ') | is_break);
        __m512i bit = _mm512_maskz_set1_epi8(in_range_avx512(bytes, 'A', 'Z' - 'A'),
                                             (char)case_bit);
        bytes = _mm512_mask_blend_epi8(is_break, _mm512_or_si512(bytes, bit),
                                       _mm512_set1_epi8(' '));
        _mm512_mask_storeu_epi8(out + i, inside, bytes);
        if (bad)
            return i + TRAILING_ZEROS(bad);
    }
    return size;
}

WITH_AVX512
static inline struct block_masks masks_avx512(const unsigned char *text, size_t size)
{
    __mmask64 inside = low_bits(size);
    __m512i bytes = _mm512_maskz_loadu_epi8(inside, text);
    struct block_masks masks;
    masks.mark =
        in_range_avx512(bytes, '!', '/' - '!') | in_range_avx512(bytes, ':', '@' - ':') |
        in_range_avx512(bytes, '[', '`' - '[') | in_range_avx512(bytes, '{', '~' - '{');
    masks.word =
        inside & ~masks.mark & _mm512_cmpneq_epi8_mask(bytes, _mm512_set1_epi8(' '));
    return masks;
}

/* Room for 64 positions behind `positions`. */
WITH_AVX512
static inline size_t put_positions_avx512(uint32_t *positions, uint64_t mask,
                                          __m512i numbers, size_t base)
{
    size_t count = COUNT_ONES(mask);
    __m512i places = _mm512_maskz_compress_epi8(mask, numbers);
    __m512i first = _mm512_set1_epi32((int)base);
    _mm512_storeu_si512(
        positions,
        _mm512_add_epi32(first, _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places))));
    if (count > 16)
        _mm512_storeu_si512(
            positions + 16,
            _mm512_add_epi32(first,
                             _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(places, 1))));
    if (count > 32) {
        _mm512_storeu_si512(
            positions + 32,
            _mm512_add_epi32(first,
                             _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(places, 2))));
        _mm512_storeu_si512(
            positions + 48,
            _mm512_add_epi32(first,
                             _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(places, 3))));
    }
    return count;
}

WITH_AVX512
static void find_words_avx512(struct bert_words *words)
{
    unsigned char bytes[64];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    __m512i numbers = _mm512_loadu_si512(bytes);
    begin_batch(words);
    for (; has_room(words); words->at += BERT_BLOCK) {
        struct edges edges = edges_of(
            words, masks_avx512(words->text + words->at, words->size - words->at));
        words->begin_count += put_positions_avx512(words->begins + words->begin_count,
                                                   edges.begin, numbers, words->at);
        words->end_count += put_positions_avx512(words->ends + words->end_count,
                                                 edges.end, numbers, words->at);
    }
    end_batch(words);
}
#endif

size_t bert_kernels_list(struct bert_kernels list[BERT_KERNELS_MAX])
{
    size_t count = 0;
#ifdef __x86_64__
    if (CPU_SUPPORTS("avx512bw") && CPU_SUPPORTS("avx512vl") &&
        CPU_SUPPORTS("avx512vbmi2") && CPU_SUPPORTS("bmi2"))
        list[count++] =
            (struct bert_kernels){"avx512", copy_ascii_avx512, find_words_avx512};
    if (CPU_SUPPORTS("avx2") && CPU_SUPPORTS("bmi"))
        list[count++] = (struct bert_kernels){"avx2", copy_ascii_avx2, find_words_avx2};
#endif
    list[count++] = (struct bert_kernels){"plain", copy_ascii_plain, find_words_plain};
    return count;
}
