/* dismiss_ranks.c - tell the other ranks of an MPI run that there is nothing to do */
#include "commands/run_session.h"

#include "core/arena.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/link.h"
#include "core/protocol.h"

enum { FRAME_MAX = 64 << 20, DRAIN_MS = 1000, DISMISS_MS = 5000, ARENA_BLOCK = 16 << 10 };

static const struct link_settings link_settings = {
    .resend_ms = 200, .window = 64, .reorder = 64};

struct dismissal {
    struct transport transport;
    struct link **links; /* by peer, (others + 1) */
    size_t others, known;
    struct bytes bye;
};

/* A frame of a rank: answer its first with a goodbye. */
static void take_frame(struct dismissal *dismissal, const struct frame *frame)
{
    struct link **link = &dismissal->links[frame->from];
    if (!*link) {
        *link = link_create(1, &link_settings);
        if (!*link)
            return;
        dismissal->known++;
        (void)link_send(*link, dismissal->bye.data, dismissal->bye.size, NULL);
    }
    (void)link_accept(*link, frame->data, frame->size, clock_now_ms());
}

/* How many ranks have not heard it yet. */
static size_t pump(struct dismissal *dismissal)
{
    size_t waiting = dismissal->others - dismissal->known;
    for (peer_id i = 1; i <= dismissal->others; i++) {
        struct link *link = dismissal->links[i];
        size_t size;
        const unsigned char *out;
        while (link && (out = link_output(link, clock_now_ms(), &size)) != NULL)
            if (dismissal->transport.type->send(&dismissal->transport, i, out, size,
                                                NULL) != OK) {
                link_refused(link);
                break;
            }
        waiting += link && link_unacknowledged(link);
    }
    return waiting;
}

void run_dismiss_ranks(const struct run_world *world)
{
    struct dismissal dismissal = {.others = (size_t)world->world.size - 1};
    struct transport_options options = {.endpoint = "", .max_frame_size = FRAME_MAX};
    struct message bye = {.type = MESSAGE_BYE};
    message_write(&bye, &dismissal.bye);
    struct arena *arena = arena_create(ARENA_BLOCK, 0);
    dismissal.links =
        arena ? ARENA_NEW(arena, struct link *, dismissal.others + 1) : NULL;
    bool is_open = dismissal.links && !dismissal.bye.is_bad &&
                   transport_open(&dismissal.transport, world->transport,
                                  TRANSPORT_COORDINATOR, &options, NULL) == OK;
    int64_t until = clock_now_ms() + DISMISS_MS;
    while (is_open && clock_now_ms() < until) {
        struct frame frame = {0};
        (void)dismissal.transport.type->receive(&dismissal.transport, 10, NULL, 0, &frame,
                                                NULL);
        if (frame.data && frame.from <= dismissal.others)
            take_frame(&dismissal, &frame);
        if (pump(&dismissal) == 0)
            break;
    }
    for (size_t i = 0; dismissal.links && i <= dismissal.others; i++)
        link_destroy(dismissal.links[i]);
    transport_close(&dismissal.transport, DRAIN_MS);
    bytes_clear(&dismissal.bye);
    arena_destroy(arena);
}
