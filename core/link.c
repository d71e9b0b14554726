/* link.c - reliable, ordered messages over a transport that may lose frames
 *
 * Cumulative acknowledgements, a sliding window, a reordering buffer. What is queued lies
 * in one growing string of bytes, header in front, so that a repetition costs no copy. */
#include "core/link.h"

#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"

enum {
    LINK_MAGIC = 0x314b4c4d, /* "MLK1" */
    LINK_VERSION = 1,
    HEADER_SIZE = 40,
    AT_SENDER = 8,
    AT_RECEIVER = 16,
    AT_SEQUENCE = 24,
    AT_ACKNOWLEDGED = 32,
    PREFIX_SIZE = 8,            /* u64 size in front of each item of a queue */
    QUEUE_KEPT_SIZE = 1 << 20,  /* an empty queue gives more than this back */
    EARLY_KEPT_SIZE = 4096,     /* ... and so does a slot of the reordering buffer */
    REORDER_SIZE_MAX = 64 << 20 /* bytes of frames that came too early */
};
enum {
    ACK_DELAY_MS = 20, /* an acknowledgement waits so long for a frame to ride on */
    ACK_FRAMES = 64,   /* ... but for no more than so many frames */
    REFUSED_MS_MAX = 32,
    RESEND_MS_MAX = 1 << 30
};

/* Items in order, each a u64 size and its bytes. A position counts bytes from the
 * beginning of time, so that it stays true when the queue moves down in memory. */
struct queue {
    struct bytes bytes;
    size_t head;   /* where the first item stands in bytes */
    uint64_t base; /* position of bytes.data[0] */
};

struct flight { /* a frame sent and not acknowledged */
    uint64_t position;
    int64_t due_ms; /* of its next repetition */
    uint32_t tries;
};

struct link {
    uint64_t self, peer;
    struct link_settings settings;

    struct queue outgoing;        /* frames from acknowledged + 1 on */
    uint64_t next_sequence;       /* for the next message */
    uint64_t next_unsent;         /* sequence of the first frame never sent */
    uint64_t unsent_position;     /* its place in `outgoing` */
    uint64_t acknowledged;        /* all up to it were delivered */
    struct flight *flights;       /* (window), by sequence modulo window; owned */
    int64_t due_ms;               /* no flight is due earlier */
    uint64_t scan;                /* next flight to look at, 0: none is going on */
    int64_t scan_due_ms;          /* earliest of those looked at */
    int64_t now_ms, blocked_ms;   /* last time heard; no output before */
    int64_t patient_ms;           /* nothing is repeated before */
    uint32_t refusals;            /* in a row */
    uint64_t last_sequence;       /* of the latest output; 0: an acknowledgement */
    uint32_t last_unacknowledged; /* what it would have acknowledged */
    bool has_output;

    struct queue incoming; /* messages in order, not yet taken */
    bool is_lent;          /* the first of them was handed out by link_next() */
    uint64_t delivered;    /* all up to it are in `incoming` or taken */
    struct bytes *early;   /* (reorder), by sequence modulo reorder; owned */
    size_t early_size;     /* bytes in them */
    uint32_t unacknowledged;
    int64_t ack_due_ms;
    struct bytes ack; /* a bare acknowledgement */
};

/* ---- queue ---- */

static bool queue_is_empty(const struct queue *queue)
{
    return queue->head == queue->bytes.size;
}

/* Room for an item of `size` bytes, NULL without memory. Moves what is left down when at
 * least half of the string is spent, which makes the moves linear in what went through. */
static unsigned char *queue_push(struct queue *queue, size_t size)
{
    struct bytes *bytes = &queue->bytes;
    if (size > SIZE_MAX / 8)
        return NULL;
    if (bytes->capacity - bytes->size < PREFIX_SIZE + size &&
        queue->head >= bytes->size - queue->head && queue->head > 0) {
        memmove(bytes->data, bytes->data + queue->head, bytes->size - queue->head);
        bytes->size -= queue->head;
        queue->base += queue->head;
        queue->head = 0;
    }
    unsigned char *room = bytes_reserve(bytes, PREFIX_SIZE + size);
    if (!room) {
        bytes->is_bad = false; /* what is queued stays good */
        return NULL;
    }
    store_u64(room, size);
    bytes->size += PREFIX_SIZE + size;
    return room + PREFIX_SIZE;
}

static unsigned char *queue_at(const struct queue *queue, uint64_t position, size_t *size)
{
    unsigned char *item = queue->bytes.data + (size_t)(position - queue->base);
    *size = (size_t)load_u64(item);
    return item + PREFIX_SIZE;
}

static void queue_pop(struct queue *queue)
{
    queue->head += PREFIX_SIZE + (size_t)load_u64(queue->bytes.data + queue->head);
    if (!queue_is_empty(queue))
        return;
    queue->base += queue->bytes.size;
    queue->head = 0;
    if (queue->bytes.capacity > QUEUE_KEPT_SIZE)
        bytes_clear(&queue->bytes);
    else
        bytes_reset(&queue->bytes);
}

/* ---- life ---- */

struct link *link_create(uint64_t self, const struct link_settings *settings)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return NULL;
    link->self = self;
    link->settings = *settings;
    if (link->settings.window == 0)
        link->settings.window = 1;
    if (link->settings.resend_ms < 1)
        link->settings.resend_ms = 1;
    if (link->settings.resend_ms > RESEND_MS_MAX)
        link->settings.resend_ms = RESEND_MS_MAX;
    link->next_sequence = link->next_unsent = 1;
    link->due_ms = INT64_MAX;
    link->flights = calloc(link->settings.window, sizeof *link->flights);
    size_t reorder = link->settings.reorder;
    link->early = reorder ? calloc(reorder, sizeof *link->early) : NULL;
    if (!link->flights || (reorder && !link->early)) {
        link_destroy(link);
        return NULL;
    }
    return link;
}

void link_destroy(struct link *link)
{
    if (!link)
        return;
    for (uint32_t i = 0; link->early && i < link->settings.reorder; i++)
        bytes_clear(&link->early[i]);
    bytes_clear(&link->ack);
    bytes_clear(&link->incoming.bytes);
    bytes_clear(&link->outgoing.bytes);
    free(link->early);
    free(link->flights);
    free(link);
}

/* ---- sending ---- */

static struct flight *flight_of(const struct link *link, uint64_t sequence)
{
    return &link->flights[sequence % link->settings.window];
}

static bool has_flights(const struct link *link)
{
    return link->next_unsent > link->acknowledged + 1;
}

static bool may_send_new(const struct link *link)
{
    return link->next_unsent < link->next_sequence &&
           link->next_unsent - link->acknowledged <= link->settings.window;
}

static void write_header(const struct link *link, unsigned char *frame, uint64_t sequence)
{
    store_u32(frame, LINK_MAGIC);
    store_u32(frame + 4, LINK_VERSION);
    store_u64(frame + AT_SENDER, link->self);
    store_u64(frame + AT_RECEIVER, link->peer);
    store_u64(frame + AT_SEQUENCE, sequence);
    store_u64(frame + AT_ACKNOWLEDGED, link->delivered);
}

enum error_code link_send(struct link *link, const void *data, size_t size,
                          struct error *error)
{
    unsigned char *frame =
        size <= SIZE_MAX / 16 ? queue_push(&link->outgoing, HEADER_SIZE + size) : NULL;
    if (!frame)
        return error_set(error, ERROR_MEMORY, "no memory to queue %zu bytes", size);
    write_header(link, frame, link->next_sequence);
    if (size > 0)
        memcpy(frame + HEADER_SIZE, data, size);
    link->next_sequence++;
    return OK;
}

static int64_t resend_after(const struct link *link, uint32_t tries)
{
    return link->settings.resend_ms << (tries < 3 ? tries : 3);
}

/* The first flight that is due, 0: none. One pass over the flights may take several
 * calls, so that a burst of repetitions looks at each once. */
static uint64_t due_flight(struct link *link)
{
    if (!has_flights(link) || link->now_ms < link->due_ms ||
        link->now_ms < link->patient_ms)
        return 0;
    if (link->scan == 0)
        link->scan_due_ms = INT64_MAX;
    if (link->scan <= link->acknowledged)
        link->scan = link->acknowledged + 1;
    while (link->scan < link->next_unsent) {
        uint64_t sequence = link->scan++;
        struct flight *flight = flight_of(link, sequence);
        bool is_due = flight->due_ms <= link->now_ms;
        if (is_due) {
            flight->tries++;
            flight->due_ms = link->now_ms + resend_after(link, flight->tries);
        }
        if (flight->due_ms < link->scan_due_ms)
            link->scan_due_ms = flight->due_ms;
        if (is_due)
            return sequence;
    }
    link->due_ms = link->scan_due_ms;
    link->scan = 0;
    return 0;
}

static uint64_t new_flight(struct link *link)
{
    uint64_t sequence = link->next_unsent;
    size_t size;
    (void)queue_at(&link->outgoing, link->unsent_position, &size);
    struct flight *flight = flight_of(link, sequence);
    flight->position = link->unsent_position;
    flight->tries = 0;
    flight->due_ms = link->now_ms + resend_after(link, 0);
    if (flight->due_ms < link->due_ms)
        link->due_ms = flight->due_ms;
    if (flight->due_ms < link->scan_due_ms)
        link->scan_due_ms = flight->due_ms;
    link->unsent_position += PREFIX_SIZE + size;
    link->next_unsent++;
    return sequence;
}

static const unsigned char *finish_output(struct link *link, uint64_t sequence,
                                          unsigned char *frame)
{
    write_header(link, frame, sequence);
    link->last_sequence = sequence;
    link->last_unacknowledged = link->unacknowledged;
    link->unacknowledged = 0;
    link->has_output = true;
    return frame;
}

const unsigned char *link_output(struct link *link, int64_t now_ms, size_t *size)
{
    link->now_ms = now_ms;
    if (link->has_output)
        link->refusals = 0; /* the latest one was taken */
    link->has_output = false;
    if (now_ms < link->blocked_ms)
        return NULL;
    uint64_t sequence = due_flight(link);
    if (sequence == 0 && may_send_new(link))
        sequence = new_flight(link);
    if (sequence != 0) {
        unsigned char *frame =
            queue_at(&link->outgoing, flight_of(link, sequence)->position, size);
        return finish_output(link, sequence, frame);
    }
    if (link->unacknowledged == 0 || now_ms < link->ack_due_ms)
        return NULL;
    bytes_reset(&link->ack);
    unsigned char *frame = bytes_reserve(&link->ack, HEADER_SIZE);
    if (!frame)
        return NULL;
    *size = HEADER_SIZE;
    return finish_output(link, 0, frame);
}

void link_refused(struct link *link)
{
    if (!link->has_output)
        return;
    link->has_output = false;
    link->blocked_ms =
        link->now_ms + (link->refusals < 5 ? 1 << link->refusals : REFUSED_MS_MAX);
    link->refusals++;
    if (link->last_unacknowledged > 0) {
        link->unacknowledged = link->last_unacknowledged;
        link->ack_due_ms = link->blocked_ms;
    }
    if (link->last_sequence == 0)
        return;
    struct flight *flight = flight_of(link, link->last_sequence);
    if (flight->tries == 0) { /* the latest new one: as if it had never been sent */
        link->next_unsent--;
        link->unsent_position = flight->position;
        return;
    }
    flight->due_ms = link->blocked_ms;
    flight->tries--;
    link->due_ms = link->blocked_ms < link->due_ms ? link->blocked_ms : link->due_ms;
    link->scan = 0; /* begin again: it stands behind the scan */
}

/* ---- receiving ---- */

/* The peer has everything up to `acknowledged`. While it gets on, the rest is not lost but
 * on its way, however long that takes: repeating it would only make a slow way slower. */
static void take_acknowledgement(struct link *link, uint64_t acknowledged)
{
    if (link->acknowledged < acknowledged)
        link->patient_ms = link->now_ms + link->settings.resend_ms;
    while (link->acknowledged < acknowledged) {
        link->acknowledged++;
        queue_pop(&link->outgoing);
    }
    if (!has_flights(link)) {
        link->due_ms = INT64_MAX;
        link->scan = 0;
    }
}

static bool deliver(struct link *link, const unsigned char *data, size_t size)
{
    unsigned char *room = queue_push(&link->incoming, size);
    if (!room)
        return false;
    if (size > 0)
        memcpy(room, data, size);
    link->delivered++;
    return true;
}

static struct bytes *early_slot(const struct link *link, uint64_t sequence)
{
    return &link->early[sequence % link->settings.reorder];
}

/* An early frame is stored with one byte in front, so that none is empty. */
static void keep_early(struct link *link, uint64_t sequence, const unsigned char *data,
                       size_t size)
{
    if (sequence - link->delivered > link->settings.reorder)
        return;
    struct bytes *slot = early_slot(link, sequence);
    if (slot->size > 0 || size > REORDER_SIZE_MAX - link->early_size)
        return;
    bytes_put_u8(slot, 1);
    bytes_put(slot, data, size);
    if (slot->is_bad)
        bytes_clear(slot); /* as if it had been lost */
    else
        link->early_size += size;
}

static void drop_early(struct link *link, uint64_t sequence)
{
    struct bytes *slot = early_slot(link, sequence);
    link->early_size -= slot->size > 0 ? slot->size - 1 : 0;
    if (slot->capacity > EARLY_KEPT_SIZE)
        bytes_clear(slot);
    else
        bytes_reset(slot);
}

static void deliver_early(struct link *link)
{
    while (link->settings.reorder > 0) {
        const struct bytes *slot = early_slot(link, link->delivered + 1);
        if (slot->size == 0 || !deliver(link, slot->data + 1, slot->size - 1))
            return;
        drop_early(link, link->delivered);
    }
}

static void owe_acknowledgement(struct link *link)
{
    int64_t delay_ms = link->settings.resend_ms / 4;
    if (delay_ms > ACK_DELAY_MS)
        delay_ms = ACK_DELAY_MS;
    if (link->unacknowledged == 0)
        link->ack_due_ms = link->now_ms + delay_ms;
    link->unacknowledged++;
    if (link->unacknowledged >= ACK_FRAMES ||
        link->unacknowledged >= link->settings.window / 2 + 1)
        link->ack_due_ms = link->now_ms;
}

static void take_message(struct link *link, uint64_t sequence, const unsigned char *data,
                         size_t size)
{
    owe_acknowledgement(link);
    if (sequence > link->delivered + 1) {
        keep_early(link, sequence, data, size);
    } else if (sequence == link->delivered + 1 && deliver(link, data, size)) {
        if (link->settings.reorder > 0)
            drop_early(link, link->delivered); /* if memory failed before */
        deliver_early(link);
    }
}

/* The frame of link_output() and the message of link_next() may go. */
static void end_loans(struct link *link)
{
    if (link->has_output)
        link->refusals = 0; /* it was taken */
    link->has_output = false;
    if (link->is_lent)
        queue_pop(&link->incoming);
    link->is_lent = false;
}

uint64_t link_frame_sender(const void *frame, size_t size)
{
    const unsigned char *at = frame;
    if (size < HEADER_SIZE || load_u32(at) != LINK_MAGIC ||
        load_u32(at + 4) != LINK_VERSION)
        return 0;
    return load_u64(at + AT_SENDER);
}

enum link_event link_accept(struct link *link, const void *frame, size_t size,
                            int64_t now_ms)
{
    const unsigned char *at = frame;
    uint64_t sender = link_frame_sender(frame, size);
    if (sender == 0)
        return LINK_GARBAGE;
    link->now_ms = now_ms;
    uint64_t receiver = load_u64(at + AT_RECEIVER);
    uint64_t sequence = load_u64(at + AT_SEQUENCE);
    uint64_t acknowledged = load_u64(at + AT_ACKNOWLEDGED);
    if (receiver != 0 && receiver != link->self)
        return LINK_NOTHING;
    if (link->peer != 0 && sender != link->peer)
        return LINK_STRANGER;
    if (acknowledged >= link->next_unsent || (receiver == 0 && acknowledged != 0) ||
        (sequence == 0 && size != HEADER_SIZE))
        return LINK_GARBAGE;
    link->peer = sender;
    end_loans(link);
    take_acknowledgement(link, acknowledged);
    if (sequence != 0)
        take_message(link, sequence, at + HEADER_SIZE, size - HEADER_SIZE);
    return queue_is_empty(&link->incoming) ? LINK_NOTHING : LINK_MESSAGE;
}

const unsigned char *link_next(struct link *link, size_t *size)
{
    if (link->is_lent)
        queue_pop(&link->incoming);
    link->is_lent = false;
    if (queue_is_empty(&link->incoming))
        return NULL;
    link->is_lent = true;
    return queue_at(&link->incoming, link->incoming.base + link->incoming.head, size);
}

/* ---- questions ---- */

int64_t link_due_ms(const struct link *link)
{
    int64_t due_ms = has_flights(link) ? link->due_ms : INT64_MAX;
    if (due_ms < link->patient_ms)
        due_ms = link->patient_ms;
    if (may_send_new(link))
        due_ms = link->now_ms;
    if (link->unacknowledged > 0 && link->ack_due_ms < due_ms)
        due_ms = link->ack_due_ms;
    return due_ms < link->blocked_ms ? link->blocked_ms : due_ms;
}

size_t link_unacknowledged(const struct link *link)
{
    return (size_t)(link->next_sequence - 1 - link->acknowledged);
}

uint64_t link_peer(const struct link *link)
{
    return link->peer;
}
