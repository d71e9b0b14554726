/* fuzz_normalize.c - any bytes in any normal form: no fault, normal forms are stable */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/unicode.h"
#include "stages/kernels/clean_text.h"
#include "stages/kernels/count_text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static int is_same(const struct bytes *bytes, const unsigned char *data, size_t size)
{
    return bytes->size == size && (size == 0 || memcmp(bytes->data, data, size) == 0);
}

/* Built once, and kept for all inputs. */
static const struct unicode_table *table_of(enum unicode_form form)
{
    static struct arena *arena;
    static const struct unicode_table *tables[UNICODE_NFKD + 1];
    if (!arena)
        arena = arena_create(1 << 16, 0);
    if (!tables[form])
        tables[form] = unicode_table_build(form, arena);
    return tables[form];
}

static void check_form(enum unicode_form form, const unsigned char *data, size_t size)
{
    const struct unicode_table *table = table_of(form);
    struct bytes once = {0}, twice = {0}, work = {0};
    if (!table)
        abort();
    unicode_normalize(table, data, size, &work, &once);
    size_t same = unicode_normal_length(table, data, size);
    require(same <= size && same <= once.size);
    require(same == 0 || memcmp(once.data, data, same) == 0);
    if (once.data)
        unicode_normalize(table, once.data, once.size, &work, &twice);
    require(is_same(&twice, once.data, once.size));
    bytes_clear(&once);
    bytes_clear(&twice);
    bytes_clear(&work);
}

static void check_cleaning(const unsigned char *data, size_t size)
{
    struct bytes stripped = {0}, collapsed = {0};
    for (int is_sparing = 0; is_sparing < 2; is_sparing++) {
        bytes_reset(&stripped);
        text_strip_controls(data, size, is_sparing, &stripped);
        require(stripped.size <= size);
        if (text_find_control(data, size, is_sparing) == size)
            require(is_same(&stripped, data, size));
    }
    text_collapse_space(data, size, &collapsed);
    require(collapsed.size <= size);
    if (collapsed.data)
        require(text_find_surplus_space(collapsed.data, collapsed.size) ==
                collapsed.size);
    require(text_count_characters(data, size) <= size);
    bytes_clear(&stripped);
    bytes_clear(&collapsed);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size == 0)
        return 0;
    check_form((enum unicode_form)(data[0] % 4), data + 1, size - 1);
    check_cleaning(data + 1, size - 1);
    return 0;
}
