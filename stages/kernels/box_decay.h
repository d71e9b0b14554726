/* box_decay.h - the Gaussian by which soft_nms takes score away */
#ifndef STAGES_KERNELS_BOX_DECAY_H
#define STAGES_KERNELS_BOX_DECAY_H

#include <stddef.h>

/* Each of `overlaps` (count), in 0 ... 1, becomes exp(-overlap^2 / sigma); sigma is
 * above 0. The same bits everywhere, which the C library's exp() does not promise;
 * within 3 ulp of it; at the least exp(-700). */
void box_decay_gaussian(double *overlaps, size_t count, double sigma);

#endif
