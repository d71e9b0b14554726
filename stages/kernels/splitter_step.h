/* splitter_step.h - one splitter of a list over the parts of a text, for splitter.c */
#ifndef STAGES_KERNELS_SPLITTER_STEP_H
#define STAGES_KERNELS_SPLITTER_STEP_H

#include "core/error.h"
#include "stages/kernels/byte_alphabet.h"
#include "stages/kernels/split.h"
#include "stages/kernels/splitter.h"
#include "stages/kernels/tokenizer_spec.h"

struct arena;
struct regex;

struct splitter_step {
    struct splitter_spec spec;
    bool is_named; /* the pattern is `named` of split.h */
    enum split_pattern named;
    struct regex *regex; /* of PATTERN and WHITESPACE; else NULL */
};

struct split_state { /* between two steps */
    const unsigned char *text;
    size_t size;
    const uint32_t *origins; /* (size + 1), or NULL: the text is the one given */
    struct piece *items;     /* (count) */
    size_t count;
    bool is_at_start; /* the first item begins the document */
    bool with_origins;
    struct arena *scratch;
};

/* Does the splitter put something into the text? */
bool splitter_step_rewrites(enum splitter_kind kind);

/* Cut each part. ERROR_RECORD: see regex_find(); ERROR_MEMORY. */
enum error_code splitter_step_cut(const struct splitter_step *step,
                                  struct split_state *state, struct error *error);

/* A new text with what METASPACE, PREFIX_SPACE or BYTE_CHARS put in; the parts stay as
 * they are. What lies between parts stays there. ERROR_MEMORY. */
enum error_code splitter_step_rewrite(const struct splitter_step *step,
                                      const struct byte_alphabet *alphabet,
                                      struct split_state *state, struct error *error);

#endif
