/* unigram_trainer.c - SentencePiece's Unigram vocabularies
 *
 * The method of Kudo, "Subword Regularization" (2018), section 3.2, with the numbers of
 * SentencePiece's trainer: many candidates; two rounds of expectation maximization with
 * the digamma of expected counts (variational Bayes), candidates expected less than half
 * a time leave; then those go that no best segmentation uses, and those whose loss would
 * cost the texts least, until three quarters are left; again, down to 1.1 times the
 * vocabulary; the best of these are the vocabulary.
 *
 * All sums go over the words in their order, so that the result is the same everywhere. */
#include "stages/kernels/unigram_trainer.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/bpe_trainer.h"
#include "stages/kernels/exact_math.h"
#include "stages/kernels/trainer_tokens.h"
#include "stages/kernels/trainer_words.h"
#include "stages/kernels/unigram_lattice.h"

enum { SEEDS = 1000000, ROUNDS = 2 };

#define NONE UINT32_MAX

static const double EXPECTED_LEAST = 0.5, KEPT_PART = 0.75, SURPLUS = 1.1;
static const double TINY = 1e-280; /* less is not told from nothing */

struct unigram {
    struct lattice lattice;
    double *scores;   /* (candidates): log probabilities */
    double *scaled;   /* (candidates): probabilities times scale to the length */
    double *expected; /* (candidates) */
    uint64_t *used;   /* (candidates): in the best segmentations */
    double *losses;   /* (candidates) */
    uint32_t *numbers;
};

static enum error_code no_memory(struct error *error)
{
    return error_set(error, ERROR_MEMORY, "no memory to train a vocabulary");
}

static uint32_t edge_candidate(uint32_t edge)
{
    return edge >> LATTICE_LENGTH_BITS;
}

static uint32_t edge_length(uint32_t edge)
{
    return edge & ((1u << LATTICE_LENGTH_BITS) - 1);
}

/* ---- expectation ---- */

/* Every segmentation of a word has the same number of characters, so that a factor for
 * each of them changes no expected count; it keeps the products near 1. */
static void scale_scores(struct unigram *unigram)
{
    const struct lattice *lattice = &unigram->lattice;
    double sum = 0, characters = 0;
    for (uint32_t i = 0; i < lattice->candidate_count; i++) {
        double probability = exact_exp(unigram->scores[i]);
        unigram->scaled[i] = probability;
        sum += probability * unigram->scores[i];
        characters += probability * lattice->lengths[i];
    }
    double nats = characters > 0 ? -sum / characters : 0,
           powers[1 << LATTICE_LENGTH_BITS];
    for (int i = 0; i < 1 << LATTICE_LENGTH_BITS; i++)
        powers[i] = exact_exp(nats * i);
    for (uint32_t i = 0; i < lattice->candidate_count; i++)
        unigram->scaled[i] *= powers[lattice->lengths[i]];
}

/* Add a word's expected counts: the sum over all its segmentations forward, then backward. */
static void expect_word(struct unigram *unigram, const struct lattice_word *word)
{
    const struct lattice *lattice = &unigram->lattice;
    const double *scaled = unigram->scaled;
    double forward[LATTICE_WORD_MAX + 1] = {1}, backward[LATTICE_WORD_MAX + 1];
    uint32_t size = word->end - word->begin;
    const uint32_t *starts = lattice->starts + word->begin;
    for (uint32_t i = 0; i < size; i++) {
        for (uint32_t k = starts[i]; k < starts[i + 1]; k++) {
            uint32_t edge = lattice->edges[k];
            forward[i + edge_length(edge)] += forward[i] * scaled[edge_candidate(edge)];
        }
    }
    if (!(forward[size] > TINY && forward[size] < 1 / TINY))
        return;
    double weight = (double)word->count / forward[size];
    backward[size] = 1;
    for (uint32_t i = size; i-- > 0;) {
        double sum = 0, here = forward[i] * weight;
        for (uint32_t k = starts[i]; k < starts[i + 1]; k++) {
            uint32_t edge = lattice->edges[k], candidate = edge_candidate(edge);
            double behind = scaled[candidate] * backward[i + edge_length(edge)];
            sum += behind;
            unigram->expected[candidate] += here * behind;
        }
        backward[i] = sum;
    }
}

static void expect_all(struct unigram *unigram)
{
    const struct lattice *lattice = &unigram->lattice;
    scale_scores(unigram);
    memset(unigram->expected, 0, lattice->candidate_count * sizeof *unigram->expected);
    for (size_t i = 0; i < lattice->word_count; i++)
        expect_word(unigram, lattice->words + i);
}

/* ---- maximization ---- */

/* Number those that `numbers` does not have as NONE, and let the others go. */
static void keep_numbered(struct unigram *unigram)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < unigram->lattice.candidate_count; i++) {
        if (unigram->numbers[i] == NONE)
            continue;
        unigram->scores[kept] = unigram->scores[i];
        unigram->expected[kept] = unigram->expected[i];
        unigram->numbers[i] = kept++;
    }
    if (kept < unigram->lattice.candidate_count)
        lattice_shrink(&unigram->lattice, unigram->numbers);
}

static void maximize(struct unigram *unigram)
{
    const struct lattice *lattice = &unigram->lattice;
    double sum = 0;
    for (uint32_t i = 0; i < lattice->candidate_count; i++) {
        bool is_character = i < lattice->character_count;
        bool is_rare = unigram->expected[i] < EXPECTED_LEAST;
        unigram->numbers[i] = is_rare && !is_character ? NONE : 0;
        if (is_rare && is_character)
            unigram->expected[i] = EXPECTED_LEAST;
        if (unigram->numbers[i] != NONE)
            sum += unigram->expected[i];
    }
    keep_numbered(unigram);
    double log_sum = exact_digamma(sum < EXPECTED_LEAST ? EXPECTED_LEAST : sum);
    for (uint32_t i = 0; i < lattice->candidate_count; i++)
        unigram->scores[i] = exact_digamma(unigram->expected[i]) - log_sum;
}

/* ---- pruning ---- */

/* The best segmentation of `size` symbols from `begin` on; `barred` may not be used. backs
 * gets for each place the best last edge; NONE: there is none. */
static double find_best(const struct unigram *unigram, uint32_t begin, uint32_t size,
                        uint32_t barred, uint32_t *backs)
{
    const struct lattice *lattice = &unigram->lattice;
    const uint32_t *starts = lattice->starts + begin;
    double best[UINT8_MAX + 1] = {0};
    for (uint32_t i = 1; i <= size; i++)
        backs[i] = NONE;
    for (uint32_t i = 0; i < size; i++) {
        if (i > 0 && backs[i] == NONE)
            continue;
        for (uint32_t k = starts[i]; k < starts[i + 1]; k++) {
            uint32_t edge = lattice->edges[k], end = i + edge_length(edge);
            if (end > size)
                break;
            double score = best[i] + unigram->scores[edge_candidate(edge)];
            bool is_better = backs[end] == NONE || score > best[end];
            if (is_better && edge_candidate(edge) != barred) {
                best[end] = score;
                backs[end] = edge;
            }
        }
    }
    return best[size];
}

static uint64_t count_used(struct unigram *unigram)
{
    const struct lattice *lattice = &unigram->lattice;
    uint32_t backs[UINT8_MAX + 1];
    uint64_t sum = 0;
    memset(unigram->used, 0, lattice->candidate_count * sizeof *unigram->used);
    for (size_t i = 0; i < lattice->word_count; i++) {
        const struct lattice_word *word = lattice->words + i;
        uint32_t size = word->end - word->begin;
        (void)find_best(unigram, word->begin, size, NONE, backs);
        for (uint32_t at = size; at > 0; at -= edge_length(backs[at])) {
            unigram->used[edge_candidate(backs[at])] += word->count;
            sum += word->count;
        }
    }
    return sum;
}

/* What the texts' likelihood loses, about, when the candidate goes and its best other
 * segmentation takes its place. */
static double loss_of(const struct unigram *unigram, uint32_t candidate, double total)
{
    const struct lattice *lattice = &unigram->lattice;
    uint32_t backs[UINT8_MAX + 1] = {0}, size = lattice->lengths[candidate], parts = 0;
    double used = (double)unigram->used[candidate], other = 0;
    (void)find_best(unigram, lattice->places[candidate], size, candidate, backs);
    for (uint32_t at = size; at > 0; at -= edge_length(backs[at]))
        parts++;
    double log_total = exact_log(total + used * (parts - 1));
    for (uint32_t at = size; at > 0; at -= edge_length(backs[at]))
        other += exact_log((double)unigram->used[edge_candidate(backs[at])] + used) -
                 log_total;
    return used * (exact_log(used) - exact_log(total) - other);
}

static uint64_t sortable(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

/* Number the `wanted` candidates with the highest values; of equal ones the first. Those
 * whose number is NONE stay away. */
static void choose_best(const double *values, uint32_t count, uint32_t wanted,
                        uint32_t *numbers)
{
    uint64_t prefix = 0, mask = 0;
    uint32_t left = wanted; /* of those with the prefix */
    for (int shift = 56; shift >= 0; shift -= 8) {
        uint32_t counts[256] = {0};
        for (uint32_t i = 0; i < count; i++) {
            uint64_t bits = sortable(values[i]);
            if (numbers[i] != NONE && (bits & mask) == prefix)
                counts[bits >> shift & 0xFF]++;
        }
        uint64_t digit = 255;
        for (; digit > 0 && counts[digit] < left; digit--)
            left -= counts[digit];
        prefix |= digit << shift;
        mask |= UINT64_C(0xFF) << shift;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bits = sortable(values[i]);
        if (numbers[i] == NONE || bits > prefix)
            continue;
        if (bits == prefix && left > 0)
            left--;
        else
            numbers[i] = NONE;
    }
}

static void prune(struct unigram *unigram, uint32_t wanted)
{
    const struct lattice *lattice = &unigram->lattice;
    uint32_t count = lattice->candidate_count, characters = lattice->character_count;
    double total = (double)count_used(unigram);
    for (uint32_t i = 0; i < count; i++) {
        bool is_used = i < characters || unigram->used[i] > 0;
        unigram->numbers[i] = is_used ? 0 : NONE;
        if (is_used && i >= characters)
            unigram->losses[i] = loss_of(unigram, i, total);
    }
    uint32_t limit = (uint32_t)(KEPT_PART * count);
    if (limit < wanted)
        limit = wanted;
    if (limit < characters)
        limit = characters;
    choose_best(unigram->losses + characters, count - characters, limit - characters,
                unigram->numbers + characters);
    keep_numbered(unigram);
}

/* ---- all of it ---- */

static bool unigram_open(struct unigram *unigram, struct arena *arena)
{
    uint32_t count = unigram->lattice.candidate_count;
    size_t room = (size_t)count + 1;
    unigram->scores = ARENA_NEW(arena, double, room);
    unigram->scaled = ARENA_NEW(arena, double, room);
    unigram->expected = ARENA_NEW(arena, double, room);
    unigram->losses = ARENA_NEW(arena, double, room);
    unigram->used = ARENA_NEW(arena, uint64_t, room);
    unigram->numbers = ARENA_NEW(arena, uint32_t, room);
    if (!unigram->scores || !unigram->scaled || !unigram->expected || !unigram->losses ||
        !unigram->used || !unigram->numbers)
        return false;
    double sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum += unigram->lattice.weights[i];
    for (uint32_t i = 0; i < count; i++)
        unigram->scores[i] = exact_log(unigram->lattice.weights[i]) - exact_log(sum);
    return true;
}

static void train(struct unigram *unigram, uint32_t vocabulary_size)
{
    uint32_t wanted = (uint32_t)(SURPLUS * vocabulary_size);
    for (;;) {
        for (int i = 0; i < ROUNDS; i++) {
            expect_all(unigram);
            maximize(unigram);
        }
        uint32_t count = unigram->lattice.candidate_count;
        if (count <= wanted)
            break;
        prune(unigram, wanted);
        if (unigram->lattice.candidate_count == count)
            break;
    }
}

struct scored {
    double score;
    uint32_t candidate;
};

static int compare_scored(const void *left, const void *right)
{
    const struct scored *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->candidate < b->candidate ? -1 : a->candidate > b->candidate;
}

/* The candidate's text. */
static struct byte_range spell(const struct lattice *lattice, uint32_t candidate,
                               const struct trainer_alphabet *alphabet,
                               unsigned char *text)
{
    size_t size = 0;
    const uint32_t *symbols = lattice->symbols + lattice->places[candidate];
    for (uint32_t i = 0; i < lattice->lengths[candidate]; i++)
        size += trainer_put_code(alphabet->codes[symbols[i] - 1], text + size);
    return (struct byte_range){text, size};
}

/* Characters that hardly stand alone get the lowest score of the others: how rare they are
 * is not known. */
static void lift_scores(struct unigram *unigram)
{
    const struct lattice *lattice = &unigram->lattice;
    double least = 0;
    for (uint32_t i = 0; i < lattice->candidate_count; i++) {
        if (unigram->numbers[i] != NONE && unigram->expected[i] > EXPECTED_LEAST &&
            unigram->scores[i] < least)
            least = unigram->scores[i];
    }
    for (uint32_t i = 0; i < lattice->character_count; i++) {
        if (unigram->scores[i] < least)
            unigram->scores[i] = least;
    }
}

/* All characters and the best of the others, by falling score. */
static enum error_code finish(struct unigram *unigram, uint32_t count,
                              const struct trainer_alphabet *alphabet,
                              struct trainer_tokens *tokens, struct arena *arena,
                              struct error *error)
{
    struct lattice *lattice = &unigram->lattice;
    uint32_t characters = lattice->character_count, found = lattice->candidate_count,
             kept;
    unsigned char text[4 * UINT8_MAX];
    if (found < count)
        return error_set(error, ERROR_CONFIG,
                         "the texts give no more than %u tokens: ask for a vocabulary of "
                         "%u or fewer",
                         found, tokens->count + found);
    memset(unigram->numbers, 0, found * sizeof *unigram->numbers);
    choose_best(unigram->scores + characters, found - characters, count - characters,
                unigram->numbers + characters);
    struct scored *list = ARENA_RAW(arena, struct scored, (size_t)count + 1);
    if (!list)
        return no_memory(error);
    kept = 0;
    lift_scores(unigram);
    for (uint32_t i = 0; i < found; i++) {
        if (unigram->numbers[i] != NONE)
            list[kept++] = (struct scored){unigram->scores[i], i};
    }
    qsort(list, kept, sizeof *list, compare_scored);
    for (uint32_t i = 0; i < kept; i++) {
        struct byte_range range = spell(lattice, list[i].candidate, alphabet, text);
        if (trainer_tokens_find(tokens, range) != TRAINER_NO_TOKEN)
            continue; /* it reads like a control piece */
        if (trainer_tokens_add(tokens, range, TOKEN_NORMAL, list[i].score) ==
            TRAINER_NO_TOKEN)
            return no_memory(error);
    }
    return OK;
}

static enum error_code build_lattice(const struct piece_table *table,
                                     const struct trainer_options *options,
                                     struct arena *arena, struct unigram *unigram,
                                     struct trainer_alphabet *alphabet,
                                     struct error *error)
{
    const struct counted_piece *words;
    size_t count;
    enum error_code code = piece_table_list(table, arena, &words, &count, error);
    if (code == OK)
        code = trainer_words_cut(words, count, arena, &words, &count, error);
    if (code == OK)
        code = trainer_alphabet_count(words, count, options->character_coverage,
                                      options->alphabet_limit, arena, alphabet, error);
    if (code == OK)
        code = lattice_build(words, count, alphabet, options->length_max, SEEDS, arena,
                             &unigram->lattice, error);
    return code;
}

enum error_code unigram_trainer_run(const struct piece_table *table,
                                    const struct trainer_options *options,
                                    struct arena *arena, struct trained *trained,
                                    struct error *error)
{
    struct unigram unigram;
    struct trainer_alphabet alphabet;
    struct trainer_tokens tokens;
    if (!trainer_tokens_init(&tokens, options->vocabulary_size, arena) ||
        !trainer_put_controls(options, &tokens))
        return no_memory(error);
    enum error_code code =
        build_lattice(table, options, arena, &unigram, &alphabet, error);
    if (code != OK)
        return code;
    uint32_t count = options->vocabulary_size - tokens.count;
    if (count < alphabet.count)
        return error_set(error, ERROR_CONFIG,
                         "a vocabulary of %u tokens is too small: special tokens, bytes "
                         "and characters make %u",
                         options->vocabulary_size, tokens.count + alphabet.count);
    if (!unigram_open(&unigram, arena))
        return no_memory(error);
    train(&unigram, options->vocabulary_size);
    code = finish(&unigram, count, &alphabet, &tokens, arena, error);
    trained->tokens = tokens.items;
    trained->token_count = tokens.count;
    trained->unknown = 0;
    return code;
}
