/* spec_builder.h - tokens and merges of a file on their way into a model_spec
 *
 * Texts are as the file has them and borrowed until spec_builder_finish(), which copies
 * them, or maps them back to bytes. */
#ifndef STAGES_KERNELS_SPEC_BUILDER_H
#define STAGES_KERNELS_SPEC_BUILDER_H

#include "core/error.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;

struct spec_builder {
    struct arena *arena;
    struct spec_token *tokens; /* (token_capacity) */
    uint32_t token_count, token_capacity;
    struct spec_merge *merges; /* (merge_capacity) */
    uint32_t merge_count, merge_capacity;
    uint32_t id_limit;
    uint32_t *slots; /* index of a token + 1, by hash of its text */
    size_t slot_mask;
    unsigned char *joined; /* room to put two tokens together */
    size_t token_size_max;
};

/* At most so many tokens and merges will be added. ERROR_MEMORY. */
enum error_code spec_builder_init(struct spec_builder *builder, struct arena *arena,
                                  size_t token_capacity, size_t merge_capacity,
                                  struct error *error);

/* `id` is below TOKEN_ID_LIMIT. ERROR_CONFIG: the text stands there twice. */
enum error_code spec_builder_add_token(struct spec_builder *builder,
                                       struct byte_range text, uint32_t id, double score,
                                       struct error *error);

/* The id of a token, or UINT32_MAX. */
uint32_t spec_builder_find(const struct spec_builder *builder, struct byte_range text);

/* The next merge, of two tokens into a third whose text is theirs put together, less the
 * right one's first `prefix_size` bytes. ERROR_CONFIG names what is no token. */
enum error_code spec_builder_add_merge(struct spec_builder *builder,
                                       struct byte_range left, struct byte_range right,
                                       size_t prefix_size, struct error *error);

/* Set tokens, id_limit, merges and is_byte_level of `model`. Of merges that stand there
 * twice the last counts, as in Hugging Face's. Tokens of a byte-level vocabulary that
 * stand for no bytes are TOKEN_UNUSED, with the text as written; their merges go.
 * ERROR_CONFIG: two tokens have one id. */
enum error_code spec_builder_finish(struct spec_builder *builder, bool is_byte_level,
                                    struct model_spec *model, struct error *error);

#endif
