/* deaths.c - what the end of an executor means for the shards it had */
#include <signal.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/log.h"
#include "worker/worker_loop.h"
#include "worker/worker_state.h"

enum { INFRASTRUCTURE_TRIES = 3, DEATHS_MAX = 50, PREPARE_DEATHS = 2 };

enum blame { BLAME_NOBODY, BLAME_RECORD };

struct signal_reason {
    int signal;
    const char *reason;
};

/* Signals that the executor's own code raises. Any other end is the machine's doing. */
static const struct signal_reason crash_signals[] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},   {SIGILL, "SIGILL"},
    {SIGFPE, "SIGFPE"},   {SIGABRT, "SIGABRT"}, {SIGSYS, "SIGSYS"}};

/* Why did it die, and is a record to blame? */
static enum blame find_blame(const struct member *member, int status, const char **reason)
{
    *reason = "killed";
    if (WIFSIGNALED(status)) {
        if (member->kill_reason && WTERMSIG(status) == SIGKILL) {
            *reason = member->kill_reason;
            return BLAME_RECORD;
        }
        for (size_t i = 0; i < sizeof crash_signals / sizeof *crash_signals; i++)
            if (WTERMSIG(status) == crash_signals[i].signal) {
                *reason = crash_signals[i].reason;
                return BLAME_RECORD;
            }
        return BLAME_NOBODY;
    }
    if (WEXITSTATUS(status) == EXECUTOR_EXIT_MEMORY) {
        *reason = "out_of_memory";
        return BLAME_RECORD;
    }
    *reason = "exited";
    return BLAME_NOBODY;
}

/* Take the shard out of the member's queue; the task comes back as one of its own. What
 * stands before it in the same task was run, but not committed: it is done again too. */
static enum error_code extract(struct member *member, shard_id shard, struct task *found,
                               bool *is_found, struct error *error)
{
    *is_found = false;
    for (size_t i = 0; i < member->queue.count; i++) {
        struct task *task = task_list_at(&member->queue, i);
        if (shard < task->shard || shard >= task->shard + task->count)
            continue;
        *is_found = true;
        *found = *task;
        found->shard = shard;
        found->count = 1;
        member->queued--;
        struct task behind = *task;
        behind.shard = shard + 1;
        behind.count = (uint32_t)(task->shard + task->count - behind.shard);
        task->count = (uint32_t)(shard - task->shard);
        if (task->count)
            found->held->references++;
        else
            task_list_remove(&member->queue, i);
        if (behind.count == 0)
            return OK;
        behind.held->references++;
        return task_list_push(&member->queue, behind, false, error);
    }
    return OK;
}

/* Put a task back, to be given to whoever asks next. */
static enum error_code requeue(struct worker *worker, struct task task,
                               struct error *error)
{
    if (task.slot != NO_SLOT) {
        worker->slots[task.slot].state = SLOT_READY;
        held_lease_release(task.held);
        return OK;
    }
    worker->pending_shards += task.count;
    return task_list_push(&worker->pending, task, true, error);
}

/* The shard is the coordinator's matter again. */
static enum error_code give_up_shard(struct worker *worker, struct task task,
                                     enum fail_class class, uint32_t ordinal,
                                     uint32_t stage, const char *reason, const char *text,
                                     struct error *error)
{
    uint32_t epoch = task.held->message.leases[0].epoch;
    if (task.slot != NO_SLOT)
        streams_park(worker, task.slot, &epoch); /* it may have been leased anew */
    held_lease_release(task.held);
    return worker_fail_shard(worker, task.shard, epoch, class, ordinal, stage, reason,
                             text, error);
}

/* A record of the shard at hand killed the executor: look closer, or say which. */
static enum error_code hunt_record(struct worker *worker, struct member *member,
                                   struct task task, const char *reason,
                                   struct error *error)
{
    const struct flight *flight = member->flight;
    uint32_t first = atomic_load(&flight->first), count = atomic_load(&flight->count);
    uint32_t stage = atomic_load(&flight->stage);
    bool is_fit = worker->pipeline->phases[worker->phase].fit != FIT_NONE;
    if (!atomic_load(&flight->is_active))
        return give_up_shard(worker, task, FAIL_SHARD, 0, stage, reason,
                             is_fit ? "an executor died over the state of a fit"
                                    : "an executor died outside of any stage",
                             error);
    if (count <= 1)
        return give_up_shard(worker, task, FAIL_RECORD, first, stage, reason,
                             "the record, alone, killed an executor", error);
    struct hunt *hunt = hunt_make(worker, task.shard, error);
    if (!hunt)
        return ERROR_MEMORY;
    hunt->begin = first;
    hunt->end = first + count;
    return requeue(worker, task, error);
}

static enum error_code lose_shard(struct worker *worker, struct task task,
                                  const char *reason, struct error *error)
{
    struct hunt *hunt = hunt_make(worker, task.shard, error);
    if (!hunt)
        return ERROR_MEMORY;
    if (++hunt->infrastructure <= INFRASTRUCTURE_TRIES)
        return requeue(worker, task, error);
    hunt->infrastructure = 0;
    return give_up_shard(worker, task, FAIL_INFRASTRUCTURE, 0, 0, reason,
                         "executors were killed again and again", error);
}

/* A stage that cannot be prepared would kill one executor after another. */
static bool is_hopeless(const struct worker *worker, const struct member *member)
{
    return member->state == MEMBER_PREPARING && worker->phase_state == PHASE_PREPARING &&
           member->deaths >= PREPARE_DEATHS;
}

/* What the executor had to do comes back. */
static enum error_code take_back(struct worker *worker, struct member *member,
                                 enum blame blame, const char *reason,
                                 struct error *error)
{
    if (member->phase != worker->phase) {
        members_forget_queue(worker, member);
        return OK;
    }
    struct task task;
    bool is_found;
    shard_id shard = atomic_load(&member->flight->shard);
    enum error_code code = extract(member, shard, &task, &is_found, error);
    if (code == OK && is_found)
        code = blame == BLAME_RECORD ? hunt_record(worker, member, task, reason, error)
                                     : lose_shard(worker, task, reason, error);
    while (code == OK && member->queue.count) {
        /* From the back, so that the front of the pending tasks ends up in order. */
        task = *task_list_at(&member->queue, member->queue.count - 1);
        member->queue.count--;
        member->queued -= task.count;
        code = requeue(worker, task, error);
    }
    return code;
}

enum error_code member_died(struct worker *worker, struct member *member, int status,
                            struct error *error)
{
    const char *reason;
    enum blame blame = find_blame(member, status, &reason);
    log_at(blame == BLAME_RECORD ? LEVEL_INFO : LEVEL_WARNING,
           "executor %u ended: %s; its shards are done again", member->number, reason);
    worker->records += atomic_load(&member->flight->records);
    worker->bytes += atomic_load(&member->flight->bytes);
    enum error_code code = OK;
    if (is_hopeless(worker, member))
        code = worker_fail_shard(worker, SHARD_NONE, 0, FAIL_CONFIG, 0, 0, reason,
                                 "a stage cannot be prepared: its executor died", error);
    if (code == OK && member->state != MEMBER_WORKING && ++member->deaths >= DEATHS_MAX)
        code = error_set(error, ERROR_FATAL, "executors cannot start: %s", reason);
    member->state = MEMBER_DEAD;
    member->failed_ms = clock_now_ms();
    member->is_sealing = false;
    channel_clear(&member->channel);
    streams_owner_died(worker, member);
    /* What it had committed is in its volume on scratch, which its successor takes over. */
    return code == OK ? take_back(worker, member, blame, reason, error) : code;
}
