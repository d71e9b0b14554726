/* fuzz_yaml.c - any bytes as a pipeline file, and what is right written and read again */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/diagnostics.h"
#include "core/pipeline.h"
#include "stages/registry.h"
#include "tests/unit/fake_stages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef const struct stage_type *const stage_table;

static const struct pipeline *parse(const char *text, size_t size,
                                    const struct text_list *sets, stage_table *types,
                                    struct arena *arena, struct diagnostics *found)
{
    found->count = 0;
    const struct pipeline *pipeline =
        pipeline_parse(text, size, "p.yaml", "/none", sets, types, arena, found);
    assert((pipeline != NULL) == (found->count == 0));
    for (size_t i = 0; i < found->count; i++)
        assert(found->items[i].where.line > 0 && found->items[i].text[0]);
    return pipeline;
}

static void check_written(const struct pipeline *pipeline, stage_table *types,
                          struct arena *arena, struct diagnostics *found)
{
    struct bytes once = {0}, again = {0}, lines = {0}, same = {0};
    pipeline_write(pipeline, &once);
    const struct pipeline *second =
        parse((const char *)once.data, once.size, NULL, types, arena, found);
    assert(second);
    pipeline_write(second, &again);
    assert(once.size == again.size && memcmp(once.data, again.data, once.size) == 0);
    bool is_described = pipeline_describe(pipeline, &lines, NULL) == OK;
    bool is_again = pipeline_describe(second, &same, NULL) == OK;
    assert(is_described == is_again);
    if (is_described)
        assert(lines.size == same.size && memcmp(lines.data, same.data, same.size) == 0);
    bytes_clear(&once);
    bytes_clear(&again);
    bytes_clear(&lines);
    bytes_clear(&same);
}

/* The first line, when it holds a "=", is a --set of what follows. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(1 << 16, 256 << 20);
    if (!arena)
        return 0;
    struct diagnostics found = {.arena = arena};
    const char *text = (const char *)data;
    const char *newline = size ? memchr(text, '\n', size) : NULL;
    size_t first = newline ? (size_t)(newline - text) : 0;
    struct text_list sets = {0};
    const char *set = NULL;
    if (first > 0 && memchr(text, '=', first) && !memchr(text, 0, first)) {
        set = arena_copy_text(arena, text, first);
        sets = (struct text_list){.items = &set, .count = set ? 1 : 0};
        text += first + 1;
        size -= first + 1;
    }
    stage_table *const tables[] = {fake_stages, stage_types};
    for (size_t i = 0; i < 2; i++) {
        const struct pipeline *pipeline =
            parse(text, size, &sets, tables[i], arena, &found);
        if (pipeline)
            check_written(pipeline, tables[i], arena, &found);
    }
    arena_destroy(arena);
    return 0;
}
