/* reader_images_parts.h - what reader_images.c and reader_tar.c share */
#ifndef CORE_READER_IMAGES_PARTS_H
#define CORE_READER_IMAGES_PARTS_H

#include "core/bytes.h"
#include "core/column_builder.h"
#include "core/reader_images.h"
#include "core/tar_scan.h"

enum { IMAGE_KEY, IMAGE_DATA, IMAGE_WIDTH, IMAGE_HEIGHT, IMAGE_FORMAT, IMAGE_COLUMNS };

/* A member of the sample at hand, its bytes in the extent. */
struct tar_member {
    const unsigned char *data;
    size_t size;     /* of the content */
    uint64_t offset; /* of the unit in the file, or of the sample: the record's */
    uint64_t source; /* bytes that the record accounts for */
    size_t name;     /* its key, in tar_state.names; zero-terminated */
    bool is_image, is_cut;
    char extension[32];
};

struct tar_state {
    size_t at; /* in the extent's data: the next sample */
    struct tar_member members[TAR_SAMPLE_MAX];
    uint32_t count, next; /* members of the sample, and how many are done */
    struct bytes names;   /* owned */
    size_t oversize;      /* next of extent.oversize */
    uint64_t shift;       /* file offset of data[at] less `at`, for what was left out */
    bool is_fault_told;
};

struct image_reader {
    const struct input_spec *input; /* borrowed */
    const struct extent *extents;   /* borrowed: (extent_count) */
    size_t extent_count, next_extent;
    uint32_t ordinal;
    struct column_builder
        *columns; /* owned: (column_count), of `input` behind the others */
    uint32_t column_count;
    struct bytes origins, notes,
        texts;           /* owned: struct origin, struct image_note, keys */
    uint64_t pixels;     /* of the batch */
    uint64_t separators; /* found on the way */
    struct tar_state tar;
};

/* A record that is read: `data` has its place in column data already. Puts a row, or notes
 * a bad one where `reason` is not NULL or the header is not good. The key is copied. */
struct image_record {
    const char *key, *reason, *detail;
    uint32_t file;
    uint64_t offset, source;
    const unsigned char *data;
    size_t size;
};
/* True: a row was put, and the further columns are to have one. */
bool image_reader_put(struct image_reader *reader, const struct image_record *record);

/* Room in column data for `size` bytes; borrowed of the batch. NULL: no memory. */
unsigned char *image_reader_room(struct image_reader *reader, size_t size);

/* Put what is next of a tar extent into the batch, which ends where it is full. */
enum error_code tar_reader_open(struct image_reader *reader, struct error *error);
enum error_code tar_reader_fill(struct image_reader *reader, uint32_t max_records,
                                struct arena *arena, struct error *error);

#endif
