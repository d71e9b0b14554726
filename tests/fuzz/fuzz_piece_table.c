/* fuzz_piece_table.c - fuzz the loading of saved tables: what loads saves, and loads again
 *
 * The first byte chooses the memory limit. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "stages/kernels/piece_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static struct piece_table *open_table(uint64_t memory_limit)
{
    struct piece_table_options options = {PIECES_PATTERN, SPLIT_R50K, memory_limit};
    struct piece_table *table = NULL;
    require(piece_table_create(&options, &table, NULL) == OK);
    return table;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes first = {0}, second = {0};
    if (size == 0)
        return 0;
    uint64_t limit = data[0] % 2 ? PIECE_MEMORY_MIN : 1 << 20;
    struct piece_table *table = open_table(limit), *again = open_table(limit);
    if (piece_table_merge(table, data + 1, size - 1, NULL) == OK) {
        require(piece_table_save(table, &first, NULL) == OK);
        require(piece_table_merge(again, first.data, first.size, NULL) == OK);
        require(piece_table_save(again, &second, NULL) == OK);
        require(first.size == second.size);
        require(memcmp(first.data, second.data, first.size) == 0);
    }
    piece_table_destroy(table);
    piece_table_destroy(again);
    bytes_clear(&first);
    bytes_clear(&second);
    return 0;
}
