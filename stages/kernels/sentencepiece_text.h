/* sentencepiece_text.h - SentencePiece's normalizer, and Hugging Face's use of its map */
#ifndef STAGES_KERNELS_SENTENCEPIECE_TEXT_H
#define STAGES_KERNELS_SENTENCEPIECE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "stages/kernels/charsmap.h"
#include "stages/kernels/prefix_trie.h"

struct text_builder;

struct sentencepiece_rule {
    struct charsmap map;
    struct prefix_trie symbols; /* user-defined: they pass as they are */
    bool has_symbols;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool treat_whitespace_as_suffix;
    bool is_run[256]; /* bytes that pass as they are in front of ASCII and at the end */
};

/* Fill `is_run` from what else is in the rule. */
void sentencepiece_rule_complete(struct sentencepiece_rule *rule);

/* What Normalizer::Normalize of normalizer.cc appends. Each byte that is not UTF-8 becomes
 * U+FFFD. Returns the origin of the text's end. */
size_t sentencepiece_text_put(const struct sentencepiece_rule *rule,
                              const unsigned char *text, size_t size,
                              struct text_builder *builder);

/* What Hugging Face's Precompiled appends: an extended grapheme cluster of less than six
 * bytes becomes what the shortest key that it begins with stands for; of the others each
 * character does so by itself. Bytes that are not UTF-8 pass as they are. */
void precompiled_text_put(const struct charsmap *map, const unsigned char *text,
                          size_t size, struct text_builder *builder);

#endif
