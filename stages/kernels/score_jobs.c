/* score_jobs.c - merge many short words by score, side by side */
#include "stages/kernels/score_jobs.h"

#include "stages/kernels/score_table.h"

void score_jobs_run(const struct score_table *table, struct score_job *jobs, size_t count)
{
    if (!table->parts && !table->has_users && score_jobs_have_avx512()) {
        score_jobs_run_avx512(table, jobs, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        jobs[i].count = 0;
}
