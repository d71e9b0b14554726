/* members.c - a worker's executors as processes and partners */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/platform.h"
#include "worker/worker_loop.h"
#include "core/spawn.h"
#include "worker/worker_state.h"

enum {
    RESTART_MS = 1000,  /* an executor that dies at once waits so long, ... */
    DEATHS_AT_ONCE = 8, /* ... after so many deaths without a finished shard */
    WATCHDOG_MS = 100,
    WALL_FACTOR = 5, /* a hang that burns no CPU may take so much longer */
    WAIT_MS = 200,
    FAREWELL_MS = 500,
    MEMORY_LEAST = 1 << 30
};

enum error_code members_send(struct worker *worker, struct member *member,
                             enum control_type type, const struct bytes *payload,
                             struct error *error)
{
    (void)worker;
    if (payload && payload->is_bad)
        return error_set(error, ERROR_MEMORY, "no memory for a message to an executor");
    enum error_code code =
        channel_put(&member->channel, (uint8_t)type, payload ? payload->data : NULL,
                    payload ? payload->size : 0, error);
    return code == OK ? channel_flush(&member->channel, false, error) : code;
}

static enum error_code make_flight(struct member *member, struct error *error)
{
    if (member->flight)
        return OK;
    member->flight_fd = platform_memory_file("millrace-flight", true);
    if (member->flight_fd < 0 ||
        ftruncate(member->flight_fd, (off_t)sizeof *member->flight) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot make a memory file");
    void *memory = mmap(NULL, sizeof *member->flight, PROT_READ | PROT_WRITE, MAP_SHARED,
                        member->flight_fd, 0);
    if (memory == MAP_FAILED)
        return error_set_errno(error, ERROR_MEMORY, errno, "cannot map a memory file");
    member->flight = memory;
    return OK;
}

/* Start the process of a member. The other ends of its descriptors are its own. */
static enum error_code start_member(struct member *member, struct error *error)
{
    enum error_code code = make_flight(member, error);
    if (code != OK)
        return code;
    memset(member->flight, 0, sizeof *member->flight);
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return error_set_errno(error, ERROR_IO, errno, "cannot make a channel");
    (void)fcntl(pair[0], F_SETFD, FD_CLOEXEC);
    char channel[16], flight[16], parent[16];
    (void)snprintf(channel, sizeof channel, "%d", pair[1]);
    (void)snprintf(flight, sizeof flight, "%d", member->flight_fd);
    (void)snprintf(parent, sizeof parent, "%d", (int)getpid());
    char name[] = "millrace", role[] = "--executor";
    char *argv[] = {name, role, channel, flight, parent, NULL};
    code = spawn_self(argv, &member->pid, error);
    (void)close(pair[1]);
    if (code != OK) {
        (void)close(pair[0]);
        return code;
    }
    channel_clear(&member->channel); /* something may have been said to the dead one */
    channel_init(&member->channel, pair[0]);
    member->state = MEMBER_STARTING;
    member->incarnation++;
    member->kill_reason = NULL;
    member->is_sealing = false;
    return OK;
}

enum error_code members_start(struct worker *worker, struct error *error)
{
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < worker->member_count; i++) {
        worker->members[i].number = i;
        worker->members[i].flight_fd = -1;
        worker->members[i].channel.fd = -1;
        code = start_member(&worker->members[i], error);
    }
    return code;
}

static uint64_t memory_limit(const struct worker *worker)
{
    if (worker->pipeline->limits.memory)
        return worker->pipeline->limits.memory;
    uint64_t share = platform_memory() / 5 * 4 / worker->member_count;
    return share > MEMORY_LEAST ? share : MEMORY_LEAST;
}

static enum error_code set_up(struct worker *worker, struct member *member,
                              struct error *error)
{
    char prefix[64];
    (void)snprintf(prefix, sizeof prefix, "%06llu-%04u-%03u-%03u",
                   (unsigned long long)worker->welcome.session, worker->welcome.worker,
                   member->number, member->incarnation);
    uint32_t *fds = ARENA_NEW(worker->message_arena, uint32_t, worker->slot_made);
    if (!fds)
        return error_set(error, ERROR_MEMORY, "no memory for an executor");
    for (uint32_t i = 0; i < worker->slot_made; i++)
        fds[i] = (uint32_t)worker->slots[i].fd;
    struct control_setup setup = {.yaml = worker->welcome.pipeline_yaml,
                                  .yaml_size = worker->welcome.pipeline_size,
                                  .folder = worker->pipeline->folder,
                                  .job_folder = worker->welcome.job_folder,
                                  .scratch = worker->scratch,
                                  .volume_prefix = prefix,
                                  .fingerprint = worker->welcome.fingerprint,
                                  .executor = member->number,
                                  .memory = memory_limit(worker),
                                  .slots = fds,
                                  .slot_count = worker->slot_made};
    control_write_setup(&setup, &worker->control);
    return members_send(worker, member, CONTROL_SETUP, &worker->control, error);
}

enum error_code members_setup(struct worker *worker, struct error *error)
{
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < worker->member_count; i++)
        code = set_up(worker, &worker->members[i], error);
    return code;
}

static enum error_code send_phase(struct worker *worker, struct member *member,
                                  enum control_type type, struct error *error)
{
    bytes_reset(&worker->control);
    bytes_put_u32(&worker->control, worker->phase);
    member->state = type == CONTROL_OPEN ? MEMBER_OPENING : MEMBER_PREPARING;
    return members_send(worker, member, type, &worker->control, error);
}

enum error_code members_begin_phase(struct worker *worker, struct error *error)
{
    bool is_preparing = false;
    for (uint32_t i = 0; i < worker->member_count; i++)
        is_preparing = is_preparing || worker->members[i].state == MEMBER_PREPARING;
    for (uint32_t i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        if (member->state != MEMBER_READY && member->state != MEMBER_WORKING)
            continue;
        enum error_code code = OK;
        if (worker->phase_state == PHASE_OPEN && member->state == MEMBER_READY)
            code = send_phase(worker, member, CONTROL_OPEN, error);
        else if (worker->phase_state == PHASE_PREPARING && !is_preparing) {
            is_preparing = true;
            code = send_phase(worker, member, CONTROL_PREPARE, error);
        }
        if (code != OK)
            return code;
    }
    return OK;
}

void members_forget_queue(struct worker *worker, struct member *member)
{
    struct task task;
    while (task_list_pop(&member->queue, &task))
        tasks_drop(worker, task);
    member->queued = 0;
    streams_owner_died(worker, member);
}

/* Take a shard that was run out of the member's queue; *epoch is that of its lease. */
static void pop_shard(struct worker *worker, struct member *member, shard_id shard,
                      bool is_done, uint32_t *epoch)
{
    *epoch = 0;
    for (size_t i = 0; i < member->queue.count; i++) {
        struct task *task = task_list_at(&member->queue, i);
        if (shard < task->shard || shard >= task->shard + task->count)
            continue;
        *epoch = task->held->message.leases[0].epoch;
        member->queued--;
        task->count--;
        if (task->shard == shard)
            task->shard++; /* shards of a task are run in order */
        if (task->slot != NO_SLOT && is_done)
            streams_finished(worker, task->slot);
        else if (task->slot != NO_SLOT)
            streams_park(worker, task->slot, epoch);
        if (task->count == 0) {
            held_lease_release(task->held);
            task_list_remove(&member->queue, i);
        }
        return;
    }
}

static bool is_stream(struct member *member, shard_id shard)
{
    for (size_t i = 0; i < member->queue.count; i++) {
        const struct task *task = task_list_at(&member->queue, i);
        if (shard >= task->shard && shard < task->shard + task->count)
            return task->slot != NO_SLOT;
    }
    return false;
}

/* On the clock, not in CPU time: a stage may wait for something. Up at once and down
 * slowly: shards without a record among long ones say nothing about the next. */
static void note_duration(struct worker *worker, uint64_t total_us, uint32_t count)
{
    int64_t us = (int64_t)(total_us / count) + 1;
    worker->shard_us = us > worker->shard_us ? us : (worker->shard_us * 7 + us) / 8;
    worker->shards_seen += count;
}

/* Entries of finished shards, from FINISHED or OPENED. */
static enum error_code take_entries(struct worker *worker, struct member *member,
                                    struct cursor *in, struct error *error)
{
    uint32_t count = cursor_u32(in);
    for (uint32_t i = 0; i < count; i++) {
        size_t size;
        const char *bytes = cursor_text(in, &size);
        struct shard_entry entry;
        enum error_code code = shard_entry_read(bytes, bytes ? size : 0,
                                                worker->message_arena, &entry, error);
        if (code != OK)
            return code;
        uint32_t epoch;
        if (member->phase == worker->phase && is_stream(member, entry.shard))
            code = streams_count_finished(worker, entry.shard, error);
        if (code != OK)
            return code;
        pop_shard(worker, member, entry.shard, true, &epoch);
        bytes_put_u32(&member->entries, epoch);
        bytes_put_text(&member->entries, bytes, size);
        member->entry_count++;
    }
    if (count)
        member->deaths = 0;
    return member->entries.is_bad
               ? error_set(error, ERROR_MEMORY, "no memory for entries")
               : OK;
}

/* The volume that held them was published, but its executor died before it could say so
 * (the next session takes such volumes up): to be done again. */
static enum error_code return_entries(struct worker *worker, const struct bytes *entries,
                                      struct error *error)
{
    struct cursor in = cursor_over(entries->data, entries->size);
    enum error_code code = OK;
    while (code == OK && cursor_left(&in)) {
        size_t size;
        uint32_t epoch = cursor_u32(&in);
        const char *bytes = cursor_text(&in, &size);
        struct shard_entry entry;
        code = shard_entry_read(bytes, bytes ? size : 0, worker->message_arena, &entry,
                                error);
        if (code != OK)
            break;
        streams_count_published(worker, entry.shard);
        code = worker_return(worker, entry.shard, 1, epoch, error);
    }
    return code;
}

/* Shards that a dead executor had committed without telling need not be done again. */
static void forget_committed(struct worker *worker, const struct bytes *entries)
{
    struct cursor in = cursor_over(entries->data, entries->size);
    while (cursor_left(&in)) {
        size_t size;
        (void)cursor_u32(&in);
        const char *bytes = cursor_text(&in, &size);
        struct shard_entry entry;
        if (!bytes ||
            shard_entry_read(bytes, size, worker->message_arena, &entry, NULL) != OK)
            return;
        struct shard_range range = {.shard = entry.shard, .count = 1};
        struct message_ranges ranges = {
            .phase = worker->phase, .ranges = &range, .count = 1};
        tasks_revoke(worker, &ranges);
        for (uint32_t i = 0; i < worker->slot_count; i++) {
            const struct worker_slot *slot = &worker->slots[i];
            if (slot->state == SLOT_READY &&
                SHARD_ID(slot->filled.run, slot->filled.cut.index) == entry.shard)
                streams_finished(worker, i);
        }
    }
}

static enum error_code opened(struct worker *worker, struct member *member,
                              struct cursor *in, struct error *error)
{
    uint32_t phase = cursor_u32(in), before = member->entry_count;
    struct bytes told = member->entries;
    bool is_same = member->phase == worker->phase;
    members_forget_queue(worker, member);
    member->entries = (struct bytes){0};
    member->entry_count = 0;
    member->phase = phase;
    enum error_code code = OK;
    if (phase != worker->phase) { /* there is a newer one already */
        member->state = MEMBER_READY;
        code = members_begin_phase(worker, error);
    } else {
        member->state = MEMBER_WORKING;
        code = take_entries(worker, member, in, error);
        forget_committed(worker, &member->entries);
        if (code == OK && is_same && member->entry_count < before)
            code = return_entries(worker, &told, error);
    }
    bytes_clear(&told);
    return code;
}

/* A volume is published: tell the coordinator which shards are in it. */
static enum error_code sealed(struct worker *worker, struct member *member,
                              struct cursor in, struct error *error)
{
    struct control_sealed info;
    struct arena *arena = worker->message_arena;
    member->is_sealing = false;
    if (!control_read_sealed(in, arena, &info))
        return error_set(error, ERROR_FATAL, "a message of an executor is cut short");
    if (info.shard_count == 0)
        return OK;
    if (info.shard_count != member->entry_count)
        return error_set(error, ERROR_FATAL, "volume %s holds %u shards, not %u",
                         info.name, info.shard_count, member->entry_count);
    struct shard_entry *entries = ARENA_NEW(arena, struct shard_entry, info.shard_count);
    uint32_t *epochs = ARENA_NEW(arena, uint32_t, info.shard_count);
    if (!entries || !epochs)
        return error_set(error, ERROR_MEMORY, "no memory for a volume's entries");
    struct cursor kept = cursor_over(member->entries.data, member->entries.size);
    for (uint32_t i = 0; i < info.shard_count; i++) {
        size_t size;
        epochs[i] = cursor_u32(&kept);
        const char *bytes = cursor_text(&kept, &size);
        enum error_code code = shard_entry_read(bytes, size, arena, &entries[i], error);
        if (code != OK)
            return code;
        if (member->phase == worker->phase)
            streams_count_published(worker, entries[i].shard);
    }
    struct message message = {.type = MESSAGE_DONE};
    message.as.done = (struct message_done){.phase = member->phase,
                                            .volume = info.name,
                                            .size = info.size,
                                            .checksum = info.checksum,
                                            .fsync_count = info.fsync_count,
                                            .fsync_us = info.fsync_us,
                                            .entries = entries,
                                            .epochs = epochs,
                                            .count = info.shard_count};
    bytes_reset(&member->entries);
    member->entry_count = 0;
    return worker_send(worker, &message, error);
}

/* Why the executor says farewell, when it is not for a shard. */
static enum error_code gave_up(struct worker *worker, const struct member *member,
                               enum error_code code, const char *text,
                               struct error *error)
{
    if (code == ERROR_FULL || code == ERROR_CONFIG)
        return worker_fail_shard(worker, SHARD_NONE, 0,
                                 code == ERROR_FULL ? FAIL_FULL : FAIL_CONFIG, 0, 0,
                                 "gave_up", text, error);
    log_at(LEVEL_WARNING, "executor %u: %s", member->number, text);
    return OK; /* its death counts against each of its shards */
}

static enum error_code finished(struct worker *worker, struct member *member,
                                struct cursor in, struct error *error)
{
    uint64_t total_us = cursor_u64(&in);
    struct cursor entries = in;
    uint32_t count = cursor_u32(&in);
    if (count)
        note_duration(worker, total_us, count);
    return take_entries(worker, member, &entries, error);
}

/* Something that the executor was asked for went wrong; it lives on, or says farewell. */
static enum error_code failed(struct worker *worker, struct member *member,
                              struct cursor in, struct error *error)
{
    enum control_type what = (enum control_type)cursor_u8(&in);
    shard_id shard = cursor_u64(&in);
    enum error_code code = (enum error_code)cursor_u8(&in);
    const char *text = control_take_text(&in, worker->message_arena);
    if (!text)
        return error_set(error, ERROR_FATAL, "a message of an executor is cut short");
    if (what == CONTROL_EXIT)
        return gave_up(worker, member, code, text, error);
    bool is_over = member->phase != worker->phase;
    if (what == CONTROL_STREAM || what == CONTROL_FILL)
        return is_over
                   ? OK
                   : streams_failed(worker, member, SHARD_RUN(shard), code, text, error);
    uint32_t epoch;
    pop_shard(worker, member, shard, is_over, &epoch);
    return is_over ? OK
                   : worker_fail_shard(worker, shard, epoch, FAIL_SHARD, 0, 0,
                                       "stage_error", text, error);
}

/* The first executor speaks for all: the coordinator leases nothing before it knows what
 * their results are computed with. */
static enum error_code ready(struct worker *worker, struct member *member,
                             struct cursor in, struct error *error)
{
    const char *names = control_take_text(&in, worker->arena);
    if (!names)
        return error_set(error, ERROR_FATAL, "a message of an executor is cut short");
    if (worker->libraries && strcmp(worker->libraries, names) != 0)
        return error_set(error, ERROR_CONFIG,
                         "a library was exchanged while this worker ran: it began with "
                         "\"%s\", and now there is \"%s\"",
                         worker->libraries, names);
    if (!worker->libraries && names[0]) {
        struct message message = {.type = MESSAGE_LIBRARIES};
        message.as.libraries.names = names;
        enum error_code code = worker_send(worker, &message, error);
        if (code != OK)
            return code;
    }
    worker->libraries = names;
    member->state = MEMBER_READY;
    return members_begin_phase(worker, error);
}

static enum error_code dispatch(struct worker *worker, struct member *member,
                                uint8_t type, struct cursor in, struct error *error)
{
    struct control_filled filled;
    switch ((enum control_type)type) {
    case CONTROL_READY:
        return ready(worker, member, in, error);
    case CONTROL_PREPARED:
        member->state = MEMBER_READY;
        if (cursor_u32(&in) == worker->phase) {
            worker->phase_state = PHASE_OPEN;
            for (uint32_t i = 0; i < worker->member_count; i++)
                if (worker->members[i].state == MEMBER_WORKING)
                    worker->members[i].state = MEMBER_READY;
        }
        return members_begin_phase(worker, error);
    case CONTROL_OPENED:
        return opened(worker, member, &in, error);
    case CONTROL_FINISHED:
        return finished(worker, member, in, error);
    case CONTROL_FILLED:
        if (!control_read_filled(&in, &filled))
            break;
        return streams_filled(worker, member, &filled, error);
    case CONTROL_SEALED:
        return sealed(worker, member, in, error);
    case CONTROL_FAILED:
        return failed(worker, member, in, error);
    default:
        break;
    }
    return error_set(error, ERROR_FATAL, "executor %u sent what is no message (%u)",
                     member->number, type);
}

enum error_code members_serve(struct worker *worker, struct member *member,
                              struct error *error)
{
    enum error_code code = channel_flush(&member->channel, false, error);
    if (code == OK)
        code = channel_fill(&member->channel, 0, error);
    uint8_t type;
    struct cursor message;
    while (code == OK && channel_take(&member->channel, &type, &message)) {
        arena_reset(worker->message_arena);
        code = dispatch(worker, member, type, message, error);
    }
    if (code != OK || !member->channel.is_closed)
        return code;
    int status = 0;
    int64_t until = clock_now_ms() + FAREWELL_MS;
    while (waitpid(member->pid, &status, WNOHANG) == 0) {
        if (clock_now_ms() > until)
            (void)kill(member->pid, SIGKILL); /* it closed its end and stays */
        clock_sleep_ms(1);
    }
    arena_reset(worker->message_arena);
    return member_died(worker, member, status, error);
}

/* Is the executor longer at one batch than a record may take? */
static void watch_member(struct worker *worker, struct member *member, int64_t now_ms)
{
    uint64_t sequence =
        atomic_load_explicit(&member->flight->sequence, memory_order_acquire);
    int64_t limit_ms = worker->pipeline->limits.record_ms;
    if (!atomic_load_explicit(&member->flight->is_active, memory_order_relaxed) ||
        sequence != member->seen_sequence || member->kill_reason) {
        member->seen_sequence = sequence;
        member->seen_ms = now_ms;
        member->seen_cpu_us = -1;
        return;
    }
    int64_t cpu_us = platform_process_cpu_us(member->pid);
    if (member->seen_cpu_us < 0)
        member->seen_cpu_us = cpu_us;
    if (cpu_us - member->seen_cpu_us >= limit_ms * 1000 ||
        now_ms - member->seen_ms >= limit_ms * WALL_FACTOR) {
        member->kill_reason = "timeout";
        (void)kill(member->pid, SIGKILL);
    }
}

enum error_code members_watch(struct worker *worker, int64_t now_ms, struct error *error)
{
    if (!worker->pipeline || now_ms - worker->watchdog_ms < WATCHDOG_MS)
        return OK;
    worker->watchdog_ms = now_ms;
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        if (member->state == MEMBER_WORKING) {
            watch_member(worker, member, now_ms);
        } else if (member->state == MEMBER_DEAD && !worker->is_leaving &&
                   (member->deaths < DEATHS_AT_ONCE ||
                    now_ms - member->failed_ms >= RESTART_MS)) {
            code = start_member(member, error);
            arena_reset(worker->message_arena);
            if (code == OK)
                code = set_up(worker, member, error);
        }
    }
    return code;
}

enum error_code members_seal(struct worker *worker, struct error *error)
{
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        if (member->state != MEMBER_WORKING || member->is_sealing || member->queued ||
            member->entry_count == 0)
            continue;
        member->is_sealing = true;
        code = members_send(worker, member, CONTROL_SEAL, NULL, error);
    }
    return code;
}

bool members_are_quiet(const struct worker *worker)
{
    for (uint32_t i = 0; i < worker->member_count; i++) {
        const struct member *member = &worker->members[i];
        if (member->queued || member->entry_count || member->is_sealing)
            return false;
    }
    return true;
}

uint32_t members_alive(const struct worker *worker)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->member_count; i++)
        count += worker->members[i].state != MEMBER_DEAD;
    return count;
}

uint32_t members_unpublished(const struct worker *worker)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < worker->member_count; i++)
        count += worker->members[i].entry_count;
    return count;
}

void members_stop(struct worker *worker)
{
    for (uint32_t i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        if (member->state == MEMBER_DEAD || member->pid <= 0)
            continue;
        (void)members_send(worker, member, CONTROL_EXIT, NULL, NULL);
    }
    int64_t until = clock_now_ms() + WAIT_MS;
    for (uint32_t i = 0; i < worker->member_count; i++) {
        struct member *member = &worker->members[i];
        int status;
        while (member->pid > 0 && member->state != MEMBER_DEAD &&
               waitpid(member->pid, &status, WNOHANG) == 0) {
            if (clock_now_ms() > until || worker->verdict != OK)
                (void)kill(member->pid, SIGKILL);
            clock_sleep_ms(1);
        }
        member->state = MEMBER_DEAD;
        channel_clear(&member->channel);
        if (member->flight)
            (void)munmap(member->flight, sizeof *member->flight);
        if (member->flight_fd >= 0)
            (void)close(member->flight_fd);
        struct task task;
        while (task_list_pop(&member->queue, &task))
            held_lease_release(task.held);
        free(member->queue.items);
        bytes_clear(&member->entries);
    }
}
