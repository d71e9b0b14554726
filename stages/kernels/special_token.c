/* special_token.c - the named special tokens of the published byte-pair tokenizers */
#include "stages/kernels/special_token.h"

#include <stdio.h>
#include <string.h>

/* "<|name|>", or with a count "<|nameN|>" for N = first ... first + count - 1, whose ids
 * run from `id`. */
struct entry {
    const char *name; /* without the brackets */
    uint32_t id, first, count;
};

static const struct entry r50k_entries[] = {{.name = "endoftext", .id = 50256}, {0}};

static const struct entry cl100k_entries[] = {
    {.name = "endoftext", .id = 100257},   {.name = "fim_prefix", .id = 100258},
    {.name = "fim_middle", .id = 100259},  {.name = "fim_suffix", .id = 100260},
    {.name = "endofprompt", .id = 100276}, {0}};

static const struct entry o200k_entries[] = {
    {.name = "endoftext", .id = 199999}, {.name = "endofprompt", .id = 200018}, {0}};

static const struct entry llama3_entries[] = {
    {.name = "begin_of_text", .id = 128000},
    {.name = "end_of_text", .id = 128001},
    {.name = "reserved_special_token_", .id = 128002, .first = 0, .count = 4},
    {.name = "start_header_id", .id = 128006},
    {.name = "end_header_id", .id = 128007},
    {.name = "reserved_special_token_", .id = 128008, .first = 4, .count = 1},
    {.name = "eot_id", .id = 128009},
    {.name = "reserved_special_token_", .id = 128010, .first = 5, .count = 246},
    {0}};

static const struct entry qwen_entries[] = {
    {.name = "endoftext", .id = 151643},
    {.name = "im_start", .id = 151644},
    {.name = "im_end", .id = 151645},
    {.name = "extra_", .id = 151646, .first = 0, .count = 205},
    {0}};

static const struct entry *const entries[SPLIT_PATTERN_COUNT] = {
    [SPLIT_R50K] = r50k_entries,     [SPLIT_P50K] = r50k_entries,
    [SPLIT_CL100K] = cl100k_entries, [SPLIT_O200K] = o200k_entries,
    [SPLIT_LLAMA3] = llama3_entries, [SPLIT_QWEN] = qwen_entries};

/* The number that fills [at, end) as it would be printed: no sign, no leading zero. */
static bool read_number(const unsigned char *at, const unsigned char *end,
                        uint32_t *number)
{
    uint32_t value = 0;
    if (at == end || end - at > 4 || (*at == '0' && end - at > 1))
        return false;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        value = value * 10 + (*at - '0');
    }
    *number = value;
    return true;
}

/* Is [name, end) the name of the entry? */
static bool is_named(const struct entry *entry, const unsigned char *name,
                     const unsigned char *end, uint32_t *id)
{
    size_t size = strlen(entry->name);
    if ((size_t)(end - name) < size || memcmp(name, entry->name, size) != 0)
        return false;
    uint32_t number = 0;
    if (entry->count == 0) {
        *id = entry->id;
        return name + size == end;
    }
    if (!read_number(name + size, end, &number) || number < entry->first ||
        number - entry->first >= entry->count)
        return false;
    *id = entry->id + (number - entry->first);
    return true;
}

/* A special token that begins at `at`, where "<|" stands. */
static bool match_at(enum split_pattern pattern, const unsigned char *at,
                     const unsigned char *end, struct special_token *found)
{
    enum { NAME_MAX_SIZE = 40 };
    const unsigned char *name = at + 2;
    const unsigned char *bar = name;
    while (bar < end && *bar != '|' && bar - name < NAME_MAX_SIZE)
        bar++;
    if (end - bar < 2 || bar[0] != '|' || bar[1] != '>')
        return false;
    for (const struct entry *entry = entries[pattern]; entry->name; entry++) {
        if (is_named(entry, name, bar, &found->id)) {
            found->end = (size_t)(bar + 2 - at);
            return true;
        }
    }
    return false;
}

bool special_token_find(enum split_pattern pattern, const unsigned char *text,
                        size_t size, size_t from, struct special_token *found)
{
    const unsigned char *end = text + size;
    const unsigned char *at = text + from;
    while (end - at >= 2 && (at = memchr(at, '<', (size_t)(end - at - 1))) != NULL) {
        if (at[1] == '|' && match_at(pattern, at, end, found)) {
            found->begin = (size_t)(at - text);
            found->end += found->begin;
            return true;
        }
        at++;
    }
    return false;
}

bool special_token_has_id(enum split_pattern pattern, uint32_t id)
{
    for (const struct entry *entry = entries[pattern]; entry->name; entry++) {
        uint32_t count = entry->count ? entry->count : 1;
        if (id >= entry->id && id - entry->id < count)
            return true;
    }
    return false;
}

bool special_token_list(enum split_pattern pattern, size_t index,
                        struct special_token_text *token)
{
    for (const struct entry *entry = entries[pattern]; entry->name; entry++) {
        uint32_t count = entry->count ? entry->count : 1;
        if (index >= count) {
            index -= count;
            continue;
        }
        if (entry->count)
            (void)snprintf(token->text, sizeof token->text, "<|%s%u|>", entry->name,
                           (unsigned)(entry->first + (uint32_t)index));
        else
            (void)snprintf(token->text, sizeof token->text, "<|%s|>", entry->name);
        token->id = entry->id + (uint32_t)index;
        return true;
    }
    return false;
}
