/* merge_parts.h - what the variants of merge_jobs() share */
#ifndef STAGES_KERNELS_MERGE_PARTS_H
#define STAGES_KERNELS_MERGE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_job;
struct vocabulary;

enum { MERGE_TOGETHER = 256 }; /* jobs that are sorted together */

/* merge_jobs() of merge.h; the CPU has to have the extensions. */
void merge_jobs_avx512(const struct vocabulary *vocabulary, struct merge_job *jobs,
                       size_t count);
void merge_jobs_avx2(const struct vocabulary *vocabulary, struct merge_job *jobs,
                     size_t count);
bool merge_has_avx512(void);
bool merge_has_avx2(void);

/* Pieces of about the same size go together. `count` <= MERGE_TOGETHER. */
void merge_sort_jobs(struct merge_job *jobs, size_t count, struct merge_job **sorted);

/* Give a job its tokens: every `stride`-th, up to TOKEN_NONE. */
void merge_take_lane(struct merge_job *job, const uint32_t *tokens, size_t stride);

#endif
