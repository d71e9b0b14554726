/* score_scan.h - find the few scores above a bound among many */
#ifndef STAGES_KERNELS_SCORE_SCAN_H
#define STAGES_KERNELS_SCORE_SCAN_H

#include <stddef.h>
#include <stdint.h>

enum { SCORE_SCAN_BLOCK = 1024 };

/* places become the numbers i, ascending, for which scores[i] <= bound does not hold: what
 * is no number comes out as well. scores: (count <= SCORE_SCAN_BLOCK). Returns how many. */
typedef size_t score_scanner(const float *scores, size_t count, float bound,
                             uint32_t places[SCORE_SCAN_BLOCK]);

struct score_scan {
    const char *name;
    score_scanner *scan;
};

enum { SCORE_SCANS_MAX = 3 };

/* Those that this CPU has, best first; the last one is plain C. Returns their number. */
size_t score_scan_list(struct score_scan list[SCORE_SCANS_MAX]);

#endif
