/* fuzz_image.c - image files of all formats: no crash, no leak, a verdict within bounds */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/image_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *data, size_t size, bool keeps_damaged, uint32_t least)
{
    struct image_rules rules = {.max_pixels = 1 << 20,
                                .memory = 32 << 20,
                                .keeps_damaged = keeps_damaged,
                                .background = {255, 255, 255}};
    struct bytes room = {0};
    struct picture picture;
    struct image_fault fault = {0};
    enum error_code code =
        picture_decode(data, size, &rules, least, least, &room, &picture, &fault);
    if (code == OK) {
        uint64_t pixels = (uint64_t)picture.width * picture.height;
        if (pixels == 0 || pixels > rules.max_pixels || room.size != 3 * pixels ||
            (picture.is_damaged && !keeps_damaged))
            abort();
    } else {
        bool is_told = fault.reason && memchr(fault.detail, 0, sizeof fault.detail);
        if (code != ERROR_MEMORY && (code != ERROR_RECORD || !is_told))
            abort();
    }
    bytes_clear(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size, false, 0);
    check(data, size, true, 20);
    return 0;
}
