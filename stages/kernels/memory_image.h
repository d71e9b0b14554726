/* memory_image.h - tables in one block of memory that works wherever it is mapped
 *
 * Numbers are those of the machine that wrote it. */
#ifndef STAGES_KERNELS_MEMORY_IMAGE_H
#define STAGES_KERNELS_MEMORY_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

struct bytes;

enum { IMAGE_SECTIONS_MAX = 16 };

struct image_section { /* borrowed */
    const void *data;
    size_t size;
};

/* Append an image of `kind` (a number that open checks) with these tables, each at a
 * multiple of 64 bytes from its begin. ERROR_MEMORY. */
enum error_code memory_image_write(uint32_t kind, const struct image_section *sections,
                                   size_t count, struct bytes *image,
                                   struct error *error);

/* Find the tables of an image. ERROR_DAMAGED: it is none, or is not whole. */
enum error_code memory_image_open(const void *image, size_t size, uint32_t kind,
                                  size_t count, struct image_section *sections,
                                  struct error *error);

#endif
