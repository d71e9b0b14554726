/* fuzz_splitter.c - any bytes through lists of splitters, and any bytes as an expression
 *
 * The first byte chooses: a list of fixed splitters for the text that follows, or (255)
 * the text up to a line feed as a regular expression for the rest. */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/tokenizer_spec.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { LIST_MAX = 3, LIST_COUNT = 12 };

#define TEXT(literal)                                         \
    {                                                         \
        (const unsigned char *)(literal), sizeof(literal) - 1 \
    }
#define REGEX(literal, how)                                                   \
    {                                                                         \
        .kind = SPLITTER_PATTERN, .pattern = TEXT(literal), .is_regex = true, \
        .behavior = (how)                                                     \
    }
#define METASPACE(how, split)                                            \
    {                                                                    \
        .kind = SPLITTER_METASPACE, .replacement = TEXT("\xE2\x96\x81"), \
        .prepend = (how), .is_split = (split)                            \
    }

static const struct splitter_spec lists[LIST_COUNT][LIST_MAX] = {
    {{.kind = SPLITTER_GPT2}, {.kind = SPLITTER_BYTE_CHARS}, {.kind = SPLITTER_DIGITS}},
    {{.kind = SPLITTER_WHITE_SPLIT},
     METASPACE(PREPEND_ALWAYS, true),
     {.kind = SPLITTER_PUNCTUATION, .behavior = BEHAVIOR_CONTIGUOUS}},
    {METASPACE(PREPEND_FIRST, false),
     {.kind = SPLITTER_DIGITS, .is_individual = true},
     METASPACE(PREPEND_NEVER, true)},
    {{.kind = SPLITTER_BERT}, {.kind = SPLITTER_PREFIX_SPACE}, {.kind = SPLITTER_GPT2}},
    {{.kind = SPLITTER_WHITESPACE},
     {.kind = SPLITTER_PATTERN, .pattern = TEXT("ab")},
     {.kind = SPLITTER_PATTERN, .behavior = BEHAVIOR_MERGED_WITH_NEXT}},
    {REGEX("\\w+|\\b", BEHAVIOR_MERGED_WITH_PREVIOUS),
     REGEX("(?<=a)b|\\s+(?!\\S)", BEHAVIOR_ISOLATED),
     {.kind = SPLITTER_DIGITS}},
    {{.kind = SPLITTER_BYTE_CHARS},
     REGEX("\\p{L}+", BEHAVIOR_REMOVED),
     {.kind = SPLITTER_PUNCTUATION, .behavior = BEHAVIOR_ISOLATED}},
    {REGEX("a*", BEHAVIOR_CONTIGUOUS),
     REGEX("^.+$", BEHAVIOR_ISOLATED),
     {.kind = SPLITTER_PREFIX_SPACE}},
    {REGEX("\\p{Lu}*\\p{Ll}+|[^\\S\\n]+", BEHAVIOR_MERGED_WITH_NEXT),
     {.kind = SPLITTER_PATTERN,
      .pattern = TEXT(" "),
      .is_inverted = true,
      .behavior = BEHAVIOR_MERGED_WITH_NEXT},
     {.kind = SPLITTER_BERT}},
    {{.kind = SPLITTER_PREFIX_SPACE},
     {.kind = SPLITTER_PREFIX_SPACE},
     {.kind = SPLITTER_BYTE_CHARS}},
    {METASPACE(PREPEND_ALWAYS, true),
     METASPACE(PREPEND_FIRST, true),
     {.kind = SPLITTER_WHITESPACE}},
    {{.kind = SPLITTER_PUNCTUATION, .behavior = BEHAVIOR_REMOVED},
     {.kind = SPLITTER_GPT2},
     {.kind = SPLITTER_WHITE_SPLIT}},
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct splitter *open_list(const struct splitter_spec *specs, size_t count,
                                  struct arena *forever)
{
    struct bytes image = {0};
    struct error error = {0};
    struct splitter *splitter = NULL;
    enum error_code code = splitter_build(specs, count, &image, &error);
    require(code == OK || code == ERROR_CONFIG);
    if (code == OK) {
        unsigned char *kept = arena_alloc_raw(forever, image.size, 1, 64);
        require(kept != NULL);
        memcpy(kept, image.data, image.size);
        require(splitter_open(kept, image.size, forever, &splitter, &error) == OK);
    }
    bytes_clear(&image);
    return splitter;
}

static void check(const struct splitter *splitter, const unsigned char *text, size_t size)
{
    struct arena *scratch = arena_create(1 << 14, 0);
    struct pieces pieces, plain;
    struct error error = {0};
    require(scratch != NULL);
    enum error_code code =
        splitter_run(splitter, text, size, true, true, scratch, &pieces, &error);
    require(code == OK || code == ERROR_RECORD);
    if (code == OK) {
        uint32_t at = 0;
        for (size_t i = 0; i < pieces.count; i++) {
            require(pieces.items[i].begin >= at);
            require(pieces.items[i].end > pieces.items[i].begin);
            at = pieces.items[i].end;
        }
        require(at <= pieces.size);
        for (size_t i = 0; pieces.origins && i < pieces.size; i++)
            require(pieces.origins[i] <= pieces.origins[i + 1]);
        require(pieces.origins ? pieces.origins[pieces.size] == size
                               : pieces.size == size);
        require(splitter_run(splitter, text, size, true, false, scratch, &plain,
                             &error) == OK);
        require(plain.count == pieces.count && plain.size == pieces.size);
        require(memcmp(plain.items, pieces.items, plain.count * sizeof *plain.items) ==
                0);
        require(memcmp(plain.text, pieces.text, plain.size) == 0);
    }
    arena_destroy(scratch);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct splitter *opened[LIST_COUNT];
    static struct arena *forever;
    if (size < 2 || size > 1 << 14)
        return 0;
    if (!forever) {
        forever = arena_create(1 << 16, 0);
        for (size_t i = 0; i < LIST_COUNT; i++) {
            opened[i] = open_list(lists[i], LIST_MAX, forever);
            require(opened[i] != NULL);
        }
    }
    unsigned char *text = malloc(size - 1); /* of exactly its size */
    require(text != NULL);
    memcpy(text, data + 1, size - 1);
    if (data[0] != 255) {
        check(opened[data[0] % LIST_COUNT], text, size - 1);
    } else {
        const unsigned char *end = memchr(text, '\n', size - 1);
        size_t pattern_size = end ? (size_t)(end - text) : size - 1;
        struct arena *arena = arena_create(1 << 14, 0);
        const struct splitter_spec spec = {.kind = SPLITTER_PATTERN,
                                           .pattern = {text, pattern_size},
                                           .is_regex = true,
                                           .behavior = BEHAVIOR_ISOLATED};
        struct splitter *splitter =
            pattern_size <= 100 ? open_list(&spec, 1, arena) : NULL;
        if (splitter && end && size - pattern_size < 100)
            check(splitter, end + 1, (size_t)(text + size - 1 - (end + 1)));
        splitter_close(splitter);
        arena_destroy(arena);
    }
    free(text);
    return 0;
}
