/* tasks.c - a worker's queues of shards, and which executor gets what */
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "worker/worker_loop.h"
#include "worker/worker_state.h"

enum {
    QUEUE_US = 20000, /* work that lies ready at an executor, so that it never waits */
    QUEUE_MAX = 4096, /* shards */
    LEASE_BLOCK = 4096
};

enum error_code task_list_push(struct task_list *list, struct task task, bool at_front,
                               struct error *error)
{
    if (list->count == list->capacity) {
        size_t before = list->capacity;
        struct task *grown =
            array_grow(list->items, &list->capacity, list->count + 1, sizeof *grown);
        if (!grown)
            return error_set(error, ERROR_MEMORY, "no memory for a task");
        /* What wrapped around the old end goes behind it, as far as there is room. */
        size_t wrapped = list->first, room = list->capacity - before;
        size_t moved = wrapped < room ? wrapped : room;
        memcpy(grown + before, grown, moved * sizeof *grown);
        memmove(grown, grown + moved, (wrapped - moved) * sizeof *grown);
        list->items = grown;
    }
    if (at_front)
        list->first = (list->first + list->capacity - 1) % list->capacity;
    list->count++;
    *task_list_at(list, at_front ? 0 : list->count - 1) = task;
    return OK;
}

struct task *task_list_at(struct task_list *list, size_t index)
{
    return &list->items[(list->first + index) % list->capacity];
}

bool task_list_pop(struct task_list *list, struct task *task)
{
    if (list->count == 0)
        return false;
    *task = *task_list_at(list, 0);
    list->first = (list->first + 1) % list->capacity;
    list->count--;
    return true;
}

void task_list_remove(struct task_list *list, size_t index)
{
    for (size_t i = index; i + 1 < list->count; i++)
        *task_list_at(list, i) = *task_list_at(list, i + 1);
    list->count--;
}

void held_lease_release(struct held_lease *held)
{
    if (held && --held->references == 0)
        arena_destroy(held->arena);
}

/* A copy of one lease of a message with its files; one reference, the caller's. */
static struct held_lease *hold_lease(const struct message_lease *message,
                                     const struct lease *lease)
{
    struct message one = {.type = MESSAGE_LEASE};
    struct lease renumbered = *lease;
    renumbered.first_file = 0;
    one.as.lease = (struct message_lease){.phase = message->phase,
                                          .files = message->files + lease->first_file,
                                          .file_count = lease->file_count,
                                          .leases = &renumbered,
                                          .lease_count = 1};
    struct bytes buffer = {0};
    message_write(&one, &buffer);
    struct arena *arena = arena_create(LEASE_BLOCK, 0);
    struct held_lease *held = arena ? ARENA_NEW(arena, struct held_lease, 1) : NULL;
    struct message copy;
    if (!held || buffer.is_bad ||
        message_read(buffer.data, buffer.size, arena, &copy, NULL) != OK) {
        arena_destroy(arena);
        held = NULL;
    } else {
        held->arena = arena;
        held->message = copy.as.lease;
        held->phase = message->phase;
        held->references = 1;
    }
    bytes_clear(&buffer);
    return held;
}

enum error_code tasks_accept(struct worker *worker, const struct message_lease *message,
                             struct error *error)
{
    enum error_code code = OK;
    worker->is_flushing = false;
    for (uint32_t i = 0; code == OK && i < message->lease_count; i++) {
        const struct lease *lease = &message->leases[i];
        struct held_lease *held = hold_lease(message, lease);
        if (!held)
            return error_set(error, ERROR_MEMORY, "no memory for a lease");
        if (lease->kind == RUN_STREAM && SHARD_INDEX(lease->shard) == SHARDS_UNKNOWN) {
            code = streams_accept(worker, held, error);
        } else if (lease->kind == RUN_STREAM) {
            code = streams_retry(worker, held, error);
        } else {
            struct task task = {.held = held,
                                .shard = lease->shard,
                                .count = lease->count,
                                .slot = NO_SLOT};
            held->references++;
            code =
                task_list_push(&worker->pending, task, lease->suspect_count > 0, error);
            worker->pending_shards += lease->count;
        }
        held_lease_release(held);
    }
    return code;
}

/* Take [shard, shard + count) out of the tasks not yet given to an executor. */
static void forget_range(struct worker *worker, shard_id shard, uint32_t count)
{
    for (size_t i = 0; i < worker->pending.count; i++) {
        struct task *task = task_list_at(&worker->pending, i);
        shard_id begin = shard > task->shard ? shard : task->shard;
        shard_id end = task->shard + task->count;
        if (shard + count < end)
            end = shard + count;
        if (begin >= end)
            continue;
        struct task behind = *task;
        behind.shard = end;
        behind.count = (uint32_t)(task->shard + task->count - end);
        worker->pending_shards -= (uint32_t)(end - begin);
        task->count = (uint32_t)(begin - task->shard);
        if (behind.count) {
            behind.held->references++;
            if (task_list_push(&worker->pending, behind, false, NULL) != OK) {
                behind.held->references--; /* it comes back by its deadline */
                worker->pending_shards -= behind.count;
            }
        }
        task = task_list_at(&worker->pending, i);
        if (task->count == 0) {
            held_lease_release(task->held);
            task_list_remove(&worker->pending, i--);
        }
    }
}

void tasks_revoke(struct worker *worker, const struct message_ranges *ranges)
{
    for (uint32_t i = 0; ranges->phase == worker->phase && i < ranges->count; i++) {
        const struct shard_range *range = &ranges->ranges[i];
        forget_range(worker, range->shard, range->count);
        streams_revoke(worker, range->shard, range->epoch);
    }
}

void tasks_drop(struct worker *worker, struct task task)
{
    if (task.slot != NO_SLOT)
        streams_finished(worker, task.slot);
    held_lease_release(task.held);
}

void tasks_forget(struct worker *worker)
{
    struct task task;
    while (task_list_pop(&worker->pending, &task))
        held_lease_release(task.held);
    worker->pending_shards = 0;
    worker->hunt_count = 0;
    streams_forget(worker);
}

struct hunt *hunt_find(struct worker *worker, shard_id shard)
{
    for (size_t i = 0; i < worker->hunt_count; i++)
        if (worker->hunts[i].shard == shard)
            return &worker->hunts[i];
    return NULL;
}

struct hunt *hunt_make(struct worker *worker, shard_id shard, struct error *error)
{
    struct hunt *found = hunt_find(worker, shard);
    if (found)
        return found;
    struct hunt *grown = array_grow(worker->hunts, &worker->hunt_capacity,
                                    worker->hunt_count + 1, sizeof *grown);
    if (!grown) {
        (void)error_set(error, ERROR_MEMORY, "no memory for a hunt");
        return NULL;
    }
    worker->hunts = grown;
    worker->hunts[worker->hunt_count] = (struct hunt){.shard = shard};
    return &worker->hunts[worker->hunt_count++];
}

enum error_code tasks_send(struct worker *worker, struct member *member, struct task task,
                           struct error *error)
{
    const struct hunt *hunt = hunt_find(worker, task.shard);
    struct message message = {.type = MESSAGE_LEASE, .as.lease = task.held->message};
    struct lease lease = task.held->message.leases[0];
    if (lease.kind == RUN_PLAIN) {
        lease.begin += (task.shard - lease.shard) * lease.step;
    }
    lease.shard = task.shard;
    lease.count = task.count;
    if (hunt) {
        lease.isolate_begin = hunt->begin;
        lease.isolate_end = hunt->end;
    }
    message.as.lease.leases = &lease;
    struct bytes *payload = &worker->control;
    enum control_type type = CONTROL_RUN;
    bytes_reset(payload);
    if (task.slot != NO_SLOT) {
        control_write_filled(&worker->slots[task.slot].filled, payload);
        type = CONTROL_SLOT;
    }
    message_write(&message, payload);
    enum error_code code = task_list_push(&member->queue, task, false, error);
    if (code != OK)
        return code;
    member->queued += task.count;
    return members_send(worker, member, type, payload, error);
}

/* Shards that should lie with one executor. */
static uint32_t queue_depth(const struct worker *worker)
{
    if (worker->shard_us <= 0)
        return 1;
    int64_t depth = 1 + QUEUE_US / worker->shard_us;
    /* As many as were seen, at most: one short shard is no measure. */
    if ((uint64_t)depth > 1 + worker->shards_seen / worker->member_count)
        depth = 1 + (int64_t)(worker->shards_seen / worker->member_count);
    return depth > QUEUE_MAX ? QUEUE_MAX : (uint32_t)depth;
}

uint32_t tasks_credit(const struct worker *worker)
{
    if (worker->is_draining || worker->phase_state == PHASE_NONE)
        return 0;
    /* As much again lies with the worker, to be handed on without asking. */
    uint32_t wanted = queue_depth(worker) * worker->member_count * 2;
    return wanted + members_unpublished(worker);
}

/* Cut the front of the pending tasks to at most `count` shards that can run together. */
static enum error_code take_pending(struct worker *worker, uint32_t count,
                                    struct task *task, struct error *error)
{
    (void)task_list_pop(&worker->pending, task);
    const struct lease *lease = &task->held->message.leases[0];
    for (size_t i = 0; i < worker->hunt_count; i++) {
        shard_id hunted = worker->hunts[i].shard;
        if (hunted == task->shard)
            count = 1;
        else if (hunted > task->shard && hunted < task->shard + count)
            count = (uint32_t)(hunted - task->shard);
    }
    if (lease->suspect_count)
        count = 1;
    enum error_code code = OK;
    if (task->count > count) {
        struct task rest = *task;
        rest.shard += count;
        rest.count -= count;
        rest.held->references++;
        task->count = count;
        code = task_list_push(&worker->pending, rest, true, error);
    }
    worker->pending_shards -= task->count;
    return code;
}

enum error_code tasks_assign(struct worker *worker, struct error *error)
{
    if (worker->phase_state != PHASE_OPEN || worker->is_draining)
        return OK;
    uint32_t depth = queue_depth(worker);
    enum error_code code = OK;
    bool is_progress = true;
    while (code == OK && is_progress) {
        is_progress = false;
        for (uint32_t i = 0; code == OK && i < worker->member_count; i++) {
            struct member *member = &worker->members[i];
            if (member->state != MEMBER_WORKING || member->is_sealing ||
                member->queued > depth / 2)
                continue;
            bool is_given = false;
            if (member->fills == 0)
                code = streams_assign(worker, member, &is_given, error);
            if (code == OK && !is_given && worker->pending.count) {
                struct task task;
                /* The last shards are shared out rather than given to the first to ask. */
                uint32_t fair = worker->pending_shards / worker->member_count;
                uint32_t count = depth - member->queued;
                if (count > fair + 1)
                    count = fair + 1;
                code = take_pending(worker, count, &task, error);
                if (code == OK)
                    code = tasks_send(worker, member, task, error);
                is_given = true;
            }
            is_progress = is_progress || (is_given && depth > 1);
        }
    }
    return code;
}

void tasks_clear(struct worker *worker)
{
    struct task task;
    while (task_list_pop(&worker->pending, &task))
        held_lease_release(task.held);
    free(worker->pending.items);
    worker->pending = (struct task_list){0};
    worker->pending_shards = 0;
    free(worker->hunts);
    worker->hunts = NULL;
    worker->hunt_count = worker->hunt_capacity = 0;
}
