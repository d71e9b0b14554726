/* fuzz_bpe_merges.c - random models of merges over any text, against plain merging
 *
 * The first four bytes choose the model, the rest is text; all of it is taken for an image,
 * too. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/model_bpe.h"
#include "tests/bpe_reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAX = 400 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct random_model *random, struct model_bpe *model,
                  const unsigned char *text, size_t size, struct arena *scratch)
{
    uint32_t wanted[TEXT_MAX + 8], ids[TEXT_MAX + 8];
    struct token_span wanted_spans[TEXT_MAX + 8], spans[TEXT_MAX + 8];
    struct error error;
    size_t count = reference_merge(&random->spec, text, size, wanted, wanted_spans);
    for (int turn = 0; turn < 3; turn++) {
        size_t written;
        require(model_bpe_encode(model, text, size, scratch, ids,
                                 turn == 2 ? spans : NULL, &written, &error) == OK);
        require(written == count && memcmp(ids, wanted, count * sizeof *ids) == 0);
    }
    require(memcmp(spans, wanted_spans, count * sizeof *spans) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct random_model random;
    static const struct model_bpe nothing;
    struct error error = {0};
    struct bytes image = {0};
    if (size < 5 || size > TEXT_MAX)
        return 0;
    struct arena *work = arena_create(1 << 18, 0);
    struct model_bpe *model = ARENA_NEW(work, struct model_bpe, 1);
    unsigned char *text = malloc(size - 4); /* of exactly its size */
    require(work && model && text);
    memcpy(text, data + 4, size - 4);
    random_model_fill(&random, (uint64_t)data[1] << 8 | data[2], data[0], data[3] % 64);
    struct tokenizer_spec spec = {.model = random.spec};
    require(model_bpe_merges.build(&spec, work, &image, &error) == OK);
    void *copy = arena_alloc_raw(work, image.size + size, 1, 64);
    require(copy != NULL);
    memcpy(copy, image.data, image.size);
    if (model_bpe_open(model, copy, image.size, work, &error) == OK)
        check(&random, model, text, size - 4, work);
    memcpy(copy, data, size);
    *model = nothing;
    (void)model_bpe_open(model, copy, size, work, &error);
    bytes_clear(&image);
    free(text);
    arena_destroy(work);
    return 0;
}
