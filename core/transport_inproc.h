/* transport_inproc.h - frames between endpoints of one process, for tests: lost, repeated,
 * delayed and reordered on purpose, in virtual time */
#ifndef CORE_TRANSPORT_INPROC_H
#define CORE_TRANSPORT_INPROC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/transport.h"

struct inproc_hub; /* heap object: the world in which endpoints meet */

/* What may become of a frame on its way; probabilities in 0 ... 1. All zero: a perfect
 * world in which frames arrive at once. Frames of equal delay keep their order. */
struct inproc_faults {
    double loss, repetition;
    int64_t delay_ms_min, delay_ms_max;
    double reordering; /* delayed by another reordering_ms */
    int64_t reordering_ms;
};

/* One thing to happen to one frame, before chance is asked. */
enum inproc_deed { INPROC_DELIVER, INPROC_LOSE, INPROC_REPEAT, INPROC_DELAY };
struct inproc_step {
    peer_id worker; /* of the conversation, as the coordinator counts; 0: any */
    bool is_to_coordinator;
    uint64_t number; /* of the frame in this direction of this conversation, from 1; of
                        the whole hub where worker is 0 */
    enum inproc_deed deed;
    int64_t delay_ms; /* DELAY, and the second copy of REPEAT */
};

/* `script` is borrowed. The same seed, script and calls give the same history. */
struct inproc_hub *inproc_hub_create(uint64_t seed, const struct inproc_faults *faults,
                                     const struct inproc_step *script,
                                     size_t script_count);
/* After all endpoints were closed. */
void inproc_hub_destroy(struct inproc_hub *hub);

/* Virtual time begins at 0. receive() never moves it: a receive() of some endpoint
 * returns at once, whatever its timeout. */
int64_t inproc_now_ms(const struct inproc_hub *hub);
void inproc_advance_to(struct inproc_hub *hub, int64_t now_ms);
/* When the next frame arrives anywhere; INT64_MAX: none is on its way. */
int64_t inproc_due_ms(const struct inproc_hub *hub);

/* Faults from now on. */
void inproc_set_faults(struct inproc_hub *hub, const struct inproc_faults *faults);
/* While a worker is cut off, frames from and to it are lost. */
void inproc_set_cut(struct inproc_hub *hub, peer_id worker, bool is_cut);

/* Put the hub into the zeroed state of a transport, before its open(). */
void inproc_attach(struct transport *transport, struct inproc_hub *hub);

/* One coordinator and up to 64 workers at a time. A worker that is closed is gone: sends
 * to it are ERROR_TRANSIENT. */
extern const struct transport_type transport_inproc;

#endif
