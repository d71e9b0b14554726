/* fuzz_block.c - fuzz what reads volumes: blocks, shard entries, quarantined records */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/account.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "core/codec.h"
#include "core/ledger.h"
#include "core/ledger_layout.h"
#include "core/volume.h"
#include "core/volume_layout.h"

enum { MEMORY_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What decodes must encode, and come back with the same digests. */
static void round_trip(const struct batch *batch, const struct file_names *files,
                       struct arena *arena)
{
    struct bytes block = {0};
    struct bytes scratch = {0};
    struct batch *again;
    struct file_names names;
    struct block_encoder *encoder = block_encoder_create();
    if (!encoder)
        abort();
    if (block_encode(encoder, batch, files, NULL, batch->count, &block, NULL) == OK &&
        block_decode(block.data, block.size, arena, &again, &names, NULL) == OK) {
        if (again->count != batch->count)
            abort();
        for (uint32_t i = 0; i < batch->count; i++) {
            const char *file = files->names[batch->origins[i].file];
            struct hash128 first = record_digest(batch, i, file, &scratch);
            if (!hash128_is_equal(first, record_digest(again, i, file, &scratch)))
                abort();
        }
    }
    block_encoder_destroy(encoder);
    bytes_clear(&scratch);
    bytes_clear(&block);
}

static void fuzz_block(const uint8_t *data, size_t size, struct arena *arena)
{
    struct batch *batch;
    struct file_names files;
    if (block_decode(data, size, arena, &batch, &files, NULL) == OK)
        round_trip(batch, &files, arena);
}

static void fuzz_entry(const uint8_t *data, size_t size, struct arena *arena)
{
    struct shard_entry entry;
    struct bytes out = {0};
    if (shard_entry_read(data, size, arena, &entry, NULL) == OK) {
        (void)account_holds(&entry.account);
        shard_entry_write(&entry, &out);
    }
    bytes_clear(&out);
}

/* The first byte says which reader gets the rest. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reject reject;
    struct volume_meta meta;
    struct phase_record phase;
    struct volume_record volume;
    struct suspect suspect;
    if (size == 0)
        return 0;
    struct arena *arena = arena_create(1 << 16, MEMORY_MAX);
    if (!arena)
        abort();
    const uint8_t *rest = data + 1;
    size_t left = size - 1;
    switch (data[0]) {
    case 'e':
        fuzz_entry(rest, left, arena);
        break;
    case 'r':
        (void)volume_reject_read(rest, left, arena, &reject, NULL);
        break;
    case 'm':
        (void)volume_meta_read(rest, left, arena, &meta, NULL);
        break;
    case 'p':
        (void)phase_record_read(rest, left, arena, &phase, NULL);
        break;
    case 'v':
        (void)volume_record_read(rest, left, arena, &volume, NULL);
        break;
    case 's':
        (void)suspect_read(rest, left, arena, &suspect, NULL);
        break;
    default:
        fuzz_block(rest, left, arena);
        break;
    }
    arena_destroy(arena);
    return 0;
}
