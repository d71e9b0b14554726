/* vocabulary_size.c - how many token ids a job's pipeline can make */
#include "commands/vocabulary_size.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/diagnostics.h"
#include "core/pipeline.h"
#include "stages/registry.h"

enum { ARENA_BLOCK = 1 << 14, PIPELINE_SIZE_MAX = 1 << 20 };

static enum error_code read_text(const char *path, struct bytes *text,
                                 struct error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set_errno(error, ERROR_IO, errno, "cannot open \"%s\"", path);
    unsigned char *room = bytes_reserve(text, PIPELINE_SIZE_MAX);
    if (room)
        text->size += fread(room, 1, PIPELINE_SIZE_MAX, file);
    (void)fclose(file);
    return room ? OK : error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
}

static enum error_code count_phase(const struct phase_spec *phase, uint64_t *count,
                                   struct error *error)
{
    for (size_t i = 0; i < phase->stage_count; i++) {
        uint64_t more = 0;
        const struct stage_spec *stage = &phase->stages[i];
        if (!stage->type->count_ids)
            continue;
        enum error_code code = stage->type->count_ids(stage->options, &more, error);
        if (code != OK)
            return code;
        *count = more > *count ? more : *count;
    }
    return OK;
}

enum error_code vocabulary_size_find(const char *folder, uint64_t *count,
                                     struct error *error)
{
    char path[PATH_MAX];
    struct bytes text = {0};
    uint64_t most = 0;
    enum error_code code = OK;
    const struct pipeline *pipeline = NULL;
    *count = 0;
    int length = snprintf(path, sizeof path, "%s/pipeline.yaml", folder);
    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(error, ERROR_IO, "path too long: \"%s\"", folder);
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    struct diagnostics diagnostics = {.arena = arena};
    if (!arena)
        return error_set(error, ERROR_MEMORY, "no memory to read \"%s\"", path);
    code = read_text(path, &text, error);
    if (code == OK) {
        pipeline =
            pipeline_parse_checked((const char *)text.data, text.size, "pipeline.yaml",
                                   folder, stage_types, arena, &diagnostics);
        if (!pipeline)
            code = error_set(error, ERROR_CONFIG, "cannot read \"%s\": %s", path,
                             diagnostics.count ? diagnostics.items[0].text : "");
    }
    for (size_t i = 0; code == OK && pipeline && i < pipeline->phase_count; i++)
        code = count_phase(&pipeline->phases[i], &most, error);
    if (code == OK)
        *count = most;
    bytes_clear(&text);
    arena_destroy(arena);
    return code;
}
