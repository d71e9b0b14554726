/* pack_plan.h - which tokens of which document go into which sequence */
#ifndef STAGES_KERNELS_PACK_PLAN_H
#define STAGES_KERNELS_PACK_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pack_documents {
    PACK_JOINED, /* one behind the other, cut wherever a sequence is full */
    PACK_WHOLE, /* as many as fit; the next one begins a sequence. One that is longer than a
                    sequence fills sequences of its own, and its rest begins another */
    PACK_ALONE /* each has sequences of its own */
};

enum { PACK_HELD = INT32_MAX };

/* Tokens [begin, begin + size) of a document, the next ones of the sequence at hand. */
struct pack_piece {
    uint32_t document; /* PACK_HELD: what the sequence had before the first document */
    uint32_t size;
    uint64_t begin;
    bool ends_sequence;
};

struct pack_plan {
    struct pack_piece *pieces; /* room for pack_pieces_max() */
    size_t piece_count;
    uint32_t filled; /* of the sequence at hand; in: what it has already */
};

/* `tokens`: sum over the documents. */
size_t pack_pieces_max(uint64_t tokens, uint32_t count, uint32_t length);

/* Lay documents of so many tokens (lengths: (count), none is 0) into sequences of at most
 * `length`. The last sequence is left open where plan->filled is not 0 then. */
void pack_plan_add(struct pack_plan *plan, enum pack_documents documents, uint32_t length,
                   const uint64_t *lengths, uint32_t count);

#endif
