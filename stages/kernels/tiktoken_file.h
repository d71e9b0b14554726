/* tiktoken_file.h - read the text form of a byte-pair vocabulary: base64, space, rank */
#ifndef STAGES_KERNELS_TIKTOKEN_FILE_H
#define STAGES_KERNELS_TIKTOKEN_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/hash.h"

struct arena;

enum { TOKEN_ID_LIMIT = (1 << 21) - 1 }; /* ids are below */

struct token_list { /* in the order of the file */
    uint32_t count;
    uint32_t id_limit;          /* the largest id + 1; ids may have holes */
    const uint32_t *starts;     /* (count + 1) into bytes */
    const uint32_t *ids;        /* (count) */
    const unsigned char *bytes; /* every token has at least one */
};

/* Parse the content of a .tiktoken file; empty lines are skipped. The list lives in the
 * arena. ERROR_CONFIG names the line that is no token, a rank that stands there twice or a
 * byte that has no token; ERROR_MEMORY. */
enum error_code tiktoken_parse(const unsigned char *text, size_t size,
                               struct arena *arena, struct token_list *list,
                               struct error *error);

/* Of all tokens and ids in order: tells published vocabularies apart, however their lines
 * end. */
struct hash128 token_list_hash(const struct token_list *list);

#endif
