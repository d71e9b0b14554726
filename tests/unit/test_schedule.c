/* test_schedule.c - each rule of the schedule, as events and the actions they cause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/schedule.h"

static struct schedule *schedule;
static int64_t now_ms;

static const struct schedule_settings defaults = {.silence_ms = 2000,
                                                  .shard_attempts = 3,
                                                  .infrastructure_attempts = 4,
                                                  .worker_failures = 3};

static void begin_with(const struct schedule_settings *settings, const struct run *runs,
                       uint32_t count)
{
    struct error error;
    now_ms = 1000;
    assert_int_equal(schedule_create(runs, count, settings, &schedule, &error), OK);
}

static void begin(const struct run *runs, uint32_t count)
{
    begin_with(&defaults, runs, count);
}

static int end(void **state)
{
    (void)state;
    schedule_destroy(schedule);
    schedule = NULL;
    return 0;
}

static size_t describe(const struct schedule_action *action, char *text, size_t size)
{
    static const char *const names[] = {
        [ACTION_LEASE] = "lease",       [ACTION_REVOKE] = "revoke",
        [ACTION_SUSPECT] = "suspect",   [ACTION_SET_ASIDE] = "aside",
        [ACTION_LOST] = "lost",         [ACTION_FLUSH] = "flush",
        [ACTION_COMPLETE] = "complete", [ACTION_DRAINED] = "drained",
        [ACTION_GIVE_UP] = "give up"};
    char shard[32] = "", index[16] = "*";
    if (SHARD_INDEX(action->shard) != SHARDS_UNKNOWN)
        (void)snprintf(index, sizeof index, "%u", SHARD_INDEX(action->shard));
    (void)snprintf(shard, sizeof shard, " %u:%s", SHARD_RUN(action->shard), index);
    const char *name = names[action->type];
    int used = 0;
    switch (action->type) {
    case ACTION_LEASE:
        used = snprintf(text, size, "%s %u%s+%u e%u%s", name, action->worker, shard,
                        action->count, action->epoch, action->is_speculative ? "!" : "");
        break;
    case ACTION_REVOKE:
        used = snprintf(text, size, "%s %u%s e%u", name, action->worker, shard,
                        action->epoch);
        break;
    case ACTION_SUSPECT:
        used = snprintf(text, size, "%s%s #%u x%u %s", name, shard, action->ordinal,
                        action->strikes, action->reason);
        break;
    case ACTION_GIVE_UP:
        used = snprintf(text, size, "%s%s %s", name, shard, action->reason);
        break;
    case ACTION_SET_ASIDE:
    case ACTION_LOST:
    case ACTION_FLUSH:
        used = snprintf(text, size, "%s %u", name, action->worker);
        break;
    case ACTION_COMPLETE:
    case ACTION_DRAINED:
        used = snprintf(text, size, "%s", name);
        break;
    }
    assert_in_range(used, 1, size - 1);
    return (size_t)used;
}

static void step(struct schedule_event event, const char *wanted, int line)
{
    char text[1024] = "";
    size_t used = 0;
    struct schedule_actions actions;
    struct error error;
    event.now_ms = now_ms;
    enum error_code code = schedule_step(schedule, &event, &actions, &error);
    if (code != OK)
        print_error("line %d: %s\n", line, error.text);
    assert_int_equal(code, OK);
    for (size_t i = 0; i < actions.count; i++) {
        if (i)
            used += (size_t)snprintf(text + used, sizeof text - used, ", ");
        used += describe(&actions.items[i], text + used, sizeof text - used);
    }
    if (strcmp(text, wanted) != 0)
        print_error("line %d\n", line);
    assert_string_equal(text, wanted);
}

#define STEP(wanted, ...) step((struct schedule_event){__VA_ARGS__}, (wanted), __LINE__)
#define JOIN(who, n, wanted) \
    STEP(wanted, .type = EVENT_JOIN, .worker = (who), .credit = (n), .stream_credit = 1)
#define CREDIT(who, n, wanted) \
    STEP(wanted, .type = EVENT_CREDIT, .worker = (who), .credit = (n), .stream_credit = 1)
#define LEAVE(who, wanted) STEP(wanted, .type = EVENT_LEAVE, .worker = (who))
#define DONE(who, run, index, at, wanted)                                            \
    STEP(wanted, .type = EVENT_DONE, .worker = (who), .shard = SHARD_ID(run, index), \
         .epoch = (at))
#define FAIL(who, run, index, at, class, wanted)                                     \
    STEP(wanted, .type = EVENT_FAIL, .worker = (who), .shard = SHARD_ID(run, index), \
         .epoch = (at), .fail_class = (class))
#define FAIL_AT(who, run, index, at, record, wanted)                                 \
    STEP(wanted, .type = EVENT_FAIL, .worker = (who), .shard = SHARD_ID(run, index), \
         .epoch = (at), .fail_class = FAIL_RECORD, .ordinal = (record), .stage = 2,  \
         .reason = "SIGSEGV")
#define RETURN(who, run, index, n, at, wanted)                                         \
    STEP(wanted, .type = EVENT_RETURN, .worker = (who), .shard = SHARD_ID(run, index), \
         .count = (n), .epoch = (at))
#define STREAM(who, run, n, at, wanted)                 \
    STEP(wanted, .type = EVENT_STREAM, .worker = (who), \
         .shard = SHARD_ID(run, SHARDS_UNKNOWN), .count = (n), .epoch = (at))
#define TICK(wanted) STEP(wanted, .type = EVENT_TICK)
#define DRAIN(wanted) STEP(wanted, .type = EVENT_DRAIN)

static const struct run four[] = {{.kind = RUN_PLAIN, .count = 4}};
static const struct run nine[] = {{.kind = RUN_PLAIN, .count = 9}};
static const struct run stream[] = {{.kind = RUN_STREAM, .count = SHARDS_UNKNOWN}};

/* ---- leasing ---- */

static void leases_are_consecutive_ranges_in_input_order(void **state)
{
    (void)state;
    const struct run runs[] = {{.kind = RUN_PLAIN, .count = 3},
                               {.kind = RUN_GROUP, .count = 1},
                               {.kind = RUN_PLAIN, .count = 0},
                               {.kind = RUN_PLAIN, .count = 5}};
    begin(runs, 4);
    JOIN(1, 6, "lease 1 0:0+3 e0, lease 1 1:0+1 e0, lease 1 3:0+2 e0");
    JOIN(2, 2, "lease 2 3:2+2 e0");
    DONE(1, 0, 0, 0, "lease 1 3:4+1 e0, flush 1, flush 2");
}

static void credit_is_absolute(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    CREDIT(1, 2, "");
    CREDIT(1, 5, "lease 1 0:2+3 e0");
    CREDIT(1, 1, "");
    DONE(1, 0, 0, 0, "");
    CREDIT(1, 5, "lease 1 0:5+1 e0");
}

static void returned_shards_are_shared_by_what_each_still_wants(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(1, 9, "lease 1 0:0+9 e0, flush 1");
    JOIN(2, 6, "");
    JOIN(3, 2, "");
    JOIN(4, 1, "");
    LEAVE(1, "lease 2 0:0+6 e1, lease 3 0:6+2 e1, lease 4 0:8+1 e1, flush 2, flush 3, "
             "flush 4");
    CREDIT(4, 3, "");
    JOIN(5, 4, "");
    LEAVE(2, "lease 4 0:0+2 e2, lease 5 0:2+4 e2, flush 4, flush 5");
}

static void few_shards_are_not_all_given_to_the_first(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0, flush 1");
    JOIN(2, 4, "");
    JOIN(3, 4, "");
    LEAVE(1, "lease 2 0:0+2 e1, lease 3 0:2+2 e1, flush 2, flush 3");
}

static void returned_shards_come_before_fresh_ones(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(1, 3, "lease 1 0:0+3 e0");
    RETURN(1, 0, 1, 2, 0, "lease 1 0:1+2 e1");
    CREDIT(1, 0, "");
    RETURN(1, 0, 1, 2, 1, "");
    JOIN(2, 4, "lease 2 0:1+2 e2, lease 2 0:3+2 e0");
}

/* ---- results ---- */

static void done_counts_once_at_any_epoch_from_anybody(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0, flush 1");
    LEAVE(1, "");
    JOIN(2, 2, "lease 2 0:0+2 e1");
    DONE(1, 0, 0, 0, "revoke 2 0:0 e1, lease 2 0:2+1 e1");
    DONE(1, 0, 3, 0, "flush 2"); /* nobody holds it */
    DONE(1, 0, 3, 0, "");
    DONE(7, 0, 1, 9, "revoke 2 0:1 e1"); /* a worker never seen */
    DONE(2, 0, 2, 1, "complete");
    DONE(2, 0, 2, 1, "");
    CREDIT(2, 9, "");
    struct schedule_counts counts;
    schedule_count(schedule, &counts);
    assert_int_equal(counts.done, 4);
    assert_int_equal(counts.total, 4);
    assert_int_equal(counts.changed_worker, 2); /* shards 1 and 2 */
    assert_int_equal(counts.retried, 3);
}

static void nothing_to_do_is_complete_at_the_first_event(void **state)
{
    (void)state;
    begin(four, 1);
    for (uint32_t i = 0; i < 4; i++)
        schedule_mark_done(schedule, SHARD_ID(0, i));
    TICK("complete");
    JOIN(1, 4, "");
}

static void shards_marked_done_are_not_leased(void **state)
{
    (void)state;
    begin(nine, 1);
    schedule_mark_done(schedule, SHARD_ID(0, 0));
    schedule_mark_done(schedule, SHARD_ID(0, 3));
    schedule_mark_done(schedule, SHARD_ID(0, 3));
    schedule_mark_done(schedule, SHARD_ID(5, 3)); /* there is no such run */
    JOIN(1, 4, "lease 1 0:1+2 e0, lease 1 0:4+2 e0");
    struct schedule_counts counts;
    schedule_count(schedule, &counts);
    assert_int_equal(counts.done, 2);
    assert_int_equal(counts.leased, 4);
    assert_int_equal(counts.pending, 3);
    assert_true(counts.is_total_exact);
}

static void events_that_make_no_sense_are_errors(void **state)
{
    (void)state;
    const struct schedule_event events[] = {
        {.type = EVENT_CREDIT, .worker = 2},
        {.type = EVENT_LEAVE, .worker = 2},
        {.type = EVENT_FAIL, .worker = 2},
        {.type = EVENT_JOIN, .worker = 0},
        {.type = EVENT_JOIN, .worker = UINT32_MAX},
        {.type = EVENT_DONE, .worker = 1, .shard = SHARD_ID(0, 4)},
        {.type = EVENT_DONE, .worker = 1, .shard = SHARD_ID(1, 0)},
        {.type = EVENT_DONE, .worker = 1, .shard = SHARD_ID(0, SHARDS_UNKNOWN)},
        {.type = EVENT_RETURN, .worker = 1, .shard = SHARD_ID(0, 2), .count = 3},
        {.type = EVENT_STREAM, .worker = 1, .shard = SHARD_ID(0, SHARDS_UNKNOWN)},
        {.type = EVENT_FAIL, .worker = 1, .fail_class = (enum fail_class)9},
        {.type = (enum schedule_event_type)99, .worker = 1},
    };
    begin(four, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0, flush 1");
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        struct schedule_actions actions;
        struct error error;
        assert_int_equal(schedule_step(schedule, &events[i], &actions, &error),
                         ERROR_FATAL);
    }
    DONE(1, 0, 0, 0, "");
}

/* ---- failures ---- */

static void a_failure_at_another_epoch_changes_nothing(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    FAIL(1, 0, 0, 1, FAIL_CONFIG, "");
    FAIL(1, 0, 3, 0, FAIL_CONFIG, "");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "lease 1 0:0+1 e1");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "");
}

static void a_record_is_condemned_at_its_second_strike(void **state)
{
    (void)state;
    const struct lease_suspect *suspects;
    begin(four, 1);
    JOIN(1, 1, "lease 1 0:0+1 e0");
    FAIL_AT(1, 0, 0, 0, 7, "suspect 0:0 #7 x1 SIGSEGV, lease 1 0:0+1 e1");
    FAIL_AT(1, 0, 0, 1, 3, "suspect 0:0 #3 x1 SIGSEGV, lease 1 0:0+1 e2");
    FAIL_AT(1, 0, 0, 2, 7, "suspect 0:0 #7 x2 SIGSEGV, lease 1 0:0+1 e3");
    assert_int_equal(schedule_suspects(schedule, SHARD_ID(0, 0), &suspects), 2);
    assert_int_equal(suspects[0].ordinal, 3);
    assert_int_equal(suspects[0].strikes, 1);
    assert_int_equal(suspects[1].ordinal, 7);
    assert_int_equal(suspects[1].strikes, 2);
    assert_int_equal(suspects[1].stage, 2);
    assert_string_equal(suspects[1].reason, "SIGSEGV");
    assert_int_equal(schedule_suspects(schedule, SHARD_ID(0, 1), &suspects), 0);
}

static void records_do_not_spend_the_budget_of_their_shard(void **state)
{
    (void)state;
    char wanted[64];
    begin(four, 1);
    JOIN(1, 1, "lease 1 0:0+1 e0");
    uint32_t epoch = 0;
    for (uint32_t record = 0; record < 50; record++)
        for (uint32_t strike = 1; strike <= 2; strike++, epoch++) {
            (void)snprintf(wanted, sizeof wanted,
                           "suspect 0:0 #%u x%u SIGSEGV, lease 1 0:0+1 e%u", record,
                           strike, epoch + 1);
            FAIL_AT(1, 0, 0, epoch, record, wanted);
        }
    /* Condemned ones are not run: that they fail once more is the shard's failure. */
    FAIL_AT(1, 0, 0, 100, 0, "lease 1 0:0+1 e101");
    FAIL_AT(1, 0, 0, 101, 0, "lease 1 0:0+1 e102");
    FAIL_AT(1, 0, 0, 102, 0, "give up 0:0 SIGSEGV");
}

static void suspects_of_an_earlier_session_are_known(void **state)
{
    (void)state;
    const struct lease_suspect *suspects;
    begin(four, 1);
    assert_int_equal(
        schedule_mark_suspect(schedule, SHARD_ID(0, 2), 5, 1, 1, "timeout", NULL), OK);
    assert_int_equal(schedule_suspects(schedule, SHARD_ID(0, 2), &suspects), 1);
    JOIN(1, 4, "lease 1 0:0+4 e0, flush 1");
    FAIL_AT(1, 0, 2, 0, 5, "suspect 0:2 #5 x2 SIGSEGV, lease 1 0:2+1 e1, flush 1");
    assert_int_equal(schedule_suspects(schedule, SHARD_ID(0, 2), &suspects), 1);
    assert_string_equal(suspects[0].reason, "timeout");
}

static void a_failed_shard_waits_for_another_worker_but_not_long(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    JOIN(2, 1, "lease 2 0:2+1 e0");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "lease 1 0:3+1 e0"); /* another one for now */
    now_ms += 500;
    CREDIT(1, 3, "");
    DONE(2, 0, 2, 0, "lease 2 0:0+1 e1, flush 1, flush 2");
    FAIL(2, 0, 0, 1, FAIL_SHARD, "lease 1 0:0+1 e2, flush 1"); /* it failed on both */
}

static void a_failed_shard_goes_to_the_same_worker_in_the_end(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    JOIN(2, 2, "lease 2 0:2+2 e0, flush 1, flush 2");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "");
    now_ms += 1000;
    TICK("");
    now_ms += 1;
    TICK("lease 1 0:0+1 e1, flush 1");
}

static void a_shard_has_its_attempts(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 1, "lease 1 0:0+1 e0");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "lease 1 0:0+1 e1");
    FAIL(1, 0, 0, 1, FAIL_INFRASTRUCTURE, "lease 1 0:0+1 e2");
    FAIL(1, 0, 0, 2, FAIL_SHARD, "lease 1 0:0+1 e3");
    FAIL(1, 0, 0, 3, FAIL_INFRASTRUCTURE, "lease 1 0:0+1 e4");
    FAIL(1, 0, 0, 4, FAIL_SHARD, "give up 0:0 the shard failed too often");
    CREDIT(1, 9, "");
}

static void machines_have_a_budget_of_their_own(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 1, "lease 1 0:0+1 e0");
    for (uint32_t i = 0; i < 3; i++) {
        char wanted[32];
        (void)snprintf(wanted, sizeof wanted, "lease 1 0:0+1 e%u", i + 1);
        FAIL(1, 0, 0, i, FAIL_INFRASTRUCTURE, wanted);
    }
    FAIL(1, 0, 0, 3, FAIL_INFRASTRUCTURE,
         "give up 0:0 the machines failed this shard too often");
}

static void a_full_disk_is_the_end_on_the_last_worker(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 1, "lease 1 0:0+1 e0");
    JOIN(2, 1, "lease 2 0:1+1 e0");
    FAIL(1, 0, 0, 0, FAIL_FULL, "lease 1 0:2+1 e0");
    LEAVE(1, "");
    FAIL(2, 0, 1, 0, FAIL_FULL, "give up 0:1 disk full");
}

static void a_wrong_configuration_is_the_end(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 1, "lease 1 0:0+1 e0");
    JOIN(2, 1, "lease 2 0:1+1 e0");
    FAIL(1, 0, 0, 0, FAIL_CONFIG, "give up 0:0 a stage cannot be opened");
    FAIL(2, 0, 1, 0, FAIL_CONFIG, "");
    DRAIN("drained");
}

/* ---- workers ---- */

static void a_worker_that_fails_shard_after_shard_is_set_aside(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0");
    JOIN(2, 1, "lease 2 0:4+1 e0");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "lease 1 0:5+1 e0");
    FAIL(1, 0, 1, 0, FAIL_INFRASTRUCTURE, "lease 1 0:6+1 e0");
    FAIL(1, 0, 2, 0, FAIL_SHARD, "aside 1");
    CREDIT(1, 9, "");
    FAIL(1, 0, 3, 0, FAIL_SHARD, "");
    /* The failures were the worker's: the shards have all their attempts again. */
    CREDIT(2, 2, "lease 2 0:0+1 e1");
    FAIL(2, 0, 0, 1, FAIL_SHARD, "lease 2 0:1+1 e1");
    FAIL(2, 0, 1, 1, FAIL_SHARD, "lease 2 0:0+1 e2");
    FAIL(2, 0, 0, 2, FAIL_SHARD, "lease 2 0:1+1 e2");
    FAIL(2, 0, 1, 2, FAIL_SHARD, "lease 2 0:0+1 e3");
    FAIL(2, 0, 0, 3, FAIL_SHARD, "give up 0:0 the shard failed too often");
    struct schedule_counts counts;
    schedule_count(schedule, &counts);
    assert_int_equal(counts.set_aside, 1);
    assert_int_equal(counts.workers, 1);
}

static void one_shard_and_a_shard_done_between_do_not_set_aside(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(2, 0, "");
    JOIN(1, 4, "lease 1 0:0+4 e0");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "lease 1 0:4+1 e0");
    FAIL(1, 0, 1, 0, FAIL_SHARD, "lease 1 0:5+1 e0");
    DONE(1, 0, 2, 0, "lease 1 0:6+1 e0");
    FAIL(1, 0, 3, 0, FAIL_SHARD, "lease 1 0:7+1 e0");
    FAIL(1, 0, 4, 0, FAIL_SHARD, "lease 1 0:8+1 e0");
    now_ms += 1001;
    CREDIT(1, 4, "");
    FAIL_AT(1, 0, 5, 0, 1, "suspect 0:5 #1 x1 SIGSEGV, lease 1 0:0+1 e1");
    FAIL(1, 0, 6, 0, FAIL_SHARD, "aside 1");
}

static void the_last_worker_is_not_set_aside(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0");
    FAIL(1, 0, 0, 0, FAIL_SHARD, "lease 1 0:0+1 e1");
    FAIL(1, 0, 1, 0, FAIL_SHARD, "lease 1 0:1+1 e1");
    FAIL(1, 0, 2, 0, FAIL_SHARD, "lease 1 0:2+1 e1");
    FAIL(1, 0, 3, 0, FAIL_SHARD, "lease 1 0:3+1 e1");
    JOIN(2, 1, "lease 2 0:4+1 e0");
    FAIL(1, 0, 3, 1, FAIL_SHARD, "aside 1");
    /* When there is no other one any more, it is better than none. */
    LEAVE(2, "lease 1 0:0+4 e2");
}

static void a_silent_worker_is_lost(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    JOIN(2, 1, "lease 2 0:2+1 e0");
    now_ms += 2000;
    CREDIT(2, 1, "");
    TICK("");
    now_ms += 1;
    TICK("lost 1");
    TICK("");
    CREDIT(1, 4, ""); /* it must join again */
    FAIL(1, 0, 0, 0, FAIL_CONFIG, "");
    LEAVE(1, "");
    CREDIT(2, 2, "lease 2 0:0+1 e1");
    JOIN(1, 4, "lease 1 0:1+1 e1, lease 1 0:3+1 e0, flush 2, flush 1");
}

static void a_worker_that_joins_again_has_lost_its_leases(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    JOIN(1, 2, "lease 1 0:0+2 e1");
    DONE(1, 0, 0, 1, "lease 1 0:2+1 e0");
}

/* ---- the end of a phase ---- */

static const struct schedule_settings eager = {.silence_ms = 2000,
                                               .shard_attempts = 3,
                                               .infrastructure_attempts = 4,
                                               .speculate = 3,
                                               .speculate_min_ms = 100};

static void the_oldest_lease_is_given_to_a_second_worker(void **state)
{
    (void)state;
    begin_with(&eager, four, 1);
    JOIN(1, 2, "lease 1 0:0+2 e0");
    JOIN(2, 2, "lease 2 0:2+2 e0, flush 1, flush 2");
    now_ms += 50;
    DONE(2, 0, 2, 0, "");
    now_ms += 10;
    DONE(2, 0, 3, 0, "");
    now_ms += 119; /* three times the median, 60 ms, are 180 */
    CREDIT(2, 1, "");
    now_ms += 1;
    CREDIT(2, 1, "lease 2 0:0+1 e0!, flush 2");
    CREDIT(2, 3, "lease 2 0:1+1 e0!, flush 2");
    JOIN(3, 4, ""); /* two holders are enough */
    DONE(2, 0, 0, 0, "revoke 1 0:0 e0");
    DONE(1, 0, 1, 0, "revoke 2 0:1 e0, complete");
}

static void a_unit_is_never_given_to_its_holder_again(void **state)
{
    (void)state;
    begin_with(&eager, four, 1);
    JOIN(1, 9, "lease 1 0:0+4 e0, flush 1");
    now_ms += 1000;
    CREDIT(1, 9, "");
    JOIN(2, 1, "lease 2 0:0+1 e0!, flush 2");
}

static void one_of_two_holders_may_go(void **state)
{
    (void)state;
    begin_with(&eager, four, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0, flush 1");
    now_ms += 1000;
    JOIN(2, 2, "lease 2 0:0+1 e0!, lease 2 0:1+1 e0!, flush 2");
    RETURN(2, 0, 0, 1, 0, "lease 2 0:0+1 e0!, flush 2");
    FAIL(2, 0, 1, 0, FAIL_SHARD, "lease 2 0:2+1 e0!, flush 2");
    LEAVE(1, ""); /* 0 and 2 stay with worker 2 at their epoch */
    CREDIT(2, 4, "lease 2 0:1+1 e1, lease 2 0:3+1 e1, flush 2");
    DONE(2, 0, 0, 0, "");
    DONE(2, 0, 1, 1, "");
    DONE(2, 0, 2, 0, "");
    DONE(2, 0, 3, 1, "complete");
}

static void holders_are_asked_once_to_flush(void **state)
{
    (void)state;
    begin(four, 1);
    JOIN(1, 3, "lease 1 0:0+3 e0");
    JOIN(2, 3, "lease 2 0:3+1 e0, flush 1, flush 2");
    CREDIT(1, 3, "");
    DONE(1, 0, 0, 0, "");
    RETURN(1, 0, 1, 1, 0, "lease 2 0:1+1 e1, flush 2");
}

static void a_drain_leases_nothing_more(void **state)
{
    (void)state;
    begin(nine, 1);
    JOIN(1, 4, "lease 1 0:0+4 e0");
    DRAIN("");
    DONE(1, 0, 0, 0, "");
    CREDIT(1, 9, "");
    FAIL(1, 0, 1, 0, FAIL_SHARD, "");
    RETURN(1, 0, 2, 2, 0, "drained");
    JOIN(2, 9, "");
    TICK("");
}

static void a_drain_without_leases_is_over_at_once(void **state)
{
    (void)state;
    begin(nine, 1);
    DRAIN("drained");
    DRAIN("");
}

/* ---- streams ---- */

static void a_stream_is_leased_whole_and_ends_with_its_count(void **state)
{
    (void)state;
    const struct run runs[] = {{.kind = RUN_STREAM, .count = SHARDS_UNKNOWN},
                               {.kind = RUN_PLAIN, .count = 2},
                               {.kind = RUN_STREAM, .count = SHARDS_UNKNOWN}};
    begin(runs, 3);
    JOIN(1, 2, "lease 1 1:0+2 e0, lease 1 0:*+1 e0");
    DONE(1, 0, 1, 0, "");
    struct schedule_counts counts;
    schedule_count(schedule, &counts);
    assert_int_equal(counts.total, 5); /* 2 heard of, 2 plain, and at least 1 */
    assert_false(counts.is_total_exact);
    assert_int_equal(counts.done, 1);
    DONE(1, 0, 0, 0, "");
    STREAM(1, 0, 2, 0, "lease 1 2:*+1 e0"); /* its one stream credit is free again */
    STREAM(1, 2, 0, 0, "flush 1");          /* an empty one */
    DONE(1, 1, 0, 0, "");
    DONE(1, 1, 1, 0, "complete");
    schedule_count(schedule, &counts);
    assert_int_equal(counts.total, 4);
    assert_true(counts.is_total_exact);
}

static void a_lost_stream_goes_on_with_what_is_not_done(void **state)
{
    (void)state;
    uint32_t ranges[8];
    begin(stream, 1);
    JOIN(1, 1, "lease 1 0:*+1 e0");
    DONE(1, 0, 0, 0, "");
    DONE(1, 0, 1, 0, "");
    DONE(1, 0, 17, 0, "");
    LEAVE(1, "");
    JOIN(2, 1, "lease 2 0:*+1 e1");
    assert_int_equal(schedule_stream_done(schedule, 0, ranges, 4), 2);
    assert_int_equal(ranges[0], 0);
    assert_int_equal(ranges[1], 2);
    assert_int_equal(ranges[2], 17);
    assert_int_equal(ranges[3], 18);
    assert_int_equal(schedule_stream_done(schedule, 0, ranges, 0), 2);
    STREAM(1, 0, 18, 0, ""); /* not its holder any more */
    DONE(1, 0, 2, 0, "revoke 2 0:2 e1");
    STREAM(2, 0, 18, 1, "flush 2");
    for (uint32_t i = 3; i < 16; i++)
        DONE(2, 0, i, 1, "");
    DONE(1, 0, 16, 0, "revoke 2 0:* e1, complete");
}

static void a_failed_shard_of_a_stream_stays_with_its_holder(void **state)
{
    (void)state;
    begin(stream, 1);
    JOIN(2, 1, "lease 2 0:*+1 e0");
    JOIN(1, 1, "");
    FAIL_AT(2, 0, 3, 0, 9, "suspect 0:3 #9 x1 SIGSEGV, lease 2 0:3+1 e0");
    FAIL_AT(2, 0, 3, 0, 9, "suspect 0:3 #9 x2 SIGSEGV, lease 2 0:3+1 e0");
    FAIL(2, 0, 3, 0, FAIL_SHARD, "lease 2 0:3+1 e0");
    /* Before the last attempt the other worker gets the stream. */
    FAIL(2, 0, 3, 0, FAIL_SHARD, "revoke 2 0:* e0, lease 1 0:*+1 e1");
    FAIL(1, 0, 3, 1, FAIL_SHARD, "give up 0:3 the shard failed too often");
}

static void the_end_of_a_stream_makes_its_holder_flush(void **state)
{
    (void)state;
    begin(stream, 1);
    JOIN(1, 1, "lease 1 0:*+1 e0");
    DONE(1, 0, 0, 0, "");
    STREAM(1, 0, SHARDS_UNKNOWN, 0, "");
    STREAM(1, 0, 3, 0, "flush 1");
    STREAM(1, 0, 3, 0, "");
    DONE(1, 0, 2, 0, "");
    DONE(1, 0, 1, 0, "complete");
}

static void a_stream_known_from_before_needs_no_end(void **state)
{
    (void)state;
    const struct run runs[] = {{.kind = RUN_STREAM, .count = 2},
                               {.kind = RUN_STREAM, .count = SHARDS_UNKNOWN}};
    begin(runs, 2);
    schedule_mark_done(schedule, SHARD_ID(0, 1));
    schedule_mark_done(schedule, SHARD_ID(1, 0));
    schedule_mark_stream_end(schedule, 1, 1);
    JOIN(1, 1, "lease 1 0:*+1 e0, flush 1");
    DONE(1, 0, 0, 0, "complete");
}

static void a_stream_without_one_of_its_shards_comes_back_whole(void **state)
{
    (void)state;
    begin(stream, 1);
    JOIN(1, 1, "lease 1 0:*+1 e0");
    RETURN(1, 0, 4, 1, 0, "revoke 1 0:* e0, lease 1 0:*+1 e1");
    RETURN(1, 0, SHARDS_UNKNOWN, 1, 1, "lease 1 0:*+1 e2");
}

int main(void)
{
#define RULE(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        RULE(leases_are_consecutive_ranges_in_input_order),
        RULE(credit_is_absolute),
        RULE(returned_shards_are_shared_by_what_each_still_wants),
        RULE(few_shards_are_not_all_given_to_the_first),
        RULE(returned_shards_come_before_fresh_ones),
        RULE(done_counts_once_at_any_epoch_from_anybody),
        RULE(nothing_to_do_is_complete_at_the_first_event),
        RULE(shards_marked_done_are_not_leased),
        RULE(events_that_make_no_sense_are_errors),
        RULE(a_failure_at_another_epoch_changes_nothing),
        RULE(a_record_is_condemned_at_its_second_strike),
        RULE(records_do_not_spend_the_budget_of_their_shard),
        RULE(suspects_of_an_earlier_session_are_known),
        RULE(a_failed_shard_waits_for_another_worker_but_not_long),
        RULE(a_failed_shard_goes_to_the_same_worker_in_the_end),
        RULE(a_shard_has_its_attempts),
        RULE(machines_have_a_budget_of_their_own),
        RULE(a_full_disk_is_the_end_on_the_last_worker),
        RULE(a_wrong_configuration_is_the_end),
        RULE(a_worker_that_fails_shard_after_shard_is_set_aside),
        RULE(one_shard_and_a_shard_done_between_do_not_set_aside),
        RULE(the_last_worker_is_not_set_aside),
        RULE(a_silent_worker_is_lost),
        RULE(a_worker_that_joins_again_has_lost_its_leases),
        RULE(the_oldest_lease_is_given_to_a_second_worker),
        RULE(a_unit_is_never_given_to_its_holder_again),
        RULE(one_of_two_holders_may_go),
        RULE(holders_are_asked_once_to_flush),
        RULE(a_drain_leases_nothing_more),
        RULE(a_drain_without_leases_is_over_at_once),
        RULE(a_stream_is_leased_whole_and_ends_with_its_count),
        RULE(a_lost_stream_goes_on_with_what_is_not_done),
        RULE(a_failed_shard_of_a_stream_stays_with_its_holder),
        RULE(the_end_of_a_stream_makes_its_holder_flush),
        RULE(a_stream_known_from_before_needs_no_end),
        RULE(a_stream_without_one_of_its_shards_comes_back_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
