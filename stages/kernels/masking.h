/* masking.h - which tokens of a sequence a model shall guess, and what stands in their place
 *
 * By token and by word as BERT's create_pretraining_data.py chooses, by span as SpanBERT
 * does (Joshi et al., 2020). All draws are integers of a random_stream. */
#ifndef STAGES_KERNELS_MASKING_H
#define STAGES_KERNELS_MASKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/random_stream.h"

enum mask_unit { MASK_TOKEN, MASK_WORD, MASK_SPAN };

enum token_flag {
    TOKEN_IS_SPECIAL = 1, /* never masked, never drawn */
    TOKEN_CONTINUES = 2   /* goes on with the word of the token before it */
};

enum { MASK_SPAN_MAX = 20 };

/* Shares are in millionths. */
struct mask_rule {
    enum mask_unit unit;
    uint32_t share;           /* of the tokens that are to be guessed */
    uint32_t max_predictions; /* of a sequence; 0: no bound */
    uint32_t max_span;        /* words, 1 ... MASK_SPAN_MAX */
    uint32_t mask_share;      /* of those to be guessed: replaced by mask_token, */
    uint32_t random_share;    /* and by any token; the others stay as they are */
    uint32_t mask_token;
    const unsigned char *flags; /* (vocabulary_size) enum token_flag */
    uint32_t vocabulary_size;   /* tokens beyond have no flags */
    uint32_t drawn_size;        /* random tokens are below; not all of them special */
};

/* How many tokens are chosen of a sequence of `count`, of which `candidates` are not
 * special: round(count * share) by token and word, ceil(candidates * share) by span; at least
 * one, no more than the bound and the candidates. */
uint32_t mask_budget(const struct mask_rule *rule, uint32_t count, uint32_t candidates);

/* Words of a span: geometric with p = 1/5, cut at max_span. */
uint32_t mask_draw_span(const struct mask_rule *rule, struct random_stream *stream);

/* Choose tokens: is_chosen (count) becomes 0 or 1; `work` has room for 2 * count. By word, a
 * word that would go beyond the budget is passed over. Returns how many are chosen. */
uint32_t mask_choose(const struct mask_rule *rule, const uint32_t *tokens, uint32_t count,
                     struct random_stream *stream, uint32_t *work,
                     unsigned char *is_chosen);

/* Replace the chosen tokens in place, each by a draw of its own; by span, one draw decides
 * for all of a span. */
void mask_replace(const struct mask_rule *rule, const unsigned char *is_chosen,
                  uint32_t count, struct random_stream *stream, uint32_t *tokens);

#endif
