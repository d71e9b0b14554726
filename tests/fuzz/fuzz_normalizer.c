/* fuzz_normalizer.c - any bytes through every normalizer, and through damaged maps
 *
 * The first byte chooses the normalizer, or that the input is a charsmap, an image of
 * normalizers or a text to search and replace in itself. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/normalizer.h"
#include "stages/kernels/tokenizer_spec.h"
#include "tests/small_charsmap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { KINDS = NORMALIZER_SENTENCEPIECE + 1, VARIANTS = 16, TEXT_MAX = 1 << 14 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct byte_range range_of(const char *text)
{
    return (struct byte_range){(const unsigned char *)text, strlen(text)};
}

static struct normalizer_spec spec_of(unsigned kind, unsigned flags,
                                      struct byte_range charsmap)
{
    static const char symbols[] = "a  b\0\xff";
    struct normalizer_spec spec = {.kind = (enum normalizer_kind)kind,
                                   .pattern = range_of(flags & 1 ? "(?i)a|\\s+" : "ab"),
                                   .content = range_of("\xe2\x96\x81"),
                                   .is_regex = flags & 1,
                                   .is_left = flags & 1,
                                   .is_right = flags & 2,
                                   .clean_text = flags & 1,
                                   .handle_chinese = flags & 2,
                                   .strip_accents = flags & 4,
                                   .lowercase = flags & 8,
                                   .add_dummy_prefix = flags & 1,
                                   .remove_extra_whitespaces = flags & 2,
                                   .escape_whitespaces = flags & 4,
                                   .treat_whitespace_as_suffix = flags & 8};
    if (kind == NORMALIZER_PRECOMPILED || kind == NORMALIZER_SENTENCEPIECE) {
        spec.content = charsmap;
        spec.pattern =
            (struct byte_range){(const unsigned char *)symbols, sizeof symbols};
    }
    return spec;
}

static struct byte_range usual_charsmap(void)
{
    static const char *const pairs[] = {"\xef\xbd\x81", "a",  "e\xcc\x81", "\xc3\xa9",
                                        "\xe3\x80\x80", " ",  "\xc2\xa8",  " \xcc\x88",
                                        "\x01",         "",   "ab",        "X",
                                        "abcd",         "Yy", NULL};
    static struct bytes blob;
    if (!blob.data)
        blob = small_charsmap(pairs);
    return (struct byte_range){blob.data, blob.size};
}

/* Same text with and without origins, which do not fall and lie in the text. */
static void run_both(const struct normalizer *normalizer, const unsigned char *text,
                     size_t size, struct arena *scratch)
{
    struct normalized plain, traced;
    struct error error;
    enum error_code code =
        normalizer_run(normalizer, text, size, true, false, scratch, &plain, &error);
    require(code ==
            normalizer_run(normalizer, text, size, true, true, scratch, &traced, &error));
    if (code != OK)
        return;
    require(plain.size == traced.size &&
            memcmp(plain.text, traced.text, plain.size) == 0);
    for (size_t i = 0; traced.origins && i < traced.size; i++)
        require(traced.origins[i] <= traced.origins[i + 1]);
    require(!traced.origins || traced.origins[traced.size] <= size);
}

/* Normalizers that are sound are opened once; images of fuzzed ones anew each time. */
static void run_spec(const struct normalizer_spec *spec, const unsigned char *text,
                     size_t size)
{
    struct arena *arena = arena_create(1 << 16, 0);
    struct bytes image = {0};
    struct error error;
    struct normalizer *normalizer;
    require(arena != NULL);
    if (normalizer_build(spec, 1, arena, &image, &error) == OK) {
        require(normalizer_open(image.data, image.size, arena, &normalizer, &error) ==
                OK);
        run_both(normalizer, text, size, arena);
    }
    bytes_clear(&image);
    arena_destroy(arena);
}

static const struct normalizer *usual_normalizer(unsigned kind, unsigned flags)
{
    static struct normalizer *opened[KINDS][VARIANTS];
    static struct arena *forever;
    struct bytes image = {0};
    struct error error;
    if (!forever)
        forever = arena_create(1 << 20, 0);
    if (!opened[kind][flags]) {
        struct normalizer_spec spec = spec_of(kind, flags, usual_charsmap());
        require(normalizer_build(&spec, 1, forever, &image, &error) == OK);
        void *kept = arena_alloc_raw(forever, image.size, 1, 64);
        require(kept != NULL);
        memcpy(kept, image.data, image.size);
        require(normalizer_open(kept, image.size, forever, &opened[kind][flags],
                                &error) == OK);
        bytes_clear(&image);
    }
    return opened[kind][flags];
}

static void run_image(const unsigned char *image, size_t size)
{
    struct arena *arena = arena_create(1 << 16, 64 << 20);
    struct normalizer *normalizer;
    struct error error;
    require(arena != NULL);
    if (normalizer_open(image, size, arena, &normalizer, &error) == OK)
        run_both(normalizer, (const unsigned char *)"A ab\xc3\xa9 \xff", 8, arena);
    arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > TEXT_MAX)
        return 0;
    unsigned kind = data[0] % (KINDS + 4), flags = data[1] % VARIANTS;
    size_t text_size = size - 2;
    unsigned char *text = malloc(text_size ? text_size : 1); /* of exactly its size */
    require(text != NULL);
    memcpy(text, data + 2, text_size);
    struct byte_range range = {text, text_size};
    if (kind < KINDS) {
        struct arena *scratch = arena_create(1 << 16, 0);
        require(scratch != NULL);
        run_both(usual_normalizer(kind, flags), text, text_size, scratch);
        arena_destroy(scratch);
    } else if (kind == KINDS) {
        run_image(text, text_size);
    } else if (kind == KINDS + 1) {
        struct normalizer_spec spec = {.kind = NORMALIZER_REPLACE, .content = range};
        spec.pattern = (struct byte_range){text, text_size / 2};
        run_spec(&spec, text, text_size);
    } else {
        struct normalizer_spec spec =
            spec_of(kind == KINDS + 2 ? NORMALIZER_SENTENCEPIECE : NORMALIZER_PRECOMPILED,
                    flags, range);
        run_spec(&spec, (const unsigned char *)"abcde\xcc\x81 \xe3\x80\x80z\xff", 13);
    }
    free(text);
    return 0;
}
