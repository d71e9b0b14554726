/* fuzz_added_tokens.c - any tokens in any text, and any image
 *
 * The first byte is the number of tokens; each has a byte of flags and size, then its
 * text; the rest is searched. Without tokens the rest is taken for an image. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "stages/kernels/added_tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void search(const struct added_tokens *tokens, const uint8_t *data, size_t size)
{
    struct added_cursor cursor = {0};
    struct added_match match;
    size_t matches = 0;
    unsigned char *text = malloc(size ? size : 1); /* of exactly its size */
    require(text != NULL);
    memcpy(text, data, size);
    while (added_tokens_next(tokens, text, size, &cursor, &match)) {
        require(match.begin <= match.end && match.end <= size);
        require(++matches <= size);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { TOKENS = 32 };
    struct added_token tokens[TOKENS];
    struct added_tokens view;
    struct error error;
    struct bytes image = {0};
    if (size < 2)
        return 0;
    size_t count = data[0] % TOKENS, at = 1;
    struct arena *work = arena_create(1 << 16, 0);
    require(work != NULL);
    if (count == 0) {
        void *copy = arena_alloc_raw(work, size, 1, 64);
        require(copy != NULL);
        memcpy(copy, data + 1, size - 1);
        if (added_tokens_open(copy, size - 1, &view, &error) == OK)
            search(&view, data, size);
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t head = at < size ? data[at++] : 0;
        size_t length = head % 16 < size - at ? head % 16 : size - at;
        tokens[i] = (struct added_token){.text = {data + at, length},
                                         .id = (uint32_t)i,
                                         .is_single_word = head & 16,
                                         .is_left_stripped = head & 32,
                                         .is_right_stripped = head & 64,
                                         .is_special = head & 128};
        at += length;
    }
    if (count > 0) {
        require(added_tokens_build(tokens, count, work, &image, &error) == OK);
        require(added_tokens_open(image.data, image.size, &view, &error) == OK);
        search(&view, data + at, size - at);
    }
    bytes_clear(&image);
    arena_destroy(work);
    return 0;
}
