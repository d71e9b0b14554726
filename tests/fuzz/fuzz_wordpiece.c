/* fuzz_wordpiece.c - any bytes through BERT's tokenizer in one pass and step by step
 *
 * The first byte chooses the vocabulary's kind; the rest is text, or behind an 0xFE a
 * damaged image. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/bert_encoder.h"
#include "stages/kernels/normalizer.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/unicode8_tables.h"
#include "stages/kernels/wordpiece.h"
#include "tests/bert_vocabulary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 1 << 14, KINDS = 2, DAMAGE = 0xFE };

struct fixture {
    struct bert_encoder *fused;
    struct normalizer *normalizer;
    struct wordpiece model;
    struct arena *forever;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static const char lines[] = "[UNK]\nun\n##aff\n##able\naffable\n,\n.\n##a\na\n\xc3\xa9\n#"
                            "#\xc3\xa9\n\xe4\xb8\xad\n"
                            "e\n##e\n##f\n\xe2\x80\x94\nabcdefghijklmnopqrst\n##s\n##"
                            "b\nb\n##c\nc\ni\n##\xcc\x87\n";

static const unsigned char *keep(struct arena *arena, const struct bytes *image)
{
    unsigned char *kept = arena_alloc_raw(arena, image->size, 1, 64);
    require(kept != NULL);
    memcpy(kept, image->data, image->size);
    return kept;
}

static struct fixture *fixture_of(unsigned kind)
{
    static struct fixture fixtures[KINDS];
    struct fixture *fixture = fixtures + kind;
    struct error error;
    struct bytes image = {0};
    if (fixture->forever)
        return fixture;
    struct arena *arena = fixture->forever = arena_create(1 << 20, 0);
    struct tokenizer_spec *spec = bert_specification((const unsigned char *)lines,
                                                     sizeof lines - 1, kind == 1, arena);
    require(spec && bert_encoder_build(spec, arena, &image, &error) == OK);
    require(bert_encoder_open(keep(arena, &image), image.size, arena, &fixture->fused,
                              &error) == OK);
    bytes_reset(&image);
    require(normalizer_build(spec->normalizers, 1, arena, &image, &error) == OK);
    require(normalizer_open(keep(arena, &image), image.size, arena, &fixture->normalizer,
                            &error) == OK);
    bytes_reset(&image);
    require(wordpiece_build(spec, arena, &image, &error) == OK);
    require(wordpiece_open(&fixture->model, keep(arena, &image), image.size, &error) ==
            OK);
    bytes_clear(&image);
    return fixture;
}

/* Normalizer, words by the definition, plain search for tokens. */
static size_t encode_stepwise(const struct fixture *fixture, const unsigned char *text,
                              size_t size, struct arena *scratch, uint32_t *ids)
{
    struct normalized normal;
    struct error error;
    size_t count = 0, begin = 0, length;
    require(normalizer_run(fixture->normalizer, text, size, true, false, scratch, &normal,
                           &error) == OK);
    for (size_t at = 0; at <= normal.size; at += length) {
        uint32_t code = at < normal.size ? 'a' : ' ';
        length = 1;
        if (at < normal.size)
            length = unicode_decode(normal.text + at, normal.size - at, &code);
        length = length ? length : 1;
        unsigned classes = text_class_of(code);
        if (!(classes & (TEXT_SPACE | TEXT_PUNCTUATION)))
            continue;
        if (at > begin)
            count += wordpiece_encode(&fixture->model, normal.text + begin, at - begin,
                                      ids + count, NULL);
        if (classes & TEXT_PUNCTUATION)
            count += wordpiece_encode(&fixture->model, normal.text + at, length,
                                      ids + count, NULL);
        begin = at + length;
    }
    return count;
}

static void run_damaged(const unsigned char *image, size_t size)
{
    struct wordpiece model;
    struct error error;
    uint32_t ids[16];
    if (wordpiece_open(&model, image, size, &error) == OK)
        (void)wordpiece_encode(&model, (const unsigned char *)"unaffable", 9, ids, NULL);
    struct arena *arena = arena_create(1 << 16, 0);
    struct bert_encoder *encoder;
    require(arena != NULL);
    require(bert_encoder_open(image, size, arena, &encoder, &error) != OK ||
            encoder != NULL);
    arena_destroy(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > TEXT_MAX)
        return 0;
    size_t text_size = size - 1, count, again;
    unsigned char *text = malloc(text_size ? text_size : 1); /* of exactly its size */
    uint32_t *ids = malloc((text_size + BERT_ENCODER_SLACK) * sizeof *ids);
    uint32_t *others = malloc((3 * text_size + BERT_ENCODER_SLACK) * sizeof *others);
    struct arena *scratch = arena_create(1 << 16, 0);
    struct error error;
    require(text && ids && others && scratch);
    memcpy(text, data + 1, text_size);
    if (data[0] == DAMAGE) {
        run_damaged(text, text_size);
    } else {
        struct fixture *fixture = fixture_of(data[0] % KINDS);
        again = encode_stepwise(fixture, text, text_size, scratch, others);
        for (int round = 0; round < 2; round++) { /* the second time out of the cache */
            require(bert_encoder_run(fixture->fused, text, text_size, scratch, ids,
                                     &count, &error) == OK);
            require(count == again && memcmp(ids, others, count * sizeof *ids) == 0);
        }
    }
    arena_destroy(scratch);
    free(text);
    free(ids);
    free(others);
    return 0;
}
