/* fuzz_tokenize.c - any bytes through every pattern: the tokens spell the input
 *
 * The first byte chooses pattern and vocabulary. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/merge.h"
#include "stages/kernels/special_token.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/vocabulary_build.h"
#include "tests/small_vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SETS = 2 };

struct fixture {
    struct vocabulary vocabulary;
    struct text_encoder encoders[SPLIT_PATTERN_COUNT];
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void build(struct fixture *fixture, const char *const *tokens,
                  struct arena *forever)
{
    struct error error = {0};
    struct token_list list;
    struct bytes image = {0};
    struct bytes file = small_vocabulary(tokens);
    require(tiktoken_parse(file.data, file.size, forever, &list, &error) == OK);
    require(vocabulary_build(&list, forever, &image, &error) == OK);
    void *kept = arena_alloc_raw(forever, image.size, 1, 64);
    require(kept != NULL);
    memcpy(kept, image.data, image.size);
    require(vocabulary_open(kept, image.size, &fixture->vocabulary, &error) == OK);
    struct piece_cache cache;
    require(piece_cache_init(&cache, forever)); /* ids do not depend on the pattern */
    for (int p = 0; p < SPLIT_PATTERN_COUNT; p++) {
        fixture->encoders[p].vocabulary = &fixture->vocabulary;
        fixture->encoders[p].pattern = (enum split_pattern)p;
        fixture->encoders[p].cache = cache;
    }
    bytes_clear(&image);
    bytes_clear(&file);
}

static struct fixture *fixtures(void)
{
    static const char *const ordered[] = {
        "aa",   "aaaa", "  ",   "    ",     " a",           "in",
        " t",   "the",  " the", "\xc3\xa9", "\xe4\xb8",     "\xe4\xb8\xad",
        "\n\n", "11",   "'s",   "\xf0\x9f", "\xf0\x9f\x98", NULL};
    static const char *const wild[] = {"aaaa", "aab", "ab", "aa",   "abab",     "ba",
                                       "  a",  " a",  "bc", "ab  ", "\xff\xff", NULL};
    static struct fixture built[SETS];
    static struct arena *forever;
    if (!forever) {
        forever = arena_create(1 << 20, 0);
        require(forever != NULL);
        build(&built[0], ordered, forever);
        build(&built[1], wild, forever);
    }
    return built;
}

static void check_spelling(const struct vocabulary *vocabulary, const uint32_t *ids,
                           size_t count, const unsigned char *text, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        require(ids[i] < vocabulary->id_limit);
        size_t length = vocabulary_token_size(vocabulary, ids[i]);
        require(length > 0 && length <= size - at);
        require(memcmp(text + at, vocabulary->bytes + vocabulary->starts[ids[i]],
                       length) == 0);
        at += length;
    }
    require(at == size);
}

/* The merge functions agree with each other on the whole text as one piece. */
static void check_merges(const struct vocabulary *vocabulary, const unsigned char *text,
                         size_t size, struct arena *scratch, uint32_t *ids,
                         uint32_t *others)
{
    size_t count, other_count;
    struct error error;
    require(merge_heap(vocabulary, text, size, scratch, ids, &count, &error) == OK);
    check_spelling(vocabulary, ids, count, text, size);
    if (size <= MERGE_SHORT_MAX) {
        require(merge_short(vocabulary, text, size, others) == count);
        require(memcmp(ids, others, count * sizeof *ids) == 0);
    }
    if (vocabulary_is_ordered_in(vocabulary, text, size)) {
        require(merge_linear(vocabulary, text, size, scratch, others, &other_count,
                             &error) == OK);
        require(other_count == count && memcmp(ids, others, count * sizeof *ids) == 0);
    }
}

/* The encoder's ids are those of the pattern's pieces, each merged as a whole. */
static void check_pieces(const struct text_encoder *encoder, const unsigned char *text,
                         size_t size, struct arena *scratch, const uint32_t *ids,
                         size_t count, uint32_t *others)
{
    size_t at = 0, begin = 0, end, done = 0;
    struct error error;
    while (split_pieces(encoder->pattern, text, size, &at, &end, 1) == 1) {
        size_t written;
        require(end > begin && end <= size);
        require(merge_piece(encoder->vocabulary, text + begin, end - begin, scratch,
                            others, &written, &error) == OK);
        require(written <= count - done &&
                memcmp(ids + done, others, written * sizeof *ids) == 0);
        done += written;
        begin = end;
    }
    require(begin == size && done == count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 1 << 16)
        return 0;
    struct fixture *fixture = fixtures() + data[0] / 8 % SETS;
    enum split_pattern pattern = (enum split_pattern)(data[0] % 8 % SPLIT_PATTERN_COUNT);
    size_t text_size = size - 1;
    unsigned char *text = malloc(text_size); /* of exactly its size */
    uint32_t *ids = malloc((text_size + TEXT_ENCODER_SLACK) * sizeof *ids);
    uint32_t *others = malloc((text_size + TEXT_ENCODER_SLACK) * sizeof *ids);
    struct arena *scratch = arena_create(1 << 16, 0);
    require(text && ids && others && scratch);
    memcpy(text, data + 1, text_size);
    struct error error;
    size_t count, again;
    struct text_encoder *encoder = &fixture->encoders[pattern];
    require(text_encoder_run(encoder, text, text_size, scratch, ids, &count, &error) ==
            OK);
    check_spelling(&fixture->vocabulary, ids, count, text, text_size);
    /* now out of the cache */
    require(text_encoder_run(encoder, text, text_size, scratch, others, &again, &error) ==
            OK);
    require(again == count && memcmp(ids, others, count * sizeof *ids) == 0);
    check_pieces(encoder, text, text_size, scratch, ids, count, others);
    struct special_token special;
    size_t from = 0;
    while (special_token_find(pattern, text, text_size, from, &special)) {
        require(special.begin >= from && special.end > special.begin &&
                special.end <= text_size);
        from = special.end;
    }
    check_merges(&fixture->vocabulary, text, text_size, scratch, ids, others);
    arena_destroy(scratch);
    free(text);
    free(ids);
    free(others);
    return 0;
}
