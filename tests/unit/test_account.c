/* test_account.c - tests core/account.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/account.h"
#include "core/arena.h"
#include "core/bytes.h"
#include "tests/unit/job_fixture.h"

static const struct reason reasons[] = {
    {.stage = "input", .reason = "bad_json", .is_quarantine = true, .tally = {1, 20}},
    {.stage = "filter", .reason = "too_short", .tally = {UINT64_MAX, 300}}};
static const uint64_t buckets[] = {7, 7, 9, 10};
static const struct shard_entry full = {
    .shard = SHARD_ID(3, UINT32_MAX),
    .phase = 2,
    .generation = 1,
    .first_block = 7,
    .block_count = 3,
    .reject_count = 1,
    .stored_bytes = 12345,
    .account = {.read = {10, 1000},
                .emitted = {6, 600},
                .dropped = {3, 300},
                .quarantined = {1, 20},
                .separator_bytes = 80},
    .digest = {.low = 0x0123456789abcdef, .high = 0xfedcba9876543210},
    .reasons = reasons,
    .reason_count = 2,
    .bucket_blocks = buckets,
    .bucket_count = 3,
    .cpu_us = 99};

static void the_law_counts_records_and_bytes(void **state)
{
    (void)state;
    struct account account = full.account;
    assert_true(account_holds(&account));
    account.separator_bytes--;
    assert_false(account_holds(&account));
    account = full.account;
    account.dropped.records++;
    assert_false(account_holds(&account));
    account = full.account;
    account_add(&account, &full.account);
    assert_true(account_holds(&account));
    assert_int_equal(account.read.records, 20);
    assert_int_equal(account.separator_bytes, 160);
}

static void made_records_have_a_law_of_their_own(void **state)
{
    (void)state;
    struct account account = full.account;
    account.used = (struct tally){4, 400};
    account.made = (struct made_account){.made = {10, 1000},
                                         .merged = {1, 100},
                                         .emitted = {6, 600},
                                         .dropped = {2, 200},
                                         .quarantined = {1, 100}};
    assert_true(account_holds(&account));
    assert_int_equal(account_stored(&account).records, 6 - 4 + 6);
    assert_int_equal(account_stored(&account).bytes, 600 - 400 + 600);
    account.made.merged.bytes--;
    assert_false(account_holds(&account));
    account.made.merged.bytes++;
    account.made.made.records++;
    assert_false(account_holds(&account));
    account.made.made.records--;
    account.used.records = 7;
    assert_false(account_holds(&account));
}

static void an_entry_with_made_records_is_read_back(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct bytes written = {0};
    struct shard_entry entry = full, read;
    entry.account.used = (struct tally){4, 400};
    entry.account.made =
        (struct made_account){{10, 1000}, {1, 100}, {6, 600}, {2, 200}, {1, 100}};
    shard_entry_write(&entry, &written);
    assert_int_equal(written.data[0], 2);
    assert_int_equal(shard_entry_read(written.data, written.size, arena, &read, NULL),
                     OK);
    assert_memory_equal(&read.account, &entry.account, sizeof read.account);
    bytes_clear(&written);
    arena_destroy(arena);
}

static void entries_are_read_back_as_written(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct bytes first = {0};
    struct bytes second = {0};
    struct shard_entry read;
    shard_entry_write(&full, &first);
    assert_int_equal(shard_entry_read(first.data, first.size, arena, &read, NULL), OK);
    assert_true(read.shard == full.shard);
    assert_int_equal(read.reason_count, 2);
    assert_string_equal(read.reasons[1].reason, "too_short");
    assert_true(read.reasons[1].tally.records == UINT64_MAX);
    assert_memory_equal(read.bucket_blocks, buckets, sizeof buckets);
    assert_true(hash128_is_equal(read.digest, full.digest));
    shard_entry_write(&read, &second);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    bytes_clear(&first);
    bytes_clear(&second);
    arena_destroy(arena);
}

static void cut_and_lengthened_entries_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct bytes out = {0};
    struct shard_entry read;
    shard_entry_write(&full, &out);
    bytes_put_u8(&out, 0);
    for (size_t size = 0; size <= out.size; size++)
        if (size != out.size - 1)
            assert_int_equal(shard_entry_read(out.data, size, arena, &read, NULL),
                             ERROR_DAMAGED);
    bytes_clear(&out);
    arena_destroy(arena);
}

static void flipped_entries_never_crash(void **state)
{
    (void)state;
    struct bytes out = {0};
    struct shard_entry read;
    uint32_t seed = 3;
    shard_entry_write(&full, &out);
    for (int i = 0; i < 20000; i++) {
        struct arena *arena = arena_create(4096, 1 << 20);
        size_t at = fixture_random(&seed) % out.size;
        unsigned char before = out.data[at];
        out.data[at] = (unsigned char)fixture_random(&seed);
        enum error_code code = shard_entry_read(out.data, out.size, arena, &read, NULL);
        assert_true(code == OK || code == ERROR_DAMAGED);
        for (uint32_t k = 0; code == OK && read.bucket_blocks && k <= read.bucket_count;
             k++)
            assert_true(read.bucket_blocks[k] <= read.first_block + read.block_count);
        out.data[at] = before;
        arena_destroy(arena);
    }
    bytes_clear(&out);
}

static void reasons_are_summed_by_stage_reason_and_kind(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct reason_table table = {.arena = arena};
    struct reason quarantine = reasons[1];
    quarantine.is_quarantine = true;
    for (int i = 0; i < 3; i++) {
        reason_table_add(&table, &reasons[0]);
        reason_table_add(&table, &quarantine);
    }
    reason_table_add(&table, &reasons[1]);
    assert_int_equal(table.count, 3);
    assert_int_equal(table.items[0].tally.records, 3);
    assert_int_equal(table.items[0].tally.bytes, 60);
    arena_destroy(arena);
}

static void reasons_past_the_limit_are_summed_as_other(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 0);
    struct reason_table table = {.arena = arena};
    uint64_t records = 0;
    for (int i = 0; i < 1000; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "reason_%d", i % 400);
        struct reason reason = {
            .stage = "s", .reason = text, .is_quarantine = i % 2 == 1, .tally = {1, 2}};
        reason_table_add(&table, &reason);
    }
    assert_int_equal(table.count, REASONS_MAX);
    for (size_t i = 0; i < table.count; i++)
        records += table.items[i].tally.records;
    assert_int_equal(records, 1000);
    arena_destroy(arena);
}

static void reasons_without_memory_are_summed_as_other(void **state)
{
    (void)state;
    struct arena *arena = arena_create(4096, 1);
    struct reason_table table = {.arena = arena};
    reason_table_add(&table, &reasons[0]);
    reason_table_add(&table, &reasons[0]);
    assert_int_equal(table.count, 1);
    assert_string_equal(table.items[0].reason, "other");
    assert_int_equal(table.items[0].tally.records, 2);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_law_counts_records_and_bytes),
        cmocka_unit_test(made_records_have_a_law_of_their_own),
        cmocka_unit_test(an_entry_with_made_records_is_read_back),
        cmocka_unit_test(entries_are_read_back_as_written),
        cmocka_unit_test(cut_and_lengthened_entries_are_refused),
        cmocka_unit_test(flipped_entries_never_crash),
        cmocka_unit_test(reasons_are_summed_by_stage_reason_and_kind),
        cmocka_unit_test(reasons_past_the_limit_are_summed_as_other),
        cmocka_unit_test(reasons_without_memory_are_summed_as_other),
    };
    return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
