/* fuzz_word_starts.c - any bytes as a vocabulary: no fault, a flag for each id */
#include <stdlib.h>

#include "core/arena.h"
#include "stages/kernels/word_starts.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct arena *arena = arena_create(1 << 16, 64 << 20);
    struct error error;
    unsigned char *continues;
    uint32_t count;
    if (!arena)
        abort();
    if (word_starts_parse(data, size, arena, &continues, &count, &error) == OK)
        for (uint32_t i = 0; i < count; i++)
            if (continues[i] > 1)
                abort();
    arena_destroy(arena);
    return 0;
}
