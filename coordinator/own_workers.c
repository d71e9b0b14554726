/* own_workers.c - the workers that a coordinator starts on its own machine */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinator/coordinator_state.h"
#include "core/arena.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/spawn.h"

enum { STARTS_MAX = 1000, FAILURES_MAX = 10, EXIT_REFUSED = 2, GRACE_MS = 3000 };

static enum error_code start(struct coordinator *coordinator, struct own_worker *own,
                             struct error *error)
{
    const struct coordinator_settings *settings = coordinator->settings;
    char name[] = "millrace", command[] = "worker", connect[] = "--connect";
    char executors[] = "--executors", parent[] = "--own", keys[] = "--keys";
    char endpoint[256], count[16], pid[16], keys_path[4096];
    (void)snprintf(endpoint, sizeof endpoint, "%s", settings->endpoint);
    (void)snprintf(count, sizeof count, "%u", settings->executors);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)snprintf(keys_path, sizeof keys_path, "%s",
                   settings->keys ? settings->keys : "");
    char *argv[] = {name,   command, connect, endpoint,  executors, count,
                    parent, pid,     keys,    keys_path, NULL};
    if (!settings->keys)
        argv[8] = NULL;
    own->starts++;
    return spawn_self(argv, &own->pid, error);
}

enum error_code own_workers_start(struct coordinator *coordinator, struct error *error)
{
    uint32_t count = coordinator->settings->own_workers;
    coordinator->own = ARENA_NEW(coordinator->arena, struct own_worker, count);
    if (!coordinator->own)
        return error_set(error, ERROR_MEMORY, "no memory for workers");
    enum error_code code = OK;
    for (uint32_t i = 0; code == OK && i < count; i++)
        code = start(coordinator, &coordinator->own[i], error);
    return code;
}

static struct peer *peer_of_process(struct coordinator *coordinator, pid_t pid)
{
    for (size_t i = 0; i < coordinator->peer_count; i++)
        if (coordinator->peers[i].link && coordinator->peers[i].pid == (uint32_t)pid)
            return &coordinator->peers[i];
    return NULL;
}

enum error_code own_workers_watch(struct coordinator *coordinator, int64_t now_ms,
                                  struct error *error)
{
    for (uint32_t i = 0; i < coordinator->settings->own_workers; i++) {
        struct own_worker *own = &coordinator->own[i];
        int status;
        if (!own->pid || waitpid(own->pid, &status, WNOHANG) != own->pid)
            continue;
        struct peer *peer = peer_of_process(coordinator, own->pid);
        own->pid = 0;
        enum error_code code = OK;
        if (peer)
            code = dispatch_gone(coordinator, peer, now_ms, error);
        bool is_refused = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REFUSED;
        own->failures += WIFEXITED(status) && WEXITSTATUS(status) != 0;
        if (code != OK)
            return code;
        if (coordinator->is_draining || coordinator->is_failed)
            continue;
        if (is_refused || own->failures >= FAILURES_MAX || own->starts >= STARTS_MAX)
            return error_set(error, ERROR_FATAL,
                             "a worker of this machine ended: see above");
        log_at(LEVEL_WARNING, "a worker of this machine ended: started again");
        code = start(coordinator, own, error);
        if (code != OK)
            return code;
    }
    return OK;
}

void own_workers_stop(struct coordinator *coordinator)
{
    int64_t until = clock_now_ms() + GRACE_MS;
    for (uint32_t i = 0; coordinator->own && i < coordinator->settings->own_workers;
         i++) {
        pid_t pid = coordinator->own[i].pid;
        int status;
        while (pid && waitpid(pid, &status, WNOHANG) == 0) {
            peers_absorb(coordinator, 5);
            if (clock_now_ms() > until)
                (void)kill(pid, SIGKILL);
        }
        struct peer *peer = pid ? peer_of_process(coordinator, pid) : NULL;
        if (peer) { /* nobody is there to acknowledge anything */
            link_destroy(peer->link);
            peer->link = NULL;
        }
    }
    coordinator->own = NULL;
}
