/* run_session.c - one session of a job: locked, opened, run, concluded */
#include "commands/run_session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "coordinator/job_lock.h"
#include "coordinator/status_file.h"
#include "core/arena.h"
#include "core/log.h"
#include "core/scratch.h"

enum {
    PATH_SIZE = 4096,
    EXIT_WRONG = 2,
    EXIT_QUARANTINED = 3,
    EXIT_STOPPED = 75,
    FRAME_MAX = 64 << 20,
    DRAIN_MS = 1000
};

/* Everything that a session opens, to be released in reverse. */
struct session {
    char scratch[PATH_SIZE];
    struct job_lock *lock;
    struct books *books;
    struct transport transport;
};

static int complain(const struct error *error)
{
    (void)fprintf(stderr, "millrace: %s\n", error->text);
    return 1;
}

static enum error_code open_transport(const struct run_request *request,
                                      struct session *session, struct error *error)
{
    char private_endpoint[PATH_SIZE + 16];
    struct transport_options options = {.keys = request->keys,
                                        .max_frame_size = FRAME_MAX};
    (void)snprintf(private_endpoint, sizeof private_endpoint, "ipc://%s/socket",
                   session->scratch);
    options.endpoint = request->bind ? request->bind : private_endpoint;
    return transport_open(&session->transport,
                          request->world ? request->world->transport : &transport_zmq,
                          TRANSPORT_COORDINATOR, &options, error);
}

static enum error_code open_session(const struct run_request *request,
                                    struct arena *arena, struct session *session,
                                    const char **nonce, struct error *error)
{
    enum error_code code = scratch_make(session->scratch, sizeof session->scratch, error);
    /* The endpoint first: nothing is written when it is wrong. */
    if (code == OK)
        code = open_transport(request, session, error);
    if (code == OK)
        code = job_make(request->folder, request->plan, arena, nonce, error);
    if (code == OK) {
        code = lock_acquire(request->folder, LOCK_BEAT_MS, &session->lock, error);
        if (code == ERROR_CONFIG)
            code =
                ERROR_TRANSIENT; /* nothing is wrong with the command: wait, or stop it */
    }
    if (code == OK)
        code = books_open(request->folder, session->scratch, request->plan,
                          &session->books, error);
    if (code == OK) {
        char path[PATH_SIZE];
        (void)snprintf(path, sizeof path, "%s/log/coordinator.log", request->folder);
        log_open_file(path);
        log_at(LEVEL_INFO, "session %llu begins",
               (unsigned long long)lock_session(session->lock));
    }
    uint32_t retried = 0;
    if (code == OK && request->is_retry)
        code = books_retry(session->books, &retried, error);
    if (code == OK && request->is_retry && !request->is_quiet)
        log_write(LEVEL_INFO, "%u shards have quarantined records: tried again", retried);
    if (code == OK && !request->world) {
        const char *endpoint = session->transport.type->endpoint(&session->transport);
        code = job_write_file(request->folder, "endpoint", endpoint, strlen(endpoint),
                              error);
    }
    return code;
}

static void close_session(struct session *session)
{
    transport_close(&session->transport, DRAIN_MS);
    books_close(session->books);
    lock_release(session->lock);
    log_close_file();
    scratch_remove(session->scratch);
}

static void print_reasons(const struct status *status)
{
    for (size_t i = 0; i < status->reason_count; i++) {
        const struct reason *reason = &status->reasons[i];
        (void)fprintf(stderr, "  %s %" PRIu64 " in %s: %s\n",
                      reason->is_quarantine ? "quarantined" : "dropped",
                      reason->tally.records, reason->stage, reason->reason);
    }
}

/* What the job came to, from JOB/status.json. */
static int print_summary(const struct run_request *request, struct arena *arena,
                         bool is_quiet)
{
    struct status status;
    struct error error = {0};
    if (status_load(request->folder, arena, &status, &error) != OK)
        return complain(&error);
    const struct account *account = &status.part.account;
    const struct made_account *made = &account->made;
    if (!is_quiet) {
        double seconds = status.part.seconds > 0 ? status.part.seconds : 0.001;
        (void)fprintf(stderr,
                      "%s %s in %.1f s: %" PRIu64 " record%s (%.1f MB) read\n"
                      "  %" PRIu64 " emitted, %" PRIu64 " dropped, %" PRIu64
                      " quarantined; %" PRIu64 " shard%s, %.1f MB stored\n",
                      status.name, status_state_name(status.part.state), seconds,
                      account->read.records, account->read.records == 1 ? "" : "s",
                      (double)account->read.bytes / 1e6, account->emitted.records,
                      account->dropped.records, account->quarantined.records,
                      status.part.shards_done, status.part.shards_done == 1 ? "" : "s",
                      (double)status.part.stored_bytes / 1e6);
        if (account->used.records)
            (void)fprintf(stderr,
                          "  %" PRIu64 " of them used for %" PRIu64 " others: %" PRIu64
                          " emitted, %" PRIu64 " dropped, %" PRIu64 " quarantined\n",
                          account->used.records, made->made.records,
                          made->emitted.records, made->dropped.records,
                          made->quarantined.records);
        print_reasons(&status);
        (void)fprintf(stderr, "  job directory: %s\n", request->folder);
    }
    bool has_quarantined = account->quarantined.records || made->quarantined.records;
    return request->is_strict && has_quarantined ? EXIT_QUARANTINED : 0;
}

int run_summarize(const struct run_request *request, struct arena *arena)
{
    return print_summary(request, arena, request->is_quiet);
}

int run_session(const struct run_request *request, struct arena *arena)
{
    struct session session = {0};
    struct error error = {0};
    const char *nonce = NULL;
    /* A terminal has the progress line; the rest stands in JOB/log. */
    bool is_brief = request->is_quiet || isatty(STDERR_FILENO);
    log_open("coordinator", is_brief ? LEVEL_WARNING : LEVEL_INFO);
    enum error_code code = open_session(request, arena, &session, &nonce, &error);
    int status = 0;
    if (code != OK) {
        (void)complain(&error);
        status = code == ERROR_CONFIG ? EXIT_WRONG : 1;
        close_session(&session);
        if (request->world)
            run_dismiss_ranks(request->world);
        return status;
    }
    struct coordinator_settings settings = {
        .folder = request->folder,
        .nonce = nonce,
        .plan = request->plan,
        .books = session.books,
        .lock = session.lock,
        .transport = &session.transport,
        .endpoint = session.transport.type->endpoint(&session.transport),
        .keys = request->keys,
        .own_workers = request->world ? 0 : request->workers,
        .executors = request->executors,
        .is_mixed = request->is_mixed,
        .is_quiet = request->is_quiet};
    enum run_verdict verdict = coordinator_run(&settings, &error);
    close_session(&session);
    if (verdict == RUN_FAILED) {
        (void)complain(&error);
        return error.code == ERROR_CONFIG ? EXIT_WRONG : 1;
    }
    status = print_summary(request, arena, request->is_quiet);
    if (verdict == RUN_STOPPED && !request->is_quiet)
        (void)fprintf(stderr, "stopped early: the same command goes on\n");
    return verdict == RUN_STOPPED ? EXIT_STOPPED : status;
}
