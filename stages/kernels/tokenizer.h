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
    size_t text_begin, text_end; /* ids [text_begin, text_end) stand for the text, the
                                  * others are the template's */
    const uint32_t *offsets; /* (count, 2): begin and end in bytes of the text; NULL: not
                              * asked for */
};

/* Read the tokenizer at `path` (a file, or a folder with those of one), whatever its
 * format: told by content. `pattern` names the split of a .tiktoken file; NULL or "auto":
 * recognise it. The specification lives in `arena`. ERROR_CONFIG names the file, the place
 * and what is not supported; ERROR_IO. */
enum error_code tokenizer_read(const char *path, const char *pattern, struct arena *arena,
                               const struct tokenizer_spec **spec, struct error *error);

/* Can the options be carried out? ERROR_CONFIG says which cannot, and why. */
enum error_code tokenizer_check(const struct tokenizer_spec *spec,
                                const struct encode_options *options,
                                struct error *error);
/* Can ids be turned into text? ERROR_CONFIG. */
enum error_code tokenizer_check_decoder(const struct tokenizer_spec *spec,
                                        struct error *error);
/* Do the ids of a text spell it to the byte? Nothing is normalized away, nothing is left
 * out; U+2581 in a text of a tokenizer that writes spaces so is the exception. */
bool tokenizer_is_lossless(const struct tokenizer_spec *spec);

/* Append the image to `image`, whose size is a multiple of 64. ERROR_CONFIG,
 * ERROR_MEMORY. */
enum error_code tokenizer_build(const struct tokenizer_spec *spec, struct arena *work,
                                struct bytes *image, struct error *error);

enum error_code tokenizer_open(const void *image, size_t size, struct arena *run,
                               struct tokenizer **tokenizer, struct error *error);
/* `text` may hold any bytes. Added tokens in it are text with SPECIALS_AS_TEXT, whether
 * special or not; with SPECIALS_REFUSED those that are not special are tokens.
 * ERROR_RECORD: a special token stands in the text and is refused (the error's text names
 * it), or the text has 4 GiB or more; ERROR_MEMORY. */
enum error_code tokenizer_encode(struct tokenizer *tokenizer, const unsigned char *text,
                                 size_t size, const struct encode_options *options,
                                 struct arena *scratch, struct encoding *encoding,
                                 struct error *error);
/* Room for the ids of `count` texts of `size` bytes in all, for tokenizer_encode_to();
 * 0: it cannot be told, so that tokenizer_encode() is what there is. */
size_t tokenizer_room(const struct tokenizer *tokenizer, size_t size, size_t count);
/* The same without offsets, straight to `ids`: what is written behind the last id may be
 * overwritten. */
enum error_code tokenizer_encode_to(struct tokenizer *tokenizer,
                                    const unsigned char *text, size_t size,
                                    const struct encode_options *options,
                                    struct arena *scratch, uint32_t *ids,
                                    struct encoding *encoding, struct error *error);
/* Append the text of the ids; `with_specials`: that of special tokens, too. The bytes need
 * not be UTF-8. ERROR_RECORD: an id that is none; ERROR_MEMORY. */
enum error_code tokenizer_decode(const struct tokenizer *tokenizer, const uint32_t *ids,
                                 size_t count, bool with_specials, struct bytes *text,
                                 struct error *error);

#endif
