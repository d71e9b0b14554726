/* tar_scan.h - the members of a tar file, found one after another */
#ifndef CORE_TAR_SCAN_H
#define CORE_TAR_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tar_kind {
    TAR_MORE,    /* too few bytes are there to tell */
    TAR_FILE,    /* a regular file */
    TAR_OTHER,   /* a folder, a link, a global header: nothing that holds data */
    TAR_PADDING, /* a block of zeros */
    TAR_JUNK     /* a block that is no header, or what is left of one that is cut */
};

/* A piece of a tar file: a member with all its headers and its padding, or a block. */
struct tar_unit {
    enum tar_kind kind;
    uint64_t size;                  /* of the whole unit */
    uint64_t data_begin, data_size; /* of a file: within the unit */
    const unsigned char
        *name;        /* of a file, borrowed from the bytes scanned; it lies in */
    size_t name_size; /* two parts where `prefix_size` is not 0, and a slash */
    const unsigned char *prefix; /* stands between them then */
    size_t prefix_size;
};

/* Look at the unit that begins at `data`, of which `size` bytes are there, its headers or a
 * block at least; the content of a file may lie beyond. `is_end`: no more bytes follow, and
 * TAR_MORE is not returned. Headers of ustar, GNU and pax are known; a header whose checksum
 * is wrong is junk. *unit is written but for TAR_MORE. */
enum tar_kind tar_look(const unsigned char *data, size_t size, bool is_end,
                       struct tar_unit *unit);

enum { TAR_NAME_MAX = 4096, TAR_HEADERS_MAX = 64 << 10 };
/* The whole name, up to TAR_NAME_MAX bytes of it; its size. */
size_t tar_unit_name(const struct tar_unit *unit, char name[TAR_NAME_MAX]);

/* Units that stand together belong to one sample: files whose names are the same up to the
 * first dot behind the last slash, TAR_SAMPLE_MAX at most; blocks of junk. */
enum { TAR_SAMPLE_MAX = 32 };
struct tar_sample {
    uint64_t mark;
    uint32_t count;
};
/* Does the unit belong to the sample of those before it? If not it begins the next one, as
 * the sample says afterwards. {0} is the sample before the first unit. */
bool tar_sample_takes(struct tar_sample *sample, const struct tar_unit *unit);
/* What stands behind that dot, lower case: "jpg", "seg.png", "". */
void tar_extension(const char *name, size_t size, char *extension, size_t capacity);

#endif
