/* volume_layout.c - the tables of a volume and what their keys and values look like */
#include "core/volume_layout.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/message_pack.h"
#include "core/volume.h"

enum { META_VERSION = 1, FINGERPRINT_SIZE = 16 };

const struct store_table volume_tables[VOLUME_TABLES] = {
    [VOLUME_BLOCKS] = {.name = "blocks"},
    [VOLUME_SHARDS] = {.name = "shards"},
    [VOLUME_KEYS] = {.name = "keys", .has_duplicates = true},
    [VOLUME_REJECTS] = {.name = "rejects"},
    [VOLUME_META] = {.name = "meta"},
};

void volume_shard_key(uint32_t phase, shard_id shard, unsigned char key[SHARD_KEY_SIZE])
{
    store_u32_big(key, phase);
    store_u64_big(key + 4, shard);
}

void volume_reject_key(shard_id shard, uint32_t number,
                       unsigned char key[REJECT_KEY_SIZE])
{
    store_u64_big(key, shard);
    store_u32_big(key + 8, number);
}

void volume_meta_write(const struct volume_meta *meta, struct bytes *out)
{
    unsigned char fingerprint[FINGERPRINT_SIZE];
    store_u64(fingerprint, meta->fingerprint.low);
    store_u64(fingerprint + 8, meta->fingerprint.high);
    message_pack_map(out, 5);
    message_pack_text(out, "format");
    message_pack_number(out, META_VERSION);
    message_pack_text(out, "fingerprint");
    message_pack_binary(out, fingerprint, sizeof fingerprint);
    message_pack_text(out, "phase");
    message_pack_number(out, meta->phase);
    message_pack_text(out, "phase_name");
    message_pack_text(out, meta->phase_name);
    message_pack_text(out, "host");
    message_pack_text(out, meta->host);
}

/* A map with text keys, walked with the place to take values from. */
struct map_reader {
    struct cursor cursor;
    struct arena *arena;
    bool is_short; /* out of memory */
};

static const char *copy_text(struct map_reader *reader,
                             const struct message_pack_item *item)
{
    if (item->type == PACK_NIL)
        return NULL;
    if (item->type != PACK_TEXT || memchr(item->data, 0, item->size)) {
        reader->cursor.is_bad = true;
        return NULL;
    }
    const char *text =
        arena_copy_text(reader->arena, (const char *)item->data, item->size);
    reader->is_short |= !text;
    return text;
}

static uint64_t number_of(struct map_reader *reader, const struct message_pack_item *item,
                          uint64_t max)
{
    if (item->type != PACK_NUMBER || item->number > max)
        reader->cursor.is_bad = true;
    return item->number;
}

static enum error_code finish(const struct map_reader *reader, bool is_whole,
                              const char *what, struct error *error)
{
    if (reader->is_short)
        return error_set(error, ERROR_MEMORY, "no memory for %s", what);
    if (reader->cursor.is_bad || cursor_left(&reader->cursor) > 0 || !is_whole)
        return error_set(error, ERROR_DAMAGED, "damaged: not %s", what);
    return OK;
}

enum error_code volume_meta_read(const void *data, size_t size, struct arena *arena,
                                 struct volume_meta *meta, struct error *error)
{
    struct map_reader reader = {.cursor = cursor_over(data, size), .arena = arena};
    struct volume_meta read = {0};
    struct message_pack_item map, key, item;
    uint64_t version = 0;
    if (!message_pack_read_as(&reader.cursor, PACK_MAP, &map))
        map.number = 0;
    for (uint64_t i = 0; i < map.number; i++) {
        if (!message_pack_read_as(&reader.cursor, PACK_TEXT, &key) ||
            !message_pack_read(&reader.cursor, &item))
            break;
        if (message_pack_is_text(&key, "format")) {
            version = number_of(&reader, &item, UINT32_MAX);
        } else if (message_pack_is_text(&key, "fingerprint")) {
            if (item.type != PACK_BINARY || item.size != FINGERPRINT_SIZE)
                break;
            read.fingerprint.low = load_u64(item.data);
            read.fingerprint.high = load_u64(item.data + 8);
        } else if (message_pack_is_text(&key, "phase")) {
            read.phase = (uint32_t)number_of(&reader, &item, UINT32_MAX);
        } else if (message_pack_is_text(&key, "phase_name")) {
            read.phase_name = copy_text(&reader, &item);
        } else if (message_pack_is_text(&key, "host")) {
            read.host = copy_text(&reader, &item);
        }
    }
    bool is_whole = version == META_VERSION && read.phase_name && read.host;
    enum error_code code =
        finish(&reader, is_whole, "what a volume says of itself", error);
    if (code == OK)
        *meta = read;
    return code;
}

static void message_pack_optional_text(struct bytes *out, const char *text)
{
    if (text)
        message_pack_text(out, text);
    else
        message_pack_nil(out);
}

void volume_reject_write(const struct reject *reject, struct bytes *out)
{
    size_t excerpt_size = reject->excerpt ? reject->excerpt_size : 0;
    if (excerpt_size > UINT32_MAX)
        excerpt_size = UINT32_MAX;
    message_pack_map(out, 8U + (reject->copy > 0));
    message_pack_text(out, "file");
    message_pack_text(out, reject->file);
    message_pack_text(out, "offset");
    message_pack_number(out, reject->offset);
    message_pack_text(out, "size");
    message_pack_number(out, reject->size);
    if (reject->copy > 0) {
        message_pack_text(out, "copy");
        message_pack_number(out, reject->copy);
    }
    message_pack_text(out, "key");
    message_pack_optional_text(out, reject->key);
    message_pack_text(out, "stage");
    message_pack_text(out, reject->stage);
    message_pack_text(out, "reason");
    message_pack_text(out, reject->reason);
    message_pack_text(out, "detail");
    message_pack_optional_text(out, reject->detail);
    message_pack_text(out, "excerpt");
    message_pack_binary(out, reject->excerpt, (uint32_t)excerpt_size);
}

static void read_reject_field(struct map_reader *reader,
                              const struct message_pack_item *key,
                              const struct message_pack_item *item, struct reject *read)
{
    if (message_pack_is_text(key, "file"))
        read->file = copy_text(reader, item);
    else if (message_pack_is_text(key, "offset"))
        read->offset = number_of(reader, item, UINT64_MAX);
    else if (message_pack_is_text(key, "size"))
        read->size = number_of(reader, item, UINT64_MAX);
    else if (message_pack_is_text(key, "copy"))
        read->copy = number_of(reader, item, UINT64_MAX);
    else if (message_pack_is_text(key, "key"))
        read->key = copy_text(reader, item);
    else if (message_pack_is_text(key, "stage"))
        read->stage = copy_text(reader, item);
    else if (message_pack_is_text(key, "reason"))
        read->reason = copy_text(reader, item);
    else if (message_pack_is_text(key, "detail"))
        read->detail = copy_text(reader, item);
    else if (message_pack_is_text(key, "excerpt") && item->type == PACK_BINARY) {
        read->excerpt = (const unsigned char *)arena_copy_text(
            reader->arena, (const char *)item->data, item->size);
        read->excerpt_size = item->size;
        reader->is_short |= !read->excerpt;
    } else
        reader->cursor.is_bad = true;
}

enum error_code volume_reject_read(const void *data, size_t size, struct arena *arena,
                                   struct reject *reject, struct error *error)
{
    struct map_reader reader = {.cursor = cursor_over(data, size), .arena = arena};
    struct reject read = {0};
    struct message_pack_item map, key, item;
    if (!message_pack_read_as(&reader.cursor, PACK_MAP, &map))
        map.number = 0;
    for (uint64_t i = 0; i < map.number && !reader.is_short; i++) {
        if (!message_pack_read_as(&reader.cursor, PACK_TEXT, &key) ||
            !message_pack_read(&reader.cursor, &item))
            break;
        read_reject_field(&reader, &key, &item, &read);
    }
    bool is_whole = read.file && read.stage && read.reason;
    enum error_code code = finish(&reader, is_whole, "a quarantined record", error);
    if (code == OK)
        *reject = read;
    return code;
}
