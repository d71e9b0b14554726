/* tokenizer_spec.h - what a tokenizer file says, whatever its format
 *
 * Readers (tokenizer_json.c, sentencepiece_file.c, ...) fill one of these; the driver
 * (tokenizer.c) compiles it into the prepared image that all executors map. Text goes
 * through it in this order: added tokens that match raw text, normalizers, added tokens
 * that match normalized text, splitters, the model, the template.
 *
 * Everything lives in the arena given to the reader. */
#ifndef STAGES_KERNELS_TOKENIZER_SPEC_H
#define STAGES_KERNELS_TOKENIZER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct byte_range { /* borrowed bytes, not zero-terminated */
    const unsigned char *bytes;
    size_t size;
};

enum normalizer_kind {
    NORMALIZER_NFC,
    NORMALIZER_NFD,
    NORMALIZER_NFKC,
    NORMALIZER_NFKD,
    NORMALIZER_LOWERCASE,
    NORMALIZER_STRIP_ACCENTS, /* drops category M of what is decomposed already */
    NORMALIZER_REPLACE,       /* pattern (text or regular expression) by content */
    NORMALIZER_PREPEND,       /* content, unless the text is empty */
    NORMALIZER_STRIP,         /* white space: is_left, is_right */
    NORMALIZER_PRECOMPILED,   /* content: a SentencePiece charsmap, as Hugging Face
                               * applies it: by grapheme */
    NORMALIZER_BERT,
    NORMALIZER_SENTENCEPIECE /* content: charsmap or empty; pattern: the user-defined
                              * symbols, each ended by a zero byte; with the flags below,
                              * as SentencePiece's normalizer.cc does it in one go */
};

struct normalizer_spec {
    enum normalizer_kind kind;
    struct byte_range pattern, content;
    bool is_regex;                                             /* of REPLACE */
    bool is_left, is_right;                                    /* of STRIP */
    bool clean_text, handle_chinese, strip_accents, lowercase; /* of BERT; strip_accents
                                                                * null is settled */
    bool add_dummy_prefix, remove_extra_whitespaces;           /* of SENTENCEPIECE */
    bool escape_whitespaces, treat_whitespace_as_suffix;
};

enum splitter_kind {
    SPLITTER_PATTERN,     /* pattern (text or regular expression), behavior, invert */
    SPLITTER_GPT2,        /* ByteLevel with use_regex */
    SPLITTER_DIGITS,      /* individual */
    SPLITTER_METASPACE,   /* replacement, prepend, is_split */
    SPLITTER_WHITESPACE,  /* \w+|[^\w\s]+ */
    SPLITTER_WHITE_SPLIT, /* WhitespaceSplit */
    SPLITTER_PUNCTUATION, /* behavior */
    SPLITTER_BERT,
    SPLITTER_PREFIX_SPACE, /* ByteLevel with add_prefix_space: a space before each part
                            * that does not begin with one */
    SPLITTER_BYTE_CHARS    /* what follows ByteLevel in the list sees a character for each
                            * byte, as in byte-level vocabularies; pieces are bytes again
                            * at the end of the list */
};

enum split_behavior {
    BEHAVIOR_REMOVED,
    BEHAVIOR_ISOLATED,
    BEHAVIOR_MERGED_WITH_PREVIOUS,
    BEHAVIOR_MERGED_WITH_NEXT,
    BEHAVIOR_CONTIGUOUS
};

enum metaspace_prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS };

struct splitter_spec {
    enum splitter_kind kind;
    struct byte_range pattern;
    bool is_regex, is_inverted;
    enum split_behavior behavior;
    bool is_individual;
    struct byte_range replacement; /* of METASPACE: U+2581 as a rule */
    enum metaspace_prepend prepend;
    bool is_split;
};

enum model_kind {
    MODEL_BPE_RANKS,  /* tiktoken: lowest id first, whole pieces looked up first */
    MODEL_BPE_MERGES, /* Hugging Face: by the list of merges */
    MODEL_BPE_SCORES, /* SentencePiece: by score */
    MODEL_UNIGRAM,
    MODEL_WORDPIECE
};

enum token_kind { /* of SentencePiece; the other formats have TOKEN_NORMAL alone */
                  TOKEN_NORMAL,
                  TOKEN_UNKNOWN,
                  TOKEN_CONTROL,
                  TOKEN_USER_DEFINED,
                  TOKEN_UNUSED,
                  TOKEN_BYTE /* text "<0x00>" ... "<0xFF>" */
};

struct spec_token {
    struct byte_range text; /* of a byte-level model: the bytes themselves, mapped back */
    uint32_t id;
    /* TOKEN_UNUSED in a byte-level vocabulary: it stands for no bytes, its text is as
     * written, and only decoding sees it. */
    enum token_kind kind;
    double score; /* of BPE_SCORES and UNIGRAM; SentencePiece's are floats */
};

struct spec_merge { /* ids, in the order of the list */
    uint32_t left, right, merged;
};

struct model_spec {
    enum model_kind kind;
    const struct spec_token *tokens; /* (token_count), in the order of the file */
    uint32_t token_count;
    uint32_t id_limit;               /* the largest id of model and added tokens + 1 */
    const struct spec_merge *merges; /* (merge_count): of BPE_MERGES */
    uint32_t merge_count;
    bool is_byte_level;
    bool byte_fallback, fuse_unknown, ignore_merges;
    bool is_sentencepiece;         /* arithmetic of Unigram: float32 in SentencePiece's
                                    * order, else doubles as Hugging Face adds them */
    uint32_t unknown;              /* id, or UINT32_MAX: there is none */
    struct byte_range continuing;  /* prefix of a word's later parts: "##" */
    struct byte_range end_of_word; /* suffix, "" as a rule */
    uint32_t word_max;             /* of WORDPIECE, in characters */
};

struct added_token {
    struct byte_range text;
    uint32_t id;
    bool is_special, is_single_word, is_left_stripped, is_right_stripped, is_normalized;
};

struct template_item {
    bool is_text; /* the place of the tokens; else the token `id` */
    uint32_t id;
};

enum decoder_kind {
    DECODER_BYTES, /* tokens are bytes: put together */
    DECODER_WORDPIECE,
    DECODER_METASPACE, /* U+2581 is a space, the first one goes; with byte fallback */
    DECODER_NONE       /* one that is not supported: tokens become no text */
};

struct tokenizer_spec {
    const struct normalizer_spec *normalizers; /* in order */
    size_t normalizer_count;
    const struct splitter_spec
        *splitters; /* in order, each on the parts of the one before */
    size_t splitter_count;
    struct model_spec model;
    const struct added_token *added; /* in the order of the file */
    size_t added_count;
    const struct template_item *single; /* what the file adds around one text */
    size_t single_count;
    enum decoder_kind decoder;
    bool is_cleaned;    /* of DECODER_WORDPIECE: " ." becomes "." and so on */
    bool is_first_kept; /* of DECODER_METASPACE: the first space stays */
    bool is_trimmed;    /* offsets leave white space at the ends of a token out */
    /* What BERT-like files call [MASK], [CLS], ...: ids, or UINT32_MAX. */
    uint32_t bos, eos, cls, sep, mask, pad;
};

#endif
