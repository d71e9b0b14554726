/* bert_vocabulary.h - for tests: the tokenizer that a vocab.txt of BERT stands for */
#ifndef TESTS_BERT_VOCABULARY_H
#define TESTS_BERT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "stages/kernels/tokenizer_spec.h"

/* One token a line; ids count from 0. The specification lives in `arena`; NULL: no memory.
 * `lines` is borrowed. */
static inline struct tokenizer_spec *bert_specification(const unsigned char *lines,
                                                        size_t size, bool is_lowercase,
                                                        struct arena *arena)
{
    struct tokenizer_spec *spec = ARENA_NEW(arena, struct tokenizer_spec, 1);
    struct normalizer_spec *normalizer = ARENA_NEW(arena, struct normalizer_spec, 1);
    struct splitter_spec *splitter = ARENA_NEW(arena, struct splitter_spec, 1);
    struct spec_token *tokens = ARENA_NEW(arena, struct spec_token, size + 1);
    if (!spec || !normalizer || !splitter || !tokens)
        return NULL;
    *normalizer = (struct normalizer_spec){.kind = NORMALIZER_BERT,
                                           .clean_text = true,
                                           .handle_chinese = true,
                                           .strip_accents = is_lowercase,
                                           .lowercase = is_lowercase};
    splitter->kind = SPLITTER_BERT;
    uint32_t count = 0, unknown = UINT32_MAX;
    for (size_t begin = 0; begin < size;) {
        const unsigned char *end = memchr(lines + begin, '\n', size - begin);
        size_t length = end ? (size_t)(end - lines) - begin : size - begin;
        if (length == 5 && memcmp(lines + begin, "[UNK]", 5) == 0)
            unknown = count;
        tokens[count] = (struct spec_token){.text = {lines + begin, length}, .id = count};
        count++;
        begin += length + 1;
    }
    *spec = (struct tokenizer_spec){
        .normalizers = normalizer,
        .normalizer_count = 1,
        .splitters = splitter,
        .splitter_count = 1,
        .model = {.kind = MODEL_WORDPIECE,
                  .tokens = tokens,
                  .token_count = count,
                  .id_limit = count,
                  .unknown = unknown,
                  .continuing = {(const unsigned char *)"##", 2},
                  .word_max = 100},
    };
    return spec;
}

#endif
