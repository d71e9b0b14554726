/* resize_plan.h - which size a picture gets, and what of it is kept */
#ifndef STAGES_KERNELS_RESIZE_PLAN_H
#define STAGES_KERNELS_RESIZE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "stages/kernels/image_decode.h"

enum resize_fit {
    RESIZE_INSIDE, /* as large as fits, its shape kept */
    RESIZE_COVER,  /* the shape kept, what stands out cut off on both sides */
    RESIZE_PAD,    /* as inside, in the middle of a picture of the size asked for */
    RESIZE_STRETCH /* the size asked for, whatever becomes of the shape */
};

struct resize_wish {
    uint32_t width, height; /* 0: as the other side and the shape say */
    double scale;           /* of both sides, in place of them; 0: not used */
    enum resize_fit fit;
    bool enlarges; /* else a picture that is small enough already keeps its size */
};

struct resize_plan {
    uint32_t width, height;         /* of the whole picture, resized */
    uint32_t out_width, out_height; /* of what comes out */
    uint32_t cut_x, cut_y; /* how much of the resized one is left out at left, top */
    uint32_t pad_x, pad_y; /* how much is put around it there */
};

/* For a picture of (height, width). Sides are rounded half up, to 1 at least. */
struct resize_plan resize_plan_of(uint32_t width, uint32_t height,
                                  const struct resize_wish *wish);

/* May the pictures that a plan needs at once take so much? ERROR_RECORD "needs_memory". */
enum error_code resize_check_memory(const struct resize_plan *plan, uint64_t memory,
                                    struct image_fault *fault);

/* What comes out of the resized picture (height, width, 3): cut and padded with
 * `background` to `out` (out_height, out_width, 3). */
void resize_frame(const struct resize_plan *plan, const unsigned char *resized,
                  const unsigned char background[3], unsigned char *out);

#endif
