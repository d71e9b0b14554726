/* sentencepiece_text.h - SentencePiece's normalizer, and Hugging Face's use of its map */
#ifndef STAGES_KERNELS_SENTENCEPIECE_TEXT_H
#define STAGES_KERNELS_SENTENCEPIECE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "stages/kernels/charsmap.h"
#include "stages/kernels/prefix_trie.h"

struct text_builder;

/* Which text can be taken in one go: see sentencepiece_plain.c. */
struct sentencepiece_plain {
    struct charsmap_marks marks;
    bool takes_spaces;   /* U+0020 becomes U+2581, whatever the map says */
    bool is_symbol[256]; /* some symbol begins with the byte */
    bool is_space[256];  /* bytes that become U+0020 in front of ASCII and at the end */
    /* For sixteen bytes at a time; `is_whole`: these say all of ASCII. */
    bool is_whole;
    unsigned char spaces[3]; /* the bytes of is_space, some of them twice */
    unsigned char stops[2];  /* bytes from 0x20 on that need another look */
    unsigned char first;     /* bytes below need it, too, but for spaces: 0x20 or 0 */
};

struct sentencepiece_rule {
    struct charsmap map;
    struct prefix_trie symbols; /* user-defined: they pass as they are */
    bool has_symbols;
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool treat_whitespace_as_suffix;
    bool is_run[256]; /* bytes that pass as they are in front of ASCII and at the end */
    struct sentencepiece_plain plain;
};

/* Fill `is_run` from what else is in the rule. */
void sentencepiece_rule_complete(struct sentencepiece_rule *rule);

/* Fill `plain` from what else is in the rule. */
void sentencepiece_plain_complete(struct sentencepiece_rule *rule);

/* Append what becomes of the text from `at` on, up to the first place that asks for
 * another look: where a key or a symbol may begin, or bytes are not UTF-8. Returns that
 * place. *is_after_space: a space there is one too many. Without origins only. */
size_t sentencepiece_plain_put(const struct sentencepiece_rule *rule,
                               const unsigned char *text, size_t size, size_t at,
                               bool *is_after_space, struct text_builder *builder);

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
