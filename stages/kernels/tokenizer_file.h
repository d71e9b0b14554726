/* tokenizer_file.h - a vocabulary file as stages use it: checked, prepared, opened */
#ifndef STAGES_KERNELS_TOKENIZER_FILE_H
#define STAGES_KERNELS_TOKENIZER_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct arena;
struct encode_options;
struct tokenizer;

struct tokenizer_wish { /* what a stage wants of a file */
    const char *path;
    const char *pattern;                  /* of a .tiktoken file; NULL: recognise it */
    const struct encode_options *options; /* NULL: it does not encode */
    bool is_decoded, is_lossless;
};

/* Read the file and check it against what is wanted. ERROR_CONFIG names the file;
 * ERROR_IO, ERROR_MEMORY. */
enum error_code tokenizer_file_check(const struct tokenizer_wish *wish,
                                     struct error *error);
/* The same, and write the image to `path`. */
enum error_code tokenizer_file_prepare(const struct tokenizer_wish *wish,
                                       const char *path, struct error *error);

#endif
