/* transport_conformance.h - what every transport must do, as cases to run against it
 *
 * The cases play the worker; conformance_serve() plays the coordinator, in the same thread
 * or in another process. It sends back every frame but those that begin with one of the
 * letters below. */
#ifndef TESTS_UNIT_TRANSPORT_CONFORMANCE_H
#define TESTS_UNIT_TRANSPORT_CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bytes.h"
#include "core/transport.h"

enum {
    CONFORMANCE_SINK = 'S',     /* swallow this frame */
    CONFORMANCE_GENERATE = 'G', /* u32 count, u32 size: send so many such frames */
    CONFORMANCE_QUIT = 'Q',     /* this worker is through */
    CONFORMANCE_FRAME_MAX = (5 << 20) + 64,
    CONFORMANCE_PATIENCE_MS = 30000
};

/* The coordinator's side. */
struct conformance_server {
    struct transport *transport;
    struct bytes queue; /* u32 peer, u32 size, frame; sent from `head` on */
    size_t head;
    uint64_t received, bytes;
    int quit_count;
};

/* Do what is to be done, waiting up to timeout_ms for it. */
void conformance_serve(struct conformance_server *server, int timeout_ms);

/* The worker's side: the state of a case points to one of these. */
struct conformance {
    struct transport *worker;
    struct conformance_server *server; /* in this thread, or NULL */
    bool is_virtual;                   /* receive() does not wait */
    unsigned char *sent, *expected;    /* room for a frame each */
};

/* Room for the frames, and its release with the server's queue. */
void conformance_open(struct conformance *test);
void conformance_close(struct conformance *test);

enum { CONFORMANCE_CASE_COUNT = 10 };
extern const struct CMUnitTest conformance_cases[CONFORMANCE_CASE_COUNT];

#endif
