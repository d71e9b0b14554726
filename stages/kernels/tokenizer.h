/* tokenizer.h - any tokenizer: text to ids and back, over one prepared memory image */
#ifndef STAGES_KERNELS_TOKENIZER_H
#define STAGES_KERNELS_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct arena;
struct bytes;
struct tokenizer; /* in the arena given to open */
struct tokenizer_spec;

enum special_policy { SPECIALS_AS_TEXT, SPECIALS_AS_TOKENS, SPECIALS_REFUSED };

struct encode_options {
    enum special_policy specials;
    bool add_special;    /* what the template puts around a text */
    uint32_t max_length; /* tokens, with those of the template; 0: any */
    bool with_offsets;
};

struct encoding {
    const uint32_t *ids; /* (count), in the arena given */
    size_t count;
    const uint32_t *offsets; /* (count, 2): begin and end in bytes of the text; NULL: not
                              * asked for */
};

/* Read the tokenizer at `path` (a file, or a folder with those of one), whatever its
 * format: told by content. `pattern` names the split of a .tiktoken file; NULL or "auto":
 * recognise it. The specification lives in `arena`. ERROR_CONFIG names the file, the place
 * and what is not supported; ERROR_IO. */
enum error_code tokenizer_read(const char *path, const char *pattern, struct arena *arena,
                               const struct tokenizer_spec **spec, struct error *error);

/* Append the image to `image`. ERROR_CONFIG, ERROR_MEMORY. */
enum error_code tokenizer_build(const struct tokenizer_spec *spec, struct arena *work,
                                struct bytes *image, struct error *error);

enum error_code tokenizer_open(const void *image, size_t size, struct arena *run,
                               struct tokenizer **tokenizer, struct error *error);
/* `text` may hold any bytes. ERROR_RECORD: a special token stands in it and is refused
 * (the text names it); ERROR_MEMORY. */
enum error_code tokenizer_encode(struct tokenizer *tokenizer, const unsigned char *text,
                                 size_t size, const struct encode_options *options,
                                 struct arena *scratch, struct encoding *encoding,
                                 struct error *error);
/* Append the text of the ids. ERROR_RECORD: an id that is none. */
enum error_code tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids,
                                 size_t count, bool with_specials, struct bytes *text,
                                 struct error *error);

#endif
