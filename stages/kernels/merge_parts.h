/* merge_parts.h - what the variants of merge_jobs() share */
#ifndef STAGES_KERNELS_MERGE_PARTS_H
#define STAGES_KERNELS_MERGE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge_job;
struct vocabulary;

/* merge_jobs() of merge.h; the CPU has to have the extensions. */
void merge_jobs_avx512(const struct vocabulary *vocabulary, struct merge_job *jobs,
                       size_t count);
bool merge_has_avx512(void);

#endif
