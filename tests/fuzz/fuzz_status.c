/* fuzz_status.c - any bytes as status.json: refused, or read and written alike */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/status_file.h"
#include "core/arena.h"
#include "core/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct status status, again;
    struct bytes first = {0}, second = {0};
    struct arena *arena = arena_create(1 << 16, 64 << 20);
    if (!arena)
        return 0;
    if (status_read((const char *)data, size, arena, &status, NULL) == OK) {
        status_write(&status, &first);
        if (status_read((const char *)first.data, first.size, arena, &again, NULL) != OK)
            abort();
        status_write(&again, &second);
        if (first.size != second.size || memcmp(first.data, second.data, first.size) != 0)
            abort();
    }
    bytes_clear(&first);
    bytes_clear(&second);
    arena_destroy(arena);
    return 0;
}
