/* account.c - what became of the records of a shard, and the shard's entry */
#include "core/account.h"

#include <string.h>

#include "core/arena.h"
#include "core/bytes.h"

/* An entry without made records is written as version 1, which lacks their account. */
enum { ENTRY_VERSION = 1, ENTRY_VERSION_MADE = 2, REASON_SIZE_MIN = 5 };

static void tally_add(struct tally *sum, const struct tally *more)
{
    sum->records += more->records;
    sum->bytes += more->bytes;
}

void account_add(struct account *sum, const struct account *more)
{
    tally_add(&sum->read, &more->read);
    tally_add(&sum->emitted, &more->emitted);
    tally_add(&sum->dropped, &more->dropped);
    tally_add(&sum->quarantined, &more->quarantined);
    sum->separator_bytes += more->separator_bytes;
    tally_add(&sum->used, &more->used);
    tally_add(&sum->made.made, &more->made.made);
    tally_add(&sum->made.merged, &more->made.merged);
    tally_add(&sum->made.emitted, &more->made.emitted);
    tally_add(&sum->made.dropped, &more->made.dropped);
    tally_add(&sum->made.quarantined, &more->made.quarantined);
}

static bool tallies_equal(const struct tally *a, const struct tally *b)
{
    return a->records == b->records && a->bytes == b->bytes;
}

static bool made_holds(const struct made_account *account)
{
    struct tally right = account->merged;
    tally_add(&right, &account->emitted);
    tally_add(&right, &account->dropped);
    tally_add(&right, &account->quarantined);
    return tallies_equal(&right, &account->made);
}

struct tally account_stored(const struct account *account)
{
    struct tally stored = account->emitted;
    stored.records -= account->used.records;
    stored.bytes -= account->used.bytes;
    tally_add(&stored, &account->made.emitted);
    return stored;
}

bool account_holds(const struct account *account)
{
    struct tally right = {.bytes = account->separator_bytes};
    tally_add(&right, &account->emitted);
    tally_add(&right, &account->dropped);
    tally_add(&right, &account->quarantined);
    return tallies_equal(&right, &account->read) && made_holds(&account->made) &&
           account->used.records <= account->emitted.records &&
           account->used.bytes <= account->emitted.bytes;
}

static void put_tally(struct bytes *out, const struct tally *tally)
{
    bytes_put_varint(out, tally->records);
    bytes_put_varint(out, tally->bytes);
}

static struct tally read_tally(struct cursor *cursor)
{
    struct tally tally;
    tally.records = cursor_varint(cursor);
    tally.bytes = cursor_varint(cursor);
    return tally;
}

static void put_account(struct bytes *out, const struct account *account)
{
    put_tally(out, &account->read);
    put_tally(out, &account->emitted);
    put_tally(out, &account->dropped);
    put_tally(out, &account->quarantined);
    bytes_put_varint(out, account->separator_bytes);
}

static void read_account(struct cursor *cursor, struct account *account)
{
    account->read = read_tally(cursor);
    account->emitted = read_tally(cursor);
    account->dropped = read_tally(cursor);
    account->quarantined = read_tally(cursor);
    account->separator_bytes = cursor_varint(cursor);
}

static bool has_made(const struct account *account)
{
    return account->used.records > 0 || account->made.made.records > 0;
}

static void put_made(struct bytes *out, const struct account *account)
{
    put_tally(out, &account->used);
    put_tally(out, &account->made.made);
    put_tally(out, &account->made.merged);
    put_tally(out, &account->made.emitted);
    put_tally(out, &account->made.dropped);
    put_tally(out, &account->made.quarantined);
}

static void read_made(struct cursor *cursor, struct account *account)
{
    account->used = read_tally(cursor);
    account->made.made = read_tally(cursor);
    account->made.merged = read_tally(cursor);
    account->made.emitted = read_tally(cursor);
    account->made.dropped = read_tally(cursor);
    account->made.quarantined = read_tally(cursor);
}

void shard_entry_write(const struct shard_entry *entry, struct bytes *out)
{
    bool is_made = has_made(&entry->account);
    bytes_put_u8(out, is_made ? ENTRY_VERSION_MADE : ENTRY_VERSION);
    bytes_put_varint(out, entry->phase);
    bytes_put_varint(out, SHARD_RUN(entry->shard));
    bytes_put_varint(out, SHARD_INDEX(entry->shard));
    bytes_put_varint(out, entry->generation);
    bytes_put_varint(out, entry->first_block);
    bytes_put_varint(out, entry->block_count);
    bytes_put_varint(out, entry->reject_count);
    bytes_put_varint(out, entry->stored_bytes);
    put_account(out, &entry->account);
    if (is_made)
        put_made(out, &entry->account);
    bytes_put_u64(out, entry->digest.low);
    bytes_put_u64(out, entry->digest.high);
    bytes_put_varint(out, entry->cpu_us);
    bytes_put_varint(out, entry->reason_count);
    for (size_t i = 0; i < entry->reason_count; i++) {
        const struct reason *reason = &entry->reasons[i];
        bytes_put_text(out, reason->stage, strlen(reason->stage));
        bytes_put_text(out, reason->reason, strlen(reason->reason));
        bytes_put_u8(out, reason->is_quarantine);
        put_tally(out, &reason->tally);
    }
    uint32_t bucket_count = entry->bucket_blocks ? entry->bucket_count : 0;
    bytes_put_varint(out, bucket_count);
    for (uint32_t i = 0; bucket_count > 0 && i <= bucket_count; i++)
        bytes_put_varint(out,
                         i == 0 ? entry->bucket_blocks[0]
                                : entry->bucket_blocks[i] - entry->bucket_blocks[i - 1]);
}

static uint32_t read_u32(struct cursor *cursor)
{
    uint64_t value = cursor_varint(cursor);
    if (value > UINT32_MAX)
        cursor->is_bad = true;
    return (uint32_t)value;
}

static const char *read_text(struct cursor *cursor, struct arena *arena, bool *is_short)
{
    size_t size;
    const char *text = cursor_text(cursor, &size);
    if (!text || memchr(text, 0, size)) {
        cursor->is_bad = true;
        return "";
    }
    const char *copy = arena_copy_text(arena, text, size);
    *is_short |= !copy;
    return copy;
}

static void read_reasons(struct cursor *cursor, struct arena *arena,
                         struct shard_entry *entry, bool *is_short)
{
    uint64_t count = cursor_varint(cursor);
    if (count > REASONS_MAX || count > cursor_left(cursor) / REASON_SIZE_MIN) {
        cursor->is_bad = true;
        return;
    }
    struct reason *reasons = ARENA_NEW(arena, struct reason, (size_t)count);
    if (!reasons) {
        *is_short = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        reasons[i].stage = read_text(cursor, arena, is_short);
        reasons[i].reason = read_text(cursor, arena, is_short);
        uint8_t is_quarantine = cursor_u8(cursor);
        cursor->is_bad |= is_quarantine > 1;
        reasons[i].is_quarantine = is_quarantine == 1;
        reasons[i].tally = read_tally(cursor);
    }
    entry->reasons = reasons;
    entry->reason_count = (size_t)count;
}

static void read_buckets(struct cursor *cursor, struct arena *arena,
                         struct shard_entry *entry, bool *is_short)
{
    entry->bucket_count = read_u32(cursor);
    if (cursor->is_bad || entry->bucket_count == 0)
        return;
    if (entry->bucket_count >= cursor_left(cursor)) {
        cursor->is_bad = true;
        return;
    }
    uint64_t *blocks = ARENA_RAW(arena, uint64_t, (size_t)entry->bucket_count + 1);
    if (!blocks) {
        *is_short = true;
        return;
    }
    uint64_t last = entry->first_block + entry->block_count;
    uint64_t block = 0;
    for (uint32_t i = 0; i <= entry->bucket_count; i++) {
        uint64_t step = cursor_varint(cursor);
        if (step > last - block) {
            cursor->is_bad = true;
            return;
        }
        block += step;
        blocks[i] = block;
    }
    cursor->is_bad |= blocks[0] < entry->first_block;
    entry->bucket_blocks = blocks;
}

enum error_code shard_entry_read(const void *data, size_t size, struct arena *arena,
                                 struct shard_entry *entry, struct error *error)
{
    struct cursor cursor = cursor_over(data, size);
    struct shard_entry read = {0};
    bool is_short = false;
    uint8_t version = cursor_u8(&cursor);
    if (cursor.is_bad || (version != ENTRY_VERSION && version != ENTRY_VERSION_MADE))
        return error_set(error, ERROR_DAMAGED, "not a shard entry");
    read.phase = read_u32(&cursor);
    uint32_t run = read_u32(&cursor);
    read.shard = SHARD_ID(run, read_u32(&cursor));
    read.generation = read_u32(&cursor);
    read.first_block = cursor_varint(&cursor);
    read.block_count = cursor_varint(&cursor);
    read.reject_count = cursor_varint(&cursor);
    read.stored_bytes = cursor_varint(&cursor);
    read_account(&cursor, &read.account);
    if (version == ENTRY_VERSION_MADE)
        read_made(&cursor, &read.account);
    read.digest.low = cursor_u64(&cursor);
    read.digest.high = cursor_u64(&cursor);
    read.cpu_us = cursor_varint(&cursor);
    cursor.is_bad |= read.block_count > UINT64_MAX - read.first_block;
    read_reasons(&cursor, arena, &read, &is_short);
    if (!cursor.is_bad && !is_short)
        read_buckets(&cursor, arena, &read, &is_short);
    if (is_short)
        return error_set(error, ERROR_MEMORY, "no memory for a shard entry");
    if (cursor.is_bad || cursor_left(&cursor) > 0)
        return error_set(error, ERROR_DAMAGED, "damaged shard entry");
    *entry = read;
    return OK;
}

static struct reason *find_reason(struct reason_table *table, const struct reason *reason)
{
    for (size_t i = 0; i < table->count; i++) {
        struct reason *item = &table->items[i];
        if (item->is_quarantine == reason->is_quarantine &&
            strcmp(item->reason, reason->reason) == 0 &&
            strcmp(item->stage, reason->stage) == 0)
            return item;
    }
    return NULL;
}

/* Two places are kept for "other", so that nothing is ever left out of the sum. */
static struct reason *append_reason(struct reason_table *table,
                                    const struct reason *reason)
{
    const char *stage = NULL;
    const char *text = NULL;
    if (table->count < REASONS_MAX - 2) {
        stage = arena_copy_text(table->arena, reason->stage, strlen(reason->stage));
        text = arena_copy_text(table->arena, reason->reason, strlen(reason->reason));
    }
    struct reason item = {
        .stage = stage, .reason = text, .is_quarantine = reason->is_quarantine};
    if (!stage || !text) {
        item.stage = "other";
        item.reason = "other";
        struct reason *other = find_reason(table, &item);
        if (other)
            return other;
    }
    table->items[table->count] = item;
    return &table->items[table->count++];
}

void reason_table_add(struct reason_table *table, const struct reason *reason)
{
    struct reason *item = find_reason(table, reason);
    if (!item)
        item = append_reason(table, reason);
    tally_add(&item->tally, &reason->tally);
}
