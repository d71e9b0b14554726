/* pattern_replace.h - replace what a text or a regular expression matches */
#ifndef STAGES_KERNELS_PATTERN_REPLACE_H
#define STAGES_KERNELS_PATTERN_REPLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct arena;
struct bytes;
struct regex;
struct text_builder;

struct pattern_replace {
    const unsigned char
        *literal; /* (literal_size), borrowed; none: the expression counts */
    size_t literal_size;
    struct regex *regex;
    const unsigned char *content; /* (content_size), borrowed */
    size_t content_size;
};

/* Append what pattern_replace_open() takes for the pattern. ERROR_CONFIG names what is
 * wrong with the expression; ERROR_MEMORY. */
enum error_code pattern_replace_build(const unsigned char *pattern, size_t size,
                                      bool is_regex, struct bytes *image,
                                      struct error *error);

/* Complete `replace`, whose content is set. `image` is borrowed until the end of `run`.
 * ERROR_DAMAGED, ERROR_MEMORY. */
enum error_code pattern_replace_open(struct pattern_replace *replace,
                                     const unsigned char *image, size_t size,
                                     bool is_regex, struct arena *run,
                                     struct error *error);

/* Append `text` with each match, leftmost first, replaced by the content as it stands. To a
 * regular expression a byte that is not UTF-8 is U+0001. ERROR_RECORD: the expression takes
 * too many steps on this text. Want of memory shows in the builder. */
enum error_code pattern_replace_put(const struct pattern_replace *replace,
                                    const unsigned char *text, size_t size,
                                    struct text_builder *builder, struct error *error);

#endif
