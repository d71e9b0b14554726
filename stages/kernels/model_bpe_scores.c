/* model_bpe_scores.c - SentencePiece's byte-pair model: words remembered, others merged */
#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/score_merge.h"
#include "stages/kernels/score_table.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/word_batch.h"

struct scores_state {
    struct score_table table;
    struct word_cache cache;
    struct word_batch batch;
};

static enum error_code open_model(void *state, const void *image, size_t size,
                                  struct arena *run, struct error *error)
{
    struct scores_state *self = state;
    enum error_code code = score_table_open(image, size, &self->table, error);
    if (code != OK)
        return code;
    if (!word_cache_init(&self->cache, self->table.id_limit, run))
        return error_set(error, ERROR_MEMORY, "no memory for a cache of words");
    return OK;
}

struct output {
    uint32_t *ids;
    struct token_span *spans; /* or NULL */
    size_t count;
};

/* `count` ids have been written behind the others. Unknown characters on both sides of a
 * cut are one unknown id. */
static void output_add(const struct score_table *table, struct output *output,
                       size_t count)
{
    uint32_t *added = output->ids + output->count;
    bool is_joined = output->count > 0 && !table->byte_fallback && count > 0 &&
                     added[0] == table->unknown && added[-1] == table->unknown;
    if (UNLIKELY(is_joined)) {
        memmove(added, added + 1, (count - 1) * sizeof *added);
        if (output->spans) {
            struct token_span *spans = output->spans + output->count;
            spans[-1].end = spans[0].end;
            memmove(spans, spans + 1, (count - 1) * sizeof *spans);
        }
        count--;
    }
    output->count += count;
}

/* A word that is not in its line of the cache. */
static enum error_code encode_slowly(struct scores_state *self, const unsigned char *word,
                                     size_t size, size_t i, struct arena *scratch,
                                     struct output *output, struct error *error)
{
    struct word_key key = self->batch.keys[i];
    size_t slot = self->batch.slots[i], count;
    uint32_t *ids = output->ids + output->count;
    struct word_found found =
        word_cache_find_slowly(&self->cache, key, slot, word, size, ids);
    if (found.count > 0) {
        output_add(&self->table, output, found.count);
        return OK;
    }
    enum error_code code = score_merge(&self->table, SCORE_BY_SIZE, word, size, scratch,
                                       ids, NULL, &count, error);
    if (code != OK)
        return code;
    word_cache_put(&self->cache, key, slot, word, size, ids, count, 0);
    output_add(&self->table, output, count);
    return OK;
}

static enum error_code encode_batch(struct scores_state *self, const unsigned char *text,
                                    size_t begin, size_t words, struct arena *scratch,
                                    struct output *output, struct error *error)
{
    for (size_t i = 0; i < words; i++) {
        size_t end = self->batch.ends[i];
        struct word_key key = self->batch.keys[i];
        const struct word_slot *slot =
            key.high != 0 ? word_cache_find(&self->cache, key, self->batch.slots[i])
                          : NULL;
        struct word_found found = {.count = WORD_IN_LARGE};
        if (slot)
            found = word_slot_get(&self->cache, slot, output->ids + output->count);
        if (UNLIKELY(found.count == WORD_IN_LARGE)) {
            enum error_code code =
                encode_slowly(self, text + begin, end - begin, i, scratch, output, error);
            if (code != OK)
                return code;
        } else {
            output_add(&self->table, output, found.count);
        }
        begin = end;
    }
    return OK;
}

/* With spans every word is merged: the cache does not know them. */
static enum error_code encode_spans(struct scores_state *self, const unsigned char *text,
                                    size_t size, struct arena *scratch,
                                    struct output *output, struct error *error)
{
    struct word_cursor cursor = {.text = text, .size = size};
    while (cursor.at < size) {
        size_t begin = cursor.at, end = word_cut_next(&self->table.cut, &cursor), count;
        struct token_span *spans = output->spans + output->count;
        enum error_code code =
            score_merge(&self->table, SCORE_BY_SIZE, text + begin, end - begin, scratch,
                        output->ids + output->count, spans, &count, error);
        if (code != OK)
            return code;
        for (size_t i = 0; i < count; i++) {
            spans[i].begin += (uint32_t)begin;
            spans[i].end += (uint32_t)begin;
        }
        output_add(&self->table, output, count);
    }
    return OK;
}

static enum error_code encode(void *state, const unsigned char *text, size_t size,
                              struct arena *scratch, uint32_t *ids,
                              struct token_span *spans, size_t *count,
                              struct error *error)
{
    struct scores_state *self = state;
    struct output output = {.ids = ids, .spans = spans};
    struct word_cursor cursor = {.text = text, .size = size};
    enum error_code code = OK;
    if (spans)
        code = encode_spans(self, text, size, scratch, &output, error);
    while (!spans && code == OK && cursor.at < size) {
        size_t begin = cursor.at;
        size_t words =
            word_batch_fill(&self->table.cut, &self->cache, &cursor, &self->batch);
        code = encode_batch(self, text, begin, words, scratch, &output, error);
    }
    *count = output.count;
    return code;
}

const struct model_type model_bpe_scores = {
    .name = "bpe_scores",
    .state_size = sizeof(struct scores_state),
    .build = score_table_build,
    .open = open_model,
    .encode = encode,
    .ids_per_byte = 1,
    .ids_extra = WORD_SLACK,
};
