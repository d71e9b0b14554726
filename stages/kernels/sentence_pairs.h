/* sentence_pairs.h - two segments of sentences for a model to relate, as BERT, ALBERT and
 * ELECTRA choose them
 *
 * next_sentence follows BERT's create_pretraining_data.py, sentence_order ALBERT's (which
 * swaps the segments, and still takes a random one where a chunk has one sentence alone),
 * two_segments ELECTRA's build_pretraining_dataset.py, with a length drawn for each
 * example. */
#ifndef STAGES_KERNELS_SENTENCE_PAIRS_H
#define STAGES_KERNELS_SENTENCE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/random_stream.h"

enum pair_task { PAIR_NEXT_SENTENCE, PAIR_SENTENCE_ORDER, PAIR_TWO_SEGMENTS };

/* A document of at least one sentence; none is empty. */
struct pair_document {
    const uint32_t *tokens;
    const uint32_t *begins; /* (count + 1) where sentences begin; the last is the end */
    uint32_t count;
};

/* Cut a document into sentences; begins: (length + 1), as in a pair_document. Returns their
 * count. A sentence ends behind the tokens whose flags (flag_count, by id) have `end_flag`,
 * however many there are in a row. */
uint32_t sentences_at_ends(const uint32_t *tokens, uint32_t length,
                           const unsigned char *flags, uint32_t flag_count,
                           unsigned char end_flag, uint32_t *begins);
/* The same by a list of where they begin; what stands before the first is one, too. 0: the
 * list does not rise, or not within the document. */
uint32_t sentences_at_starts(const uint32_t *starts, uint64_t count, uint32_t length,
                             uint32_t *begins);

struct pair_rule {
    enum pair_task task;
    uint32_t max_length;  /* with the three tokens around the segments; at least 5 */
    uint32_t short_share; /* millionths of instances that aim at a random length */
};

/* An instance. Segment a, and b but for two_segments, are stretches of one document: tokens
 * [begin, begin + size). */
struct pair {
    uint32_t a_document, a_begin, a_size;
    uint32_t b_document, b_begin, b_size;  /* b_size may be 0 for two_segments */
    bool is_other;                         /* b is random; or the segments are swapped */
    uint32_t first_sentence, end_sentence; /* two_segments: whose sentences are parted */
};

/* Plan the instances of document `index`; `pairs` has room for one a sentence. `side`
 * (sentences; two_segments only) becomes 1 where a sentence belongs to segment b. Returns
 * how many instances there are. */
uint32_t pairs_plan(const struct pair_rule *rule, const struct pair_document *documents,
                    uint32_t document_count, uint32_t index, struct random_stream *stream,
                    struct pair *pairs, unsigned char *side);

/* Copy the segments to a (a_size) and b (b_size). */
void pair_copy(const struct pair *pair, enum pair_task task,
               const struct pair_document *documents, const unsigned char *side,
               uint32_t *a, uint32_t *b);

#endif
