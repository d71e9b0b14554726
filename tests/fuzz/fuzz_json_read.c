/* fuzz_json_read.c - value by value or whole: the same texts are JSON, or are not */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two levels are entered, what is deeper is taken whole. */
static enum error_code walk(struct json_reader *reader, unsigned depth,
                            struct error *error)
{
    enum json_type type = JSON_ABSENT;
    bool has_next = true;
    enum error_code code = json_reader_type(reader, &type, error);
    if (code != OK)
        return code;
    if (depth == 2 || (type != JSON_ARRAY && type != JSON_OBJECT))
        return depth % 2 ? json_reader_skip(reader, error)
                         : json_reader_take(reader, NULL, 0, NULL, error);
    code = json_reader_enter(reader, error);
    while (code == OK && has_next) {
        const char *name = NULL;
        code = json_reader_next(reader, &name, &has_next, error);
        if (code == OK && has_next && !name != (type == JSON_ARRAY))
            abort();
        if (code == OK && has_next)
            code = walk(reader, depth + 1, error);
    }
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error = {0};
    const char *detail = NULL;
    /* A byte order mark is a matter of files; the reader passes it. */
    if (size == 0 || (size >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0))
        return 0;
    unsigned char *text = calloc(1, size + JSON_PADDING);
    struct json *json = json_create();
    if (!text || !json)
        abort();
    memcpy(text, data, size);
    enum json_outcome outcome = json_parse(json, text, size, NULL, 0, NULL, &detail);
    FILE *file = fmemopen(text, size, "r");
    struct json_reader *reader = file ? json_reader_create(file, "f") : NULL;
    if (!reader)
        abort();
    enum error_code code = walk(reader, 0, &error);
    if (code == OK)
        code = json_reader_finish(reader, &error);
    bool is_json = outcome == JSON_OK || outcome == JSON_NOT_OBJECT;
    /* Depth counts from where a value is taken. */
    bool is_deep = outcome == JSON_INVALID && strcmp(detail, "nested too deeply") == 0;
    if (is_json != (code == OK) && !is_deep)
        abort();
    if (code != OK && (code != ERROR_DAMAGED || strncmp(error.text, "f:", 2) != 0))
        abort();
    json_reader_destroy(reader);
    json_destroy(json);
    free(text);
    return 0;
}
