/* test_pair_trainer.c - merging frequent pairs, against a plain quadratic trainer */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/pair_trainer.h"
#include "stages/kernels/trainer_tokens.h"

enum { WORDS = 60, WORD_MAX = 14, TOKENS_MAX = 200 };

struct word {
    uint32_t tokens[WORD_MAX];
    size_t size;
    uint64_t count;
};

struct corpus {
    struct word words[WORDS];
    size_t count;
    uint32_t letters, length_max, known_pairs;
    uint64_t min_frequency;
    bool with_prefix; /* all but the first letter are other tokens: "##a" */
};

static uint64_t random_next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static struct corpus make_corpus(uint64_t *seed)
{
    struct corpus corpus = {.count = 1 + random_next(seed) % WORDS,
                            .letters = 1 + (uint32_t)(random_next(seed) % 4),
                            .length_max = random_next(seed) % 3 == 0 ? 4 : UINT32_MAX,
                            .known_pairs = 1 + (uint32_t)(random_next(seed) % 5),
                            .min_frequency = 1 + random_next(seed) % 4,
                            .with_prefix = random_next(seed) % 2};
    uint64_t range = 1 + random_next(seed) % 30;
    for (size_t i = 0; i < corpus.count; i++) {
        struct word *word = &corpus.words[i];
        word->size = 1 + random_next(seed) % WORD_MAX;
        word->count = 1 + random_next(seed) % range;
        for (size_t k = 0; k < word->size; k++) {
            uint32_t letter = (uint32_t)(random_next(seed) % corpus.letters);
            bool is_other = corpus.with_prefix && k > 0;
            word->tokens[k] = 1 + letter + (is_other ? corpus.letters : 0);
        }
    }
    return corpus;
}

/* One special token, "aab", then the letters, then those with the prefix: "#" and "###" make
 * "##", and that with "##a" would make "##a" again. */
static void put_tokens(const struct corpus *corpus, struct trainer_tokens *tokens)
{
    char text[4] = "##a";
    struct byte_range special = {(const unsigned char *)"aab", 3};
    (void)trainer_tokens_add(tokens, special, TOKEN_CONTROL, 0);
    for (uint32_t i = 0; i < corpus->letters * (corpus->with_prefix ? 2 : 1); i++) {
        text[2] = "#abc"[i % corpus->letters];
        bool is_other = i >= corpus->letters;
        struct byte_range range = {(const unsigned char *)text + (is_other ? 0 : 2),
                                   is_other ? 3 : 1};
        assert_int_equal(trainer_tokens_add(tokens, range, TOKEN_NORMAL, 0), i + 1);
    }
}

/* ---- plain reference: all pairs are counted anew before each merge ---- */

struct plain {
    struct corpus corpus;
    char texts[TOKENS_MAX][64];
    uint32_t lengths[TOKENS_MAX];
    uint32_t count, capacity;
    uint64_t now[TOKENS_MAX][TOKENS_MAX];
    bool is_barred[TOKENS_MAX][TOKENS_MAX];
    struct spec_merge merges[4 * TOKENS_MAX];
    uint32_t merge_count;
};

static bool plain_choose(struct plain *plain, uint32_t *left, uint32_t *right)
{
    uint64_t best = plain->corpus.min_frequency - 1;
    memset(plain->now, 0, sizeof plain->now);
    for (size_t i = 0; i < plain->corpus.count; i++) {
        const struct word *word = &plain->corpus.words[i];
        for (size_t k = 0; k + 1 < word->size; k++)
            plain->now[word->tokens[k]][word->tokens[k + 1]] += word->count;
    }
    for (uint32_t a = 0; a < plain->count; a++) {
        for (uint32_t b = 0; b < plain->count; b++) {
            uint64_t count = plain->now[a][b];
            bool is_long =
                plain->lengths[a] + plain->lengths[b] > plain->corpus.length_max;
            if (plain->is_barred[a][b] || is_long || count <= best)
                continue;
            best = count;
            *left = a;
            *right = b;
        }
    }
    return best >= plain->corpus.min_frequency;
}

static uint32_t plain_join(struct plain *plain, uint32_t left, uint32_t right)
{
    char text[64];
    const char *tail = plain->texts[right];
    if (plain->corpus.with_prefix && strncmp(tail, "##", 2) == 0)
        tail += 2;
    size_t size = strlen(plain->texts[left]);
    memcpy(text, plain->texts[left], size);
    memcpy(text + size, tail, strlen(tail) + 1);
    for (uint32_t i = 0; i < plain->count; i++) {
        if (strcmp(plain->texts[i], text) == 0)
            return i;
    }
    memcpy(plain->texts[plain->count], text, sizeof text);
    plain->lengths[plain->count] = plain->lengths[left] + plain->lengths[right];
    return plain->count++;
}

static void plain_replace(struct plain *plain, uint32_t left, uint32_t right,
                          uint32_t made)
{
    for (size_t i = 0; i < plain->corpus.count; i++) {
        struct word *word = &plain->corpus.words[i];
        size_t kept = 0;
        for (size_t k = 0; k < word->size; k++) {
            bool is_pair = k + 1 < word->size && word->tokens[k] == left &&
                           word->tokens[k + 1] == right;
            uint32_t token = is_pair ? made : word->tokens[k];
            k += is_pair;
            word->tokens[kept++] = token;
        }
        word->size = kept;
    }
}

static void plain_train(struct plain *plain, const struct trainer_tokens *tokens)
{
    uint32_t left = 0, right = 0;
    for (uint32_t i = 0; i < tokens->count; i++) {
        memcpy(plain->texts[i], tokens->items[i].text.bytes, tokens->items[i].text.size);
        plain->lengths[i] = 1;
    }
    plain->count = tokens->count;
    while (plain->count < tokens->capacity && plain_choose(plain, &left, &right)) {
        uint32_t count = plain->count, made = plain_join(plain, left, right);
        if (made < count) {
            plain->is_barred[left][right] = true;
            continue;
        }
        plain->merges[plain->merge_count++] = (struct spec_merge){left, right, made};
        plain_replace(plain, left, right, made);
    }
}

/* ---- cases ---- */

static void run_task(const struct corpus *corpus, struct trainer_tokens *tokens,
                     struct arena *arena, const struct spec_merge **merges,
                     uint32_t *merge_count)
{
    static struct pair_unit units[WORDS * (WORD_MAX + 1) + 1];
    static uint64_t counts[WORDS];
    struct pair_task task = {.units = units,
                             .counts = counts,
                             .tokens = tokens,
                             .min_frequency = corpus->min_frequency,
                             .length_max = corpus->length_max,
                             .known_pairs = corpus->known_pairs};
    if (corpus->with_prefix)
        task.continuing = (struct byte_range){(const unsigned char *)"##", 2};
    units[task.unit_count++] = (struct pair_unit){PAIR_BREAK, 0};
    for (uint32_t i = 0; i < corpus->count; i++) {
        counts[i] = corpus->words[i].count;
        for (size_t k = 0; k < corpus->words[i].size; k++)
            units[task.unit_count++] = (struct pair_unit){corpus->words[i].tokens[k], i};
        units[task.unit_count++] = (struct pair_unit){PAIR_BREAK, i};
    }
    assert_int_equal(pair_trainer_run(&task, arena, merges, merge_count, NULL), OK);
}

static void compare_with_plain(const struct corpus *corpus, uint32_t capacity)
{
    struct plain *plain = calloc(1, sizeof *plain);
    struct arena *arena = arena_create(1 << 16, 0);
    struct trainer_tokens tokens;
    const struct spec_merge *merges;
    uint32_t merge_count;
    assert_non_null(plain);
    assert_true(trainer_tokens_init(&tokens, capacity, arena));
    put_tokens(corpus, &tokens);
    uint32_t first = tokens.count;
    plain->corpus = *corpus;
    plain_train(plain, &tokens);
    run_task(corpus, &tokens, arena, &merges, &merge_count);
    assert_int_equal(tokens.count, plain->count);
    assert_int_equal(merge_count, plain->merge_count);
    for (uint32_t i = 0; i < tokens.count; i++) {
        assert_int_equal(tokens.items[i].text.size, strlen(plain->texts[i]));
        assert_memory_equal(tokens.items[i].text.bytes, plain->texts[i],
                            tokens.items[i].text.size);
    }
    for (uint32_t i = 0; i < merge_count; i++)
        assert_memory_equal(&merges[i], &plain->merges[i], sizeof merges[i]);
    assert_int_equal(merge_count, tokens.count - first);
    arena_destroy(arena);
    free(plain);
}

static void merges_are_those_of_a_plain_trainer(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int round = 0; round < 300; round++) {
        struct corpus corpus = make_corpus(&seed);
        compare_with_plain(&corpus, round % 4 == 0 ? 20 : TOKENS_MAX);
    }
}

static void runs_of_one_letter_merge_from_the_left(void **state)
{
    (void)state;
    struct corpus corpus = {.count = WORD_MAX,
                            .letters = 1,
                            .length_max = UINT32_MAX,
                            .known_pairs = 1,
                            .min_frequency = 1};
    for (size_t i = 0; i < WORD_MAX; i++) {
        corpus.words[i].size = i + 1;
        corpus.words[i].count = 1 + i % 3;
        for (size_t k = 0; k <= i; k++)
            corpus.words[i].tokens[k] = 1;
    }
    compare_with_plain(&corpus, TOKENS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_those_of_a_plain_trainer),
        cmocka_unit_test(runs_of_one_letter_merge_from_the_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
