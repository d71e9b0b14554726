/* tokenizer_parts.h - what the files of the tokenizer share; for these alone */
#ifndef STAGES_KERNELS_TOKENIZER_PARTS_H
#define STAGES_KERNELS_TOKENIZER_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stages/kernels/added_tokens.h"
#include "stages/kernels/tokenizer_spec.h"

struct bert_encoder;
struct model_type;
struct normalizer;
struct splitter;

/* Of the image; those that a tokenizer has not are empty. The two of added tokens hold
 * those that match raw text, and the others with their texts normalized. The template
 * has u32 ids: those before the text, those behind it. What ids are decoded to:
 * (id_limit + 1) u32 starts into the texts, (id_limit) u8 kinds. */
enum tokenizer_section {
    TOKENIZER_MODEL,
    TOKENIZER_NORMALIZER,
    TOKENIZER_SPLITTER,
    TOKENIZER_BERT,
    TOKENIZER_ADDED_RAW,
    TOKENIZER_ADDED_NORMALIZED,
    TOKENIZER_TEMPLATE,
    TOKENIZER_STARTS,
    TOKENIZER_TEXTS,
    TOKENIZER_KINDS,
    TOKENIZER_SECTIONS
};

enum id_kind {
    ID_EXISTS = 1,
    ID_SPECIAL = 2,
    ID_BYTES = 4, /* its text is bytes, not words: no part of WordPiece's or Metaspace's
                     * rules */
    ID_PART = 8   /* WordPiece: continues a word */
};

/* The machine that takes whole texts: text_encoder.h's or bert_encoder.h's. */
enum direct_way { DIRECT_NONE, DIRECT_SPLIT, DIRECT_BERT };

enum {
    TOKENIZER_ALIGN = 64,
    TOKENIZER_WORDS = 12,
    TOKENIZER_HEAD = 256 /* magic, words, then offset and size of each section as u64 */
};
#define TOKENIZER_MAGIC UINT64_C(0x31656b6f746c6c6d)

enum tokenizer_word {
    WORD_MODEL_KIND,
    WORD_DIRECT,
    WORD_PATTERN, /* enum split_pattern, of DIRECT_SPLIT */
    WORD_DECODER,
    WORD_FLAGS,
    WORD_ID_LIMIT,
    WORD_BEFORE, /* ids of the template before the text, and behind it */
    WORD_BEHIND,
    WORD_PREFIX, /* bytes of the prefix of tokens that continue a word */
    WORD_GROWTH  /* most bytes that normalizing makes of one, of DIRECT_SPLIT */
};

enum tokenizer_flag {
    FLAG_CLEANED = 1,    /* WordPiece: " ." becomes "." */
    FLAG_DROP_FIRST = 2, /* Metaspace: the first space goes */
    FLAG_DROP_LAST = 4,  /* or the last */
    FLAG_TRIMMED = 8,    /* offsets leave spaces out */
    FLAG_REACHING = 16,  /* offsets end where what is behind the token begins */
    FLAG_DROP_MARK =
        32, /* SentencePiece: the U+2581 goes that the first token begins with */
    FLAG_DROP_MARKS = 64 /* and of each token before the first that spells something */
};

struct tokenizer {
    const struct model_type *type;
    void *model;
    struct normalizer *normalizer; /* NULL: none */
    struct splitter *splitter;     /* NULL: none */
    struct bert_encoder *bert;     /* of DIRECT_BERT */
    struct added_tokens raw, normalized;
    enum direct_way direct;
    uint32_t growth;
    const uint32_t *template_ids; /* (before + behind) */
    uint32_t before, behind;
    enum decoder_kind decoder;
    unsigned flags;
    uint32_t id_limit, prefix_size;
    const uint32_t *starts;
    const unsigned char *texts, *kinds;
};

/* The model that a specification asks for; NULL: there is none of the kind. */
const struct model_type *tokenizer_model_type(enum model_kind kind);

#endif
