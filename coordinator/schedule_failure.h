/* schedule_failure.h - what a failed shard means for it, its worker and the run
 *
 * Inside of the schedule only. */
#ifndef COORDINATOR_SCHEDULE_FAILURE_H
#define COORDINATOR_SCHEDULE_FAILURE_H

#include "coordinator/schedule_books.h"

/* EVENT_FAIL from a worker that is in the run. */
enum error_code failure_handle(struct schedule *schedule,
                               const struct schedule_event *event, struct error *error);

#endif
