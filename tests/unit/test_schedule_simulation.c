/* test_schedule_simulation.c - whole runs of the schedule in virtual time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "coordinator/schedule.h"
#include "core/clock.h"

/* A model of the run beside the schedule: it plays the workers, keeps books of its own
 * from actions and events alone, and compares. MILLRACE_SEED replays one history,
 * MILLRACE_SEEDS says how many there are. */
enum { RUNS_MAX = 8, SHARDS_MAX = 64, WORKERS_MAX = 400, HOLDERS_MAX = 2, LIVE_MAX = 6 };

enum life { LIFE_NONE, LIFE_WORKING, LIFE_STALLED, LIFE_SILENT, LIFE_ASIDE, LIFE_GONE };

struct lease_seen {
    uint32_t worker, epoch;
};

struct model_unit {
    struct lease_seen holders[HOLDERS_MAX];
    uint32_t holder_count, epoch;
};

struct model_worker {
    enum life life;
    uint32_t credit, stream_credit;
    uint32_t held, streams_held;
};

struct model {
    uint64_t seed, random;
    struct schedule *schedule;
    struct schedule_settings settings;
    struct run runs[RUNS_MAX];
    uint32_t run_count;
    uint32_t truth[RUNS_MAX]; /* shards that a run really has */
    bool is_ended[RUNS_MAX];  /* the schedule knows it, for a stream */
    struct model_unit units[RUNS_MAX][SHARDS_MAX]; /* of a stream: [0] */
    bool done[RUNS_MAX][SHARDS_MAX];
    bool blocked[RUNS_MAX]
                [SHARDS_MAX]; /* failed at its stream's holder, not leased anew */
    struct model_worker workers[WORKERS_MAX];
    uint32_t worker_count;
    int64_t now_ms;
    bool is_complete, is_draining, is_drained, is_calm;
    bool is_clumsy; /* workers fail shards, too */
};

static uint32_t draw(struct model *model, uint32_t limit)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return (uint32_t)((model->random >> 20) % limit);
}

static bool chance(struct model *model, uint32_t per_mille)
{
    return draw(model, 1000) < per_mille;
}

#define CHECK(model, condition) check((model), (condition), #condition, __LINE__)

static void check(const struct model *model, bool condition, const char *text, int line)
{
    if (condition)
        return;
    print_error("seed %llu, %lld ms, line %d: %s\n", (unsigned long long)model->seed,
                (long long)model->now_ms, line, text);
    fail();
}

static bool is_stream(const struct model *model, uint32_t run)
{
    return model->runs[run].kind == RUN_STREAM;
}

static struct model_unit *unit_of(struct model *model, shard_id shard)
{
    uint32_t run = SHARD_RUN(shard);
    return &model->units[run][is_stream(model, run) ? 0 : SHARD_INDEX(shard)];
}

static bool drop_holder(struct model *model, shard_id shard, uint32_t worker)
{
    struct model_unit *unit = unit_of(model, shard);
    for (uint32_t i = 0; i < unit->holder_count; i++) {
        if (unit->holders[i].worker != worker)
            continue;
        unit->holders[i] = unit->holders[--unit->holder_count];
        if (unit->holder_count == 0) /* a lease to come is a new one */
            unit->epoch++;
        if (is_stream(model, SHARD_RUN(shard)))
            model->workers[worker].streams_held--;
        else
            model->workers[worker].held--;
        return true;
    }
    return false;
}

static void drop_all(struct model *model, uint32_t worker)
{
    for (uint32_t run = 0; run < model->run_count; run++) {
        uint32_t count = is_stream(model, run) ? 1 : model->truth[run];
        for (uint32_t i = 0; i < count; i++)
            (void)drop_holder(model, SHARD_ID(run, i), worker);
    }
}

static void note_single(struct model *model, const struct schedule_action *action)
{
    uint32_t run = SHARD_RUN(action->shard), index = SHARD_INDEX(action->shard);
    const struct model_unit *unit = unit_of(model, action->shard);
    CHECK(model, unit->holder_count == 1 && action->count == 1);
    CHECK(model, unit->holders[0].worker == action->worker);
    CHECK(model, unit->holders[0].epoch == action->epoch);
    CHECK(model, model->blocked[run][index] && !model->done[run][index]);
    model->blocked[run][index] = false;
}

static void note_stream(struct model *model, uint32_t run)
{
    uint32_t ranges[SHARDS_MAX * 2];
    bool told[SHARDS_MAX] = {false};
    size_t count = schedule_stream_done(model->schedule, run, ranges, SHARDS_MAX);
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = ranges[2 * i]; k < ranges[2 * i + 1]; k++)
            told[k] = true;
    for (uint32_t i = 0; i < model->truth[run]; i++) {
        CHECK(model, told[i] == model->done[run][i]);
        model->blocked[run][i] = false;
    }
}

static void note_lease(struct model *model, const struct schedule_action *action)
{
    uint32_t run = SHARD_RUN(action->shard), index = SHARD_INDEX(action->shard);
    struct model_worker *worker = &model->workers[action->worker];
    CHECK(model, !model->is_complete && !model->is_draining && action->count > 0);
    CHECK(model, run < model->run_count);
    if (is_stream(model, run) && index != SHARDS_UNKNOWN) {
        note_single(model, action);
        return;
    }
    CHECK(model, worker->life == LIFE_WORKING || worker->life == LIFE_STALLED ||
                     worker->life == LIFE_SILENT);
    for (uint32_t i = 0; i < action->count; i++) {
        shard_id shard = is_stream(model, run) ? action->shard : action->shard + i;
        struct model_unit *unit = unit_of(model, shard);
        CHECK(model, is_stream(model, run) || !model->done[run][index + i]);
        CHECK(model, unit->holder_count < HOLDERS_MAX);
        CHECK(model, action->epoch >= unit->epoch);
        CHECK(model, (unit->holder_count == 1) == action->is_speculative);
        if (unit->holder_count) {
            CHECK(model, unit->holders[0].worker != action->worker);
            CHECK(model, unit->holders[0].epoch == action->epoch);
            CHECK(model, !is_stream(model, run));
        }
        unit->epoch = action->epoch;
        unit->holders[unit->holder_count++] =
            (struct lease_seen){action->worker, action->epoch};
    }
    if (is_stream(model, run)) {
        worker->streams_held++;
        note_stream(model, run);
    } else {
        worker->held += action->count;
    }
    CHECK(model, is_stream(model, run) || worker->held <= worker->credit);
    CHECK(model,
          worker->streams_held <= worker->stream_credit || is_stream(model, run) == 0);
}

static bool is_all_done(const struct model *model)
{
    for (uint32_t run = 0; run < model->run_count; run++) {
        if (is_stream(model, run) && !model->is_ended[run])
            return false;
        for (uint32_t i = 0; i < model->truth[run]; i++)
            if (!model->done[run][i])
                return false;
    }
    return true;
}

static void note_action(struct model *model, const struct schedule_action *action)
{
    switch (action->type) {
    case ACTION_LEASE:
        note_lease(model, action);
        break;
    case ACTION_REVOKE:
        if (SHARD_INDEX(action->shard) == SHARDS_UNKNOWN ||
            !is_stream(model, SHARD_RUN(action->shard)))
            CHECK(model, drop_holder(model, action->shard, action->worker));
        break;
    case ACTION_SET_ASIDE:
        drop_all(model, action->worker);
        model->workers[action->worker].life = LIFE_ASIDE;
        break;
    case ACTION_LOST:
        drop_all(model, action->worker);
        CHECK(model, model->workers[action->worker].life != LIFE_GONE);
        model->workers[action->worker].life = LIFE_GONE;
        break;
    case ACTION_COMPLETE:
        CHECK(model, !model->is_complete && is_all_done(model));
        model->is_complete = true;
        break;
    case ACTION_DRAINED:
        CHECK(model, model->is_draining && !model->is_drained);
        model->is_drained = true;
        break;
    case ACTION_GIVE_UP:
        CHECK(model, false);
        break;
    case ACTION_SUSPECT:
    case ACTION_FLUSH:
        break;
    }
}

static void compare_counts(struct model *model)
{
    struct schedule_counts counts;
    schedule_count(model->schedule, &counts);
    uint64_t done = 0, live = 0;
    for (uint32_t run = 0; run < model->run_count; run++)
        for (uint32_t i = 0; i < model->truth[run]; i++)
            done += model->done[run][i];
    for (uint32_t i = 1; i <= model->worker_count; i++)
        live += model->workers[i].life > LIFE_NONE && model->workers[i].life < LIFE_ASIDE;
    CHECK(model, counts.done == done);
    CHECK(model, counts.total == counts.done + counts.leased + counts.pending);
    CHECK(model, counts.workers == live);
    CHECK(model, model->is_complete == is_all_done(model));
}

/* What the event itself means for the model's books, before the actions. */
static void note_event(struct model *model, const struct schedule_event *event)
{
    uint32_t run = SHARD_RUN(event->shard), index = SHARD_INDEX(event->shard);
    switch (event->type) {
    case EVENT_DONE:
        model->done[run][index] = true;
        if (!is_stream(model, run))
            (void)drop_holder(model, event->shard, event->worker);
        break;
    case EVENT_STREAM:
        model->is_ended[run] = true;
        break;
    case EVENT_FAIL:
        if (is_stream(model, run) && index != SHARDS_UNKNOWN)
            model->blocked[run][index] = true;
        else
            (void)drop_holder(model, event->shard, event->worker);
        break;
    case EVENT_RETURN:
        for (uint32_t i = 0; i < event->count; i++)
            (void)drop_holder(model, event->shard + i, event->worker);
        break;
    case EVENT_LEAVE:
        drop_all(model, event->worker);
        break;
    default:
        break;
    }
}

/* The holder that finishes a stream has no lease any more, without a REVOKE. */
static void drop_ended_streams(struct model *model)
{
    for (uint32_t run = 0; run < model->run_count; run++) {
        bool is_done = is_stream(model, run) && model->is_ended[run];
        for (uint32_t i = 0; is_done && i < model->truth[run]; i++)
            is_done = model->done[run][i];
        struct model_unit *unit = &model->units[run][0];
        while (is_done && unit->holder_count)
            (void)drop_holder(model, SHARD_ID(run, SHARDS_UNKNOWN),
                              unit->holders[0].worker);
    }
}

/* Workers set aside come back when there are no others; seen from their leases only. */
static void readmit(struct model *model)
{
    for (uint32_t i = 1; i <= model->worker_count; i++)
        if (model->workers[i].life > LIFE_NONE && model->workers[i].life < LIFE_ASIDE)
            return;
    for (uint32_t i = 1; i <= model->worker_count; i++)
        if (model->workers[i].life == LIFE_ASIDE)
            model->workers[i].life = LIFE_WORKING;
}

static void play(struct model *model, struct schedule_event event)
{
    struct schedule_actions actions;
    struct error error = {0};
    event.now_ms = model->now_ms;
    note_event(model, &event);
    enum error_code code = schedule_step(model->schedule, &event, &actions, &error);
    if (code != OK)
        print_error("%s\n", error.text);
    CHECK(model, code == OK);
    for (size_t i = 0; i < actions.count; i++)
        if (actions.items[i].type == ACTION_LOST ||
            actions.items[i].type == ACTION_SET_ASIDE)
            note_action(model, &actions.items[i]);
    readmit(model);
    for (size_t i = 0; i < actions.count; i++)
        if (actions.items[i].type == ACTION_REVOKE)
            note_action(model, &actions.items[i]);
    drop_ended_streams(model);
    for (size_t i = 0; i < actions.count; i++)
        if (actions.items[i].type != ACTION_LOST &&
            actions.items[i].type != ACTION_REVOKE &&
            actions.items[i].type != ACTION_SET_ASIDE)
            note_action(model, &actions.items[i]);
    compare_counts(model);
}

static void join(struct model *model, uint32_t number)
{
    struct model_worker *worker = &model->workers[number];
    worker->credit = 1 + draw(model, 6);
    worker->stream_credit = draw(model, 3);
    if (number == model->worker_count + 1)
        model->worker_count++;
    worker->life = LIFE_WORKING;
    play(model, (struct schedule_event){.type = EVENT_JOIN,
                                        .worker = number,
                                        .credit = worker->credit,
                                        .stream_credit = worker->stream_credit});
}

static uint32_t count_working(const struct model *model)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= model->worker_count; i++)
        count += model->workers[i].life == LIFE_WORKING;
    return count;
}

static void fail_shard(struct model *model, uint32_t worker, shard_id shard,
                       uint32_t epoch)
{
    static const enum fail_class classes[] = {FAIL_RECORD, FAIL_RECORD, FAIL_SHARD,
                                              FAIL_INFRASTRUCTURE};
    play(model, (struct schedule_event){.type = EVENT_FAIL,
                                        .worker = worker,
                                        .shard = shard,
                                        .epoch = epoch,
                                        .fail_class = classes[draw(model, 4)],
                                        .ordinal = draw(model, 20),
                                        .reason = "SIGSEGV"});
}

static void work_on_shard(struct model *model, uint32_t worker, shard_id shard,
                          uint32_t epoch)
{
    bool may_fail = model->is_clumsy && !model->is_calm;
    if (may_fail && chance(model, 150)) {
        fail_shard(model, worker, shard, epoch);
    } else if (!model->is_calm && chance(model, 50)) {
        play(model, (struct schedule_event){.type = EVENT_RETURN,
                                            .worker = worker,
                                            .shard = shard,
                                            .count = 1,
                                            .epoch = epoch});
    } else {
        struct schedule_event event = {
            .type = EVENT_DONE, .worker = worker, .shard = shard, .epoch = epoch};
        play(model, event);
        if (chance(model, 50))
            play(model, event);
    }
}

static void work_on_stream(struct model *model, uint32_t worker, uint32_t run,
                           uint32_t epoch)
{
    shard_id stream = SHARD_ID(run, SHARDS_UNKNOWN);
    if (!model->is_ended[run] && chance(model, 150)) {
        play(model, (struct schedule_event){.type = EVENT_STREAM,
                                            .worker = worker,
                                            .shard = stream,
                                            .count = model->truth[run],
                                            .epoch = epoch});
        return;
    }
    if (!model->is_calm && chance(model, 30)) {
        play(model, (struct schedule_event){.type = EVENT_RETURN,
                                            .worker = worker,
                                            .shard = stream,
                                            .count = 1,
                                            .epoch = epoch});
        return;
    }
    uint32_t start = draw(model, model->truth[run] + 1);
    for (uint32_t k = 0; k < model->truth[run]; k++) {
        uint32_t i = (start + k) % model->truth[run];
        if (model->done[run][i] || model->blocked[run][i])
            continue;
        if (model->is_clumsy && !model->is_calm && chance(model, 150))
            fail_shard(model, worker, SHARD_ID(run, i), epoch);
        else
            play(model, (struct schedule_event){.type = EVENT_DONE,
                                                .worker = worker,
                                                .shard = SHARD_ID(run, i),
                                                .epoch = epoch});
        return;
    }
}

/* One of the worker's leases, from a random place on. */
static void work(struct model *model, uint32_t worker)
{
    uint32_t first = draw(model, model->run_count);
    for (uint32_t r = 0; r < model->run_count; r++) {
        uint32_t run = (first + r) % model->run_count;
        uint32_t count = is_stream(model, run) ? 1 : model->truth[run];
        uint32_t start = count ? draw(model, count) : 0;
        for (uint32_t k = 0; k < count; k++) {
            uint32_t i = (start + k) % count;
            const struct model_unit *unit = &model->units[run][i];
            for (uint32_t h = 0; h < unit->holder_count; h++) {
                if (unit->holders[h].worker != worker)
                    continue;
                if (is_stream(model, run))
                    work_on_stream(model, worker, run, unit->holders[h].epoch);
                else
                    work_on_shard(model, worker, SHARD_ID(run, i),
                                  unit->holders[h].epoch);
                return;
            }
        }
    }
}

static void finish_late(struct model *model, uint32_t worker)
{
    uint32_t run = draw(model, model->run_count);
    if (model->truth[run] == 0)
        return;
    /* Whatever it had once: a shard done by nobody's lease. */
    play(model,
         (struct schedule_event){.type = EVENT_DONE,
                                 .worker = worker,
                                 .shard = SHARD_ID(run, draw(model, model->truth[run])),
                                 .epoch = 0});
}

static void live(struct model *model, uint32_t number)
{
    struct model_worker *worker = &model->workers[number];
    enum life life = worker->life;
    if (life == LIFE_GONE) {
        if (chance(model, 5))
            finish_late(model, number);
        if (!model->is_calm && chance(model, 3))
            join(model, number);
        return;
    }
    if (life == LIFE_SILENT)
        return;
    if (!model->is_calm && life == LIFE_WORKING && count_working(model) > 1) {
        if (chance(model, 15))
            worker->life = chance(model, 500) ? LIFE_SILENT : LIFE_STALLED;
        else if (chance(model, 8)) {
            worker->life = LIFE_GONE;
            play(model, (struct schedule_event){.type = EVENT_LEAVE, .worker = number});
            return;
        }
    }
    if (life == LIFE_STALLED && (model->is_calm || chance(model, 20)))
        worker->life = LIFE_SILENT;
    if (chance(model, 500)) {
        if (chance(model, 200))
            worker->credit = 1 + draw(model, 6);
        if (model->is_calm)
            worker->stream_credit = 1;
        play(model, (struct schedule_event){.type = EVENT_CREDIT,
                                            .worker = number,
                                            .credit = worker->credit,
                                            .stream_credit = worker->stream_credit});
    }
    if (worker->life == LIFE_WORKING && chance(model, 600))
        work(model, number);
}

static void setup(struct model *model, uint64_t seed)
{
    memset(model, 0, sizeof *model);
    model->seed = seed;
    model->random = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
    model->is_clumsy = chance(model, 500);
    model->settings =
        (struct schedule_settings){.silence_ms = 2000,
                                   .shard_attempts = 100000,
                                   .infrastructure_attempts = 100000,
                                   .worker_failures = chance(model, 500) ? 3 : 0,
                                   .speculate = chance(model, 500) ? 0.0001 : 3,
                                   .speculate_min_ms = chance(model, 500) ? 0 : 500};
    model->run_count = 1 + draw(model, RUNS_MAX);
    for (uint32_t i = 0; i < model->run_count; i++) {
        bool is_stream_run = chance(model, 250);
        model->truth[i] = draw(model, SHARDS_MAX);
        model->runs[i].kind = is_stream_run ? RUN_STREAM : RUN_PLAIN;
        model->runs[i].count = is_stream_run ? SHARDS_UNKNOWN : model->truth[i];
    }
    struct error error;
    assert_int_equal(schedule_create(model->runs, model->run_count, &model->settings,
                                     &model->schedule, &error),
                     OK);
}

static void mark_some(struct model *model)
{
    for (uint32_t run = 0; run < model->run_count; run++) {
        if (is_stream(model, run) && chance(model, 300)) {
            model->is_ended[run] = true;
            schedule_mark_stream_end(model->schedule, run, model->truth[run]);
        }
        for (uint32_t i = 0; i < model->truth[run]; i++) {
            if (!chance(model, 100))
                continue;
            model->done[run][i] = true;
            schedule_mark_done(model->schedule, SHARD_ID(run, i));
        }
    }
}

static void run_history(uint64_t seed)
{
    static struct model model;
    setup(&model, seed);
    mark_some(&model);
    bool will_drain = chance(&model, 100);
    for (uint32_t step = 0; !model.is_complete && !model.is_drained; step++) {
        CHECK(&model, step < 4000);
        model.is_calm = step > 400;
        model.now_ms += 10 + draw(&model, 200);
        if (model.worker_count < WORKERS_MAX - 1 && count_working(&model) < LIVE_MAX &&
            (chance(&model, 60) || count_working(&model) == 0))
            join(&model, model.worker_count + 1);
        for (uint32_t i = 1; i <= model.worker_count && !model.is_complete; i++)
            live(&model, i);
        if (!model.is_complete && will_drain && step > 50 && !model.is_draining) {
            model.is_draining = true;
            play(&model, (struct schedule_event){.type = EVENT_DRAIN});
        }
        play(&model, (struct schedule_event){.type = EVENT_TICK});
    }
    for (uint32_t i = 1; i <= model.worker_count; i++)
        CHECK(&model, model.workers[i].held == 0 && model.workers[i].streams_held == 0);
    schedule_destroy(model.schedule);
}

static void random_histories_end_with_every_shard_done_once(void **state)
{
    (void)state;
    const char *seed = getenv("MILLRACE_SEED"), *seeds = getenv("MILLRACE_SEEDS");
    if (seed) {
        run_history(strtoull(seed, NULL, 10));
        return;
    }
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 4000;
    for (uint64_t i = 0; i < count; i++)
        run_history(i);
}

/* ---- a large one ---- */

enum { BIG_SHARDS = 1000000, BIG_WORKERS = 10000, BIG_CREDIT = 8 };

struct big_lease {
    uint32_t index, epoch;
};

struct big_worker {
    struct big_lease leases[BIG_CREDIT]; /* a ring */
    uint32_t first, count;
    bool is_dead;
};

struct big {
    struct schedule *schedule;
    struct big_worker *workers;
    uint64_t steps, done;
    bool is_complete;
    int64_t now_ms;
};

static void big_revoke(struct big_worker *worker, uint32_t index)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < worker->count; i++) {
        struct big_lease lease = worker->leases[(worker->first + i) % BIG_CREDIT];
        if (lease.index != index)
            worker->leases[(worker->first + kept++) % BIG_CREDIT] = lease;
    }
    worker->count = kept;
}

static void big_play(struct big *big, struct schedule_event event)
{
    struct schedule_actions actions;
    struct error error;
    event.now_ms = big->now_ms;
    assert_int_equal(schedule_step(big->schedule, &event, &actions, &error), OK);
    big->steps++;
    for (size_t i = 0; i < actions.count; i++) {
        const struct schedule_action *action = &actions.items[i];
        assert_true(action->type != ACTION_GIVE_UP);
        if (action->type == ACTION_COMPLETE)
            big->is_complete = true;
        struct big_worker *worker = &big->workers[action->worker];
        if (action->type == ACTION_REVOKE)
            big_revoke(worker, SHARD_INDEX(action->shard));
        if (action->type != ACTION_LEASE)
            continue;
        for (uint32_t k = 0; k < action->count; k++) {
            assert_true(worker->count < BIG_CREDIT);
            worker->leases[(worker->first + worker->count++) % BIG_CREDIT] =
                (struct big_lease){SHARD_INDEX(action->shard) + k, action->epoch};
        }
    }
}

/* One shard of each worker: done, or failed; now and then a worker dies. */
static void big_round(struct big *big, uint32_t round)
{
    for (uint32_t i = 1; i <= BIG_WORKERS && !big->is_complete; i++) {
        struct big_worker *worker = &big->workers[i];
        if (worker->is_dead)
            continue;
        if ((i * 7919 + round) % 5000 == 0) {
            worker->is_dead = true;
            continue;
        }
        big_play(big, (struct schedule_event){
                          .type = EVENT_CREDIT, .worker = i, .credit = BIG_CREDIT});
        if (worker->count == 0)
            continue;
        struct big_lease lease = worker->leases[worker->first];
        worker->first = (worker->first + 1) % BIG_CREDIT;
        worker->count--;
        bool is_bad = (lease.index * UINT32_C(2654435761) + i + lease.epoch) % 1000 == 0;
        big_play(big, (struct schedule_event){.type = is_bad ? EVENT_FAIL : EVENT_DONE,
                                              .worker = i,
                                              .shard = SHARD_ID(0, lease.index),
                                              .epoch = lease.epoch,
                                              .fail_class = FAIL_INFRASTRUCTURE});
    }
    big->now_ms += 100;
    if (round % 2 == 0)
        big_play(big, (struct schedule_event){.type = EVENT_TICK});
}

static void run_big(double speculate)
{
    const struct run run = {.kind = RUN_PLAIN, .count = BIG_SHARDS};
    const struct schedule_settings settings = {.silence_ms = 2000,
                                               .shard_attempts = 3,
                                               .infrastructure_attempts = 20,
                                               .worker_failures = 5,
                                               .speculate = speculate};
    struct big big = {0};
    struct error error;
    big.workers = calloc(BIG_WORKERS + 1, sizeof *big.workers);
    assert_non_null(big.workers);
    int64_t begin_us = clock_process_us();
    assert_int_equal(schedule_create(&run, 1, &settings, &big.schedule, &error), OK);
    for (uint32_t i = 1; i <= BIG_WORKERS; i++)
        big_play(&big, (struct schedule_event){
                           .type = EVENT_JOIN, .worker = i, .credit = BIG_CREDIT});
    for (uint32_t round = 1; !big.is_complete && round < 1000; round++)
        big_round(&big, round);
    int64_t spent_us = clock_process_us() - begin_us;
    struct schedule_counts counts;
    schedule_count(big.schedule, &counts);
    assert_int_equal(counts.done, BIG_SHARDS);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    print_message("# %d shards, %d workers: %.2f us a shard, %llu events, %ld MB, "
                  "%llu retried, %llu speculated\n",
                  BIG_SHARDS, BIG_WORKERS, (double)spent_us / BIG_SHARDS,
                  (unsigned long long)big.steps, usage.ru_maxrss / 1024,
                  (unsigned long long)counts.retried,
                  (unsigned long long)counts.speculated);
    assert_true(spent_us < INT64_C(20) * BIG_SHARDS);
    assert_true(usage.ru_maxrss < 1024L * 1024);
    schedule_destroy(big.schedule);
    free(big.workers);
}

static void a_million_shards_take_little_time_and_memory(void **state)
{
    (void)state;
    run_big(0);
}

static void forced_speculation_does_not_make_it_slow(void **state)
{
    (void)state;
    run_big(0.0001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_end_with_every_shard_done_once),
        cmocka_unit_test(a_million_shards_take_little_time_and_memory),
        cmocka_unit_test(forced_speculation_does_not_make_it_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
