/* reader.h - cut an extent of input into records and batches */
#ifndef CORE_READER_H
#define CORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/error.h"
#include "core/pipeline.h"
#include "core/stream.h"

struct arena;

/* What a shard reads of one file: the records whose first byte lies in [begin, end).
 * A record belongs to the shard in which it starts, however far it reaches. */
struct extent {
    uint32_t file;    /* number in the manifest, for origins */
    const char *path; /* plain files: read with pread from here */
    const char *name; /* the file's identity, for PATH#OFFSET keys */
    uint64_t begin, end;
    /* Streams: the shard's bytes are in memory, records begin at data[0], complete up to
     * data_size (64 readable bytes stand behind it); path is not used. */
    const unsigned char *data;
    uint64_t data_offset; /* of data[0] in the decompressed bytes */
    size_t data_size;
    enum stream_end fault;    /* STREAM_TRUNCATED or _CORRUPT: data ends at a fault, and a
                              last line without a newline is bad; else STREAM_MORE */
    const uint64_t *oversize; /* (oversize_count, 2) offset and size of records past
                                  max_record; only their first EXCERPT_MAX bytes are
                                  in data */
    size_t oversize_count;
};

enum { EXCERPT_MAX = 200 };

/* A record that could not be read. Texts live in the arena given to reader_next(). */
struct bad_record {
    struct origin origin;
    const char *key; /* when known before it went wrong, else NULL */
    size_t key_size;
    const char *reason; /* static snake_case: "not_json", "not_utf8", "too_long",
                            "missing_field", "wrong_type", "truncated_input",
                            "corrupt_input"; of images also "empty_file", "not_an_image",
                            "unsupported_format", "bad_header" */
    const char *detail; /* for people, or NULL */
    const unsigned char *excerpt; /* the record's first bytes, up to EXCERPT_MAX */
    size_t excerpt_size;
};

struct reader_result {
    struct batch *batch; /* NULL: no more records in this extent (separator_bytes may
                            still be told); of no rows when all were bad */
    const struct bad_record *bad; /* found on the way, in input order */
    size_t bad_count;
    uint64_t separator_bytes; /* blank lines passed on the way */
};

struct reader; /* heap object: keeps its buffers from extent to extent */

/* `input` is borrowed for the reader's life. ERROR_MEMORY. */
enum error_code reader_create(const struct input_spec *input, struct reader **reader,
                              struct error *error);
void reader_destroy(struct reader *reader);

/* Begin an extent of lines or text; ordinals count on from `first_ordinal`. `extent` is
 * copied, its pointers are borrowed until the extent is read. ERROR_IO. */
enum error_code reader_open(struct reader *reader, const struct extent *extent,
                            uint32_t first_ordinal, struct error *error);
/* The same for format images: all files of a shard, which share batches. `extents` are
 * borrowed until they are read. */
enum error_code reader_open_images(struct reader *reader, const struct extent *extents,
                                   size_t count, uint32_t first_ordinal,
                                   struct error *error);
/* Up to `max_records` records or about `max_bytes` of source bytes as a batch in
 * `arena`, columns as input->... says: key, text, then input->columns.
 * - A line ends in \n (in origin.size); format lines leaves a \r before it out of the
 *   text. Lines of spaces, tabs and \r alone are separators, not records.
 * - A line (file) of more than max_record bytes without its \n is "too_long".
 * - jsonl: the whole line must be JSON and UTF-8, lone surrogates are not; numbers may
 *   have any size where no column wants them. Of a repeated field the first counts. The
 *   key is a string or a whole number as written. An absent field is "missing_field";
 *   null is no value in a column of input->columns, "wrong_type" in key and text.
 * - Numbers of list<f32>, vector and box columns are read as doubles and rounded to
 *   floats; bytes are base64 with padding.
 * - images: a record a file, its key the file's name; columns data (its bytes), width and
 *   height (upright) and format, from its header. One that is empty or no image, or whose
 *   header cannot be read, is bad. Batches are larger: see reader_images.h.
 * - A fault is always told: by the last record that it cut ("truncated_input",
 *   "corrupt_input"), else by a bad record of size 0 behind the last one.
 * ERROR_IO: the file cannot be read or is shorter than extent.end. */
enum error_code reader_next(struct reader *reader, uint32_t max_records, size_t max_bytes,
                            struct arena *arena, struct reader_result *result,
                            struct error *error);

/* Cut a stream into shards of `shard_bytes`: shard i holds the records (lines) that
 * begin in [i * shard_bytes, (i + 1) * shard_bytes), so it is empty inside a long record.
 * The last shard is the one in which the last line begins. */
struct cutter; /* heap object: a stream and the bytes read ahead */

struct slot { /* memory that a shard's bytes are put into, grown by the callback */
    unsigned char *data; /* capacity bytes, the last 64 of them kept free */
    size_t capacity;
    /* Make capacity at least `size`, keeping the bytes; false: cannot. */
    bool (*grow)(struct slot *slot, size_t size);
    void *user;
};

struct cut {
    uint32_t index;       /* shard index in its run */
    uint64_t data_offset; /* of the slot's first byte, in the decompressed bytes */
    size_t data_size;
    /* STREAM_MORE, or how the stream ended behind this shard, which is then the last one:
     * hand it on as extent.fault. */
    enum stream_end end;
    /* (16, 2): see extent. Only a record that reaches beyond the shard is left out, so
     * there is one at most. */
    uint64_t oversize[32];
    size_t oversize_count;
    struct stream_entry entry; /* latest place at or before data_offset to enter at */
    /* False: only the end is told, there is no such shard. A fault before the first byte
     * makes shard 0, of no bytes. */
    bool has_data;
};

/* Start at shard `index`: `entry` (NULL: start of file) is one that a cut of this or an
 * earlier shard named; an entry that lies too late is not used. What comes before the
 * shard is decompressed and thrown away. */
enum error_code cutter_open(const char *path, enum compression compression,
                            uint64_t shard_bytes, uint64_t max_record, uint32_t index,
                            const struct stream_entry *entry, enum input_format format,
                            struct cutter **cutter, struct error *error);
void cutter_close(struct cutter *cutter);
/* Put the next shard's bytes into the slot. Format text: the whole file is one record
 * and one shard. */
enum error_code cutter_next(struct cutter *cutter, struct slot *slot, struct cut *cut,
                            struct error *error);
/* Pass over the next `count` shards without delivering them (they are done already). The
 * cut tells the index and place of the next shard; `end` is STREAM_MORE when there is
 * one, else how the stream ended. has_data is false. */
enum error_code cutter_skip(struct cutter *cutter, uint32_t count, struct cut *cut,
                            struct error *error);

#endif
