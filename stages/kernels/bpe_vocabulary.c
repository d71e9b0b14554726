/* bpe_vocabulary.c - a list of merges as a vocabulary of ranks, where that is the same */
#include "stages/kernels/bpe_vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/pair_table.h"
#include "stages/kernels/tiktoken_file.h"
#include "stages/kernels/vocabulary.h"
#include "stages/kernels/vocabulary_build.h"

#define NONE UINT32_MAX
enum { BYTES = 256, TRIES = 4, IMAGE_ALIGN = 64 };

/* A token of the vocabulary in the making. */
struct candidate {
    const unsigned char *bytes;
    uint32_t size;
    uint32_t name;  /* id in the model, or NONE */
    uint32_t order; /* position of its merge in the list */
    bool
        is_merged; /* made by a merge of the list; else a byte, a character, its beginning,
                     * or a token that is only looked up whole */
};

struct maker {
    const struct model_spec *model;
    struct arena *work;
    struct pair_table pairs;         /* of the model */
    const struct spec_token **by_id; /* (id_limit): NULL: none */
    struct candidate *candidates;    /* (count): bytes, characters, merged, looked up */
    uint32_t count, base_count;      /* base: those before the merged ones */
    bool is_named_alike;             /* ids of the vocabulary are those of the model */
    uint32_t *ids;                   /* (count) of the vocabulary */
    struct vocabulary view;
    struct bytes built;
};

static enum error_code out_of_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to compile a list of merges");
}

/* ---- may it be tried at all? ---- */

static bool is_valid_id(const struct maker *maker, uint32_t id)
{
    return id < maker->model->id_limit && maker->by_id[id] != NULL;
}

/* Is what a merge makes the text of its two tokens, and are these symbols that stand for
 * their text? */
static bool is_plain_merge(const struct maker *maker, const struct spec_merge *merge)
{
    uint32_t unknown = maker->model->unknown;
    const uint32_t ids[] = {merge->left, merge->right, merge->merged};
    for (size_t i = 0; i < 3; i++) {
        if (!is_valid_id(maker, ids[i]) || ids[i] == unknown)
            return false;
    }
    const struct byte_range *left = &maker->by_id[merge->left]->text;
    const struct byte_range *right = &maker->by_id[merge->right]->text;
    const struct byte_range *merged = &maker->by_id[merge->merged]->text;
    return left->size > 0 && right->size > 0 &&
           merged->size == left->size + right->size &&
           memcmp(merged->bytes, left->bytes, left->size) == 0 &&
           memcmp(merged->bytes + left->size, right->bytes, right->size) == 0;
}

static bool is_utf8(const struct byte_range *text)
{
    uint32_t point;
    for (size_t at = 0, step; at < text->size; at += step) {
        step = unicode_decode(text->bytes + at, text->size - at, &point);
        if (step == 0)
            return false;
    }
    return true;
}

/* Has every byte that stands in UTF-8 a token? */
static bool has_all_bytes(const struct maker *maker)
{
    for (unsigned byte = 0; byte < BYTES; byte++) {
        const unsigned char text[] = {(unsigned char)byte};
        bool is_used = byte < 0xC0 || (byte > 0xC1 && byte < 0xF5);
        if (is_used && pair_table_find(&maker->pairs, text, 1) == NONE)
            return false;
    }
    return true;
}

/* Characters that are left out, where there is neither an unknown token nor fallback to
 * bytes, let their neighbours merge: that the vocabulary cannot do. */
static bool leaves_out(const struct maker *maker)
{
    const struct model_spec *model = maker->model;
    return model->unknown == NONE && !model->byte_fallback &&
           !(model->is_byte_level && has_all_bytes(maker));
}

static bool may_be_tried(const struct maker *maker)
{
    const struct model_spec *model = maker->model;
    if (model->continuing.size + model->end_of_word.size > 0 ||
        model->id_limit >= TOKEN_ID_LIMIT || leaves_out(maker))
        return false;
    for (unsigned byte = 0; model->byte_fallback && byte < BYTES; byte++) {
        if (maker->pairs.byte_ids[byte] == NONE || model->is_byte_level)
            return false;
    }
    bool *is_byte = ARENA_NEW(maker->work, bool, (size_t)model->id_limit + 1);
    if (!is_byte)
        return false;
    for (unsigned byte = 0; model->byte_fallback && byte < BYTES; byte++)
        is_byte[maker->pairs.byte_ids[byte]] = true;
    for (uint32_t i = 0; i < model->merge_count; i++) {
        const struct spec_merge *merge = model->merges + i;
        if (!is_plain_merge(maker, merge) || is_byte[merge->left] ||
            is_byte[merge->right] || is_byte[merge->merged] ||
            (!model->is_byte_level && !is_utf8(&maker->by_id[merge->merged]->text)))
            return false;
    }
    return true;
}

/* ---- candidates ---- */

static void add(struct maker *maker, const unsigned char *bytes, size_t size,
                uint32_t name, uint32_t order, bool is_merged)
{
    maker->candidates[maker->count++] = (struct candidate){.bytes = bytes,
                                                           .size = (uint32_t)size,
                                                           .name = name,
                                                           .order = order,
                                                           .is_merged = is_merged};
}

static int compare_texts(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->size);
}

static int compare_orders(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    return (a->order > b->order) - (a->order < b->order);
}

/* Characters that are tokens and their beginnings of two bytes and more, each once, the
 * shortest first. */
static void add_characters(struct maker *maker)
{
    uint32_t begin = maker->count;
    for (uint32_t i = 0; i < maker->model->token_count; i++) {
        const struct spec_token *token = maker->model->tokens + i;
        uint32_t point;
        size_t size = token->text.size;
        if (size < 2 || size > 4 || token->kind == TOKEN_UNUSED ||
            unicode_decode(token->text.bytes, size, &point) != size)
            continue;
        for (size_t part = 2; part < size; part++)
            add(maker, token->text.bytes, part, NONE, 0, false);
        add(maker, token->text.bytes, size, token->id, 0, false);
    }
    struct candidate *added = maker->candidates + begin;
    uint32_t count = maker->count - begin, kept = 0;
    if (count > 0)
        qsort(added, count, sizeof *added, compare_texts);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || compare_texts(&added[kept - 1], &added[i]) != 0)
            added[kept++] = added[i];
    }
    maker->count = begin + kept;
}

static bool add_candidates(struct maker *maker)
{
    static const unsigned char every_byte[BYTES] = {0};
    const struct model_spec *model = maker->model;
    unsigned char *bytes = ARENA_RAW(maker->work, unsigned char, sizeof every_byte);
    size_t most = BYTES + 3 * (size_t)model->token_count + model->merge_count;
    bool *is_there = ARENA_NEW(maker->work, bool, model->id_limit);
    maker->candidates = ARENA_RAW(maker->work, struct candidate, most);
    maker->ids = ARENA_RAW(maker->work, uint32_t, most);
    if (!bytes || !is_there || !maker->candidates || !maker->ids)
        return false;
    for (unsigned byte = 0; byte < BYTES; byte++) {
        bytes[byte] = (unsigned char)byte;
        bool is_character = model->is_byte_level || byte < 0x80;
        uint32_t name =
            is_character ? pair_table_find(&maker->pairs, bytes + byte, 1) : NONE;
        add(maker, bytes + byte, 1, name, 0, false);
    }
    if (!model->is_byte_level)
        add_characters(maker);
    maker->base_count = maker->count;
    for (uint32_t i = 0; i < maker->count; i++) {
        if (maker->candidates[i].name != NONE)
            is_there[maker->candidates[i].name] = true;
    }
    for (uint32_t i = 0; i < model->merge_count; i++) {
        const struct spec_merge *merge = model->merges + i;
        const struct byte_range *text = &maker->by_id[merge->merged]->text;
        if (!is_there[merge->merged])
            add(maker, text->bytes, text->size, merge->merged, i, true);
        is_there[merge->merged] = true;
    }
    for (uint32_t i = 0; model->ignore_merges && i < model->token_count; i++) {
        const struct spec_token *token = model->tokens + i;
        if (!is_there[token->id] && token->text.size > 0 && token->kind != TOKEN_UNUSED)
            add(maker, token->text.bytes, token->text.size, token->id, NONE, false);
        is_there[token->id] = true;
    }
    return true;
}

/* ---- the vocabulary, and whether it is the same ---- */

/* Ids of the model are kept where they rise along the list, above those of bytes: bytes
 * without a token get ids behind all others. */
static void choose_ids(struct maker *maker)
{
    bool is_alike = maker->model->is_byte_level;
    uint32_t last = 0, spare = maker->model->id_limit;
    for (uint32_t i = 0; i < maker->base_count; i++) {
        uint32_t name = maker->candidates[i].name;
        if (name != NONE && name > last)
            last = name;
    }
    for (uint32_t i = maker->base_count; i < maker->count; i++) {
        const struct candidate *candidate = maker->candidates + i;
        is_alike = is_alike && (!candidate->is_merged || candidate->name > last);
        if (candidate->is_merged)
            last = candidate->name;
    }
    maker->is_named_alike = is_alike;
    for (uint32_t i = 0; i < maker->count; i++) {
        uint32_t name = maker->candidates[i].name;
        maker->ids[i] = !is_alike ? i : name == NONE ? spare++ : name;
    }
}

static enum error_code build_vocabulary(struct maker *maker, struct error *error)
{
    struct token_list list = {.count = maker->count};
    size_t size = 0, used = 0;
    for (uint32_t i = 0; i < maker->count; i++) {
        size += maker->candidates[i].size;
        if (maker->ids[i] >= list.id_limit)
            list.id_limit = maker->ids[i] + 1;
    }
    unsigned char *bytes = ARENA_RAW(maker->work, unsigned char, size);
    uint32_t *starts = ARENA_RAW(maker->work, uint32_t, (size_t)maker->count + 1);
    if (!bytes || !starts)
        return out_of_memory(error);
    starts[0] = 0;
    for (uint32_t i = 0; i < maker->count; i++) {
        memcpy(bytes + used, maker->candidates[i].bytes, maker->candidates[i].size);
        used += maker->candidates[i].size;
        starts[i + 1] = (uint32_t)used;
    }
    list.bytes = bytes;
    list.starts = starts;
    list.ids = maker->ids;
    bytes_reset(&maker->built);
    enum error_code code = vocabulary_build(&list, maker->work, &maker->built, error);
    if (code == OK)
        code = vocabulary_open(maker->built.data, maker->built.size, &maker->view, error);
    return code;
}

/* The candidate of a vocabulary's id. */
static uint32_t *index_ids(const struct maker *maker)
{
    uint32_t *numbers = ARENA_NEW(maker->work, uint32_t, maker->view.id_limit);
    for (uint32_t i = 0; numbers && i < maker->count; i++)
        numbers[maker->ids[i]] = i;
    return numbers;
}

enum verdict { SAME, TRY_AGAIN, DIFFERENT, NO_MEMORY };

/* Compare the pair of each token with the list; put right the order of tokens, and take
 * out those that merging never makes. */
static enum verdict compare(struct maker *maker)
{
    const uint32_t *numbers = index_ids(maker);
    uint32_t kept = maker->base_count, last = 0;
    bool is_first = true, is_changed = false;
    if (!numbers)
        return NO_MEMORY;
    for (uint32_t i = 0; i < maker->count; i++) {
        struct candidate candidate = maker->candidates[i];
        uint32_t id = maker->ids[i];
        uint32_t left = maker->view.splits[2 * (size_t)id];
        uint32_t right = maker->view.splits[2 * (size_t)id + 1];
        bool is_made = left != id;
        if (i < maker->base_count) {
            /* a character comes together from the left */
            if (candidate.size > 1 &&
                (!is_made || vocabulary_token_size(&maker->view, right) != 1))
                return DIFFERENT;
            continue;
        }
        if (!candidate.is_merged && is_made)
            return DIFFERENT;
        if (candidate.is_merged && !is_made) { /* looked up whole or not at all */
            is_changed = true;
            candidate.is_merged = false;
            candidate.order = NONE;
            if (!maker->model->ignore_merges)
                continue;
        }
        if (candidate.is_merged) {
            uint32_t merged = NONE;
            uint32_t rank =
                pair_table_rank(&maker->pairs, maker->candidates[numbers[left]].name,
                                maker->candidates[numbers[right]].name, &merged);
            if (rank == NONE || merged != candidate.name)
                return DIFFERENT;
            is_changed = is_changed || (!is_first && rank < last);
            candidate.order = last = rank;
            is_first = false;
        }
        maker->candidates[kept++] = candidate;
    }
    maker->count = kept;
    if (!is_changed)
        return SAME;
    if (kept > maker->base_count)
        qsort(maker->candidates + maker->base_count, kept - maker->base_count,
              sizeof *maker->candidates, compare_orders);
    return TRY_AGAIN;
}

/* ---- the result ---- */

static const unsigned char word_mark[] = {0xE2, 0x96, 0x81};

static bool begins_with_mark(const struct byte_range *text)
{
    return text->size >= 3 && memcmp(text->bytes, word_mark, 3) == 0;
}

static bool ends_with_mark(const struct byte_range *text)
{
    return text->size >= 3 && memcmp(text->bytes + text->size - 3, word_mark, 3) == 0;
}

/* May text be cut before each U+2581 that follows another character? */
static bool has_words(const struct maker *maker)
{
    const struct model_spec *model = maker->model;
    if (model->is_byte_level || pair_table_find(&maker->pairs, word_mark, 3) == NONE)
        return false;
    for (uint32_t i = 0; i < model->merge_count; i++) {
        if (begins_with_mark(&maker->by_id[model->merges[i].right]->text) &&
            !ends_with_mark(&maker->by_id[model->merges[i].left]->text))
            return false;
    }
    return true;
}

static enum error_code finish(struct maker *maker, struct bytes *image,
                              struct bpe_vocabulary *result, struct error *error)
{
    uint32_t *names = NULL;
    if (!maker->is_named_alike || maker->view.id_limit > maker->model->id_limit) {
        names = ARENA_RAW(maker->work, uint32_t, maker->view.id_limit);
        if (!names)
            return out_of_memory(error);
        memset(names, 0xFF, maker->view.id_limit * sizeof *names);
        for (uint32_t i = 0; i < maker->count; i++)
            names[maker->ids[i]] = maker->candidates[i].name;
    }
    bytes_put(image, maker->built.data, maker->built.size);
    const struct model_spec *model = maker->model;
    bool is_complete = model->is_byte_level ? has_all_bytes(maker) : model->byte_fallback;
    bool may_cut = maker->view.join_shift != 0 && (is_complete || !model->fuse_unknown);
    *result = (struct bpe_vocabulary){.is_equivalent = true,
                                      .is_direct = model->is_byte_level && is_complete,
                                      .may_cut = may_cut,
                                      .has_words = may_cut && has_words(maker),
                                      .names = names,
                                      .name_count = names ? maker->view.id_limit : 0,
                                      .same_below =
                                          maker->is_named_alike ? model->id_limit : 0};
    for (unsigned byte = 0; byte < BYTES; byte++)
        result->byte_ids[byte] =
            maker->model->byte_fallback ? maker->pairs.byte_ids[byte] : NONE;
    return image->is_bad ? out_of_memory(error) : OK;
}

static enum error_code make(struct maker *maker, struct bytes *image,
                            struct bpe_vocabulary *result, struct error *error)
{
    enum verdict verdict = TRY_AGAIN;
    if (!add_candidates(maker))
        return out_of_memory(error);
    if (maker->count >= TOKEN_ID_LIMIT - BYTES)
        return OK;
    for (int i = 0; verdict == TRY_AGAIN && i < TRIES; i++) {
        choose_ids(maker);
        enum error_code code = build_vocabulary(maker, error);
        if (code == ERROR_CONFIG) /* two tokens with one text */
            return OK;
        if (code != OK)
            return code;
        verdict = compare(maker);
    }
    if (verdict == NO_MEMORY)
        return out_of_memory(error);
    return verdict == SAME ? finish(maker, image, result, error) : OK;
}

enum error_code bpe_vocabulary_build(const struct model_spec *model, struct arena *work,
                                     struct bytes *image, struct bpe_vocabulary *result,
                                     struct error *error)
{
    struct maker maker = {.model = model, .work = work};
    struct bytes table = {0};
    *result = (struct bpe_vocabulary){0};
    enum error_code code = pair_table_build(model, &table, error);
    if (code == OK)
        code = pair_table_open(table.data, table.size, &maker.pairs, error);
    maker.by_id = ARENA_NEW(work, const struct spec_token *, (size_t)model->id_limit + 1);
    if (code == OK && !maker.by_id)
        code = out_of_memory(error);
    for (uint32_t i = 0; code == OK && i < model->token_count; i++) {
        if (model->tokens[i].id < model->id_limit &&
            model->tokens[i].kind != TOKEN_UNUSED)
            maker.by_id[model->tokens[i].id] = model->tokens + i;
    }
    if (code == OK && may_be_tried(&maker))
        code = make(&maker, image, result, error);
    bytes_clear(&maker.built);
    bytes_clear(&table);
    return code;
}
