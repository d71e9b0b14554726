/* fuzz_exif.c - EXIF blocks and image headers: nothing read behind them, values in range */
#include <stdint.h>
#include <stdlib.h>

#include "core/image_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_header header;
    const char *detail = NULL;
    uint32_t width, height;
    unsigned orientation = exif_orientation(data, size);
    if (orientation < 1 || orientation > 8)
        abort();
    const char *reason = image_header_read(data, size, &header, &detail);
    if (reason)
        return detail ? 0 : (abort(), 1);
    image_upright_size(&header, &width, &height);
    if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX ||
        header.orientation < 1 || header.orientation > 8)
        abort();
    return 0;
}
