/* test_sentence_pairs.c - pairs of segments against plain code with the same draws */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stages/kernels/sentence_pairs.h"

enum { DOCUMENTS = 30, SENTENCES = 40, TOKENS = 2000, WHOLE = 1000000, ROUNDS = 400 };

struct fixture {
    uint32_t tokens[DOCUMENTS][TOKENS], begins[DOCUMENTS][SENTENCES + 1];
    struct pair_document documents[DOCUMENTS];
};

/* Tokens say where they stand: document * 10000 + place. */
static void make_documents(struct fixture *fixture)
{
    for (uint32_t d = 0; d < DOCUMENTS; d++) {
        uint32_t count = 1 + (uint32_t)rand() % SENTENCES, at = 0;
        for (uint32_t i = 0; i < count; i++) {
            fixture->begins[d][i] = at;
            at += 1 + (uint32_t)rand() % (TOKENS / SENTENCES - 1);
        }
        fixture->begins[d][count] = at;
        for (uint32_t i = 0; i < at; i++)
            fixture->tokens[d][i] = d * 10000 + i;
        fixture->documents[d] = (struct pair_document){
            .tokens = fixture->tokens[d], .begins = fixture->begins[d], .count = count};
    }
}

/* ---- the reference: lists of tokens that are put together and cut ---- */

struct tokens {
    uint32_t items[TOKENS * 2], count;
};

static void extend(struct tokens *list, const struct pair_document *document,
                   uint32_t sentence)
{
    for (uint32_t i = document->begins[sentence]; i < document->begins[sentence + 1]; i++)
        list->items[list->count++] = document->tokens[i];
}

static void pop(struct tokens *list, bool is_front)
{
    list->count--;
    if (is_front)
        memmove(list->items, list->items + 1, list->count * sizeof *list->items);
}

struct instance {
    struct tokens a, b;
    bool is_other;
};

/* create_instances_from_document() of BERT (next_sentence) and ALBERT. */
static uint32_t reference_related(const struct pair_rule *rule,
                                  const struct pair_document *documents, uint32_t index,
                                  struct random_stream *stream,
                                  struct instance *instances)
{
    const struct pair_document *document = &documents[index];
    uint32_t room = rule->max_length - 3, target = room, count = 0;
    if (random_stream_below(stream, WHOLE) < rule->short_share)
        target = 2 + random_stream_below(stream, room - 1);
    uint32_t chunk[SENTENCES], chunk_count = 0, length = 0;
    for (uint32_t i = 0; i < document->count; i++) {
        chunk[chunk_count++] = i;
        length += document->begins[i + 1] - document->begins[i];
        if (i + 1 < document->count && length < target)
            continue;
        struct instance *made = &instances[count++];
        memset(made, 0, sizeof *made);
        uint32_t a_end = 1;
        if (chunk_count >= 2)
            a_end = 1 + random_stream_below(stream, chunk_count - 1);
        for (uint32_t k = 0; k < a_end; k++)
            extend(&made->a, document, chunk[k]);
        if (chunk_count == 1 ||
            (rule->task == PAIR_NEXT_SENTENCE && random_stream_below(stream, 2) == 0)) {
            int64_t wanted = (int64_t)target - made->a.count;
            uint32_t other = 0;
            for (int k = 0; k < 10; k++) {
                other = random_stream_below(stream, DOCUMENTS);
                if (other != index)
                    break;
            }
            made->is_other = true;
            uint32_t start = random_stream_below(stream, documents[other].count);
            for (uint32_t k = start; k < documents[other].count; k++) {
                extend(&made->b, &documents[other], k);
                if ((int64_t)made->b.count >= wanted)
                    break;
            }
            i -= chunk_count - a_end;
        } else {
            bool is_swapped =
                rule->task == PAIR_SENTENCE_ORDER && random_stream_below(stream, 2) == 0;
            for (uint32_t k = a_end; k < chunk_count; k++)
                extend(&made->b, document, chunk[k]);
            if (is_swapped) {
                struct tokens first = made->a;
                made->a = made->b;
                made->b = first;
                made->is_other = true;
            }
        }
        while (made->a.count + made->b.count > room)
            pop(made->a.count > made->b.count ? &made->a : &made->b,
                random_stream_below(stream, 2) == 0);
        chunk_count = length = 0;
    }
    return count;
}

/* ExampleBuilder of ELECTRA. */
static uint32_t reference_two(const struct pair_rule *rule,
                              const struct pair_document *document,
                              struct random_stream *stream, struct instance *instances)
{
    uint32_t count = 0, first = 0, length = 0, target = 0;
    for (uint32_t i = 0; i < document->count; i++) {
        if (length == 0) {
            target = rule->max_length;
            if (random_stream_below(stream, WHOLE) < rule->short_share)
                target = 5 + random_stream_below(stream, rule->max_length - 4);
            first = i;
        }
        length += document->begins[i + 1] - document->begins[i];
        if (i + 1 < document->count && length < target)
            continue;
        struct instance *made = &instances[count++];
        memset(made, 0, sizeof *made);
        uint32_t goal = random_stream_below(stream, 10) == 0 ? 100000 : (target - 3) / 2;
        for (uint32_t k = first; k <= i; k++) {
            uint32_t size = document->begins[k + 1] - document->begins[k];
            if (made->a.count == 0 || made->a.count + size < goal ||
                (made->b.count == 0 && made->a.count < goal &&
                 random_stream_below(stream, 2) == 0))
                extend(&made->a, document, k);
            else
                extend(&made->b, document, k);
        }
        if (made->a.count > rule->max_length - 2)
            made->a.count = rule->max_length - 2;
        int64_t left = (int64_t)rule->max_length - made->a.count - 3;
        left = left < 0 ? 0 : left;
        if (made->b.count > left)
            made->b.count = (uint32_t)left;
        length = 0;
    }
    return count;
}

/* ---- cases ---- */

static void pairs_are_those_of_the_reference(void **state)
{
    (void)state;
    static struct fixture fixture;
    static struct instance instances[SENTENCES];
    static uint32_t a[TOKENS * 2], b[TOKENS * 2];
    uint32_t others = 0, total = 0, related = 0;
    srand(3);
    for (int round = 0; round < ROUNDS; round++) {
        struct pair pairs[SENTENCES];
        unsigned char side[SENTENCES] = {0};
        struct random_stream stream, same;
        struct pair_rule rule = {.task = (enum pair_task)(round % 3),
                                 .max_length =
                                     round % 10 ? 128 : 8 + (uint32_t)rand() % 50,
                                 .short_share = round % 2 ? 100000 : 500000};
        make_documents(&fixture);
        uint32_t index = (uint32_t)rand() % DOCUMENTS;
        random_stream_init(&stream, (uint64_t)round, 5);
        same = stream;
        uint32_t count =
            pairs_plan(&rule, fixture.documents, DOCUMENTS, index, &stream, pairs, side);
        uint32_t wanted =
            rule.task == PAIR_TWO_SEGMENTS
                ? reference_two(&rule, &fixture.documents[index], &same, instances)
                : reference_related(&rule, fixture.documents, index, &same, instances);
        assert_int_equal(count, wanted);
        for (uint32_t i = 0; i < count; i++) {
            assert_int_equal(pairs[i].a_size, instances[i].a.count);
            assert_int_equal(pairs[i].b_size, instances[i].b.count);
            assert_int_equal(pairs[i].is_other, instances[i].is_other);
            pair_copy(&pairs[i], rule.task, fixture.documents, side, a, b);
            assert_memory_equal(a, instances[i].a.items, pairs[i].a_size * sizeof *a);
            assert_memory_equal(b, instances[i].b.items, pairs[i].b_size * sizeof *b);
            assert_true(pairs[i].a_size > 0);
            uint32_t size = pairs[i].a_size + pairs[i].b_size + 2 + (pairs[i].b_size > 0);
            assert_true(size <= rule.max_length);
            total++;
            others += rule.task == PAIR_NEXT_SENTENCE && pairs[i].is_other;
            related += rule.task == PAIR_NEXT_SENTENCE;
        }
    }
    assert_true(total > 1000);
    assert_in_range(others * 100 / related, 45, 75); /* a half, and lone sentences */
}

static void a_lone_document_is_its_own_other(void **state)
{
    (void)state;
    static const uint32_t tokens[] = {1, 2, 3}, begins[] = {0, 3};
    const struct pair_document document = {
        .tokens = tokens, .begins = begins, .count = 1};
    const struct pair_rule rule = {.task = PAIR_NEXT_SENTENCE, .max_length = 16};
    struct random_stream stream;
    struct pair pair;
    unsigned char side;
    random_stream_init(&stream, 1, 1);
    assert_int_equal(pairs_plan(&rule, &document, 1, 0, &stream, &pair, &side), 1);
    assert_true(pair.is_other);
    assert_int_equal(pair.a_size, 3);
    assert_int_equal(pair.b_size, 3);
}

static void sentences_end_behind_their_marks(void **state)
{
    (void)state;
    static const uint32_t tokens[] = {9, 1, 2, 9, 9, 3, 9, 4, 50};
    static const unsigned char flags[10] = {[9] = 4, [1] = 1};
    static const uint32_t wanted[] = {0, 1, 5, 7, 9};
    uint32_t begins[10];
    assert_int_equal(sentences_at_ends(tokens, 9, flags, 10, 4, begins), 4);
    assert_memory_equal(begins, wanted, sizeof wanted);
    assert_int_equal(sentences_at_ends(tokens, 1, flags, 10, 4, begins), 1);
    assert_int_equal(begins[1], 1);
}

static void starts_must_rise_within_the_document(void **state)
{
    (void)state;
    static const uint32_t good[] = {0, 3, 5}, later[] = {2}, flat[] = {0, 3, 3},
                          outside[] = {0, 9};
    uint32_t begins[10];
    assert_int_equal(sentences_at_starts(good, 3, 9, begins), 3);
    assert_int_equal(begins[2], 5);
    assert_int_equal(begins[3], 9);
    assert_int_equal(sentences_at_starts(later, 1, 9, begins), 2);
    assert_int_equal(begins[0], 0);
    assert_int_equal(sentences_at_starts(NULL, 0, 9, begins), 1);
    assert_int_equal(sentences_at_starts(flat, 3, 9, begins), 0);
    assert_int_equal(sentences_at_starts(outside, 2, 9, begins), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_those_of_the_reference),
        cmocka_unit_test(a_lone_document_is_its_own_other),
        cmocka_unit_test(sentences_end_behind_their_marks),
        cmocka_unit_test(starts_must_rise_within_the_document)};
    return cmocka_run_group_tests_name("sentence_pairs", tests, NULL, NULL);
}
