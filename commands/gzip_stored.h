/* gzip_stored.h - a gzip file that is not compressed: the same bytes on every machine */
#ifndef COMMANDS_GZIP_STORED_H
#define COMMANDS_GZIP_STORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes;

struct gzip_stored { /* {0}: at the beginning of a file */
    uint32_t crc;    /* of what was put so far, */
    uint32_t size;   /* and how much, modulo 2^32 */
    bool is_begun;
};

/* Turn what stands in `plain` into whole blocks of `file`; what does not fill one stays in
 * `plain`. Blocks end at the same places however the text comes in. */
void gzip_stored_put(struct gzip_stored *state, struct bytes *plain, struct bytes *file);
/* The last block and the trailer. */
void gzip_stored_end(struct gzip_stored *state, struct bytes *plain, struct bytes *file);

#endif
