/* model_bpe_merges.c - Hugging Face's byte-pair model: by the order of a list of merges */
#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/bpe_vocabulary.h"
#include "stages/kernels/model_bpe.h"
#include "stages/kernels/text_encoder.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/tokenizer_spec.h"

static enum error_code build(const struct tokenizer_spec *spec, struct arena *work,
                             struct bytes *image, struct error *error)
{
    struct bytes vocabulary = {0};
    struct bpe_vocabulary result;
    if (spec->model.id_limit >= UINT32_C(1) << PIECE_COUNT_SHIFT)
        return error_set(error, ERROR_CONFIG, "an id is too large");
    enum error_code code =
        bpe_vocabulary_build(&spec->model, work, &vocabulary, &result, error);
    if (code == OK)
        code = model_bpe_write(&spec->model, &result, &vocabulary, image, error);
    bytes_clear(&vocabulary);
    return code;
}

const struct model_type model_bpe_merges = {.name = "BPE",
                                            .state_size = sizeof(struct model_bpe),
                                            .build = build,
                                            .open = model_bpe_open,
                                            .encode = model_bpe_encode,
                                            .ids_per_byte = 1,
                                            .ids_extra = TEXT_ENCODER_SLACK};
