/* masking.c - which tokens of a sequence a model shall guess, and what it sees there */
#include "stages/kernels/masking.h"

#include <string.h>

enum { WHOLE = 1000000 };

static unsigned flags_of(const struct mask_rule *rule, uint32_t token)
{
    return token < rule->vocabulary_size ? rule->flags[token] : 0;
}

static bool is_special(const struct mask_rule *rule, uint32_t token)
{
    return flags_of(rule, token) & TOKEN_IS_SPECIAL;
}

/* Does a word begin at `at`? */
static bool begins_word(const struct mask_rule *rule, const uint32_t *tokens, uint32_t at)
{
    return at == 0 || !(flags_of(rule, tokens[at]) & TOKEN_CONTINUES) ||
           is_special(rule, tokens[at - 1]);
}

uint32_t mask_budget(const struct mask_rule *rule, uint32_t count, uint32_t candidates)
{
    uint64_t budget = rule->unit == MASK_SPAN
                          ? ((uint64_t)candidates * rule->share + (WHOLE - 1)) / WHOLE
                          : round_share(count, rule->share);
    if (budget == 0)
        budget = 1;
    if (rule->max_predictions > 0 && budget > rule->max_predictions)
        budget = rule->max_predictions;
    return budget < candidates ? (uint32_t)budget : candidates;
}

/* The weight of length i of m is 4^(i-1) 5^(m-i): whole numbers that sum to 5^m - 4^m. */
uint32_t mask_draw_span(const struct mask_rule *rule, struct random_stream *stream)
{
    uint64_t fives = 1, fours = 1;
    for (uint32_t i = 0; i < rule->max_span; i++) {
        fives *= 5;
        fours *= 4;
    }
    uint64_t drawn = random_stream_below_long(stream, fives - fours);
    uint64_t weight = fives / 5;
    uint32_t length = 1;
    while (drawn >= weight) {
        drawn -= weight;
        weight = weight / 5 * 4;
        length++;
    }
    return length;
}

/* What is chosen at a time, in the order of the sequence: groups [begins[i], ends[i]). */
static uint32_t find_groups(const struct mask_rule *rule, const uint32_t *tokens,
                            uint32_t count, uint32_t *begins, uint32_t *ends)
{
    uint32_t groups = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (is_special(rule, tokens[i]))
            continue;
        bool is_first = rule->unit == MASK_TOKEN || begins_word(rule, tokens, i);
        if (is_first)
            begins[groups++] = i;
        ends[groups - 1] = i + 1;
    }
    return groups;
}

/* Groups in random order, as many as the budget has room for. */
static uint32_t choose_groups(const struct mask_rule *rule, const uint32_t *tokens,
                              uint32_t count, uint32_t budget,
                              struct random_stream *stream, uint32_t *work,
                              unsigned char *is_chosen)
{
    uint32_t *begins = work, *ends = work + count;
    uint32_t groups = find_groups(rule, tokens, count, begins, ends);
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < groups && chosen < budget; i++) {
        uint32_t other = i + random_stream_below(stream, groups - i);
        uint32_t begin = begins[other], end = ends[other];
        begins[other] = begins[i];
        ends[other] = ends[i];
        if (end - begin > budget - chosen)
            continue;
        memset(is_chosen + begin, 1, end - begin);
        chosen += end - begin;
    }
    return chosen;
}

/* Words from the one around the anchor on, until there are enough of them or of tokens; a
 * special token ends the span. Returns how many tokens became chosen. */
static uint32_t choose_span(const struct mask_rule *rule, const uint32_t *tokens,
                            uint32_t count, uint32_t anchor, uint32_t words,
                            uint32_t budget, unsigned char *is_chosen)
{
    uint32_t at = anchor, chosen = 0;
    while (!begins_word(rule, tokens, at))
        at--;
    for (uint32_t i = at; i < count && chosen < budget; i++) {
        if (is_special(rule, tokens[i]))
            break;
        if (i > at && begins_word(rule, tokens, i) && --words == 0)
            break;
        chosen += !is_chosen[i];
        is_chosen[i] = 1;
    }
    return chosen;
}

uint32_t mask_choose(const struct mask_rule *rule, const uint32_t *tokens, uint32_t count,
                     struct random_stream *stream, uint32_t *work,
                     unsigned char *is_chosen)
{
    uint32_t candidates = 0, chosen = 0;
    memset(is_chosen, 0, count);
    for (uint32_t i = 0; i < count; i++)
        candidates += !is_special(rule, tokens[i]);
    uint32_t budget = mask_budget(rule, count, candidates);
    if (rule->unit != MASK_SPAN)
        return choose_groups(rule, tokens, count, budget, stream, work, is_chosen);
    while (chosen < budget) {
        uint32_t words = mask_draw_span(rule, stream);
        uint32_t anchor = random_stream_below(stream, count);
        if (!is_chosen[anchor] && !is_special(rule, tokens[anchor]))
            chosen += choose_span(rule, tokens, count, anchor, words, budget - chosen,
                                  is_chosen);
    }
    return chosen;
}

enum replacement { REPLACE_MASK, REPLACE_RANDOM, REPLACE_NOT };

static enum replacement draw_replacement(const struct mask_rule *rule,
                                         struct random_stream *stream)
{
    uint32_t drawn = random_stream_below(stream, WHOLE);
    if (drawn < rule->mask_share)
        return REPLACE_MASK;
    return drawn - rule->mask_share < rule->random_share ? REPLACE_RANDOM : REPLACE_NOT;
}

static uint32_t draw_token(const struct mask_rule *rule, struct random_stream *stream)
{
    uint32_t token;
    do
        token = random_stream_below(stream, rule->drawn_size);
    while (is_special(rule, token));
    return token;
}

void mask_replace(const struct mask_rule *rule, const unsigned char *is_chosen,
                  uint32_t count, struct random_stream *stream, uint32_t *tokens)
{
    enum replacement replacement = REPLACE_NOT;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_chosen[i])
            continue;
        bool is_inside = rule->unit == MASK_SPAN && i > 0 && is_chosen[i - 1];
        if (!is_inside)
            replacement = draw_replacement(rule, stream);
        if (replacement == REPLACE_MASK)
            tokens[i] = rule->mask_token;
        else if (replacement == REPLACE_RANDOM)
            tokens[i] = draw_token(rule, stream);
    }
}
