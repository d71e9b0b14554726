/* memory_image.c - tables in one block of memory that works wherever it is mapped */
#include "stages/kernels/memory_image.h"

#include <assert.h>
#include <string.h>

#include "core/bytes.h"

enum { IMAGE_ALIGN = 64, IMAGE_MAGIC = 0x6D49524D };

struct image_header {
    uint32_t magic, kind, count, reserved;
    uint64_t size;
    uint64_t offsets[IMAGE_SECTIONS_MAX], sizes[IMAGE_SECTIONS_MAX];
};

static size_t align_up(size_t size)
{
    return (size + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
}

enum error_code memory_image_write(uint32_t kind, const struct image_section *sections,
                                   size_t count, struct bytes *image, struct error *error)
{
    assert(count <= IMAGE_SECTIONS_MAX);
    struct image_header header = {
        .magic = IMAGE_MAGIC, .kind = kind, .count = (uint32_t)count};
    size_t size = align_up(sizeof header);
    for (size_t i = 0; i < count; i++) {
        header.offsets[i] = size;
        header.sizes[i] = sections[i].size;
        size += align_up(sections[i].size);
    }
    header.size = size;
    unsigned char *out = bytes_reserve(image, size);
    if (!out)
        return error_set(error, ERROR_MEMORY, "no memory for an image of %zu bytes",
                         size);
    memset(out, 0, size);
    memcpy(out, &header, sizeof header);
    for (size_t i = 0; i < count; i++) {
        if (sections[i].size > 0)
            memcpy(out + header.offsets[i], sections[i].data, sections[i].size);
    }
    image->size += size;
    return OK;
}

enum error_code memory_image_open(const void *image, size_t size, uint32_t kind,
                                  size_t count, struct image_section *sections,
                                  struct error *error)
{
    struct image_header header;
    assert(count <= IMAGE_SECTIONS_MAX);
    if (size < sizeof header)
        return error_set(error, ERROR_DAMAGED, "a compiled model is cut off");
    memcpy(&header, image, sizeof header);
    if (header.magic != IMAGE_MAGIC || header.kind != kind || header.count != count)
        return error_set(error, ERROR_DAMAGED, "a compiled model of another kind");
    if (header.size > size)
        return error_set(error, ERROR_DAMAGED, "a compiled model is cut off");
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = header.offsets[i];
        if (offset % IMAGE_ALIGN != 0 || offset > header.size ||
            header.sizes[i] > header.size - offset)
            return error_set(error, ERROR_DAMAGED, "a compiled model is damaged");
        sections[i] =
            (struct image_section){.data = (const unsigned char *)image + offset,
                                   .size = (size_t)header.sizes[i]};
    }
    return OK;
}
