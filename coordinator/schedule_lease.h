/* schedule_lease.h - hand out what is pending: leases, second leases, requests to flush
 *
 * Inside of the schedule only. */
#ifndef COORDINATOR_SCHEDULE_LEASE_H
#define COORDINATOR_SCHEDULE_LEASE_H

#include "coordinator/schedule_books.h"

/* Share pending units out among the workers with free credit; when there are none, lease
 * the oldest ones a second time, and ask for what is finished but unpublished. */
enum error_code lease_out(struct schedule *schedule, struct error *error);

#endif
