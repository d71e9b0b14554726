/* line_source.h - the records of an extent as stretches of bytes, in bounded memory */
#ifndef CORE_LINE_SOURCE_H
#define CORE_LINE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/reader.h"

enum line_kind {
    LINE_WHOLE,
    LINE_TOO_LONG, /* past max_record: `data` holds its first bytes only, perhaps none */
    LINE_CUT /* by a fault of the stream; size 0: the fault stands between records */
};

struct line { /* a record's bytes, valid until the next call; 64 readable bytes behind */
    enum line_kind kind;
    const unsigned char *data;
    size_t size;          /* without the newline */
    uint64_t offset;      /* in the decompressed bytes of the file */
    uint64_t source_size; /* with the newline */
};

struct line_source; /* heap object: keeps its buffer from extent to extent */

/* `is_whole_file`: an extent is one record (format text). NULL: no memory. */
struct line_source *line_source_create(uint64_t max_record, bool is_whole_file);
void line_source_destroy(struct line_source *source);

/* As reader_open(). */
enum error_code line_source_open(struct line_source *source, const struct extent *extent,
                                 struct error *error);
/* The next lines, blank ones left out, their bytes added to *separator_bytes. Stops
 * after `max_count` or about `max_bytes`; *count 0: the extent is at its end. A line is
 * too long when it has more than max_record bytes without its newline, blank or not. */
enum error_code line_source_next(struct line_source *source, struct line *lines,
                                 size_t max_count, size_t max_bytes, size_t *count,
                                 uint64_t *separator_bytes, struct error *error);

#endif
