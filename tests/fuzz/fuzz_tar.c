/* fuzz_tar.c - tar files: units cover all bytes, lie within them, and names have bounds */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/tar_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tar_sample sample = {0};
    uint32_t taken = 0;
    for (size_t at = 0; at < size;) {
        struct tar_unit unit, again;
        char name[TAR_NAME_MAX], extension[16];
        size_t left = size - at;
        enum tar_kind kind = tar_look(data + at, left, true, &unit);
        if (kind == TAR_MORE || unit.kind != kind || unit.size == 0)
            abort();
        /* With fewer bytes it is the same unit or not yet known. */
        size_t fewer = left / 2;
        enum tar_kind early = tar_look(data + at, fewer, false, &again);
        if (early != TAR_MORE && (early != kind || again.size != unit.size))
            abort();
        taken = tar_sample_takes(&sample, &unit) ? taken + 1 : 0;
        if (kind == TAR_FILE) {
            size_t length = tar_unit_name(&unit, name);
            if (length > TAR_NAME_MAX || unit.data_begin > left ||
                unit.data_size > unit.size || taken >= TAR_SAMPLE_MAX)
                abort();
            tar_extension(name, length, extension, sizeof extension);
            if (!memchr(extension, 0, sizeof extension))
                abort();
        }
        at += unit.size < left ? (size_t)unit.size : left;
    }
    return 0;
}
