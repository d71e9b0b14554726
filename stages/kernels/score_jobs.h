/* score_jobs.h - merge many short words by score, side by side
 *
 * What one word waits for from memory is hidden behind the others. */
#ifndef STAGES_KERNELS_SCORE_JOBS_H
#define STAGES_KERNELS_SCORE_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct score_table;

enum { SCORE_JOB_SYMBOLS = 16 };

struct score_job {
    const unsigned char *word; /* (size) */
    size_t size;
    uint32_t *ids; /* room for `size` of them */
    size_t count;  /* set; 0: the word is for score_merge() */
};

/* The ids of score_merge() for all jobs that are short and simple; which these are depends
 * on the CPU. */
void score_jobs_run(const struct score_table *table, struct score_job *jobs,
                    size_t count);

/* For score_jobs.c alone; the CPU has to have the extensions. */
void score_jobs_run_avx512(const struct score_table *table, struct score_job *jobs,
                           size_t count);
bool score_jobs_have_avx512(void);

#endif
