/* model_bpe_scores.c - SentencePiece's byte-pair model: words remembered, others merged */
#include <string.h>

#include "core/arena.h"
#include "core/compiler.h"
#include "stages/kernels/score_jobs.h"
#include "stages/kernels/score_merge.h"
#include "stages/kernels/score_table.h"
#include "stages/kernels/tokenizer_model.h"
#include "stages/kernels/word_batch.h"

/* A word of the batch that is not in its line of the cache. Its ids have room for as many
 * as it has bytes, and WORD_SLACK. */
struct missed_word {
    uint32_t word;
    uint32_t *ids;
    size_t count;
};

struct scores_state {
    struct score_table table;
    struct word_cache cache;
    struct word_batch batch;
    struct missed_word missed[WORD_BATCH];
    struct missed_word *merged[WORD_BATCH];
    struct score_job jobs[WORD_BATCH];
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

/* Ids have been written behind the others, `count` in all. Unknown characters on both
 * sides of a cut are one unknown id. */
static void output_add(const struct score_table *table, struct output *output,
                       size_t count)
{
    size_t kept = output->count;
    if (table->byte_fallback) {
        output->count = count;
        return;
    }
    for (size_t i = kept; i < count; i++) {
        uint32_t id = output->ids[i];
        if (kept > 0 && id == table->unknown && output->ids[kept - 1] == id) {
            if (output->spans)
                output->spans[kept - 1].end = output->spans[i].end;
            continue;
        }
        output->ids[kept] = id;
        if (output->spans)
            output->spans[kept] = output->spans[i];
        kept++;
    }
    output->count = kept;
}

/* Is a missed word in another place of the cache? */
static bool find_missed(struct scores_state *self, struct missed_word *missed)
{
    const struct pending_word *pending = &self->batch.words[missed->word];
    size_t begin = word_batch_begin(&self->batch, missed->word);
    uint32_t known[WORD_LARGE_IDS]; /* there may not be room for all that is copied */
    struct word_found found =
        word_cache_find_slowly(&self->cache, pending->key, pending->slot,
                               self->batch.text + begin, pending->end - begin, known);
    missed->count = found.count;
    memcpy(missed->ids, known, found.count * sizeof *known);
    return found.count > 0;
}

/* What the batch missed, short words together. */
static enum error_code encode_missed(struct scores_state *self, size_t count,
                                     struct arena *scratch, struct error *error)
{
    size_t jobs = 0;
    for (size_t i = 0; i < count; i++) {
        struct missed_word *missed = &self->missed[i];
        if (find_missed(self, missed))
            continue;
        size_t begin = word_batch_begin(&self->batch, missed->word);
        self->merged[jobs] = missed;
        self->jobs[jobs++] =
            (struct score_job){.word = self->batch.text + begin,
                               .size = self->batch.words[missed->word].end - begin,
                               .ids = missed->ids};
    }
    score_jobs_run(&self->table, self->jobs, jobs);
    for (size_t i = 0; i < jobs; i++) {
        struct score_job *job = &self->jobs[i];
        const struct pending_word *pending = &self->batch.words[self->merged[i]->word];
        if (job->count == 0) {
            enum error_code code =
                score_merge(&self->table, SCORE_BY_SIZE, job->word, job->size, scratch,
                            job->ids, NULL, &job->count, error);
            if (code != OK)
                return code;
        }
        self->merged[i]->count = job->count;
        word_cache_put(&self->cache, pending->key, pending->slot, job->word, job->size,
                       job->ids, job->count, 0);
    }
    return OK;
}

/* Close the gaps behind the ids of missed words. Returns the end. */
static uint32_t *close_gaps(const struct scores_state *self, size_t count,
                            const uint32_t *end)
{
    const struct missed_word *missed = self->missed;
    uint32_t *out = missed[0].ids;
    for (size_t i = 0; i < count; i++) {
        size_t word = missed[i].word;
        const uint32_t *rest = missed[i].ids + self->batch.words[word].end -
                               word_batch_begin(&self->batch, word);
        const uint32_t *next = i + 1 < count ? missed[i + 1].ids : end;
        memmove(out, missed[i].ids, missed[i].count * sizeof *out);
        out += missed[i].count;
        memmove(out, rest, (size_t)(next - rest) * sizeof *out);
        out += next - rest;
    }
    return out;
}

static enum error_code encode_batch(struct scores_state *self, size_t words,
                                    struct arena *scratch, struct output *output,
                                    struct error *error)
{
    const struct word_batch *batch = &self->batch;
    uint32_t *out = output->ids + output->count;
    size_t missed = 0;
    enum error_code code = OK;
    for (size_t i = 0; i < words; i++) {
        const struct pending_word *pending = &batch->words[i];
        const struct word_slot *slot =
            LIKELY(pending->key.high != 0)
                ? word_cache_find(&self->cache, pending->key, pending->slot)
                : NULL;
        struct word_found found = {.count = WORD_IN_LARGE};
        if (LIKELY(slot))
            found = word_slot_get(&self->cache, slot, out);
        if (LIKELY(found.count != WORD_IN_LARGE)) {
            out += found.count;
            continue;
        }
        self->missed[missed++] = (struct missed_word){.word = (uint32_t)i, .ids = out};
        out += pending->end - word_batch_begin(batch, i);
    }
    if (missed > 0) {
        code = encode_missed(self, missed, scratch, error);
        out = code == OK ? close_gaps(self, missed, out) : out;
    }
    if (code == OK)
        output_add(&self->table, output, (size_t)(out - output->ids));
    return code;
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
        output_add(&self->table, output, output->count + count);
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
    enum error_code code = OK;
    if (spans) {
        code = encode_spans(self, text, size, scratch, &output, error);
    } else {
        size_t words;
        word_batch_open(&self->batch, text, size);
        while (code == OK && (words = word_batch_fill(&self->table.cut, &self->cache,
                                                      &self->batch)) > 0)
            code = encode_batch(self, words, scratch, &output, error);
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
