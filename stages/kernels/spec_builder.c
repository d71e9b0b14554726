/* spec_builder.c - tokens and merges of a file on their way into a model_spec */
#include "stages/kernels/spec_builder.h"

#include <string.h>

#include "core/arena.h"
#include "core/hash.h"
#include "stages/kernels/byte_alphabet.h"

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to read a tokenizer");
}

enum error_code spec_builder_init(struct spec_builder *builder, struct arena *arena,
                                  size_t token_capacity, size_t merge_capacity,
                                  struct error *error)
{
    size_t slots = 16;
    if (token_capacity >= UINT32_MAX / 2 || merge_capacity >= UINT32_MAX / 2)
        return no_memory(error);
    while (slots < token_capacity * 2)
        slots *= 2;
    *builder = (struct spec_builder){.arena = arena,
                                     .token_capacity = (uint32_t)token_capacity,
                                     .merge_capacity = (uint32_t)merge_capacity,
                                     .slot_mask = slots - 1};
    builder->tokens = ARENA_RAW(arena, struct spec_token, token_capacity + 1);
    builder->merges = ARENA_RAW(arena, struct spec_merge, merge_capacity + 1);
    builder->slots = ARENA_NEW(arena, uint32_t, slots);
    return builder->tokens && builder->merges && builder->slots ? OK : no_memory(error);
}

/* The slot that holds the text, or the empty one where it would go. */
static uint32_t *find_slot(const struct spec_builder *builder, struct byte_range text)
{
    size_t i = (size_t)hash64(text.bytes, text.size, 0) & builder->slot_mask;
    for (;; i = (i + 1) & builder->slot_mask) {
        uint32_t index = builder->slots[i];
        if (index == 0)
            return &builder->slots[i];
        struct byte_range other = builder->tokens[index - 1].text;
        if (other.size == text.size &&
            (text.size == 0 || memcmp(other.bytes, text.bytes, text.size) == 0))
            return &builder->slots[i];
    }
}

enum error_code spec_builder_add_token(struct spec_builder *builder,
                                       struct byte_range text, uint32_t id, double score,
                                       struct error *error)
{
    uint32_t *slot = find_slot(builder, text);
    if (builder->token_count == builder->token_capacity)
        return error_set(error, ERROR_FATAL, "more tokens than were announced");
    if (*slot != 0)
        return error_set(error, ERROR_CONFIG, "token \"%.*s\" stands there twice",
                         text.size < 100 ? (int)text.size : 100,
                         (const char *)text.bytes);
    builder->tokens[builder->token_count++] =
        (struct spec_token){.text = text, .id = id, .kind = TOKEN_NORMAL, .score = score};
    *slot = builder->token_count;
    if (id >= builder->id_limit)
        builder->id_limit = id + 1;
    if (text.size > builder->token_size_max)
        builder->token_size_max = text.size;
    return OK;
}

uint32_t spec_builder_find(const struct spec_builder *builder, struct byte_range text)
{
    uint32_t index = *find_slot(builder, text);
    return index == 0 ? UINT32_MAX : builder->tokens[index - 1].id;
}

static enum error_code refuse_merge(struct byte_range left, struct byte_range right,
                                    const char *what, struct error *error)
{
    return error_set(
        error, ERROR_CONFIG, "merge of \"%.*s\" and \"%.*s\": %s is no token",
        left.size < 60 ? (int)left.size : 60, (const char *)left.bytes,
        right.size < 60 ? (int)right.size : 60, (const char *)right.bytes, what);
}

enum error_code spec_builder_add_merge(struct spec_builder *builder,
                                       struct byte_range left, struct byte_range right,
                                       size_t prefix_size, struct error *error)
{
    struct spec_merge merge = {.left = spec_builder_find(builder, left),
                               .right = spec_builder_find(builder, right)};
    if (builder->merge_count == builder->merge_capacity)
        return error_set(error, ERROR_FATAL, "more merges than were announced");
    if (merge.left == UINT32_MAX)
        return refuse_merge(left, right, "the first", error);
    if (merge.right == UINT32_MAX)
        return refuse_merge(left, right, "the second", error);
    if (!builder->joined)
        builder->joined =
            ARENA_RAW(builder->arena, unsigned char, 2 * builder->token_size_max + 1);
    if (!builder->joined)
        return no_memory(error);
    size_t cut = prefix_size < right.size ? prefix_size : right.size;
    if (left.size > 0)
        memcpy(builder->joined, left.bytes, left.size);
    if (right.size > cut)
        memcpy(builder->joined + left.size, right.bytes + cut, right.size - cut);
    merge.merged = spec_builder_find(
        builder, (struct byte_range){builder->joined, left.size + right.size - cut});
    if (merge.merged == UINT32_MAX)
        return refuse_merge(left, right, "what they make", error);
    builder->merges[builder->merge_count++] = merge;
    return OK;
}

/* Texts into the arena, as bytes where they are; *is_unused (id_limit) marks the ids that
 * stand for none. */
static enum error_code copy_texts(struct spec_builder *builder, bool is_byte_level,
                                  unsigned char *is_unused, struct error *error)
{
    struct byte_alphabet alphabet;
    byte_alphabet_fill(&alphabet);
    for (uint32_t i = 0; i < builder->token_count; i++) {
        struct spec_token *token = &builder->tokens[i];
        size_t size = token->text.size;
        unsigned char *copy = ARENA_RAW(builder->arena, unsigned char, size + 1);
        if (!copy)
            return no_memory(error);
        if (is_byte_level &&
            byte_alphabet_map(&alphabet, token->text.bytes, size, copy, &size)) {
            arena_trim(builder->arena, copy, size + 1);
        } else {
            if (is_byte_level)
                token->kind = TOKEN_UNUSED;
            if (size > 0)
                memcpy(copy, token->text.bytes, size);
        }
        if (token->kind == TOKEN_UNUSED)
            is_unused[token->id] = 1;
        copy[size] = 0;
        token->text = (struct byte_range){copy, size};
    }
    return OK;
}

static enum error_code check_ids(const struct spec_builder *builder, struct error *error)
{
    unsigned char *seen = ARENA_NEW(builder->arena, unsigned char, builder->id_limit + 1);
    if (!seen)
        return no_memory(error);
    for (uint32_t i = 0; i < builder->token_count; i++) {
        struct spec_token token = builder->tokens[i];
        if (seen[token.id]++)
            return error_set(error, ERROR_CONFIG,
                             "token \"%.*s\" has id %u, which another has, too",
                             token.text.size < 100 ? (int)token.text.size : 100,
                             (const char *)token.text.bytes, (unsigned)token.id);
    }
    return OK;
}

/* Drop merges of unused tokens, and of those twice there all but the last. */
static enum error_code thin_merges(struct spec_builder *builder,
                                   const unsigned char *is_unused, struct error *error)
{
    size_t slots = 16, kept = builder->merge_count;
    while (slots < (size_t)builder->merge_count * 2)
        slots *= 2;
    uint32_t *seen = ARENA_NEW(builder->arena, uint32_t, slots);
    if (!seen)
        return no_memory(error);
    struct spec_merge *merges = builder->merges;
    for (size_t i = builder->merge_count; i-- > 0;) { /* kept ones gather at the end */
        struct spec_merge merge = merges[i];
        uint32_t pair[2] = {merge.left, merge.right};
        size_t at = (size_t)hash64(pair, sizeof pair, 0) & (slots - 1);
        while (seen[at] && (merges[seen[at] - 1].left != merge.left ||
                            merges[seen[at] - 1].right != merge.right))
            at = (at + 1) & (slots - 1);
        if (seen[at] || is_unused[merge.left] || is_unused[merge.right] ||
            is_unused[merge.merged])
            continue;
        merges[--kept] = merge;
        seen[at] = (uint32_t)kept + 1;
    }
    builder->merges += kept;
    builder->merge_count -= (uint32_t)kept;
    return OK;
}

enum error_code spec_builder_finish(struct spec_builder *builder, bool is_byte_level,
                                    struct model_spec *model, struct error *error)
{
    unsigned char *is_unused =
        ARENA_NEW(builder->arena, unsigned char, builder->id_limit + 1);
    if (!is_unused)
        return no_memory(error);
    enum error_code code = check_ids(builder, error);
    if (code == OK)
        code = copy_texts(builder, is_byte_level, is_unused, error);
    if (code == OK)
        code = thin_merges(builder, is_unused, error);
    if (code != OK)
        return code;
    model->tokens = builder->tokens;
    model->token_count = builder->token_count;
    model->id_limit = builder->id_limit;
    model->merges = builder->merges;
    model->merge_count = builder->merge_count;
    model->is_byte_level = is_byte_level;
    return OK;
}
