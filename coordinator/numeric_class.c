/* numeric_class.c - what workers compute floats with, the same for all of a job
 *
 * Libraries give other bits on CPUs of another level and in other versions. The first worker
 * that tells what it has fixes that for the job, in its index; others are refused. */
#include <stdio.h>
#include <string.h>

#include "coordinator/coordinator_state.h"
#include "core/log.h"

bool class_is_needed(const struct pipeline *pipeline)
{
    for (size_t p = 0; p < pipeline->phase_count; p++)
        for (size_t i = 0; i < pipeline->phases[p].stage_count; i++)
            if (pipeline->phases[p].stages[i].type->library)
                return true;
    return false;
}

/* The index must name the class before a volume can be there: it is published at once. */
static enum error_code fix_class(struct coordinator *coordinator, const char *class,
                                 struct error *error)
{
    coordinator->has_uncommitted = coordinator->has_unpublished = true;
    coordinator->publish_ms = coordinator->publish_cost_ms = 0;
    log_at(LEVEL_INFO, "this job computes with %s", class);
    return books_fix_class(coordinator->settings->books, class, error);
}

enum error_code class_admit(struct coordinator *coordinator, struct peer *peer,
                            const char *libraries, char refusal[REFUSAL_SIZE],
                            struct error *error)
{
    char class[CLASS_SIZE];
    const char *fixed = books_class(coordinator->settings->books);
    int size = snprintf(class, sizeof class, "%s, %s", peer->cpu_level, libraries);
    if (size < 0 || (size_t)size >= sizeof class) {
        (void)snprintf(refusal, REFUSAL_SIZE, "the names of its libraries are too long");
        return OK;
    }
    bool is_alike = !fixed[0] || strcmp(fixed, class) == 0;
    if (!is_alike && !coordinator->settings->is_mixed) {
        (void)snprintf(refusal, REFUSAL_SIZE,
                       "this job computes with \"%s\", which its first worker fixed, and "
                       "this worker has \"%s\", whose results may differ in the last "
                       "bits; give it the same, or allow both by run --mixed",
                       fixed, class);
        return OK;
    }
    if (!is_alike)
        log_at(LEVEL_WARNING,
               "worker %u (%s) computes with %s, others with %s: results may differ in "
               "the last bits",
               peer->number, peer->host, class, fixed);
    peer->is_admitted = true;
    return fixed[0] ? OK : fix_class(coordinator, class, error);
}
